/* A classic group in the log: GroupMetadata, key type 2, value version 3, with the fields and at
 * the moments of Kafka 4.4. On the partition's shard. */
#include "group/classic_int.h"

#include "wire/messages.h"
#include "wire/msg/group_metadata_key.h"
#include "wire/msg/group_metadata_value.h"
#include "wire/msg/join_group_request.h"

#include <limits.h>
#include <stdlib.h>

#define VALUE_VERSION 3
/* Around a record: its batch's header, its own, and the longest of its lengths. */
#define BATCH_OVERHEAD 128

/* ---- writing ---- */

static void put(struct group *group, const struct group_metadata_value *value)
{
    struct group_metadata_key key = {.group = group->id};
    group->classic->is_author = true;
    groups_put(group->groups,
               &(struct coord_record){
                   .key_message = &wire_group_metadata_key,
                   .key = &key,
                   .value_message = value != NULL ? &wire_group_metadata_value : NULL,
                   .value = value,
                   .value_version = VALUE_VERSION,
                   .producer_id = -1,
                   .producer_epoch = -1,
               });
    group->classic->is_author = false;
}

static struct slice or_empty(struct slice text)
{
    return slice_is_null(text) ? slice_of_text("") : text;
}

static void describe(const struct classic_member *member, struct group_metadata_value_members *to)
{
    *to = (struct group_metadata_value_members){
        .member_id = member->id,
        .group_instance_id = member->instance_id,
        .client_id = or_empty(member->client_id),
        .client_host = or_empty(member->client_host),
        .rebalance_timeout = member->rebalance_timeout_ms,
        .session_timeout = member->session_timeout_ms,
        .subscription = or_empty(classic_member_metadata(member, member->group->classic->protocol)),
        .assignment = or_empty(member->assignment),
    };
}

bool classic_store(struct group *group)
{
    const struct classic_group *classic = group->classic;
    size_t count = classic_member_count(classic);
    struct group_metadata_value_members *members = calloc(count + 1, sizeof *members);
    if (members == NULL)
        return false;
    struct group_metadata_value value = group_metadata_value_default;
    value.protocol_type = or_empty(classic->protocol_type);
    value.generation = classic->generation;
    value.protocol = classic->protocol;
    value.leader = classic->leader != NULL ? classic->leader->id : (struct slice){0};
    value.current_state_timestamp = classic->state_since_ms;
    value.members = members;
    LIST_EACH (&classic->members, node)
        describe(classic_member_at(node), &members[value.members_count++]);
    put(group, &value);
    free(members);
    return true;
}

void classic_store_empty(struct group *group)
{
    struct group_metadata_value value = group_metadata_value_default;
    value.protocol_type = slice_of_text("");
    value.protocol = (struct slice){0};
    value.leader = (struct slice){0};
    value.current_state_timestamp = group->classic->state_since_ms;
    put(group, &value);
}

void classic_store_tombstone(struct group *group)
{
    put(group, NULL);
}

size_t classic_record_size(const struct group *group)
{
    const struct classic_group *classic = group->classic;
    size_t size = BATCH_OVERHEAD + group->id.size + classic->protocol_type.size +
                  classic->protocol.size + (classic->leader != NULL ? classic->leader->id.size : 0);
    LIST_EACH (&classic->members, node) {
        const struct classic_member *member = classic_member_at(node);
        /* Four texts with a length of 2 bytes, two of 4, two numbers. */
        size += 24 + member->id.size + member->instance_id.size + member->client_id.size +
                member->client_host.size + member->assignment.size +
                classic_member_metadata(member, classic->protocol).size;
    }
    return size;
}

/* ---- reading ---- */

static bool add_member(struct group *group, const struct group_metadata_value *value,
                       const struct group_metadata_value_members *from)
{
    bool has_timeout = from->rebalance_timeout != -1;
    struct classic_identity identity = {
        .id = from->member_id,
        .instance_id = from->group_instance_id,
        .client_id = from->client_id,
        .client_host = from->client_host,
        .session_timeout_ms = from->session_timeout,
        .rebalance_timeout_ms = has_timeout ? from->rebalance_timeout : from->session_timeout,
    };
    struct join_group_request_protocols protocol = {.name = or_empty(value->protocol),
                                                    .metadata = from->subscription};
    struct classic_member *member =
        classic_member_add(group, &identity, classic_protocols_new(&protocol, 1));
    return member != NULL && classic_assign(&member->assignment, from->assignment);
}

static const char *fill(struct group *group, const struct group_metadata_value *value)
{
    struct classic_group *classic = group->classic;
    struct slice type = value->protocol_type.size > 0 ? value->protocol_type : (struct slice){0};
    bool fine = classic_assign(&classic->protocol_type, type) &&
                classic_assign(&classic->protocol, value->protocol);
    classic->generation = value->generation;
    for (int32_t i = 0; fine && i < value->members_count; i++) {
        const struct group_metadata_value_members *from = &value->members[i];
        if (classic_member_find(group, from->member_id) != NULL)
            return "a group has a member twice";
        fine = add_member(group, value, from);
    }
    if (!fine)
        return "memory for a group is out";
    struct classic_member *leader = classic_member_find(group, value->leader);
    if (leader != NULL)
        classic->leader = leader;
    classic->state = value->members_count > 0 ? CLASSIC_STABLE : CLASSIC_EMPTY;
    classic->state_since_ms = value->current_state_timestamp;
    classic_topics_find(group);
    group->is_stored = true;
    return NULL;
}

/* The group as if it had just been heard of. */
static struct group *fresh(struct groups *groups, struct slice id)
{
    struct group *group = groups_find(groups, id);
    if (group == NULL)
        return groups_make(groups, id, GROUP_CLASSIC);
    return groups_convert(group, GROUP_CLASSIC) ? group : NULL;
}

static const char *replay_tombstone(struct groups *groups, struct slice id)
{
    struct group *group = groups_find(groups, id);
    if (group == NULL || group->type != GROUP_CLASSIC)
        return NULL;
    group->is_stored = false;
    if (group->classic->is_author)
        return NULL;
    if (!groups_convert(group, GROUP_CLASSIC))
        return "memory for a group is out";
    groups_consider(group);
    return NULL;
}

const char *classic_replay(struct groups *groups, const struct coord_record *record)
{
    const struct group_metadata_key *key = record->key;
    if (record->value_message == NULL)
        return replay_tombstone(groups, key->group);
    struct group *group = groups_find(groups, key->group);
    if (group != NULL && group->type == GROUP_CLASSIC && group->classic->is_author) {
        group->is_stored = true;
        return NULL;
    }
    group = fresh(groups, key->group);
    return group != NULL ? fill(group, record->value) : "memory for a group is out";
}
