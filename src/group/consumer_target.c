/* The target assignment of a group: from members, their subscriptions and topics to numbers for the
 * assignors, and back to records of those whose target is another than before. Everything is
 * computed in one step, which takes milliseconds for 100 members and 1,000 partitions; a group is
 * computed anew once an interval (group.consumer.assignment.interval.ms) at most. On the
 * partition's shard. */
#include "group/consumer_int.h"

#include "base/always.h"
#include "config/node.h"
#include "config/value.h"
#include "group/consumer_assign.h"
#include "meta/image.h"

#include <stdlib.h>

/* ---- assignors ---- */

static const struct assignor {
    const char *name;
    void (*run)(struct assign *);
} assignors[] = {{"uniform", assign_uniform}, {"range", assign_range}};

struct slice consumer_assignor_at(const struct node_config *config, int index)
{
    struct slice rest = slice_of_text(config->group_consumer_assignors);
    struct slice name;
    while (config_list_next(&rest, &name))
        if (index-- == 0)
            return name;
    return (struct slice){0};
}

/* Of two that are asked for by as many the one that the configuration names first. */
struct slice consumer_assignor(const struct consumer_group *consumer)
{
    const struct node_config *config = consumer_world(consumer)->config;
    struct slice best = consumer_assignor_at(config, 0);
    int best_count = 0;
    struct slice name;
    for (int i = 0; !slice_is_null(name = consumer_assignor_at(config, i)); i++) {
        int count = 0;
        struct consumer_member *member = NULL;
        while ((member = consumer_member_next(consumer, member)) != NULL)
            count += member->exists && !slice_is_null(member->profile.server_assignor) &&
                     slice_equal(member->profile.server_assignor, name);
        if (count > best_count)
            best = name;
        best_count = MAX_OF(best_count, count);
    }
    return best;
}

static void run_assignor(struct slice name, struct assign *assign)
{
    for (size_t i = 0; i < COUNT_OF(assignors); i++)
        if (slice_is(name, assignors[i].name)) {
            assignors[i].run(assign);
            return;
        }
    /* The configuration knows no others. */
    ALWAYS(false, "there is no assignor %.*s", SLICE_ARG(name));
}

/* ---- what the assignors are given ---- */

struct target {
    struct consumer_group *consumer;
    struct arena *arena;
    struct consumer_member **members; /* by id */
    const struct meta_topic **topics; /* by name */
    int32_t topic_count;
    struct assign_topic *spans; /* as topics */
    int32_t *by_id;             /* numbers of topics, by topic id */
    struct assign assign;
};

static int compare_topics(const void *a, const void *b)
{
    const struct meta_topic *first = *(const struct meta_topic *const *)a;
    const struct meta_topic *second = *(const struct meta_topic *const *)b;
    return slice_compare(first->name, second->name);
}

/* A topic and its number, for sorting. */
struct numbered {
    struct uuid id;
    int32_t number;
};

static int compare_ids(const void *a, const void *b)
{
    return uuid_compare(((const struct numbered *)a)->id, ((const struct numbered *)b)->id);
}

static void sort_by_id(struct target *target)
{
    struct numbered *numbered = CONSUMER_ARRAY(target->arena, struct numbered, target->topic_count);
    for (int32_t i = 0; i < target->topic_count; i++)
        numbered[i] = (struct numbered){target->topics[i]->id, i};
    qsort(numbered, (size_t)target->topic_count, sizeof *numbered, compare_ids);
    target->by_id = CONSUMER_ARRAY(target->arena, int32_t, target->topic_count);
    for (int32_t i = 0; i < target->topic_count; i++)
        target->by_id[i] = numbered[i].number;
}

