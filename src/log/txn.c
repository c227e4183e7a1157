/* Ended transactions; see the header. */
#include "log/txn.h"

#include "base/always.h"
#include "base/bytes.h"
#include "wire/record.h"

#include <errno.h>
#include <stdlib.h>

#define INDEX_VERSION 0

void txns_init(struct txns *txns)
{
    *txns = (struct txns){0};
}

void txns_fini(struct txns *txns)
{
    free(txns->aborted.entries);
    free(txns->uncommitted.entries);
    *txns = (struct txns){0};
}

enum txn_marker txn_marker_read(const struct batch_header *header, struct slice batch,
                                int32_t *ret_coordinator_epoch)
{
    struct record_reader reader;
    struct record record;
    int type = TXN_MARKER_NONE;
    record_reader_open(&reader, NULL, (struct record_source){.header = header, .batch = batch});
    if (record_read(&reader, &record) && record.key.size >= 4)
        type = load_i16(record.key.data + 2);
    bool is_marker = type == TXN_MARKER_ABORT || type == TXN_MARKER_COMMIT;
    if (is_marker && record.value.size >= 6)
        *ret_coordinator_epoch = load_i32(record.value.data + 2);
    record_reader_close(&reader);
    return is_marker ? (enum txn_marker)type : TXN_MARKER_NONE;
}

bool txn_list_reserve(struct txn_list *list, int count)
{
    int needed = list->count + count;
    if (needed <= list->capacity)
        return true;
    int doubled = MAX_OF(list->capacity * 2, 4);
    int capacity = MAX_OF(doubled, needed);
    struct txn_ended *grown = realloc(list->entries, (size_t)capacity * sizeof *grown);
    if (grown == NULL)
        return false;
    list->entries = grown;
    list->capacity = capacity;
    return true;
}

bool txn_list_add(struct txn_list *list, const struct txn_ended *txn)
{
    if (!txn_list_reserve(list, 1))
        return false;
    list->entries[list->count++] = *txn;
    return true;
}

int txn_list_at(const struct txn_list *list, int64_t offset)
{
    int low = 0;
    int high = list->count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (list->entries[middle].last_offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void txn_list_replace(struct txn_list *list, const struct txn_part *part)
{
    int from = txn_list_at(list, part->base_offset);
    int to = txn_list_at(list, part->end_offset);
    ALWAYS(list->count - (to - from) + part->count <= list->capacity, "no room for %d",
           part->count);
    if (list->count > to)
        memmove(list->entries + from + part->count, list->entries + to,
                (size_t)(list->count - to) * sizeof list->entries[0]);
    if (part->count > 0)
        memcpy(list->entries + from, part->entries, (size_t)part->count * sizeof list->entries[0]);
    list->count += part->count - (to - from);
}

/* Drops those that end below the offset. */
static void drop_below(struct txn_list *list, int64_t offset)
{
    int gone = txn_list_at(list, offset);
    if (gone == 0)
        return;
    list->count -= gone;
    memmove(list->entries, list->entries + gone, (size_t)list->count * sizeof list->entries[0]);
}

void txns_commit(struct txns *txns, int64_t high_watermark)
{
    drop_below(&txns->uncommitted, high_watermark);
}

int64_t txns_first_uncommitted(const struct txns *txns)
{
    int64_t first = -1;
    for (int i = 0; i < txns->uncommitted.count; i++) {
        int64_t offset = txns->uncommitted.entries[i].first_offset;
        first = first < 0 ? offset : MIN_OF(first, offset);
    }
    return first;
}

void txns_trim(struct txns *txns, int64_t start_offset)
{
    drop_below(&txns->aborted, start_offset);
}

/* ---- the file ---- */

void txn_ended_store(const struct txn_ended *txn, uint8_t at[TXN_INDEX_ENTRY_SIZE])
{
    store_i16(at, INDEX_VERSION);
    store_i64(at + 2, txn->producer_id);
    store_i64(at + 10, txn->first_offset);
    store_i64(at + 18, txn->last_offset);
    store_i64(at + 26, txn->last_stable_offset);
}

uint8_t *txns_index_write(const struct txns *txns, int64_t from, int64_t to, size_t *ret_size)
{
    const struct txn_list *aborted = &txns->aborted;
    int first = txn_list_at(aborted, from);
    int last = txn_list_at(aborted, to);
    uint8_t *bytes = malloc((size_t)(last - first) * TXN_INDEX_ENTRY_SIZE + 1);
    if (bytes == NULL)
        return NULL;
    for (int i = first; i < last; i++)
        txn_ended_store(&aborted->entries[i], bytes + (size_t)(i - first) * TXN_INDEX_ENTRY_SIZE);
    *ret_size = (size_t)(last - first) * TXN_INDEX_ENTRY_SIZE;
    return bytes;
}

static int read_entry(struct txns *txns, const uint8_t *entry, struct txns_place *place)
{
    struct txn_ended txn = {.producer_id = load_i64(entry + 2),
                            .first_offset = load_i64(entry + 10),
                            .last_offset = load_i64(entry + 18),
                            .last_stable_offset = load_i64(entry + 26)};
    if (load_i16(entry) != INDEX_VERSION || txn.last_offset < place->base_offset ||
        txn.last_offset >= place->end_offset || txn.first_offset > txn.last_offset)
        return -EBADMSG;
    place->base_offset = txn.last_offset + 1;
    return txn_list_add(&txns->aborted, &txn) ? 0 : -ENOMEM;
}

int txns_index_read(struct txns *txns, struct slice file, struct txns_place place)
{
    int count = txns->aborted.count;
    int error = file.size % TXN_INDEX_ENTRY_SIZE == 0 ? 0 : -EBADMSG;
    for (size_t at = 0; at < file.size && error == 0; at += TXN_INDEX_ENTRY_SIZE)
        error = read_entry(txns, file.data + at, &place);
    if (error < 0)
        txns->aborted.count = count;
    return error;
}
