/* IncrementalAlterConfigs and AlterConfigs decided as Kafka's controller decides them: each
 * resource on its own, all that pass taking effect together. Resources of a request are distinct
 * and free of null values: the broker that forwards it has seen to that, as it has judged what
 * concerns itself. The complication is the older request, which names everything a resource is to
 * have, so that the rest goes. On the controller's shard. */
#include "config/change.h"
#include "config/group.h"
#include "meta/effective.h"
#include "meta/features.h"
#include "meta/meta_int.h"
#include "meta/topic_name.h"
#include "wire/msg/alter_configs_request.h"
#include "wire/msg/alter_configs_response.h"
#include "wire/msg/clear_elr_record.h"
#include "wire/msg/config_record.h"
#include "wire/msg/incremental_alter_configs_request.h"
#include "wire/msg/incremental_alter_configs_response.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define RECORDS_PER_REQUEST_MAX 10000
#define VALUE_SIZE_MAX 32767
#define ERROR_TEXT_MAX 4096
#define MIN_ISR "min.insync.replicas"

/* One resource being changed. */
struct alteration {
    struct meta *meta;
    struct arena *arena;
    int8_t type;
    struct slice name;
    struct config_pair *changes; /* a null value removes */
    size_t change_count;
    /* out */
    enum err err;
    const char *text; /* NULL: none */
};

static bool refuse(struct alteration *alteration, enum err err, const char *text)
{
    alteration->err = err;
    alteration->text = text;
    return false;
}

/* NULL: none, as of a name that is in no record. */
static const struct meta_config *overrides_of(const struct alteration *alteration)
{
    if (alteration->name.size > VALUE_SIZE_MAX - 1)
        return NULL;
    return meta_config_find(alteration->meta->latest, alteration->type, alteration->name);
}

/* Null: the key is not set. */
static struct slice value_before(const struct alteration *alteration, struct slice key)
{
    const struct meta_config *overrides = overrides_of(alteration);
    const struct meta_text *text = overrides != NULL ? pmap_find(overrides->values, key) : NULL;
    return text != NULL ? text->text : (struct slice){0};
}

/* ---- what is there afterwards ---- */

static int by_name(const void *a, const void *b)
{
    const struct config_pair *left = a;
    const struct config_pair *right = b;
    return slice_compare(left->name, right->name);
}

/* All overrides as they will be, sorted; changes come sorted. */
static bool pairs_after(struct alteration *alteration, struct config_pairs *ret_pairs)
{
    struct config_pair room[META_OVERRIDES_MAX];
    struct config_pairs before = meta_config_pairs(overrides_of(alteration), room);
    size_t size = before.count + alteration->change_count;
    struct config_pair *after = ARENA_ARRAY(alteration->arena, struct config_pair, size + 1);
    if (after == NULL)
        return refuse(alteration, ERR_UNKNOWN_SERVER_ERROR, "memory is out");
    size_t count = 0;
    size_t at = 0;
    for (size_t i = 0; i < alteration->change_count; i++) {
        const struct config_pair *change = &alteration->changes[i];
        while (at < before.count && by_name(&before.at[at], change) < 0)
            after[count++] = before.at[at++];
        if (at < before.count && by_name(&before.at[at], change) == 0)
            at++;
        if (!slice_is_null(change->value))
            after[count++] = *change;
    }
    while (at < before.count)
        after[count++] = before.at[at++];
    if (count > META_OVERRIDES_MAX)
        return refuse(alteration, ERR_POLICY_VIOLATION,
                      arena_printf(alteration->arena,
                                   "A resource may have at most %d configs of its own.",
                                   META_OVERRIDES_MAX));
    *ret_pairs = (struct config_pairs){.at = after, .count = count};
    return true;
}

/* ---- judging ---- */

