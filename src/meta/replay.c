/* Applying metadata records to an image that is being made. The complication is that a partition
 * belongs to a topic that belongs to two maps, so a change makes the path to it anew and leaves the
 * old image as it was. Every record type of Kafka 4.4 has a row; one that has none is refused,
 * since forgetting what it said would be silent. On the controller's shard, or before the shards
 * run. */
#include "meta/image_int.h"

#include "base/always.h"
#include "base/bytes.h"
#include "wire/chain.h"
#include "wire/msg/access_control_entry_record.h"
#include "wire/msg/broker_registration_change_record.h"
#include "wire/msg/clear_elr_record.h"
#include "wire/msg/client_quota_record.h"
#include "wire/msg/delegation_token_record.h"
#include "wire/msg/feature_level_record.h"
#include "wire/msg/fence_broker_record.h"
#include "wire/msg/partition_change_record.h"
#include "wire/msg/partition_record.h"
#include "wire/msg/producer_ids_record.h"
#include "wire/msg/register_broker_record.h"
#include "wire/msg/register_controller_record.h"
#include "wire/msg/remove_access_control_entry_record.h"
#include "wire/msg/remove_delegation_token_record.h"
#include "wire/msg/remove_topic_record.h"
#include "wire/msg/remove_user_scram_credential_record.h"
#include "wire/msg/topic_record.h"
#include "wire/msg/unfence_broker_record.h"
#include "wire/msg/unregister_broker_record.h"
#include "wire/msg/unregister_controller_record.h"
#include "wire/msg/user_scram_credential_record.h"

#include <stdlib.h>

#define KEPT_ARENA_MAX (16U * 1024 * 1024)
/* PartitionChangeRecord.leader: not changed. */
#define NO_LEADER_CHANGE (-2)

/* ---- copies of records ---- */

/* A record decoded from a copy of its own, so that it lives as long as the object that has it. */
struct record_copy {
    struct arena arena;
    void *record;
};

static bool record_copy_make(struct record_copy *copy, const struct meta_applied *applied)
{
    struct chain chain;
    chain_init(&chain, KEPT_ARENA_MAX);
    arena_init(&copy->arena, KEPT_ARENA_MAX);
    struct wire_decoded decoded;
    bool fine = wire_encode(applied->message, applied->version, applied->record, &chain, NULL);
    struct slice bytes =
        fine ? arena_copy(&copy->arena, slice_of(chain.data, chain.size)) : (struct slice){0};
    copy->record = arena_take(&copy->arena, applied->message->type->size);
    fine = fine && copy->record != NULL &&
           wire_decode(applied->message, applied->version, bytes, &copy->arena, copy->record,
                       &decoded);
    chain_fini(&chain);
    if (!fine)
        arena_fini(&copy->arena);
    return fine;
}

struct broker_object {
    struct meta_broker broker;
    struct record_copy copy;
    struct uuid *cordoned;
};

static void broker_free(struct meta_object *object)
{
    struct broker_object *self = CONTAINER_OF(object, struct broker_object, broker.object);
    arena_fini(&self->copy.arena);
    free(self->cordoned);
    free(self);
}

struct controller_object {
    struct meta_controller controller;
    struct record_copy copy;
};

static void controller_free(struct meta_object *object)
{
    struct controller_object *self =
        CONTAINER_OF(object, struct controller_object, controller.object);
    arena_fini(&self->copy.arena);
    free(self);
}

struct kept_object {
    struct meta_kept kept;
    struct record_copy copy;
};

static void kept_free(struct meta_object *object)
{
    struct kept_object *self = CONTAINER_OF(object, struct kept_object, kept.object);
    arena_fini(&self->copy.arena);
    free(self);
}

/* ---- small values ---- */

static void plain_free(struct meta_object *object)
{
    free(object);
}

static bool put_number(struct pmap *map, struct slice key, int64_t number)
{
    struct meta_number *value = calloc(1, sizeof *value);
    if (value == NULL)
        return false;
    *value =
        (struct meta_number){.object = {.references = 1, .free = plain_free}, .number = number};
    return pmap_put(map, key, value);
}

/* ---- brokers and controllers ---- */

