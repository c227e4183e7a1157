/* Classic clients in groups of the consumer protocol (KIP-848): their JoinGroup is a heartbeat that
 * changes something, SyncGroup tells what they have, Heartbeat that they have to join again to move
 * on, LeaveGroup that they go. Nobody waits for the others here. On the partition's shard. */
#include "group/consumer_migrate.h"

#include "base/always.h"
#include "config/node.h"
#include "group/consumer_pattern.h"
#include "group/consumer_protocol.h"
#include "wire/msg/heartbeat_request.h"
#include "wire/msg/heartbeat_response.h"
#include "wire/msg/join_group_request.h"
#include "wire/msg/join_group_response.h"
#include "wire/msg/leave_group_request.h"
#include "wire/msg/leave_group_response.h"
#include "wire/msg/sync_group_request.h"
#include "wire/msg/sync_group_response.h"

#define PROTOCOL_TYPE "consumer"
#define VERSION_KNOWN_ID 4

/* ---- JoinGroup: what can be wrong ---- */

struct entry {
    struct consumer_group *consumer;
    struct coord_call *call;
    const struct join_group_request *request;
    struct consumer_writer writer;
    struct arena arena;
    struct slice member_id;
    struct consumer_member *member;   /* NULL: it is new */
    struct consumer_member *replaced; /* of the same instance id */
    bool downgrades;
    struct consumer_protocol_subscription subscription;
    struct consumer_group_member_metadata_value profile;
};

static struct consumer_member *existing(const struct consumer_group *consumer, struct slice id)
{
    struct consumer_member *member = consumer_member_find(consumer, id);
    return member != NULL && member->exists ? member : NULL;
}

static enum err check_size(const struct entry *entry)
{
    const struct consumer_group *consumer = entry->consumer;
    bool is_in = consumer_member_static(consumer, entry->request->group_instance_id) != NULL ||
                 existing(consumer, entry->member_id) != NULL;
    bool has_room =
        is_in || consumer->member_count < consumer_world(consumer)->config->group_consumer_max_size;
    return has_room ? ERR_NONE : ERR_GROUP_MAX_SIZE_REACHED;
}

static int count_speakers(const struct consumer_group *consumer, struct slice protocol)
{
    int count = 0;
    struct consumer_member *member = NULL;
    while ((member = consumer_member_next(consumer, member)) != NULL) {
        const struct consumer_group_member_metadata_value_classic_member_metadata *classic =
            member->profile.classic_member_metadata;
        for (int32_t i = 0; classic != NULL && i < classic->supported_protocols_count; i++)
            count += slice_equal(classic->supported_protocols[i].name, protocol);
    }
    return count;
}

/* One protocol that all classic members speak. */
static enum err check_protocols(const struct entry *entry)
{
    if (!slice_is(entry->request->protocol_type, PROTOCOL_TYPE))
        return ERR_INCONSISTENT_GROUP_PROTOCOL;
    for (int32_t i = 0; i < entry->request->protocols_count; i++)
        if (count_speakers(entry->consumer, entry->request->protocols[i].name) ==
            entry->consumer->classic_count)
            return ERR_NONE;
    return ERR_INCONSISTENT_GROUP_PROTOCOL;
}

static enum err find_static(struct entry *entry, bool is_unknown)
{
    struct consumer_member *held =
        consumer_member_static(entry->consumer, entry->request->group_instance_id);
    if (is_unknown) {
        entry->replaced = held;
        return ERR_NONE;
    }
    if (held == NULL)
        return ERR_UNKNOWN_MEMBER_ID;
    entry->member = held;
    return slice_equal(held->id, entry->member_id) ? ERR_NONE : ERR_FENCED_INSTANCE_ID;
}

static enum err find_member(struct entry *entry, bool is_unknown)
{
    struct slice instance_id = entry->request->group_instance_id;
    entry->member = existing(entry->consumer, entry->member_id);
    if (slice_is_null(instance_id))
        return ERR_NONE;
    enum err err = find_static(entry, is_unknown);
    entry->downgrades = consumer_may_downgrade_by(
        entry->consumer, consumer_member_static(entry->consumer, instance_id));
    return err;
}

static enum err check(struct entry *entry)
{
    bool is_unknown = entry->request->member_id.size == 0;
    if (consumer_migration_is_disabled(consumer_world(entry->consumer)->config))
        return ERR_INCONSISTENT_GROUP_PROTOCOL;
    enum err err = check_size(entry);
    if (err == ERR_NONE)
        err = check_protocols(entry);
    bool has_to_know = is_unknown && slice_is_null(entry->request->group_instance_id) &&
                       entry->call->api_version >= VERSION_KNOWN_ID;
    if (err == ERR_NONE && has_to_know)
        err = ERR_MEMBER_ID_REQUIRED;
    if (err == ERR_NONE)
        err = find_member(entry, is_unknown);
    if (err == ERR_NONE && !consumer_read_subscription(entry->request->protocols[0].metadata,
                                                       &entry->arena, &entry->subscription))
        err = ERR_INCONSISTENT_GROUP_PROTOCOL;
    if (err == ERR_NONE && entry->member != NULL &&
        entry->member->state == CONSUMER_MEMBER_UNKNOWN &&
        entry->subscription.owned_partitions_count > 0)
        err = ERR_FENCED_MEMBER_EPOCH;
    return err;
}

