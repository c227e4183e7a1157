/* ConsumerGroupDescribe: a group and its members, with what they have and what they should have. On
 * the partition's shard. */
#include "group/consumer_int.h"

#include "meta/image.h"
#include "wire/msg/consumer_group_describe_response.h"

#define MEMBER_CLASSIC 0
#define MEMBER_CONSUMER 1

/* What is described, and where to. */
struct description {
    const struct consumer_group *consumer;
    const struct meta_image *image;
    struct arena *arena;   /* of the answer */
    struct arena *scratch; /* without a limit */
};

/* Topics that are gone have no name to be told by. */
static void describe_assigned(
    const struct description *about, const struct consumer_parts *parts,
    struct consumer_group_describe_response_groups_members_assignment *ret_assignment)
{
    ret_assignment->topic_partitions = ARENA_ARRAY(
        about->arena,
        struct consumer_group_describe_response_groups_members_assignment_topic_partitions,
        (size_t)consumer_parts_topics(parts) + 1);
    ret_assignment->topic_partitions_count = 0;
    if (ret_assignment->topic_partitions == NULL)
        return;
    for (struct consumer_run run = consumer_parts_run(parts, 0); run.count > 0;
         run = consumer_parts_run(parts, run.first + run.count)) {
        const struct meta_topic *topic = meta_topic_by_id(about->image, parts->at[run.first].topic);
        if (topic == NULL)
            continue;
        ret_assignment->topic_partitions[ret_assignment->topic_partitions_count++] =
            (struct consumer_group_describe_response_groups_members_assignment_topic_partitions){
                .topic_id = topic->id,
                .topic_name = arena_copy(about->arena, topic->name),
                .partitions = consumer_run_partitions(about->arena, parts, run),
                .partitions_count = run.count,
            };
    }
}

static void describe_target(
    const struct description *about, const struct consumer_parts *parts,
    struct consumer_group_describe_response_groups_members_target_assignment *ret_assignment)
{
    struct consumer_group_describe_response_groups_members_assignment same;
    describe_assigned(about, parts, &same);
    ret_assignment->topic_partitions = ARENA_ARRAY(
        about->arena,
        struct consumer_group_describe_response_groups_members_target_assignment_topic_partitions,
        (size_t)same.topic_partitions_count + 1);
    ret_assignment->topic_partitions_count = 0;
    if (ret_assignment->topic_partitions == NULL)
        return;
    for (int i = 0; i < same.topic_partitions_count; i++)
        ret_assignment->topic_partitions[i] =
            (struct
             consumer_group_describe_response_groups_members_target_assignment_topic_partitions){
                .topic_id = same.topic_partitions[i].topic_id,
                .topic_name = same.topic_partitions[i].topic_name,
                .partitions = same.topic_partitions[i].partitions,
                .partitions_count = same.topic_partitions[i].partitions_count,
            };
    ret_assignment->topic_partitions_count = same.topic_partitions_count;
}

/* What it still has to let go it has. */
static void describe_member(const struct description *about, const struct consumer_member *member,
                            struct consumer_group_describe_response_groups_members *ret_member)
{
    const struct consumer_group_member_metadata_value *profile = &member->profile;
    struct consumer_parts has =
        consumer_parts_room(about->scratch, member->assigned.count + member->revoking.count);
    consumer_parts_append(&has, &member->assigned);
    consumer_parts_append(&has, &member->revoking);
    consumer_parts_sort(&has);
    int count = profile->subscribed_topic_names_count;
    struct slice *names = ARENA_ARRAY(about->arena, struct slice, (size_t)count + 1);
    for (int i = 0; names != NULL && i < count; i++)
        names[i] = arena_copy(about->arena, profile->subscribed_topic_names[i]);
    *ret_member = (struct consumer_group_describe_response_groups_members){
        .member_id = arena_copy(about->arena, member->id),
        .instance_id = arena_copy(about->arena, profile->instance_id),
        .rack_id = arena_copy(about->arena, profile->rack_id),
        .member_epoch = member->epoch,
        .client_id = arena_copy(about->arena, profile->client_id),
        .client_host = arena_copy(about->arena, profile->client_host),
        .subscribed_topic_names = names,
        .subscribed_topic_names_count = names != NULL ? count : 0,
        .subscribed_topic_regex = arena_copy(about->arena, profile->subscribed_topic_regex),
        .member_type = consumer_is_classic(member) ? MEMBER_CLASSIC : MEMBER_CONSUMER,
    };
    describe_assigned(about, &has, &ret_member->assignment);
    describe_target(about, &member->target, &ret_member->target_assignment);
}

static void describe_group(const struct description *about,
                           struct consumer_group_describe_response_groups *group)
{
    const struct consumer_group *consumer = about->consumer;
    group->group_state = slice_of_text(consumer->group->kind->state_name(consumer->group));
    group->group_epoch = consumer->epoch;
    group->assignment_epoch = consumer->assignment_epoch;
    group->assignor_name = arena_copy(about->arena, consumer_assignor(consumer));
    group->members =
        ARENA_ARRAY(about->arena, struct consumer_group_describe_response_groups_members,
                    (size_t)consumer->member_count + 1);
    if (group->members == NULL)
        return;
    struct consumer_member **members = consumer_members_sorted(consumer, about->scratch);
    for (int i = 0; i < consumer->member_count; i++)
        describe_member(about, members[i], &group->members[i]);
    group->members_count = consumer->member_count;
}

static const char *missing(const struct group *group, struct coord_call *call)
{
    return group == NULL ? arena_printf(call->arena, "Group %.*s not found.", SLICE_ARG(call->key))
                         : arena_printf(call->arena, "Group %.*s is not a consumer group.",
                                        SLICE_ARG(call->key));
}

void groups_consumer_describe(struct coord_machine *machine, struct coord_call *call)
{
    struct groups *groups = groups_of(machine);
    struct group *group = groups_find(groups, call->key);
    struct consumer_group_describe_response_groups *response =
        ARENA_NEW(call->arena, struct consumer_group_describe_response_groups);
    if (response != NULL) {
        struct arena scratch;
        arena_init(&scratch, SIZE_MAX / 2);
        *response = consumer_group_describe_response_groups_default;
        response->group_id = call->key;
        struct description about = {.consumer = consumer_of(group),
                                    .image = groups_world(groups)->image,
                                    .arena = call->arena,
                                    .scratch = &scratch};
        if (about.consumer != NULL) {
            describe_group(&about, response);
        } else {
            response->error_code = ERR_GROUP_ID_NOT_FOUND;
            response->error_message = slice_of_text(missing(group, call));
        }
        arena_fini(&scratch);
    }
    coord_answer(groups_world(groups), call, call->arena->failed ? NULL : response);
}
