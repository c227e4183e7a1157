/* ottla consume: a topic to standard output, without a group. Every chosen partition feeds one
 * queue of librdkafka's; a partition is done at its end offset, or at what was its end where -e
 * asks for that. Output is gathered and written when no record waits. One thread of ours. */
#include "cmd/consume_int.h"

#include <stdlib.h>

#define PARTITIONS_MAX 10000
#define METADATA_TIMEOUT_MS 10000
#define BATCH_SIZE 256
#define IDLE_MS 200

struct consume_partition {
    int32_t index;
    int64_t from;
    int64_t until; /* INT64_MAX: open */
    bool started;
    bool done;
};

struct consume {
    struct consume_output out;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue;
    struct consume_partition *partitions;
    int32_t partition_count;
    int32_t open_count; /* not done */
};

static const char *topic_name(const struct consume *c)
{
    return c->out.call->arguments[0];
}

/* ---- arguments ---- */

/* -p 0,2,5 */
static bool choose_partitions(struct consume *c, int32_t count)
{
    const char *rest = call_value(c->out.call, &consume_flag_partitions, NULL);
    c->partitions = ARENA_ARRAY(&c->out.arena, struct consume_partition, (size_t)count);
    if (c->partitions == NULL)
        return false;
    for (int32_t i = 0; i < count && rest == NULL; i++)
        c->partitions[c->partition_count++].index = i;
    while (rest != NULL) {
        char *end;
        long index = strtol(rest, &end, 10);
        bool taken = false;
        for (int32_t i = 0; i < c->partition_count; i++)
            taken |= c->partitions[i].index == index;
        if (end == rest || (*end != '\0' && *end != ',') || index < 0 || index >= count || taken) {
            console_error(c->out.call->console,
                          "-p %s: %s has the partitions 0 to %d; each may be named once",
                          call_value(c->out.call, &consume_flag_partitions, ""), topic_name(c),
                          count - 1);
            return false;
        }
        c->partitions[c->partition_count++].index = (int32_t)index;
        rest = *end == ',' ? end + 1 : NULL;
    }
    c->open_count = c->partition_count;
    return true;
}

/* ---- the topic ---- */

/* The offset of the first record at or after a time; -1: none. */
static bool offset_of_time(struct consume *c, int32_t partition, struct offset_point point,
                           int64_t *ret_offset)
{
    *ret_offset = -1;
    if (point.kind != OFFSET_AT_TIME)
        return true;
    rd_kafka_topic_partition_list_t *list = c->out.rk.topic_partition_list_new(1);
    rd_kafka_topic_partition_t *entry =
        c->out.rk.topic_partition_list_add(list, topic_name(c), partition);
    entry->offset = point.number;
    rd_kafka_resp_err_t error =
        c->out.rk.offsets_for_times(c->out.consumer, list, METADATA_TIMEOUT_MS);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        error = entry->err;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && entry->offset >= 0)
        *ret_offset = entry->offset;
    c->out.rk.topic_partition_list_destroy(list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        records_report(&c->out.rk, c->out.call, topic_name(c), error, NULL);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static bool resolve_partition(struct consume *c, struct consume_partition *partition)
{
    struct offset_bounds bounds;
    rd_kafka_resp_err_t error =
        c->out.rk.query_watermark_offsets(c->out.consumer, topic_name(c), partition->index,
                                          &bounds.low, &bounds.high, METADATA_TIMEOUT_MS);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        records_report(&c->out.rk, c->out.call, topic_name(c), error, NULL);
        return false;
    }
    if (!offset_of_time(c, partition->index, c->out.range.from, &bounds.from_time) ||
        !offset_of_time(c, partition->index, c->out.range.until, &bounds.until_time))
        return false;
    offset_range_resolve(&c->out.range, &bounds, &partition->from, &partition->until);
    if (!c->out.wait_for_more)
        partition->until = MIN_OF(partition->until, bounds.high);
    if (partition->from < bounds.low || partition->from > bounds.high) {
        console_error(c->out.call->console,
                      "%s partition %d has the offsets %lld to %lld; %lld is not among them",
                      topic_name(c), partition->index, (long long)bounds.low,
                      (long long)bounds.high, (long long)partition->from);
        return false;
    }
    return true;
}

static void finish_partition(struct consume *c, struct consume_partition *partition)
{
    if (partition->done)
        return;
    partition->done = true;
    c->open_count--;
}

static bool start_partitions(struct consume *c)
{
    for (int32_t i = 0; i < c->partition_count; i++) {
        struct consume_partition *partition = &c->partitions[i];
        if (!resolve_partition(c, partition))
            return false;
        if (partition->from >= partition->until) {
            finish_partition(c, partition);
            continue;
        }
        if (c->out.rk.consume_start_queue(c->topic, partition->index, partition->from, c->queue) !=
            0) {
            records_report(&c->out.rk, c->out.call, topic_name(c), c->out.rk.last_error(), NULL);
            return false;
        }
        partition->started = true;
    }
    return true;
}

