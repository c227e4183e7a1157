/* JoinGroup of the classic protocol (KIP-62, KIP-345, KIP-394, KIP-814), by the rules of Kafka's
 * GroupMetadataManager. Everything that is refused is refused in a response, which names the
 * member. On the partition's shard. */
#include "group/classic_int.h"

#include "base/always.h"
#include "config/node.h"
#include "tbl/limits.h"
#include "wire/msg/join_group_request.h"
#include "wire/msg/join_group_response.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define VERSION_KNOWN_ID 4
#define VERSION_SKIPS_ASSIGNMENT 9
/* How long a member waits with its first JoinGroup; a client that is there asks again. */
#define NEW_MEMBER_WAIT_MS (5 * 60 * 1000)
/* "-" and a UUID. */
#define ID_SUFFIX_SIZE 37

/* ---- answers ---- */

static struct join_group_response *response_new(struct coord_call *call, struct slice member_id)
{
    struct join_group_response *response = ARENA_NEW(call->arena, struct join_group_response);
    if (response == NULL)
        return NULL;
    *response = join_group_response_default;
    response->protocol_name = (struct slice){0};
    response->member_id = arena_copy(call->arena, member_id);
    return response;
}

static void refuse(struct group *group, struct coord_call *call, enum err err,
                   struct slice member_id)
{
    struct join_group_response *response = response_new(call, member_id);
    if (response != NULL)
        response->error_code = (int16_t)err;
    coord_answer(classic_world(group), call, response);
}

/* What the leader assigns by. */
static void tell_members(const struct group *group, struct arena *arena,
                         struct join_group_response *response)
{
    const struct classic_group *classic = group->classic;
    response->members =
        ARENA_ARRAY(arena, struct join_group_response_members, classic_member_count(classic));
    if (response->members == NULL)
        return;
    LIST_EACH (&classic->members, node) {
        const struct classic_member *member = classic_member_at(node);
        response->members[response->members_count++] = (struct join_group_response_members){
            .member_id = arena_copy(arena, member->id),
            .group_instance_id = arena_copy(arena, member->instance_id),
            .metadata = arena_copy(arena, classic_member_metadata(member, classic->protocol)),
        };
    }
}

/* Of the present generation. leader_id: as the member is to hear it. */
static void accept(struct classic_member *member, struct coord_call *call, struct slice leader_id,
                   bool skips_assignment)
{
    const struct classic_group *classic = member->group->classic;
    struct arena *arena = call->arena;
    struct join_group_response *response = response_new(call, member->id);
    if (response != NULL) {
        response->generation_id = classic->generation;
        response->protocol_type = arena_copy(arena, classic->protocol_type);
        response->protocol_name = arena_copy(arena, classic->protocol);
        response->leader = arena_copy(arena, leader_id);
        response->skip_assignment = skips_assignment;
        if (slice_equal(leader_id, member->id))
            tell_members(member->group, arena, response);
    }
    coord_answer(classic_world(member->group), call, arena->failed ? NULL : response);
}

static struct slice leader_id_of(const struct group *group)
{
    const struct classic_member *leader = group->classic->leader;
    return leader != NULL ? leader->id : slice_of_text("");
}

static struct coord_call *take_join(struct classic_member *member)
{
    struct coord_call *call = member->join;
    if (call != NULL)
        member->group->classic->joining_count--;
    member->join = NULL;
    return call;
}

void classic_answer_join(struct classic_member *member)
{
    struct coord_call *call = take_join(member);
    if (call != NULL)
        accept(member, call, leader_id_of(member->group), false);
}

void classic_refuse_join(struct classic_member *member, enum err err, struct slice member_id)
{
    struct coord_call *call = take_join(member);
    if (call != NULL)
        refuse(member->group, call, err, member_id);
}

/* Kafka leaves the request that the client has given up without an answer. */
void classic_wait_to_join(struct classic_member *member, struct coord_call *call)
{
    classic_refuse_join(member, ERR_REBALANCE_IN_PROGRESS, member->id);
    member->join = call;
    call->owner = member;
    member->group->classic->joining_count++;
}

/* ---- members ---- */

static const struct join_group_request *request_of(const struct coord_call *call)
{
    return call->request;
}

