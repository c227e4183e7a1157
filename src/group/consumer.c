/* A group of the consumer protocol (KIP-848): finding its members and topics, and what it answers
 * as a group. See consumer_int.h. On the partition's shard. */
#include "group/consumer_int.h"

#include "base/always.h"
#include "config/node.h"
#include "group/consumer_pattern.h"
#include "meta/image.h"

#include <stdlib.h>

#define COMMIT_VERSION_MIN 9 /* OffsetCommit: the first with a member epoch */

void *consumer_take(struct arena *arena, size_t count, size_t size)
{
    void *memory = arena_take_array(arena, count > 0 ? count : 1, size);
    ALWAYS(memory != NULL, "memory for a step of a consumer group is out");
    return memory;
}

/* ---- making and freeing ---- */

bool consumer_group_new(struct group *group)
{
    struct consumer_group *consumer = calloc(1, sizeof *consumer);
    if (consumer == NULL)
        return false;
    /* Kafka begins so: the first bump makes 2 of it. */
    *consumer = (struct consumer_group){
        .group = group, .epoch = 1, .assignment_epoch = 1, .topics_version = -1};
    hash_table_init(&consumer->members);
    hash_table_init(&consumer->instances);
    hash_table_init(&consumer->topics);
    hash_table_init(&consumer->owners);
    list_init(&consumer->patterns);
    group->consumer = consumer;
    return true;
}

static void free_owners(struct consumer_group *consumer)
{
    struct hash_node *node;
    while ((node = hash_table_next(&consumer->owners, NULL)) != NULL) {
        struct consumer_owners *owners = CONTAINER_OF(node, struct consumer_owners, node);
        hash_table_remove(&consumer->owners, node);
        free(owners->epochs);
        free(owners);
    }
    hash_table_fini(&consumer->owners);
}

static void free_topics(struct consumer_group *consumer)
{
    struct hash_node *node;
    while ((node = hash_table_next(&consumer->topics, NULL)) != NULL)
        consumer_topic_free(consumer, CONTAINER_OF(node, struct consumer_topic, node));
    hash_table_fini(&consumer->topics);
}

/* Nothing waits in it: every call is answered at once. */
static void end(struct group *group, enum err err)
{
    (void)err;
    struct consumer_group *consumer = group->consumer;
    struct consumer_member *member;
    consumer_resolution_stop(consumer);
    while ((member = consumer_member_next(consumer, NULL)) != NULL)
        consumer_member_free(member);
    while (!list_is_empty(&consumer->patterns))
        consumer_pattern_free(consumer,
                              CONTAINER_OF(consumer->patterns.next, struct consumer_pattern, link));
    free_owners(consumer);
    free_topics(consumer);
    hash_table_fini(&consumer->members);
    hash_table_fini(&consumer->instances);
    free(consumer);
    group->consumer = NULL;
}

/* ---- members ---- */

static bool member_matches(const struct hash_node *node, const void *id)
{
    return slice_equal(CONTAINER_OF(node, const struct consumer_member, node)->id,
                       *(const struct slice *)id);
}

struct consumer_member *consumer_member_find(const struct consumer_group *consumer, struct slice id)
{
    struct hash_node *node =
        hash_table_find(&consumer->members, slice_hash(id, 0), member_matches, &id);
    return node != NULL ? CONTAINER_OF(node, struct consumer_member, node) : NULL;
}

static bool instance_matches(const struct hash_node *node, const void *id)
{
    return slice_equal(
        CONTAINER_OF(node, const struct consumer_member, instance_node)->profile.instance_id,
        *(const struct slice *)id);
}

struct consumer_member *consumer_member_static(const struct consumer_group *consumer,
                                               struct slice id)
{
    if (slice_is_null(id))
        return NULL;
    struct hash_node *node =
        hash_table_find(&consumer->instances, slice_hash(id, 0), instance_matches, &id);
    return node != NULL ? CONTAINER_OF(node, struct consumer_member, instance_node) : NULL;
}

struct consumer_member *consumer_member_next(const struct consumer_group *consumer,
                                             const struct consumer_member *after)
{
    struct hash_node *node =
        hash_table_next(&consumer->members, after != NULL ? &after->node : NULL);
    return node != NULL ? CONTAINER_OF(node, struct consumer_member, node) : NULL;
}

static int compare_members(const void *a, const void *b)
{
    const struct consumer_member *const *first = (const struct consumer_member *const *)a;
    const struct consumer_member *const *second = (const struct consumer_member *const *)b;
    return slice_compare((*first)->id, (*second)->id);
}

struct consumer_member **consumer_members_sorted(const struct consumer_group *consumer,
                                                 struct arena *arena)
{
    struct consumer_member **members =
        CONSUMER_ARRAY(arena, struct consumer_member *, consumer->member_count);
    int count = 0;
    struct consumer_member *member = NULL;
    while ((member = consumer_member_next(consumer, member)) != NULL)
        if (member->exists)
            members[count++] = member;
    ALWAYS(count == consumer->member_count, "%d members are there, %d were counted", count,
           consumer->member_count);
    qsort((void *)members, (size_t)count, sizeof(struct consumer_member *), compare_members);
    return members;
}

