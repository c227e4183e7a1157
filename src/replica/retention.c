/* See the header. The complication: the look is cut into turns, and waits for flushes and for
 * checkpoints, while replicas come and go; those that it has still to do with are in its lists,
 * from which a replica is taken when its log is closed. Must not delete by a clock that cannot be
 * believed (clock_guard.h). */
#include "replica/retention.h"

#include "log/retention.h"
#include "replica/replica_int.h"
#include "sys/journal.h"

#include <errno.h>
#include <limits.h>

/* Partitions that are looked at in one turn; then others get theirs. */
#define LOOKS_PER_TURN 256
/* Logs whose starts are stored together. */
#define RAISED_MAX 1024

static struct replica_set *set_of(struct replica_retention *retention)
{
    return CONTAINER_OF(retention, struct replica_set, retention);
}

static struct replica *replica_of(struct list *link)
{
    return CONTAINER_OF(link, struct replica, retention_link);
}

static void await_next(struct replica_retention *retention)
{
    role_now_on_shard();
    const struct replica_set *set = set_of(retention);
    int64_t interval_ms = set->config->log_retention_check_interval_ms;
    if (!retention->stopped)
        shard_timer_start(set->shard, &retention->timer, MIN_OF(interval_ms, INT32_MAX));
}

static bool is_usable(const struct replica *replica)
{
    return (replica->state == REPLICA_LEADER || replica->state == REPLICA_IDLE) &&
           !replica->doomed && !log_is_offline(replica->log);
}

/* ---- the files go ---- */

/* Where the disk is full the starts cannot be stored, and only this makes room: the oldest segment
 * goes first, each durably, so that the files tell where the log starts. */
static void let_go(struct replica *replica, int error)
{
    role_now_on_shard();
    if (!is_usable(replica))
        return;
    if (error == 0)
        (void)log_trim(replica->log, INT_MAX);
    while (error < 0 && log_trim(replica->log, 1) > 0)
        continue;
}

/* The start of each was stored, or could not be. */
static void settle(struct replica_retention *retention, struct replica *replica, int error)
{
    if (error == 0)
        replica->lasting_start = MAX_OF(replica->lasting_start, replica->retained_from);
    if (error == 0 || error == -ENOSPC || error == -EDQUOT)
        let_go(replica, error);
    if (error == 0 && replica->retained_again)
        list_add_tail(&retention->left, &replica->retention_link);
}

static void on_persisted(struct replica_persist *persist)
{
    role_now_on_shard();
    struct replica_retention *retention = CONTAINER_OF(persist, struct replica_retention, persist);
    struct list *link;
    retention->busy = false;
    while ((link = list_take_first(&retention->raised)) != NULL)
        settle(retention, replica_of(link), persist->error);
    retention->raised_count = 0;
    retention->may_roll = persist->error == 0;
    while ((link = list_take_first(&retention->postponed)) != NULL)
        if (retention->may_roll)
            list_add_tail(&retention->left, link);
    shard_run_later(set_of(retention)->shard, &retention->chore);
}

/* ---- the start is raised ---- */

static void report(const struct replica *replica, const struct log_retention *found)
{
    journal(JOURNAL_INFO, "segments_expired",
            "partition=%s segments=%d bytes=%lld start_offset=%lld by_time=%d by_size=%d "
            "below_start=%d",
            replica->name, found->count, (long long)found->bytes, (long long)found->start_offset,
            found->by_time, found->by_size, found->below_start);
}

static void on_raised(struct replica_raise *raise)
{
    role_now_on_shard();
    struct replica_retention *retention = CONTAINER_OF(raise, struct replica_retention, raise);
    struct replica *replica = raise->replica;
    retention->busy = false;
    if (raise->err == ERR_NONE && is_usable(replica)) {
        replica->retained_from = raise->offset;
        list_add_tail(&retention->raised, &replica->retention_link);
        retention->raised_count++;
    }
    shard_run_later(replica->set->shard, &retention->chore);
}

/* false: nothing is due. */
static bool look_at(struct replica_retention *retention, struct replica *replica)
{
    role_now_on_shard();
    struct log_retention_limits limits = {.high_watermark = replica->high_watermark,
                                          .wall_ms = retention->wall_ms};
    struct log_retention found = log_retention_of(replica->log, &limits);
    /* The active segment goes last: to begin another takes room, and a log that could not have it
     * would be offline. While it is written to it is left for another time. */
    bool again = found.rolls && !retention->may_roll;
    if (found.rolls && (again || !log_retention_roll(replica->log))) {
        limits.high_watermark = log_end_offset(replica->log) - 1;
        found = log_retention_of(replica->log, &limits);
    }
    if (found.count == 0) {
        if (again)
            list_add_tail(&retention->postponed, &replica->retention_link);
        return false;
    }
    replica->retained_again = again;
    struct stats *stats = replica->set->stats;
    stats_add(stats, METRIC_RETENTION_SEGMENTS, found.count);
    stats_add(stats, METRIC_RETENTION_BYTES, found.bytes);
    report(replica, &found);
    retention->raise = (struct replica_raise){
        .replica = replica, .offset = found.start_offset, .on_done = on_raised};
    retention->busy = true;
    replica_raise_start(&retention->raise);
    return true;
}

