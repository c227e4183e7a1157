/* librdkafka, loaded when a command needs it: ottla start neither maps nor starts it, and a machine
 * that only runs the broker need not have it. Its functions are called through one struct, with the
 * types of its own header. One thread loads it. */
#ifndef CMD_RDKAFKA_H
#define CMD_RDKAFKA_H

#include "cmd/command.h"

#include <librdkafka/rdkafka.h>

#define RDKAFKA_FUNCTIONS(X) \
    X(conf_new) \
    X(conf_destroy) \
    X(conf_set) \
    X(conf_set_dr_msg_cb) \
    X(conf_set_error_cb) \
    X(conf_set_log_cb) \
    X(conf_set_rebalance_cb) \
    X(conf_set_offset_commit_cb) \
    X(conf_set_opaque) \
    X(new) \
    X(destroy) \
    X(opaque) \
    X(poll) \
    X(flush) \
    X(produceva) \
    X(outq_len) \
    X(queue_new) \
    X(queue_destroy) \
    X(consume_start_queue) \
    X(consume_batch_queue) \
    X(consume_queue) \
    X(consume_stop) \
    X(poll_set_consumer) \
    X(subscribe) \
    X(consumer_poll) \
    X(consumer_close_queue) \
    X(consumer_closed) \
    X(assign) \
    X(incremental_assign) \
    X(incremental_unassign) \
    X(rebalance_protocol) \
    X(offsets_store) \
    X(message_destroy) \
    X(message_headers) \
    X(message_timestamp) \
    X(header_get_all) \
    X(metadata) \
    X(metadata_destroy) \
    X(topic_new) \
    X(topic_destroy) \
    X(topic_name) \
    X(topic_partition_list_new) \
    X(topic_partition_list_add) \
    X(topic_partition_list_destroy) \
    X(offsets_for_times) \
    X(query_watermark_offsets) \
    X(get_watermark_offsets) \
    X(err2str) \
    X(err2name) \
    X(last_error) \
    X(error_code) \
    X(error_string) \
    X(error_destroy)

#define RDKAFKA_MEMBER_(name) __typeof__(rd_kafka_##name) *name;

struct rdkafka {
    void *library;
    RDKAFKA_FUNCTIONS(RDKAFKA_MEMBER_)
};

/* false: an error line that says how to get it. Never unloaded: its threads may outlive a call. */
MUST_USE bool rdkafka_load(struct rdkafka *, struct console *);

extern const struct command_flag flag_property;

struct rdkafka_property {
    const char *key; /* NULL ends a list */
    const char *value;
};

/* A configuration with the defaults given, the call's brokers, and its -X properties over both.
 * NULL: the command line is wrong, after an error line. */
rd_kafka_conf_t *rdkafka_conf(const struct rdkafka *, const struct command_call *,
                              const struct rdkafka_property *defaults);
/* conf[key] = value for keys of our own. */
void rdkafka_set(const struct rdkafka *, rd_kafka_conf_t *, const char *key, const char *value);

#endif
