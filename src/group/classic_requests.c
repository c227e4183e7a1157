/* What members and onlookers ask of a classic group, JoinGroup excepted: SyncGroup, Heartbeat,
 * LeaveGroup, DescribeGroups. On the partition's shard. */
#include "group/classic_int.h"

#include "wire/msg/describe_groups_response.h"
#include "wire/msg/heartbeat_request.h"
#include "wire/msg/heartbeat_response.h"
#include "wire/msg/leave_group_request.h"
#include "wire/msg/leave_group_response.h"
#include "wire/msg/sync_group_request.h"

/* DescribeGroups tells from here on that there is no such group (KIP-1043). */
#define VERSION_NOT_FOUND 6

/* ---- SyncGroup ---- */

/* Both are told, and differ. */
static bool differ(struct slice said, struct slice known)
{
    return !slice_is_null(said) && !slice_is_null(known) && !slice_equal(said, known);
}

static enum err check_sync(const struct group *group, const struct sync_group_request *request)
{
    const struct classic_group *classic = group->classic;
    enum err err = classic_member_check(group, request->member_id, request->group_instance_id);
    if (err != ERR_NONE)
        return err;
    if (request->generation_id != classic->generation)
        return ERR_ILLEGAL_GENERATION;
    if (differ(request->protocol_type, classic->protocol_type) ||
        differ(request->protocol_name, classic->protocol))
        return ERR_INCONSISTENT_GROUP_PROTOCOL;
    return classic->state == CLASSIC_PREPARING ? ERR_REBALANCE_IN_PROGRESS : ERR_NONE;
}

/* Members that the leader left out have an empty one; of two for one member the last counts. */
static bool take_assignments(struct group *group, const struct sync_group_request *request)
{
    LIST_EACH (&group->classic->members, node)
        if (!classic_assign(&classic_member_at(node)->assignment, slice_of_text("")))
            return false;
    for (int32_t i = 0; i < request->assignments_count; i++) {
        struct classic_member *member =
            classic_member_find(group, request->assignments[i].member_id);
        if (member != NULL &&
            !classic_assign(&member->assignment, request->assignments[i].assignment))
            return false;
    }
    return true;
}

/* What cannot be stored is void, as after an append that failed: a new round begins. */
static void assign(struct group *group, const struct sync_group_request *request)
{
    bool done = take_assignments(group, request) &&
                classic_record_size(group) <= (size_t)classic_world(group)->batch_size_max &&
                classic_store(group);
    if (!done) {
        classic_drop_assignments(group, ERR_UNKNOWN_SERVER_ERROR);
        classic_prepare(group);
        return;
    }
    classic_become(group, CLASSIC_STABLE);
    LIST_EACH (&group->classic->members, node) {
        struct classic_member *member = classic_member_at(node);
        if (member->sync == NULL)
            continue;
        classic_answer_sync(member, ERR_NONE);
        classic_beat(member);
    }
}

static void sync(struct group *group, struct coord_call *call)
{
    struct classic_group *classic = group->classic;
    const struct sync_group_request *request = call->request;
    enum err err = check_sync(group, request);
    if (err != ERR_NONE) {
        coord_refuse(classic_world(group), call, err);
        return;
    }
    struct classic_member *member = classic_member_find(group, request->member_id);
    classic_answer_sync(member, ERR_REBALANCE_IN_PROGRESS); /* one that its client gave up */
    classic_mark_synced(member);
    if (classic->sync_count == 0)
        coord_timer_stop(classic_world(group), &classic->phase);
    member->sync = call;
    call->owner = member;
    if (classic->state == CLASSIC_STABLE)
        classic_answer_sync(member, ERR_NONE);
    else if (classic->leader == member)
        assign(group, request);
}

void groups_sync(struct coord_machine *machine, struct coord_call *call)
{
    struct group *group = groups_find(groups_of(machine), call->key);
    if (group == NULL || group->kind->is_empty(group))
        coord_refuse(machine->world, call, ERR_UNKNOWN_MEMBER_ID);
    else if (group->type == GROUP_CONSUMER)
        consumer_classic_sync(group, call);
    else
        sync(group, call);
}

/* ---- Heartbeat ---- */

static enum err beat(struct group *group, const struct heartbeat_request *request)
{
    const struct classic_group *classic = group->classic;
    enum err err = classic_member_check(group, request->member_id, request->group_instance_id);
    if (err != ERR_NONE)
        return err;
    if (request->generation_id != classic->generation)
        return ERR_ILLEGAL_GENERATION;
    classic_beat(classic_member_find(group, request->member_id));
    return classic->state == CLASSIC_PREPARING ? ERR_REBALANCE_IN_PROGRESS : ERR_NONE;
}

void groups_heartbeat(struct coord_machine *machine, struct coord_call *call)
{
    struct group *group = groups_find(groups_of(machine), call->key);
    if (group != NULL && group->type == GROUP_CONSUMER) {
        consumer_classic_heartbeat(group, call);
        return;
    }
    enum err err = group != NULL ? beat(group, call->request) : ERR_UNKNOWN_MEMBER_ID;
    if (err != ERR_NONE)
        coord_refuse(machine->world, call, err);
    else
        coord_answer(machine->world, call, ARENA_NEW(call->arena, struct heartbeat_response));
}

/* ---- LeaveGroup ---- */

static void remove_member(struct classic_member *member)
{
    classic_refuse_join(member, ERR_UNKNOWN_MEMBER_ID, slice_of_text(""));
    classic_answer_sync(member, ERR_UNKNOWN_MEMBER_ID);
    classic_member_remove(member);
}

