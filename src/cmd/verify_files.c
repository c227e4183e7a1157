/* Files that are read as a whole: producer snapshots, checkpoints, properties, and snapshots of the
 * metadata log. One thread. */
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/uuid.h"
#include "cmd/segment_walk.h"
#include "cmd/verify_int.h"
#include "config/properties.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <stdio.h>
#include <stdlib.h>

#define FILE_SIZE_MAX ((size_t)256 << 20)
#define SNAPSHOT_HEAD_SIZE 10
#define SNAPSHOT_ENTRY_SIZE 46

static const struct verify_place nowhere = {-1, -1};

/* NULL: told. */
static char *read_file(struct verify *verify, const char *path, size_t *ret_size)
{
    char *data = NULL;
    verify_begin(verify, path);
    int error = sys_file_read_whole(SYS_DIR_CWD, path, FILE_SIZE_MAX, &data, ret_size);
    if (error < 0) {
        verify_fault(verify, nowhere, "%s", strerror(-error));
        return NULL;
    }
    verify_progress(verify, (int64_t)*ret_size);
    return data;
}

/* ---- producers ---- */

void verify_producer_snapshot(struct verify *verify, const char *path)
{
    size_t size;
    uint8_t *bytes = (uint8_t *)read_file(verify, path, &size);
    if (bytes == NULL)
        return;
    int64_t count = size >= SNAPSHOT_HEAD_SIZE ? load_i32(bytes + 6) : -1;
    if (count < 0)
        verify_fault(verify, nowhere, "%zu bytes are no producer snapshot", size);
    else if (load_i16(bytes) != 1)
        verify_fault(verify, (struct verify_place){0, -1}, "version %d is not known",
                     load_i16(bytes));
    else if ((int64_t)size != SNAPSHOT_HEAD_SIZE + count * SNAPSHOT_ENTRY_SIZE)
        verify_fault(verify, (struct verify_place){6, -1},
                     "%lld producers are announced, which %zu bytes do not hold", (long long)count,
                     size);
    else if (crc32c(0, bytes + 6, size - 6) != load_u32(bytes + 2))
        verify_fault(verify, (struct verify_place){2, -1}, "the checksum does not match");
    free(bytes);
}

/* ---- text ---- */

static bool next_line(struct slice *rest, struct slice *ret_line)
{
    if (rest->size == 0)
        return false;
    const uint8_t *end = memchr(rest->data, '\n', rest->size);
    size_t size = end != NULL ? (size_t)(end - rest->data) : rest->size;
    *ret_line = slice_first(*rest, size);
    *rest = slice_from(*rest, size + 1);
    return true;
}

static bool only_number(struct slice line, int64_t *ret_number)
{
    return checkpoint_number(&line, ret_number) && line.size == 0;
}

/* Version 0 and the number of lines that follow. false: told. */
static bool read_head(struct verify *verify, struct slice *rest, int64_t *ret_count)
{
    struct slice line;
    int64_t version;
    bool fine = next_line(rest, &line) && only_number(line, &version) && version == 0 &&
                next_line(rest, &line) && only_number(line, ret_count) && *ret_count >= 0;
    if (!fine)
        verify_fault(verify, nowhere, "not a checkpoint of version 0");
    return fine;
}

static void check_count(struct verify *verify, int64_t announced, int64_t found)
{
    if (announced != found)
        verify_fault(verify, nowhere, "%lld entries are announced, %lld are there",
                     (long long)announced, (long long)found);
}

bool verify_epochs(struct verify *verify, const char *path, struct log_epochs *ret_epochs)
{
    size_t size;
    char *data = read_file(verify, path, &size);
    struct slice text = slice_of(data, data != NULL ? size : 0);
    struct slice rest = text;
    struct slice line;
    int64_t count;
    int64_t found = 0;
    int64_t before[2] = {-1, -1};
    log_epochs_init(ret_epochs);
    if (text.size == 0 || !read_head(verify, &rest, &count)) {
        free(data);
        return false;
    }
    for (; next_line(&rest, &line); found++) {
        struct slice words = line;
        int64_t entry[2];
        if (!checkpoint_number(&words, &entry[0]) || !only_number(words, &entry[1]))
            verify_fault(verify, nowhere, "line %lld: \"%.*s\" is no epoch and its start",
                         (long long)found + 3, SLICE_ARG(line));
        else if (entry[0] <= before[0] || entry[1] < before[1])
            verify_fault(verify, (struct verify_place){-1, entry[1]},
                         "line %lld: epochs do not rise", (long long)found + 3);
        else
            memcpy(before, entry, sizeof before);
    }
    check_count(verify, count, found);
    bool fine = log_epochs_read(ret_epochs, text);
    free(data);
    return fine;
}

