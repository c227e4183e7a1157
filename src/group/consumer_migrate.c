/* See the header. A group's records of one protocol are buried before those of the other are made;
 * what the other knows then comes from its records alone. On the partition's shard. */
#include "group/consumer_migrate.h"

#include "base/always.h"
#include "config/node.h"
#include "group/classic_int.h"
#include "group/consumer_protocol.h"
#include "wire/msg/group_metadata_key.h"
#include "wire/msg/group_metadata_value.h"

#include <strings.h>

#define RECORD_VERSION 3

static bool policy_is(const struct node_config *config, const char *name)
{
    return strcasecmp(config->group_consumer_migration_policy, name) == 0;
}

static bool may_upgrade(const struct node_config *config)
{
    return policy_is(config, "bidirectional") || policy_is(config, "upgrade");
}

static bool may_downgrade(const struct node_config *config)
{
    return policy_is(config, "bidirectional") || policy_is(config, "downgrade");
}

bool consumer_migration_is_disabled(const struct node_config *config)
{
    return !may_upgrade(config) && !may_downgrade(config);
}

/* ---- up: what is read of a classic group ---- */

/* A classic member as one of the consumer protocol. */
struct newcomer {
    struct slice id;
    struct consumer_group_member_metadata_value profile;
    struct consumer_parts parts;
};

struct upgrade {
    const struct group *group;
    struct arena *arena;
    struct newcomer *members;
    int count;
    int32_t generation;
    bool has_data; /* of an assignor of the clients' own, which would be lost */
};

static void set_protocols(const struct upgrade *upgrade, const struct classic_member *member,
                          struct consumer_group_member_metadata_value *profile)
{
    struct consumer_group_member_metadata_value_classic_member_metadata *classic = CONSUMER_NEW(
        upgrade->arena, struct consumer_group_member_metadata_value_classic_member_metadata);
    int32_t count = member->protocols->count;
    classic->session_timeout_ms = member->session_timeout_ms;
    classic->supported_protocols = CONSUMER_ARRAY(
        upgrade->arena,
        struct consumer_group_member_metadata_value_classic_member_metadata_supported_protocols,
        count);
    for (int32_t i = 0; i < count; i++) {
        classic->supported_protocols[i].name = member->protocols->at[i].name;
        classic->supported_protocols[i].metadata = member->protocols->at[i].metadata;
    }
    classic->supported_protocols_count = count;
    profile->classic_member_metadata = classic;
}

/* false: what the client wrote is not a consumer's. */
static bool read_member(struct upgrade *upgrade, const struct classic_member *member,
                        struct newcomer *newcomer)
{
    struct consumer_protocol_subscription subscription;
    bool has_data;
    struct slice metadata = classic_member_metadata(member, upgrade->group->classic->protocol);
    if (!consumer_read_assignment(member->assignment, classic_world(upgrade->group)->image,
                                  upgrade->arena, &newcomer->parts, &has_data) ||
        !consumer_read_subscription(metadata, upgrade->arena, &subscription))
        return false;
    upgrade->has_data = upgrade->has_data || has_data;
    for (int i = 0; i < newcomer->parts.count; i++)
        newcomer->parts.at[i].epoch = upgrade->generation;
    newcomer->id = member->id;
    newcomer->profile = consumer_profile_blank();
    newcomer->profile.instance_id = member->instance_id;
    if (subscription.rack_id.size > 0)
        newcomer->profile.rack_id = subscription.rack_id;
    newcomer->profile.rebalance_timeout_ms = member->rebalance_timeout_ms;
    newcomer->profile.client_id = member->client_id;
    newcomer->profile.client_host = member->client_host;
    newcomer->profile.subscribed_topic_names = subscription.topics;
    newcomer->profile.subscribed_topic_names_count = MAX_OF(subscription.topics_count, 0);
    set_protocols(upgrade, member, &newcomer->profile);
    /* The classic group ends before the records are made. */
    struct consumer_group_member_metadata_value copy;
    (void)consumer_profile_copy(&newcomer->profile, upgrade->arena, &copy);
    newcomer->profile = copy;
    newcomer->id = arena_copy(upgrade->arena, member->id);
    return true;
}

static bool read_group(struct upgrade *upgrade)
{
    const struct classic_group *classic = upgrade->group->classic;
    upgrade->generation = classic->generation;
    upgrade->members =
        CONSUMER_ARRAY(upgrade->arena, struct newcomer, classic_member_count(classic));
    LIST_EACH (&classic->members, node)
        if (!read_member(upgrade, classic_member_at(node), &upgrade->members[upgrade->count++]))
            return false;
    return true;
}

static bool is_empty(const struct group *group)
{
    return group->classic->state == CLASSIC_EMPTY;
}

int consumer_upgrade_size(const struct group *group)
{
    return group != NULL ? (int)classic_member_count(group->classic) : 0;
}

