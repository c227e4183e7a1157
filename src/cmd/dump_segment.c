/* A segment batch by batch. Its complication is that a file may end in a torn batch or in zeroes,
 * which is no fault of its own after a crash, but is told; a checksum that does not match is a
 * fault. One thread. */
#include "cmd/dump_int.h"
#include "sys/file.h"
#include "wire/record.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCH_SIZE_MAX ((int64_t)1 << 30)

struct segment {
    struct dump *dump;
    int64_t position;
    uint8_t *bytes;
    size_t capacity;
    struct batch_header header;
    struct slice batch;
    struct text line;
    char topic[256];
};

/* "/data/orders-0/000.log" holds records of "orders". */
static void find_topic(struct segment *s)
{
    const char *path = s->dump->path;
    const char *file = strrchr(path, '/');
    size_t end = file != NULL ? (size_t)(file - path) : 0;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    size_t dash = end;
    while (dash > begin && path[dash - 1] != '-')
        dash--;
    size_t size = dash > begin ? dash - 1 - begin : end - begin;
    if (s->dump->topic != NULL)
        snprintf(s->topic, sizeof s->topic, "%s", s->dump->topic);
    else
        snprintf(s->topic, sizeof s->topic, "%.*s", (int)size, path + begin);
}

static bool grow(struct segment *s, size_t size)
{
    if (size <= s->capacity)
        return true;
    uint8_t *bytes = realloc(s->bytes, size);
    if (bytes == NULL) {
        dump_fault(s->dump, "out of memory for a batch of %zu bytes", size);
        return false;
    }
    s->bytes = bytes;
    s->capacity = size;
    return true;
}

