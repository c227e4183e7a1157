/* Which transactions stand open at the beginning of a segment: an aborted one may have begun in a
 * segment before. The producer snapshot that is written when a segment is begun knows; where it is
 * missing, the segments before are walked. One thread. */
#include "base/always.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "cmd/reindex_int.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <stdio.h>
#include <stdlib.h>

#define SNAPSHOT_SIZE_MAX ((size_t)256 << 20)
#define SNAPSHOT_HEAD_SIZE 10
#define SNAPSHOT_ENTRY_SIZE 46
#define TXN_ENTRY_SIZE 34
#define PATH_SIZE 4096

static struct open_txn *find(struct open_txns *txns, int64_t producer_id)
{
    for (size_t i = 0; i < txns->count; i++)
        if (txns->at[i].producer_id == producer_id)
            return &txns->at[i];
    return NULL;
}

static void begin(struct open_txns *txns, int64_t producer_id, int64_t first_offset)
{
    if (find(txns, producer_id) != NULL)
        return;
    if (txns->count == txns->capacity) {
        txns->capacity = txns->capacity > 0 ? txns->capacity * 2 : 16;
        txns->at = realloc(txns->at, txns->capacity * sizeof *txns->at);
        ALWAYS(txns->at != NULL, "memory for %zu transactions", txns->capacity);
    }
    txns->at[txns->count++] =
        (struct open_txn){.producer_id = producer_id, .first_offset = first_offset};
}

/* First offset of what stands open; `otherwise` when nothing does. */
static int64_t stable_before(const struct open_txns *txns, int64_t otherwise)
{
    int64_t lowest = otherwise;
    for (size_t i = 0; i < txns->count; i++)
        lowest = MIN_OF(lowest, txns->at[i].first_offset);
    return lowest;
}

/* As Kafka's AbortedTxn: version 0, producer, first and last offset, last stable offset. */
static void add_entry(struct text *entries, const struct open_txn *txn, int64_t last_offset,
                      int64_t stable_offset)
{
    uint8_t entry[TXN_ENTRY_SIZE];
    store_i16(entry, 0);
    store_i64(entry + 2, txn->producer_id);
    store_i64(entry + 10, txn->first_offset);
    store_i64(entry + 18, last_offset);
    store_i64(entry + 26, stable_offset);
    text_add(entries, slice_of(entry, sizeof entry));
}

void open_txns_take(struct open_txns *txns, const struct batch_header *header, struct slice batch,
                    struct text *entries)
{
    int marker = segment_marker(header, batch);
    if (marker < 0) {
        if (batch_is_transactional(header) && !batch_is_control(header))
            begin(txns, header->producer_id, header->base_offset);
        return;
    }
    struct open_txn *open = find(txns, header->producer_id);
    if (open == NULL)
        return;
    struct open_txn ended = *open;
    *open = txns->at[--txns->count];
    int64_t last_offset = batch_last_offset(header);
    if (marker == 0 && entries != NULL)
        add_entry(entries, &ended, last_offset, stable_before(txns, last_offset + 1));
}

/* ---- where to begin ---- */

struct nearest {
    int64_t base;     /* of the segment that is looked at */
    int64_t snapshot; /* the nearest at or before it; -1: none */
    int64_t *bases;   /* of the segments before it */
    size_t count;
    size_t capacity;
};

static int on_name(void *context, const char *name, bool is_directory)
{
    struct nearest *nearest = context;
    int64_t base = segment_base(name);
    if (is_directory || base < 0 || base > nearest->base)
        return 0;
    const char *suffix = name + SEGMENT_NAME_SIZE;
    if (strcmp(suffix, ".snapshot") == 0)
        nearest->snapshot = MAX_OF(nearest->snapshot, base);
    if (strcmp(suffix, ".log") != 0 || base == nearest->base)
        return 0;
    if (nearest->count == nearest->capacity) {
        nearest->capacity = nearest->capacity > 0 ? nearest->capacity * 2 : 16;
        nearest->bases = realloc(nearest->bases, nearest->capacity * sizeof *nearest->bases);
        ALWAYS(nearest->bases != NULL, "memory for %zu segments", nearest->capacity);
    }
    nearest->bases[nearest->count++] = base;
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const int64_t *left = a;
    const int64_t *right = b;
    return (*left > *right) - (*left < *right);
}

