/* The node's own configuration: defaults, then a server.properties file, then --set, checked and
 * typed. Made once at the start and never changed after, so every thread may read it; dynamic
 * broker configs (of the metadata log) lie over it and are handed to topic_config_make. */
#ifndef CONFIG_NODE_H
#define CONFIG_NODE_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/text.h"
#include "config/entry.h"

/* The security protocol's number on the wire. */
enum node_protocol {
    NODE_PLAINTEXT = 0,
    NODE_SSL = 1,
    NODE_SASL_PLAINTEXT = 2,
    NODE_SASL_SSL = 3,
};

struct node_listener {
    const char *name; /* upper case, e.g. "PLAINTEXT" */
    const char *host; /* "" binds every address; never "" when advertised */
    uint16_t port;    /* 0: the kernel picks one, which is then advertised too */
    enum node_protocol protocol;
    bool is_controller;
};

struct topic_config;

#define NODE_LISTENERS_MAX 16
#define NODE_LOG_DIRS_MAX 64

struct node_listeners {
    struct node_listener at[NODE_LISTENERS_MAX];
    size_t count;
};

/* A key that was given, as it was given. */
struct node_setting {
    const char *name;
    const char *value;
    const struct config_row *row; /* NULL: unknown; for listener.name.* the key behind it */
    int line; /* of the file; 0: --set; -1: built in, for starts without a file */
};

struct node_config {
    struct arena arena;                  /* owns every text below */
    const char *file;                    /* NULL: none */
    const struct node_setting *settings; /* sorted by name, one a name */
    size_t setting_count;

    /* ---- identity and place ---- */
    int32_t node_id;
    bool is_broker;
    bool is_controller;
    const char *rack; /* NULL: none */
    const char *log_dirs[NODE_LOG_DIRS_MAX];
    size_t log_dir_count;
    const char *metadata_log_dir; /* one of log_dirs, or of its own */

    /* ---- listeners ---- */
    struct node_listeners listeners;  /* what is bound: brokers' first, then controllers' */
    struct node_listeners advertised; /* what brokers' clients are told */
    struct node_listener controller;  /* the voter's endpoint; bound only if among listeners */
    const char *inter_broker_listener_name;
    bool loopback_by_default; /* no listeners were configured: 127.0.0.1 only */

    /* ---- network ---- */
    int32_t socket_send_buffer_bytes;
    int32_t socket_receive_buffer_bytes;
    int32_t socket_request_max_bytes;
    int32_t socket_listen_backlog_size;
    int64_t connections_max_idle_ms;
    int32_t max_connections;
    int32_t max_connections_per_ip;
    const char *max_connections_per_ip_overrides; /* "host:n,host:n" */
    int32_t max_connection_creation_rate;
    int64_t queued_max_request_bytes; /* -1: ottla.memory.request.bytes */
    int32_t fetch_max_bytes;
    int32_t max_incremental_fetch_session_cache_slots;
    int32_t max_request_partition_size_limit;

    /* ---- topics ---- */
    int32_t num_partitions;
    int16_t default_replication_factor;
    bool auto_create_topics_enable;
    bool delete_topic_enable;
    int32_t offsets_topic_num_partitions;
    int16_t offsets_topic_replication_factor;
    int32_t offsets_topic_segment_bytes;
    int32_t transaction_state_log_num_partitions;
    int16_t transaction_state_log_replication_factor;
    int32_t transaction_state_log_min_isr;
    int32_t transaction_state_log_segment_bytes;
    int32_t share_coordinator_state_topic_num_partitions;
    int16_t share_coordinator_state_topic_replication_factor;
    int16_t share_coordinator_state_topic_min_isr;
    int32_t share_coordinator_state_topic_segment_bytes;
    int32_t producer_id_expiration_ms;
    int32_t producer_id_expiration_check_interval_ms;
    int32_t transaction_max_timeout_ms;

    /* ---- coordinators ---- */
    int32_t offsets_load_buffer_size;
    int32_t offsets_topic_compression_codec;
    int32_t offset_metadata_max_bytes;
    int32_t offsets_retention_minutes;
    int64_t offsets_retention_check_interval_ms;
    const char *group_coordinator_rebalance_protocols; /* "classic,consumer" */
    int32_t group_initial_rebalance_delay_ms;
    int32_t group_min_session_timeout_ms;
    int32_t group_max_session_timeout_ms;
    int32_t group_max_size;
    const char *group_consumer_assignors; /* "uniform,range" */
    const char *group_consumer_migration_policy;
    int32_t group_consumer_max_size;
    int32_t group_consumer_session_timeout_ms;
    int32_t group_consumer_min_session_timeout_ms;
    int32_t group_consumer_max_session_timeout_ms;
    int32_t group_consumer_heartbeat_interval_ms;
    int32_t group_consumer_min_heartbeat_interval_ms;
    int32_t group_consumer_max_heartbeat_interval_ms;
    int32_t group_consumer_min_assignment_interval_ms;
    int32_t group_consumer_max_assignment_interval_ms;
    int32_t group_consumer_regex_refresh_interval_ms;
    int32_t transaction_state_log_load_buffer_size;
    int32_t transactional_id_expiration_ms;
    int32_t transaction_abort_timed_out_interval_ms;
    int32_t transaction_remove_expired_interval_ms;
    int32_t add_partitions_to_txn_retry_backoff_ms;
    int32_t add_partitions_to_txn_retry_backoff_max_ms;

