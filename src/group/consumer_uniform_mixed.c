/* The uniform assignor where subscriptions differ. What members have and may have stays; what
 * nobody has goes, topic by topic, to the least loaded subscribers; then partitions of each topic
 * move from its most loaded subscribers to its least loaded ones, until nothing moves any more or
 * the rounds are over (balance would cost more moves than it is worth then). Topics with many
 * partitions a subscriber come first, since others can still even out what they leave.
 *
 * Loads are ranges: of the sorted subscribers of a topic, the least loaded ones are filled level by
 * level from the left, the most loaded ones are emptied level by level from the right. Pure: one
 * thread. */
#include "group/consumer_assign.h"

#include "base/attr.h"
#include "group/consumer_int.h"

#include <stdlib.h>

#define ROUNDS_MAX 16

struct subscribers {
    int32_t *at; /* members, ascending */
    int32_t count;
};

struct mixed {
    struct assign *assign;
    struct subscribers *subscribers; /* by topic */
    int32_t *loads;                  /* by member: partitions that it has */
    int32_t *order;                  /* topics, those to be handled first in front */
    int32_t order_count;
    /* Of balancing a topic. */
    int32_t *partitions; /* of the topic, by owner and number */
    int32_t *starts;     /* by member: its part of partitions */
    int32_t *ends;
};

/* A topic's subscribers by load. */
struct levels {
    struct mixed *mixed;
    int32_t *members; /* by load and number */
    int32_t count;
    int32_t low_end; /* members in front of it have low_load */
    int32_t low_load;
    int32_t low_next;
    int32_t high_start; /* members from there to high_end have high_load */
    int32_t high_end;
    int32_t high_load;
    int32_t high_next;
};

/* ---- sorting: with what is sorted in front, since qsort has no context ---- */

struct keyed {
    int64_t first;
    int64_t second;
    int32_t value;
};

static int compare_keyed(const void *a, const void *b)
{
    const struct keyed *x = (const struct keyed *)a;
    const struct keyed *y = (const struct keyed *)b;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    if (x->second != y->second)
        return x->second < y->second ? -1 : 1;
    return x->value < y->value ? -1 : x->value > y->value;
}

struct ratio_keyed {
    int64_t partitions;
    int64_t subscribers;
    int32_t topic;
};

/* Partitions a subscriber, many first; then few subscribers first. */
static int compare_topics(const void *a, const void *b)
{
    const struct ratio_keyed *x = (const struct ratio_keyed *)a;
    const struct ratio_keyed *y = (const struct ratio_keyed *)b;
    int64_t left = x->partitions * y->subscribers;
    int64_t right = y->partitions * x->subscribers;
    if (left != right)
        return left > right ? -1 : 1;
    if (x->subscribers != y->subscribers)
        return x->subscribers < y->subscribers ? -1 : 1;
    return x->topic < y->topic ? -1 : x->topic > y->topic;
}

static void sort_topics(struct mixed *mixed)
{
    const struct assign *assign = mixed->assign;
    struct ratio_keyed *keyed =
        CONSUMER_ARRAY(assign->arena, struct ratio_keyed, assign->topic_count);
    for (int32_t i = 0; i < assign->topic_count; i++)
        if (mixed->subscribers[i].count > 0)
            keyed[mixed->order_count++] =
                (struct ratio_keyed){assign->topics[i].count, mixed->subscribers[i].count, i};
    qsort(keyed, (size_t)mixed->order_count, sizeof *keyed, compare_topics);
    for (int32_t i = 0; i < mixed->order_count; i++)
        mixed->order[i] = keyed[i].topic;
}

/* ---- levels ---- */

static int32_t load_at(const struct levels *levels, int32_t place)
{
    return levels->mixed->loads[levels->members[place]];
}

