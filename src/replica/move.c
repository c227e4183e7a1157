/* Moving a partition to another directory of the node (KIP-113). Its files are copied to
 * "<topic>-<partition>.<random>-future" while it is served. When little is left it is let go of for
 * a moment, in which whoever asks waits as for one that opens: the rest is copied and synced,
 * the copy is opened to see that it is whole, the controller is told, and only then do the names
 * change. The controller's record is the moment that counts: before it a start finds the partition
 * in its old place, after it in the new one, and either holds all that was acknowledged, since
 * nothing is in between. What a start finds of a move that had not come so far is begun again. One
 * partition of a shard is copied at a time. On the set's shard; files are a worker's. */
#include "replica/move_int.h"

#include "base/always.h"
#include "sys/dir.h"
#include "sys/entropy.h"
#include "sys/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* So little is copied while the partition is let go of. */
#define LAG_MAX (1024LL * 1024)
/* The copy does not hold what the log does: no directory's fault that is known. */
#define NOT_WHOLE (-EBADMSG)

/* ---- the end ---- */

/* Ends it, whether it came to its goal or not. */
void replica_move_end(struct replica_move *move)
{
    struct replica *replica = move->replica;
    struct replica_set *set = replica->set;
    if (!move->committed && move->copy != NULL && !log_dir_is_offline(&set->dirs[move->to]) &&
        !set->stopping)
        replica_remove_later(set, move->to, move->folder);
    replica->move = NULL;
    list_remove(&move->link);
    log_copy_free(move->copy);
    free(move);
    set->moves_wait = set->moves_wait || replica->next_dir >= 0;
    if (!set->stopping)
        shard_run_later(set->shard, &set->move_chore);
}

static void tell_failed(const struct replica_move *move, const char *what)
{
    const struct replica_set *set = move->replica->set;
    journal(JOURNAL_ERROR, "move_failed", "partition=%s from=%s to=%s why=\"%s\" error=\"%s\"",
            move->replica->name, set->dirs[move->from].path, set->dirs[move->to].path, what,
            strerror(-move->result.error));
}

/* The directory that failed is offline, where that does not pass. */
static void blame(const struct replica_move *move, const char *what)
{
    struct replica_set *set = move->replica->set;
    int at = move->result.from_source ? move->from : move->to;
    tell_failed(move, what);
    if (!log_error_passes(move->result.error) && move->result.error != NOT_WHOLE)
        log_dir_fail(&set->dirs[at], &(struct log_dir_fault){.file = move->replica->name,
                                                             .why = what,
                                                             .error = move->result.error});
}

/* ---- letting go ---- */

static void on_committed(struct replica *, enum err);
static void reopen(struct replica_move *) ON(on_shard);

/* Whether what was copied is all there: opened as a start would. */
static int check_copy(const struct replica_move *move) NOT_ON(on_shard)
{
    const struct replica *replica = move->replica;
    struct log_options options = replica->opening->options;
    struct log *log = NULL;
    struct log_recovery recovery;
    options.dir = &replica->set->dirs[move->to];
    options.dir_fd = options.dir->fd;
    options.name = move->folder;
    options.clean = true;
    options.log_start_offset = move->start_offset;
    if (log_open(&options, &log, &recovery) != ERR_NONE)
        return NOT_WHOLE;
    bool whole =
        log_end_offset(log) == move->end_offset && log_start_offset(log) == move->start_offset;
    int closed = log_close(log, false);
    return whole ? closed : NOT_WHOLE;
}

static void finish_run(struct shard_job *job)
{
    role_now_on_worker();
    struct replica_move *move = CONTAINER_OF(job, struct replica_move, job);
    move->result = log_copy_finish(move->copy, move->log, &move->closed_clean);
    move->log = NULL;
    if (move->result.error == 0)
        move->result.error = check_copy(move);
}

static void finish_done(struct shard *shard, struct shard_job *job)
{
    role_now_on_shard();
    (void)shard;
    struct replica_move *move = CONTAINER_OF(job, struct replica_move, job);
    struct replica *replica = move->replica;
    const struct replica_set *set = replica->set;
    struct uuid id = set->dirs[move->to].identity.directory_id;
    if (move->result.error < 0)
        blame(move, "it could not be copied to its end");
    bool goes_on = move->result.error == 0 && !move->cancelled && !replica->doomed &&
                   !set->stopping && !log_dir_is_offline(&set->dirs[move->to]);
    if (goes_on && !set->tells_dirs) {
        move->committed = true; /* the controller does not ask where it is: the name decides */
        reopen(move);
    } else if (!goes_on || !replica_assign(replica, id, on_committed)) {
        reopen(move);
    }
}

static void on_let_go(void *context)
{
    role_now_on_shard();
    struct replica_move *move = context;
    struct replica *replica = move->replica;
    move->size = log_size(replica->log);
    move->start_offset = log_start_offset(replica->log);
    move->end_offset = log_end_offset(replica->log);
    log_detach(replica->log);
    move->log = replica->log;
    replica->log = NULL;
    move->state = MOVE_FINISHING;
    move->job = (struct shard_job){.run = finish_run, .on_done = finish_done};
    shard_submit(replica->set->shard, &move->job);
}

void replica_move_consider(struct replica *replica)
{
    struct replica_move *move = replica->move;
    if (move == NULL || move->state != MOVE_LETTING_GO || replica->operations > 0 ||
        replica->log == NULL)
        return;
    move->state = MOVE_FINISHING;
    log_when_idle(replica->log, on_let_go, move);
}