    /* ---- log upkeep ---- */
    int32_t log_flush_offset_checkpoint_interval_ms;
    int32_t log_flush_start_offset_checkpoint_interval_ms;
    int64_t replica_high_watermark_checkpoint_interval_ms;
    int64_t log_initial_task_delay_ms;
    bool log_cleaner_enable;
    int32_t log_cleaner_threads;
    int64_t log_cleaner_backoff_ms;
    int64_t log_cleaner_dedupe_buffer_size;
    int32_t log_cleaner_io_buffer_size;
    double log_cleaner_io_buffer_load_factor;
    double log_cleaner_io_max_bytes_per_second;
    int64_t log_retention_check_interval_ms;

    /* ---- controller and quorum ---- */
    int32_t metadata_log_segment_bytes;
    int64_t metadata_log_segment_ms;
    int64_t metadata_log_max_record_bytes_between_snapshots;
    int64_t metadata_log_max_snapshot_interval_ms;
    int64_t metadata_max_retention_bytes;
    int64_t metadata_max_retention_ms;
    int64_t internal_metadata_delete_delay_millis;
    int32_t metadata_max_idle_interval_ms;
    int32_t broker_heartbeat_interval_ms;
    int32_t broker_session_timeout_ms;
    int32_t initial_broker_registration_timeout_ms;
    bool controlled_shutdown_enable;
    /* controller.quorum.voters was given: a static quorum (kraft.version 0) where the directory
     * has no KRaftVersion record. */
    bool static_voters;

    /* ---- our own ---- */
    int32_t shards;                /* ottla.shards */
    int32_t workers;               /* ottla.workers */
    int64_t flush_unflushed_bytes; /* ottla.flush.unflushed.bytes */
    const char *metrics_host;      /* ottla.metrics.listener; NULL: none */
    uint16_t metrics_port;
    int64_t memory_request_bytes;   /* ottla.memory.request.bytes: request bytes held in all */
    int64_t disk_reserve_bytes;     /* ottla.disk.reserve.bytes; -1: by the disk's size */
    int32_t frame_timeout_ms;       /* ottla.frame.timeout.ms: first to last byte of a request */
    int64_t index_cache_bytes;      /* ottla.index.cache.bytes: of sealed segments' indexes */
    int64_t scrub_bytes_per_second; /* ottla.scrub.bytes.per.second; 0: off */
    int64_t scrub_interval_ms;      /* ottla.scrub.interval.ms: from pass to pass */
    const char *log_level;          /* ottla.log.level: debug, info, warn, error */
};

struct node_config_input {
    const char *file;            /* its path, for messages; NULL: no file */
    struct slice file_text;      /* its bytes */
    const char *const *settings; /* "key=value" of --set, later ones win */
    size_t setting_count;
    const char *default_dir; /* log.dirs where none is configured */
    const char *host_name;   /* of this machine: advertised for listeners on every address */
};

/* true: *ret_config is the caller's (node_config_free); *notes may hold warnings, a line each.
 * false: *notes holds the errors too, each line naming file and line or --set. Lines begin with
 * "error: " or "warning: ". */
MUST_USE bool node_config_load(const struct node_config_input *, struct node_config **ret_config,
                               struct text *notes);
void node_config_free(struct node_config *);

/* The text given for a key, or NULL. */
const char *node_config_setting(const struct node_config *, const char *name);

/* ---- DescribeConfigs of a broker ---- */

/* The dynamic layers, as the metadata image has them. */
struct config_layers {
    struct config_pairs topic;          /* the topic's own; empty for brokers */
    struct config_pairs broker;         /* this broker's */
    struct config_pairs default_broker; /* all brokers' */
};

/* Every known, non-internal broker key and what else the file had; name: that key only (null:
 * all), nothing where nobody knows it. only_default: as DescribeConfigs of the empty broker name
 * shows it: keys of layers.default_broker. */
struct node_describe {
    struct config_layers layers;
    struct slice name;
    bool only_default;
};
void node_config_describe(const struct node_config *, const struct node_describe *,
                          config_entry_fn on_entry, void *context);

/* Fills an entry's synonyms for a broker key from all layers, most specific first. */
void node_config_synonyms(const struct node_config *, const struct config_layers *,
                          const char *name, struct config_entry *entry);

#endif
