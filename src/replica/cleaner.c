/* The cleaners' rounds; see the header. A cleaner is a message: it asks one shard after the other
 * for its dirtiest log, then goes to the dirtiest of all. What has been cleaned is written to the
 * directory's checkpoint, durably, before the next round. */
#include "replica/cleaner.h"

#include "base/always.h"
#include "log/compact.h"
#include "replica/cleaner_int.h"
#include "replica/replica_int.h"
#include "sys/entropy.h"
#include "sys/journal.h"

#include <stdio.h>
#include <stdlib.h>

/* Bytes of one map are counted in 32 bits by Kafka: more is not used. */
#define MAP_SIZE_MAX ((int64_t)INT32_MAX)
/* Lines about a log that could not be cleaned: not one a round. */
#define FAILED_INTERVAL_MS 600000

/* ---- choosing ---- */

static bool can_be_cleaned(const struct replica *replica)
{
    return replica->log != NULL && replica->config.cleanup_compact && !replica->is_uncleanable &&
           !replica->is_cleaned && !replica->doomed &&
           (replica->state == REPLICA_LEADER || replica->state == REPLICA_IDLE);
}

/* A checkpoint that lies outside of the log counts from the log's start on, as Kafka has it. With
 * delete beside compact that is how it always becomes, and not worth a line. */
static void reset_checkpoint(struct replica *replica, const struct log_cleanable *cleanable)
{
    if (!replica->config.cleanup_delete || replica->cleaned_to > log_end_offset(replica->log))
        journal(JOURNAL_WARN, "cleaner_checkpoint_reset",
                "partition=%s offset=%lld start=%lld effect=\"%s\"", replica->name,
                (long long)replica->cleaned_to, (long long)cleanable->first_dirty_offset,
                "the whole log is cleaned again");
    replica->cleaned_to = cleanable->first_dirty_offset;
}

/* Whether the log is to be cleaned now, and what of it. */
static bool wants_cleaning(struct replica *replica, int64_t end_max,
                           struct log_cleanable *ret_cleanable) ON(on_shard)
{
    if (!can_be_cleaned(replica))
        return false;
    const struct log_cleanable_query query = {
        .cleaned_to = replica->cleaned_to,
        .stable_offset = replica_last_stable_offset(replica),
        .wall_ms = shard_wall_ms(replica->set->shard),
        .end_max = end_max,
    };
    log_cleanable(replica->log, &query, ret_cleanable);
    if (ret_cleanable->was_invalid)
        reset_checkpoint(replica, ret_cleanable);
    if (log_cleanable_is_due(replica->log, ret_cleanable))
        return true;
    if (ret_cleanable->waits_for_flush && !log_is_offline(replica->log))
        replica_flush(replica); /* as after a crash: the next round sees more */
    return false;
}

static void ask(struct shard *there, struct shard_message *message)
{
    role_now_on_shard();
    struct cleaner *cleaner = CONTAINER_OF(message, struct cleaner, message);
    struct cleaner_choice *choice = &cleaner->choice;
    struct replica_set *set = &cleaner->all->sets[shard_index(there)];
    for (struct hash_node *node = hash_table_next(&set->table, NULL); node != NULL;
         node = hash_table_next(&set->table, node)) {
        struct replica *replica = CONTAINER_OF(node, struct replica, node);
        struct log_cleanable cleanable;
        if (!wants_cleaning(replica, 0, &cleanable))
            continue;
        double ratio = log_cleanable_ratio(&cleanable);
        if (ratio <= choice->ratio)
            continue;
        *choice = (struct cleaner_choice){.ratio = ratio,
                                          .shard = shard_index(there),
                                          .topic_id = replica->topic_id,
                                          .partition = replica->partition};
    }
    shard_forward(there, message);
}

/* ---- cleaning ---- */

/* The rate is an upper bound over all cleaners and over the time since the last wait. */
static int64_t pace(void *context, int64_t bytes)
{
    struct cleaner *cleaner = (struct cleaner *)context;
    const struct cleaners *all = cleaner->all;
    double rate = all->config->log_cleaner_io_max_bytes_per_second / all->count;
    int64_t now_ms = shard_now_ms(cleaner->there);
    cleaner->paced_bytes += bytes;
    double due_ms = (double)cleaner->paced_bytes * 1000 / rate;
    double wait_ms = due_ms - (double)(now_ms - cleaner->paced_from_ms);
    if (wait_ms < 1) {
        /* A slow stretch saves nothing for later. */
        if (now_ms - cleaner->paced_from_ms > CLEANER_PACE_INTERVAL_MS) {
            cleaner->paced_from_ms = now_ms;
            cleaner->paced_bytes = 0;
        }
        return 0;
    }
    return wait_ms < INT32_MAX ? (int64_t)wait_ms : INT32_MAX;
}