static struct classic_protocols *protocols_of(const struct coord_call *call)
{
    const struct join_group_request *request = request_of(call);
    return classic_protocols_new(request->protocols, request->protocols_count);
}

/* "<client id or instance id>-<uuid>", in the call's arena; null: memory is out. */
static struct slice new_member_id(struct coord_world *world, struct coord_call *call)
{
    const struct join_group_request *request = request_of(call);
    bool is_static = !slice_is_null(request->group_instance_id);
    struct slice prefix = is_static ? request->group_instance_id : call->client.id;
    uint8_t *text = arena_take(call->arena, prefix.size + ID_SUFFIX_SIZE + 1);
    if (text == NULL)
        return (struct slice){0};
    if (prefix.size > 0)
        memcpy(text, prefix.data, prefix.size);
    uint64_t high = (prng_next(world->prng) & ~UINT64_C(0xF000)) | 0x4000;
    uint64_t low = (prng_next(world->prng) & ~(UINT64_C(3) << 62)) | UINT64_C(1) << 63;
    (void)snprintf((char *)text + prefix.size, ID_SUFFIX_SIZE + 1,
                   "-%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
                   high >> 32, high >> 16 & 0xFFFF, high & 0xFFFF, low >> 48,
                   low & UINT64_C(0xFFFFFFFFFFFF));
    return slice_of(text, prefix.size + ID_SUFFIX_SIZE);
}

