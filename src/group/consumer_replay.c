/* Records of consumer groups, applied: the only place where their lasting state changes. What a log
 * says is taken as it is, also where compaction left parts of a story (C1). On the partition's
 * shard. */
#include "group/consumer_int.h"

#include "base/always.h"
#include "wire/msg/consumer_group_current_member_assignment_key.h"
#include "wire/msg/consumer_group_current_member_assignment_value.h"
#include "wire/msg/consumer_group_member_metadata_key.h"
#include "wire/msg/consumer_group_metadata_key.h"
#include "wire/msg/consumer_group_metadata_value.h"
#include "wire/msg/consumer_group_partition_metadata_key.h"
#include "wire/msg/consumer_group_regular_expression_key.h"
#include "wire/msg/consumer_group_regular_expression_value.h"
#include "wire/msg/consumer_group_target_assignment_member_key.h"
#include "wire/msg/consumer_group_target_assignment_member_value.h"
#include "wire/msg/consumer_group_target_assignment_metadata_key.h"
#include "wire/msg/consumer_group_target_assignment_metadata_value.h"

#include <stdlib.h>

#define OUT_OF_MEMORY "memory for a consumer group is out"

/* ---- topics and patterns ---- */

/* by: 1 or -1. */
static void count_names(struct consumer_member *member, int by)
{
    for (int i = 0; i < member->profile.subscribed_topic_names_count; i++)
        consumer_topic_count(member->group, member->profile.subscribed_topic_names[i],
                             (struct consumer_count){.names = by});
}

static void count_matches(struct consumer_group *consumer, const struct consumer_pattern *pattern,
                          int by)
{
    for (int i = 0; i < pattern->topic_count; i++)
        consumer_topic_count(consumer, pattern->topics[i], (struct consumer_count){.patterns = by});
}

void consumer_pattern_free(struct consumer_group *consumer, struct consumer_pattern *pattern)
{
    if (pattern->member_count > 0) {
        consumer->pattern_count--;
        consumer->group->groups->pattern_count--;
    }
    if (pattern->is_resolved)
        consumer->resolved_count--;
    count_matches(consumer, pattern, -1);
    list_remove(&pattern->link);
    free(pattern->topics);
    free(pattern);
}

static void count_pattern(struct consumer_member *member, int by)
{
    struct consumer_group *consumer = member->group;
    if (consumer_no_pattern(member->profile.subscribed_topic_regex))
        return;
    struct consumer_pattern *pattern =
        consumer_pattern_take(consumer, member->profile.subscribed_topic_regex);
    bool had = pattern->member_count > 0;
    pattern->member_count += by;
    int change = (pattern->member_count > 0) - had;
    consumer->pattern_count += change;
    consumer->group->groups->pattern_count += change;
    consumer_pattern_consider(consumer, pattern);
}

/* ---- members ---- */

static void forget_instance(struct consumer_member *member)
{
    if (!member->has_instance)
        return;
    hash_table_remove(&member->group->instances, &member->instance_node);
    member->has_instance = false;
}

static void claim_instance(struct consumer_member *member)
{
    struct slice id = member->profile.instance_id;
    if (slice_is_null(id))
        return;
    struct consumer_member *holder = consumer_member_static(member->group, id);
    if (holder != NULL)
        forget_instance(holder);
    ALWAYS(hash_table_insert(&member->group->instances, &member->instance_node, slice_hash(id, 0)),
           OUT_OF_MEMORY);
    member->has_instance = true;
}

static void drop_profile(struct consumer_member *member)
{
    forget_instance(member);
    count_names(member, -1);
    count_pattern(member, -1);
    member->group->classic_count -= member->exists && consumer_is_classic(member);
    free(member->profile_memory);
    member->profile_memory = NULL;
    member->profile = consumer_profile_blank();
}

static void set_profile(struct consumer_member *member,
                        const struct consumer_group_member_metadata_value *value)
{
    struct consumer_group_member_metadata_value copy;
    void *memory = consumer_profile_copy(value, NULL, &copy);
    ALWAYS(memory != NULL, OUT_OF_MEMORY);
    drop_profile(member);
    member->profile = copy;
    member->profile_memory = memory;
    count_names(member, 1);
    count_pattern(member, 1);
    member->group->classic_count += consumer_is_classic(member);
    claim_instance(member);
}

static void drop_current(struct consumer_member *member)
{
    consumer_disown(member->group, &member->assigned, member->epoch);
    consumer_disown(member->group, &member->revoking, member->epoch);
    free(member->assigned.at);
    free(member->revoking.at);
    member->assigned = member->revoking = (struct consumer_parts){0};
}