static const char *put_broker(struct meta_image *image, const struct meta_applied *applied,
                              const struct meta_broker *state)
{
    struct broker_object *self = calloc(1, sizeof *self);
    if (self == NULL)
        return NO_MEMORY;
    if (!record_copy_make(&self->copy, applied)) {
        free(self);
        return NO_MEMORY;
    }
    const struct register_broker_record *record = self->copy.record;
    self->broker = *state;
    self->broker.object = (struct meta_object){.references = 1, .free = broker_free};
    self->broker.record = record;
    if (state->cordoned_count > 0) {
        size_t size = (size_t)state->cordoned_count * sizeof(struct uuid);
        self->cordoned = malloc(size);
        if (self->cordoned == NULL) {
            broker_free(&self->broker.object);
            return NO_MEMORY;
        }
        memcpy(self->cordoned, state->cordoned, size);
    }
    self->broker.cordoned = self->cordoned;
    struct meta_key key = meta_key_of_int(record->broker_id);
    return pmap_put(&image->brokers, meta_key_slice(&key), &self->broker) ? NULL : NO_MEMORY;
}

static const char *apply_register_broker(struct meta_image *image,
                                         const struct meta_applied *applied)
{
    const struct register_broker_record *record = applied->record;
    struct meta_broker state = {
        .fenced = record->fenced,
        .in_controlled_shutdown = record->in_controlled_shutdown,
        .cordoned_count = record->cordoned_log_dirs_count,
        .cordoned = record->cordoned_log_dirs,
    };
    return put_broker(image, applied, &state);
}

/* The broker with a changed state; its registration stays. */
static const char *change_broker(struct meta_image *image, int32_t id,
                                 const struct meta_broker *state)
{
    ALWAYS(meta_broker_find(image, id) != NULL, "broker %d is registered", id);
    struct meta_applied again = {.message = &wire_register_broker_record,
                                 .version = wire_register_broker_record.versions.high,
                                 .record = state->record};
    return put_broker(image, &again, state);
}

static const char *apply_broker_change(struct meta_image *image, const struct meta_applied *applied)
{
    const struct broker_registration_change_record *record = applied->record;
    const struct meta_broker *broker = meta_broker_find(image, record->broker_id);
    if (broker == NULL)
        return "a change of a broker that is not registered";
    struct meta_broker state = *broker;
    if (record->fenced != 0)
        state.fenced = record->fenced > 0;
    if (record->in_controlled_shutdown != 0)
        state.in_controlled_shutdown = record->in_controlled_shutdown > 0;
    if (record->cordoned_log_dirs_count >= 0) {
        state.cordoned_count = record->cordoned_log_dirs_count;
        state.cordoned = record->cordoned_log_dirs;
    }
    struct register_broker_record registration = *broker->record;
    if (record->log_dirs_count > 0) {
        registration.log_dirs = record->log_dirs;
        registration.log_dirs_count = record->log_dirs_count;
    }
    state.record = &registration;
    return change_broker(image, record->broker_id, &state);
}

static const char *set_fenced(struct meta_image *image, int32_t id, bool fenced)
{
    const struct meta_broker *broker = meta_broker_find(image, id);
    if (broker == NULL)
        return "a fence for a broker that is not registered";
    struct meta_broker state = *broker;
    state.fenced = fenced;
    return change_broker(image, id, &state);
}

static const char *apply_fence(struct meta_image *image, const struct meta_applied *applied)
{
    return set_fenced(image, ((const struct fence_broker_record *)applied->record)->id, true);
}

static const char *apply_unfence(struct meta_image *image, const struct meta_applied *applied)
{
    return set_fenced(image, ((const struct unfence_broker_record *)applied->record)->id, false);
}

static const char *apply_unregister_broker(struct meta_image *image,
                                           const struct meta_applied *applied)
{
    const struct unregister_broker_record *record = applied->record;
    struct meta_key key = meta_key_of_int(record->broker_id);
    return pmap_remove(&image->brokers, meta_key_slice(&key)) ? NULL : NO_MEMORY;
}

