/* What both ways to consume share: the flags of records, the consumer, and records as text. One
 * thread of ours. */
#include "cmd/consume_int.h"

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

#define METADATA_TIMEOUT_MS 10000
#define METADATA_ATTEMPTS 4
#define METADATA_PAUSE_MS 150

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

static bool read_arguments(struct consume_output *c)
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

bool consume_output_init(struct consume_output *c, const struct command_call *call)
{
    *c = (struct consume_output){.call = call};
    arena_init(&c->arena, (size_t)16 << 20);
    text_init(&c->line, (size_t)1 << 30);
    return read_arguments(c);
}

void consume_output_fini(struct consume_output *c)
{
    text_fini(&c->line);
    free(c->headers);
    arena_fini(&c->arena);
}

/* ---- the consumer ---- */

static void on_error(rd_kafka_t *consumer, int error, const char *reason, void *opaque)
{
    struct consume_output *c = opaque;
    (void)consumer;
    if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        console_note(c->call->console, "consume: %s; trying again", reason);
}

enum exit_code consume_open(struct consume_output *c, const struct consume_setup *setup)
{
    char error[256];
    if (!rdkafka_load(&c->rk, c->call->console))
        return EXIT_CODE_FAILED;
    rd_kafka_conf_t *conf = rdkafka_conf(&c->rk, c->call, setup->defaults);
    if (conf == NULL)
        return EXIT_CODE_USAGE;
    if (!records_broker_is_there(c->call)) {
        c->rk.conf_destroy(conf);
        return EXIT_CODE_FAILED;
    }
    c->rk.conf_set_error_cb(conf, on_error);
    if (setup->on_rebalance != NULL)
        c->rk.conf_set_rebalance_cb(conf, setup->on_rebalance);
    if (setup->on_commit != NULL)
        c->rk.conf_set_offset_commit_cb(conf, setup->on_commit);
    c->rk.conf_set_opaque(conf, c);
    c->consumer = c->rk.new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
    if (c->consumer != NULL)
        return EXIT_CODE_OK;
    console_error(c->call->console, "%s", error);
    c->rk.conf_destroy(conf);
    return EXIT_CODE_USAGE;
}

static rd_kafka_resp_err_t ask_partitions(struct consume_output *c, rd_kafka_topic_t *topic,
                                          int32_t *ret_count)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t error =
        c->rk.metadata(c->consumer, 0, topic, &metadata, METADATA_TIMEOUT_MS);
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

int32_t consume_count_partitions(struct consume_output *c, const char *name)
{
    int32_t count = -1;
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR__FAIL;
    rd_kafka_topic_t *topic = c->rk.topic_new(c->consumer, name, NULL);
    for (int attempt = 0; attempt < METADATA_ATTEMPTS && topic != NULL; attempt++) {
        error = ask_partitions(c, topic, &count);
        if (error != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART &&
            error != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
            break;
        (void)c->rk.poll(c->consumer, METADATA_PAUSE_MS);
    }
    if (topic != NULL)
        c->rk.topic_destroy(topic);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return count;
    records_report(&c->rk, c->call, name, error, NULL);
    return -1;
}

/* ---- records ---- */

static int32_t read_headers(struct consume_output *c, const rd_kafka_message_t *message)
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

void consume_print(struct consume_output *c, const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;
    const char *topic = c->rk.topic_name(message->rkt);
    struct format_record record = {
        .topic = slice_of_text(topic),
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
    (void)c->rk.get_watermark_offsets(c->consumer, topic, message->partition,
                                      &record.log_start_offset, &record.high_watermark);
    text_reset(&c->line);
    format_apply(&c->format, &record, &c->line);
    console_add(c->call->console, text_slice(&c->line));
}
