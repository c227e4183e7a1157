/* CreateTopics decided with Kafka's rules, codes and sentences. Every topic of a request is judged
 * on its own; those that pass take effect together. Work grows as n log n with the request. On the
 * controller's shard. */
#include "base/always.h"
#include "meta/effective.h"
#include "meta/features.h"
#include "meta/meta_int.h"
#include "meta/placement.h"
#include "meta/topic_name.h"
#include "sys/entropy.h"
#include "wire/msg/clear_elr_record.h"
#include "wire/msg/config_record.h"
#include "wire/msg/create_topics_request.h"
#include "wire/msg/create_topics_response.h"
#include "wire/msg/topic_record.h"

#include <stdlib.h>

#define RECORDS_PER_REQUEST_MAX 10000
#define ERROR_TEXT_MAX 4096
#define PARTITIONS_PER_REQUEST_MAX 10000

/* One topic in the making. */
struct creation {
    struct meta *meta;
    struct arena *arena;
    const struct create_topics_request *request;
    const struct create_topics_request_topics *asked;
    struct create_topics_response_topics *answer;
    struct config_pair *pairs;
    int version;
};

static void refuse(struct creation *creation, enum err err, const char *text)
{
    creation->answer->error_code = (int16_t)err;
    creation->answer->error_message = slice_of_text(text);
    creation->answer->num_partitions = -1;
    creation->answer->replication_factor = -1;
}

/* ---- names ---- */

static size_t size_before_marks(struct slice name)
{
    size_t size = 0;
    while (size < name.size && name.data[size] != '.' && name.data[size] != '_')
        size++;
    return size;
}

/* An existing topic whose name differs in dots and underscores only, or NULL. It begins with the
 * same letters, so only those that do are looked at. */
static const struct meta_topic *find_collision(const struct meta_image *image, struct slice name)
{
    struct slice start = slice_first(name, size_before_marks(name));
    struct pmap_iterator topics;
    struct pmap_entry entry;
    if (start.size == name.size)
        return NULL;
    pmap_iterate(image->topics_by_name, start, &topics);
    while (pmap_next(&topics, &entry)) {
        if (!slice_equal(slice_first(entry.key, MIN_OF(start.size, entry.key.size)), start))
            return NULL;
        if (meta_topic_names_collide(entry.key, name))
            return entry.value;
    }
    return NULL;
}

static bool check_name(struct creation *creation)
{
    struct slice name = creation->asked->name;
    const struct meta_image *image = creation->meta->latest;
    const char *fault = meta_topic_name_fault(name, creation->arena);
    if (fault != NULL) {
        refuse(creation, ERR_INVALID_TOPIC_EXCEPTION, fault);
        return false;
    }
    if (slice_is(name, "__cluster_metadata")) {
        refuse(creation, ERR_INVALID_REQUEST,
               "Creation of internal topic __cluster_metadata is prohibited.");
        return false;
    }
    if (meta_topic_named(image, name) != NULL) {
        refuse(creation, ERR_TOPIC_ALREADY_EXISTS,
               arena_printf(creation->arena, "Topic '%.*s' already exists.", SLICE_ARG(name)));
        return false;
    }
    const struct meta_topic *other = find_collision(image, name);
    if (other != NULL) {
        refuse(creation, ERR_INVALID_TOPIC_EXCEPTION,
               arena_printf(creation->arena, "Topic '%.*s' collides with existing topic: %.*s",
                            SLICE_ARG(name), SLICE_ARG(other->name)));
        return false;
    }
    return true;
}

/* ---- configs ---- */

static bool check_configs(struct creation *creation, struct config_layers *ret_layers)
{
    const struct create_topics_request_topics *asked = creation->asked;
    size_t count = (size_t)MAX_OF(asked->configs_count, 0);
    creation->pairs = ARENA_ARRAY(creation->arena, struct config_pair, count);
    if (creation->pairs == NULL && count > 0) {
        refuse(creation, ERR_UNKNOWN_SERVER_ERROR, "memory is out");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        creation->pairs[i] =
            (struct config_pair){.name = asked->configs[i].name, .value = asked->configs[i].value};
        if (slice_is_null(asked->configs[i].value)) {
            refuse(creation, ERR_INVALID_CONFIG,
                   arena_printf(creation->arena, "Null value not supported for topic configs: %.*s",
                                SLICE_ARG(asked->configs[i].name)));
            return false;
        }
    }
    *ret_layers = (struct config_layers){.topic = {.at = creation->pairs, .count = count}};
    struct text error;
    text_init(&error, ERROR_TEXT_MAX);
    bool fine = topic_config_check(creation->meta->config, ret_layers, &error);
    if (!fine)
        refuse(creation, ERR_INVALID_CONFIG,
               arena_printf(creation->arena, "%s", error.data != NULL ? error.data : ""));
    text_fini(&error);
    return fine;
}

