/* Moving a partition to another directory of the node (KIP-113). Its files are copied to
 * "<topic>-<partition>.<random>-future" while it is served. When little is left it is let go of for
 * a moment, in which whoever asks waits as for one that opens: the rest is copied and synced,
 * the copy is opened to see that it is whole, the controller is told, and only then do the names
 * change. The controller's record is the moment that counts: before it a start finds the partition
 * in its old place, after it in the new one, and either holds all that was acknowledged, since
 * nothing is in between. What a start finds of a move that had not come so far is begun again. One
 * partition of a shard is copied at a time. On the set's shard; files are a worker's. */
#include "replica/move.h"
#include "replica/replica_int.h"

#include "base/always.h"
#include "log/copy.h"
#include "sys/dir.h"
#include "sys/entropy.h"
#include "sys/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* So little is copied while the partition is let go of. */
#define LAG_MAX (1024LL * 1024)
#define NAME_SIZE LOG_FOLDER_NAME_SIZE

enum move_state {
    MOVE_QUEUED,
    MOVE_COPYING,    /* a step is under way */
    MOVE_LETTING_GO, /* waits for what the replica is at */
    MOVE_FINISHING,  /* the rest is copied, or the controller told, or names changed */
};

struct replica_move {
    struct list link; /* the set's moves, the first of which is copied */
    struct replica *replica;
    enum move_state state;
    int from;
    int to;
    bool cancelled;
    struct log_copy *copy;
    char folder[NAME_SIZE]; /* of the copy */
    char doomed[NAME_SIZE]; /* of the old files, in the end */
    struct shard_job job;
    /* of the log that was let go of */
    struct log *log;
    int64_t size;
    int64_t start_offset;
    int64_t end_offset;
    bool closed_clean;
    bool committed;
    struct log_copy_result result;
};

/* Where a partition is to go that does not exist yet. */
struct replica_wish {
    struct list link;
    int to;
    char name[];
};
#define WISHES_MAX 10000

/* Removes a folder that nobody needs; its own memory. */
struct removal {
    struct shard_job job;
    struct log_dir *dir;
    char name[NAME_SIZE];
};

static void removal_run(struct shard_job *job)
{
    role_now_on_worker();
    const struct removal *removal = CONTAINER_OF(job, const struct removal, job);
    int error = log_remove_folder(removal->dir->fd, removal->name);
    if (error < 0 && error != -ENOENT)
        journal(JOURNAL_WARN, "folder_not_removed", "directory=%s name=%s error=\"%s\"",
                removal->dir->path, removal->name, strerror(-error));
}

static void removal_done(struct shard *shard, struct shard_job *job)
{
    role_now_on_shard();
    (void)shard;
    free(CONTAINER_OF(job, struct removal, job));
}

static void remove_later(const struct replica_set *set, int dir, const char *name) ON(on_shard)
{
    struct removal *removal = calloc(1, sizeof *removal);
    if (removal == NULL)
        return; /* the next start does it */
    removal->dir = &set->dirs[dir];
    (void)snprintf(removal->name, sizeof removal->name, "%s", name);
    removal->job = (struct shard_job){.run = removal_run, .on_done = removal_done};
    shard_submit(set->shard, &removal->job);
}

/* ---- the queue ---- */

/* Ends it, whether it came to its goal or not. */
static void end(struct replica_move *move) ON(on_shard)
{
    struct replica *replica = move->replica;
    struct replica_set *set = replica->set;
    if (!move->committed && move->copy != NULL && !log_dir_is_offline(&set->dirs[move->to]) &&
        !set->stopping)
        remove_later(set, move->to, move->folder);
    replica->move = NULL;
    list_remove(&move->link);
    log_copy_free(move->copy);
    free(move);
    if (!set->stopping)
        shard_run_later(set->shard, &set->move_chore);
    if (replica->state != REPLICA_OPENING)
        replica_move_resume(replica); /* else when it is open */
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
    if (!log_error_passes(move->result.error))
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
        return -EIO;
    bool whole =
        log_end_offset(log) == move->end_offset && log_start_offset(log) == move->start_offset;
    int closed = log_close(log, false);
    return whole ? closed : -EIO;
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
        end(move);
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
    struct replica_move *move = CONTAINER_OF(job, struct replica_move, job);
    struct replica *replica = move->replica;
    struct replica_set *set = replica->set;
    if (move->committed) {
        journal(JOURNAL_INFO, "partition_moved", "partition=%s from=%s to=%s bytes=%lld",
                replica->name, set->dirs[move->from].path, set->dirs[move->to].path,
                (long long)log_copy_size(move->copy));
        if (!log_dir_is_offline(&set->dirs[move->from]))
            remove_later(set, move->from, move->doomed);
    }
    end(move);
    replica_opened(shard, replica);
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

static void go_on(struct replica_move *) ON(on_shard);

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
    go_on(move);
    replica_end(replica);
}