/* Subscribed topics that exist, each with its place among all partitions. */
static void collect_topics(struct target *target)
{
    struct consumer_group *consumer = target->consumer;
    const struct meta_image *image = consumer_world(consumer)->image;
    target->topics =
        CONSUMER_ARRAY(target->arena, const struct meta_topic *, consumer->topics.count);
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&consumer->topics, node)) != NULL) {
        struct consumer_topic *topic = CONTAINER_OF(node, struct consumer_topic, node);
        const struct meta_topic *found = meta_topic_named(image, topic->name);
        topic->index = -1;
        if (found != NULL)
            target->topics[target->topic_count++] = found;
    }
    qsort((void *)target->topics, (size_t)target->topic_count, sizeof(const struct meta_topic *),
          compare_topics);
    target->spans = CONSUMER_ARRAY(target->arena, struct assign_topic, target->topic_count);
    int32_t first = 0;
    for (int32_t i = 0; i < target->topic_count; i++) {
        consumer_topic_find(consumer, target->topics[i]->name)->index = i;
        target->spans[i] =
            (struct assign_topic){first, (int32_t)target->topics[i]->partitions.count};
        first += target->spans[i].count;
    }
    target->assign.partition_count = first;
    sort_by_id(target);
}

static int compare_numbers(const void *a, const void *b)
{
    int32_t first = *(const int32_t *)a;
    int32_t second = *(const int32_t *)b;
    return first < second ? -1 : first > second;
}

static int32_t sort_numbers(int32_t *numbers, int32_t count)
{
    if (count > 0)
        qsort(numbers, (size_t)count, sizeof *numbers, compare_numbers);
    int32_t kept = 0;
    for (int32_t i = 0; i < count; i++)
        if (kept == 0 || numbers[kept - 1] != numbers[i])
            numbers[kept++] = numbers[i];
    return kept;
}

static int32_t add_names(const struct target *target, const struct slice *names, int count,
                         int32_t *numbers)
{
    int32_t added = 0;
    for (int i = 0; i < count; i++) {
        const struct consumer_topic *topic = consumer_topic_find(target->consumer, names[i]);
        if (topic != NULL && topic->index >= 0)
            numbers[added++] = topic->index;
    }
    return added;
}

static void set_subscription(const struct target *target, const struct consumer_member *member,
                             struct assign_member *ret_member)
{
    const struct consumer_group_member_metadata_value *profile = &member->profile;
    const struct consumer_pattern *pattern =
        consumer_pattern_find(target->consumer, profile->subscribed_topic_regex);
    int matched = pattern != NULL ? pattern->topic_count : 0;
    int32_t *numbers =
        CONSUMER_ARRAY(target->arena, int32_t, profile->subscribed_topic_names_count + matched);
    int32_t count = add_names(target, profile->subscribed_topic_names,
                              profile->subscribed_topic_names_count, numbers);
    if (pattern != NULL)
        count += add_names(target, pattern->topics, matched, numbers + count);
    ret_member->topics = numbers;
    ret_member->topic_count = sort_numbers(numbers, count);
}

/* Of its last target, what still is there; both are by topic id. */
static void set_held(const struct target *target, const struct consumer_member *member,
                     struct assign_member *ret_member)
{
    const struct consumer_parts *parts = &member->target;
    int32_t *numbers = CONSUMER_ARRAY(target->arena, int32_t, parts->count);
    int32_t count = 0;
    int32_t at = 0;
    for (int i = 0; i < parts->count; i++) {
        const struct consumer_part *part = &parts->at[i];
        while (at < target->topic_count &&
               uuid_compare(target->topics[target->by_id[at]]->id, part->topic) < 0)
            at++;
        int32_t topic = at < target->topic_count ? target->by_id[at] : -1;
        if (topic < 0 || !uuid_equal(target->topics[topic]->id, part->topic) ||
            part->partition < 0 || part->partition >= target->spans[topic].count)
            continue;
        numbers[count++] = target->spans[topic].first + part->partition;
    }
    ret_member->held = numbers;
    ret_member->held_count = sort_numbers(numbers, count);
}

