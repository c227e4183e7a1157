/* ottla produce: standard input to a topic. Records wait in librdkafka's queue and are reported by
 * callback, so that reading and sending overlap; the exit code says whether all arrived. Its
 * threads never call us: callbacks run inside of our polls. One thread. */
#include "cmd/admin.h"
#include "cmd/input.h"
#include "cmd/records.h"
#include "sys/process.h"

#include <stdlib.h>

const struct command_flag produce_flag_key = {'k', "key", "KEY", "the key of every record"};
const struct command_flag produce_flag_header = {'H', "header", "NAME=VALUE",
                                                 "a header of every record; may be repeated"};
const struct command_flag produce_flag_partition = {
    'p', "partition", "N", "send to this partition (as the key's hash says)"};
const struct command_flag produce_flag_format = {
    'f', "format", "FORMAT",
    "how records stand in the input ('%v\\n', one value a line):\n"
    "%k key, %v value, %K %V their sizes, %p partition;\n"
    "or json, as consume -f json writes it"};
const struct command_flag produce_flag_codec = {'z', "codec", "CODEC",
                                                "none, gzip, snappy, lz4 or zstd (none)"};
const struct command_flag produce_flag_tombstone = {
    'Z', "tombstone", NULL, "an empty value becomes null, which deletes the key"};
const struct command_flag produce_flag_acks = {
    0, "acks", "N", "replicas that must have a record: 0, 1 or all (all)"};
const struct command_flag produce_flag_timeout = {
    0, "timeout", "MS", "longest time until a record has arrived (30000)"};

#define ERRORS_SHOWN_MAX 3
#define POLL_EVERY 512
#define OWN_FIELDS_MAX 8

struct produce {
    const struct command_call *call;
    struct rdkafka rk;
    rd_kafka_t *producer;
    rd_kafka_topic_t *topic;
    struct input input;
    rd_kafka_vu_t *fields; /* one record as librdkafka takes it */
    size_t field_capacity;
    struct format_header *headers; /* -H */
    int32_t header_count;
    char *names; /* header names of one record, each NUL-terminated */
    size_t name_capacity;
    const char *key;
    int64_t partition;
    bool tombstones;
    int64_t delivered;
    int64_t failed;
};

/* ---- callbacks ---- */

static void report_failure(struct produce *p, rd_kafka_resp_err_t error, const char *text)
{
    if (++p->failed <= ERRORS_SHOWN_MAX)
        records_report(&p->rk, p->call, p->call->arguments[0], error, text);
}

static void on_delivered(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
    struct produce *p = opaque;
    (void)producer;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        report_failure(p, message->err, NULL);
    else
        p->delivered++;
}

/* Trouble on the way is told where it ends a record: librdkafka tries again until then. */
static void on_error(rd_kafka_t *producer, int error, const char *reason, void *opaque)
{
    (void)producer;
    (void)error;
    (void)reason;
    (void)opaque;
}

/* ---- one record ---- */

static bool make_room(struct produce *p, const struct input_record *record)
{
    size_t count = OWN_FIELDS_MAX + (size_t)p->header_count + (size_t)record->header_count;
    size_t names = 0;
    for (int32_t i = 0; i < record->header_count; i++)
        names += record->headers[i].key.size + 1;
    if (count > p->field_capacity) {
        rd_kafka_vu_t *fields = realloc(p->fields, count * sizeof *fields);
        if (fields == NULL)
            return false;
        p->fields = fields;
        p->field_capacity = count;
    }
    if (names > p->name_capacity) {
        char *room = realloc(p->names, names);
        if (room == NULL)
            return false;
        p->names = room;
        p->name_capacity = names;
    }
    return true;
}

static rd_kafka_vu_t bytes_field(rd_kafka_vtype_t type, struct slice bytes)
{
    rd_kafka_vu_t field = {.vtype = type};
    /* librdkafka copies them: it is told so by the flags. */
    memcpy(&field.u.mem.ptr, &bytes.data, sizeof field.u.mem.ptr);
    field.u.mem.size = bytes.size;
    return field;
}

static rd_kafka_vu_t header_field(const char *name, struct slice value)
{
    rd_kafka_vu_t field = {.vtype = RD_KAFKA_VTYPE_HEADER};
    field.u.header.name = name;
    field.u.header.val = value.data;
    field.u.header.size = (ssize_t)value.size;
    return field;
}