/* false: there is none that can be read. */
static bool load_snapshot(struct open_txns *txns, const char *path)
{
    char *data = NULL;
    size_t size = 0;
    if (sys_file_read_whole(SYS_DIR_CWD, path, SNAPSHOT_SIZE_MAX, &data, &size) < 0)
        return false;
    const uint8_t *bytes = (const uint8_t *)data;
    int64_t count = size >= SNAPSHOT_HEAD_SIZE ? load_i32(bytes + 6) : -1;
    bool fine = count >= 0 && load_i16(bytes) == 1 &&
                (int64_t)size == SNAPSHOT_HEAD_SIZE + count * SNAPSHOT_ENTRY_SIZE &&
                crc32c(0, bytes + 6, size - 6) == load_u32(bytes + 2);
    for (int64_t i = 0; fine && i < count; i++) {
        const uint8_t *entry = bytes + SNAPSHOT_HEAD_SIZE + i * SNAPSHOT_ENTRY_SIZE;
        if (load_i64(entry + 38) >= 0)
            begin(txns, load_i64(entry), load_i64(entry + 38));
    }
    free(data);
    return fine;
}

/* What the batches from an offset on begin and end. */
static bool walk_segment(struct open_txns *txns, const char *path, int64_t from, struct text *error)
{
    struct segment_walk walk;
    int opened = segment_walk_open(&walk, path);
    if (opened < 0) {
        text_printf(error, "%s: %s", path, strerror(-opened));
        return false;
    }
    while (segment_walk_next(&walk))
        if (walk.header.base_offset >= from)
            open_txns_take(txns, &walk.header, walk.batch, NULL);
    bool fine = walk.fault == NULL;
    if (!fine)
        text_printf(error, "%s: position %lld: %s", path, (long long)walk.position, walk.fault);
    segment_walk_close(&walk);
    return fine;
}

static bool walk_before(struct open_txns *txns, const char *folder, const struct nearest *nearest,
                        int64_t from, struct text *error)
{
    char path[PATH_SIZE];
    for (size_t i = 0; i < nearest->count; i++) {
        bool is_over =
            i + 1 < nearest->count ? nearest->bases[i + 1] <= from : nearest->base <= from;
        (void)snprintf(path, sizeof path, "%s/%020lld.log", folder, (long long)nearest->bases[i]);
        if (!is_over && !walk_segment(txns, path, from, error))
            return false;
    }
    return true;
}

bool open_txns_load(struct open_txns *txns, const char *folder, int64_t base, struct text *error)
{
    char path[PATH_SIZE];
    struct nearest nearest = {.base = base, .snapshot = -1};
    AUTO(file_close) int fd = sys_dir_open(SYS_DIR_CWD, folder);
    int listed = fd < 0 ? fd : sys_dir_list(fd, on_name, &nearest);
    if (listed < 0) {
        text_printf(error, "%s: %s", folder, strerror(-listed));
        free(nearest.bases);
        return false;
    }
    if (nearest.count > 0)
        qsort(nearest.bases, nearest.count, sizeof nearest.bases[0], by_number);
    int64_t from = 0;
    (void)snprintf(path, sizeof path, "%s/%020lld.snapshot", folder, (long long)nearest.snapshot);
    if (nearest.snapshot >= 0 && load_snapshot(txns, path))
        from = nearest.snapshot;
    bool fine = walk_before(txns, folder, &nearest, from, error);
    free(nearest.bases);
    return fine;
}