static void add_member(struct group *group, struct coord_call *call, struct slice id)
{
    struct classic_group *classic = group->classic;
    const struct join_group_request *request = request_of(call);
    struct classic_identity identity = {
        .id = id,
        .instance_id = request->group_instance_id,
        .client_id = slice_is_null(call->client.id) ? slice_of_text("") : call->client.id,
        .client_host = call->client.host,
        .session_timeout_ms = request->session_timeout_ms,
        .rebalance_timeout_ms = request->rebalance_timeout_ms,
    };
    bool has_type = classic_member_count(classic) > 0 ||
                    classic_assign(&classic->protocol_type, request->protocol_type);
    struct classic_member *member =
        has_type ? classic_member_add(group, &identity, protocols_of(call)) : NULL;
    if (member == NULL) {
        coord_refuse(classic_world(group), call, ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    struct classic_pending *pending = classic_pending_find(group, id);
    if (pending != NULL)
        classic_pending_remove(pending);
    member->is_new = true;
    if (classic->state == CLASSIC_PREPARING && classic->previous == CLASSIC_EMPTY)
        classic->member_added = true;
    classic_wait_to_join(member, call);
    coord_timer_start(classic_world(group), &member->session, NEW_MEMBER_WAIT_MS);
    classic_prepare_or_complete(group);
}

/* What it speaks and its timeouts are those of the request. false: the call was refused. */
static bool update(struct classic_member *member, struct coord_call *call)
{
    const struct join_group_request *request = request_of(call);
    struct classic_protocols *protocols = protocols_of(call);
    if (protocols == NULL || !classic_member_speak(member, protocols)) {
        free(protocols);
        coord_refuse(classic_world(member->group), call, ERR_UNKNOWN_SERVER_ERROR);
        return false;
    }
    member->session_timeout_ms = request->session_timeout_ms;
    member->rebalance_timeout_ms = request->rebalance_timeout_ms;
    return true;
}

static void rejoin(struct classic_member *member, struct coord_call *call)
{
    struct group *group = member->group;
    if (!update(member, call))
        return;
    classic_wait_to_join(member, call);
    classic_prepare_or_complete(group);
}

static bool speaks_the_same(const struct classic_member *member,
                            const struct join_group_request *request)
{
    if (member->protocols->count != request->protocols_count)
        return false;
    for (int32_t i = 0; i < request->protocols_count; i++)
        if (!slice_equal(member->protocols->at[i].name, request->protocols[i].name) ||
            !slice_equal(member->protocols->at[i].metadata, request->protocols[i].metadata))
            return false;
    return true;
}

/* ---- somebody new ---- */

/* The record with the new process in the place of the old one must fit, before anybody is told. */
static bool fits(const struct classic_member *member, const struct coord_call *call,
                 struct slice new_id)
{
    const struct join_group_request *request = request_of(call);
    const struct group *group = member->group;
    size_t size = classic_record_size(group) + new_id.size * 2;
    for (int32_t i = 0; i < request->protocols_count; i++)
        if (slice_equal(request->protocols[i].name, group->classic->protocol))
            size += request->protocols[i].metadata.size;
    size -= classic_member_metadata(member, group->classic->protocol).size;
    return size <= (size_t)classic_world(group)->batch_size_max;
}

/* The others go on undisturbed: the assignment of the process that was is the new one's. */
static void take_place(struct classic_member *member, struct coord_call *call,
                       struct slice leader_before)
{
    struct group *group = member->group;
    if (!classic_store(group)) {
        coord_refuse(classic_world(group), call, ERR_UNKNOWN_SERVER_ERROR);
    } else if (call->api_version < VERSION_SKIPS_ASSIGNMENT) {
        /* Not told that it leads, or it would assign: the old id leads for all it knows. */
        accept(member, call, leader_before, false);
    } else {
        accept(member, call, leader_id_of(group), group->classic->leader == member);
    }
}

static void replace_static(struct classic_member *member, struct coord_call *call,
                           struct slice new_id)
{
    struct group *group = member->group;
    struct classic_group *classic = group->classic;
    struct slice leader_before = arena_copy(call->arena, leader_id_of(group));
    if (classic->state == CLASSIC_STABLE && !fits(member, call, new_id)) {
        refuse(group, call, ERR_UNKNOWN_SERVER_ERROR, slice_of_text(""));
        return;
    }
    classic_refuse_join(member, ERR_FENCED_INSTANCE_ID, member->id);
    classic_answer_sync(member, ERR_FENCED_INSTANCE_ID);
    if (!update(member, call))
        return;
    if (!classic_member_rename(member, new_id)) {
        coord_refuse(classic_world(group), call, ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    member->is_new = false;
    classic_mark_synced(member);
    classic_beat(member);
    bool goes_on =
        classic->state == CLASSIC_STABLE && slice_equal(classic->protocol, classic_vote(group));
    if (goes_on) {
        take_place(member, call, leader_before);
        return;
    }
    classic_wait_to_join(member, call);
    classic_prepare_or_complete(group);
}

static void ask_to_join_with(struct group *group, struct coord_call *call, struct slice id)
{
    if (!classic_pending_add(group, id, request_of(call)->session_timeout_ms))
        coord_refuse(classic_world(group), call, ERR_UNKNOWN_SERVER_ERROR);
    else
        refuse(group, call, ERR_MEMBER_ID_REQUIRED, id);
}

static void join_new(struct group *group, struct coord_call *call)
{
    const struct join_group_request *request = request_of(call);
    struct slice id = new_member_id(classic_world(group), call);
    if (!classic_supports(group, request)) {
        refuse(group, call, ERR_INCONSISTENT_GROUP_PROTOCOL, slice_of_text(""));
    } else if (slice_is_null(id)) {
        coord_refuse(classic_world(group), call, ERR_UNKNOWN_SERVER_ERROR);
    } else if (!slice_is_null(request->group_instance_id)) {
        struct classic_member *member =
            classic_member_of_instance(group, request->group_instance_id);
        if (member != NULL)
            replace_static(member, call, id);
        else
            add_member(group, call, id);
    } else if (call->api_version >= VERSION_KNOWN_ID) {
        ask_to_join_with(group, call, id);
    } else {
        add_member(group, call, id);
    }
}

/* ---- somebody known ---- */

static void join_member(struct classic_member *member, struct coord_call *call)
{
    struct group *group = member->group;
    struct classic_group *classic = group->classic;
    bool same = speaks_the_same(member, request_of(call));
    /* A leader that joins again wants a round: what it assigns by has changed. In COMPLETING it may
     * just not have heard the answer, and so may any member. */
    bool is_answered = (classic->state == CLASSIC_COMPLETING && same) ||
                       (classic->state == CLASSIC_STABLE && same && classic->leader != member);
    if (is_answered)
        accept(member, call, leader_id_of(group), false);
    else if (classic->state != CLASSIC_EMPTY)
        rejoin(member, call);
    else
        refuse(group, call, ERR_UNKNOWN_MEMBER_ID, member->id);
}

static void join_known(struct group *group, struct coord_call *call)
{
    const struct join_group_request *request = request_of(call);
    struct slice id = request->member_id;
    if (!classic_supports(group, request)) {
        refuse(group, call, ERR_INCONSISTENT_GROUP_PROTOCOL, id);
    } else if (classic_pending_find(group, id) != NULL) {
        if (slice_is_null(request->group_instance_id))
            add_member(group, call, id);
        else
            coord_refuse(classic_world(group), call, ERR_UNKNOWN_SERVER_ERROR);
    } else {
        enum err err = classic_member_check(group, id, request->group_instance_id);
        if (err != ERR_NONE)
            refuse(group, call, err, id);
        else
            join_member(classic_member_find(group, id), call);
    }
}

/* ---- the group ---- */

/* Members that wait count while a round begins, so that the last ones to come back are refused
 * where there are too many; else those that are in the group. */
static bool has_room(const struct group *group, const struct join_group_request *request)
{
    const struct classic_group *classic = group->classic;
    const struct classic_member *member = classic_member_find(group, request->member_id);
    size_t size_max =
        (size_t)MIN_OF(classic_world(group)->config->group_max_size, LIMIT_CLASSIC_GROUP_MEMBERS);
    switch (classic->state) {
    case CLASSIC_EMPTY:
    case CLASSIC_DEAD:
        return true;
    case CLASSIC_PREPARING:
        return (member != NULL && member->join != NULL) ||
               (size_t)classic->joining_count < size_max;
    case CLASSIC_COMPLETING:
    case CLASSIC_STABLE:
    case CLASSIC_STATE_COUNT:
        break;
    }
    return member != NULL || classic_member_count(classic) < size_max;
}

/* Bounds of our own, for those whom Kafka would accept without end. */
static bool is_overfull(const struct group *group, const struct join_group_request *request)
{
    const struct classic_group *classic = group->classic;
    size_t more = 0;
    for (int32_t i = 0; i < request->protocols_count; i++)
        more += request->protocols[i].name.size + request->protocols[i].metadata.size +
                sizeof(struct classic_protocol);
    return classic->metadata_size + more > LIMIT_CLASSIC_GROUP_METADATA_BYTES ||
           classic->pending.count >= LIMIT_CLASSIC_GROUP_MEMBERS;
}

static void join(struct group *group, struct coord_call *call)
{
    const struct join_group_request *request = request_of(call);
    if (!has_room(group, request)) {
        struct classic_member *member = classic_member_find(group, request->member_id);
        struct classic_pending *pending = classic_pending_find(group, request->member_id);
        if (member != NULL)
            classic_member_remove(member);
        if (pending != NULL)
            classic_pending_remove(pending);
        refuse(group, call, ERR_GROUP_MAX_SIZE_REACHED, slice_of_text(""));
    } else if (is_overfull(group, request)) {
        refuse(group, call, ERR_GROUP_MAX_SIZE_REACHED, slice_of_text(""));
    } else if (request->member_id.size == 0) {
        join_new(group, call);
    } else {
        join_known(group, call);
    }
}

/* A group of the consumer protocol in which nobody is becomes a classic one. */
static struct group *take_over(struct group *group)
{
    group->kind->bury(group);
    return groups_convert(group, GROUP_CLASSIC) ? group : NULL;
}

/* The member id that was asked for is not known where there is no classic group. */
static void refuse_unknown(struct coord_world *world, struct coord_call *call)
{
    struct join_group_response *response = response_new(call, request_of(call)->member_id);
    if (response != NULL)
        response->error_code = ERR_UNKNOWN_MEMBER_ID;
    coord_answer(world, call, response);
}

void groups_join(struct coord_machine *machine, struct coord_call *call)
{
    struct groups *groups = groups_of(machine);
    struct group *group = groups_find(groups, call->key);
    bool is_consumers = group != NULL && group->type == GROUP_CONSUMER;
    if (is_consumers && !group->kind->is_empty(group)) {
        consumer_classic_join(group, call);
        return;
    }
    bool is_new = group == NULL || is_consumers;
    if (is_new && request_of(call)->member_id.size > 0) {
        refuse_unknown(machine->world, call);
        return;
    }
    if (group == NULL)
        group = groups_make(groups, call->key, GROUP_CLASSIC);
    else if (is_consumers)
        group = take_over(group);
    if (group == NULL) {
        coord_refuse(machine->world, call, ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    if (is_new)
        classic_store_empty(group);
    join(group, call);
}