/* ---- counts and placement ---- */

static bool check_counts(struct creation *creation, int32_t *ret_partitions, int16_t *ret_factor)
{
    const struct create_topics_request_topics *asked = creation->asked;
    const struct node_config *config = creation->meta->config;
    if (asked->replication_factor < -1 || asked->replication_factor == 0) {
        refuse(creation, ERR_INVALID_REPLICATION_FACTOR,
               "Replication factor must be larger than 0, or -1 to use the default value.");
        return false;
    }
    if (asked->num_partitions < -1 || asked->num_partitions == 0) {
        refuse(creation, ERR_INVALID_PARTITIONS,
               "Number of partitions was set to an invalid non-positive value.");
        return false;
    }
    *ret_partitions = asked->num_partitions == -1 ? config->num_partitions : asked->num_partitions;
    *ret_factor = asked->replication_factor == -1 ? config->default_replication_factor
                                                  : asked->replication_factor;
    const char *fault = meta_placement_fault(creation->meta->latest, *ret_factor, creation->arena);
    if (fault != NULL)
        refuse(creation, ERR_INVALID_REPLICATION_FACTOR, fault);
    return fault == NULL;
}

/* A partition and which of the assignments it is in. */
struct assigned {
    int32_t partition;
    int32_t index;
};

static int by_partition(const void *a, const void *b)
{
    const struct assigned *left = a;
    const struct assigned *right = b;
    int order = (left->partition > right->partition) - (left->partition < right->partition);
    return order != 0 ? order : (left->index > right->index) - (left->index < right->index);
}