static const char *apply_register_controller(struct meta_image *image,
                                             const struct meta_applied *applied)
{
    struct controller_object *self = calloc(1, sizeof *self);
    if (self == NULL || !record_copy_make(&self->copy, applied)) {
        free(self);
        return NO_MEMORY;
    }
    const struct register_controller_record *record = self->copy.record;
    self->controller = (struct meta_controller){
        .object = {.references = 1, .free = controller_free}, .record = record};
    struct meta_key key = meta_key_of_int(record->controller_id);
    return pmap_put(&image->controllers, meta_key_slice(&key), &self->controller) ? NULL
                                                                                  : NO_MEMORY;
}

static const char *apply_unregister_controller(struct meta_image *image,
                                               const struct meta_applied *applied)
{
    const struct unregister_controller_record *record = applied->record;
    struct meta_key key = meta_key_of_int(record->controller_id);
    return pmap_remove(&image->controllers, meta_key_slice(&key)) ? NULL : NO_MEMORY;
}

/* ---- topics and partitions ---- */

struct topic_object {
    struct meta_topic topic;
    uint8_t name[];
};

static void topic_free(struct meta_object *object)
{
    struct topic_object *self = CONTAINER_OF(object, struct topic_object, topic.object);
    pmap_unref(&self->topic.partitions);
    free(self);
}

/* Puts a topic with these partitions (one reference taken over) into both maps. */
static const char *put_topic(struct meta_image *image, struct slice name, struct uuid id,
                             struct pmap partitions)
{
    struct topic_object *self = calloc(1, sizeof *self + name.size);
    if (self == NULL) {
        pmap_unref(&partitions);
        return NO_MEMORY;
    }
    memcpy(self->name, name.data, name.size);
    self->topic = (struct meta_topic){
        .object = {.references = 2, .free = topic_free},
        .name = slice_of(self->name, name.size),
        .id = id,
        .partitions = partitions,
    };
    if (!pmap_put(&image->topics_by_name, self->topic.name, &self->topic)) {
        meta_objects.unref(&self->topic);
        return NO_MEMORY;
    }
    struct slice key = slice_of(self->topic.id.bytes, sizeof id.bytes);
    return pmap_put(&image->topics_by_id, key, &self->topic) ? NULL : NO_MEMORY;
}

static const char *apply_topic(struct meta_image *image, const struct meta_applied *applied)
{
    const struct topic_record *record = applied->record;
    return put_topic(image, record->name, record->topic_id, pmap_empty(&meta_objects));
}

static const char *apply_remove_topic(struct meta_image *image, const struct meta_applied *applied)
{
    const struct remove_topic_record *record = applied->record;
    const struct meta_topic *topic = meta_topic_by_id(image, record->topic_id);
    if (topic == NULL)
        return "the removal of a topic that is not there";
    uint8_t buffer[META_CONFIG_KEY_MAX];
    struct slice config = meta_config_key(META_CONFIG_TOPIC, topic->name, buffer);
    image->partition_count -= (int64_t)topic->partitions.count;
    struct uuid id = topic->id;
    bool fine = pmap_remove(&image->configs, config) &&
                pmap_remove(&image->topics_by_name, topic->name) &&
                pmap_remove(&image->topics_by_id, slice_of(id.bytes, sizeof id.bytes));
    return fine ? NULL : NO_MEMORY;
}

static struct meta_ids copy_ids(int32_t **at, int32_t count, const int32_t *from)
{
    struct meta_ids ids = {.count = count > 0 ? count : 0, .at = *at};
    if (ids.count > 0)
        memcpy(*at, from, (size_t)ids.count * sizeof **at);
    *at += ids.count;
    return ids;
}

/* A counted copy of a partition whose lists stand anywhere. */
static struct meta_partition *copy_partition(const struct meta_partition *from)
{
    int32_t ids = from->replicas.count + from->isr.count + from->adding.count +
                  from->removing.count + from->elr.count + from->last_known_elr.count;
    size_t words = (size_t)ids * sizeof(int32_t);
    size_t directories = (size_t)from->directory_count * sizeof(struct uuid);
    struct meta_partition *partition = calloc(1, sizeof *partition + words + directories);
    if (partition == NULL)
        return NULL;
    /* All lists of ids stand behind the partition, then the directories. */
    int32_t *at = (int32_t *)(partition + 1);
    *partition = *from;
    partition->object = (struct meta_object){.references = 1, .free = plain_free};
    partition->replicas = copy_ids(&at, from->replicas.count, from->replicas.at);
    partition->isr = copy_ids(&at, from->isr.count, from->isr.at);
    partition->adding = copy_ids(&at, from->adding.count, from->adding.at);
    partition->removing = copy_ids(&at, from->removing.count, from->removing.at);
    partition->elr = copy_ids(&at, from->elr.count, from->elr.at);
    partition->last_known_elr = copy_ids(&at, from->last_known_elr.count, from->last_known_elr.at);
    partition->directories = (const struct uuid *)(void *)at;
    if (directories > 0)
        memcpy(at, from->directories, directories);
    return partition;
}