/* ---- JoinGroup: what it changes ---- */

static void set_protocols(struct entry *entry, struct consumer_group_member_metadata_value *profile)
{
    const struct join_group_request *request = entry->request;
    struct consumer_group_member_metadata_value_classic_member_metadata *classic = CONSUMER_NEW(
        &entry->arena, struct consumer_group_member_metadata_value_classic_member_metadata);
    classic->session_timeout_ms = request->session_timeout_ms;
    classic->supported_protocols = CONSUMER_ARRAY(
        &entry->arena,
        struct consumer_group_member_metadata_value_classic_member_metadata_supported_protocols,
        request->protocols_count);
    for (int32_t i = 0; i < request->protocols_count; i++) {
        classic->supported_protocols[i].name = request->protocols[i].name;
        classic->supported_protocols[i].metadata = request->protocols[i].metadata;
    }
    classic->supported_protocols_count = request->protocols_count;
    profile->classic_member_metadata = classic;
}

static void make_profile(struct entry *entry)
{
    const struct join_group_request *request = entry->request;
    struct consumer_group_member_metadata_value profile =
        entry->member != NULL ? entry->member->profile : consumer_profile_blank();
    if (!slice_is_null(request->group_instance_id))
        profile.instance_id = request->group_instance_id;
    if (entry->subscription.rack_id.size > 0)
        profile.rack_id = entry->subscription.rack_id;
    if (request->rebalance_timeout_ms != -1)
        profile.rebalance_timeout_ms = request->rebalance_timeout_ms;
    int count = MAX_OF(entry->subscription.topics_count, 0);
    struct slice *names = CONSUMER_ARRAY(&entry->arena, struct slice, count);
    if (count > 0)
        memcpy(names, entry->subscription.topics, (size_t)count * sizeof *names);
    profile.subscribed_topic_names = names;
    profile.subscribed_topic_names_count = consumer_names_sort(names, count);
    profile.subscribed_topic_regex = slice_of_text("");
    profile.client_id =
        slice_is_null(entry->call->client.id) ? slice_of_text("") : entry->call->client.id;
    profile.client_host = entry->call->client.host;
    set_protocols(entry, &profile);
    entry->profile = profile;
}

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

static struct join_group_response *accepted(const struct entry *entry)
{
    struct join_group_response *response = response_new(entry->call, entry->member_id);
    if (response == NULL)
        return NULL;
    response->generation_id = entry->member->epoch;
    response->protocol_type = slice_of_text(PROTOCOL_TYPE);
    response->protocol_name = entry->request->protocols[0].name;
    return response;
}

static void start_timers(const struct entry *entry)
{
    struct coord_world *world = consumer_world(entry->consumer);
    coord_timer_stop(world, &entry->member->join);
    consumer_session_start(entry->member, entry->request->session_timeout_ms);
    coord_timer_start(world, &entry->member->sync, entry->request->rebalance_timeout_ms);
}

/* The response is made before a downgrade, which ends the member. */
static struct join_group_response *run(struct entry *entry)
{
    int32_t epoch_before = entry->consumer->epoch;
    if (entry->replaced != NULL) {
        consumer_member_replace(entry->replaced, entry->member_id, &entry->writer);
        entry->member = consumer_member_recorded(&entry->writer, entry->member_id);
    }
    make_profile(entry);
    struct consumer_change change =
        consumer_member_update(entry->member_id, &entry->profile, &entry->writer);
    entry->member = consumer_member_recorded(&entry->writer, entry->member_id);
    consumer_patterns_consider(entry->consumer);
    bool bumps = change.names || change.pattern;
    consumer_update_epoch(entry->consumer, bumps, &entry->writer);
    if (!entry->downgrades)
        consumer_update_target(entry->consumer, &entry->writer);
    bool rebalances =
        entry->downgrades && entry->consumer->assignment_epoch < entry->consumer->epoch;
    struct consumer_parts owned = consumer_owned_of(
        &entry->subscription, consumer_world(entry->consumer)->image, &entry->arena);
    if (!rebalances)
        (void)consumer_reconcile(
            entry->member, &(struct consumer_owned){.parts = &owned, .subscription_changed = bumps},
            &entry->writer);
    struct join_group_response *response = accepted(entry);
    if (entry->downgrades)
        consumer_downgrade(entry->consumer,
                           &(struct consumer_downgrade){.leavers = &(struct consumer_leavers){0},
                                                        .generation = epoch_before,
                                                        .rebalances = rebalances},
                           &entry->writer);
    else
        start_timers(entry);
    return response;
}

