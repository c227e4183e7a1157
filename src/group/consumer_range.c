/* The range assignor: of each topic every subscriber gets a run of neighbouring partitions, the
 * first ones get one more where it does not come out even. Members stand in the order of their
 * instance ids, those without behind them by member id; so the same partition numbers of several
 * topics meet at the same member. Pure: one thread. */
#include "group/consumer_assign.h"

#include "group/consumer_int.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const struct assign_member *first = *(const struct assign_member *const *)a;
    const struct assign_member *second = *(const struct assign_member *const *)b;
    bool has_first = !slice_is_null(first->instance_id);
    bool has_second = !slice_is_null(second->instance_id);
    if (has_first != has_second)
        return has_first ? -1 : 1;
    return has_first ? slice_compare(first->instance_id, second->instance_id)
                     : slice_compare(first->id, second->id);
}

static const struct assign_member **sorted(const struct assign *assign)
{
    const struct assign_member **members =
        CONSUMER_ARRAY(assign->arena, const struct assign_member *, assign->member_count);
    for (int32_t i = 0; i < assign->member_count; i++)
        members[i] = &assign->members[i];
    qsort((void *)members, (size_t)assign->member_count, sizeof(const struct assign_member *),
          compare);
    return members;
}

/* How far a topic has been handed out. */
struct progress {
    int32_t next;
    int32_t quota;
    int32_t extras;
};

void assign_range(struct assign *assign)
{
    if (assign->member_count == 0 || assign->partition_count == 0)
        return;
    struct progress *progress = CONSUMER_ARRAY(assign->arena, struct progress, assign->topic_count);
    for (int32_t i = 0; i < assign->member_count; i++)
        for (int32_t j = 0; j < assign->members[i].topic_count; j++)
            progress[assign->members[i].topics[j]].quota++;
    for (int32_t i = 0; i < assign->topic_count; i++) {
        int32_t subscribers = progress[i].quota;
        if (subscribers == 0)
            continue;
        progress[i] = (struct progress){.next = assign->topics[i].first,
                                        .quota = assign->topics[i].count / subscribers,
                                        .extras = assign->topics[i].count % subscribers};
    }
    for (int32_t i = 0; i < assign->partition_count; i++)
        assign->owners[i] = ASSIGN_NOBODY;
    const struct assign_member **members = sorted(assign);
    for (int32_t i = 0; i < assign->member_count; i++)
        for (int32_t j = 0; j < members[i]->topic_count; j++) {
            struct progress *topic = &progress[members[i]->topics[j]];
            int32_t end = topic->next + topic->quota + (topic->extras > 0);
            topic->extras -= topic->extras > 0;
            while (topic->next < end)
                assign->owners[topic->next++] = (int32_t)(members[i] - assign->members);
        }
}
