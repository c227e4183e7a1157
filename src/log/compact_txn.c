/* Transactions of one walk; see the header. The aborted ones come from the transaction indexes,
 * ahead of the walk, and count from the batch on that reaches their first offset. One thread at a
 * time. */
#include "log/compact_txn.h"

#include "base/always.h"

#include <errno.h>
#include <stdlib.h>

#define MARKER_ABORT 0
#define MARKER_COMMIT 1

static int compare_first(const void *a, const void *b)
{
    const struct txn_ended *left = (const struct txn_ended *)a;
    const struct txn_ended *right = (const struct txn_ended *)b;
    return left->first_offset < right->first_offset ? -1 : left->first_offset > right->first_offset;
}

void compact_txns_init(struct compact_txns *txns, struct txn_ended *aborted, int aborted_count)
{
    *txns = (struct compact_txns){.aborted = aborted, .aborted_count = aborted_count};
    if (aborted_count > 1)
        qsort(aborted, (size_t)aborted_count, sizeof *aborted, compare_first);
}

void compact_txns_fini(struct compact_txns *txns)
{
    free(txns->open);
    free(txns->aborted);
    free(txns->kept);
    *txns = (struct compact_txns){0};
}

/* ---- open transactions ---- */

/* Where the producer's entry stands, or would. */
static int place_of(const struct compact_txns *txns, int64_t producer_id)
{
    int low = 0;
    int high = txns->open_count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (txns->open[middle].producer_id < producer_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct open_txn *find(const struct compact_txns *txns, int64_t producer_id)
{
    int at = place_of(txns, producer_id);
    bool found = at < txns->open_count && txns->open[at].producer_id == producer_id;
    return found ? &txns->open[at] : NULL;
}

static bool reserve_open(struct compact_txns *txns)
{
    if (txns->open_count < txns->open_capacity)
        return true;
    int capacity = txns->open_capacity > 0 ? txns->open_capacity * 2 : 8;
    struct open_txn *open = (struct open_txn *)realloc(txns->open, (size_t)capacity * sizeof *open);
    if (open == NULL)
        return false;
    txns->open = open;
    txns->open_capacity = capacity;
    return true;
}

static struct open_txn *find_or_add(struct compact_txns *txns, int64_t producer_id)
{
    struct open_txn *found = find(txns, producer_id);
    if (found != NULL)
        return found;
    if (!reserve_open(txns))
        return NULL;
    int at = place_of(txns, producer_id);
    memmove(txns->open + at + 1, txns->open + at,
            (size_t)(txns->open_count - at) * sizeof txns->open[0]);
    txns->open_count++;
    txns->open[at] = (struct open_txn){.producer_id = producer_id};
    return &txns->open[at];
}

static void drop_if_over(struct compact_txns *txns, const struct open_txn *open)
{
    if (open->has_committed || open->is_aborted)
        return;
    int at = (int)(open - txns->open);
    txns->open_count--;
    memmove(txns->open + at, txns->open + at + 1,
            (size_t)(txns->open_count - at) * sizeof txns->open[0]);
}

static int begin_aborted(struct compact_txns *txns, const struct txn_ended *aborted)
{
    struct open_txn *open = find_or_add(txns, aborted->producer_id);
    if (open == NULL)
        return -ENOMEM;
    if (!open->is_aborted) {
        open->is_aborted = true;
        open->was_met = false;
        open->aborted = *aborted;
    }
    return 0;
}

/* Those that begin at or below the offset have begun. 0 or -ENOMEM. */
static int reach(struct compact_txns *txns, int64_t offset)
{
    int error = 0;
    while (error == 0 && txns->aborted_next < txns->aborted_count &&
           txns->aborted[txns->aborted_next].first_offset <= offset)
        error = begin_aborted(txns, &txns->aborted[txns->aborted_next++]);
    return error;
}

int compact_txns_data(struct compact_txns *txns, const struct batch_header *header)
{
    int error = reach(txns, batch_last_offset(header));
    if (error < 0 || !batch_is_transactional(header))
        return error;
    struct open_txn *open = find_or_add(txns, header->producer_id);
    if (open == NULL)
        return -ENOMEM;
    if (!open->is_aborted)
        open->has_committed = true;
    else
        open->was_met = true;
    return open->is_aborted ? 1 : 0;
}

static int keep(struct compact_txns *txns, const struct txn_ended *aborted)
{
    if (txns->kept_count == txns->kept_capacity) {
        int capacity = txns->kept_capacity > 0 ? txns->kept_capacity * 2 : 8;
        struct txn_ended *kept =
            (struct txn_ended *)realloc(txns->kept, (size_t)capacity * sizeof *kept);
        if (kept == NULL)
            return -ENOMEM;
        txns->kept = kept;
        txns->kept_capacity = capacity;
    }
    txns->kept[txns->kept_count++] = *aborted;
    return 0;
}

static int end_aborted(struct compact_txns *txns, struct open_txn *open)
{
    if (open == NULL || !open->is_aborted)
        return 1;
    bool was_met = open->was_met;
    int error = was_met ? keep(txns, &open->aborted) : 0;
    open->is_aborted = false;
    drop_if_over(txns, open);
    return error < 0 ? error : was_met ? 0 : 1;
}

static int end_committed(struct compact_txns *txns, struct open_txn *open)
{
    if (open == NULL || !open->has_committed)
        return 1;
    open->has_committed = false;
    drop_if_over(txns, open);
    return 0;
}

int compact_txns_marker(struct compact_txns *txns, const struct batch_header *header, int type)
{
    int error = reach(txns, batch_last_offset(header));
    if (error < 0)
        return error;
    struct open_txn *open = find(txns, header->producer_id);
    if (type < 0)
        return 1; /* it was emptied before */
    if (type == MARKER_ABORT)
        return end_aborted(txns, open);
    return type == MARKER_COMMIT ? end_committed(txns, open) : 0;
}

void compact_txns_begin_kept(struct compact_txns *txns)
{
    txns->kept_count = 0;
}