/* From here on it looks like one that is being opened. */
static void let_go(struct replica_move *move) ON(on_shard)
{
    struct replica *replica = move->replica;
    struct replica_opening *opening = replica_opening_new(replica);
    if (opening == NULL) {
        move->result.error = -ENOMEM;
        tell_failed(move, "memory is out");
        replica_move_end(move);
        return;
    }
    opening->leads = replica->state == REPLICA_LEADER;
    opening->leader_epoch = replica->leader_epoch;
    replica->opening = opening;
    shard_timer_stop(replica->set->shard, &replica->flush_timer);
    replica->state = REPLICA_OPENING;
    replica->set->opening_count++;
    move->state = MOVE_LETTING_GO;
    replica_move_consider(replica);
}

/* ---- taking up again ---- */

static void on_committed(struct replica *replica, enum err err)
{
    role_now_on_shard();
    struct replica_move *move = replica->move;
    ALWAYS(move != NULL, "%s is not moved", replica->name);
    move->committed = err == ERR_NONE;
    if (err != ERR_NONE)
        journal(JOURNAL_ERROR, "move_failed", "partition=%s to=%s why=\"%s\" error=%s",
                replica->name, replica->set->dirs[move->to].path, "the controller does not take it",
                err_name(err));
    reopen(move);
}

static void rename_in(struct log_dir *dir, const char *from, const char *to) NOT_ON(on_shard)
{
    int error = log_dir_is_offline(dir) ? 0 : sys_rename(dir->fd, from, to);
    if (error == 0 && !log_dir_is_offline(dir))
        error = sys_dir_sync(dir->fd);
    if (error < 0)
        log_dir_fail(dir, &(struct log_dir_fault){
                              .file = from, .why = "it cannot be renamed", .error = error});
}

/* The old files lose their name first: of two folders of one name a start would have to choose. */
static void reopen_run(struct shard_job *job)
{
    role_now_on_worker();
    struct replica_move *move = CONTAINER_OF(job, struct replica_move, job);
    struct replica *replica = move->replica;
    struct replica_opening *opening = replica->opening;
    struct log_dir *dirs = replica->set->dirs;
    if (move->committed) {
        rename_in(&dirs[move->from], replica->name, move->doomed);
        rename_in(&dirs[move->to], move->folder, replica->name);
    }
    opening->home.dir = move->committed ? move->to : move->from;
    opening->home.recorded_id = dirs[opening->home.dir].identity.directory_id;
    opening->options.dir = &dirs[opening->home.dir];
    opening->options.dir_fd = opening->options.dir->fd;
    opening->options.recovery_point = move->end_offset;
    opening->options.log_start_offset = move->start_offset;
    opening->options.clean = move->committed || move->closed_clean;
    opening->err = ERR_KAFKA_STORAGE_ERROR;
    opening->recovery.fault = "its directory is offline";
    if (!log_dir_is_offline(opening->options.dir))
        opening->err = log_open(&opening->options, &opening->log, &opening->recovery);
}

static void reopen_done(struct shard *shard, struct shard_job *job)
{
    role_now_on_shard();
    (void)shard;
    struct replica_move *move = CONTAINER_OF(job, struct replica_move, job);
    struct replica *replica = move->replica;
    struct replica_set *set = replica->set;
    if (move->committed) {
        journal(JOURNAL_INFO, "partition_moved", "partition=%s from=%s to=%s bytes=%lld",
                replica->name, set->dirs[move->from].path, set->dirs[move->to].path,
                (long long)log_copy_size(move->copy));
        if (!log_dir_is_offline(&set->dirs[move->from]))
            replica_remove_later(set, move->from, move->doomed);
    }
    replica_move_end(move);
    replica_opened(replica);
}

static void reopen(struct replica_move *move)
{
    move->job = (struct shard_job){.run = reopen_run, .on_done = reopen_done};
    shard_submit(move->replica->set->shard, &move->job);
}

/* ---- copying ---- */

static bool is_over(const struct replica_move *move)
{
    const struct replica *replica = move->replica;
    const struct replica_set *set = replica->set;
    bool open = replica->state == REPLICA_LEADER || replica->state == REPLICA_IDLE;
    return move->cancelled || replica->doomed || set->stopping || !open ||
           log_dir_is_offline(&set->dirs[move->to]) || log_is_offline(replica->log);
}

static void on_step(void *context, const struct log_copy_result *result)
{
    role_now_on_shard();
    struct replica_move *move = context;
    struct replica *replica = move->replica;
    move->result = *result;
    if (result->error < 0) {
        blame(move, "it could not be copied");
        move->cancelled = true;
    }
    move->state = MOVE_QUEUED;
    replica_move_go_on(move);
    replica_end(replica);
}

void replica_move_go_on(struct replica_move *move)
{
    struct replica *replica = move->replica;
    if (is_over(move)) {
        replica_move_end(move);
        return;
    }
    if (log_copy_lag(move->copy, replica->log) <= LAG_MAX) {
        let_go(move);
        return;
    }
    move->state = MOVE_COPYING;
    replica_begin(replica);
    log_copy_step(move->copy, replica->log, on_step, move);
}

/* ---- the beginning ---- */

static struct uuid random_id(void)
{
    uint8_t random[16];
    struct uuid id;
    do
        sys_entropy(random, sizeof random);
    while (!uuid_from_random(random, &id));
    return id;
}

struct replica_move *replica_move_new(struct replica *replica, int to)
{
    struct replica_move *move = calloc(1, sizeof *move);
    if (move == NULL)
        return NULL;
    list_init(&move->link);
    log_suffixed_name(replica->name, random_id(), "future", move->folder);
    log_suffixed_name(replica->name, random_id(), "delete", move->doomed);
    move->replica = replica;
    move->from = replica->dir_index;
    move->to = to;
    move->copy = log_copy_new(&replica->set->dirs[to], move->folder);
    if (move->copy == NULL) {
        free(move);
        return NULL;
    }
    return move;
}
