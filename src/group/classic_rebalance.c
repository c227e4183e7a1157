/* The rounds of a classic group. A round begins when somebody comes, goes or changes
 * (classic_prepare): all members are to join again, and those that do wait until all have, or the
 * longest of their rebalance timeouts has passed. Then comes a generation: everybody is answered,
 * the leader assigns, and who does not sync in time is removed, which begins the next round.
 *
 * The first members of an empty group wait for group.initial.rebalance.delay.ms, anew while more of
 * them come, up to their rebalance timeout. On the partition's shard. */
#include "group/classic_int.h"

#include "base/always.h"
#include "config/node.h"
#include "wire/msg/sync_group_response.h"

static int32_t rebalance_timeout(const struct classic_group *classic)
{
    int32_t longest = 0;
    LIST_EACH (&classic->members, node)
        longest = MAX_OF(longest, classic_member_at(node)->rebalance_timeout_ms);
    return longest;
}

static void start_phase(struct group *group, int32_t delay_ms)
{
    coord_timer_start(classic_world(group), &group->classic->phase, delay_ms);
}

void classic_beat(struct classic_member *member)
{
    coord_timer_start(classic_world(member->group), &member->session, member->session_timeout_ms);
}

/* ---- syncs ---- */

void classic_mark_synced(struct classic_member *member)
{
    if (!member->owes_sync)
        return;
    member->owes_sync = false;
    member->group->classic->sync_count--;
}

static void forgive_syncs(struct group *group)
{
    LIST_EACH (&group->classic->members, node)
        classic_mark_synced(classic_member_at(node));
    ALWAYS(group->classic->sync_count == 0, "somebody who is no member owes a sync");
}

static struct sync_group_response *sync_response(const struct classic_member *member,
                                                 struct arena *arena)
{
    const struct classic_group *classic = member->group->classic;
    struct sync_group_response *response = ARENA_NEW(arena, struct sync_group_response);
    if (response == NULL)
        return NULL;
    *response = sync_group_response_default;
    response->protocol_type = arena_copy(arena, classic->protocol_type);
    response->protocol_name = arena_copy(arena, classic->protocol);
    response->assignment = arena_copy(arena, member->assignment);
    return arena->failed ? NULL : response;
}

void classic_answer_sync(struct classic_member *member, enum err err)
{
    struct coord_call *call = member->sync;
    if (call == NULL)
        return;
    member->sync = NULL;
    struct coord_world *world = classic_world(member->group);
    if (err != ERR_NONE)
        coord_refuse(world, call, err);
    else
        coord_answer(world, call, sync_response(member, call->arena));
}

void classic_drop_assignments(struct group *group, enum err err)
{
    LIST_EACH (&group->classic->members, node) {
        struct classic_member *member = classic_member_at(node);
        bool none = classic_assign(&member->assignment, (struct slice){0});
        ALWAYS(none, "taking an assignment away needs no memory");
        if (member->sync == NULL)
            continue;
        classic_answer_sync(member, err);
        classic_beat(member);
    }
}

/* ---- a generation ---- */

static void remove_late(struct group *group)
{
    LIST_EACH_SAFE (&group->classic->members, node, after) {
        struct classic_member *member = classic_member_at(node);
        if (member->join == NULL && slice_is_null(member->instance_id))
            classic_member_remove(member);
    }
}

/* Whoever leads must have joined. false: nobody has. */
static bool elect(struct classic_group *classic)
{
    if (classic->leader != NULL && classic->leader->join != NULL)
        return true;
    LIST_EACH (&classic->members, node) {
        struct classic_member *member = classic_member_at(node);
        if (member->join == NULL)
            continue;
        classic->leader = member;
        return true;
    }
    return false;
}

static void begin_empty(struct group *group)
{
    struct classic_group *classic = group->classic;
    classic->generation++;
    bool none = classic_assign(&classic->protocol, (struct slice){0});
    ALWAYS(none, "having no protocol needs no memory");
    classic_topics_find(group);
    classic_become(group, CLASSIC_EMPTY);
    if (!classic_store(group))
        ALWAYS(false, "a group without members cannot be stored");
}

static void begin_generation(struct group *group)
{
    struct classic_group *classic = group->classic;
    classic->generation++;
    bool chosen = classic_assign(&classic->protocol, classic_vote(group));
    ALWAYS(chosen, "memory for a group's protocol is out");
    classic_topics_find(group);
    classic_become(group, CLASSIC_COMPLETING);
    LIST_EACH (&classic->members, node) {
        struct classic_member *member = classic_member_at(node);
        classic_answer_join(member);
        classic_beat(member);
        member->is_new = false;
        member->owes_sync = true;
        classic->sync_count++;
    }
    start_phase(group, rebalance_timeout(classic));
}