static void refuse_join(struct entry *entry, enum err err)
{
    struct coord_world *world = consumer_world(entry->consumer);
    if (err != ERR_MEMBER_ID_REQUIRED) {
        coord_refuse(world, entry->call, err);
        return;
    }
    struct join_group_response *response = response_new(entry->call, entry->member_id);
    if (response != NULL)
        response->error_code = ERR_MEMBER_ID_REQUIRED;
    coord_answer(world, entry->call, response);
}

void consumer_classic_join(struct group *group, struct coord_call *call)
{
    struct coord_world *world = groups_world(group->groups);
    struct entry entry = {.consumer = group->consumer, .call = call, .request = call->request};
    arena_init(&entry.arena, SIZE_MAX / 2);
    entry.writer = (struct consumer_writer){
        .groups = group->groups, .group_id = call->key, .arena = &entry.arena};
    entry.member_id = entry.request->member_id.size > 0
                          ? entry.request->member_id
                          : consumer_new_member_id(world, call->arena);
    enum err err = check(&entry);
    if (err != ERR_NONE)
        refuse_join(&entry, err);
    else
        coord_answer(world, call, run(&entry));
    arena_fini(&entry.arena);
}

/* ---- SyncGroup and Heartbeat ---- */

struct identity {
    struct slice member_id;
    struct slice instance_id;
    int32_t generation;
};

/* NULL: *ret_err says why. */
static struct consumer_member *identify(const struct group *group, const struct identity *who,
                                        enum err *ret_err)
{
    const struct consumer_group *consumer = group->consumer;
    struct consumer_member *member = slice_is_null(who->instance_id)
                                         ? existing(consumer, who->member_id)
                                         : consumer_member_static(consumer, who->instance_id);
    *ret_err = ERR_NONE;
    if (member == NULL)
        *ret_err = ERR_UNKNOWN_MEMBER_ID;
    else if (!slice_is_null(who->instance_id) && !slice_equal(member->id, who->member_id))
        *ret_err = ERR_FENCED_INSTANCE_ID;
    else if (!consumer_is_classic(member))
        *ret_err = ERR_UNKNOWN_MEMBER_ID;
    else if (member->epoch != who->generation)
        *ret_err = ERR_ILLEGAL_GENERATION;
    return *ret_err == ERR_NONE ? member : NULL;
}

static void expect_join(struct consumer_member *member)
{
    if (!shard_timer_is_running(&member->join))
        coord_timer_start(consumer_world(member->group), &member->join,
                          member->profile.rebalance_timeout_ms);
}

static void keep_session(struct consumer_member *member)
{
    consumer_session_start(member, member->profile.classic_member_metadata->session_timeout_ms);
}

static enum err check_sync(struct consumer_member *member, const struct sync_group_request *request)
{
    const struct consumer_group_member_metadata_value_classic_member_metadata *classic =
        member->profile.classic_member_metadata;
    bool fits = (slice_is_null(request->protocol_type) ||
                 slice_is(request->protocol_type, PROTOCOL_TYPE)) &&
                (slice_is_null(request->protocol_name) ||
                 (classic->supported_protocols_count > 0 &&
                  slice_equal(classic->supported_protocols[0].name, request->protocol_name)));
    if (!fits)
        return ERR_INCONSISTENT_GROUP_PROTOCOL;
    if (member->group->assignment_epoch <= member->epoch ||
        member->state == CONSUMER_MEMBER_UNREVOKED_PARTITIONS)
        return ERR_NONE;
    expect_join(member);
    return ERR_REBALANCE_IN_PROGRESS;
}

static struct sync_group_response *synced(const struct consumer_member *member,
                                          struct coord_call *call)
{
    const struct sync_group_request *request = call->request;
    const struct consumer_group_member_metadata_value_classic_member_metadata *classic =
        member->profile.classic_member_metadata;
    struct slice subscription = classic->supported_protocols_count > 0
                                    ? classic->supported_protocols[0].metadata
                                    : (struct slice){0};
    struct sync_group_response *response = ARENA_NEW(call->arena, struct sync_group_response);
    if (response == NULL)
        return NULL;
    *response = sync_group_response_default;
    response->protocol_type = request->protocol_type;
    response->protocol_name = request->protocol_name;
    response->assignment = consumer_write_assignment(
        &member->assigned, consumer_world(member->group)->image, subscription, call->arena);
    return slice_is_null(response->assignment) ? NULL : response;
}

