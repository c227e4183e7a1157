/* CreateTopics, versions 2 to 7: the controller checks, decides and writes; here is what to say
 * when it cannot be reached. On the request's shard. */
#include "api/forward.h"
#include "api/handlers.h"
#include "wire/msg/create_topics_request.h"
#include "wire/msg/create_topics_response.h"

static void on_failed(struct api_request *request, enum err err)
{
    const struct create_topics_request *message = API_MESSAGE(request, create_topics_request);
    struct create_topics_response response = create_topics_response_default;
    int32_t count = message->topics_count > 0 ? message->topics_count : 0;
    response.topics =
        ARENA_ARRAY(&request->arena, struct create_topics_response_topics, (size_t)count + 1);
    if (response.topics == NULL) {
        api_request_fail(request, "memory for CreateTopics is out");
        return;
    }
    for (int32_t i = 0; i < count; i++) {
        response.topics[i] = create_topics_response_topics_default;
        response.topics[i].name = message->topics[i].name;
        response.topics[i].error_code = (int16_t)err;
        response.topics[i].error_message = slice_of(NULL, 0);
    }
    response.topics_count = count;
    api_request_answer(request, &response);
}

void api_handle_create_topics(struct api_request *request)
{
    role_now_on_shard();
    if (API_MESSAGE(request, create_topics_request)->timeout_ms <= 0)
        on_failed(request, ERR_REQUEST_TIMED_OUT); /* it is over before it begins, as in Kafka */
    else
        api_forward(request, on_failed);
}
