/* What a log that was opened must know of transactions: see states_check_transactions. */
#include "log/test/sim_states.h"

#include "base/always.h"
#include "log/log_int.h"
#include "sys/file.h"

#include <stdio.h>
#include <stdlib.h>

/* Where a transaction began may be told in several ways where the log's beginning went, or a
 * cleaning removed its first batches: by what knew its first batch, or by the batch that was the
 * log's first of it when it was walked through. */
struct open {
    int64_t first;    /* of all batches that were appended; -1: it is not open */
    int64_t first_in; /* of those that the log surely holds; -1: none */
};

/* An aborted one as it must be told of. */
struct wanted {
    int64_t producer_id;
    struct open begin;
    int64_t last_offset;
    int64_t stable_least; /* as for the beginning */
    int64_t stable_most;
};

struct txn_check {
    struct states *story;
    const struct log *log;
    struct states_part part;
    struct open open[STATES_PRODUCERS];
    int next; /* of the log's aborted list */
};

static bool fits(const struct open *open, int64_t told)
{
    return open->first_in == open->first
               ? told == open->first
               : told >= open->first && (open->first_in < 0 || told <= open->first_in);
}

/* The list has it at its place; it may lack one whose records are all gone. */
static void check_aborted(struct txn_check *check, const struct wanted *wanted)
{
    const struct txn_list *aborted = &check->log->txns.aborted;
    bool gone = wanted->begin.first_in < 0;
    bool there = check->next < aborted->count &&
                 aborted->entries[check->next].last_offset == wanted->last_offset;
    HOLDS(check->story, there || gone, "L8: the transaction aborted at %lld is not told of",
          (long long)wanted->last_offset);
    if (!there)
        return;
    const struct txn_ended *ended = &aborted->entries[check->next++];
    HOLDS(check->story,
          ended->producer_id == wanted->producer_id && fits(&wanted->begin, ended->first_offset),
          "L8: the transaction aborted at %lld is told of as another",
          (long long)ended->last_offset);
    HOLDS(check->story,
          ended->last_stable_offset >= wanted->stable_least &&
              ended->last_stable_offset <= wanted->stable_most,
          "L8: at %lld all was stable up to %lld, %lld is told", (long long)ended->last_offset,
          (long long)wanted->stable_most, (long long)ended->last_stable_offset);
}

/* What was stable when the marker came: up to the first of another that was open. */
static void find_stable(const struct txn_check *check, struct wanted *wanted)
{
    wanted->stable_least = wanted->last_offset + 1;
    wanted->stable_most = wanted->last_offset + 1;
    for (int i = STATES_TRANSACTIONAL; i < STATES_PRODUCERS; i++) {
        const struct open *open = &check->open[i];
        if (open->first >= 0)
            wanted->stable_least = MIN_OF(wanted->stable_least, open->first);
        if (open->first_in >= 0)
            wanted->stable_most = MIN_OF(wanted->stable_most, open->first_in);
    }
}

static void on_marker(struct txn_check *check, int at)
{
    const struct states_batch *batch = &check->story->batches[at];
    struct open *open = &check->open[batch->header.producer_id];
    struct wanted wanted = {.producer_id = batch->header.producer_id,
                            .begin = *open,
                            .last_offset = batch->header.base_offset};
    *open = (struct open){.first = -1, .first_in = -1};
    if (batch->marker != TXN_MARKER_ABORT || wanted.begin.first < 0 ||
        wanted.last_offset < check->log->start_offset)
        return;
    find_stable(check, &wanted);
    check_aborted(check, &wanted);
}

static void on_batch(struct txn_check *check, int at)
{
    const struct states_batch *batch = &check->story->batches[at];
    if (!batch_is_transactional(&batch->header) || batch->was_lost)
        return;
    if (batch->marker != TXN_MARKER_NONE) {
        on_marker(check, at);
        return;
    }
    struct open *open = &check->open[batch->header.producer_id];
    int64_t first = batch->header.base_offset;
    open->first = open->first < 0 ? first : open->first;
    if (at >= check->part.from && !states_may_lack(batch, check->part.form))
        open->first_in = open->first_in < 0 ? first : open->first_in;
}

/* What is open of each producer holds back what is stable. */
static void check_open(const struct txn_check *check)
{
    int64_t stable = check->log->end_offset;
    for (int i = STATES_TRANSACTIONAL; i < STATES_PRODUCERS; i++) {
        const struct open *open = &check->open[i];
        const struct producer *producer = producers_find(&check->log->producers, i);
        int64_t told = producer != NULL ? producer->txn_first_offset : -1;
        bool gone = open->first_in < 0 && told < 0;
        HOLDS(check->story, gone || (open->first >= 0 && fits(open, told)),
              "producer %d's transaction is open from %lld, %lld is told", i,
              (long long)open->first, (long long)told);
        if (told >= 0)
            stable = MIN_OF(stable, MAX_OF(told, check->log->start_offset));
    }
    HOLDS(check->story, log_first_unstable_offset(check->log) == stable,
          "all is stable up to %lld, %lld is told", (long long)stable,
          (long long)log_first_unstable_offset(check->log));
}

/* L8: what the files say is what the log knows, but for what ended in front of it. */
static void check_index(const struct txn_check *check, int at)
{
    const struct log *log = check->log;
    char path[LOG_STEM_SIZE + 16];
    char stem[LOG_STEM_SIZE];
    char *data = NULL;
    size_t size = 0;
    log_stem(log, log->segments[at]->base_offset, stem);
    (void)snprintf(path, sizeof path, "%s.txnindex", stem);
    if (sys_file_read_whole(log->dir_fd, path, 1 << 20, &data, &size) < 0)
        size = 0; /* nothing was aborted */
    struct txns stored;
    txns_init(&stored);
    const struct txns_place place = {.base_offset = log->segments[at]->base_offset,
                                     .end_offset = log_segment_end(log, at)};
    HOLDS(check->story, txns_index_read(&stored, slice_of(data, size), place) == 0,
          "the transaction index of segment %d can be of it", at);
    txns_trim(&stored, log->start_offset);
    int from = txn_list_at(&log->txns.aborted, place.base_offset);
    int count = txn_list_at(&log->txns.aborted, place.end_offset) - from;
    HOLDS(check->story, stored.aborted.count == count,
          "L8: the transaction index of segment %d tells of %d instead of %d", at,
          stored.aborted.count, count);
    HOLDS(check->story,
          count == 0 || memcmp(stored.aborted.entries, log->txns.aborted.entries + from,
                               (size_t)count * sizeof stored.aborted.entries[0]) == 0,
          "L8: the transaction index of segment %d tells of others", at);
    txns_fini(&stored);
    free(data);
}

void states_check_transactions(struct states *story, const struct log *log, struct states_part part)
{
    struct txn_check check = {.story = story, .log = log, .part = part};
    for (int i = 0; i < STATES_PRODUCERS; i++)
        check.open[i] = (struct open){.first = -1, .first_in = -1};
    for (int i = 0; i < part.to; i++)
        on_batch(&check, i);
    const struct txn_list *aborted = &log->txns.aborted;
    HOLDS(story, check.next == aborted->count, "L8: a transaction that was not aborted is told of");
    int told = log_aborted_list(log, log->start_offset, log->end_offset, NULL, 0);
    HOLDS(story, told == aborted->count, "L8: of %d aborted transactions %d are told of",
          aborted->count, told);
    check_open(&check);
    for (int i = 0; i < log->segment_count; i++)
        check_index(&check, i);
}
