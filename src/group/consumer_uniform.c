/* The uniform assignor where all members are subscribed to the same topics. Each gets the same
 * number of partitions, the first ones that have one too many already keep it; what nobody has, or
 * what is taken from who has too many, goes to who has too few. Pure: one thread. */
#include "group/consumer_assign.h"

#include "base/attr.h"
#include "group/consumer_int.h"

/* What is to be handed out: partitions without an owner, and who may have how many more. */
struct uniform {
    struct assign *assign;
    int32_t *free;
    int32_t free_count;
    int32_t *quotas; /* by member: how many more it gets */
    int32_t quota_least;
    int32_t extras; /* members that may have one more than the least */
};

bool assign_is_subscribed(const struct assign_member *member, int32_t topic)
{
    int32_t low = 0;
    int32_t high = member->topic_count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (member->topics[middle] < topic)
            low = middle + 1;
        else
            high = middle;
    }
    return low < member->topic_count && member->topics[low] == topic;
}

int32_t assign_topic_of(const struct assign *assign, int32_t partition, int32_t from)
{
    while (partition >= assign->topics[from].first + assign->topics[from].count)
        from++;
    return from;
}

static void collect_free(struct uniform *uniform)
{
    struct assign *assign = uniform->assign;
    for (int32_t i = 0; i < assign->partition_count; i++)
        assign->owners[i] = ASSIGN_NOBODY;
    for (int32_t i = 0; i < assign->member_count; i++)
        for (int32_t j = 0; j < assign->members[i].held_count; j++)
            assign->owners[assign->members[i].held[j]] = i;
    for (int32_t i = 0; i < assign->partition_count; i++)
        if (assign->owners[i] == ASSIGN_NOBODY)
            uniform->free[uniform->free_count++] = i;
}

/* Keeps what the quota has room for; returns what is left of it. */
static int32_t keep(struct uniform *uniform, int32_t member, int32_t quota)
{
    struct assign *assign = uniform->assign;
    const struct assign_member *held = &assign->members[member];
    for (int32_t i = 0; i < held->held_count; i++) {
        if (assign->owners[held->held[i]] != member)
            continue; /* two had it */
        if (quota > 0) {
            quota--;
            continue;
        }
        assign->owners[held->held[i]] = ASSIGN_NOBODY;
        uniform->free[uniform->free_count++] = held->held[i];
    }
    return quota;
}

/* An extra partition goes to who has it already; to others when no later member could have it. */
static void take_away(struct uniform *uniform)
{
    int32_t members = uniform->assign->member_count;
    for (int32_t i = 0; i < members; i++) {
        bool has_extra = uniform->extras > 0;
        int32_t quota = keep(uniform, i, uniform->quota_least + has_extra);
        if (quota > 0 && has_extra && members - i > uniform->extras) {
            quota--;
            has_extra = false;
        }
        uniform->quotas[i] = quota;
        uniform->extras -= has_extra;
    }
}

static void hand_out(struct uniform *uniform)
{
    int32_t next = 0;
    for (int32_t i = 0; i < uniform->assign->member_count; i++)
        for (int32_t j = 0; j < uniform->quotas[i] && next < uniform->free_count; j++)
            uniform->assign->owners[uniform->free[next++]] = i;
}

void assign_uniform(struct assign *assign)
{
    if (assign->member_count == 0 || assign->partition_count == 0)
        return;
    if (!assign->is_homogeneous) {
        assign_uniform_mixed(assign);
        return;
    }
    struct uniform uniform = {
        .assign = assign,
        .free = CONSUMER_ARRAY(assign->arena, int32_t, assign->partition_count),
        .quotas = CONSUMER_ARRAY(assign->arena, int32_t, assign->member_count),
        .quota_least = assign->partition_count / assign->member_count,
        .extras = assign->partition_count % assign->member_count,
    };
    collect_free(&uniform);
    take_away(&uniform);
    hand_out(&uniform);
}
