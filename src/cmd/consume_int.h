/* What the two ways to consume share: partitions of one topic that are read directly, and topics
 * that are read as a member of a group. One thread of ours. */
#ifndef CMD_CONSUME_INT_H
#define CMD_CONSUME_INT_H

#include "base/arena.h"
#include "cmd/format.h"
#include "cmd/offsets.h"
#include "cmd/records.h"

struct consume_output {
    const struct command_call *call;
    struct rdkafka rk;
    rd_kafka_t *consumer;
    struct arena arena;
    struct format format;
    struct offset_range range; /* of -o */
    int64_t number_max;        /* INT64_MAX: no limit */
    int64_t number;            /* of records printed */
    bool wait_for_more;        /* no -e */
    bool failed;
    struct text line;
    struct format_header *headers;
    size_t header_capacity;
};

/* Reads -f, -k, -H, -n, -e and -o. false: an error line was written. Always to be ended by
 * consume_output_fini. */
MUST_USE bool consume_output_init(struct consume_output *, const struct command_call *);
/* Not the consumer, which is ended before. */
void consume_output_fini(struct consume_output *);

/* A consumer with these defaults below -X. EXIT_CODE_OK, or the code to end with, after an error
 * line. Callbacks may be NULL; they get the output as their opaque. */
struct consume_setup {
    const struct rdkafka_property *defaults;
    void (*on_rebalance)(rd_kafka_t *, rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t *,
                         void *opaque);
    void (*on_commit)(rd_kafka_t *, rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t *,
                      void *opaque);
};
enum exit_code consume_open(struct consume_output *, const struct consume_setup *);
/* How many partitions the topic has; one that was just made is waited for. -1: told. */
int32_t consume_count_partitions(struct consume_output *, const char *name);

void consume_print(struct consume_output *, const rd_kafka_message_t *);

/* consume -g. */
enum exit_code consume_group_run(const struct command_call *);

#endif
