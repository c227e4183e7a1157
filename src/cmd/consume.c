/* ottla consume: a topic to standard output, without a group. Every chosen partition feeds one
 * queue of librdkafka's; a partition is done at its end offset, or at what was its end where -e
 * asks for that. Output is gathered and written when no record waits. One thread of ours. */
#include "cmd/admin.h"
#include "cmd/format.h"
#include "cmd/offsets.h"
#include "cmd/records.h"
#include "sys/clock.h"

#include <stdlib.h>

const struct command_flag consume_flag_keys = {'k', "keys", NULL,
                                               "each key and a tab before its value"};
const struct command_flag consume_flag_headers = {'H', "headers", NULL,
                                                  "headers as name=value,... and a tab first"};
const struct command_flag consume_flag_partitions = {'p', "partitions", "N,N...",
                                                     "only these (all)"};
const struct command_flag consume_flag_offset = {
    'o', "offset", "OFFSET",
    "where to begin and end (start): start, end, 42, -10 (the last\n"
    "10), +5, 10:20, :end, @-1h, @2026-02-14:1h, @1771027200000"};
const struct command_flag consume_flag_number = {'n', "number", "N", "end after N records"};
const struct command_flag consume_flag_format = {
    'f', "format", "FORMAT",
    "how records are written ('%v\\n'): %t topic, %k key, %v value,\n"
    "%h{%k=%v } headers, %p partition, %o offset, %d timestamp,\n"
    "%K %V %H %T sizes and counts, %i number, %[ %] first and next\n"
    "offset; {hex} {base64} {json} {big32} {strftime[%F %T]} after a\n"
    "verb; or json, or jsonl"};
const struct command_flag consume_flag_end = {'e', "end", NULL,
                                              "end at the last record instead of waiting"};

#define PARTITIONS_MAX 10000
#define METADATA_TIMEOUT_MS 10000
#define METADATA_ATTEMPTS 4
#define METADATA_PAUSE_MS 150
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
    const struct command_call *call;
    struct rdkafka rk;
    rd_kafka_t *consumer;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue;
    struct format format;
    struct offset_range range;
    struct arena arena;
    struct consume_partition *partitions;
    int32_t partition_count;
    int32_t open_count; /* not done */
    int64_t number_max; /* INT64_MAX: no limit */
    int64_t number;
    struct text line;
    struct format_header *headers;
    size_t header_capacity;
    bool wait_for_more; /* no -e */
    bool failed;
};

static const char *topic_name(const struct consume *c)
{
    return c->call->arguments[0];
}

/* ---- arguments ---- */

static const char *default_format(const struct command_call *call)
{
    bool keys = call_has(call, &consume_flag_keys);
    bool headers = call_has(call, &consume_flag_headers);
    if (headers)
        return keys ? "%h{%k=%v,}\\t%k\\t%v\\n" : "%h{%k=%v,}\\t%v\\n";
    return keys ? "%k\\t%v\\n" : "%v\\n";
}

static bool has_one_form(const struct command_call *call)
{
    if (!call_has(call, &consume_flag_format) ||
        !(call_has(call, &consume_flag_keys) || call_has(call, &consume_flag_headers)))
        return true;
    console_error(call->console, "-k and -H say nothing beside -f; %%k and %%h in it do the same");
    return false;
}

static bool read_arguments(struct consume *c)
{
    const char *format = call_value(c->call, &consume_flag_format, default_format(c->call));
    const char *offset = call_value(c->call, &consume_flag_offset, "start");
    struct call_number number = {&consume_flag_number, 1, INT64_MAX, INT64_MAX};
    struct text error;
    text_init(&error, 4096);
    c->wait_for_more = !call_has(c->call, &consume_flag_end);
    bool ok = format_compile(format, &c->arena, &c->format, &error);
    if (!ok)
        console_error(c->call->console, "-f %s: %s", format, error.data);
    else if (!offset_range_parse(offset, sys_wall_ms(), &c->range, &error)) {
        console_error(c->call->console, "-o %s", error.data);
        ok = false;
    }
    text_fini(&error);
    return ok && has_one_form(c->call) && call_number(c->call, number, &c->number_max);
}

/* -p 0,2,5 */
static bool choose_partitions(struct consume *c, int32_t count)
{
    const char *rest = call_value(c->call, &consume_flag_partitions, NULL);
    c->partitions = ARENA_ARRAY(&c->arena, struct consume_partition, (size_t)count);
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
            console_error(
                c->call->console, "-p %s: %s has the partitions 0 to %d; each may be named once",
                call_value(c->call, &consume_flag_partitions, ""), topic_name(c), count - 1);
            return false;
        }
        c->partitions[c->partition_count++].index = (int32_t)index;
        rest = *end == ',' ? end + 1 : NULL;
    }
    c->open_count = c->partition_count;
    return true;
}

