/* The moves that are wanted on one shard: a queue of them, partitions that are yet to come, and
 * what a start found of moves that were cut short. On the set's shard. */
#include "replica/move.h"
#include "replica/move_int.h"
#include "sys/journal.h"

#include <stdio.h>
#include <stdlib.h>

#define WISHES_MAX 10000

/* ---- the queue ---- */

/* Those that were told of another directory while they were moved. One that is being opened goes on
 * when it is open. */
static void resume_all(struct replica_set *set) ON(on_shard)
{
    set->moves_wait = false;
    for (struct hash_node *node = hash_table_next(&set->table, NULL); node != NULL;
         node = hash_table_next(&set->table, node)) {
        struct replica *replica = CONTAINER_OF(node, struct replica, node);
        if (replica->next_dir >= 0 && replica->move == NULL && replica->state != REPLICA_OPENING)
            replica_move_resume(replica);
    }
}

static void start_next(struct shard *shard, struct shard_chore *chore)
{
    role_now_on_shard();
    (void)shard;
    struct replica_set *set = CONTAINER_OF(chore, struct replica_set, move_chore);
    if (set->moves_wait)
        resume_all(set);
    if (list_is_empty(&set->moves))
        return;
    struct replica_move *move = CONTAINER_OF(set->moves.next, struct replica_move, link);
    if (move->state == MOVE_QUEUED)
        replica_move_go_on(move);
}

/* ---- for the others ---- */

/* false: memory is out. */
static bool add_move(struct replica *replica, int to) ON(on_shard)
{
    struct replica_set *set = replica->set;
    struct replica_move *move = replica_move_new(replica, to);
    if (move == NULL)
        return false;
    replica->move = move;
    list_add_tail(&set->moves, &move->link);
    shard_run_later(set->shard, &set->move_chore);
    return true;
}

static void cancel(struct replica_move *move) ON(on_shard)
{
    move->cancelled = true;
    if (move->state == MOVE_QUEUED)
        replica_move_end(move);
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
    return add_move(replica, to) ? ERR_NONE : ERR_UNKNOWN_SERVER_ERROR;
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
    for (int i = 0; i < set->wish_count; i++)
        if (strcmp(set->wishes[i].name, name) == 0)
            return &set->wishes[i];
    return NULL;
}

static struct replica_wish *add_wish(struct replica_set *set, const char *name)
{
    size_t count = (size_t)set->wish_count + 1;
    struct replica_wish *grown =
        count <= WISHES_MAX ? realloc(set->wishes, count * sizeof *grown) : NULL;
    if (grown == NULL)
        return NULL;
    set->wishes = grown;
    set->wish_count++;
    (void)snprintf(grown[count - 1].name, sizeof grown->name, "%s", name);
    return &grown[count - 1];
}

void replica_move_remember(struct replica_set *set, const char *name, int to)
{
    struct replica_wish *wish = find_wish(set, name);
    if (wish == NULL)
        wish = add_wish(set, name);
    if (wish != NULL)
        wish->to = to;
}

static int take_wish(struct replica_set *set, const char *name)
{
    struct replica_wish *wish = find_wish(set, name);
    if (wish == NULL)
        return -1;
    int to = wish->to;
    *wish = set->wishes[--set->wish_count];
    return to;
}

/* Of a move that a start finds the files are removed; it begins again. */
static int take_leftovers(const struct replica *replica) ON(on_shard)
{
    const struct replica_set *set = replica->set;
    int to = -1;
    for (int i = 0; set->futures != NULL && i < set->futures->count; i++) {
        const struct replica_future *future = &set->futures->at[i];
        if (strcmp(future->name, replica->name) != 0 || log_dir_is_offline(&set->dirs[future->dir]))
            continue;
        replica_remove_later(set, future->dir, future->folder);
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
    if (!add_move(replica, to))
        journal(JOURNAL_ERROR, "move_failed", "partition=%s to=%s why=\"memory is out\"",
                replica->name, set->dirs[to].path);
}

void replica_moves_init(struct replica_set *set)
{
    list_init(&set->moves);
    shard_chore_init(&set->move_chore, start_next);
}

void replica_moves_fini(struct replica_set *set)
{
    free(set->wishes);
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
            replica_move_end(move);
    }
}