/* "topic partition offset". */
static void check_entry(struct verify *verify, struct slice line, int64_t number,
                        const struct checkpoint *ends)
{
    struct slice words = line;
    struct slice topic;
    int64_t partition;
    int64_t offset;
    if (!checkpoint_word(&words, &topic) || !checkpoint_number(&words, &partition) ||
        !only_number(words, &offset) || partition < 0) {
        verify_fault(verify, nowhere, "line %lld: \"%.*s\" is no topic, partition and offset",
                     (long long)number, SLICE_ARG(line));
        return;
    }
    if (ends == NULL)
        return;
    char folder[300];
    (void)snprintf(folder, sizeof folder, "%.*s-%lld", (int)MIN_OF(topic.size, (size_t)260),
                   (const char *)topic.data, (long long)partition);
    int64_t end = checkpoint_get(ends, slice_of_text(folder), INT64_MAX);
    if (offset > end)
        verify_fault(verify, (struct verify_place){-1, offset},
                     "line %lld: %s ends at offset %lld already", (long long)number, folder,
                     (long long)end);
}

void verify_checkpoint(struct verify *verify, const char *path, const struct checkpoint *ends)
{
    size_t size;
    char *data = read_file(verify, path, &size);
    struct slice rest = slice_of(data, data != NULL ? size : 0);
    struct slice line;
    int64_t count;
    int64_t found = 0;
    if (rest.size > 0 && read_head(verify, &rest, &count)) {
        for (; next_line(&rest, &line); found++)
            check_entry(verify, line, found + 3, ends);
        check_count(verify, count, found);
    }
    free(data);
}

static bool on_pair(void *context, struct slice key, struct slice value, int line)
{
    bool *has_id = context;
    struct uuid id;
    (void)line;
    if (slice_is(key, "topic_id"))
        *has_id = uuid_parse(value, &id);
    return true;
}

static bool read_properties(struct verify *verify, const char *path, bool *ret_has_id)
{
    size_t size;
    char *data = read_file(verify, path, &size);
    struct text error;
    text_init(&error, 1024);
    *ret_has_id = false;
    bool fine = data != NULL && properties_read(slice_of(data, size), on_pair, ret_has_id, &error);
    if (data != NULL && !fine)
        verify_fault(verify, nowhere, "%s", error.data);
    text_fini(&error);
    free(data);
    return fine;
}

void verify_properties(struct verify *verify, const char *path)
{
    bool has_id;
    (void)read_properties(verify, path, &has_id);
}

void verify_partition_metadata(struct verify *verify, const char *path)
{
    bool has_id;
    if (read_properties(verify, path, &has_id) && !has_id)
        verify_fault(verify, nowhere, "it has no topic_id");
}

/* ---- snapshots of the metadata log ---- */

void verify_metadata_snapshot(struct verify *verify, const char *path)
{
    struct segment_walk walk;
    bool ends_with_control = false;
    int64_t batches = 0;
    verify_begin(verify, path);
    int error = segment_walk_open(&walk, path);
    if (error < 0) {
        verify_fault(verify, nowhere, "%s", strerror(-error));
        return;
    }
    while (segment_walk_next(&walk)) {
        struct verify_place place = {walk.position, walk.header.base_offset};
        bool is_control = batch_is_control(&walk.header);
        verify->batches++;
        verify->records += MAX_OF(walk.header.record_count, 0);
        verify_progress(verify, walk.header.size);
        if (!batch_crc_ok(walk.batch))
            verify_fault(verify, place, "the checksum does not match");
        if (batches++ == 0 && !is_control)
            verify_fault(verify, place, "the snapshot does not begin with its header");
        ends_with_control = is_control;
    }
    struct verify_place place = {walk.position, -1};
    if (walk.fault != NULL)
        verify_fault(verify, place, "%s", walk.fault);
    else if (!ends_with_control)
        verify_fault(verify, place, "the snapshot has no footer: it is not whole");
    segment_walk_close(&walk);
}