static void drop_target(struct consumer_member *member)
{
    free(member->target.at);
    member->target = (struct consumer_parts){0};
    member->has_target = false;
}

void consumer_member_free(struct consumer_member *member)
{
    consumer_timers_stop(member);
    drop_current(member);
    drop_target(member);
    drop_profile(member);
    member->group->member_count -= member->exists;
    hash_table_remove(&member->group->members, &member->node);
    free(member);
}

/* An entry, also without a member (C1). */
static struct consumer_member *entry_take(struct consumer_group *consumer, struct slice id)
{
    struct consumer_member *member = consumer_member_find(consumer, id);
    if (member != NULL)
        return member;
    member = malloc(sizeof *member + id.size);
    ALWAYS(member != NULL, OUT_OF_MEMORY);
    *member = (struct consumer_member){
        .group = consumer,
        .id = slice_of(member + 1, id.size),
        .previous_epoch = -1,
        .profile = consumer_profile_blank(),
    };
    if (id.size > 0)
        memcpy(member + 1, id.data, id.size);
    consumer_timers_init(member);
    ALWAYS(hash_table_insert(&consumer->members, &member->node, slice_hash(member->id, 0)),
           OUT_OF_MEMORY);
    return member;
}

static struct consumer_member *member_take(struct consumer_group *consumer, struct slice id)
{
    struct consumer_member *member = entry_take(consumer, id);
    consumer->member_count += !member->exists;
    member->exists = true;
    return member;
}

static void entry_consider(struct consumer_member *member)
{
    if (!member->exists && !member->has_target)
        consumer_member_free(member);
}

/* ---- the group ---- */

/* A group that is there to be written to: a classic one without members becomes one of this
 * protocol. NULL: memory is out. */
static struct consumer_group *group_take(struct groups *groups, struct slice id)
{
    struct group *group = groups_find(groups, id);
    if (group == NULL)
        group = groups_make(groups, id, GROUP_CONSUMER);
    else if (group->type != GROUP_CONSUMER && !groups_convert(group, GROUP_CONSUMER))
        return NULL;
    if (group == NULL)
        return NULL;
    group->is_stored = true;
    return group->consumer;
}

static struct consumer_group *group_there(struct groups *groups, struct slice id)
{
    return consumer_of(groups_find(groups, id));
}

/* While it leads, whoever buries a group decides what becomes of it. */
static void group_buried(struct groups *groups, struct consumer_group *consumer)
{
    struct group *group = consumer->group;
    group->is_stored = false;
    consumer->epoch = 1;
    consumer->assignment_epoch = 1;
    consumer->assigned_at_ms = 0;
    consumer->metadata_hash = 0;
    consumer->topics_version = -1;
    if (groups->leads)
        return;
    /* What offsets are left are those of a group without a protocol. */
    if (group->offsets.count > 0 || group->pending_count > 0)
        ALWAYS(groups_convert(group, GROUP_CLASSIC), OUT_OF_MEMORY);
    else
        groups_consider(group);
}

/* ---- records ---- */

static const char *replay_profile(struct groups *groups, const struct coord_record *record)
{
    const struct consumer_group_member_metadata_key *key = record->key;
    if (record->value != NULL) {
        struct consumer_group *consumer = group_take(groups, key->group_id);
        if (consumer == NULL)
            return OUT_OF_MEMORY;
        set_profile(member_take(consumer, key->member_id), record->value);
        return NULL;
    }
    struct consumer_group *consumer = group_there(groups, key->group_id);
    struct consumer_member *member =
        consumer != NULL ? consumer_member_find(consumer, key->member_id) : NULL;
    if (member == NULL || !member->exists)
        return NULL;
    consumer_timers_stop(member);
    drop_current(member);
    drop_profile(member);
    member->exists = false;
    consumer->member_count--;
    entry_consider(member);
    return NULL;
}

static const char *replay_epoch(struct groups *groups, const struct coord_record *record)
{
    const struct consumer_group_metadata_key *key = record->key;
    const struct consumer_group_metadata_value *value = record->value;
    struct consumer_group *consumer =
        value != NULL ? group_take(groups, key->group_id) : group_there(groups, key->group_id);
    if (value == NULL) {
        if (consumer != NULL)
            group_buried(groups, consumer);
        return NULL;
    }
    if (consumer == NULL)
        return OUT_OF_MEMORY;
    consumer->epoch = value->epoch;
    consumer->metadata_hash = value->metadata_hash;
    return NULL;
}