static const char *put_partition(struct meta_image *image, struct uuid topic_id,
                                 const struct meta_partition *state)
{
    const struct meta_topic *topic = meta_topic_by_id(image, topic_id);
    if (topic == NULL)
        return "a partition of a topic that is not there";
    struct meta_partition *partition = copy_partition(state);
    if (partition == NULL)
        return NO_MEMORY;
    struct meta_key key = meta_key_of_int(partition->id);
    struct pmap partitions = pmap_ref(topic->partitions);
    size_t before = partitions.count;
    if (!pmap_put(&partitions, meta_key_slice(&key), partition)) {
        pmap_unref(&partitions);
        return NO_MEMORY;
    }
    image->partition_count += (int64_t)(partitions.count - before);
    return put_topic(image, topic->name, topic->id, partitions);
}

static const char *apply_partition(struct meta_image *image, const struct meta_applied *applied)
{
    const struct partition_record *record = applied->record;
    struct meta_partition state = {
        .id = record->partition_id,
        .leader = record->leader,
        .leader_epoch = record->leader_epoch,
        .partition_epoch = record->partition_epoch,
        .leader_recovery_state = record->leader_recovery_state,
        .replicas = {record->replicas_count, record->replicas},
        .isr = {record->isr_count, record->isr},
        .adding = {record->adding_replicas_count, record->adding_replicas},
        .removing = {record->removing_replicas_count, record->removing_replicas},
        .elr = {MAX_OF(record->eligible_leader_replicas_count, 0),
                record->eligible_leader_replicas},
        .last_known_elr = {MAX_OF(record->last_known_elr_count, 0), record->last_known_elr},
        .directory_count = MAX_OF(record->directories_count, 0),
        .directories = record->directories,
    };
    return put_partition(image, record->topic_id, &state);
}

static void change_ids(struct meta_ids *ids, int32_t count, const int32_t *at)
{
    if (count >= 0)
        *ids = (struct meta_ids){.count = count, .at = at};
}

static const char *apply_partition_change(struct meta_image *image,
                                          const struct meta_applied *applied)
{
    const struct partition_change_record *record = applied->record;
    const struct meta_topic *topic = meta_topic_by_id(image, record->topic_id);
    const struct meta_partition *before =
        topic != NULL ? meta_topic_partition(topic, record->partition_id) : NULL;
    if (before == NULL)
        return "a change of a partition that is not there";
    struct meta_partition state = *before;
    change_ids(&state.isr, record->isr_count, record->isr);
    change_ids(&state.replicas, record->replicas_count, record->replicas);
    change_ids(&state.removing, record->removing_replicas_count, record->removing_replicas);
    change_ids(&state.adding, record->adding_replicas_count, record->adding_replicas);
    change_ids(&state.elr, record->eligible_leader_replicas_count,
               record->eligible_leader_replicas);
    change_ids(&state.last_known_elr, record->last_known_elr_count, record->last_known_elr);
    if (record->directories_count >= 0) {
        state.directory_count = record->directories_count;
        state.directories = record->directories;
    }
    if (record->leader_recovery_state >= 0)
        state.leader_recovery_state = record->leader_recovery_state;
    if (record->leader != NO_LEADER_CHANGE) {
        state.leader = record->leader;
        state.leader_epoch++;
    }
    state.partition_epoch++;
    return put_partition(image, record->topic_id, &state);
}

