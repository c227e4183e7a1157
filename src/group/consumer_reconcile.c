/* The way of a member from what it has to its target: it lets go first what it is to lose, says so,
 * and is given what is free in the target's epoch; what others still have comes when they let go.
 * On the partition's shard. */
#include "group/consumer_int.h"

#include "base/always.h"
#include "meta/image.h"

struct reconciliation {
    struct consumer_member *member;
    struct consumer_group *consumer;
    const struct consumer_owned *owned;
    struct arena *arena;
};

/* ---- subscriptions ---- */

static bool names_topic(const struct slice *names, int count, struct slice name)
{
    int low = 0;
    int high = count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (slice_compare(names[middle], name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && slice_equal(names[low], name);
}

static bool is_subscribed(const struct reconciliation *step, struct uuid topic)
{
    const struct meta_topic *found = meta_topic_by_id(consumer_world(step->consumer)->image, topic);
    if (found == NULL)
        return false;
    const struct consumer_group_member_metadata_value *profile = &step->member->profile;
    if (names_topic(profile->subscribed_topic_names, profile->subscribed_topic_names_count,
                    found->name))
        return true;
    const struct consumer_pattern *pattern =
        consumer_pattern_find(step->consumer, profile->subscribed_topic_regex);
    return pattern != NULL && names_topic(pattern->topics, pattern->topic_count, found->name);
}

/* The part of a set whose topics it is subscribed to, or the rest of it. */
static struct consumer_parts of_subscribed(const struct reconciliation *step,
                                           const struct consumer_parts *parts, bool wanted)
{
    struct consumer_parts some = consumer_parts_room(step->arena, parts->count);
    for (struct consumer_run run = consumer_parts_run(parts, 0); run.count > 0;
         run = consumer_parts_run(parts, run.first + run.count)) {
        if (is_subscribed(step, parts->at[run.first].topic) != wanted)
            continue;
        memcpy(some.at + some.count, parts->at + run.first, (size_t)run.count * sizeof *some.at);
        some.count += run.count;
    }
    return some;
}

/* ---- sets ---- */

/* What the member says it has is among them; where it says nothing it may have all. */
static bool owns_any(const struct reconciliation *step, const struct consumer_parts *parts)
{
    const struct consumer_parts *owned = step->owned->parts;
    if (owned == NULL)
        return true;
    for (int i = 0; i < owned->count; i++)
        if (consumer_parts_find(parts, &owned->at[i]) != NULL)
            return true;
    return false;
}

/* Of a those that are in b, or those that are not, with the epochs of a. */
static struct consumer_parts among(struct arena *arena, const struct consumer_parts *a,
                                   const struct consumer_parts *b, bool wanted)
{
    struct consumer_parts some = consumer_parts_room(arena, a->count);
    int at = 0;
    for (int i = 0; i < a->count; i++) {
        while (at < b->count && consumer_part_compare(&b->at[at], &a->at[i]) < 0)
            at++;
        bool is_in = at < b->count && consumer_part_compare(&b->at[at], &a->at[i]) == 0;
        if (is_in == wanted)
            some.at[some.count++] = a->at[i];
    }
    return some;
}

static struct consumer_parts both(struct arena *arena, const struct consumer_parts *a,
                                  const struct consumer_parts *b)
{
    struct consumer_parts all = consumer_parts_room(arena, a->count + b->count);
    consumer_parts_append(&all, a);
    consumer_parts_append(&all, b);
    consumer_parts_sort(&all);
    return all;
}

/* ---- steps ---- */

static struct consumer_current as_it_is(const struct consumer_member *member)
{
    return (struct consumer_current){
        .epoch = member->epoch,
        .previous_epoch = member->previous_epoch,
        .state = member->state,
        .assigned = member->assigned,
        .revoking = member->revoking,
    };
}

static struct consumer_current in_epoch(const struct consumer_member *member, int32_t epoch)
{
    struct consumer_current next = as_it_is(member);
    next.previous_epoch = member->epoch;
    next.epoch = epoch;
    return next;
}

/* The epoch stays; what it is no longer subscribed to goes at once. */
static struct consumer_current drop_unsubscribed(const struct reconciliation *step)
{
    const struct consumer_member *member = step->member;
    struct consumer_parts dropped = of_subscribed(step, &member->assigned, false);
    if (dropped.count == 0)
        return as_it_is(member);
    struct consumer_current next = in_epoch(member, member->epoch);
    next.assigned = of_subscribed(step, &member->assigned, true);
    struct consumer_parts revoking = both(step->arena, &member->revoking, &dropped);
    if (owns_any(step, &revoking)) {
        next.state = CONSUMER_MEMBER_UNREVOKED_PARTITIONS;
        next.revoking = revoking;
    }
    return next;
}

/* What others have is left out of what is new to the member: true when there was some. */
static bool leave_unreleased(const struct reconciliation *step, struct consumer_parts *wanted)
{
    int count = 0;
    for (int i = 0; i < wanted->count; i++) {
        const struct consumer_part *part = &wanted->at[i];
        bool is_free = consumer_owner_epoch(step->consumer, part) == CONSUMER_NO_OWNER ||
                       consumer_parts_find(&step->member->revoking, part) != NULL;
        if (is_free)
            wanted->at[count++] = *part;
    }
    bool left = count < wanted->count;
    wanted->count = count;
    return left;
}

static struct consumer_current approach(const struct reconciliation *step, int32_t epoch)
{
    const struct consumer_member *member = step->member;
    int32_t target_epoch = step->consumer->assignment_epoch;
    struct consumer_parts target = of_subscribed(step, &member->target, true);
    struct consumer_parts kept = among(step->arena, &member->assigned, &target, true);
    struct consumer_parts lost = among(step->arena, &member->assigned, &target, false);
    struct consumer_parts wanted = among(step->arena, &target, &kept, false);
    bool waits = leave_unreleased(step, &wanted);
    if (lost.count > 0 && owns_any(step, &lost)) {
        struct consumer_current next = in_epoch(member, epoch);
        next.state = CONSUMER_MEMBER_UNREVOKED_PARTITIONS;
        next.assigned = kept;
        next.revoking = lost;
        return next;
    }
    for (int i = 0; i < wanted.count; i++)
        wanted.at[i].epoch = target_epoch;
    struct consumer_current next = in_epoch(member, target_epoch);
    next.state = waits ? CONSUMER_MEMBER_UNRELEASED_PARTITIONS : CONSUMER_MEMBER_STABLE;
    next.assigned = both(step->arena, &kept, &wanted);
    next.revoking = (struct consumer_parts){0};
    return next;
}

static struct consumer_current next_of(const struct reconciliation *step)
{
    const struct consumer_member *member = step->member;
    switch (member->state) {
    case CONSUMER_MEMBER_STABLE:
        if (member->epoch != step->consumer->assignment_epoch)
            return approach(step, member->epoch);
        return step->owned->subscription_changed ? drop_unsubscribed(step) : as_it_is(member);
    case CONSUMER_MEMBER_UNREVOKED_PARTITIONS:
        if (!owns_any(step, &member->revoking))
            return approach(step, member->epoch);
        return step->owned->subscription_changed ? drop_unsubscribed(step) : as_it_is(member);
    case CONSUMER_MEMBER_UNRELEASED_PARTITIONS:
        return approach(step, member->epoch);
    case CONSUMER_MEMBER_UNKNOWN:
        break;
    }
    /* It has said that it has nothing: the heartbeat sees to that. */
    return approach(step, step->consumer->assignment_epoch);
}

static bool is_edge(enum consumer_member_state from, enum consumer_member_state to)
{
    bool known = false;
#define IS_EDGE_(before, after, why) \
    known = known || (from == CONSUMER_MEMBER_##before && to == CONSUMER_MEMBER_##after);
    CONSUMER_MEMBER_EDGES(IS_EDGE_)
#undef IS_EDGE_
    return known;
}

static bool is_same(const struct consumer_member *member, const struct consumer_current *next)
{
    return next->epoch == member->epoch && next->previous_epoch == member->previous_epoch &&
           next->state == member->state &&
           consumer_parts_equal(&next->assigned, &member->assigned) &&
           consumer_parts_equal(&next->revoking, &member->revoking);
}

bool consumer_reconcile(struct consumer_member *member, const struct consumer_owned *owned,
                        const struct consumer_writer *writer)
{
    struct consumer_group *consumer = member->group;
    if (!owned->subscription_changed &&
        consumer_member_is_reconciled(member, consumer->assignment_epoch))
        return false;
    struct reconciliation step = {
        .member = member, .consumer = consumer, .owned = owned, .arena = writer->arena};
    struct consumer_current next = next_of(&step);
    if (is_same(member, &next))
        return false;
    ALWAYS(is_edge(member->state, next.state), "a consumer goes from state %d to %d", member->state,
           next.state);
    bool changed = !consumer_parts_equal(&next.assigned, &member->assigned);
    consumer_put_current(writer, member->id, &next);
    if (consumer_is_classic(member))
        return changed;
    if (member->state == CONSUMER_MEMBER_UNREVOKED_PARTITIONS)
        consumer_rebalance_start(member);
    else
        coord_timer_stop(consumer_world(consumer), &member->rebalance);
    return changed;
}