static const char *replay_topics(struct groups *groups, const struct coord_record *record)
{
    const struct consumer_group_partition_metadata_key *key = record->key;
    struct consumer_group *consumer = record->value != NULL ? group_take(groups, key->group_id)
                                                            : group_there(groups, key->group_id);
    if (consumer != NULL)
        consumer->has_topics_record = record->value != NULL;
    return NULL;
}

static bool read_target(const struct consumer_group_target_assignment_member_value *value,
                        struct consumer_parts *ret_parts)
{
    size_t count = 0;
    for (int i = 0; i < value->topic_partitions_count; i++)
        count += (size_t)value->topic_partitions[i].partitions_count;
    struct consumer_parts parts = {0};
    if (count > 0) {
        parts.at = malloc(count * sizeof *parts.at);
        if (parts.at == NULL)
            return false;
    }
    for (int i = 0; i < value->topic_partitions_count && parts.at != NULL; i++)
        for (int j = 0; j < value->topic_partitions[i].partitions_count; j++)
            parts.at[parts.count++] = (struct consumer_part){
                .topic = value->topic_partitions[i].topic_id,
                .partition = value->topic_partitions[i].partitions[j],
            };
    consumer_parts_sort(&parts);
    *ret_parts = parts;
    return true;
}

static const char *replay_target(struct groups *groups, const struct coord_record *record)
{
    const struct consumer_group_target_assignment_member_key *key = record->key;
    if (record->value != NULL) {
        struct consumer_group *consumer = group_take(groups, key->group_id);
        struct consumer_parts parts;
        if (consumer == NULL || !read_target(record->value, &parts))
            return OUT_OF_MEMORY;
        struct consumer_member *member = entry_take(consumer, key->member_id);
        drop_target(member);
        member->target = parts;
        member->has_target = true;
        return NULL;
    }
    struct consumer_group *consumer = group_there(groups, key->group_id);
    struct consumer_member *member =
        consumer != NULL ? consumer_member_find(consumer, key->member_id) : NULL;
    if (member != NULL) {
        drop_target(member);
        entry_consider(member);
    }
    return NULL;
}

static const char *replay_assignment_epoch(struct groups *groups, const struct coord_record *record)
{
    const struct consumer_group_target_assignment_metadata_key *key = record->key;
    const struct consumer_group_target_assignment_metadata_value *value = record->value;
    struct consumer_group *consumer =
        value != NULL ? group_take(groups, key->group_id) : group_there(groups, key->group_id);
    if (consumer == NULL)
        return value != NULL ? OUT_OF_MEMORY : NULL;
    consumer->assignment_epoch = value != NULL ? value->assignment_epoch : -1;
    consumer->assigned_at_ms = value != NULL ? value->assignment_timestamp : 0;
    return NULL;
}

/* One topic of either list, which have the same fields. */
struct current_topic {
    struct uuid id;
    const int32_t *partitions;
    int32_t partition_count;
    const int32_t *epochs;
    int32_t epoch_count;
};

/* Older records have no epochs of partitions: then the member's counts. */
static bool add_current(struct consumer_parts *parts, const struct current_topic *topic,
                        int32_t member_epoch)
{
    if (topic->partition_count <= 0)
        return true;
    size_t count = (size_t)parts->count + (size_t)topic->partition_count;
    struct consumer_part *at = realloc(parts->at, count * sizeof *at);
    if (at == NULL)
        return false;
    parts->at = at;
    for (int i = 0; i < topic->partition_count; i++)
        parts->at[parts->count++] = (struct consumer_part){
            .topic = topic->id,
            .partition = topic->partitions[i],
            .epoch = topic->epoch_count == topic->partition_count ? topic->epochs[i]
                                                                  : MAX_OF(member_epoch, 0),
        };
    return true;
}

static bool read_current(const struct consumer_group_current_member_assignment_value *value,
                         struct consumer_parts *ret_assigned, struct consumer_parts *ret_revoking)
{
    bool ok = true;
    for (int i = 0; i < value->assigned_partitions_count && ok; i++) {
        const struct consumer_group_current_member_assignment_value_assigned_partitions *topic =
            &value->assigned_partitions[i];
        ok = add_current(ret_assigned,
                         &(struct current_topic){topic->topic_id, topic->partitions,
                                                 topic->partitions_count, topic->assignment_epochs,
                                                 topic->assignment_epochs_count},
                         value->member_epoch);
    }
    for (int i = 0; i < value->partitions_pending_revocation_count && ok; i++) {
        const struct consumer_group_current_member_assignment_value_partitions_pending_revocation
            *topic = &value->partitions_pending_revocation[i];
        ok = add_current(ret_revoking,
                         &(struct current_topic){topic->topic_id, topic->partitions,
                                                 topic->partitions_count, topic->assignment_epochs,
                                                 topic->assignment_epochs_count},
                         value->member_epoch);
    }
    consumer_parts_sort(ret_assigned);
    consumer_parts_sort(ret_revoking);
    return ok;
}

