/* ConsumerGroupHeartbeat: a member joins, says what it has and wants, and hears what it may have,
 * or it leaves. The order of what is looked at and recorded is Kafka's. Everything that can refuse
 * a request is looked at before the first record (C3). On the partition's shard. */
#include "group/consumer_int.h"

#include "base/always.h"
#include "base/prng.h"
#include "config/node.h"
#include "group/consumer_migrate.h"
#include "group/consumer_pattern.h"
#include "wire/msg/consumer_group_heartbeat_request.h"
#include "wire/msg/consumer_group_heartbeat_response.h"

/* A heartbeat on its way. */
struct beat {
    struct groups *groups;
    struct coord_call *call;
    const struct consumer_group_heartbeat_request *request;
    struct consumer_writer writer;
    struct arena arena;              /* scratch */
    struct consumer_group *consumer; /* NULL: it is yet to be made, or to be made one */
    struct slice member_id;
    struct consumer_member *member;   /* NULL: it is yet to be made */
    struct consumer_member *replaced; /* the one of its instance id that it takes the place of */
    struct consumer_parts owned;      /* what it says it has */
    struct consumer_owned told;
    struct consumer_group_member_metadata_value profile; /* as it is to be */
    enum err err;
    const char *message; /* of err */
};

/* ---- answers ---- */

static bool refuse(struct beat *beat, enum err err, const char *message)
{
    beat->err = err;
    beat->message = message;
    return false;
}

#define REFUSE(beat, err, ...) refuse((beat), (err), arena_printf((beat)->call->arena, __VA_ARGS__))

static void answer_error(struct coord_world *world, struct coord_call *call,
                         const struct beat *beat)
{
    struct consumer_group_heartbeat_response *response =
        ARENA_NEW(call->arena, struct consumer_group_heartbeat_response);
    if (response != NULL) {
        *response = consumer_group_heartbeat_response_default;
        response->error_code = (int16_t)beat->err;
        response->error_message = slice_of_text(beat->message);
    }
    coord_answer(world, call, response);
}

/* NULL: memory for it is out. */
static struct consumer_group_heartbeat_response_assignment *assignment_of(
    const struct consumer_parts *parts, struct arena *arena)
{
    struct consumer_group_heartbeat_response_assignment *assignment =
        ARENA_NEW(arena, struct consumer_group_heartbeat_response_assignment);
    struct consumer_group_heartbeat_response_assignment_topic_partitions *topics =
        ARENA_ARRAY(arena, struct consumer_group_heartbeat_response_assignment_topic_partitions,
                    (size_t)consumer_parts_topics(parts) + 1);
    if (assignment == NULL || topics == NULL)
        return NULL;
    *assignment = (struct consumer_group_heartbeat_response_assignment){.topic_partitions = topics};
    for (struct consumer_run run = consumer_parts_run(parts, 0); run.count > 0;
         run = consumer_parts_run(parts, run.first + run.count))
        topics[assignment->topic_partitions_count++] =
            (struct consumer_group_heartbeat_response_assignment_topic_partitions){
                .topic_id = parts->at[run.first].topic,
                .partitions = consumer_run_partitions(arena, parts, run),
                .partitions_count = run.count,
            };
    return arena->failed ? NULL : assignment;
}

static void answer(struct beat *beat, bool with_assignment)
{
    struct coord_world *world = groups_world(beat->groups);
    struct arena *arena = beat->call->arena;
    const struct consumer_member *member = beat->member;
    struct consumer_group_heartbeat_response *response =
        ARENA_NEW(arena, struct consumer_group_heartbeat_response);
    if (response != NULL) {
        *response = consumer_group_heartbeat_response_default;
        response->member_id = arena_copy(arena, member->id);
        response->member_epoch = member->epoch;
        response->heartbeat_interval_ms =
            consumer_heartbeat_interval_ms(beat->groups, beat->call->key);
        if (with_assignment)
            response->assignment = assignment_of(&member->assigned, arena);
    }
    coord_answer(world, beat->call, arena->failed ? NULL : response);
}