/* Clears the eligible leaders of one topic, or of all where it names none. */
static const char *apply_clear_elr(struct meta_image *image, const struct meta_applied *applied)
{
    const struct clear_elr_record *record = applied->record;
    struct pmap topics = pmap_ref(image->topics_by_name);
    struct pmap_iterator names;
    struct pmap_entry entry;
    const char *fault = NULL;
    pmap_iterate(topics, (struct slice){0}, &names);
    while (fault == NULL && pmap_next(&names, &entry)) {
        const struct meta_topic *topic = entry.value;
        if (record->topic_name.size > 0 && !slice_equal(record->topic_name, topic->name))
            continue;
        struct pmap partitions = pmap_ref(topic->partitions);
        struct pmap_iterator ids;
        pmap_iterate(partitions, (struct slice){0}, &ids);
        while (fault == NULL && pmap_next(&ids, &entry)) {
            struct meta_partition state = *(const struct meta_partition *)entry.value;
            if (state.elr.count == 0 && state.last_known_elr.count == 0)
                continue;
            state.elr.count = 0;
            state.last_known_elr.count = 0;
            state.partition_epoch++;
            fault = put_partition(image, topic->id, &state);
        }
        pmap_unref(&partitions);
    }
    pmap_unref(&topics);
    return fault;
}

/* ---- features, producer ids ---- */

static const char *apply_feature(struct meta_image *image, const struct meta_applied *applied)
{
    const struct feature_level_record *record = applied->record;
    bool fine = record->feature_level == 0
                    ? pmap_remove(&image->features, record->name)
                    : put_number(&image->features, record->name, record->feature_level);
    return fine ? NULL : NO_MEMORY;
}

static const char *apply_producer_ids(struct meta_image *image, const struct meta_applied *applied)
{
    const struct producer_ids_record *record = applied->record;
    image->next_producer_id = record->next_producer_id;
    return NULL;
}

/* ---- records that are kept as they are ---- */

/* What a record is about, in bytes that no other record's subject has. */
struct kept_key {
    struct chain bytes;
};

/* A null part is not the empty one. */
static void key_add(struct kept_key *key, struct slice part)
{
    uint8_t size[4];
    store_u32(size, slice_is_null(part) ? UINT32_MAX : (uint32_t)part.size);
    chain_add(&key->bytes, slice_of(size, sizeof size));
    if (part.size > 0)
        chain_add(&key->bytes, part);
}

/* Puts the record, and is done with the key. */
static const char *keep(struct meta_image *image, const struct meta_applied *applied,
                        struct kept_key *key)
{
    struct kept_object *self = key->bytes.failed ? NULL : calloc(1, sizeof *self);
    bool fine = self != NULL && record_copy_make(&self->copy, applied);
    if (fine) {
        self->kept = (struct meta_kept){.object = {.references = 1, .free = kept_free},
                                        .type = applied->message->number,
                                        .version = applied->version,
                                        .record = self->copy.record};
        fine = pmap_put(&image->kept, slice_of(key->bytes.data, key->bytes.size), &self->kept);
    } else {
        free(self);
    }
    chain_fini(&key->bytes);
    return fine ? NULL : NO_MEMORY;
}

/* Removes the record, and is done with the key. */
static const char *drop(struct meta_image *image, struct kept_key *key)
{
    bool fine =
        !key->bytes.failed && pmap_remove(&image->kept, slice_of(key->bytes.data, key->bytes.size));
    chain_fini(&key->bytes);
    return fine ? NULL : NO_MEMORY;
}

static void key_start(struct kept_key *key, char kind)
{
    chain_init(&key->bytes, KEPT_ARENA_MAX);
    chain_add(&key->bytes, slice_of(&kind, 1));
}

static const char *apply_ace(struct meta_image *image, const struct meta_applied *applied)
{
    const struct access_control_entry_record *record = applied->record;
    struct kept_key key;
    key_start(&key, 'a');
    key_add(&key, slice_of(record->id.bytes, sizeof record->id.bytes));
    return keep(image, applied, &key);
}

static const char *apply_remove_ace(struct meta_image *image, const struct meta_applied *applied)
{
    const struct remove_access_control_entry_record *record = applied->record;
    struct kept_key key;
    key_start(&key, 'a');
    key_add(&key, slice_of(record->id.bytes, sizeof record->id.bytes));
    return drop(image, &key);
}

static void scram_key(struct kept_key *key, struct slice name, int8_t mechanism)
{
    key_start(key, 's');
    key_add(key, name);
    key_add(key, slice_of(&mechanism, 1));
}