static enum consumer_member_state state_of(int8_t number)
{
    enum consumer_member_state state = CONSUMER_MEMBER_UNKNOWN;
#define STATE_OF_(NAME, ...) \
    if (number == CONSUMER_MEMBER_##NAME) \
        state = CONSUMER_MEMBER_##NAME;
    CONSUMER_MEMBER_STATES(STATE_OF_)
#undef STATE_OF_
    return state;
}

static void bury_current(struct consumer_group *consumer, struct slice id)
{
    struct consumer_member *member = consumer_member_find(consumer, id);
    if (member == NULL || !member->exists)
        return;
    drop_current(member);
    member->epoch = -1;
    member->previous_epoch = -1;
}

static const char *replay_current(struct groups *groups, const struct coord_record *record)
{
    const struct consumer_group_current_member_assignment_key *key = record->key;
    const struct consumer_group_current_member_assignment_value *value = record->value;
    struct consumer_group *consumer =
        value != NULL ? group_take(groups, key->group_id) : group_there(groups, key->group_id);
    if (value == NULL) {
        if (consumer != NULL)
            bury_current(consumer, key->member_id);
        return NULL;
    }
    struct consumer_parts assigned = {0};
    struct consumer_parts revoking = {0};
    if (consumer == NULL || !read_current(value, &assigned, &revoking))
        return OUT_OF_MEMORY;
    struct consumer_member *member = member_take(consumer, key->member_id);
    drop_current(member);
    member->epoch = value->member_epoch;
    member->previous_epoch = value->previous_member_epoch;
    member->state = state_of(value->state);
    member->assigned = assigned;
    member->revoking = revoking;
    consumer_own(consumer, &member->assigned, member->epoch);
    consumer_own(consumer, &member->revoking, member->epoch);
    return NULL;
}

static void unresolve(struct consumer_group *consumer, struct consumer_pattern *pattern)
{
    count_matches(consumer, pattern, -1);
    free(pattern->topics);
    pattern->topics = NULL;
    pattern->topic_count = 0;
    consumer->resolved_count -= pattern->is_resolved;
    pattern->is_resolved = false;
}

static const char *resolve(struct consumer_group *consumer, struct consumer_pattern *pattern,
                           const struct consumer_group_regular_expression_value *value)
{
    struct slice *topics = consumer_names_copy(value->topics, value->topics_count);
    if (topics == NULL)
        return OUT_OF_MEMORY;
    pattern->topics = topics;
    pattern->topic_count = consumer_names_sort(topics, value->topics_count);
    pattern->version = value->version;
    pattern->resolved_at_ms = value->timestamp;
    pattern->is_resolved = true;
    consumer->resolved_count++;
    count_matches(consumer, pattern, 1);
    return NULL;
}

static const char *replay_pattern(struct groups *groups, const struct coord_record *record)
{
    const struct consumer_group_regular_expression_key *key = record->key;
    struct consumer_group *consumer = record->value != NULL ? group_take(groups, key->group_id)
                                                            : group_there(groups, key->group_id);
    if (consumer == NULL)
        return record->value != NULL ? OUT_OF_MEMORY : NULL;
    struct consumer_pattern *pattern = consumer_pattern_find(consumer, key->regular_expression);
    if (record->value != NULL && !consumer_no_pattern(key->regular_expression)) {
        pattern = consumer_pattern_take(consumer, key->regular_expression);
        unresolve(consumer, pattern);
        return resolve(consumer, pattern, record->value);
    }
    if (pattern != NULL) {
        unresolve(consumer, pattern);
        consumer_pattern_consider(consumer, pattern);
    }
    return NULL;
}

const char *consumer_replay(struct groups *groups, const struct coord_record *record)
{
    static const char *(*const replays[])(struct groups *, const struct coord_record *) = {
        [3] = replay_epoch,    [4] = replay_topics,
        [5] = replay_profile,  [6] = replay_assignment_epoch,
        [7] = replay_target,   [8] = replay_current,
        [16] = replay_pattern,
    };
    int number = record->key_message->number;
    ALWAYS(number >= 0 && number < (int)COUNT_OF(replays) && replays[number] != NULL,
           "a record of type %d is none of a consumer group", number);
    return replays[number](groups, record);
}