static size_t add_headers(struct produce *p, const struct input_record *record, size_t count)
{
    char *name = p->names;
    for (int32_t i = 0; i < p->header_count; i++)
        p->fields[count++] =
            header_field((const char *)p->headers[i].key.data, p->headers[i].value);
    for (int32_t i = 0; i < record->header_count; i++) {
        const struct format_header *header = &record->headers[i];
        if (header->key.size > 0)
            memcpy(name, header->key.data, header->key.size);
        name[header->key.size] = '\0';
        p->fields[count++] = header_field(name, header->value);
        name += header->key.size + 1;
    }
    return count;
}

static size_t fill_fields(struct produce *p, const struct input_record *record)
{
    size_t count = 0;
    bool keyed = !slice_is_null(record->key);
    bool tombstone = p->tombstones && record->value.size == 0;
    int32_t partition = record->partition >= 0 ? record->partition : (int32_t)p->partition;
    p->fields[count++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = p->topic};
    p->fields[count++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition};
    p->fields[count++] =
        (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY};
    if (record->timestamp_ms >= 0)
        p->fields[count++] =
            (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = record->timestamp_ms};
    if (keyed || p->key != NULL)
        p->fields[count++] =
            bytes_field(RD_KAFKA_VTYPE_KEY, keyed ? record->key : slice_of_text(p->key));
    if (!tombstone && !slice_is_null(record->value))
        p->fields[count++] = bytes_field(RD_KAFKA_VTYPE_VALUE, record->value);
    return add_headers(p, record, count);
}

static void send_record(struct produce *p, const struct input_record *record)
{
    if (!make_room(p, record)) {
        report_failure(p, RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE, "out of memory");
        return;
    }
    size_t count = fill_fields(p, record);
    for (;;) {
        rd_kafka_error_t *error = p->rk.produceva(p->producer, p->fields, count);
        if (error == NULL)
            return;
        rd_kafka_resp_err_t code = p->rk.error_code(error);
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            report_failure(p, code, p->rk.error_string(error));
            p->rk.error_destroy(error);
            return;
        }
        p->rk.error_destroy(error);
        p->rk.poll(p->producer, 100);
    }
}

/* ---- the run ---- */

/* NAME=VALUE or NAME:VALUE. */
static bool read_headers(struct produce *p, struct arena *arena)
{
    const char *text;
    int count = 0;
    while (call_value_at(p->call, &produce_flag_header, count) != NULL)
        count++;
    p->headers = ARENA_ARRAY(arena, struct format_header, (size_t)count + 1);
    for (int i = 0; i < count && p->headers != NULL; i++) {
        text = call_value_at(p->call, &produce_flag_header, i);
        size_t size = strcspn(text, "=:");
        if (text[size] == '\0' || size == 0) {
            console_error(p->call->console, "-H %s: must be name=value", text);
            return false;
        }
        p->headers[i].key =
            slice_of_text(arena_printf(arena, "%.*s", (int)size, text)); /* NUL-terminated */
        p->headers[i].value = slice_of_text(text + size + 1);
    }
    p->header_count = count;
    return p->headers != NULL;
}

/* Exactly once and in order, where the user does not ask for less. */
static bool is_idempotent(const struct command_call *call)
{
    const char *pair;
    if (call_has(call, &produce_flag_acks))
        return false;
    for (int i = 0; (pair = call_value_at(call, &flag_property, i)) != NULL; i++)
        if (strncmp(pair, "acks=", 5) == 0 || strncmp(pair, "request.required.acks=", 22) == 0 ||
            strncmp(pair, "enable.idempotence=", 19) == 0 ||
            strncmp(pair, "max.in.flight", 13) == 0)
            return false;
    return true;
}

static bool set_checked(struct produce *p, rd_kafka_conf_t *conf, const char *key,
                        const struct command_flag *flag)
{
    char error[256];
    const char *value = call_value(p->call, flag, NULL);
    if (value == NULL || p->rk.conf_set(conf, key, value, error, sizeof error) == RD_KAFKA_CONF_OK)
        return true;
    console_error(p->call->console, "--%s %s: %s", flag->name, value, error);
    return false;
}