bool consumer_member_is_reconciled(const struct consumer_member *member, int32_t assignment_epoch)
{
    return member->state == CONSUMER_MEMBER_STABLE && member->epoch == assignment_epoch;
}

/* ---- topics ---- */

static bool topic_matches(const struct hash_node *node, const void *name)
{
    return slice_equal(CONTAINER_OF(node, const struct consumer_topic, node)->name,
                       *(const struct slice *)name);
}

struct consumer_topic *consumer_topic_find(const struct consumer_group *consumer, struct slice name)
{
    struct hash_node *node =
        hash_table_find(&consumer->topics, slice_hash(name, 0), topic_matches, &name);
    return node != NULL ? CONTAINER_OF(node, struct consumer_topic, node) : NULL;
}

struct consumer_pattern *consumer_pattern_find(const struct consumer_group *consumer,
                                               struct slice text)
{
    if (consumer_no_pattern(text))
        return NULL;
    LIST_EACH (&consumer->patterns, node) {
        struct consumer_pattern *pattern = CONTAINER_OF(node, struct consumer_pattern, link);
        if (slice_equal(pattern->text, text))
            return pattern;
    }
    return NULL;
}

void consumer_pattern_consider(struct consumer_group *consumer, struct consumer_pattern *pattern)
{
    if (pattern->member_count == 0 && !pattern->is_resolved)
        consumer_pattern_free(consumer, pattern);
}

static const struct consumer_pattern *first_pattern(const struct consumer_group *consumer)
{
    LIST_EACH (&consumer->patterns, node) {
        const struct consumer_pattern *pattern =
            CONTAINER_OF(node, const struct consumer_pattern, link);
        if (pattern->member_count > 0)
            return pattern;
    }
    return NULL;
}

/* With a pattern: all have that one, and no topic besides what it matches. */
bool consumer_is_homogeneous(const struct consumer_group *consumer)
{
    const struct consumer_pattern *pattern = first_pattern(consumer);
    if (pattern != NULL && pattern->member_count != consumer->member_count)
        return false;
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&consumer->topics, node)) != NULL) {
        const struct consumer_topic *topic = CONTAINER_OF(node, const struct consumer_topic, node);
        bool of_all = pattern == NULL ? topic->name_count == consumer->member_count
                                      : topic->pattern_count == 1 && topic->name_count == 0;
        if (!of_all)
            return false;
    }
    return true;
}

/* ---- owners ---- */

static bool owners_match(const struct hash_node *node, const void *id)
{
    return uuid_equal(CONTAINER_OF(node, const struct consumer_owners, node)->topic,
                      *(const struct uuid *)id);
}

int32_t consumer_owner_epoch(const struct consumer_group *consumer,
                             const struct consumer_part *part)
{
    uint64_t hash = slice_hash(slice_of(part->topic.bytes, sizeof part->topic.bytes), 0);
    struct hash_node *node = hash_table_find(&consumer->owners, hash, owners_match, &part->topic);
    if (node == NULL)
        return CONSUMER_NO_OWNER;
    const struct consumer_owners *owners = CONTAINER_OF(node, const struct consumer_owners, node);
    return part->partition < owners->capacity ? owners->epochs[part->partition] : CONSUMER_NO_OWNER;
}

/* ---- as a group ---- */

enum consumer_group_state consumer_state(const struct consumer_group *consumer)
{
    if (consumer->member_count == 0)
        return CONSUMER_GROUP_EMPTY;
    if (consumer->epoch > consumer->assignment_epoch)
        return CONSUMER_GROUP_ASSIGNING;
    struct consumer_member *member = NULL;
    while ((member = consumer_member_next(consumer, member)) != NULL)
        if (member->exists && !consumer_member_is_reconciled(member, consumer->assignment_epoch))
            return CONSUMER_GROUP_RECONCILING;
    return CONSUMER_GROUP_STABLE;
}

static const char *state_name(const struct group *group)
{
#define STATE_NAME_(NAME, name, ...) [CONSUMER_GROUP_##NAME] = (name),
    static const char *const names[] = {CONSUMER_GROUP_STATES(STATE_NAME_)};
#undef STATE_NAME_
    return names[consumer_state(group->consumer)];
}

static struct slice protocol_type(const struct group *group)
{
    (void)group;
    return slice_of_text("consumer");
}

static enum err epoch_error(const struct consumer_member *member)
{
    return consumer_is_classic(member) ? ERR_ILLEGAL_GENERATION : ERR_STALE_MEMBER_EPOCH;
}

static struct consumer_member *existing(const struct group *group, struct slice id)
{
    struct consumer_member *member = consumer_member_find(group->consumer, id);
    return member != NULL && member->exists ? member : NULL;
}

/* Nobody's commit, which is taken while the group is empty, or in a transaction of a producer that
 * names no member. */