/* ---- what can be wrong ---- */

static bool find_group(struct beat *beat)
{
    struct group *group = groups_find(beat->groups, beat->call->key);
    bool joins = beat->request->member_epoch == 0;
    beat->consumer = consumer_of(group);
    if (beat->consumer != NULL || (group == NULL && joins))
        return true;
    if (group == NULL)
        return REFUSE(beat, ERR_GROUP_ID_NOT_FOUND, "Consumer group %.*s not found.",
                      SLICE_ARG(beat->call->key));
    if (!joins)
        return REFUSE(beat, ERR_GROUP_ID_NOT_FOUND, "Group %.*s is not a consumer group.",
                      SLICE_ARG(beat->call->key));
    const char *message = consumer_upgrade_fault(group, beat->call->arena);
    return message == NULL || refuse(beat, ERR_GROUP_ID_NOT_FOUND, message);
}

static int member_count(const struct beat *beat)
{
    if (beat->consumer != NULL)
        return beat->consumer->member_count;
    return consumer_upgrade_size(groups_find(beat->groups, beat->call->key));
}

static struct consumer_member *existing(const struct beat *beat, struct slice id)
{
    struct consumer_member *member =
        beat->consumer != NULL ? consumer_member_find(beat->consumer, id) : NULL;
    return member != NULL && member->exists ? member : NULL;
}

static struct consumer_member *existing_static(const struct beat *beat)
{
    return beat->consumer != NULL
               ? consumer_member_static(beat->consumer, beat->request->instance_id)
               : NULL;
}

static bool check_size(struct beat *beat)
{
    int32_t most = groups_world(beat->groups)->config->group_consumer_max_size;
    struct group *group = groups_find(beat->groups, beat->call->key);
    bool is_in = beat->consumer != NULL
                     ? existing_static(beat) != NULL || existing(beat, beat->member_id) != NULL
                     : consumer_upgrade_has(group, beat->member_id, beat->request->instance_id);
    if (is_in || member_count(beat) < most)
        return true;
    return REFUSE(beat, ERR_GROUP_MAX_SIZE_REACHED,
                  "The consumer group has reached its maximum capacity of %d members.", most);
}

static bool owns_subset(const struct beat *beat, const struct consumer_parts *parts)
{
    if (beat->told.parts == NULL)
        return false;
    for (int i = 0; i < beat->owned.count; i++)
        if (consumer_parts_find(parts, &beat->owned.at[i]) == NULL)
            return false;
    return true;
}

/* An older epoch is that of an answer that was lost, where the member has nothing besides. */
static bool check_epoch(struct beat *beat, const struct consumer_member *member)
{
    int32_t epoch = beat->request->member_epoch;
    if (epoch == 0 || epoch == member->epoch)
        return true;
    bool is_lost_answer = epoch == member->previous_epoch && owns_subset(beat, &member->assigned);
    if (epoch < member->epoch && is_lost_answer)
        return true;
    return REFUSE(beat, ERR_FENCED_MEMBER_EPOCH,
                  "The consumer group member has a %s member epoch (%d) than the one known by the "
                  "group coordinator (%d). The member must abandon all its partitions and rejoin.",
                  epoch > member->epoch ? "greater" : "smaller", epoch, member->epoch);
}

static bool find_dynamic(struct beat *beat)
{
    beat->member = existing(beat, beat->member_id);
    if (beat->member == NULL && beat->request->member_epoch != 0)
        return REFUSE(beat, ERR_UNKNOWN_MEMBER_ID, "Member %.*s is not a member of group %.*s.",
                      SLICE_ARG(beat->member_id), SLICE_ARG(beat->call->key));
    return beat->member == NULL || check_epoch(beat, beat->member);
}

