/* Members that leave or are put out: what is recorded of them goes, the group has another epoch,
 * and the others are given what they had when they beat next. And the timers that put members out.
 * On the partition's shard. */
#include "group/consumer_int.h"

#include "group/consumer_migrate.h"

/* ---- leaving ---- */

/* Patterns of those that leave, each once. */
static int patterns_of(const struct consumer_leavers *leavers, const struct consumer_writer *writer,
                       struct slice **ret_patterns)
{
    struct slice *patterns = CONSUMER_ARRAY(writer->arena, struct slice, leavers->count);
    int count = 0;
    for (int i = 0; i < leavers->count; i++) {
        struct slice pattern = leavers->at[i]->profile.subscribed_topic_regex;
        if (!consumer_no_pattern(pattern))
            patterns[count++] = arena_copy(writer->arena, pattern);
    }
    *ret_patterns = patterns;
    return consumer_names_sort(patterns, count);
}

/* Kafka tells of the end of a pattern that was never resolved too. */
static void bury_patterns(const struct consumer_group *consumer, const struct slice *patterns,
                          int count, const struct consumer_writer *writer)
{
    for (int i = 0; i < count; i++) {
        const struct consumer_pattern *pattern = consumer_pattern_find(consumer, patterns[i]);
        if (pattern == NULL || pattern->member_count == 0)
            consumer_bury_pattern(writer, patterns[i]);
    }
}

void consumer_fence(struct consumer_group *consumer, const struct consumer_leavers *leavers,
                    const struct consumer_writer *writer)
{
    if (leavers->count == 0)
        return;
    if (consumer_may_downgrade(consumer, leavers)) {
        consumer_downgrade_without(consumer, leavers, writer);
        return;
    }
    struct slice *patterns;
    int pattern_count = patterns_of(leavers, writer, &patterns);
    for (int i = 0; i < leavers->count; i++)
        consumer_bury_member(writer, leavers->at[i]->id);
    bury_patterns(consumer, patterns, pattern_count, writer);
    consumer_put_epoch(writer, consumer->epoch + 1,
                       consumer_metadata_hash(consumer, writer->arena));
    if (consumer->member_count == 0)
        consumer_put_assignment_epoch(writer, consumer->epoch, 0);
}

/* ---- timers ---- */

void consumer_fence_one(struct consumer_member *member)
{
    struct consumer_group *consumer = member->group;
    struct arena arena;
    arena_init(&arena, SIZE_MAX / 2);
    struct consumer_writer writer = {.groups = consumer->group->groups, .arena = &arena};
    writer.group_id = arena_copy(&arena, consumer->group->id);
    consumer_fence(consumer, &(struct consumer_leavers){.at = &member, .count = 1}, &writer);
    arena_fini(&arena);
}

static void on_session_expired(struct shard *shard, struct shard_timer *timer)
{
    (void)shard;
    consumer_fence_one(CONTAINER_OF(timer, struct consumer_member, session));
}

static void on_rebalance_expired(struct shard *shard, struct shard_timer *timer)
{
    (void)shard;
    struct consumer_member *member = CONTAINER_OF(timer, struct consumer_member, rebalance);
    if (member->epoch == member->rebalance_epoch)
        consumer_fence_one(member);
}

static void on_join_expired(struct shard *shard, struct shard_timer *timer)
{
    (void)shard;
    consumer_fence_one(CONTAINER_OF(timer, struct consumer_member, join));
}

static void on_sync_expired(struct shard *shard, struct shard_timer *timer)
{
    (void)shard;
    consumer_fence_one(CONTAINER_OF(timer, struct consumer_member, sync));
}

void consumer_timers_init(struct consumer_member *member)
{
    shard_timer_init(&member->session, on_session_expired);
    shard_timer_init(&member->rebalance, on_rebalance_expired);
    shard_timer_init(&member->join, on_join_expired);
    shard_timer_init(&member->sync, on_sync_expired);
}

void consumer_timers_stop(struct consumer_member *member)
{
    struct coord_world *world = consumer_world(member->group);
    coord_timer_stop(world, &member->session);
    coord_timer_stop(world, &member->rebalance);
    coord_timer_stop(world, &member->join);
    coord_timer_stop(world, &member->sync);
}

void consumer_session_start(struct consumer_member *member, int64_t timeout_ms)
{
    coord_timer_start(consumer_world(member->group), &member->session, timeout_ms);
}

/* It has that long to leave its epoch. */
void consumer_rebalance_start(struct consumer_member *member)
{
    member->rebalance_epoch = member->epoch;
    coord_timer_start(consumer_world(member->group), &member->rebalance,
                      member->profile.rebalance_timeout_ms);
}
