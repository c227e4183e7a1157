/* DescribeCluster, versions 0 to 2: the brokers, by the endpoint of the listener that was asked.
 * Controllers are described by controllers only (KIP-919). On the request's shard. */
#include "api/cluster.h"
#include "api/handlers.h"
#include "wire/msg/describe_cluster_request.h"
#include "wire/msg/describe_cluster_response.h"

enum endpoint_type { ENDPOINT_BROKER = 1, ENDPOINT_CONTROLLER = 2 };

/* Fenced brokers only where they were asked for (KIP-1073). */
static bool add_brokers(struct api_request *request, bool fenced_too,
                        struct describe_cluster_response *response)
{
    const struct meta_image *image = request->here->image;
    response->brokers = ARENA_ARRAY(&request->arena, struct describe_cluster_response_brokers,
                                    image->brokers.count + 1);
    if (response->brokers == NULL)
        return false;
    int32_t count = 0;
    struct slice listener = cluster_listener_name(request);
    struct pmap_iterator iterator;
    struct pmap_entry entry;
    pmap_iterate(image->brokers, slice_of(NULL, 0), &iterator);
    while (pmap_next(&iterator, &entry)) {
        const struct meta_broker *broker = entry.value;
        struct cluster_endpoint endpoint;
        if ((broker->fenced && !fenced_too) ||
            !cluster_broker_endpoint(broker, listener, &endpoint))
            continue;
        response->brokers[count++] = (struct describe_cluster_response_brokers){
            .broker_id = endpoint.node_id,
            .host = endpoint.host,
            .port = endpoint.port,
            .rack = endpoint.rack,
            .is_fenced = broker->fenced,
        };
    }
    response->brokers_count = count;
    return true;
}

static bool describe(struct api_request *request, struct describe_cluster_response *response)
{
    const struct describe_cluster_request *message = API_MESSAGE(request, describe_cluster_request);
    if (message->endpoint_type == ENDPOINT_CONTROLLER) {
        response->error_code = ERR_MISMATCHED_ENDPOINT_TYPE;
        response->error_message =
            slice_of_text("The request was sent to an endpoint of type BROKER, but we wanted an "
                          "endpoint of type CONTROLLER");
        return true;
    }
    if (message->endpoint_type != ENDPOINT_BROKER) {
        response->error_code = ERR_UNSUPPORTED_ENDPOINT_TYPE;
        response->error_message = slice_of_text(
            arena_printf(&request->arena, "Unsupported endpoint type %d", message->endpoint_type));
        return !request->arena.failed;
    }
    response->cluster_id = slice_of_text(request->here->cluster_id);
    response->controller_id = cluster_contact_id(request);
    if (message->include_cluster_authorized_operations)
        response->cluster_authorized_operations = CLUSTER_OPERATIONS_OF_CLUSTER;
    return add_brokers(request, message->include_fenced_brokers, response);
}

void api_handle_describe_cluster(struct api_request *request)
{
    struct describe_cluster_response response = describe_cluster_response_default;
    if (!describe(request, &response)) {
        api_request_fail(request, "memory for DescribeCluster is out");
        return;
    }
    api_request_answer(request, &response);
}
