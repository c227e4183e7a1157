/* The cluster as the metadata log describes it, up to one offset. Immutable once published; made on
 * the controller's shard from the one before, sharing what did not change. Other shards read the
 * image they were given until they give it back; counts are the controller shard's. Values that
 * have no meaning here yet (ACLs, SCRAM credentials, quotas, delegation tokens) are kept as their
 * records, so that a snapshot holds them again. */
#ifndef META_IMAGE_H
#define META_IMAGE_H

#include "base/pmap.h"
#include "base/uuid.h"
#include "config/dynamic.h"
#include "config/topic.h"
#include "wire/message.h"

struct register_broker_record;
struct register_controller_record;

/* What every value begins with. */
struct meta_object {
    int references;
    void (*free)(struct meta_object *);
};

struct meta_ids {
    int32_t count;
    const int32_t *at;
};

struct meta_partition {
    struct meta_object object;
    int32_t id;
    int32_t leader; /* -1: none */
    int32_t leader_epoch;
    int32_t partition_epoch;
    int8_t leader_recovery_state;
    struct meta_ids replicas;
    struct meta_ids isr;
    struct meta_ids adding;
    struct meta_ids removing;
    struct meta_ids elr;
    struct meta_ids last_known_elr;
    int32_t directory_count;
    const struct uuid *directories;
};

struct meta_topic {
    struct meta_object object;
    struct slice name;
    struct uuid id;
    struct pmap partitions; /* by meta_key_of_int(partition) */
};

struct meta_broker {
    struct meta_object object;
    const struct register_broker_record *record; /* as registered */
    bool fenced;
    bool in_controlled_shutdown;
    int32_t cordoned_count; /* -1: not told */
    const struct uuid *cordoned;
};

struct meta_controller {
    struct meta_object object;
    const struct register_controller_record *record;
};

/* The overrides of one resource. */
struct meta_config {
    struct meta_object object;
    int8_t type;               /* ConfigResource type: 2 topic, 4 broker, ... */
    struct slice name;         /* "" is the default of all brokers */
    struct pmap values;        /* name to struct meta_text */
    struct topic_config topic; /* of a topic: what its settings come to on this node */
};

struct meta_text {
    struct meta_object object;
    struct slice text;
};

struct meta_number {
    struct meta_object object;
    int64_t number;
};

/* A record kept as it is. */
struct meta_kept {
    struct meta_object object;
    int16_t type;
    int16_t version;
    const void *record;
};

struct meta_image {
    int references;
    const struct node_config *node;     /* whose layers lie under the overrides */
    struct topic_config topic_defaults; /* of a topic without overrides */
    struct node_dynamic node_dynamic;   /* of the node itself */
    int64_t end_offset;                 /* of the log it stands for */
    int32_t epoch;                      /* of the last record applied */
    int64_t timestamp_ms;
    struct pmap brokers;        /* by meta_key_of_int(id): struct meta_broker */
    struct pmap controllers;    /* struct meta_controller */
    struct pmap topics_by_name; /* struct meta_topic */
    struct pmap topics_by_id;
    struct pmap configs;   /* by type byte and name: struct meta_config */
    struct pmap features;  /* by name: struct meta_number */
    int16_t kraft_version; /* of the quorum; 0: voters by configuration */
    struct pmap kept;      /* struct meta_kept */
    int64_t next_producer_id;
    int64_t partition_count;
};

/* Keys that sort as numbers do. */
struct meta_key {
    uint8_t bytes[8];
    size_t size;
};
struct meta_key meta_key_of_int(int32_t number);
static inline struct slice meta_key_slice(const struct meta_key *key)
{
    return slice_of(key->bytes, key->size);
}

/* ---- looking up: any shard that holds the image ---- */

const struct meta_topic *meta_topic_named(const struct meta_image *, struct slice name);
const struct meta_topic *meta_topic_by_id(const struct meta_image *, struct uuid id);
const struct meta_partition *meta_topic_partition(const struct meta_topic *, int32_t partition);
const struct meta_broker *meta_broker_find(const struct meta_image *, int32_t id);
/* NULL when the resource has no overrides. */
const struct meta_config *meta_config_find(const struct meta_image *, int8_t type,
                                           struct slice name);
/* The override of one key; null when there is none. */
struct slice meta_config_value(const struct meta_image *, int8_t type, struct slice name,
                               const char *key);
/* 0 when the feature is not finalized. */
int64_t meta_feature(const struct meta_image *, const char *name);

#define META_CONFIG_TOPIC 2
#define META_CONFIG_BROKER 4
#define META_CONFIG_GROUP 32

/* The directory of a broker's replica, as the controller was told; zero: not told. */
struct uuid meta_partition_directory(const struct meta_partition *, int32_t broker);
/* Whether an id is one of a directory: the first hundred stand for none (KIP-858). */
bool meta_directory_is_assigned(struct uuid);
/* Whether the broker has the directory in use; one that is not told is taken to be. */
bool meta_directory_is_online(const struct meta_broker *, struct uuid);
/* How many partitions the broker has in each of the directories. */
struct meta_directories {
    const struct uuid *ids;
    int count;
};
void meta_count_partitions(const struct meta_image *, int32_t broker,
                           const struct meta_directories *, int64_t *ret_counts);

/* ---- making: the controller's shard, or before the shards run ---- */

/* Empty; the node's configuration outlives it. NULL when memory is out. */
struct meta_image *meta_image_new(const struct node_config *);
/* A copy that may be changed until it is published; NULL when memory is out. */
struct meta_image *meta_image_begin(const struct meta_image *);
struct meta_image *meta_image_ref(struct meta_image *);
void meta_image_unref(struct meta_image *);
/* Gives back an image that a shard was given; NULL is fine. */
void meta_image_release(const struct meta_image *);

/* Applies one record, a struct of its type, which is not kept. NULL, or why it cannot be. */
struct meta_applied {
    const struct wire_message *message;
    int16_t version;
    const void *record;
};
const char *meta_image_apply(struct meta_image *, const struct meta_applied *);

/* Calls back for records that make the image again from nothing. false stops. */
typedef bool (*meta_record_fn)(void *context, const struct meta_applied *);
bool meta_image_write(const struct meta_image *, meta_record_fn on_record, void *context);

#endif
