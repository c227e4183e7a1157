/* The three indexes of a segment, held against its batches as these go by, so that memory is what
 * the indexes take. What is wrong is told of the index's file. Zeroes behind the last entry are
 * room that was taken in advance. The complication is what no flush has followed: its indexes are
 * in the memory of a node, or were. One thread. */
#include "base/bytes.h"
#include "cmd/verify_int.h"
#include "log/index.h"
#include "sys/dir.h"
#include "sys/file.h"
#include "wire/batch.h"

#include <errno.h>
#include <stdlib.h>

#define TXN_ENTRY_SIZE 34
#define INDEX_SIZE_MAX ((size_t)1 << 31)

/* ---- reading ---- */

struct shape {
    size_t entry_size;
    bool is_padded; /* zeroes may follow */
    bool is_needed; /* an index that is not there is a fault */
};

static bool is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* Entries before the zeroes at the end. */
static size_t count_entries(struct verify *verify, const uint8_t *data, size_t size,
                            const struct shape *shape)
{
    size_t count = size / shape->entry_size;
    if (size % shape->entry_size != 0)
        verify_fault(verify, (struct verify_place){(int64_t)(count * shape->entry_size), -1},
                     "%zu bytes behind the last entry", size % shape->entry_size);
    while (shape->is_padded && count > 0 &&
           is_zero(data + (count - 1) * shape->entry_size, shape->entry_size))
        count--;
    return count;
}

static uint8_t *read_index(struct verify *verify, const char *path, const struct shape *shape,
                           size_t *ret_count)
{
    char *data = NULL;
    size_t size = 0;
    *ret_count = 0;
    int error = sys_file_read_whole(SYS_DIR_CWD, path, INDEX_SIZE_MAX, &data, &size);
    if (error == -ENOENT && !shape->is_needed)
        return NULL;
    verify_begin(verify, path);
    if (error < 0) {
        verify_fault(verify, (struct verify_place){-1, -1}, "%s%s", strerror(-error),
                     error == -ENOENT ? "; ottla log index makes it again" : "");
        return NULL;
    }
    *ret_count = count_entries(verify, (const uint8_t *)data, size, shape);
    return (uint8_t *)data;
}

void verify_indexes_open(struct verify_indexes *indexes, struct verify *verify,
                         const struct verify_segment *segment)
{
    bool needed = segment->has_folder && !segment->in_flux;
    struct shape offsets = {INDEX_ENTRY_SIZE, true, needed};
    struct shape times = {TIME_INDEX_ENTRY_SIZE, true, needed};
    struct shape txns = {TXN_ENTRY_SIZE, false, false};
    *indexes = (struct verify_indexes){.verify = verify,
                                       .segment = segment,
                                       .offset_path = verify_path(segment->stem, ".index"),
                                       .time_path = verify_path(segment->stem, ".timeindex"),
                                       .txn_path = verify_path(segment->stem, ".txnindex"),
                                       .max_timestamp = INT64_MIN,
                                       .last_offset = -1};
    indexes->offsets = read_index(verify, indexes->offset_path, &offsets, &indexes->offset_count);
    indexes->times = read_index(verify, indexes->time_path, &times, &indexes->time_count);
    indexes->txns = read_index(verify, indexes->txn_path, &txns, &indexes->txn_count);
}

/* ---- meeting batches ---- */

static void meet_offsets(struct verify_indexes *x, const struct batch_header *header,
                         int64_t position)
{
    x->verify->file = x->offset_path;
    for (; x->next_offset < x->offset_count; x->next_offset++) {
        const uint8_t *entry = x->offsets + x->next_offset * INDEX_ENTRY_SIZE;
        int64_t offset = x->segment->base_offset + load_i32(entry);
        int64_t at = load_i32(entry + 4);
        struct verify_place place = {(int64_t)(x->next_offset * INDEX_ENTRY_SIZE), offset};
        bool rises = x->next_offset == 0 || (load_i32(entry) > load_i32(entry - INDEX_ENTRY_SIZE) &&
                                             at > load_i32(entry - INDEX_ENTRY_SIZE + 4));
        if (!rises)
            verify_fault(x->verify, place, "entries do not rise");
        else if (at > position)
            return;
        else if (at < position)
            verify_fault(x->verify, place, "no batch begins at position %lld", (long long)at);
        else if (offset < header->base_offset)
            verify_fault(x->verify, place, "the batch at position %lld begins at offset %lld",
                         (long long)at, (long long)header->base_offset);
    }
}