static rd_kafka_conf_t *make_conf(struct produce *p)
{
    /* Keys go to the partitions where Java's producer puts them. */
    static const struct rdkafka_property defaults[] = {
        {"partitioner", "murmur2_random"}, {"message.timeout.ms", "30000"}, {NULL, NULL}};
    rd_kafka_conf_t *conf = rdkafka_conf(&p->rk, p->call, defaults);
    if (conf == NULL)
        return NULL;
    if (is_idempotent(p->call))
        rdkafka_set(&p->rk, conf, "enable.idempotence", "true");
    if (!set_checked(p, conf, "acks", &produce_flag_acks) ||
        !set_checked(p, conf, "compression.type", &produce_flag_codec) ||
        !set_checked(p, conf, "message.timeout.ms", &produce_flag_timeout)) {
        p->rk.conf_destroy(conf);
        return NULL;
    }
    p->rk.conf_set_dr_msg_cb(conf, on_delivered);
    p->rk.conf_set_error_cb(conf, on_error);
    p->rk.conf_set_opaque(conf, p);
    return conf;
}

static enum exit_code open_producer(struct produce *p)
{
    char error[256];
    rd_kafka_conf_t *conf = make_conf(p);
    if (conf == NULL)
        return EXIT_CODE_USAGE;
    if (!records_broker_is_there(p->call)) {
        p->rk.conf_destroy(conf);
        return EXIT_CODE_FAILED;
    }
    p->producer = p->rk.new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    if (p->producer == NULL) {
        console_error(p->call->console, "%s", error);
        p->rk.conf_destroy(conf);
        return EXIT_CODE_USAGE;
    }
    p->topic = p->rk.topic_new(p->producer, p->call->arguments[0], NULL);
    if (p->topic == NULL) {
        console_error(p->call->console, "%s: %s", p->call->arguments[0],
                      p->rk.err2str(p->rk.last_error()));
        return EXIT_CODE_FAILED;
    }
    return EXIT_CODE_OK;
}

static enum exit_code send_all(struct produce *p)
{
    struct input_record record;
    struct text error;
    text_init(&error, 4096);
    enum input_outcome outcome;
    int64_t sent = 0;
    while ((outcome = input_next(&p->input, &record, &error)) == INPUT_RECORD) {
        send_record(p, &record);
        if (++sent % POLL_EVERY == 0)
            p->rk.poll(p->producer, 0);
    }
    if (outcome == INPUT_FAULT)
        console_error(p->call->console, "%s", error.data);
    text_fini(&error);
    while (p->rk.outq_len(p->producer) > 0)
        (void)p->rk.flush(p->producer, 1000);
    if (p->failed > ERRORS_SHOWN_MAX)
        console_error(p->call->console, "%lld records failed in all", (long long)p->failed);
    return outcome == INPUT_FAULT || p->failed > 0 ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

static enum exit_code read_arguments(struct produce *p, struct arena *arena)
{
    struct call_number partition = {&produce_flag_partition, 0, INT32_MAX, RD_KAFKA_PARTITION_UA};
    const char *format = call_value(p->call, &produce_flag_format, "%v\\n");
    struct text error;
    text_init(&error, 4096);
    p->key = call_value(p->call, &produce_flag_key, NULL);
    p->tombstones = call_has(p->call, &produce_flag_tombstone);
    bool ok = input_init(&p->input, stdin, format, &error);
    if (!ok)
        console_error(p->call->console, "-f %s: %s", format, error.data);
    text_fini(&error);
    ok = ok && call_number(p->call, partition, &p->partition) && read_headers(p, arena);
    return ok ? EXIT_CODE_OK : EXIT_CODE_USAGE;
}

enum exit_code produce_run(const struct command_call *call)
{
    struct produce p = {.call = call};
    struct arena arena;
    arena_init(&arena, (size_t)16 << 20);
    enum exit_code code = read_arguments(&p, &arena);
    if (code == EXIT_CODE_OK && !rdkafka_load(&p.rk, call->console))
        code = EXIT_CODE_FAILED;
    if (code == EXIT_CODE_OK)
        code = open_producer(&p);
    if (code == EXIT_CODE_OK) {
        if (sys_process_is_terminal(0) && call->console->err_is_terminal)
            console_note(call->console, "One record a line; Ctrl-D ends.");
        code = send_all(&p);
    }
    if (p.topic != NULL)
        p.rk.topic_destroy(p.topic);
    if (p.producer != NULL)
        p.rk.destroy(p.producer);
    input_fini(&p.input);
    arena_fini(&arena);
    free(p.fields);
    free(p.names);
    return code;
}
