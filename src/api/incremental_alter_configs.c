/* IncrementalAlterConfigs, versions 0 and 1: what this broker refuses itself is left out of what
 * the controller is asked; the answer has both, in the request's order. On the request's shard. */
#include "api/config_alteration.h"
#include "api/handlers.h"
#include "wire/msg/incremental_alter_configs_request.h"
#include "wire/msg/incremental_alter_configs_response.h"

static void answer(struct config_alteration *alteration)
{
    struct api_request *request = alteration->request;
    struct incremental_alter_configs_response response = incremental_alter_configs_response_default;
    response.responses =
        ARENA_ARRAY(&request->arena, struct incremental_alter_configs_response_responses,
                    alteration->count + 1);
    if (response.responses == NULL) {
        api_request_fail(request, "memory for the answer is out");
        return;
    }
    for (size_t i = 0; i < alteration->count; i++)
        response.responses[i] = (struct incremental_alter_configs_response_responses){
            .error_code = (int16_t)alteration->resources[i].err,
            .error_message = slice_of_text(alteration->resources[i].text),
            .resource_type = alteration->resources[i].type,
            .resource_name = alteration->resources[i].name};
    response.responses_count = (int32_t)alteration->count;
    api_request_answer(request, &response);
}

static struct altered_outcome outcome(const void *from, size_t index)
{
    const struct incremental_alter_configs_response *response = from;
    if (index >= (size_t)response->responses_count)
        return (struct altered_outcome){.err = ERR_UNKNOWN_SERVER_ERROR};
    const struct incremental_alter_configs_response_responses *one = &response->responses[index];
    return (struct altered_outcome){.err = (enum err)one->error_code, .text = one->error_message};
}

static const void *ask(struct config_alteration *alteration)
{
    const struct incremental_alter_configs_request *message =
        API_MESSAGE(alteration->request, incremental_alter_configs_request);
    struct incremental_alter_configs_request *rest =
        API_NEW(alteration->request, struct incremental_alter_configs_request);
    if (rest == NULL)
        return NULL;
    *rest = *message;
    rest->resources_count = 0;
    rest->resources =
        ARENA_ARRAY(&alteration->request->arena, struct incremental_alter_configs_request_resources,
                    alteration->count);
    if (rest->resources == NULL)
        return NULL;
    for (size_t i = 0; i < alteration->count; i++)
        if (!alteration->resources[i].settled)
            rest->resources[rest->resources_count++] = message->resources[i];
    return rest;
}

static void take(struct config_alteration *alteration, size_t index)
{
    const struct incremental_alter_configs_request_resources *from =
        &API_MESSAGE(alteration->request, incremental_alter_configs_request)->resources[index];
    struct altered_resource *to = &alteration->resources[index];
    size_t count = (size_t)MAX_OF(from->configs_count, 0);
    *to = (struct altered_resource){
        .type = from->resource_type,
        .name = from->resource_name,
        .keys = ARENA_ARRAY(&alteration->request->arena, struct altered_key, count + 1),
        .replaces = false};
    for (size_t i = 0; i < count && to->keys != NULL; i++)
        to->keys[to->key_count++] = (struct altered_key){.name = from->configs[i].name,
                                                         .value = from->configs[i].value,
                                                         .op = from->configs[i].config_operation};
}

void api_handle_incremental_alter_configs(struct api_request *request)
{
    role_now_on_shard();
    int32_t count = API_MESSAGE(request, incremental_alter_configs_request)->resources_count;
    struct config_alteration *alteration = API_NEW(request, struct config_alteration);
    if (alteration == NULL) {
        api_request_fail(request, "memory for a change of configs is out");
        return;
    }
    alteration->request = request;
    alteration->ask = ask;
    alteration->outcome = outcome;
    alteration->answer = answer;
    alteration->count = (size_t)MAX_OF(count, 0);
    alteration->resources =
        ARENA_ARRAY(&request->arena, struct altered_resource, alteration->count + 1);
    for (size_t i = 0; i < alteration->count && alteration->resources != NULL; i++)
        take(alteration, i);
    config_alteration_run(alteration);
}