static bool check_broker_value(struct alteration *alteration, const struct config_pair *change)
{
    bool has_elr = meta_feature(alteration->meta->latest, META_FEATURE_ELR) > 0;
    if (alteration->type != META_CONFIG_BROKER || !slice_is(change->name, MIN_ISR) || !has_elr)
        return true;
    if (alteration->name.size > 0)
        return refuse(alteration, ERR_INVALID_CONFIG,
                      "Broker-level min.insync.replicas cannot be altered while ELR is enabled.");
    if (slice_is_null(change->value))
        return refuse(alteration, ERR_INVALID_CONFIG,
                      "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.");
    return true;
}

static bool check_changes(struct alteration *alteration)
{
    for (size_t i = 0; i < alteration->change_count; i++) {
        if (!check_broker_value(alteration, &alteration->changes[i]))
            return false;
        if (alteration->changes[i].value.size > VALUE_SIZE_MAX)
            return refuse(alteration, ERR_INVALID_CONFIG,
                          "The configuration value cannot be added because it exceeds the maximum "
                          "value size of 32767 bytes.");
    }
    return true;
}

static bool check_topic_configs(struct alteration *alteration, struct config_pairs pairs)
{
    struct meta *meta = alteration->meta;
    struct meta_layers all;
    meta_layers_make(meta->latest, meta->config, (struct slice){0}, &all);
    all.layers.topic = pairs;
    struct text error;
    text_init(&error, ERROR_TEXT_MAX);
    bool fine = topic_config_check(meta->config, &all.layers, &error);
    if (!fine)
        (void)refuse(alteration, ERR_INVALID_CONFIG,
                     arena_printf(alteration->arena, "%s", error.data != NULL ? error.data : ""));
    text_fini(&error);
    return fine;
}

static bool check_topic_name(struct alteration *alteration)
{
    if (alteration->name.size == 0)
        return refuse(alteration, ERR_INVALID_REQUEST, "Default topic resources are not allowed.");
    const char *fault = meta_topic_name_fault(alteration->name, alteration->arena);
    return fault == NULL || refuse(alteration, ERR_INVALID_TOPIC_EXCEPTION, fault);
}

static bool check_topic(struct alteration *alteration)
{
    struct config_pairs pairs;
    if (!check_topic_name(alteration) || !pairs_after(alteration, &pairs) ||
        !check_topic_configs(alteration, pairs))
        return false;
    return meta_topic_named(alteration->meta->latest, alteration->name) != NULL ||
           refuse(alteration, ERR_UNKNOWN_TOPIC_OR_PARTITION,
                  arena_printf(alteration->arena, "The topic '%.*s' does not exist.",
                               SLICE_ARG(alteration->name)));
}

static bool is_known_node(const struct meta_image *image, int32_t id)
{
    struct meta_key key = meta_key_of_int(id);
    return meta_broker_find(image, id) != NULL ||
           pmap_find(image->controllers, meta_key_slice(&key)) != NULL;
}

static bool check_broker_name(struct alteration *alteration)
{
    if (alteration->name.size == 0)
        return true;
    const char *text = arena_printf(alteration->arena, "%.*s", SLICE_ARG(alteration->name));
    char *end;
    errno = 0;
    long id = strtol(text, &end, 10);
    if (text[0] <= ' ' || *end != '\0' || errno != 0 || id < INT32_MIN || id > INT32_MAX)
        return refuse(alteration, ERR_INVALID_REQUEST,
                      "Unable to parse broker name as a base 10 number.");
    if (id < 0)
        return refuse(alteration, ERR_INVALID_REQUEST, "Invalid negative broker ID.");
    return is_known_node(alteration->meta->latest, (int32_t)id) ||
           refuse(alteration, ERR_BROKER_ID_NOT_REGISTERED,
                  arena_printf(alteration->arena, "No node with id %ld found.", id));
}

/* Values of brokers were judged where they take effect. */
static bool check_broker(struct alteration *alteration)
{
    struct config_pairs pairs;
    return check_broker_name(alteration) && pairs_after(alteration, &pairs);
}