static bool read_at(struct segment *s, size_t size)
{
    if (!grow(s, size))
        return false;
    int64_t got = sys_file_read_at(s->dump->fd, s->bytes, size, s->position);
    if (got == (int64_t)size)
        return true;
    dump_fault(s->dump, "position %lld: %s", (long long)s->position,
               got < 0 ? strerror((int)-got) : "the file ends early");
    return false;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* The batch at the position, whole. false: the end, or told. */
static bool read_batch(struct segment *s)
{
    int64_t left = s->dump->size - s->position;
    size_t head = (size_t)MIN_OF(left, (int64_t)BATCH_HEADER_SIZE);
    if (left == 0 || !read_at(s, head))
        return false;
    if (is_zero(s->bytes, head)) {
        console_printf(s->dump->console,
                       s->dump->json ? "{\"position\":%lld,\"zeroes\":%lld}\n"
                                     : "position=%lld zeroes to the end, %lld bytes\n",
                       (long long)s->position, (long long)left);
        return false;
    }
    enum batch_outcome outcome = batch_parse_header(slice_of(s->bytes, head), &s->header);
    if (outcome == BATCH_OK && s->header.size > left)
        outcome = BATCH_INCOMPLETE;
    if (outcome != BATCH_OK) {
        dump_fault(s->dump, "position %lld: %s", (long long)s->position,
                   batch_outcome_text(outcome));
        return false;
    }
    if (!read_at(s, (size_t)s->header.size))
        return false;
    s->batch = slice_of(s->bytes, (size_t)s->header.size);
    return true;
}

static const char *codec_text(const struct batch_header *header)
{
    int id = batch_codec_id(header);
    return codec_is_known(id) ? codec_name((enum codec)id) : "unknown";
}

static void add_text_line(struct segment *s, bool crc_ok)
{
    const struct batch_header *h = &s->header;
    text_printf(&s->line,
                "position=%lld offsets=%lld..%lld records=%d size=%d epoch=%d codec=%s %s=%lld "
                "crc=%s",
                (long long)s->position, (long long)h->base_offset, (long long)batch_last_offset(h),
                h->record_count, h->size, h->partition_leader_epoch, codec_text(h),
                batch_timestamp_type(h) == TIMESTAMP_LOG_APPEND_TIME ? "appended" : "created",
                (long long)h->max_timestamp, crc_ok ? "ok" : "WRONG");
    if (batch_has_producer_id(h))
        text_printf(&s->line, " producer=%lld/%d sequence=%d..%d", (long long)h->producer_id,
                    h->producer_epoch, h->base_sequence, batch_last_sequence(h));
    text_printf(&s->line, "%s%s%s\n", batch_is_transactional(h) ? " transactional" : "",
                batch_is_control(h) ? " control" : "",
                batch_has_delete_horizon(h) ? " delete-horizon" : "");
}

static const char *truth(bool yes)
{
    return yes ? "true" : "false";
}

static void add_json_line(struct segment *s, bool crc_ok)
{
    const struct batch_header *h = &s->header;
    text_printf(&s->line,
                "{\"position\":%lld,\"base_offset\":%lld,\"last_offset\":%lld,\"records\":%d,"
                "\"size\":%d,\"partition_leader_epoch\":%d,\"codec\":\"%s\","
                "\"timestamp_type\":\"%s\",\"base_timestamp\":%lld,\"max_timestamp\":%lld,",
                (long long)s->position, (long long)h->base_offset, (long long)batch_last_offset(h),
                h->record_count, h->size, h->partition_leader_epoch, codec_text(h),
                batch_timestamp_type(h) == TIMESTAMP_LOG_APPEND_TIME ? "LogAppendTime"
                                                                     : "CreateTime",
                (long long)h->base_timestamp, (long long)h->max_timestamp);
    text_printf(&s->line,
                "\"producer_id\":%lld,\"producer_epoch\":%d,\"base_sequence\":%d,"
                "\"transactional\":%s,\"control\":%s,\"delete_horizon\":%s,\"crc\":%u,"
                "\"crc_ok\":%s}\n",
                (long long)h->producer_id, h->producer_epoch, h->base_sequence,
                truth(batch_is_transactional(h)), truth(batch_is_control(h)),
                truth(batch_has_delete_horizon(h)), h->crc, truth(crc_ok));
}

static void print_batch(struct segment *s)
{
    bool crc_ok = batch_crc_ok(s->batch);
    text_reset(&s->line);
    if (s->dump->json)
        add_json_line(s, crc_ok);
    else
        add_text_line(s, crc_ok);
    console_add(s->dump->console, text_slice(&s->line));
    if (!crc_ok)
        dump_fault(s->dump, "position %lld: the checksum does not match", (long long)s->position);
}

static void print_records(struct segment *s)
{
    struct record_reader reader;
    struct record record;
    struct dump_record where = {.topic = s->topic, .control = batch_is_control(&s->header)};
    record_reader_open(&reader, s->dump->pool,
                       (struct record_source){.header = &s->header,
                                              .batch = s->batch,
                                              .output_size_max = BATCH_SIZE_MAX,
                                              .record_size_max = BATCH_SIZE_MAX});
    while (record_read(&reader, &record)) {
        where.offset = s->header.base_offset + record.offset_delta;
        where.timestamp = batch_record_timestamp(&s->header, record.timestamp_delta);
        text_reset(&s->line);
        text_printf(&s->line, "%s", s->dump->json ? "" : "  ");
        (void)dump_record_json(s->dump, &where, &record, &s->line); /* told, and shown as it is */
        text_add_char(&s->line, '\n');
        console_add(s->dump->console, text_slice(&s->line));
    }
    if (reader.fault != CODEC_FINE)
        dump_fault(s->dump, "position %lld: %s", (long long)s->position, reader.text);
    record_reader_close(&reader);
}

void dump_segment(struct dump *dump)
{
    struct segment s = {.dump = dump};
    text_init(&s.line, (size_t)2 << 30);
    find_topic(&s);
    while (read_batch(&s)) {
        print_batch(&s);
        if (!dump->batches_only)
            print_records(&s);
        s.position += s.header.size;
    }
    text_fini(&s.line);
    free(s.bytes);
}