/* Static members keep their place until their session ends, also where they are late. */
static void complete(struct group *group)
{
    struct classic_group *classic = group->classic;
    coord_timer_stop(classic_world(group), &classic->phase);
    remove_late(group);
    if (elect(classic)) {
        begin_generation(group);
    } else if (classic_member_count(classic) > 0) {
        classic->is_initial = false;
        start_phase(group, rebalance_timeout(classic));
    } else {
        begin_empty(group);
    }
}

static bool all_joined(const struct classic_group *classic)
{
    return (size_t)classic->joining_count == classic_member_count(classic) &&
           classic->pending.count == 0;
}

void classic_complete_if_joined(struct group *group)
{
    const struct classic_group *classic = group->classic;
    if (classic->state == CLASSIC_PREPARING && classic->previous != CLASSIC_EMPTY &&
        all_joined(classic))
        complete(group);
}

/* ---- a round ---- */

static void begin_delay(struct group *group)
{
    struct classic_group *classic = group->classic;
    classic->is_initial = true;
    classic->initial_delay_ms = classic_world(group)->config->group_initial_rebalance_delay_ms;
    classic->initial_left_ms = MAX_OF(rebalance_timeout(classic) - classic->initial_delay_ms, 0);
    start_phase(group, classic->initial_delay_ms);
}

static void extend_delay(struct group *group)
{
    struct classic_group *classic = group->classic;
    int32_t setting_ms = classic_world(group)->config->group_initial_rebalance_delay_ms;
    int32_t next_ms = MIN_OF(setting_ms, classic->initial_left_ms);
    classic->member_added = false;
    classic->initial_left_ms = MAX_OF(classic->initial_left_ms - classic->initial_delay_ms, 0);
    classic->initial_delay_ms = next_ms;
    start_phase(group, next_ms);
}

void classic_prepare(struct group *group)
{
    struct classic_group *classic = group->classic;
    bool is_initial = classic->state == CLASSIC_EMPTY;
    if (classic->state == CLASSIC_COMPLETING)
        classic_drop_assignments(group, ERR_REBALANCE_IN_PROGRESS);
    forgive_syncs(group);
    coord_timer_stop(classic_world(group), &classic->phase);
    classic_become(group, CLASSIC_PREPARING);
    if (is_initial) {
        begin_delay(group);
    } else if (all_joined(classic)) {
        complete(group);
    } else {
        classic->is_initial = false;
        start_phase(group, rebalance_timeout(classic));
    }
}

void classic_prepare_or_complete(struct group *group)
{
    enum classic_state state = group->classic->state;
    if (state == CLASSIC_PREPARING)
        classic_complete_if_joined(group);
    else
        classic_prepare(group);
}

void classic_rebalance(struct group *group)
{
    classic_prepare(group);
}

/* ---- time passes ---- */

static void expire_syncs(struct group *group)
{
    if (group->classic->sync_count == 0)
        return;
    LIST_EACH_SAFE (&group->classic->members, node, after) {
        struct classic_member *member = classic_member_at(node);
        if (!member->owes_sync)
            continue;
        classic_answer_sync(member, ERR_REBALANCE_IN_PROGRESS);
        classic_member_remove(member);
    }
    classic_prepare(group);
}

void classic_on_phase(struct shard *shard, struct shard_timer *timer)
{
    (void)shard;
    struct classic_group *classic = CONTAINER_OF(timer, struct classic_group, phase);
    struct group *group = classic->group;
    if (classic->state != CLASSIC_PREPARING)
        expire_syncs(group);
    else if (classic->is_initial && classic->member_added && classic->initial_left_ms != 0)
        extend_delay(group);
    else
        complete(group);
}

/* Members that wait for the others, or for the leader, need not beat; but whoever joined for the
 * first time is given up after a while, since its client may be gone and nothing would tell. */
void classic_on_session(struct shard *shard, struct shard_timer *timer)
{
    (void)shard;
    struct classic_member *member = CONTAINER_OF(timer, struct classic_member, session);
    struct group *group = member->group;
    struct classic_group *classic = group->classic;
    if (!member->is_new && (member->join != NULL || member->sync != NULL))
        return;
    classic_refuse_join(member, ERR_UNKNOWN_MEMBER_ID, slice_of_text(""));
    classic_answer_sync(member, ERR_UNKNOWN_MEMBER_ID);
    classic_member_remove(member);
    if (classic->state == CLASSIC_STABLE || classic->state == CLASSIC_COMPLETING)
        classic_prepare(group);
    else if (classic->state == CLASSIC_PREPARING && all_joined(classic))
        complete(group);
}

void classic_on_patience(struct shard *shard, struct shard_timer *timer)
{
    (void)shard;
    struct classic_pending *pending = CONTAINER_OF(timer, struct classic_pending, patience);
    struct group *group = pending->group;
    classic_pending_remove(pending);
    if (group->classic->state == CLASSIC_PREPARING && all_joined(group->classic))
        complete(group);
    groups_consider(group);
}