static bool check_group(struct alteration *alteration)
{
    struct config_pairs pairs;
    if (alteration->name.size == 0)
        return refuse(alteration, ERR_INVALID_REQUEST, "Default group resources are not allowed.");
    if (!pairs_after(alteration, &pairs))
        return false;
    struct text error;
    text_init(&error, ERROR_TEXT_MAX);
    bool fine = group_config_check(alteration->meta->config, pairs, &error);
    if (!fine)
        (void)refuse(alteration, ERR_INVALID_CONFIG,
                     arena_printf(alteration->arena, "%s", error.data != NULL ? error.data : ""));
    text_fini(&error);
    return fine;
}

static bool check(struct alteration *alteration)
{
    if (!check_changes(alteration))
        return false;
    if (alteration->type == META_CONFIG_TOPIC)
        return check_topic(alteration);
    if (alteration->type == META_CONFIG_BROKER)
        return check_broker(alteration);
    if (alteration->type == META_CONFIG_GROUP)
        return check_group(alteration);
    return refuse(alteration, ERR_INVALID_REQUEST,
                  arena_printf(alteration->arena, "Unknown resource type %d", alteration->type));
}

/* ---- records ---- */

static void add_record(const struct alteration *alteration, const struct config_pair *change,
                       struct meta_records *records)
{
    struct config_record *record = ARENA_NEW(records->arena, struct config_record);
    if (record != NULL)
        *record = (struct config_record){.resource_type = alteration->type,
                                         .resource_name = alteration->name,
                                         .name = change->name,
                                         .value = change->value};
    meta_records_add(records, &wire_config_record, 0, record);
}

/* Who is eligible to lead was eligible by the old number. */
static void add_clear_elr(const struct alteration *alteration, struct meta_records *records)
{
    struct clear_elr_record *record = ARENA_NEW(records->arena, struct clear_elr_record);
    if (record != NULL)
        record->topic_name =
            alteration->type == META_CONFIG_TOPIC ? alteration->name : (struct slice)SLICE_LIT("");
    meta_records_add(records, &wire_clear_elr_record, 0, record);
}

static void add_records(const struct alteration *alteration, struct meta_records *records)
{
    bool has_elr = meta_feature(alteration->meta->latest, META_FEATURE_ELR) > 0;
    for (size_t i = 0; i < alteration->change_count; i++) {
        add_record(alteration, &alteration->changes[i], records);
        if (has_elr && slice_is(alteration->changes[i].name, MIN_ISR))
            add_clear_elr(alteration, records);
    }
}

/* ---- what changes ---- */

/* A broker's key is told again although it stays: some stand for files that have changed. */
static void add_change(struct alteration *alteration, struct config_pair change)
{
    struct slice before = value_before(alteration, change.name);
    bool same =
        slice_is_null(before) == slice_is_null(change.value) && slice_equal(before, change.value);
    if (!same || alteration->type == META_CONFIG_BROKER)
        alteration->changes[alteration->change_count++] = change;
}

static bool change_list(struct alteration *alteration,
                        const struct incremental_alter_configs_request_resources_configs *asked)
{
    enum config_scope scope = alteration->type == META_CONFIG_TOPIC   ? CONFIG_TOPIC
                              : alteration->type == META_CONFIG_GROUP ? CONFIG_GROUP
                                                                      : CONFIG_BROKER;
    const struct config_row *row =
        config_row_find(scope, (const char *)asked->name.data, asked->name.size);
    if (row == NULL || row->type != CONFIG_LIST)
        return refuse(
            alteration, ERR_INVALID_CONFIG,
            arena_printf(alteration->arena, "Can't %s to key %.*s because its type is not LIST.",
                         asked->config_operation == CONFIG_OP_APPEND ? "APPEND" : "SUBTRACT",
                         SLICE_ARG(asked->name)));
    struct config_change change = {.op = (enum config_op)asked->config_operation,
                                   .before = value_before(alteration, asked->name),
                                   .value = asked->value};
    struct slice text = config_change_apply(row, &change, alteration->arena);
    if (slice_is_null(text))
        return refuse(alteration, ERR_UNKNOWN_SERVER_ERROR, "memory is out");
    add_change(alteration, (struct config_pair){.name = asked->name, .value = text});
    return true;
}

