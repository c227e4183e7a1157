/* From replica to replica; see the header. The rate is kept by waiting after each step as long as
 * its bytes are worth. While nothing is left no timer runs but that of the next pass. */
#include "replica/scrubber.h"

#include "base/always.h"
#include "replica/set.h"
#include "shard/stats.h"

#define STEP_MS 250
#define STEP_SIZE_MAX (4LL * 1024 * 1024)
#define OPENING_WAIT_MS 1000

static int64_t bytes_per_second(const struct replica_set *set)
{
    int64_t all = set->config->scrub_bytes_per_second;
    int shards = shard_set_count(shard_siblings(set->shard));
    return all > 0 ? MAX_OF(all / shards, (int64_t)1) : 0;
}

static void wait_for(struct replica_set *set, int64_t delay_ms)
{
    role_now_on_shard();
    if (!set->stopping)
        shard_timer_start(set->shard, &set->scrubber.timer, MIN_OF(delay_ms, INT32_MAX));
}

static void begin_pass(struct replica_set *set)
{
    struct replica_scrubber *scrubber = &set->scrubber;
    scrubber->pass_ms = shard_now_ms(set->shard);
    for (struct hash_node *node = hash_table_next(&set->table, NULL); node != NULL;
         node = hash_table_next(&set->table, node))
        list_add_tail(&scrubber->queue, &CONTAINER_OF(node, struct replica, node)->scrub_link);
}

static void end_pass(struct replica_set *set)
{
    struct replica_scrubber *scrubber = &set->scrubber;
    int64_t passed_ms = shard_now_ms(set->shard) - scrubber->pass_ms;
    scrubber->again = true;
    wait_for(set, MAX_OF(set->config->scrub_interval_ms - passed_ms, (int64_t)OPENING_WAIT_MS));
}

static bool can_be_scrubbed(const struct replica *replica)
{
    return replica->log != NULL && !replica->doomed && replica->state != REPLICA_CLOSING &&
           !log_is_offline(replica->log);
}

static void on_step(struct log_scrub *scrub)
{
    role_now_on_shard();
    struct replica_scrubber *scrubber = CONTAINER_OF(scrub, struct replica_scrubber, scrub);
    struct replica_set *set = CONTAINER_OF(scrubber, struct replica_set, scrubber);
    scrubber->is_away = false;
    stats_add(set->stats, METRIC_SCRUBBED_BYTES, scrub->size);
    wait_for(set, scrub->size * 1000 / bytes_per_second(set) + 1);
}

/* The next replica with something to look at has a worker at it. false: there is none. */
static bool step(struct replica_set *set)
{
    role_now_on_shard();
    struct replica_scrubber *scrubber = &set->scrubber;
    int64_t size = MIN_OF(bytes_per_second(set) * STEP_MS / 1000 + 1, STEP_SIZE_MAX);
    for (;;) {
        if (scrubber->current == NULL) {
            struct list *node = list_take_first(&scrubber->queue);
            if (node == NULL)
                return false;
            scrubber->current = CONTAINER_OF(node, struct replica, scrub_link);
            scrubber->scrub = (struct log_scrub){.again = scrubber->again, .on_step = on_step};
        }
        scrubber->is_away = true;
        if (can_be_scrubbed(scrubber->current) &&
            log_scrub_step(scrubber->current->log, &scrubber->scrub, size))
            return true;
        scrubber->is_away = false;
        scrubber->current = NULL;
    }
}

static void on_due(struct shard *shard, struct shard_timer *timer)
{
    (void)shard;
    struct replica_scrubber *scrubber = CONTAINER_OF(timer, struct replica_scrubber, timer);
    struct replica_set *set = CONTAINER_OF(scrubber, struct replica_set, scrubber);
    if (set->opening_count > 0) {
        wait_for(set, OPENING_WAIT_MS);
        return;
    }
    if (scrubber->current == NULL && list_is_empty(&scrubber->queue))
        begin_pass(set);
    if (!step(set))
        end_pass(set);
}

void replica_scrubber_init(struct replica_scrubber *scrubber)
{
    shard_timer_init(&scrubber->timer, on_due);
    list_init(&scrubber->queue);
}

void replica_scrubber_start(struct replica_set *set)
{
    if (set->scrubber.is_started || bytes_per_second(set) == 0)
        return;
    set->scrubber.is_started = true;
    wait_for(set, set->config->log_initial_task_delay_ms);
}

void replica_scrubber_stop(struct replica_set *set)
{
    shard_timer_stop(set->shard, &set->scrubber.timer);
}

void replica_scrubber_forget(struct replica_scrubber *scrubber, struct replica *replica)
{
    list_remove(&replica->scrub_link);
    if (scrubber->current != replica)
        return;
    ALWAYS(!scrubber->is_away, "%s goes while it is looked at", replica->name);
    scrubber->current = NULL;
}