/* ---- the topic ---- */

static rd_kafka_resp_err_t ask_partitions(struct consume *c, int32_t *ret_count)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t error =
        c->rk.metadata(c->consumer, 0, c->topic, &metadata, METADATA_TIMEOUT_MS);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error;
    error = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (metadata->topic_cnt == 1) {
        error = metadata->topics[0].err;
        *ret_count = metadata->topics[0].partition_cnt;
    }
    c->rk.metadata_destroy(metadata);
    return error;
}

/* A topic that was just made is not known everywhere at once: asked a few times. -1: told. */
static int32_t count_partitions(struct consume *c)
{
    int32_t count = -1;
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int attempt = 0; attempt < METADATA_ATTEMPTS; attempt++) {
        error = ask_partitions(c, &count);
        if (error != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART &&
            error != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
            break;
        (void)c->rk.poll(c->consumer, METADATA_PAUSE_MS);
    }
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return count;
    records_report(&c->rk, c->call, topic_name(c), error, NULL);
    return -1;
}

/* The offset of the first record at or after a time; -1: none. */
static bool offset_of_time(struct consume *c, int32_t partition, struct offset_point point,
                           int64_t *ret_offset)
{
    *ret_offset = -1;
    if (point.kind != OFFSET_AT_TIME)
        return true;
    rd_kafka_topic_partition_list_t *list = c->rk.topic_partition_list_new(1);
    rd_kafka_topic_partition_t *entry =
        c->rk.topic_partition_list_add(list, topic_name(c), partition);
    entry->offset = point.number;
    rd_kafka_resp_err_t error = c->rk.offsets_for_times(c->consumer, list, METADATA_TIMEOUT_MS);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        error = entry->err;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && entry->offset >= 0)
        *ret_offset = entry->offset;
    c->rk.topic_partition_list_destroy(list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        records_report(&c->rk, c->call, topic_name(c), error, NULL);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static bool resolve_partition(struct consume *c, struct consume_partition *partition)
{
    struct offset_bounds bounds;
    rd_kafka_resp_err_t error =
        c->rk.query_watermark_offsets(c->consumer, topic_name(c), partition->index, &bounds.low,
                                      &bounds.high, METADATA_TIMEOUT_MS);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        records_report(&c->rk, c->call, topic_name(c), error, NULL);
        return false;
    }
    if (!offset_of_time(c, partition->index, c->range.from, &bounds.from_time) ||
        !offset_of_time(c, partition->index, c->range.until, &bounds.until_time))
        return false;
    offset_range_resolve(&c->range, &bounds, &partition->from, &partition->until);
    if (!c->wait_for_more)
        partition->until = MIN_OF(partition->until, bounds.high);
    if (partition->from < bounds.low || partition->from > bounds.high) {
        console_error(c->call->console,
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
        if (c->rk.consume_start_queue(c->topic, partition->index, partition->from, c->queue) != 0) {
            records_report(&c->rk, c->call, topic_name(c), c->rk.last_error(), NULL);
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

static int32_t read_headers(struct consume *c, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t size;
    size_t count = 0;
    if (c->rk.message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    while (c->rk.header_get_all(headers, count, &name, &value, &size) ==
           RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (count == c->header_capacity) {
            size_t capacity = c->header_capacity == 0 ? 16 : c->header_capacity * 2;
            struct format_header *bigger = realloc(c->headers, capacity * sizeof *bigger);
            if (bigger == NULL)
                break;
            c->headers = bigger;
            c->header_capacity = capacity;
        }
        c->headers[count++] =
            (struct format_header){.key = slice_of_text(name), .value = slice_of(value, size)};
    }
    return (int32_t)count;
}

static void print_record(struct consume *c, const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;
    struct format_record record = {
        .topic = slice_of_text(topic_name(c)),
        .key = slice_of(message->key, message->key_len),
        .value = slice_of(message->payload, message->len),
        .partition = message->partition,
        .offset = message->offset,
        .timestamp_ms = c->rk.message_timestamp(message, &type),
        .number = ++c->number,
    };
    record.header_count = read_headers(c, message);
    record.headers = c->headers;
    record.log_append_time = type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME;
    (void)c->rk.get_watermark_offsets(c->consumer, topic_name(c), message->partition,
                                      &record.log_start_offset, &record.high_watermark);
    text_reset(&c->line);
    format_apply(&c->format, &record, &c->line);
    console_add(c->call->console, text_slice(&c->line));
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
    console_flush(c->call->console);
    records_report(&c->rk, c->call, topic_name(c), message->err,
                   message->len > 0 ? (const char *)message->payload : NULL);
    c->failed = true;
}

static void take_message(struct consume *c, const rd_kafka_message_t *message)
{
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        take_error(c, message);
        return;
    }
    struct consume_partition *partition = find_partition(c, message->partition);
    if (partition == NULL || partition->done || c->number == c->number_max)
        return;
    if (message->offset < partition->until)
        print_record(c, message);
    if (message->offset >= partition->until - 1)
        finish_partition(c, partition);
}

static void consume_all(struct consume *c)
{
    rd_kafka_message_t *messages[BATCH_SIZE];
    while (c->open_count > 0 && c->number < c->number_max && !c->failed &&
           !c->call->console->failed) {
        ssize_t count = c->rk.consume_batch_queue(c->queue, 0, messages, BATCH_SIZE);
        if (count <= 0) {
            /* Nothing waits: what was gathered goes out, and only then do we wait. */
            console_flush(c->call->console);
            messages[0] = c->rk.consume_queue(c->queue, IDLE_MS);
            count = messages[0] != NULL;
        }
        for (ssize_t i = 0; i < count; i++) {
            take_message(c, messages[i]);
            c->rk.message_destroy(messages[i]);
        }
        (void)c->rk.poll(c->consumer, 0);
    }
}

/* ---- the run ---- */

static void on_error(rd_kafka_t *consumer, int error, const char *reason, void *opaque)
{
    struct consume *c = opaque;
    (void)consumer;
    if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        console_note(c->call->console, "consume: %s; trying again", reason);
}

static enum exit_code open_consumer(struct consume *c)
{
    /* A short wait at the broker is also the longest wait for the last fetch when we end. */
    static const struct rdkafka_property defaults[] = {{"fetch.wait.max.ms", "100"},
                                                       {"enable.partition.eof", "true"},
                                                       {"enable.auto.commit", "false"},
                                                       {"auto.offset.reset", "error"},
                                                       {NULL, NULL}};
    char error[256];
    rd_kafka_conf_t *conf = rdkafka_conf(&c->rk, c->call, defaults);
    if (conf == NULL)
        return EXIT_CODE_USAGE;
    if (!records_broker_is_there(c->call)) {
        c->rk.conf_destroy(conf);
        return EXIT_CODE_FAILED;
    }
    c->rk.conf_set_error_cb(conf, on_error);
    c->rk.conf_set_opaque(conf, c);
    c->consumer = c->rk.new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
    if (c->consumer == NULL) {
        console_error(c->call->console, "%s", error);
        c->rk.conf_destroy(conf);
        return EXIT_CODE_USAGE;
    }
    c->topic = c->rk.topic_new(c->consumer, topic_name(c), NULL);
    c->queue = c->rk.queue_new(c->consumer);
    return c->topic != NULL && c->queue != NULL ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

static enum exit_code run(struct consume *c)
{
    enum exit_code code = open_consumer(c);
    if (code != EXIT_CODE_OK)
        return code;
    int32_t count = count_partitions(c);
    if (count < 0)
        return EXIT_CODE_FAILED;
    if (count == 0 || count > PARTITIONS_MAX) {
        console_error(c->call->console, "%s has %d partitions", topic_name(c), count);
        return EXIT_CODE_FAILED;
    }
    if (!choose_partitions(c, count))
        return EXIT_CODE_USAGE;
    if (!start_partitions(c))
        return EXIT_CODE_FAILED;
    consume_all(c);
    return c->failed ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

static void close_consumer(struct consume *c)
{
    for (int32_t i = 0; i < c->partition_count; i++)
        if (c->partitions[i].started)
            (void)c->rk.consume_stop(c->topic, c->partitions[i].index);
    if (c->queue != NULL)
        c->rk.queue_destroy(c->queue);
    if (c->topic != NULL)
        c->rk.topic_destroy(c->topic);
    if (c->consumer != NULL)
        c->rk.destroy(c->consumer);
}

enum exit_code consume_run(const struct command_call *call)
{
    struct consume c = {.call = call};
    arena_init(&c.arena, (size_t)16 << 20);
    text_init(&c.line, (size_t)1 << 30);
    enum exit_code code = EXIT_CODE_USAGE;
    if (read_arguments(&c))
        code = rdkafka_load(&c.rk, call->console) ? run(&c) : EXIT_CODE_FAILED;
    console_flush(call->console);
    close_consumer(&c);
    text_fini(&c.line);
    free(c.headers);
    arena_fini(&c.arena);
    return code;
}