/* Returns by how many partitions the most and the least loaded differ. */
static int32_t levels_begin(struct levels *levels, int32_t topic, struct keyed *room)
{
    const struct subscribers *subscribers = &levels->mixed->subscribers[topic];
    levels->count = subscribers->count;
    for (int32_t i = 0; i < subscribers->count; i++)
        room[i] = (struct keyed){.first = levels->mixed->loads[subscribers->at[i]],
                                 .value = subscribers->at[i]};
    qsort(room, (size_t)subscribers->count, sizeof *room, compare_keyed);
    for (int32_t i = 0; i < subscribers->count; i++)
        levels->members[i] = room[i].value;
    levels->low_end = 0;
    levels->low_load = load_at(levels, 0) - 1;
    levels->low_next = 0;
    levels->high_start = levels->count;
    levels->high_end = levels->count;
    levels->high_load = load_at(levels, levels->count - 1) + 1;
    levels->high_next = levels->count - 1;
    return load_at(levels, levels->count - 1) - load_at(levels, 0);
}

/* The loads of those that were given in this level are not looked at again. */
static int32_t next_low(struct levels *levels)
{
    if (levels->low_next >= levels->low_end) {
        levels->low_load++;
        while (levels->low_end < levels->count &&
               load_at(levels, levels->low_end) == levels->low_load)
            levels->low_end++;
        levels->low_next = 0;
    }
    return levels->members[levels->low_next++];
}

static int32_t next_high(struct levels *levels)
{
    if (levels->high_next < levels->high_start) {
        if (levels->high_end <= levels->high_start && levels->high_start > 0)
            levels->high_load = load_at(levels, levels->high_start - 1);
        else
            levels->high_load--;
        while (levels->high_start > 0 &&
               load_at(levels, levels->high_start - 1) == levels->high_load)
            levels->high_start--;
        levels->high_next = levels->high_end - 1;
    }
    return levels->high_next < 0 ? ASSIGN_NOBODY : levels->members[levels->high_next--];
}

/* It has nothing of this topic to give. */
static void exclude_high(struct levels *levels)
{
    int32_t *at = &levels->members[levels->high_next + 1];
    int32_t *last = &levels->members[levels->high_end - 1];
    int32_t member = *at;
    *at = *last;
    *last = member;
    levels->high_end--;
}

static bool is_level(const struct levels *levels)
{
    return levels->high_load - levels->low_load <= 1;
}

/* ---- handing out ---- */

static void give(struct mixed *mixed, int32_t partition, int32_t member)
{
    int32_t *owner = &mixed->assign->owners[partition];
    if (*owner != ASSIGN_NOBODY)
        mixed->loads[*owner]--;
    *owner = member;
    mixed->loads[member]++;
}

static void keep_held(struct mixed *mixed)
{
    struct assign *assign = mixed->assign;
    for (int32_t i = 0; i < assign->partition_count; i++)
        assign->owners[i] = ASSIGN_NOBODY;
    for (int32_t i = 0; i < assign->member_count; i++) {
        const struct assign_member *member = &assign->members[i];
        int32_t topic = 0;
        for (int32_t j = 0; j < member->held_count; j++) {
            topic = assign_topic_of(assign, member->held[j], topic);
            if (assign_is_subscribed(member, topic))
                give(mixed, member->held[j], i);
        }
    }
}

static void hand_out(struct mixed *mixed, struct levels *levels, struct keyed *room)
{
    const struct assign *assign = mixed->assign;
    for (int32_t i = 0; i < mixed->order_count; i++) {
        const struct assign_topic *topic = &assign->topics[mixed->order[i]];
        bool began = false;
        for (int32_t j = topic->first; j < topic->first + topic->count; j++) {
            if (assign->owners[j] != ASSIGN_NOBODY)
                continue;
            if (!began)
                (void)levels_begin(levels, mixed->order[i], room);
            began = true;
            give(mixed, j, next_low(levels));
        }
    }
}

/* ---- balancing ---- */

