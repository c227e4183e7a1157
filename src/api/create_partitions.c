/* CreatePartitions, versions 0 to 3: the controller checks, decides and writes; here is what to say
 * when it cannot be reached. On the request's shard. */
#include "api/forward.h"
#include "api/handlers.h"
#include "wire/msg/create_partitions_request.h"
#include "wire/msg/create_partitions_response.h"

static void on_failed(struct api_request *request, enum err err)
{
    const struct create_partitions_request *message =
        API_MESSAGE(request, create_partitions_request);
    struct create_partitions_response response = create_partitions_response_default;
    int32_t count = message->topics_count > 0 ? message->topics_count : 0;
    response.results =
        ARENA_ARRAY(&request->arena, struct create_partitions_response_results, (size_t)count + 1);
    if (response.results == NULL) {
        api_request_fail(request, "memory for CreatePartitions is out");
        return;
    }
    for (int32_t i = 0; i < count; i++) {
        response.results[i] = create_partitions_response_results_default;
        response.results[i].name = message->topics[i].name;
        response.results[i].error_code = (int16_t)err;
    }
    response.results_count = count;
    api_request_answer(request, &response);
}

void api_handle_create_partitions(struct api_request *request)
{
    role_now_on_shard();
    if (API_MESSAGE(request, create_partitions_request)->timeout_ms <= 0)
        on_failed(request, ERR_REQUEST_TIMED_OUT); /* it is over before it begins, as in Kafka */
    else
        api_forward(request, on_failed);
}