static void meet_times(struct verify_indexes *x, const struct batch_header *header)
{
    x->verify->file = x->time_path;
    for (; x->next_time < x->time_count; x->next_time++) {
        const uint8_t *entry = x->times + x->next_time * TIME_INDEX_ENTRY_SIZE;
        int64_t timestamp = load_i64(entry);
        int64_t offset = x->segment->base_offset + load_i32(entry + 8);
        struct verify_place place = {(int64_t)(x->next_time * TIME_INDEX_ENTRY_SIZE), offset};
        const uint8_t *before = entry - (x->next_time > 0 ? TIME_INDEX_ENTRY_SIZE : 0);
        bool rises = x->next_time == 0 ||
                     (timestamp > load_i64(before) && load_i32(entry + 8) > load_i32(before + 8));
        if (!rises)
            verify_fault(x->verify, place, "entries do not rise");
        else if (offset > batch_last_offset(header))
            return;
        else if (offset < header->base_offset)
            verify_fault(x->verify, place, "no batch has that offset");
        else if (timestamp != header->max_timestamp)
            verify_fault(x->verify, place,
                         "timestamp %lld, and the batch with that offset has %lld as its largest",
                         (long long)timestamp, (long long)header->max_timestamp);
        else if (timestamp < x->max_timestamp)
            verify_fault(x->verify, place,
                         "a batch before that offset has the later timestamp %lld",
                         (long long)x->max_timestamp);
    }
}

static void meet_txns(struct verify_indexes *x, const struct batch_header *header, bool aborts)
{
    bool found = false;
    x->verify->file = x->txn_path;
    for (; x->next_txn < x->txn_count && !found; x->next_txn++) {
        const uint8_t *entry = x->txns + x->next_txn * TXN_ENTRY_SIZE;
        int64_t last = load_i64(entry + 18);
        struct verify_place place = {(int64_t)(x->next_txn * TXN_ENTRY_SIZE), last};
        if (load_i16(entry) != 0)
            verify_fault(x->verify, place, "the entry's version %d is not known", load_i16(entry));
        else if (last > batch_last_offset(header))
            break;
        else if (last < batch_last_offset(header) || !aborts)
            verify_fault(x->verify, place, "no transaction was aborted there");
        else if (load_i64(entry + 2) != header->producer_id)
            verify_fault(x->verify, place, "producer %lld, and producer %lld aborted there",
                         (long long)load_i64(entry + 2), (long long)header->producer_id);
        else if (load_i64(entry + 10) > last)
            verify_fault(x->verify, place, "the transaction begins behind its end");
        found = last == batch_last_offset(header);
    }
    if (aborts && !found)
        verify_fault(x->verify, (struct verify_place){-1, batch_last_offset(header)},
                     "an aborted transaction of producer %lld has no entry; ottla log index makes "
                     "the file again",
                     (long long)header->producer_id);
}

void verify_indexes_meet(struct verify_indexes *x, const struct batch_header *header,
                         int64_t position, bool aborts)
{
    meet_offsets(x, header, position);
    meet_times(x, header);
    if (!x->segment->in_flux || x->next_txn < x->txn_count)
        meet_txns(x, header, aborts);
    x->max_timestamp = MAX_OF(x->max_timestamp, header->max_timestamp);
    x->last_offset = batch_last_offset(header);
}

/* ---- the end ---- */

static void tell_rest(struct verify *verify, const char *path, size_t count, const char *what)
{
    verify->file = path;
    if (count > 0)
        verify_fault(verify, (struct verify_place){-1, -1}, "%zu entries at its end are of %s",
                     count, what);
}

void verify_indexes_close(struct verify_indexes *x, bool is_whole)
{
    struct verify *verify = x->verify;
    if (is_whole && !x->segment->in_flux) {
        tell_rest(verify, x->offset_path, x->offset_count - x->next_offset,
                  "what is not in the segment");
        tell_rest(verify, x->time_path, x->time_count - x->next_time, "what is not in the segment");
        tell_rest(verify, x->txn_path, x->txn_count - x->next_txn, "what is not in the segment");
    }
    free(x->offset_path);
    free(x->time_path);
    free(x->txn_path);
    free(x->offsets);
    free(x->times);
    free(x->txns);
}
