/* DescribeConfigs, versions 1 to 4: the effective settings of topics and of this broker, each with
 * where it comes from and, when asked for, what else would have given it and what it means. Every
 * resource is answered on its own. */
#include "api/handlers.h"
#include "base/always.h"
#include "config/group.h"
#include "config/node.h"
#include "meta/effective.h"
#include "meta/topic_name.h"
#include "tbl/errors.h"
#include "wire/msg/describe_configs_request.h"
#include "wire/msg/describe_configs_response.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum resource {
    RESOURCE_TOPIC = 2,
    RESOURCE_BROKER = 4,
    RESOURCE_BROKER_LOGGER = 8,
    RESOURCE_CLIENT_METRICS = 16,
    RESOURCE_GROUP = 32,
};

/* One resource being described. */
struct description {
    struct api_request *request;
    const struct describe_configs_request *message;
    const struct describe_configs_request_resources *asked;
    struct describe_configs_response_results *answer;
    int32_t capacity;
};

static void refuse(struct description *d, enum err err, const char *text)
{
    d->answer->error_code = (int16_t)err;
    d->answer->error_message = slice_of_text(text);
}

/* No keys are all keys, null or not. */
static bool is_asked(const struct description *d, struct slice name)
{
    if (d->asked->configuration_keys_count <= 0)
        return true;
    for (int32_t i = 0; i < d->asked->configuration_keys_count; i++)
        if (slice_equal(d->asked->configuration_keys[i], name))
            return true;
    return false;
}

static void fill_synonyms(struct description *d, const struct config_entry *entry,
                          struct describe_configs_response_results_configs *config)
{
    struct arena *arena = &d->request->arena;
    config->synonyms = ARENA_ARRAY(arena, struct describe_configs_response_results_configs_synonyms,
                                   entry->synonym_count);
    if (config->synonyms == NULL)
        return;
    for (size_t i = 0; i < entry->synonym_count; i++)
        config->synonyms[config->synonyms_count++] =
            (struct describe_configs_response_results_configs_synonyms){
                .name = arena_copy(arena, slice_of_text(entry->synonyms[i].name)),
                .value = arena_copy(arena, entry->synonyms[i].value),
                .source = (int8_t)entry->synonyms[i].source,
            };
}

/* The list grows by doubling: what it had is copied. */
static bool make_room(struct description *d)
{
    struct describe_configs_response_results *answer = d->answer;
    if (answer->configs_count < d->capacity)
        return true;
    int32_t capacity = d->capacity > 0 ? d->capacity * 2 : 64;
    struct describe_configs_response_results_configs *grown = ARENA_ARRAY(
        &d->request->arena, struct describe_configs_response_results_configs, (size_t)capacity);
    if (grown == NULL)
        return false;
    if (answer->configs_count > 0)
        memcpy(grown, answer->configs, (size_t)answer->configs_count * sizeof *grown);
    answer->configs = grown;
    d->capacity = capacity;
    return true;
}

/* What is shown for the sake of tools, and does nothing here, says so. */
static struct slice document(struct arena *arena, const struct config_row *row)
{
    if (row->treatment == CONFIG_HONOURED)
        return slice_of_text(row->doc);
    return slice_of_text(arena_printf(arena, "%s Has no effect in this version.", row->doc));
}

static bool on_entry(void *context, const struct config_entry *entry)
{
    struct description *d = context;
    struct arena *arena = &d->request->arena;
    if (!is_asked(d, entry->name))
        return true;
    if (!make_room(d))
        return false;
    struct describe_configs_response_results_configs *config =
        &d->answer->configs[d->answer->configs_count++];
    *config = describe_configs_response_results_configs_default;
    config->name = arena_copy(arena, entry->name);
    config->value = arena_copy(arena, entry->value);
    config->read_only = entry->read_only;
    config->config_source = (int8_t)entry->source;
    config->is_sensitive = entry->sensitive;
    config->config_type = entry->row != NULL ? (int8_t)entry->row->type : 0;
    config->documentation = (struct slice){0};
    if (d->message->include_documentation && entry->row != NULL)
        config->documentation = document(arena, entry->row);
    if (d->message->include_synonyms)
        fill_synonyms(d, entry, config);
    return true;
}

static void describe_topic(struct description *d)
{
    const struct api_shard *here = d->request->here;
    const char *fault = meta_topic_name_fault(d->asked->resource_name, &d->request->arena);
    if (fault != NULL) {
        refuse(d, ERR_INVALID_TOPIC_EXCEPTION, fault);
        return;
    }
    if (meta_topic_named(here->image, d->asked->resource_name) == NULL) {
        refuse(d, ERR_UNKNOWN_TOPIC_OR_PARTITION, "");
        return;
    }
    struct meta_layers layers;
    meta_layers_make(here->image, here->config, d->asked->resource_name, &layers);
    topic_config_describe(here->config, &layers.layers, (struct slice){0}, on_entry, d);
}