static void report_done(const struct replica *replica, const struct log_compact_result *result,
                        int64_t from)
{
    const struct log_compact_figures *f = &result->figures;
    journal(JOURNAL_INFO, "log_cleaned",
            "partition=%s dirty_from=%lld dirty_to=%lld map_bytes=%lld map_used_percent=%d "
            "read_bytes=%lld read_records=%lld kept_bytes=%lld kept_records=%lld "
            "keyless_records=%lld map_ms=%lld all_ms=%lld",
            replica->name, (long long)from, (long long)result->end_offset,
            (long long)f->mapped_bytes, (int)(result->map_used * 100), (long long)f->read_bytes,
            (long long)f->read_records, (long long)f->written_bytes, (long long)f->written_records,
            (long long)f->keyless_records, (long long)(result->map_ns / 1000000),
            (long long)(result->all_ns / 1000000));
}

static void report_not_done(struct replica *replica, const struct log_compact_result *result)
{
    uint64_t held_back;
    if (result->end == LOG_COMPACT_CORRUPT) {
        replica->is_uncleanable = true;
        stats_add(replica->set->stats, METRIC_PARTITIONS_UNCLEANABLE, 1);
        journal(JOURNAL_ERROR, "partition_uncleanable",
                "partition=%s segment=%lld why=\"%s\" hint=\"%s\"", replica->name,
                (long long)result->fault_offset, result->fault,
                "it is not compacted any more until a restart; look at the segment with "
                "ottla log dump");
    } else if (result->end == LOG_COMPACT_FAILED &&
               journal_gate_open(&replica->set->clean_gate, FAILED_INTERVAL_MS, &held_back)) {
        journal(JOURNAL_WARN, "log_clean_failed", "partition=%s error=\"%s\" held_back=%llu",
                replica->name, strerror(-result->error), (unsigned long long)held_back);
    }
}

static void on_cleaned(void *context, const struct log_compact_result *result)
{
    role_now_on_shard();
    struct cleaner *cleaner = (struct cleaner *)context;
    struct replica *replica = cleaner->replica;
    struct stats *stats = replica->set->stats;
    replica->is_cleaned = false;
    cleaner->outcome = result->end == LOG_COMPACT_DONE ? CLEANER_CLEANED : CLEANER_FAILED;
    stats_add(stats, METRIC_CLEANER_READ_BYTES,
              result->figures.mapped_bytes + result->figures.read_bytes);
    stats_add(stats, METRIC_CLEANER_WRITTEN_BYTES, result->figures.written_bytes);
    if (result->end == LOG_COMPACT_DONE) {
        stats_add(stats, METRIC_CLEANER_CLEANINGS, 1);
        report_done(replica, result, replica->cleaned_to);
        replica->cleaned_to = result->end_offset;
        cleaner->cleaned_to = result->end_offset;
        cleaner->dir_index = replica->dir_index;
        (void)snprintf(cleaner->name, sizeof cleaner->name, "%s", replica->name);
    } else {
        report_not_done(replica, result);
    }
    shard_forward(cleaner->there, &cleaner->message);
}

static void begin(struct cleaner *cleaner, struct replica *replica,
                  const struct log_cleanable *cleanable) ON(on_shard)
{
    const struct node_config *config = cleaner->all->config;
    int64_t share =
        MIN_OF(config->log_cleaner_dedupe_buffer_size / cleaner->all->count, MAP_SIZE_MAX);
    struct log_compact_options options = {
        .range = *cleanable,
        .high_watermark = replica->high_watermark,
        .wall_ms = shard_wall_ms(cleaner->there),
        .map_size = share,
        .load_factor = config->log_cleaner_io_buffer_load_factor,
        .buffer_size = config->log_cleaner_io_buffer_size / cleaner->all->count / 2,
        .pace = pace,
        .on_done = on_cleaned,
        .context = cleaner,
    };
    sys_entropy(&options.key, sizeof options.key);
    cleaner->replica = replica;
    cleaner->paced_from_ms = shard_now_ms(cleaner->there);
    cleaner->paced_bytes = 0;
    replica->is_cleaned = log_compact(replica->log, &options);
}

/* The one that was chosen, if it still wants to. */
static struct replica *chosen(const struct cleaner *cleaner, int64_t end_max,
                              struct log_cleanable *ret_cleanable) ON(on_shard)
{
    const struct cleaner_choice *choice = &cleaner->choice;
    struct replica_set *set = &cleaner->all->sets[choice->shard];
    struct replica *replica = replica_set_find(set, choice->topic_id, choice->partition);
    bool fine =
        replica != NULL && !set->stopping && wants_cleaning(replica, end_max, ret_cleanable);
    return fine ? replica : NULL;
}

static void on_stored(struct replica_persist *persist)
{
    role_now_on_shard();
    struct cleaner *cleaner = CONTAINER_OF(persist, struct cleaner, persist);
    struct log_cleanable cleanable;
    struct replica *replica =
        persist->error == 0 ? chosen(cleaner, cleaner->stored_point, &cleanable) : NULL;
    bool begun = false;
    if (replica != NULL && replica->dir_index == cleaner->dir_index) { /* not moved meanwhile */
        begin(cleaner, replica, &cleanable);
        begun = replica->is_cleaned;
    }
    if (!begun)
        shard_forward(cleaner->there, &cleaner->message);
}

