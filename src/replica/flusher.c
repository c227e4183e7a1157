/* See the header. Logs are flushed for other reasons too (their own settings, rolled segments), so
 * the sum that was counted is at most too large: it is made again before anything is done. */
#include "replica/flusher.h"

#include "base/always.h"
#include "replica/replica_int.h"

void replica_flusher_init(struct replica_flusher *flusher)
{
    *flusher = (struct replica_flusher){.on_flushed = NULL};
    list_init(&flusher->unflushed);
}

static struct replica *of_link(struct list *link)
{
    return CONTAINER_OF(link, struct replica, unflushed_link);
}

/* A shard has its share of the node's bound. */
static int64_t bound_of(const struct replica_set *set)
{
    return set->config->flush_unflushed_bytes / shard_set_count(shard_siblings(set->shard));
}

/* Sums up one directory again; its log with the most, or NULL. */
static struct replica *count_again(struct replica_set *set, int dir_index)
{
    struct replica_flusher *flusher = &set->flusher;
    struct replica *most = NULL;
    int64_t sum = 0;
    LIST_EACH_SAFE (&flusher->unflushed, link, after) {
        struct replica *replica = of_link(link);
        if (replica->dir_index != dir_index)
            continue;
        int64_t bytes = replica->log != NULL ? log_unflushed(replica->log) : 0;
        sum += bytes;
        if (bytes == 0)
            list_remove(link);
        else if (most == NULL || bytes > log_unflushed(most->log))
            most = replica;
    }
    flusher->dirs[dir_index].bytes = sum;
    return most;
}

static void flush_one(struct replica *) ON(on_shard);

static void on_flushed(struct log_flush *flush)
{
    role_now_on_shard();
    struct replica *replica = CONTAINER_OF(flush, struct replica, flusher_flush);
    struct replica_set *set = replica->set;
    int at = replica->dir_index;
    set->flusher.dirs[at].runs = NULL;
    set->changes++;
    struct replica *most = flush->err == ERR_NONE ? count_again(set, at) : NULL;
    if (most != NULL && set->flusher.dirs[at].bytes > bound_of(set) / 2)
        flush_one(most);
    else if (set->flusher.on_flushed != NULL)
        set->flusher.on_flushed(set);
    replica_end(replica);
}

static void flush_one(struct replica *replica)
{
    replica->set->flusher.dirs[replica->dir_index].runs = replica;
    replica->flusher_flush = (struct log_flush){.on_done = on_flushed};
    replica_begin(replica);
    log_flush_submit(replica->log, &replica->flusher_flush);
}

void replica_flusher_note(struct replica *replica, int64_t bytes)
{
    struct replica_set *set = replica->set;
    struct replica_flusher *flusher = &set->flusher;
    int at = replica->dir_index;
    if (list_is_empty(&replica->unflushed_link))
        list_add_tail(&flusher->unflushed, &replica->unflushed_link);
    flusher->dirs[at].bytes += bytes;
    if (flusher->dirs[at].bytes <= bound_of(set) || flusher->dirs[at].runs != NULL || set->stopping)
        return;
    struct replica *most = count_again(set, at);
    if (most != NULL && flusher->dirs[at].bytes > bound_of(set))
        flush_one(most);
}

void replica_flusher_forget(struct replica *replica)
{
    list_remove(&replica->unflushed_link);
}