/* Whether the resource's name is this broker's id; false: refused. accepted: what would have been
 * right, beside the id. */
static bool check_broker(struct description *d, const char *accepted)
{
    struct arena *arena = &d->request->arena;
    int32_t own = d->request->here->config->node_id;
    const char *text = arena_printf(arena, "%.*s", SLICE_ARG(d->asked->resource_name));
    char *end;
    errno = 0;
    long id = strtol(text, &end, 10);
    bool is_number = text[0] > ' ' && *end == '\0' && strlen(text) == d->asked->resource_name.size;
    if (!is_number || errno != 0 || id < INT32_MIN || id > INT32_MAX) {
        refuse(d, ERR_INVALID_REQUEST,
               arena_printf(arena, "Broker id must be an integer, but it is: %s", text));
        return false;
    }
    if (id != own) {
        refuse(d, ERR_INVALID_REQUEST,
               arena_printf(arena, "Unexpected broker id, expected %" PRId32 "%s but received %ld",
                            own, accepted, id));
        return false;
    }
    return true;
}

static void describe_broker(struct description *d)
{
    const struct api_shard *here = d->request->here;
    bool only_default = d->asked->resource_name.size == 0;
    if (!only_default && !check_broker(d, " or empty string,"))
        return;
    struct meta_layers layers;
    meta_layers_make(here->image, here->config, (struct slice){0}, &layers);
    struct node_describe how = {.layers = layers.layers, .only_default = only_default};
    node_config_describe(here->config, &how, on_entry, d);
}

static void describe_group(struct description *d)
{
    const struct api_shard *here = d->request->here;
    if (d->asked->resource_name.size == 0) {
        refuse(d, ERR_INVALID_REQUEST, "Group name must not be empty");
        return;
    }
    struct meta_layers layers;
    struct config_pair room[META_OVERRIDES_MAX];
    meta_layers_make(here->image, here->config, (struct slice){0}, &layers);
    struct config_pairs pairs = meta_config_pairs(
        meta_config_find(here->image, META_CONFIG_GROUP, d->asked->resource_name), room);
    group_config_describe(here->config, &layers.layers, pairs, on_entry, d);
}

/* This node has no loggers that could be told one by one: its answer is empty. */
static void describe_loggers(struct description *d)
{
    if (d->asked->resource_name.size == 0)
        refuse(d, ERR_INVALID_REQUEST, "Broker id must not be empty");
    else
        (void)check_broker(d, "");
}

static void begin(struct description *d)
{
    *d->answer = describe_configs_response_results_default;
    d->answer->resource_type = d->asked->resource_type;
    d->answer->resource_name = d->asked->resource_name;
}

static void describe_one(struct description *d)
{
    begin(d);
    switch (d->asked->resource_type) {
    case RESOURCE_TOPIC:
        describe_topic(d);
        break;
    case RESOURCE_BROKER:
        describe_broker(d);
        break;
    case RESOURCE_BROKER_LOGGER:
        describe_loggers(d);
        break;
    case RESOURCE_GROUP:
        describe_group(d);
        break;
    default:
        refuse(d, ERR_INVALID_REQUEST,
               arena_printf(&d->request->arena, "Unsupported resource type: %d",
                            d->asked->resource_type));
    }
    if (d->answer->error_code != ERR_NONE)
        d->answer->configs_count = 0;
}

/* A type nobody knows spoils the whole request, as in Kafka, which throws on it. */
static bool types_are_known(const struct describe_configs_request *message)
{
    for (int32_t i = 0; i < message->resources_count; i++) {
        int8_t type = message->resources[i].resource_type;
        if (type != RESOURCE_TOPIC && type != RESOURCE_BROKER && type != RESOURCE_BROKER_LOGGER &&
            type != RESOURCE_CLIENT_METRICS && type != RESOURCE_GROUP)
            return false;
    }
    return true;
}

static void refuse_malformed(struct description *d)
{
    begin(d);
    refuse(d, ERR_INVALID_REQUEST,
           "This most likely occurs because of a request being malformed by the client library or "
           "the message was sent to an incompatible broker. See the broker logs for more details.");
}

void api_handle_describe_configs(struct api_request *request)
{
    const struct describe_configs_request *message = API_MESSAGE(request, describe_configs_request);
    struct describe_configs_response response = describe_configs_response_default;
    bool known = types_are_known(message);
    response.results = ARENA_ARRAY(&request->arena, struct describe_configs_response_results,
                                   (size_t)MAX_OF(message->resources_count, 0));
    for (int32_t i = 0; i < message->resources_count && response.results != NULL; i++) {
        struct description description = {.request = request,
                                          .message = message,
                                          .asked = &message->resources[i],
                                          .answer = &response.results[response.results_count++]};
        if (known)
            describe_one(&description);
        else
            refuse_malformed(&description);
    }
    if (request->arena.failed)
        api_request_fail(request, "memory for the answer is out");
    else
        api_request_answer(request, &response);
}