/* ---- records ---- */

static struct consume_partition *find_partition(struct consume *c, int32_t index)
{
    /* All of them in order is the usual case. */
    if (index >= 0 && index < c->partition_count && c->partitions[index].index == index)
        return &c->partitions[index];
    for (int32_t i = 0; i < c->partition_count; i++)
        if (c->partitions[i].index == index)
            return &c->partitions[i];
    return NULL;
}

static void take_error(struct consume *c, const rd_kafka_message_t *message)
{
    struct consume_partition *partition = find_partition(c, message->partition);
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        /* Nothing but gaps (markers, compacted records) lay between here and the end asked for. */
        if (partition != NULL && message->offset >= partition->until)
            finish_partition(c, partition);
        return;
    }
    console_flush(c->out.call->console);
    records_report(&c->out.rk, c->out.call, topic_name(c), message->err,
                   message->len > 0 ? (const char *)message->payload : NULL);
    c->out.failed = true;
}

static void take_message(struct consume *c, const rd_kafka_message_t *message)
{
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        take_error(c, message);
        return;
    }
    struct consume_partition *partition = find_partition(c, message->partition);
    if (partition == NULL || partition->done || c->out.number == c->out.number_max)
        return;
    if (message->offset < partition->until)
        consume_print(&c->out, message);
    if (message->offset >= partition->until - 1)
        finish_partition(c, partition);
}

static void consume_all(struct consume *c)
{
    rd_kafka_message_t *messages[BATCH_SIZE];
    while (c->open_count > 0 && c->out.number < c->out.number_max && !c->out.failed &&
           !c->out.call->console->failed) {
        ssize_t count = c->out.rk.consume_batch_queue(c->queue, 0, messages, BATCH_SIZE);
        if (count <= 0) {
            /* Nothing waits: what was gathered goes out, and only then do we wait. */
            console_flush(c->out.call->console);
            messages[0] = c->out.rk.consume_queue(c->queue, IDLE_MS);
            count = messages[0] != NULL;
        }
        for (ssize_t i = 0; i < count; i++) {
            take_message(c, messages[i]);
            c->out.rk.message_destroy(messages[i]);
        }
        (void)c->out.rk.poll(c->out.consumer, 0);
    }
}

/* ---- the run ---- */

static enum exit_code open_consumer(struct consume *c)
{
    /* A short wait at the broker is also the longest wait for the last fetch when we end. */
    static const struct rdkafka_property defaults[] = {{"fetch.wait.max.ms", "100"},
                                                       {"enable.partition.eof", "true"},
                                                       {"enable.auto.commit", "false"},
                                                       {"auto.offset.reset", "error"},
                                                       {NULL, NULL}};
    enum exit_code code = consume_open(&c->out, &(struct consume_setup){.defaults = defaults});
    if (code != EXIT_CODE_OK)
        return code;
    c->topic = c->out.rk.topic_new(c->out.consumer, topic_name(c), NULL);
    c->queue = c->out.rk.queue_new(c->out.consumer);
    return c->topic != NULL && c->queue != NULL ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

static enum exit_code run(struct consume *c)
{
    enum exit_code code = open_consumer(c);
    if (code != EXIT_CODE_OK)
        return code;
    int32_t count = consume_count_partitions(&c->out, topic_name(c));
    if (count < 0)
        return EXIT_CODE_FAILED;
    if (count == 0 || count > PARTITIONS_MAX) {
        console_error(c->out.call->console, "%s has %d partitions", topic_name(c), count);
        return EXIT_CODE_FAILED;
    }
    if (!choose_partitions(c, count))
        return EXIT_CODE_USAGE;
    if (!start_partitions(c))
        return EXIT_CODE_FAILED;
    consume_all(c);
    return c->out.failed ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

static void close_consumer(struct consume *c)
{
    for (int32_t i = 0; i < c->partition_count; i++)
        if (c->partitions[i].started)
            (void)c->out.rk.consume_stop(c->topic, c->partitions[i].index);
    if (c->queue != NULL)
        c->out.rk.queue_destroy(c->queue);
    if (c->topic != NULL)
        c->out.rk.topic_destroy(c->topic);
    if (c->out.consumer != NULL)
        c->out.rk.destroy(c->out.consumer);
}

static bool names_one_topic(const struct command_call *call)
{
    if (call->argument_count == 1 && !call_has(call, &consume_flag_commit))
        return true;
    console_error(call->console, call->argument_count > 1
                                     ? "several topics are read as a group only: -g GROUP"
                                     : "--commit is of a group: -g GROUP");
    return false;
}

enum exit_code consume_run(const struct command_call *call)
{
    struct consume c = {0};
    if (call_has(call, &consume_flag_group))
        return consume_group_run(call);
    enum exit_code code = EXIT_CODE_USAGE;
    if (consume_output_init(&c.out, call) && names_one_topic(call))
        code = run(&c);
    console_flush(call->console);
    close_consumer(&c);
    consume_output_fini(&c.out);
    return code;
}
