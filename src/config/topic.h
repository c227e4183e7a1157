/* A topic's effective configuration: each key from the topic's own overrides, else from the
 * broker's dynamic and static keys that stand behind it, else its default. Plain data: any
 * thread. */
#ifndef CONFIG_TOPIC_H
#define CONFIG_TOPIC_H

#include "config/node.h"

/* 0..4 are the codec numbers of a record batch. */
enum topic_compression {
    TOPIC_COMPRESSION_NONE = 0, /* "uncompressed" */
    TOPIC_COMPRESSION_GZIP = 1,
    TOPIC_COMPRESSION_SNAPPY = 2,
    TOPIC_COMPRESSION_LZ4 = 3,
    TOPIC_COMPRESSION_ZSTD = 4,
    TOPIC_COMPRESSION_PRODUCER = 5, /* as the producer sent it */
};

struct topic_config {
    bool cleanup_compact;
    bool cleanup_delete;
    enum topic_compression compression_type;
    int32_t compression_gzip_level;
    int32_t compression_lz4_level;
    int32_t compression_zstd_level;
    int64_t delete_retention_ms;
    int64_t file_delete_delay_ms;
    int64_t flush_messages; /* INT64_MAX: never */
    int64_t flush_ms;       /* INT64_MAX: never */
    int32_t index_interval_bytes;
    int64_t local_retention_bytes;
    int64_t local_retention_ms;
    int64_t max_compaction_lag_ms;
    int32_t max_decompressed_message_bytes;
    int32_t max_message_bytes;
    int64_t message_timestamp_after_max_ms;
    int64_t message_timestamp_before_max_ms;
    bool message_timestamp_log_append; /* message.timestamp.type is LogAppendTime */
    double min_cleanable_dirty_ratio;
    int64_t min_compaction_lag_ms;
    int32_t min_insync_replicas;
    bool preallocate;
    bool remote_log_copy_disable;
    bool remote_log_delete_on_disable;
    bool remote_storage_enable;
    int64_t retention_bytes; /* -1: no limit */
    int64_t retention_ms;    /* -1: no limit */
    int32_t segment_bytes;   /* internal.segment.bytes where that is set */
    int32_t segment_index_bytes;
    int64_t segment_jitter_ms;
    int64_t segment_ms;
    bool unclean_leader_election_enable;
};

/* An override that does not parse (of a newer version, say) counts as not set. */
void topic_config_make(const struct node_config *, const struct config_layers *,
                       struct topic_config *ret_config);
/* Lays a topic's own overrides over what it would have without them. */
void topic_config_override(const struct config_pairs *, struct topic_config *config);

/* All overrides, each and together, as CreateTopics and AlterConfigs must. layers.topic holds the
 * overrides as they will be. false: *error has the sentence for an INVALID_CONFIG answer. */
MUST_USE bool topic_config_check(const struct node_config *, const struct config_layers *,
                                 struct text *error);

/* Every non-internal topic key (name: that one only; null: all). */
void topic_config_describe(const struct node_config *, const struct config_layers *,
                           struct slice name, config_entry_fn on_entry, void *context);

#endif