static const char *apply_scram(struct meta_image *image, const struct meta_applied *applied)
{
    const struct user_scram_credential_record *record = applied->record;
    struct kept_key key;
    scram_key(&key, record->name, record->mechanism);
    return keep(image, applied, &key);
}

static const char *apply_remove_scram(struct meta_image *image, const struct meta_applied *applied)
{
    const struct remove_user_scram_credential_record *record = applied->record;
    struct kept_key key;
    scram_key(&key, record->name, record->mechanism);
    return drop(image, &key);
}

static const char *apply_token(struct meta_image *image, const struct meta_applied *applied)
{
    const struct delegation_token_record *record = applied->record;
    struct kept_key key;
    key_start(&key, 't');
    key_add(&key, record->token_id);
    return keep(image, applied, &key);
}

static const char *apply_remove_token(struct meta_image *image, const struct meta_applied *applied)
{
    const struct remove_delegation_token_record *record = applied->record;
    struct kept_key key;
    key_start(&key, 't');
    key_add(&key, record->token_id);
    return drop(image, &key);
}

static const struct client_quota_record_entity *entity_of(const struct client_quota_record *record,
                                                          struct slice type)
{
    for (int32_t i = 0; i < record->entity_count; i++)
        if (slice_equal(record->entity[i].entity_type, type))
            return &record->entity[i];
    return NULL;
}

/* An entity is a map: its parts come in any order. Kafka knows these types and no other. */
static const char *quota_key(const struct client_quota_record *record, struct kept_key *key)
{
    static const struct slice types[] = {SLICE_LIT("client-id"), SLICE_LIT("ip"),
                                         SLICE_LIT("user")};
    int32_t known = 0;
    key_start(key, 'q');
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        const struct client_quota_record_entity *entity = entity_of(record, types[i]);
        if (entity == NULL)
            continue;
        known++;
        key_add(key, types[i]);
        key_add(key, entity->entity_name);
    }
    key_add(key, (struct slice){0});
    key_add(key, record->key);
    return known == record->entity_count ? NULL : "a quota of an entity that is not known";
}

static const char *apply_quota(struct meta_image *image, const struct meta_applied *applied)
{
    const struct client_quota_record *record = applied->record;
    struct kept_key key;
    const char *fault = quota_key(record, &key);
    if (fault != NULL) {
        chain_fini(&key.bytes);
        return fault;
    }
    return record->remove ? drop(image, &key) : keep(image, applied, &key);
}

/* The state of the migration from ZooKeeper: long over, but part of old logs and snapshots. */
static const char *apply_migration(struct meta_image *image, const struct meta_applied *applied)
{
    struct kept_key key;
    key_start(&key, 'z');
    return keep(image, applied, &key);
}

static const char *apply_nothing(struct meta_image *image, const struct meta_applied *applied)
{
    (void)image;
    (void)applied;
    return NULL;
}

/* ---- the table ---- */

typedef const char *(*apply_fn)(struct meta_image *, const struct meta_applied *);

static const apply_fn rows[] = {
    [0] = apply_register_broker, [1] = apply_unregister_broker,
    [2] = apply_topic,           [3] = apply_partition,
    [4] = meta_apply_config,     [5] = apply_partition_change,
    [7] = apply_fence,           [8] = apply_unfence,
    [9] = apply_remove_topic,    [10] = apply_token,
    [11] = apply_scram,          [12] = apply_feature,
    [14] = apply_quota,          [15] = apply_producer_ids,
    [17] = apply_broker_change,  [18] = apply_ace,
    [19] = apply_remove_ace,     [20] = apply_nothing, /* NoOpRecord */
    [21] = apply_migration,      [22] = apply_remove_scram,
    [23] = apply_nothing, /* transactions of the log are log.c's matter */
    [24] = apply_nothing,        [25] = apply_nothing,
    [26] = apply_remove_token,   [27] = apply_register_controller,
    [28] = apply_clear_elr,      [29] = apply_unregister_controller,
};

const char *meta_image_apply(struct meta_image *image, const struct meta_applied *applied)
{
    int16_t type = applied->message->number;
    if (type < 0 || (size_t)type >= COUNT_OF(rows) || rows[type] == NULL)
        return "a record of a type that is not known";
    return rows[type](image, applied);
}