static void collect_members(struct target *target)
{
    int count = target->consumer->member_count;
    target->members = consumer_members_sorted(target->consumer, target->arena);
    struct assign_member *members = CONSUMER_ARRAY(target->arena, struct assign_member, count);
    for (int i = 0; i < count; i++) {
        members[i].id = target->members[i]->id;
        members[i].instance_id = target->members[i]->profile.instance_id;
        set_subscription(target, target->members[i], &members[i]);
        set_held(target, target->members[i], &members[i]);
    }
    target->assign.members = members;
    target->assign.member_count = count;
}

/* ---- what they give ---- */

/* Everyone's partitions, by topic id and number. */
static struct consumer_parts *collect_parts(const struct target *target)
{
    const struct assign *assign = &target->assign;
    struct consumer_parts *parts =
        CONSUMER_ARRAY(target->arena, struct consumer_parts, assign->member_count);
    for (int32_t i = 0; i < assign->partition_count; i++)
        if (assign->owners[i] != ASSIGN_NOBODY)
            parts[assign->owners[i]].count++;
    for (int32_t i = 0; i < assign->member_count; i++) {
        parts[i].at = CONSUMER_ARRAY(target->arena, struct consumer_part, parts[i].count);
        parts[i].count = 0;
    }
    for (int32_t i = 0; i < target->topic_count; i++) {
        int32_t topic = target->by_id[i];
        for (int32_t j = 0; j < target->spans[topic].count; j++) {
            int32_t owner = assign->owners[target->spans[topic].first + j];
            if (owner != ASSIGN_NOBODY)
                parts[owner].at[parts[owner].count++] =
                    (struct consumer_part){.topic = target->topics[topic]->id, .partition = j};
        }
    }
    return parts;
}

static void record_target(const struct target *target, const struct consumer_writer *writer)
{
    const struct consumer_parts *parts = collect_parts(target);
    for (int i = 0; i < target->assign.member_count; i++) {
        const struct consumer_member *member = target->members[i];
        if (!member->has_target || !consumer_parts_same(&member->target, &parts[i]))
            consumer_put_target(writer, member->id, &parts[i]);
    }
}

static void compute(struct consumer_group *consumer, const struct consumer_writer *writer)
{
    struct target target = {.consumer = consumer, .arena = writer->arena};
    collect_topics(&target);
    collect_members(&target);
    target.assign.arena = writer->arena;
    target.assign.topics = target.spans;
    target.assign.topic_count = target.topic_count;
    target.assign.is_homogeneous = consumer_is_homogeneous(consumer);
    target.assign.owners = CONSUMER_ARRAY(writer->arena, int32_t, target.assign.partition_count);
    for (int32_t i = 0; i < target.assign.partition_count; i++)
        target.assign.owners[i] = ASSIGN_NOBODY;
    run_assignor(consumer_assignor(consumer), &target.assign);
    record_target(&target, writer);
}

/* A wall clock that went back does not make the group wait for it. */
static bool is_due(const struct consumer_group *consumer)
{
    int64_t interval_ms =
        consumer_assignment_interval_ms(consumer->group->groups, consumer->group->id);
    int64_t age_ms = consumer_world(consumer)->wall_ms - consumer->assigned_at_ms;
    return consumer->assigned_at_ms == 0 || age_ms < 0 || age_ms >= interval_ms;
}

void consumer_update_target(struct consumer_group *consumer, const struct consumer_writer *writer)
{
    if (consumer->assignment_epoch >= consumer->epoch || !is_due(consumer))
        return;
    compute(consumer, writer);
    consumer_put_assignment_epoch(writer, consumer->epoch, consumer_world(consumer)->wall_ms);
}

void consumer_update_epoch(struct consumer_group *consumer, bool bump,
                           const struct consumer_writer *writer)
{
    struct groups *groups = consumer->group->groups;
    if (!bump && consumer->topics_version == groups->topics_version)
        return;
    int64_t hash = consumer_metadata_hash(consumer, writer->arena);
    if (bump || hash != consumer->metadata_hash)
        consumer_put_epoch(writer, consumer->epoch + 1, hash);
    consumer->topics_version = groups->topics_version;
    if (consumer->has_topics_record)
        consumer_bury_topics(writer);
}
