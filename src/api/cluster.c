/* What clients are told of the cluster; see the header. Kafka's own answers decide: which replica
 * counts as offline, which error a partition without a reachable leader has. On the request's
 * shard. */
#include "api/cluster.h"

#include "config/node.h"
#include "wire/msg/register_broker_record.h"

#define TOPIC_NAME_SIZE_MAX 249

struct slice cluster_listener_name(const struct api_request *request)
{
    if (request->client != NULL)
        return slice_of_text(request->client->listener->name);
    return slice_of_text(request->here->config->inter_broker_listener_name);
}

bool cluster_broker_endpoint(const struct meta_broker *broker, struct slice listener,
                             struct cluster_endpoint *ret_endpoint)
{
    const struct register_broker_record *record = broker->record;
    for (int32_t i = 0; i < record->end_points_count; i++) {
        const struct register_broker_record_end_points *point = &record->end_points[i];
        if (!slice_equal(point->name, listener))
            continue;
        *ret_endpoint = (struct cluster_endpoint){
            .node_id = record->broker_id,
            .host = point->host,
            .port = point->port,
            .rack = record->rack,
        };
        return true;
    }
    return false;
}

bool cluster_alive_endpoint(const struct api_request *request, int32_t node_id,
                            struct cluster_endpoint *ret_endpoint)
{
    const struct meta_broker *broker = meta_broker_find(request->here->image, node_id);
    return broker != NULL && !broker->fenced &&
           cluster_broker_endpoint(broker, cluster_listener_name(request), ret_endpoint);
}

int32_t cluster_contact_id(const struct api_request *request)
{
    const struct meta_image *image = request->here->image;
    const struct meta_broker *own = meta_broker_find(image, request->here->config->node_id);
    if (own != NULL && !own->fenced)
        return own->record->broker_id;
    struct pmap_iterator iterator;
    struct pmap_entry entry;
    pmap_iterate(image->brokers, slice_of(NULL, 0), &iterator);
    while (pmap_next(&iterator, &entry)) {
        const struct meta_broker *broker = entry.value;
        if (!broker->fenced)
            return broker->record->broker_id;
    }
    return -1;
}

bool cluster_topic_is_internal(struct slice name)
{
    return slice_is(name, "__consumer_offsets") || slice_is(name, "__transaction_state") ||
           slice_is(name, "__share_group_state");
}

static bool is_legal(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

bool cluster_topic_name_is_valid(struct slice name)
{
    if (name.size == 0 || name.size > TOPIC_NAME_SIZE_MAX || slice_is(name, ".") ||
        slice_is(name, ".."))
        return false;
    for (size_t i = 0; i < name.size; i++)
        if (!is_legal(name.data[i]))
            return false;
    return true;
}

/* ---- partitions ---- */

static bool is_offline(const struct api_request *request, const struct meta_partition *partition,
                       int32_t at)
{
    struct cluster_endpoint endpoint;
    int32_t node_id = partition->replicas.at[at];
    if (!cluster_alive_endpoint(request, node_id, &endpoint))
        return true;
    const struct meta_broker *broker = meta_broker_find(request->here->image, node_id);
    return at < partition->directory_count &&
           !meta_directory_is_online(broker, partition->directories[at]);
}

/* Whether a broker is registered with the listener, fenced or not. */
static bool has_endpoint(const struct api_request *request, int32_t node_id)
{
    struct cluster_endpoint endpoint;
    const struct meta_broker *broker = meta_broker_find(request->here->image, node_id);
    return broker != NULL &&
           cluster_broker_endpoint(broker, cluster_listener_name(request), &endpoint);
}

enum err cluster_leader_error(const struct api_request *request,
                              const struct meta_partition *partition)
{
    if (has_endpoint(request, partition->leader))
        return ERR_NONE;
    bool is_registered = meta_broker_find(request->here->image, partition->leader) != NULL;
    return is_registered ? ERR_LISTENER_NOT_FOUND : ERR_LEADER_NOT_AVAILABLE;
}

bool cluster_offline_replicas(struct api_request *request, const struct meta_partition *partition,
                              struct cluster_ids *ret_offline)
{
    *ret_offline = (struct cluster_ids){0};
    if (partition->replicas.count == 0)
        return true;
    int32_t *ids = ARENA_ARRAY(&request->arena, int32_t, (size_t)partition->replicas.count);
    if (ids == NULL)
        return false;
    int32_t count = 0;
    for (int32_t i = 0; i < partition->replicas.count; i++)
        if (is_offline(request, partition, i))
            ids[count++] = partition->replicas.at[i];
    *ret_offline = (struct cluster_ids){.at = ids, .count = count};
    return true;
}

bool cluster_reachable_ids(struct api_request *request, struct meta_ids all,
                           struct cluster_ids *ret_reachable)
{
    *ret_reachable = (struct cluster_ids){0};
    if (all.count == 0)
        return true;
    int32_t *ids = ARENA_ARRAY(&request->arena, int32_t, (size_t)all.count);
    if (ids == NULL)
        return false;
    int32_t count = 0;
    for (int32_t i = 0; i < all.count; i++)
        if (has_endpoint(request, all.at[i]))
            ids[count++] = all.at[i];
    *ret_reachable = (struct cluster_ids){.at = ids, .count = count};
    return true;
}

bool cluster_all_ids(struct api_request *request, struct meta_ids all, struct cluster_ids *ret_ids)
{
    *ret_ids = (struct cluster_ids){0};
    if (all.count == 0)
        return true;
    int32_t *ids = ARENA_ARRAY(&request->arena, int32_t, (size_t)all.count);
    if (ids == NULL)
        return false;
    memcpy(ids, all.at, (size_t)all.count * sizeof *ids);
    *ret_ids = (struct cluster_ids){.at = ids, .count = all.count};
    return true;
}