static bool check_not_fenced(struct beat *beat, const struct consumer_member *member)
{
    if (slice_equal(member->id, beat->member_id))
        return true;
    return REFUSE(beat, ERR_FENCED_INSTANCE_ID,
                  "Static member %.*s with instance id %.*s was fenced by member %.*s.",
                  SLICE_ARG(beat->member_id), SLICE_ARG(beat->request->instance_id),
                  SLICE_ARG(member->id));
}

static bool unknown_instance(struct beat *beat)
{
    return REFUSE(beat, ERR_UNKNOWN_MEMBER_ID, "Instance id %.*s is unknown.",
                  SLICE_ARG(beat->request->instance_id));
}

/* A static member comes back as another, unless the one before has not left. */
static bool find_static_joining(struct beat *beat)
{
    struct consumer_member *held = existing_static(beat);
    beat->member = held == NULL ? existing(beat, beat->member_id) : NULL;
    if (held == NULL)
        return true;
    if (!consumer_is_classic(held) && held->epoch != CONSUMER_EPOCH_LEAVES_STATIC)
        return REFUSE(beat, ERR_UNRELEASED_INSTANCE_ID,
                      "Static member %.*s with instance id %.*s cannot join the group because the "
                      "instance id is owned by %.*s member.",
                      SLICE_ARG(beat->member_id), SLICE_ARG(beat->request->instance_id),
                      SLICE_ARG(held->id));
    beat->replaced = held;
    return true;
}

static bool find_static(struct beat *beat)
{
    if (beat->request->member_epoch == 0)
        return find_static_joining(beat);
    beat->member = existing_static(beat);
    if (beat->member == NULL)
        return unknown_instance(beat);
    return check_not_fenced(beat, beat->member) && check_epoch(beat, beat->member);
}

/* What it says replaces what was known of it, where it says something. */
static void make_profile(struct beat *beat)
{
    const struct consumer_group_heartbeat_request *request = beat->request;
    const struct consumer_member *known = beat->member != NULL ? beat->member : beat->replaced;
    struct consumer_group_member_metadata_value profile =
        known != NULL ? known->profile : consumer_profile_blank();
    if (!slice_is_null(request->instance_id))
        profile.instance_id = request->instance_id;
    if (!slice_is_null(request->rack_id))
        profile.rack_id = request->rack_id;
    if (request->rebalance_timeout_ms != -1)
        profile.rebalance_timeout_ms = request->rebalance_timeout_ms;
    if (!slice_is_null(request->server_assignor))
        profile.server_assignor = request->server_assignor;
    if (request->subscribed_topic_names_count >= 0) {
        int count = request->subscribed_topic_names_count;
        struct slice *names = CONSUMER_ARRAY(&beat->arena, struct slice, count);
        if (count > 0)
            memcpy(names, request->subscribed_topic_names, (size_t)count * sizeof *names);
        profile.subscribed_topic_names = names;
        profile.subscribed_topic_names_count = consumer_names_sort(names, count);
    }
    if (!slice_is_null(request->subscribed_topic_regex))
        profile.subscribed_topic_regex = request->subscribed_topic_regex;
    profile.client_id =
        slice_is_null(beat->call->client.id) ? slice_of_text("") : beat->call->client.id;
    profile.client_host = beat->call->client.host;
    profile.classic_member_metadata = NULL;
    beat->profile = profile;
}

static struct slice known_pattern(const struct beat *beat)
{
    const struct consumer_member *known = beat->member != NULL ? beat->member : beat->replaced;
    return known != NULL ? known->profile.subscribed_topic_regex : slice_of_text("");
}

/* One that others have is good already. */
static bool check_pattern(struct beat *beat)
{
    struct slice text = beat->profile.subscribed_topic_regex;
    if (consumer_no_pattern(text) || consumer_text_same(text, known_pattern(beat)))
        return true;
    const struct consumer_pattern *known =
        beat->consumer != NULL ? consumer_pattern_find(beat->consumer, text) : NULL;
    if (known != NULL && known->member_count > 0)
        return true;
    const char *fault = consumer_pattern_fault(text, beat->call->arena);
    if (fault == NULL)
        return true;
    return REFUSE(beat, ERR_INVALID_REGULAR_EXPRESSION,
                  "SubscribedTopicRegex `%.*s` is not a valid regular expression: %s.",
                  SLICE_ARG(text), fault);
}