static bool gather_incremental(struct alteration *alteration,
                               const struct incremental_alter_configs_request_resources *asked)
{
    for (int32_t i = 0; i < asked->configs_count; i++) {
        const struct incremental_alter_configs_request_resources_configs *one = &asked->configs[i];
        bool removes = one->config_operation == CONFIG_OP_DELETE;
        struct config_pair pair = {.name = one->name,
                                   .value = removes ? (struct slice){0} : one->value};
        if (!config_op_is_known(one->config_operation))
            return refuse(alteration, ERR_INVALID_REQUEST,
                          arena_printf(alteration->arena, "Unknown operations type %d",
                                       one->config_operation));
        if (removes || one->config_operation == CONFIG_OP_SET)
            add_change(alteration, pair);
        else if (!change_list(alteration, one))
            return false;
    }
    return true;
}

static int by_asked_name(const void *key, const void *element)
{
    const struct slice *name = key;
    const struct alter_configs_request_resources_configs *asked = element;
    return slice_compare(*name, asked->name);
}

static int by_names(const void *a, const void *b)
{
    const struct alter_configs_request_resources_configs *left = a;
    const struct alter_configs_request_resources_configs *right = b;
    return slice_compare(left->name, right->name);
}

/* What is not named goes. The request's own list is a copy of the forwarding broker's. */
static void gather_replacing(struct alteration *alteration,
                             struct alter_configs_request_resources_configs *sorted, size_t count)
{
    struct config_pair room[META_OVERRIDES_MAX];
    struct config_pairs before = meta_config_pairs(overrides_of(alteration), room);
    for (size_t i = 0; i < count; i++)
        add_change(alteration,
                   (struct config_pair){.name = sorted[i].name, .value = sorted[i].value});
    for (size_t i = 0; i < before.count; i++)
        if (count == 0 ||
            bsearch(&before.at[i].name, sorted, count, sizeof sorted[0], by_asked_name) == NULL)
            add_change(alteration, (struct config_pair){.name = before.at[i].name});
}

/* ---- one resource ---- */

/* Room for all changes there can be: what is asked for and, of a replacement, what is there. */
static bool begin(struct alteration *alteration, int32_t asked, bool replaces)
{
    const struct meta_config *before = replaces ? overrides_of(alteration) : NULL;
    size_t count = (size_t)MAX_OF(asked, 0) + (before != NULL ? before->values.count : 0);
    alteration->changes = ARENA_ARRAY(alteration->arena, struct config_pair, count + 1);
    return alteration->changes != NULL ||
           refuse(alteration, ERR_UNKNOWN_SERVER_ERROR, "memory is out");
}

static void finish(struct alteration *alteration, struct meta_records *records)
{
    if (alteration->change_count > 0)
        qsort(alteration->changes, alteration->change_count, sizeof alteration->changes[0],
              by_name);
    if (check(alteration))
        add_records(alteration, records);
}

static void alter_one(struct alteration *alteration,
                      const struct incremental_alter_configs_request_resources *asked,
                      struct meta_records *records)
{
    if (begin(alteration, asked->configs_count, false) && gather_incremental(alteration, asked))
        finish(alteration, records);
}

static void replace_one(struct alteration *alteration,
                        const struct alter_configs_request_resources *asked,
                        struct meta_records *records)
{
    size_t count = (size_t)MAX_OF(asked->configs_count, 0);
    if (!begin(alteration, asked->configs_count, true))
        return;
    struct alter_configs_request_resources_configs *sorted =
        ARENA_ARRAY(alteration->arena, struct alter_configs_request_resources_configs, count + 1);
    if (sorted == NULL) {
        (void)refuse(alteration, ERR_UNKNOWN_SERVER_ERROR, "memory is out");
        return;
    }
    if (count > 0)
        memcpy(sorted, asked->configs, count * sizeof sorted[0]);
    qsort(sorted, count, sizeof sorted[0], by_names);
    gather_replacing(alteration, sorted, count);
    finish(alteration, records);
}