/* A topic's partitions by owner: starts and ends of its subscribers. */
static void sort_partitions(struct mixed *mixed, int32_t number, struct keyed *room)
{
    const struct assign *assign = mixed->assign;
    const struct assign_topic *topic = &assign->topics[number];
    const struct subscribers *subscribers = &mixed->subscribers[number];
    for (int32_t i = 0; i < topic->count; i++)
        room[i] =
            (struct keyed){.first = assign->owners[topic->first + i], .value = topic->first + i};
    qsort(room, (size_t)topic->count, sizeof *room, compare_keyed);
    for (int32_t i = 0; i < subscribers->count; i++)
        mixed->starts[subscribers->at[i]] = mixed->ends[subscribers->at[i]] = 0;
    for (int32_t i = 0; i < topic->count; i++) {
        int32_t owner = (int32_t)room[i].first;
        mixed->partitions[i] = room[i].value;
        if (i == 0 || room[i - 1].first != room[i].first)
            mixed->starts[owner] = i;
        mixed->ends[owner] = i + 1;
    }
}

/* Returns whether anything moved. */
static bool balance_topic(struct mixed *mixed, int32_t topic, struct levels *levels,
                          struct keyed *room)
{
    if (levels_begin(levels, topic, room) <= 1)
        return false;
    sort_partitions(mixed, topic, room);
    bool moved = false;
    while (!is_level(levels)) {
        int32_t from = next_high(levels);
        if (from == ASSIGN_NOBODY)
            break;
        if (mixed->ends[from] <= mixed->starts[from]) {
            exclude_high(levels);
            continue;
        }
        int32_t partition = mixed->partitions[--mixed->ends[from]];
        int32_t to = next_low(levels);
        if (is_level(levels))
            break;
        give(mixed, partition, to);
        moved = true;
    }
    return moved;
}

static void balance(struct mixed *mixed, struct levels *levels, struct keyed *room)
{
    int32_t count = 0;
    for (int32_t i = 0; i < mixed->order_count; i++)
        if (mixed->subscribers[mixed->order[i]].count > 1)
            mixed->order[count++] = mixed->order[i];
    int32_t last_moved = -1;
    for (int round = 0; round < ROUNDS_MAX; round++)
        for (int32_t i = 0; i < count; i++) {
            if (i == last_moved)
                return;
            bool moved = balance_topic(mixed, mixed->order[i], levels, room);
            if (moved || last_moved == -1)
                last_moved = i;
        }
}

static void collect_subscribers(struct mixed *mixed)
{
    const struct assign *assign = mixed->assign;
    for (int32_t i = 0; i < assign->member_count; i++)
        for (int32_t j = 0; j < assign->members[i].topic_count; j++)
            mixed->subscribers[assign->members[i].topics[j]].count++;
    for (int32_t i = 0; i < assign->topic_count; i++) {
        struct subscribers *subscribers = &mixed->subscribers[i];
        subscribers->at = CONSUMER_ARRAY(assign->arena, int32_t, subscribers->count);
        subscribers->count = 0;
    }
    for (int32_t i = 0; i < assign->member_count; i++)
        for (int32_t j = 0; j < assign->members[i].topic_count; j++) {
            struct subscribers *subscribers = &mixed->subscribers[assign->members[i].topics[j]];
            subscribers->at[subscribers->count++] = i;
        }
}

void assign_uniform_mixed(struct assign *assign)
{
    struct arena *arena = assign->arena;
    int32_t most = assign->member_count;
    for (int32_t i = 0; i < assign->topic_count; i++)
        most = MAX_OF(most, assign->topics[i].count);
    struct mixed mixed = {
        .assign = assign,
        .subscribers = CONSUMER_ARRAY(arena, struct subscribers, assign->topic_count),
        .loads = CONSUMER_ARRAY(arena, int32_t, assign->member_count),
        .order = CONSUMER_ARRAY(arena, int32_t, assign->topic_count),
        .partitions = CONSUMER_ARRAY(arena, int32_t, most),
        .starts = CONSUMER_ARRAY(arena, int32_t, assign->member_count),
        .ends = CONSUMER_ARRAY(arena, int32_t, assign->member_count),
    };
    struct levels levels = {.mixed = &mixed,
                            .members = CONSUMER_ARRAY(arena, int32_t, assign->member_count)};
    struct keyed *room = CONSUMER_ARRAY(arena, struct keyed, most);
    collect_subscribers(&mixed);
    sort_topics(&mixed);
    keep_held(&mixed);
    hand_out(&mixed, &levels, room);
    balance(&mixed, &levels, room);
}