static void go_on(struct replica_move *move)
{
    struct replica *replica = move->replica;
    if (is_over(move)) {
        end(move);
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

static void start_next(struct shard *shard, struct shard_chore *chore)
{
    role_now_on_shard();
    (void)shard;
    const struct replica_set *set = CONTAINER_OF(chore, const struct replica_set, move_chore);
    if (list_is_empty(&set->moves))
        return;
    struct replica_move *move = CONTAINER_OF(set->moves.next, struct replica_move, link);
    if (move->state == MOVE_QUEUED)
        go_on(move);
}

/* ---- for the others ---- */

static struct uuid random_id(void)
{
    uint8_t random[16];
    struct uuid id;
    do
        sys_entropy(random, sizeof random);
    while (!uuid_from_random(random, &id));
    return id;
}

/* false: memory is out. */
static bool move_new(struct replica *replica, int to) ON(on_shard)
{
    struct replica_set *set = replica->set;
    struct replica_move *move = calloc(1, sizeof *move);
    if (move == NULL)
        return false;
    log_suffixed_name(replica->name, random_id(), "future", move->folder);
    log_suffixed_name(replica->name, random_id(), "delete", move->doomed);
    move->replica = replica;
    move->from = replica->dir_index;
    move->to = to;
    move->copy = log_copy_new(&set->dirs[to], move->folder);
    if (move->copy == NULL) {
        free(move);
        return false;
    }
    replica->move = move;
    list_add_tail(&set->moves, &move->link);
    shard_run_later(set->shard, &set->move_chore);
    return true;
}

static void cancel(struct replica_move *move) ON(on_shard)
{
    move->cancelled = true;
    if (move->state == MOVE_QUEUED)
        end(move);
}

enum err replica_move_to(struct replica *replica, int to)
{
    struct replica_move *move = replica->move;
    if (replica->state == REPLICA_OFFLINE || replica->log == NULL)
        return ERR_KAFKA_STORAGE_ERROR;
    if (move != NULL && move->to == to && !move->cancelled)
        return ERR_NONE;
    if (move != NULL) {
        replica->next_dir = to; /* when that one has ended */
        cancel(move);
        return ERR_NONE;
    }
    if (replica->dir_index == to)
        return ERR_NONE;
    return move_new(replica, to) ? ERR_NONE : ERR_UNKNOWN_SERVER_ERROR;
}

bool replica_move_place(const struct replica *replica, struct replica_place_row *ret_row)
{
    const struct replica_move *move = replica->move;
    if (move == NULL || replica->log == NULL)
        return false;
    ret_row->dir = move->to;
    ret_row->is_future = true;
    ret_row->size = log_copy_size(move->copy);
    ret_row->offset_lag = log_end_offset(replica->log) - log_copy_offset(move->copy, replica->log);
    return true;
}

/* ---- moves that were wanted before ---- */

static struct replica_wish *find_wish(const struct replica_set *set, const char *name)
{
    LIST_EACH (&set->wishes, node) {
        struct replica_wish *wish = CONTAINER_OF(node, struct replica_wish, link);
        if (strcmp(wish->name, name) == 0)
            return wish;
    }
    return NULL;
}

void replica_move_remember(struct replica_set *set, const char *name, int to)
{
    size_t size = strlen(name) + 1;
    struct replica_wish *wish = find_wish(set, name);
    if (wish == NULL && set->wish_count < WISHES_MAX)
        wish = calloc(1, sizeof *wish + size);
    if (wish == NULL)
        return;
    if (wish->name[0] == '\0') {
        memcpy(wish->name, name, size);
        list_add_tail(&set->wishes, &wish->link);
        set->wish_count++;
    }
    wish->to = to;
}

static int take_wish(struct replica_set *set, const char *name)
{
    struct replica_wish *wish = find_wish(set, name);
    if (wish == NULL)
        return -1;
    int to = wish->to;
    list_remove(&wish->link);
    set->wish_count--;
    free(wish);
    return to;
}

/* Of a move that a start finds the files are removed; it begins again. */
static int take_leftovers(const struct replica *replica) ON(on_shard)
{
    const struct replica_set *set = replica->set;
    int to = -1;
    for (int i = 0; i < set->future_count; i++) {
        const struct replica_future *future = &set->futures[i];
        if (strcmp(future->name, replica->name) != 0 || log_dir_is_offline(&set->dirs[future->dir]))
            continue;
        remove_later(set, future->dir, future->folder);
        to = future->dir != replica->dir_index ? future->dir : to;
    }
    return to;
}

void replica_move_first(struct replica *replica)
{
    int left = take_leftovers(replica);
    int wished = take_wish(replica->set, replica->name);
    replica->next_dir = wished >= 0 ? wished : left;
    replica_move_resume(replica);
}

void replica_move_resume(struct replica *replica)
{
    const struct replica_set *set = replica->set;
    int to = replica->next_dir;
    bool open = replica->state == REPLICA_LEADER || replica->state == REPLICA_IDLE;
    replica->next_dir = -1;
    if (to < 0 || !open || replica->doomed || set->stopping || replica->dir_index == to ||
        log_dir_is_offline(&set->dirs[to]))
        return;
    if (!move_new(replica, to))
        journal(JOURNAL_ERROR, "move_failed", "partition=%s to=%s why=\"memory is out\"",
                replica->name, set->dirs[to].path);
}

void replica_moves_init(struct replica_set *set)
{
    list_init(&set->moves);
    list_init(&set->wishes);
    shard_chore_init(&set->move_chore, start_next);
}

void replica_moves_fini(struct replica_set *set)
{
    struct list *node;
    while ((node = list_take_first(&set->wishes)) != NULL)
        free(CONTAINER_OF(node, struct replica_wish, link));
}

int64_t replica_move_size(const struct replica *replica)
{
    return replica->log == NULL && replica->move != NULL ? replica->move->size : -1;
}

void replica_moves_stop(struct replica_set *set)
{
    shard_chore_cancel(&set->move_chore);
    LIST_EACH_SAFE (&set->moves, node, after) {
        struct replica_move *move = CONTAINER_OF(node, struct replica_move, link);
        if (move->state == MOVE_QUEUED)
            end(move);
    }
}