static bool check_state(struct beat *beat)
{
    bool is_unknown = beat->member != NULL && beat->member->state == CONSUMER_MEMBER_UNKNOWN;
    if (!is_unknown || (beat->told.parts != NULL && beat->owned.count == 0))
        return true;
    return REFUSE(
        beat, ERR_FENCED_MEMBER_EPOCH,
        "The consumer group member is in a unknown state. The member must abandon all its "
        "partitions and rejoin.");
}

static bool check(struct beat *beat)
{
    if (!find_group(beat) || !check_size(beat))
        return false;
    if (beat->member_id.size == 0)
        beat->member_id = consumer_new_member_id(groups_world(beat->groups), beat->call->arena);
    bool found = slice_is_null(beat->request->instance_id) ? find_dynamic(beat) : find_static(beat);
    if (!found)
        return false;
    make_profile(beat);
    return check_pattern(beat) && check_state(beat);
}

/* ---- what it changes ---- */

/* Records have made the group and the member. */
static void find_again(struct beat *beat)
{
    beat->member = consumer_member_recorded(&beat->writer, beat->member_id);
    beat->consumer = beat->member->group;
}

static bool is_full_request(const struct consumer_group_heartbeat_request *request)
{
    return request->rebalance_timeout_ms != -1 && request->topic_partitions_count >= 0 &&
           (request->subscribed_topic_names_count >= 0 ||
            !slice_is_null(request->subscribed_topic_regex));
}

/* The group is one of this protocol from here, and the member's entry is its own. */
static void settle(struct beat *beat)
{
    if (beat->consumer == NULL && groups_find(beat->groups, beat->call->key) != NULL) {
        consumer_upgrade(&beat->writer);
        beat->consumer = consumer_of(groups_find(beat->groups, beat->call->key));
        bool found = slice_is_null(beat->request->instance_id) ? find_dynamic(beat)
                                                               : find_static_joining(beat);
        ALWAYS(found, "a classic member is not let in: %s", beat->message);
    }
    if (beat->replaced != NULL) {
        consumer_member_replace(beat->replaced, beat->member_id, &beat->writer);
        find_again(beat);
    }
    make_profile(beat);
}

static void run(struct beat *beat)
{
    settle(beat);
    struct consumer_change change =
        consumer_member_update(beat->member_id, &beat->profile, &beat->writer);
    find_again(beat);
    consumer_patterns_consider(beat->consumer);
    consumer_update_epoch(
        beat->consumer, change.names || change.pattern_resolved || change.assignor, &beat->writer);
    consumer_update_target(beat->consumer, &beat->writer);
    beat->told.subscription_changed = change.names || change.pattern;
    bool changed = consumer_reconcile(beat->member, &beat->told, &beat->writer);
    consumer_session_start(beat->member,
                           consumer_session_timeout_ms(beat->groups, beat->call->key));
    answer(beat, beat->request->member_epoch == 0 || is_full_request(beat->request) || changed);
}

/* ---- leaving ---- */

static void answer_left(const struct beat *beat, struct slice member_id)
{
    struct consumer_group_heartbeat_response *response =
        ARENA_NEW(beat->call->arena, struct consumer_group_heartbeat_response);
    if (response != NULL) {
        *response = consumer_group_heartbeat_response_default;
        response->member_id = member_id;
        response->member_epoch = beat->request->member_epoch;
    }
    coord_answer(groups_world(beat->groups), beat->call, response);
}

