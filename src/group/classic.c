/* Groups of the classic protocol: making and ending one, its states, and what is asked of a group
 * whatever its protocol. On the partition's shard. */
#include "group/classic_int.h"

#include "base/always.h"
#include "config/node.h"

#include <stdlib.h>

static const char *const state_names[CLASSIC_STATE_COUNT] = {
#define NAME_(NAME, text) [CLASSIC_##NAME] = (text),
    CLASSIC_STATES(NAME_)
#undef NAME_
};

void classic_become(struct group *group, enum classic_state next)
{
    struct classic_group *classic = group->classic;
#define EDGE_(from, to, why) \
    known = known || (classic->state == CLASSIC_##from && next == CLASSIC_##to);
    bool known = false;
    CLASSIC_EDGES(EDGE_)
#undef EDGE_
    ALWAYS(known, "group %.*s goes from %s to %s", SLICE_ARG(group->id),
           state_names[classic->state], state_names[next]);
    classic->previous = classic->state;
    classic->state = next;
    classic->state_since_ms = classic_world(group)->wall_ms;
}

/* ---- heap text ---- */

bool classic_copy(struct slice value, struct slice *ret_copy)
{
    *ret_copy = (struct slice){0};
    if (slice_is_null(value))
        return true;
    uint8_t *bytes = malloc(value.size > 0 ? value.size : 1);
    if (bytes == NULL)
        return false;
    if (value.size > 0)
        memcpy(bytes, value.data, value.size);
    *ret_copy = slice_of(bytes, value.size);
    return true;
}

bool classic_assign(struct slice *at, struct slice value)
{
    if (slice_is_null(*at) == slice_is_null(value) && slice_equal(*at, value))
        return true;
    struct slice copy;
    if (!classic_copy(value, &copy))
        return false;
    free((void *)(uintptr_t)at->data);
    *at = copy;
    return true;
}

/* ---- making and ending ---- */

bool classic_group_new(struct group *group)
{
    struct classic_group *classic = calloc(1, sizeof *classic);
    if (classic == NULL)
        return false;
    classic->group = group;
    classic->state = CLASSIC_EMPTY;
    classic->previous = CLASSIC_DEAD;
    classic->state_since_ms = classic_world(group)->wall_ms;
    list_init(&classic->members);
    hash_table_init(&classic->by_id);
    hash_table_init(&classic->by_instance);
    hash_table_init(&classic->pending);
    hash_table_init(&classic->support);
    shard_timer_init(&classic->phase, classic_on_phase);
    group->classic = classic;
    return true;
}

static void drop_pending(struct group *group)
{
    struct hash_node *node;
    while ((node = hash_table_next(&group->classic->pending, NULL)) != NULL)
        classic_pending_remove(CONTAINER_OF(node, struct classic_pending, by_id));
}

static void end(struct group *group, enum err err)
{
    struct classic_group *classic = group->classic;
    classic_become(group, CLASSIC_DEAD);
    while (!list_is_empty(&classic->members)) {
        struct classic_member *member = classic_member_at(classic->members.next);
        classic_refuse_join(member, err, member->id);
        classic_answer_sync(member, err);
        classic_member_remove(member);
    }
    drop_pending(group);
    coord_timer_stop(classic_world(group), &classic->phase);
    ALWAYS(classic->support.count == 0, "a group without members has protocols");
    hash_table_fini(&classic->by_id);
    hash_table_fini(&classic->by_instance);
    hash_table_fini(&classic->pending);
    hash_table_fini(&classic->support);
    free((void *)(uintptr_t)classic->protocol_type.data);
    free((void *)(uintptr_t)classic->protocol.data);
    free(classic->topics);
    free(classic);
    group->classic = NULL;
}

/* Sessions cannot have been kept while nobody led: all begin. */
void classic_begin(struct group *group)
{
    struct classic_group *classic = group->classic;
    LIST_EACH (&classic->members, node)
        classic_beat(classic_member_at(node));
    size_t size_max = (size_t)classic_world(group)->config->group_max_size;
    if (classic_member_count(classic) > size_max)
        classic_prepare(group); /* the setting has changed: those beyond it are refused */
}

/* ---- whatever the protocol ---- */

static const char *state_name(const struct group *group)
{
    return state_names[group->classic->state];
}

static struct slice protocol_type(const struct group *group)
{
    struct slice type = group->classic->protocol_type;
    return slice_is_null(type) ? slice_of_text("") : type;
}

/* Kafka's rules for a commit: a client that manages its partitions itself says neither member nor
 * generation, and may where nobody is in the group. */
static enum err check_commit(struct group *group, const struct group_caller *caller)
{
    const struct classic_group *classic = group->classic;
    if (caller->generation < 0 && classic->state == CLASSIC_EMPTY)
        return ERR_NONE;
    bool is_named = caller->generation >= 0 || caller->member_id.size > 0 ||
                    !slice_is_null(caller->instance_id);
    if (is_named) {
        enum err err = classic_member_check(group, caller->member_id, caller->instance_id);
        if (err != ERR_NONE)
            return err;
        if (caller->generation != classic->generation)
            return ERR_ILLEGAL_GENERATION;
    } else if (!caller->transactional && classic->state != CLASSIC_EMPTY) {
        return ERR_UNKNOWN_MEMBER_ID;
    }
    if (!caller->transactional && classic->state == CLASSIC_COMPLETING)
        return ERR_REBALANCE_IN_PROGRESS;
    return ERR_NONE;
}

static enum err check_fetch(struct group *group, const struct group_caller *caller)
{
    (void)caller;
    return group->classic->state == CLASSIC_DEAD ? ERR_GROUP_ID_NOT_FOUND : ERR_NONE;
}

static enum err check_delete(const struct group *group)
{
    return group->classic->state == CLASSIC_EMPTY ? ERR_NONE : ERR_NON_EMPTY_GROUP;
}

static enum err check_delete_offsets(const struct group *group)
{
    bool may = group->classic->state == CLASSIC_EMPTY || classic_is_consumers(group->classic);
    return may ? ERR_NONE : ERR_NON_EMPTY_GROUP;
}

static bool offsets_may_expire(const struct group *group, int64_t *ret_since_ms)
{
    const struct classic_group *classic = group->classic;
    bool is_left = !slice_is_null(classic->protocol_type) && classic->state == CLASSIC_EMPTY;
    *ret_since_ms = is_left ? classic->state_since_ms : -1;
    return slice_is_null(classic->protocol_type) || is_left ||
           (classic_is_consumers(classic) && classic->topics != NULL &&
            classic->state == CLASSIC_STABLE);
}

static bool is_empty(const struct group *group)
{
    return group->classic->state == CLASSIC_EMPTY && group->classic->pending.count == 0;
}

static void bury(struct group *group)
{
    drop_pending(group);
    classic_store_tombstone(group);
}

static void on_commit(struct group *group, const struct group_caller *caller)
{
    const struct classic_group *classic = group->classic;
    struct classic_member *member = classic_member_find(group, caller->member_id);
    if (member != NULL && (classic->state == CLASSIC_STABLE || classic->state == CLASSIC_PREPARING))
        classic_beat(member);
}

const struct group_kind group_kind_classic = {
    .type_name = "classic",
    .state_name = state_name,
    .protocol_type = protocol_type,
    .check_commit = check_commit,
    .check_fetch = check_fetch,
    .check_delete = check_delete,
    .check_delete_offsets = check_delete_offsets,
    .is_subscribed = classic_topics_have,
    .offsets_may_expire = offsets_may_expire,
    .is_empty = is_empty,
    .bury = bury,
    .on_commit = on_commit,
    .end = end,
};