/* ---- requests ---- */

/* Too much at once is refused as a whole; nothing is written where only that it could be was
 * asked. */
static void settle(struct meta_records *records, struct alteration *all, int32_t count,
                   bool validate_only)
{
    bool too_many = records->count > RECORDS_PER_REQUEST_MAX;
    for (int32_t i = 0; i < count && too_many; i++)
        (void)refuse(&all[i], ERR_POLICY_VIOLATION,
                     "Unable to perform excessively large batch operation.");
    if (too_many || validate_only)
        records->count = 0;
}

static struct alteration *alterations(struct arena *arena, int32_t count)
{
    return ARENA_ARRAY(arena, struct alteration, (size_t)MAX_OF(count, 0) + 1);
}

void meta_incremental_alter_configs(struct meta *meta, struct peer_call *call)
{
    const struct incremental_alter_configs_request *request = call->request;
    struct arena *arena = &call->arena;
    int32_t count = request->resources_count;
    struct meta_records records;
    meta_records_init(&records, arena);
    struct alteration *all = alterations(arena, count);
    struct incremental_alter_configs_response *response =
        ARENA_NEW(arena, struct incremental_alter_configs_response);
    struct incremental_alter_configs_response_responses *answers = ARENA_ARRAY(
        arena, struct incremental_alter_configs_response_responses, (size_t)MAX_OF(count, 0) + 1);
    if (all == NULL || response == NULL || answers == NULL) {
        peer_answer(meta->shard, call, ERR_UNKNOWN_SERVER_ERROR, NULL);
        return;
    }
    for (int32_t i = 0; i < count; i++) {
        all[i] = (struct alteration){.meta = meta,
                                     .arena = arena,
                                     .type = request->resources[i].resource_type,
                                     .name = request->resources[i].resource_name};
        alter_one(&all[i], &request->resources[i], &records);
    }
    settle(&records, all, count, request->validate_only);
    for (int32_t i = 0; i < count; i++)
        answers[i] = (struct incremental_alter_configs_response_responses){
            .error_code = (int16_t)all[i].err,
            .error_message = slice_of_text(all[i].text),
            .resource_type = all[i].type,
            .resource_name = all[i].name};
    *response = incremental_alter_configs_response_default;
    response->responses = answers;
    response->responses_count = MAX_OF(count, 0);
    meta_commit(meta, &records, call, response);
}

void meta_alter_configs(struct meta *meta, struct peer_call *call)
{
    const struct alter_configs_request *request = call->request;
    struct arena *arena = &call->arena;
    int32_t count = request->resources_count;
    struct meta_records records;
    meta_records_init(&records, arena);
    struct alteration *all = alterations(arena, count);
    struct alter_configs_response *response = ARENA_NEW(arena, struct alter_configs_response);
    struct alter_configs_response_responses *answers =
        ARENA_ARRAY(arena, struct alter_configs_response_responses, (size_t)MAX_OF(count, 0) + 1);
    if (all == NULL || response == NULL || answers == NULL) {
        peer_answer(meta->shard, call, ERR_UNKNOWN_SERVER_ERROR, NULL);
        return;
    }
    for (int32_t i = 0; i < count; i++) {
        all[i] = (struct alteration){.meta = meta,
                                     .arena = arena,
                                     .type = request->resources[i].resource_type,
                                     .name = request->resources[i].resource_name};
        replace_one(&all[i], &request->resources[i], &records);
    }
    settle(&records, all, count, request->validate_only);
    for (int32_t i = 0; i < count; i++)
        answers[i] =
            (struct alter_configs_response_responses){.error_code = (int16_t)all[i].err,
                                                      .error_message = slice_of_text(all[i].text),
                                                      .resource_type = all[i].type,
                                                      .resource_name = all[i].name};
    *response = alter_configs_response_default;
    response->responses = answers;
    response->responses_count = MAX_OF(count, 0);
    meta_commit(meta, &records, call, response);
}