/* An operator removes a static member by its instance alone. */
static enum err leave_one(struct group *group, const struct leave_group_request_members *leaving)
{
    bool has_instance = !slice_is_null(leaving->group_instance_id);
    if (leaving->member_id.size == 0) {
        struct classic_member *member =
            has_instance ? classic_member_of_instance(group, leaving->group_instance_id) : NULL;
        if (member == NULL)
            return ERR_UNKNOWN_MEMBER_ID;
        remove_member(member);
        return ERR_NONE;
    }
    struct classic_pending *pending = classic_pending_find(group, leaving->member_id);
    if (pending != NULL) {
        classic_pending_remove(pending);
        return ERR_NONE;
    }
    enum err err = classic_member_check(group, leaving->member_id, leaving->group_instance_id);
    if (err == ERR_NONE)
        remove_member(classic_member_find(group, leaving->member_id));
    return err;
}

/* NULL: memory is out. */
static struct leave_group_response *leave_response(struct coord_call *call)
{
    const struct leave_group_request *request = call->request;
    size_t count = (size_t)MAX_OF(request->members_count, 0);
    struct leave_group_response *response = ARENA_NEW(call->arena, struct leave_group_response);
    struct leave_group_response_members *members =
        ARENA_ARRAY(call->arena, struct leave_group_response_members, count + 1);
    if (response == NULL || members == NULL)
        return NULL;
    *response = leave_group_response_default;
    response->members = members;
    for (size_t i = 0; i < count; i++) {
        members[i].member_id = request->members[i].member_id;
        members[i].group_instance_id = request->members[i].group_instance_id;
        members[i].error_code = ERR_UNKNOWN_MEMBER_ID;
    }
    response->members_count = (int32_t)count;
    return response;
}

static void leave(struct group *group, const struct leave_group_request *request,
                  struct leave_group_response *response)
{
    struct classic_group *classic = group->classic;
    bool is_left = false;
    for (int32_t i = 0; i < response->members_count; i++) {
        enum err err = leave_one(group, &request->members[i]);
        response->members[i].error_code = (int16_t)err;
        is_left = is_left || err == ERR_NONE;
    }
    if (is_left && classic->state != CLASSIC_EMPTY)
        classic_prepare_or_complete(group);
}

void groups_leave(struct coord_machine *machine, struct coord_call *call)
{
    struct group *group = groups_find(groups_of(machine), call->key);
    if (group != NULL && group->type == GROUP_CONSUMER) {
        consumer_classic_leave(group, call);
        return;
    }
    struct leave_group_response *response = leave_response(call);
    if (response != NULL && group != NULL)
        leave(group, call->request, response);
    coord_answer(machine->world, call, response);
    if (group != NULL)
        groups_consider(group);
}

/* ---- DescribeGroups ---- */

static void describe_members(const struct group *group, struct arena *arena,
                             struct describe_groups_response_groups *to)
{
    const struct classic_group *classic = group->classic;
    to->members = ARENA_ARRAY(arena, struct describe_groups_response_groups_members,
                              classic_member_count(classic) + 1);
    if (to->members == NULL)
        return;
    LIST_EACH (&classic->members, node) {
        const struct classic_member *member = classic_member_at(node);
        struct slice metadata = classic->state == CLASSIC_STABLE
                                    ? classic_member_metadata(member, classic->protocol)
                                    : (struct slice){0};
        to->members[to->members_count++] = (struct describe_groups_response_groups_members){
            .member_id = arena_copy(arena, member->id),
            .group_instance_id = arena_copy(arena, member->instance_id),
            .client_id = arena_copy(arena, member->client_id),
            .client_host = arena_copy(arena, member->client_host),
            .member_metadata = arena_copy(arena, metadata),
            .member_assignment = arena_copy(arena, member->assignment),
        };
    }
}

static void describe(const struct group *group, struct arena *arena,
                     struct describe_groups_response_groups *to)
{
    const struct classic_group *classic = group->classic;
    to->group_state = slice_of_text(group->kind->state_name(group));
    to->protocol_type = arena_copy(arena, group->kind->protocol_type(group));
    if (classic->state == CLASSIC_STABLE)
        to->protocol_data = arena_copy(arena, classic->protocol);
    describe_members(group, arena, to);
}

/* Groups of other protocols have their own API, and are not found by this one. */
static void describe_none(const struct group *group, struct coord_call *call,
                          struct describe_groups_response_groups *to)
{
    to->group_state = slice_of_text("Dead");
    if (call->api_version < VERSION_NOT_FOUND)
        return;
    const char *what = group == NULL ? "not found" : "is not a classic group";
    to->error_code = ERR_GROUP_ID_NOT_FOUND;
    to->error_message =
        slice_of_text(arena_printf(call->arena, "Group %.*s %s.", SLICE_ARG(call->key), what));
}

void groups_describe(struct coord_machine *machine, struct coord_call *call)
{
    const struct group *group = groups_find(groups_of(machine), call->key);
    struct describe_groups_response_groups *to =
        ARENA_NEW(call->arena, struct describe_groups_response_groups);
    if (to != NULL) {
        *to = describe_groups_response_groups_default;
        to->group_id = call->key;
        if (group != NULL && group->type == GROUP_CLASSIC)
            describe(group, call->arena, to);
        else
            describe_none(group, call, to);
    }
    coord_answer(machine->world, call, call->arena->failed ? NULL : to);
}
