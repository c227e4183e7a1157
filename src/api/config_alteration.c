/* The broker's part of changing configurations; see the header. Work grows as n log n with the
 * request. The sentences are Kafka's. On the request's shard. */
#include "api/config_alteration.h"

#include "api/forward.h"
#include "config/dynamic.h"
#include "meta/effective.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define ERROR_TEXT_MAX 8192

static bool refuse(struct altered_resource *resource, enum err err, const char *text)
{
    resource->settled = true;
    resource->err = err;
    resource->text = text;
    return false;
}

/* ---- what is named twice ---- */

static int by_resource(const void *a, const void *b)
{
    struct altered_resource *const *left = a;
    struct altered_resource *const *right = b;
    int order = ((*left)->type > (*right)->type) - ((*left)->type < (*right)->type);
    return order != 0 ? order : slice_compare((*left)->name, (*right)->name);
}

static bool settle_repeated(struct api_request *request, struct altered_resource *resources,
                            size_t count)
{
    struct altered_resource **sorted =
        ARENA_ARRAY(&request->arena, struct altered_resource *, count + 1);
    if (sorted == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        sorted[i] = &resources[i];
    qsort(sorted, count, sizeof sorted[0], by_resource);
    for (size_t i = 1; i < count; i++) {
        if (by_resource(&sorted[i - 1], &sorted[i]) != 0)
            continue;
        (void)refuse(sorted[i - 1], ERR_INVALID_REQUEST, "Each resource must appear at most once.");
        (void)refuse(sorted[i], ERR_INVALID_REQUEST, "Each resource must appear at most once.");
    }
    return true;
}

static int by_key(const void *a, const void *b)
{
    const struct altered_key *left = a;
    const struct altered_key *right = b;
    return slice_compare(left->name, right->name);
}

/* ---- keys ---- */

static bool check_values(struct altered_resource *resource, struct arena *arena)
{
    const char *before = "Null value not supported for : ";
    struct text error;
    text_init(&error, ERROR_TEXT_MAX);
    for (size_t i = 0; i < resource->key_count; i++) {
        const struct altered_key *key = &resource->keys[i];
        if (!slice_is_null(key->value) || (!resource->replaces && key->op == CONFIG_OP_DELETE))
            continue;
        text_printf(&error, "%s%.*s", before, SLICE_ARG(key->name));
        before = ", ";
    }
    bool fine = error.size == 0 && !error.failed;
    if (!fine)
        (void)refuse(resource, ERR_INVALID_REQUEST,
                     arena_printf(arena, "%.*s", SLICE_ARG(text_slice(&error))));
    text_fini(&error);
    return fine;
}

static bool check_keys(struct altered_resource *resource, struct arena *arena)
{
    size_t count = resource->key_count;
    struct altered_key *sorted = ARENA_ARRAY(arena, struct altered_key, count + 1);
    if (sorted == NULL)
        return refuse(resource, ERR_UNKNOWN_SERVER_ERROR, "memory is out");
    if (count > 0)
        memcpy(sorted, resource->keys, count * sizeof sorted[0]);
    qsort(sorted, count, sizeof sorted[0], by_key);
    for (size_t i = 1; i < count; i++)
        if (by_key(&sorted[i - 1], &sorted[i]) == 0)
            return refuse(resource, ERR_INVALID_REQUEST, "Error due to duplicate config keys");
    return check_values(resource, arena);
}

/* ---- this node ---- */

/* what: how to name the number that is expected where it is another's. */
static bool check_node(struct api_request *request, struct altered_resource *resource,
                       const char *what)
{
    struct arena *arena = &request->arena;
    int32_t own = request->here->config->node_id;
    const char *text = arena_printf(arena, "%.*s", SLICE_ARG(resource->name));
    char *end;
    errno = 0;
    long id = strtol(text, &end, 10);
    if (text[0] <= ' ' || *end != '\0' || errno != 0 || id < INT32_MIN || id > INT32_MAX)
        return refuse(resource, ERR_INVALID_REQUEST,
                      arena_printf(arena, "Node id must be an integer, but it is: %s", text));
    return id == own || refuse(resource, ERR_INVALID_REQUEST,
                               arena_printf(arena, "Unexpected %s %" PRId32 ", but received %s",
                                            what, own, text));
}

/* This node has no loggers that could be told one by one. */
static bool check_loggers(struct api_request *request, struct altered_resource *resource)
{
    struct arena *arena = &request->arena;
    if (!check_node(request, resource, "node id. Expected"))
        return false;
    for (size_t i = 0; i < resource->key_count; i++) {
        const struct altered_key *key = &resource->keys[i];
        if (key->op == CONFIG_OP_APPEND || key->op == CONFIG_OP_SUBTRACT)
            return refuse(resource, ERR_INVALID_REQUEST,
                          arena_printf(arena,
                                       "%s operation is not allowed for the BROKER_LOGGER resource",
                                       key->op == CONFIG_OP_APPEND ? "APPEND" : "SUBTRACT"));
        if (!config_op_is_known(key->op))
            return refuse(resource, ERR_INVALID_REQUEST,
                          arena_printf(arena,
                                       "Unknown operation type %d is not allowed for the "
                                       "BROKER_LOGGER resource",
                                       key->op));
        return refuse(resource, ERR_INVALID_CONFIG,
                      arena_printf(arena, "Logger %.*s does not exist!", SLICE_ARG(key->name)));
    }
    return refuse(resource, ERR_NONE, NULL);
}

/* ---- this broker ---- */

/* The overrides of one resource in the making. */
struct overrides {
    struct config_pair *at;
    size_t count;
};

static struct config_pair *find(struct overrides *overrides, struct slice name)
{
    for (size_t i = 0; i < overrides->count; i++)
        if (slice_equal(overrides->at[i].name, name))
            return &overrides->at[i];
    return NULL;
}

static bool change_list(struct altered_resource *resource, const struct altered_key *key,
                        const struct config_pair *before, struct arena *arena,
                        struct slice *ret_value)
{
    bool appends = key->op == CONFIG_OP_APPEND;
    const struct config_row *row =
        config_row_find(CONFIG_BROKER, (const char *)key->name.data, key->name.size);
    if (row == NULL)
        return refuse(resource, ERR_INVALID_CONFIG,
                      arena_printf(arena, "Unknown config name: %.*s", SLICE_ARG(key->name)));
    if (row->type != CONFIG_LIST)
        return refuse(resource, ERR_INVALID_CONFIG,
                      arena_printf(arena, "Config value %s is not allowed for config key: %.*s",
                                   appends ? "append" : "subtract", SLICE_ARG(key->name)));
    struct config_change change = {.op = (enum config_op)key->op,
                                   .before = before != NULL ? before->value : (struct slice){0},
                                   .value = key->value};
    *ret_value = config_change_apply(row, &change, arena);
    return !slice_is_null(*ret_value) ||
           refuse(resource, ERR_UNKNOWN_SERVER_ERROR, "memory is out");
}

static bool apply(struct altered_resource *resource, const struct altered_key *key,
                  struct overrides *overrides, struct arena *arena)
{
    struct config_pair *pair = find(overrides, key->name);
    struct slice value = key->value;
    if (!resource->replaces && key->op == CONFIG_OP_DELETE) {
        if (pair != NULL)
            *pair = overrides->at[--overrides->count];
        return true;
    }
    if (!resource->replaces && !config_op_is_known(key->op))
        return refuse(resource, ERR_INVALID_REQUEST,
                      arena_printf(arena, "Unknown operations type %d", key->op));
    if (!resource->replaces && key->op != CONFIG_OP_SET &&
        !change_list(resource, key, pair, arena, &value))
        return false;
    if (pair == NULL) {
        pair = &overrides->at[overrides->count++];
        pair->name = key->name;
    }
    pair->value = value;
    return true;
}

static int by_name(const void *a, const void *b)
{
    const struct config_pair *left = a;
    const struct config_pair *right = b;
    return slice_compare(left->name, right->name);
}

/* What the broker, or all of them, would have. */
static bool make_overrides(struct altered_resource *resource, struct config_pairs before,
                           struct arena *arena, struct overrides *ret_overrides)
{
    struct overrides overrides = {
        .at = ARENA_ARRAY(arena, struct config_pair, before.count + resource->key_count + 1)};
    if (overrides.at == NULL)
        return refuse(resource, ERR_UNKNOWN_SERVER_ERROR, "memory is out");
    for (size_t i = 0; i < before.count && !resource->replaces; i++)
        if (node_dynamic_counts(&before.at[i], resource->name.size == 0))
            overrides.at[overrides.count++] = before.at[i];
    for (size_t i = 0; i < resource->key_count; i++)
        if (!apply(resource, &resource->keys[i], &overrides, arena))
            return false;
    qsort(overrides.at, overrides.count, sizeof overrides.at[0], by_name);
    *ret_overrides = overrides;
    return true;
}

static bool judge(struct api_request *request, struct altered_resource *resource,
                  const struct node_dynamic_change *change)
{
    struct text error;
    text_init(&error, ERROR_TEXT_MAX);
    bool fine = node_dynamic_check(request->here->config, change, &error);
    if (!fine)
        (void)refuse(resource, ERR_INVALID_REQUEST,
                     arena_printf(&request->arena, "%.*s", SLICE_ARG(text_slice(&error))));
    text_fini(&error);
    return fine;
}

static bool check_broker(struct api_request *request, struct altered_resource *resource)
{
    const struct api_shard *here = request->here;
    bool of_all = resource->name.size == 0;
    struct meta_layers layers;
    struct overrides overrides;
    if (!of_all && !check_node(request, resource, "broker id, expected"))
        return false;
    if (resource->key_count > META_OVERRIDES_MAX)
        return refuse(resource, ERR_POLICY_VIOLATION, "Too many configs for one resource.");
    meta_layers_make(here->image, here->config, (struct slice){0}, &layers);
    struct config_pairs *layer = of_all ? &layers.layers.default_broker : &layers.layers.broker;
    if (!make_overrides(resource, *layer, &request->arena, &overrides))
        return false;
    struct node_dynamic_change change = {
        .before = layers.layers, .after = layers.layers, .of_all_brokers = of_all};
    *(of_all ? &change.after.default_broker : &change.after.broker) =
        (struct config_pairs){.at = overrides.at, .count = overrides.count};
    return judge(request, resource, &change);
}

/* Clients' metrics have nothing here that their settings could reach. */
static bool check_type(struct api_request *request, struct altered_resource *resource)
{
    if (resource->type == CONFIG_RESOURCE_TOPIC || resource->type == CONFIG_RESOURCE_GROUP)
        return true;
    if (resource->type == CONFIG_RESOURCE_BROKER)
        return check_broker(request, resource);
    if (resource->type == CONFIG_RESOURCE_BROKER_LOGGER && !resource->replaces)
        return check_loggers(request, resource);
    return refuse(resource, ERR_INVALID_REQUEST,
                  arena_printf(&request->arena, "Unknown resource type %d", resource->type));
}

/* false: memory is out. */
static bool check_all(struct config_alteration *alteration)
{
    struct api_request *request = alteration->request;
    struct altered_resource *resources = alteration->resources;
    if (resources == NULL || !settle_repeated(request, resources, alteration->count))
        return false;
    for (size_t i = 0; i < alteration->count; i++)
        if (!resources[i].settled && check_keys(&resources[i], &request->arena))
            (void)check_type(request, &resources[i]);
    return !request->arena.failed;
}

/* ---- the controller ---- */

static void on_answered(struct shard *shard, struct peer_call *call)
{
    (void)shard;
    struct config_alteration *alteration = CONTAINER_OF(call, struct config_alteration, call);
    size_t next = 0;
    for (size_t i = 0; i < alteration->count; i++) {
        struct altered_resource *resource = &alteration->resources[i];
        if (resource->settled)
            continue;
        struct altered_outcome outcome = {.err = call->transport};
        if (call->response != NULL)
            outcome = alteration->outcome(call->response, next++);
        resource->err = outcome.err;
        if (!slice_is_null(outcome.text))
            resource->text =
                arena_printf(&alteration->request->arena, "%.*s", SLICE_ARG(outcome.text));
    }
    arena_fini(&call->arena);
    alteration->answer(alteration);
}

static bool is_settled(const struct config_alteration *alteration)
{
    for (size_t i = 0; i < alteration->count; i++)
        if (!alteration->resources[i].settled)
            return false;
    return true;
}

void config_alteration_run(struct config_alteration *alteration)
{
    struct api_request *request = alteration->request;
    bool fine = check_all(alteration);
    if (fine && is_settled(alteration)) {
        alteration->answer(alteration);
        return;
    }
    const void *ask = fine ? alteration->ask(alteration) : NULL;
    if (ask == NULL) {
        api_request_fail(request, "memory for a change of configs is out");
        return;
    }
    api_call_init(&alteration->call, request->here);
    alteration->call.api_key = request->row->key;
    alteration->call.api_version = request->header.api_version;
    alteration->call.request = ask;
    alteration->call.on_done = on_answered;
    peer_call(request->here->shard, request->here->config->node_id, &alteration->call);
}