static bool is_nobodys(const struct group *group, const struct group_caller *caller)
{
    bool is_nobody = caller->transactional && caller->generation == -1 &&
                     caller->member_id.size == 0 && slice_is_null(caller->instance_id);
    return is_nobody || (caller->generation < 0 && group->consumer->member_count == 0);
}

static enum err check_commit(struct group *group, const struct group_caller *caller)
{
    if (is_nobodys(group, caller))
        return ERR_NONE;
    const struct consumer_member *member = existing(group, caller->member_id);
    if (member == NULL)
        return ERR_UNKNOWN_MEMBER_ID;
    if (!caller->transactional && !consumer_is_classic(member) &&
        caller->api_version < COMMIT_VERSION_MIN)
        return ERR_UNSUPPORTED_VERSION;
    return caller->generation > member->epoch ? epoch_error(member) : ERR_NONE;
}

/* With an older epoch: the partition has been the member's since then (KIP-1251). */
static enum err check_commit_partition(struct group *group, const struct group_caller *caller,
                                       const struct group_partition *at)
{
    if (is_nobodys(group, caller))
        return ERR_NONE;
    const struct consumer_member *member = existing(group, caller->member_id);
    if (member == NULL)
        return ERR_UNKNOWN_MEMBER_ID;
    if (caller->generation == member->epoch)
        return ERR_NONE;
    struct consumer_part wanted = {.topic = at->topic_id, .partition = at->partition};
    const struct consumer_part *part = consumer_parts_find(&member->assigned, &wanted);
    if (part == NULL)
        part = consumer_parts_find(&member->revoking, &wanted);
    bool is_its = part != NULL && caller->generation >= part->epoch;
    return is_its ? ERR_NONE : epoch_error(member);
}

static enum err check_fetch(struct group *group, const struct group_caller *caller)
{
    if (slice_is_null(caller->member_id) && caller->generation < 0)
        return ERR_NONE;
    const struct consumer_member *member = existing(group, caller->member_id);
    if (member == NULL)
        return ERR_UNKNOWN_MEMBER_ID;
    return caller->generation == member->epoch ? ERR_NONE : epoch_error(member);
}

static enum err check_delete(const struct group *group)
{
    return group->consumer->member_count == 0 ? ERR_NONE : ERR_NON_EMPTY_GROUP;
}

static enum err check_delete_offsets(const struct group *group)
{
    (void)group;
    return ERR_NONE;
}

static bool is_subscribed(const struct group *group, struct slice topic)
{
    return consumer_topic_find(group->consumer, topic) != NULL;
}

static bool offsets_may_expire(const struct group *group, int64_t *ret_since_ms)
{
    (void)group;
    *ret_since_ms = -1;
    return true;
}

static bool is_empty(const struct group *group)
{
    return group->consumer->member_count == 0;
}

const struct group_kind group_kind_consumer = {
    .type_name = "consumer",
    .state_name = state_name,
    .protocol_type = protocol_type,
    .check_commit = check_commit,
    .check_commit_partition = check_commit_partition,
    .check_fetch = check_fetch,
    .check_delete = check_delete,
    .check_delete_offsets = check_delete_offsets,
    .is_subscribed = is_subscribed,
    .offsets_may_expire = offsets_may_expire,
    .is_empty = is_empty,
    .bury = consumer_bury,
    .end = end,
};

/* ---- the machine ---- */

void consumer_begin(struct group *group)
{
    struct groups *groups = group->groups;
    groups->new_topic_version = groups_world(groups)->image->end_offset - 1;
    int32_t timeout_ms = consumer_session_timeout_ms(groups, group->id);
    struct consumer_member *member = NULL;
    while ((member = consumer_member_next(group->consumer, member)) != NULL) {
        if (!member->exists)
            continue;
        consumer_session_start(member, timeout_ms);
        if (member->state == CONSUMER_MEMBER_UNREVOKED_PARTITIONS)
            consumer_rebalance_start(member);
    }
}

static bool has_new_topic(const struct meta_image *before, const struct meta_image *now)
{
    struct pmap_iterator iterator;
    struct pmap_entry entry;
    pmap_iterate(now->topics_by_id, (struct slice){0}, &iterator);
    while (pmap_next(&iterator, &entry))
        if (pmap_find(before->topics_by_id, entry.key) == NULL)
            return true;
    return false;
}

/* Groups look at their topics when a member beats next: what has not changed for them costs
 * nothing. Whether topics are new matters to patterns alone. */
void consumer_on_image(struct groups *groups, const struct meta_image *before)
{
    const struct meta_image *now = groups_world(groups)->image;
    bool topics_changed = before == NULL || before->topics_by_name.root != now->topics_by_name.root;
    if (topics_changed || before->brokers.root != now->brokers.root)
        groups->topics_version++;
    if (topics_changed &&
        (before == NULL || groups->pattern_count == 0 || has_new_topic(before, now)))
        groups->new_topic_version = now->end_offset - 1;
}
