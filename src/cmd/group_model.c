/* What is worked out of what coordinators say. Pure. One thread. */
#include "cmd/group_model.h"

#include "base/bytes.h"
#include "wire/msg/consumer_protocol_assignment.h"

#include <stdlib.h>

static int compare_places(struct slice topic, int32_t partition, const struct group_partition *to)
{
    int order = slice_compare(topic, to->topic);
    return order != 0 ? order : (partition > to->partition) - (partition < to->partition);
}

static int by_partition(const void *a, const void *b)
{
    const struct group_partition *left = a;
    return compare_places(left->topic, left->partition, b);
}

static int by_offset(const void *a, const void *b)
{
    const struct group_offset *left = a;
    const struct group_offset *right = b;
    struct group_partition place = {.topic = right->topic, .partition = right->partition};
    return compare_places(left->topic, left->partition, &place);
}

void group_partitions_sort(struct group_partition *partitions, size_t count)
{
    if (count > 1)
        qsort(partitions, count, sizeof *partitions, by_partition);
}

static void sort_offsets(struct group_offset *offsets, size_t count)
{
    if (count > 1)
        qsort(offsets, count, sizeof *offsets, by_offset);
}

size_t group_join(struct group_offset *offsets, size_t committed_count,
                  const struct group_member *members, size_t member_count)
{
    size_t count = committed_count;
    sort_offsets(offsets, committed_count);
    for (size_t m = 0; m < member_count; m++)
        for (size_t p = 0; p < members[m].assigned_count; p++) {
            struct group_offset at = {.topic = members[m].assigned[p].topic,
                                      .partition = members[m].assigned[p].partition,
                                      .committed = -1,
                                      .end = -1,
                                      .member = &members[m]};
            struct group_offset *found =
                committed_count > 0 ? bsearch(&at, offsets, committed_count, sizeof at, by_offset)
                                    : NULL;
            if (found != NULL)
                found->member = &members[m];
            else
                offsets[count++] = at;
        }
    sort_offsets(offsets, count);
    return count;
}

bool group_lag(const struct group_offset *offset, int64_t *ret_lag)
{
    if (offset->committed < 0 || offset->end < 0)
        return false;
    *ret_lag = offset->end - offset->committed;
    return true;
}

struct group_total group_topic_total(const struct group_offset *offsets, size_t count, size_t *at)
{
    struct group_total total = {.topic = offsets[*at].topic};
    for (; *at < count && slice_equal(offsets[*at].topic, total.topic); (*at)++) {
        int64_t lag;
        bool known = group_lag(&offsets[*at], &lag);
        total.partitions++;
        total.unknown += !known;
        total.lag += known && lag > 0 ? lag : 0;
    }
    return total;
}

/* ConsumerProtocolAssignment: what has a later version than is known here reads as the last. */
bool group_assignment_parse(struct slice bytes, struct arena *arena, struct group_member *member)
{
    const struct wire_message *message = &wire_consumer_protocol_assignment;
    struct consumer_protocol_assignment assignment;
    struct wire_decoded decoded;
    size_t count = 0;
    if (bytes.size < 2)
        return bytes.size == 0;
    int version = load_i16(bytes.data);
    if (version < 0 || !wire_decode(message, MIN_OF(version, (int)message->versions.high),
                                    slice_from(bytes, 2), arena, &assignment, &decoded))
        return false;
    for (int32_t t = 0; t < assignment.assigned_partitions_count; t++)
        count += (size_t)MAX_OF(assignment.assigned_partitions[t].partitions_count, 0);
    member->assigned = ARENA_ARRAY(arena, struct group_partition, count + 1);
    if (member->assigned == NULL)
        return false;
    member->assigned_count = 0;
    for (int32_t t = 0; t < assignment.assigned_partitions_count; t++)
        for (int32_t p = 0; p < assignment.assigned_partitions[t].partitions_count; p++)
            member->assigned[member->assigned_count++] = (struct group_partition){
                .topic = assignment.assigned_partitions[t].topic,
                .partition = assignment.assigned_partitions[t].partitions[p]};
    group_partitions_sort(member->assigned, member->assigned_count);
    return true;
}