bool consumer_upgrade_has(const struct group *group, struct slice member_id,
                          struct slice instance_id)
{
    if (group == NULL)
        return false;
    return classic_member_find(group, member_id) != NULL ||
           (!slice_is_null(instance_id) && classic_member_of_instance(group, instance_id) != NULL);
}

static const char *read_fault(const struct group *group)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX / 2);
    struct upgrade upgrade = {.group = group, .arena = &arena};
    const char *fault = NULL;
    if (!read_group(&upgrade))
        fault = "the embedded consumer protocol is malformed.";
    else if (upgrade.has_data)
        fault = "an unsupported custom assignor is in use. Please refer to the documentation or "
                "switch to a default assignor before re-attempting the upgrade.";
    arena_fini(&arena);
    return fault;
}

const char *consumer_upgrade_fault(const struct group *group, struct arena *arena)
{
    const struct node_config *config = groups_world(group->groups)->config;
    const char *fault = NULL;
    if (is_empty(group))
        return NULL;
    if (!may_upgrade(config))
        fault = "online upgrade is disabled.";
    else if (!classic_is_consumers(group->classic))
        fault = "the group does not use the consumer embedded protocol.";
    else if (consumer_upgrade_size(group) > config->group_consumer_max_size)
        fault = "the group size exceeds the consumer group maximum size.";
    else
        fault = read_fault(group);
    if (fault == NULL)
        return NULL;
    return arena_printf(arena, "Cannot upgrade classic group %.*s to consumer group because %s",
                        SLICE_ARG(group->id), fault);
}

/* ---- up ---- */

static void record_upgrade(const struct upgrade *upgrade, const struct consumer_writer *writer)
{
    for (int i = 0; i < upgrade->count; i++)
        consumer_put_profile(writer, upgrade->members[i].id, &upgrade->members[i].profile);
    const struct consumer_group *consumer =
        consumer_of(groups_find(writer->groups, writer->group_id));
    ALWAYS(consumer != NULL, "a group without members is not upgraded");
    consumer_put_epoch(writer, upgrade->generation,
                       consumer_metadata_hash(consumer, writer->arena));
    for (int i = 0; i < upgrade->count; i++)
        consumer_put_target(writer, upgrade->members[i].id, &upgrade->members[i].parts);
    consumer_put_assignment_epoch(writer, upgrade->generation, 0);
    for (int i = 0; i < upgrade->count; i++)
        consumer_put_current(writer, upgrade->members[i].id,
                             &(struct consumer_current){
                                 .epoch = upgrade->generation,
                                 .previous_epoch = upgrade->generation,
                                 .state = CONSUMER_MEMBER_STABLE,
                                 .assigned = upgrade->members[i].parts,
                             });
    for (int i = 0; i < upgrade->count; i++) {
        struct consumer_member *member = consumer_member_recorded(writer, upgrade->members[i].id);
        consumer_session_start(member, member->profile.classic_member_metadata->session_timeout_ms);
    }
}

void consumer_upgrade(const struct consumer_writer *writer)
{
    struct group *group = groups_find(writer->groups, writer->group_id);
    struct upgrade upgrade = {.group = group, .arena = writer->arena};
    bool fine = is_empty(group) || read_group(&upgrade);
    ALWAYS(fine, "a classic group is upgraded that cannot be");
    group->kind->bury(group);
    if (upgrade.count > 0)
        record_upgrade(&upgrade, writer);
}

/* ---- down ---- */

bool consumer_may_downgrade(const struct consumer_group *consumer,
                            const struct consumer_leavers *leavers)
{
    const struct node_config *config = consumer_world(consumer)->config;
    int classic = consumer->classic_count;
    for (int i = 0; i < leavers->count; i++)
        classic -= consumer_is_classic(leavers->at[i]);
    int left = consumer->member_count - leavers->count;
    return classic == left && left > 0 && may_downgrade(config) && left <= config->group_max_size;
}

bool consumer_may_downgrade_by(const struct consumer_group *consumer,
                               const struct consumer_member *member)
{
    const struct node_config *config = consumer_world(consumer)->config;
    return member != NULL && !consumer_is_classic(member) &&
           consumer->classic_count == consumer->member_count - 1 && may_downgrade(config) &&
           consumer->member_count <= config->group_max_size;
}

/* Members that stay. */
struct stayers {
    struct consumer_member **at;
    int count;
};

static bool leaves(const struct consumer_leavers *leavers, const struct consumer_member *member)
{
    for (int i = 0; i < leavers->count; i++)
        if (leavers->at[i] == member)
            return true;
    return false;
}

static struct slice metadata_of(const struct consumer_member *member, struct slice protocol)
{
    const struct consumer_group_member_metadata_value_classic_member_metadata *classic =
        member->profile.classic_member_metadata;
    for (int32_t i = 0; i < classic->supported_protocols_count; i++)
        if (slice_equal(classic->supported_protocols[i].name, protocol))
            return classic->supported_protocols[i].metadata;
    return (struct slice){0};
}