static bool find_leaving(struct beat *beat)
{
    struct group *group = groups_find(beat->groups, beat->call->key);
    beat->consumer = consumer_of(group);
    if (group == NULL)
        return REFUSE(beat, ERR_GROUP_ID_NOT_FOUND, "Group %.*s not found.",
                      SLICE_ARG(beat->call->key));
    if (beat->consumer == NULL)
        return REFUSE(beat, ERR_GROUP_ID_NOT_FOUND, "Group %.*s is not a consumer group.",
                      SLICE_ARG(beat->call->key));
    if (slice_is_null(beat->request->instance_id)) {
        beat->member = existing(beat, beat->member_id);
        return beat->member != NULL ||
               REFUSE(beat, ERR_UNKNOWN_MEMBER_ID, "Member %.*s is not a member of group %.*s.",
                      SLICE_ARG(beat->member_id), SLICE_ARG(beat->call->key));
    }
    beat->member = existing_static(beat);
    return beat->member != NULL ? check_not_fenced(beat, beat->member) : unknown_instance(beat);
}

/* It comes back before its session ends, as another member of the same instance id: nothing moves
 * meanwhile. */
static void leave_for_a_while(struct beat *beat)
{
    struct consumer_member *member = beat->member;
    struct consumer_current current = {
        .epoch = CONSUMER_EPOCH_LEAVES_STATIC,
        .previous_epoch = member->previous_epoch,
        .state = member->state,
        .assigned = consumer_parts_room(&beat->arena, member->assigned.count),
    };
    consumer_parts_append(&current.assigned, &member->assigned);
    for (int i = 0; i < current.assigned.count; i++)
        current.assigned.at[i].epoch = 0;
    consumer_put_current(&beat->writer, member->id, &current);
}

static void leave(struct beat *beat)
{
    if (beat->request->member_epoch == CONSUMER_EPOCH_LEAVES_STATIC)
        leave_for_a_while(beat);
    else
        consumer_fence(beat->consumer, &(struct consumer_leavers){.at = &beat->member, .count = 1},
                       &beat->writer);
    answer_left(beat, beat->member_id);
}

/* ---- the operation ---- */

static void read_owned(struct beat *beat)
{
    const struct consumer_group_heartbeat_request *request = beat->request;
    if (request->topic_partitions_count < 0)
        return;
    int count = 0;
    for (int i = 0; i < request->topic_partitions_count; i++)
        count += request->topic_partitions[i].partitions_count;
    beat->owned = consumer_parts_room(&beat->arena, count);
    for (int i = 0; i < request->topic_partitions_count; i++)
        for (int j = 0; j < request->topic_partitions[i].partitions_count; j++)
            beat->owned.at[beat->owned.count++] = (struct consumer_part){
                .topic = request->topic_partitions[i].topic_id,
                .partition = request->topic_partitions[i].partitions[j],
            };
    consumer_parts_sort(&beat->owned);
    beat->told.parts = &beat->owned;
}

struct slice consumer_new_member_id(struct coord_world *world, struct arena *arena)
{
    uint8_t random[16];
    struct uuid id;
    do
        prng_fill(world->prng, random, sizeof random);
    while (!uuid_from_random(random, &id));
    char text[UUID_TEXT_SIZE];
    uuid_format(id, text);
    return arena_copy(arena, slice_of_text(text));
}

void groups_consumer_heartbeat(struct coord_machine *machine, struct coord_call *call)
{
    struct groups *groups = groups_of(machine);
    struct beat beat = {.groups = groups, .call = call, .request = call->request};
    arena_init(&beat.arena, SIZE_MAX / 2);
    beat.writer =
        (struct consumer_writer){.groups = groups, .group_id = call->key, .arena = &beat.arena};
    beat.member_id = beat.request->member_id;
    read_owned(&beat);
    bool leaves = beat.request->member_epoch < 0;
    bool fine = leaves ? find_leaving(&beat) : check(&beat);
    if (!fine)
        answer_error(groups_world(groups), call, &beat);
    else if (leaves)
        leave(&beat);
    else
        run(&beat);
    arena_fini(&beat.arena);
}
