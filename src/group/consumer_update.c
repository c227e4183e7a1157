/* What a request changes of a member before anything is assigned: what it says of itself, and a
 * static member that takes the place of the one before. On the partition's shard. */
#include "group/consumer_int.h"

#include "base/always.h"
#include "group/consumer_pattern.h"

struct consumer_member *consumer_member_recorded(const struct consumer_writer *writer,
                                                 struct slice id)
{
    struct consumer_group *consumer = consumer_of(groups_find(writer->groups, writer->group_id));
    ALWAYS(consumer != NULL, "the group %.*s was recorded", SLICE_ARG(writer->group_id));
    struct consumer_member *member = consumer_member_find(consumer, id);
    ALWAYS(member != NULL && member->exists, "the member %.*s was recorded", SLICE_ARG(id));
    return member;
}

void consumer_member_replace(struct consumer_member *old, struct slice id,
                             const struct consumer_writer *writer)
{
    struct consumer_group_member_metadata_value profile;
    (void)consumer_profile_copy(&old->profile, writer->arena, &profile);
    struct consumer_parts target = consumer_parts_room(writer->arena, old->target.count);
    struct consumer_current current = {
        .state = old->state,
        .assigned = consumer_parts_room(writer->arena, old->assigned.count),
        .revoking = consumer_parts_room(writer->arena, old->revoking.count),
    };
    consumer_parts_append(&target, &old->target);
    consumer_parts_append(&current.assigned, &old->assigned);
    consumer_parts_append(&current.revoking, &old->revoking);
    consumer_bury_member(writer, old->id);
    consumer_put_profile(writer, id, &profile);
    consumer_put_target(writer, id, &target);
    consumer_put_current(writer, id, &current);
}

/* The member as it was, in the arena; one that is new has said nothing. */
static struct consumer_group_member_metadata_value known_of(const struct consumer_member *member,
                                                            struct arena *arena)
{
    struct consumer_group_member_metadata_value known = consumer_profile_blank();
    if (member != NULL)
        (void)consumer_profile_copy(&member->profile, arena, &known);
    return known;
}

struct consumer_change consumer_member_update(
    struct slice id, const struct consumer_group_member_metadata_value *profile,
    const struct consumer_writer *writer)
{
    struct consumer_change change = {0};
    const struct consumer_group *consumer =
        consumer_of(groups_find(writer->groups, writer->group_id));
    const struct consumer_member *member =
        consumer != NULL ? consumer_member_find(consumer, id) : NULL;
    if (member != NULL && !member->exists)
        member = NULL;
    if (member != NULL && consumer_profile_same(&member->profile, profile))
        return change;
    struct consumer_group_member_metadata_value known = known_of(member, writer->arena);
    struct slice assignor = consumer != NULL
                                ? consumer_assignor(consumer)
                                : consumer_assignor_at(groups_world(writer->groups)->config, 0);
    consumer_put_profile(writer, id, profile);
    member = consumer_member_recorded(writer, id);
    const struct consumer_group_member_metadata_value *now = &member->profile;
    change.names =
        !consumer_names_same(known.subscribed_topic_names, known.subscribed_topic_names_count,
                             now->subscribed_topic_names, now->subscribed_topic_names_count);
    change.pattern = !consumer_text_same(known.subscribed_topic_regex, now->subscribed_topic_regex);
    if (change.pattern)
        change.pattern_resolved =
            consumer_pattern_changed(member, known.subscribed_topic_regex, writer);
    change.assignor = !slice_equal(assignor, consumer_assignor(member->group));
    return change;
}