static bool all_speak(const struct stayers *stayers, struct slice protocol)
{
    for (int i = 0; i < stayers->count; i++)
        if (slice_is_null(metadata_of(stayers->at[i], protocol)))
            return false;
    return true;
}

/* The first that all speak, in a member's order; null: there is none. */
static struct slice choice_of(const struct stayers *stayers, const struct consumer_member *member)
{
    const struct consumer_group_member_metadata_value_classic_member_metadata *classic =
        member->profile.classic_member_metadata;
    for (int32_t i = 0; i < classic->supported_protocols_count; i++)
        if (all_speak(stayers, classic->supported_protocols[i].name))
            return classic->supported_protocols[i].name;
    return (struct slice){0};
}

/* What most would choose. */
static struct slice vote(const struct stayers *stayers)
{
    struct slice best = {0};
    int best_count = 0;
    for (int i = 0; i < stayers->count; i++) {
        struct slice choice = choice_of(stayers, stayers->at[i]);
        int count = 0;
        for (int j = 0; j < stayers->count; j++)
            count += slice_equal(choice_of(stayers, stayers->at[j]), choice);
        if (count > best_count)
            best = choice;
        best_count = MAX_OF(best_count, count);
    }
    return best;
}

static struct slice keep(const struct consumer_writer *writer, struct slice text)
{
    struct slice copy = arena_copy(writer->arena, text);
    ALWAYS(!writer->arena->failed, "memory for a record is out");
    return copy;
}

/* All texts are copied: the members end before the record is made. */
static void add_member(const struct consumer_member *member, struct slice protocol,
                       const struct consumer_writer *writer, struct group_metadata_value *value)
{
    struct slice metadata = metadata_of(member, protocol);
    value->members[value->members_count++] = (struct group_metadata_value_members){
        .member_id = keep(writer, member->id),
        .group_instance_id = keep(writer, member->profile.instance_id),
        .client_id = keep(writer, member->profile.client_id),
        .client_host = keep(writer, member->profile.client_host),
        .rebalance_timeout = member->profile.rebalance_timeout_ms,
        .session_timeout = member->profile.classic_member_metadata->session_timeout_ms,
        .subscription = keep(writer, metadata),
        .assignment = consumer_write_assignment(
            &member->target, groups_world(writer->groups)->image, metadata, writer->arena),
    };
}

static struct stayers stayers_of(const struct consumer_group *consumer,
                                 const struct consumer_leavers *leavers,
                                 const struct consumer_writer *writer)
{
    struct stayers stayers = {.at = consumer_members_sorted(consumer, writer->arena)};
    for (int i = 0; i < consumer->member_count; i++)
        if (!leaves(leavers, stayers.at[i]))
            stayers.at[stayers.count++] = stayers.at[i];
    return stayers;
}

void consumer_downgrade(struct consumer_group *consumer, const struct consumer_downgrade *how,
                        const struct consumer_writer *writer)
{
    struct stayers stayers = stayers_of(consumer, how->leavers, writer);
    struct slice protocol = keep(writer, vote(&stayers));
    struct group_metadata_key key = {.group = writer->group_id};
    struct group_metadata_value value = group_metadata_value_default;
    value.protocol_type = slice_of_text("consumer");
    value.generation = how->generation;
    value.protocol = protocol;
    value.current_state_timestamp = consumer_world(consumer)->wall_ms;
    value.members =
        CONSUMER_ARRAY(writer->arena, struct group_metadata_value_members, stayers.count);
    value.members_count = 0;
    for (int i = 0; i < stayers.count; i++)
        add_member(stayers.at[i], protocol, writer, &value);
    value.leader = value.members[0].member_id;
    consumer_bury(consumer->group);
    groups_put(writer->groups, &(struct coord_record){
                                   .key_message = &wire_group_metadata_key,
                                   .key = &key,
                                   .value_message = &wire_group_metadata_value,
                                   .value = &value,
                                   .value_version = RECORD_VERSION,
                                   .producer_id = -1,
                                   .producer_epoch = -1,
                               });
    struct group *group = groups_find(writer->groups, writer->group_id);
    ALWAYS(group != NULL && group->type == GROUP_CLASSIC, "a group was recorded as a classic one");
    classic_begin(group);
    if (how->rebalances && group->classic->state == CLASSIC_STABLE)
        classic_rebalance(group);
}

void consumer_downgrade_without(struct consumer_group *consumer,
                                const struct consumer_leavers *leavers,
                                const struct consumer_writer *writer)
{
    consumer_downgrade(consumer,
                       &(struct consumer_downgrade){
                           .leavers = leavers, .generation = consumer->epoch, .rebalances = true},
                       writer);
}
