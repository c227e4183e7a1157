/* DeleteTopics, versions 1 to 6: the controller checks, decides and writes; here is what to say
 * when it cannot be reached. On the request's shard. */
#include "api/forward.h"
#include "api/handlers.h"
#include "wire/msg/delete_topics_request.h"
#include "wire/msg/delete_topics_response.h"

#define VERSION_TOPIC_IDS 6

static void add(struct delete_topics_response *response, struct slice name, struct uuid id,
                enum err err)
{
    struct delete_topics_response_responses *one =
        &response->responses[response->responses_count++];
    *one = delete_topics_response_responses_default;
    one->name = name;
    one->topic_id = id;
    one->error_code = (int16_t)err;
}

static void on_failed(struct api_request *request, enum err err)
{
    const struct delete_topics_request *message = API_MESSAGE(request, delete_topics_request);
    struct delete_topics_response response = delete_topics_response_default;
    bool by_id = request->header.api_version >= VERSION_TOPIC_IDS;
    int32_t count = by_id ? message->topics_count : message->topic_names_count;
    if (count < 0)
        count = 0;
    response.responses_count = 0;
    response.responses =
        ARENA_ARRAY(&request->arena, struct delete_topics_response_responses, (size_t)count + 1);
    if (response.responses == NULL) {
        api_request_fail(request, "memory for DeleteTopics is out");
        return;
    }
    for (int32_t i = 0; i < count; i++)
        if (by_id)
            add(&response, message->topics[i].name, message->topics[i].topic_id, err);
        else
            add(&response, message->topic_names[i], uuid_zero, err);
    api_request_answer(request, &response);
}

void api_handle_delete_topics(struct api_request *request)
{
    role_now_on_shard();
    if (API_MESSAGE(request, delete_topics_request)->timeout_ms <= 0)
        on_failed(request, ERR_REQUEST_TIMED_OUT); /* it is over before it begins, as in Kafka */
    else
        api_forward(request, on_failed);
}