void consumer_classic_sync(struct group *group, struct coord_call *call)
{
    const struct sync_group_request *request = call->request;
    struct coord_world *world = groups_world(group->groups);
    struct identity who = {request->member_id, request->group_instance_id, request->generation_id};
    enum err err;
    struct consumer_member *member = identify(group, &who, &err);
    if (member != NULL)
        err = check_sync(member, request);
    if (member == NULL || err != ERR_NONE) {
        coord_refuse(world, call, err);
        return;
    }
    coord_timer_stop(world, &member->sync);
    keep_session(member);
    coord_answer(world, call, synced(member, call));
}

/* What its target gives it, and it has not yet, is another's still. */
static bool waits_for_others(const struct consumer_member *member)
{
    for (int i = 0; i < member->target.count; i++) {
        const struct consumer_part *part = &member->target.at[i];
        if (consumer_parts_find(&member->assigned, part) == NULL &&
            consumer_owner_epoch(member->group, part) != CONSUMER_NO_OWNER)
            return true;
    }
    return false;
}

static bool has_to_join(const struct consumer_member *member)
{
    return member->epoch < member->group->assignment_epoch ||
           member->state == CONSUMER_MEMBER_UNREVOKED_PARTITIONS ||
           (member->state == CONSUMER_MEMBER_UNRELEASED_PARTITIONS && !waits_for_others(member));
}

void consumer_classic_heartbeat(struct group *group, struct coord_call *call)
{
    const struct heartbeat_request *request = call->request;
    struct coord_world *world = groups_world(group->groups);
    struct identity who = {request->member_id, request->group_instance_id, request->generation_id};
    enum err err;
    struct consumer_member *member = identify(group, &who, &err);
    if (member == NULL) {
        coord_refuse(world, call, err);
        return;
    }
    keep_session(member);
    if (has_to_join(member)) {
        expect_join(member);
        coord_refuse(world, call, ERR_REBALANCE_IN_PROGRESS);
        return;
    }
    coord_answer(world, call, ARENA_NEW(call->arena, struct heartbeat_response));
}

/* ---- LeaveGroup ---- */

static enum err find_leaving(const struct consumer_group *consumer,
                             const struct leave_group_request_members *from,
                             struct consumer_member **ret_member)
{
    *ret_member = slice_is_null(from->group_instance_id)
                      ? existing(consumer, from->member_id)
                      : consumer_member_static(consumer, from->group_instance_id);
    if (*ret_member == NULL)
        return ERR_UNKNOWN_MEMBER_ID;
    bool is_fenced = !slice_is_null(from->group_instance_id) && from->member_id.size > 0 &&
                     !slice_equal((*ret_member)->id, from->member_id);
    return is_fenced ? ERR_FENCED_INSTANCE_ID : ERR_NONE;
}

static void add_leaver(struct consumer_leavers *leavers, struct consumer_member *member)
{
    for (int i = 0; i < leavers->count; i++)
        if (leavers->at[i] == member)
            return;
    leavers->at[leavers->count++] = member;
}

static struct leave_group_response *left(struct consumer_group *consumer, struct coord_call *call,
                                         struct consumer_leavers *leavers)
{
    const struct leave_group_request *request = call->request;
    int32_t count = MAX_OF(request->members_count, 0);
    struct leave_group_response *response = ARENA_NEW(call->arena, struct leave_group_response);
    struct leave_group_response_members *members =
        ARENA_ARRAY(call->arena, struct leave_group_response_members, (size_t)count + 1);
    if (response == NULL || members == NULL)
        return NULL;
    *response = leave_group_response_default;
    response->members = members;
    response->members_count = count;
    for (int32_t i = 0; i < count; i++) {
        struct consumer_member *member;
        enum err err = find_leaving(consumer, &request->members[i], &member);
        members[i].member_id = request->members[i].member_id;
        members[i].group_instance_id = request->members[i].group_instance_id;
        members[i].error_code = (int16_t)err;
        if (err == ERR_NONE)
            add_leaver(leavers, member);
    }
    return response;
}

void consumer_classic_leave(struct group *group, struct coord_call *call)
{
    const struct leave_group_request *request = call->request;
    struct coord_world *world = groups_world(group->groups);
    struct arena arena;
    arena_init(&arena, SIZE_MAX / 2);
    struct consumer_writer writer = {
        .groups = group->groups, .group_id = call->key, .arena = &arena};
    struct consumer_leavers leavers = {
        .at = CONSUMER_ARRAY(&arena, struct consumer_member *, MAX_OF(request->members_count, 0))};
    struct leave_group_response *response = left(group->consumer, call, &leavers);
    if (response != NULL)
        consumer_fence(group->consumer, &leavers, &writer);
    coord_answer(world, call, response);
    arena_fini(&arena);
}