/* The partitions that were assigned, sorted; NULL: memory is out. */
static struct assigned *partitions_of(const struct create_topics_request_topics *asked,
                                      struct arena *arena)
{
    size_t count = (size_t)asked->assignments_count;
    struct assigned *partitions = ARENA_ARRAY(arena, struct assigned, count);
    if (partitions == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        partitions[i] = (struct assigned){asked->assignments[i].partition_index, (int32_t)i};
    qsort(partitions, count, sizeof partitions[0], by_partition);
    return partitions;
}

/* The first assignment whose partition has one already; the count when there is none. */
static int32_t first_again(const struct assigned *partitions, int32_t count)
{
    int32_t first = count;
    for (int32_t i = 1; i < count; i++)
        if (partitions[i].partition == partitions[i - 1].partition)
            first = MIN_OF(first, partitions[i].index);
    return first;
}

/* The sentence about all manual assignments, or NULL. */
static const char *assignments_fault(struct creation *creation)
{
    const struct create_topics_request_topics *asked = creation->asked;
    int32_t count = asked->assignments_count;
    int32_t factor = asked->assignments[0].broker_ids_count;
    const struct assigned *partitions = partitions_of(asked, creation->arena);
    if (partitions == NULL)
        return "memory is out";
    int32_t again = first_again(partitions, count);
    for (int32_t i = 0; i < count; i++) {
        const struct create_topics_request_topics_assignments *given = &asked->assignments[i];
        if (i == again)
            return arena_printf(creation->arena,
                                "Found multiple manual partition assignments for partition %d",
                                given->partition_index);
        const char *fault = meta_assignment_fault(
            creation->meta->latest,
            &(struct meta_assignment){.brokers = {given->broker_ids_count, given->broker_ids},
                                      .partition = given->partition_index,
                                      .factor = factor},
            creation->arena);
        if (fault != NULL)
            return fault;
    }
    for (int32_t i = 0; i < count; i++)
        if (partitions[i].partition != i)
            return "partitions should be a consecutive 0-based integer sequence";
    return NULL;
}

static bool check_assignments(struct creation *creation, int32_t *ret_partitions,
                              int16_t *ret_factor)
{
    const struct create_topics_request_topics *asked = creation->asked;
    if (asked->replication_factor != -1) {
        refuse(creation, ERR_INVALID_REQUEST,
               "A manual partition assignment was specified, but replication factor was not set "
               "to -1.");
        return false;
    }
    if (asked->num_partitions != -1) {
        refuse(creation, ERR_INVALID_REQUEST,
               "A manual partition assignment was specified, but numPartitions was not set to "
               "-1.");
        return false;
    }
    const char *fault = assignments_fault(creation);
    if (fault != NULL) {
        refuse(creation, ERR_INVALID_REPLICA_ASSIGNMENT, fault);
        return false;
    }
    *ret_partitions = asked->assignments_count;
    *ret_factor = (int16_t)asked->assignments[0].broker_ids_count;
    return true;
}

/* ---- records ---- */

static struct uuid random_topic_id(void)
{
    uint8_t random[16];
    struct uuid id;
    do
        sys_entropy(random, sizeof random);
    while (!uuid_from_random(random, &id));
    return id;
}

static void add_topic(struct creation *creation, struct meta_records *records, struct uuid id,
                      int32_t partitions)
{
    struct topic_record *topic = ARENA_NEW(creation->arena, struct topic_record);
    struct config_record *configs = ARENA_ARRAY(creation->arena, struct config_record,
                                                (size_t)MAX_OF(creation->asked->configs_count, 0));
    struct clear_elr_record *clear = ARENA_NEW(creation->arena, struct clear_elr_record);
    if (topic == NULL || clear == NULL || records->arena->failed) {
        records->failed = true;
        return;
    }
    *topic = (struct topic_record){.name = creation->asked->name, .topic_id = id};
    meta_records_add(records, &wire_topic_record, 0, topic);
    bool sets_min_isr = false;
    for (int32_t i = 0; i < creation->asked->configs_count; i++) {
        configs[i] = (struct config_record){
            .resource_type = META_CONFIG_TOPIC,
            .resource_name = creation->asked->name,
            .name = creation->pairs[i].name,
            .value = creation->pairs[i].value,
        };
        sets_min_isr = sets_min_isr || slice_is(configs[i].name, "min.insync.replicas");
        meta_records_add(records, &wire_config_record, 0, &configs[i]);
    }
    bool has_elr = meta_feature(creation->meta->latest, META_FEATURE_ELR) > 0;
    if (sets_min_isr && has_elr) {
        clear->topic_name = creation->asked->name;
        meta_records_add(records, &wire_clear_elr_record, 0, clear);
    }
    for (int32_t i = 0; i < partitions; i++)
        meta_partition_add(creation->meta, records,
                           &(struct meta_new_partition){.topic_id = id, .id = i});
}

/* ---- the answer's configs ---- */

struct described {
    struct arena *arena;
    struct config_pairs asked; /* told as the client wrote them */
    struct create_topics_response_topics_configs *at;
    int32_t count;
    int32_t capacity;
};

static bool on_entry(void *context, const struct config_entry *entry)
{
    struct described *described = context;
    if (described->count == described->capacity)
        return false;
    const struct config_pair *asked = config_pairs_find(described->asked, entry->name);
    described->at[described->count++] = (struct create_topics_response_topics_configs){
        .name = arena_copy(described->arena, entry->name),
        .value = arena_copy(described->arena, asked != NULL ? asked->value : entry->value),
        .read_only = entry->read_only,
        .config_source = (int8_t)entry->source,
        .is_sensitive = entry->sensitive,
    };
    return true;
}

static void describe_configs(struct creation *creation, const struct config_layers *layers)
{
    struct described described = {
        .arena = creation->arena, .asked = layers->topic, .capacity = 128};
    described.at = ARENA_ARRAY(creation->arena, struct create_topics_response_topics_configs,
                               (size_t)described.capacity);
    if (creation->version < 5 || described.at == NULL)
        return;
    struct meta_layers all;
    meta_layers_make(creation->meta->latest, creation->meta->config, (struct slice){0}, &all);
    all.layers.topic = layers->topic;
    topic_config_describe(creation->meta->config, &all.layers, (struct slice){0}, on_entry,
                          &described);
    creation->answer->configs = described.at;
    creation->answer->configs_count = described.count;
}

/* ---- one topic, then all ---- */

/* How many records the topic would take, be they made or not. */
static int64_t records_of(const struct creation *creation, int32_t partitions)
{
    const struct create_topics_request_topics *asked = creation->asked;
    int64_t count = 1 + (int64_t)MAX_OF(asked->configs_count, 0) + partitions;
    for (int32_t i = 0; i < asked->configs_count; i++)
        if (slice_is(asked->configs[i].name, "min.insync.replicas"))
            return count + 1;
    return count;
}

static void create_one(struct creation *creation, struct meta_records *records,
                       int64_t *record_count)
{
    struct config_layers layers;
    int32_t partitions;
    int16_t factor;
    if (!check_name(creation) || !check_configs(creation, &layers))
        return;
    bool manual = creation->asked->assignments_count > 0;
    if (!(manual ? check_assignments(creation, &partitions, &factor)
                 : check_counts(creation, &partitions, &factor)))
        return;
    *record_count += records_of(creation, partitions);
    if (*record_count > RECORDS_PER_REQUEST_MAX)
        return;
    struct uuid id = random_topic_id();
    creation->answer->num_partitions = creation->version >= 5 ? partitions : -1;
    creation->answer->replication_factor = creation->version >= 5 ? factor : -1;
    creation->answer->topic_id = id;
    describe_configs(creation, &layers);
    if (!creation->request->validate_only)
        add_topic(creation, records, id, partitions);
}

/* ---- names given twice ---- */

enum occurrence { OCCURS_ONCE, OCCURS_FIRST, OCCURS_AGAIN };

struct occurrence_at {
    struct slice name;
    int32_t index;
};

static int by_name(const void *a, const void *b)
{
    const struct occurrence_at *left = a;
    const struct occurrence_at *right = b;
    int order = slice_compare(left->name, right->name);
    return order != 0 ? order : (left->index > right->index) - (left->index < right->index);
}

/* One for each topic of the request; NULL: memory is out. */
static enum occurrence *occurrences_of(const struct create_topics_request *request,
                                       struct arena *arena)
{
    size_t count = (size_t)MAX_OF(request->topics_count, 0);
    enum occurrence *occurrences = ARENA_ARRAY(arena, enum occurrence, count + 1);
    struct occurrence_at *sorted = ARENA_ARRAY(arena, struct occurrence_at, count + 1);
    if (occurrences == NULL || sorted == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        sorted[i] = (struct occurrence_at){request->topics[i].name, (int32_t)i};
    qsort(sorted, count, sizeof sorted[0], by_name);
    for (size_t i = 1; i < count; i++) {
        if (!slice_equal(sorted[i].name, sorted[i - 1].name))
            continue;
        occurrences[sorted[i].index] = OCCURS_AGAIN;
        if (occurrences[sorted[i - 1].index] == OCCURS_ONCE)
            occurrences[sorted[i - 1].index] = OCCURS_FIRST;
    }
    return occurrences;
}

/* ---- the request ---- */

static struct create_topics_response_topics *answer_next(
    struct create_topics_response *response, const struct create_topics_request_topics *asked)
{
    struct create_topics_response_topics *answer = &response->topics[response->topics_count++];
    *answer = create_topics_response_topics_default;
    answer->name = asked->name;
    answer->error_message = (struct slice){0};
    return answer;
}

/* Too much at once is refused as a whole, names given twice included. */
static void refuse_all(const struct create_topics_request *request, const char *text,
                       struct create_topics_response *response)
{
    response->topics_count = 0;
    for (int32_t i = 0; i < request->topics_count; i++) {
        struct creation creation = {.answer = answer_next(response, &request->topics[i])};
        refuse(&creation, ERR_POLICY_VIOLATION, text);
    }
}

/* Partitions in all, before anything is judged. */
static int64_t partitions_asked(const struct meta *meta,
                                const struct create_topics_request *request)
{
    int64_t count = 0;
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct create_topics_request_topics *asked = &request->topics[i];
        int32_t partitions = asked->assignments_count > 0  ? asked->assignments_count
                             : asked->num_partitions == -1 ? meta->config->num_partitions
                                                           : asked->num_partitions;
        count += MAX_OF(partitions, 0);
    }
    return count;
}

static void create_all(struct meta *meta, const struct peer_call *call,
                       const enum occurrence *occurrences, struct meta_records *records,
                       struct create_topics_response *response)
{
    const struct create_topics_request *request = call->request;
    int64_t record_count = 0;
    for (int32_t i = 0; i < request->topics_count; i++) {
        if (occurrences[i] == OCCURS_AGAIN)
            continue;
        struct creation creation = {.meta = meta,
                                    .arena = records->arena,
                                    .request = request,
                                    .asked = &request->topics[i],
                                    .answer = answer_next(response, &request->topics[i]),
                                    .version = call->api_version};
        if (occurrences[i] == OCCURS_FIRST)
            refuse(&creation, ERR_INVALID_REQUEST, "Duplicate topic name.");
        else
            create_one(&creation, records, &record_count);
        if (record_count > RECORDS_PER_REQUEST_MAX) {
            refuse_all(request, "Unable to perform excessively large batch operation.", response);
            records->count = 0;
            return;
        }
    }
}

void meta_create_topics(struct meta *meta, struct peer_call *call)
{
    const struct create_topics_request *request = call->request;
    struct arena *arena = &call->arena;
    struct meta_records records;
    meta_records_init(&records, arena);
    struct create_topics_response *response = ARENA_NEW(arena, struct create_topics_response);
    struct create_topics_response_topics *topics = ARENA_ARRAY(
        arena, struct create_topics_response_topics, (size_t)MAX_OF(request->topics_count, 0));
    const enum occurrence *occurrences = occurrences_of(request, arena);
    if (response == NULL || occurrences == NULL || (topics == NULL && request->topics_count > 0)) {
        peer_answer(meta->shard, call, ERR_UNKNOWN_SERVER_ERROR, NULL);
        return;
    }
    *response = create_topics_response_default;
    response->topics = topics;
    response->topics_count = 0;
    if (partitions_asked(meta, request) > PARTITIONS_PER_REQUEST_MAX)
        refuse_all(request, "Excessively large number of partitions per request.", response);
    else
        create_all(meta, call, occurrences, &records, response);
    meta_commit(meta, &records, call, response);
}