/* ---- the look ---- */

static void on_chore(struct shard *shard, struct shard_chore *chore)
{
    role_now_on_shard();
    struct replica_retention *retention = CONTAINER_OF(chore, struct replica_retention, chore);
    if (retention->busy || retention->stopped)
        return;
    int looks = 0;
    while (!list_is_empty(&retention->left) && retention->raised_count < RAISED_MAX) {
        struct replica *replica = replica_of(list_take_first(&retention->left));
        if (is_usable(replica) && look_at(retention, replica))
            return;
        if (++looks == LOOKS_PER_TURN) {
            shard_run_later(shard, chore);
            return;
        }
    }
    if (retention->raised_count == 0 && list_is_empty(&retention->postponed)) {
        await_next(retention);
        return;
    }
    retention->persist = (struct replica_persist){.on_done = on_persisted};
    retention->busy = true;
    replica_persist(set_of(retention), &retention->persist);
}

static void tell_of_clock(const struct clock_guard_look *look)
{
    static const char *const effects[] = {
        [CLOCK_GUARD_JUMPED] = "nothing is deleted by a time that may be wrong: for retention the "
                               "clock counts as before, until it agrees again or has stood so for "
                               "an hour",
        [CLOCK_GUARD_AGREES] = "it agrees again with what was expected and counts for retention",
        [CLOCK_GUARD_BELIEVED] = "it has stood for an hour and counts for retention",
    };
    if (look->event == CLOCK_GUARD_NOTHING)
        return;
    bool jumped = look->event == CLOCK_GUARD_JUMPED;
    journal(jumped ? JOURNAL_WARN : JOURNAL_INFO, jumped ? "clock_jumped" : "clock_believed",
            "ms=%lld effect=\"%s\"", (long long)look->jump_ms, effects[look->event]);
}

int64_t replica_retention_wall_ms(struct replica_set *set)
{
    struct clock_guard_look look = clock_guard_step(
        &set->retention.guard, shard_wall_ms(set->shard), shard_now_ms(set->shard));
    if (shard_index(set->shard) == 0) /* each shard sees it */
        tell_of_clock(&look);
    return look.wall_ms;
}

static void on_due(struct shard *shard, struct shard_timer *timer)
{
    role_now_on_shard();
    struct replica_retention *retention = CONTAINER_OF(timer, struct replica_retention, timer);
    struct replica_set *set = set_of(retention);
    retention->wall_ms = replica_retention_wall_ms(set);
    retention->may_roll = false;
    for (struct hash_node *node = hash_table_next(&set->table, NULL); node != NULL;
         node = hash_table_next(&set->table, node)) {
        struct replica *replica = CONTAINER_OF(node, struct replica, node);
        list_remove(&replica->retention_link);
        list_add_tail(&retention->left, &replica->retention_link);
    }
    shard_run_later(shard, &retention->chore);
}

/* ---- life ---- */

void replica_retention_init(struct replica_set *set)
{
    struct replica_retention *retention = &set->retention;
    shard_timer_init(&retention->timer, on_due);
    shard_chore_init(&retention->chore, on_chore);
    list_init(&retention->left);
    list_init(&retention->raised);
    list_init(&retention->postponed);
}

void replica_retention_begin(struct replica_set *set)
{
    struct replica_retention *retention = &set->retention;
    if (retention->began)
        return;
    retention->began = true;
    int64_t alive_ms = 0;
    for (int i = 0; i < set->dir_count; i++)
        alive_ms = MAX_OF(alive_ms, set->dirs[i].alive_ms);
    clock_guard_init(&retention->guard, alive_ms);
    shard_timer_start(set->shard, &retention->timer,
                      MIN_OF(set->config->log_initial_task_delay_ms, INT32_MAX));
}

void replica_retention_stop(struct replica_set *set)
{
    struct replica_retention *retention = &set->retention;
    retention->stopped = true;
    shard_timer_stop(set->shard, &retention->timer);
    shard_chore_cancel(&retention->chore);
}