/* Where cleaning leaves gaps, the next start must know that all was flushed: the recovery point is
 * stored first. */
static void clean(struct shard *there, struct shard_message *message)
{
    role_now_on_shard();
    struct cleaner *cleaner = CONTAINER_OF(message, struct cleaner, message);
    struct log_cleanable cleanable;
    struct replica *replica = chosen(cleaner, 0, &cleanable);
    cleaner->there = there;
    cleaner->replica = NULL;
    cleaner->outcome = CLEANER_FAILED;
    if (replica == NULL) {
        shard_forward(there, message);
        return;
    }
    cleaner->stored_point = log_recovery_point(replica->log);
    cleaner->dir_index = replica->dir_index;
    cleaner->persist = (struct replica_persist){.everything = true, .on_done = on_stored};
    replica_persist(replica->set, &cleaner->persist);
}

/* ---- rounds ---- */

static void ask_next(struct cleaner *cleaner) ON(on_shard);
static void cleaned(struct shard *home, struct shard_message *message);

static void asked(struct shard *home, struct shard_message *message)
{
    role_now_on_shard();
    (void)home;
    ask_next(CONTAINER_OF(message, struct cleaner, message));
}

static const struct shard_route route_ask = {.name = "cleaner asks", .run = {ask, asked}};
static const struct shard_route route_clean = {.name = "cleaner cleans", .run = {clean, cleaned}};

static void ask_next(struct cleaner *cleaner)
{
    struct cleaners *all = cleaner->all;
    if (all->stopped)
        return;
    if (cleaner->asked < all->set_count) {
        struct shard *there = all->sets[cleaner->asked++].shard;
        shard_send(all->home, there, &cleaner->message, &route_ask);
    } else if (cleaner->choice.ratio >= 0) {
        cleaner->replica = NULL;
        shard_send(all->home, all->sets[cleaner->choice.shard].shard, &cleaner->message,
                   &route_clean);
    } else {
        shard_timer_start(all->home, &cleaner->timer, all->config->log_cleaner_backoff_ms);
    }
}

void cleaner_begin_round(struct cleaner *cleaner)
{
    cleaner->asked = 0;
    cleaner->choice = (struct cleaner_choice){.ratio = -1};
    ask_next(cleaner);
}

static void on_rested(struct shard *shard, struct shard_timer *timer)
{
    role_now_on_shard();
    (void)shard;
    cleaner_begin_round(CONTAINER_OF(timer, struct cleaner, timer));
}

static void cleaned(struct shard *home, struct shard_message *message)
{
    role_now_on_shard();
    struct cleaner *cleaner = CONTAINER_OF(message, struct cleaner, message);
    if (cleaner->outcome == CLEANER_CLEANED)
        cleaner_note(cleaner);
    else if (!cleaner->all->stopped) /* what failed now would fail at once again */
        shard_timer_start(home, &cleaner->timer, cleaner->all->config->log_cleaner_backoff_ms);
}

/* ---- life ---- */

struct cleaners *cleaners_new(const struct node_config *config, struct replica_set *sets,
                              int set_count)
{
    int count = config->log_cleaner_enable ? config->log_cleaner_threads : 0;
    struct cleaners *all =
        calloc(1, sizeof *all + (size_t)MAX_OF(count, 0) * sizeof all->cleaners[0]);
    if (all == NULL)
        return NULL;
    all->config = config;
    all->sets = sets;
    all->set_count = set_count;
    all->count = count;
    if (!cleaner_points_init(all)) {
        free(all);
        return NULL;
    }
    for (int i = 0; i < count; i++) {
        all->cleaners[i].all = all;
        shard_timer_init(&all->cleaners[i].timer, on_rested);
    }
    for (int i = 0; i < set_count; i++)
        sets[i].cleaners = all;
    return all;
}

void cleaners_start(struct cleaners *all, struct shard *home)
{
    all->home = home;
    const struct node_config *config = all->config;
    if (all->count > 0 && !compact_map_has_room(config->log_cleaner_dedupe_buffer_size / all->count,
                                                config->log_cleaner_io_buffer_load_factor)) {
        journal(JOURNAL_ERROR, "log_cleaner_off", "why=\"%s\" hint=\"%s\"",
                "its memory does not hold a single key",
                "raise log.cleaner.dedupe.buffer.size or lower log.cleaner.threads");
        all->stopped = true;
    }
    for (int i = 0; i < all->count && !all->stopped; i++)
        cleaner_begin_round(&all->cleaners[i]);
}

void cleaners_stop(struct cleaners *all)
{
    all->stopped = true;
    for (int i = 0; i < all->count && all->home != NULL; i++)
        shard_timer_stop(all->home, &all->cleaners[i].timer);
}

void cleaners_free(struct cleaners *all)
{
    if (all == NULL)
        return;
    cleaner_points_fini(all);
    free(all);
}
