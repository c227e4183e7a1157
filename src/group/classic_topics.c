/* The topics that a group of consumers reads, from what its members said when they joined: offsets
 * of others may be forgotten. The metadata is the clients' own affair; where it is not that of a
 * consumer, nothing is known. On the partition's shard. */
#include "group/classic_int.h"

#include "base/arena.h"
#include "base/bytes.h"
#include "wire/msg/consumer_protocol_subscription.h"

#include <stdlib.h>

#define CONSUMERS "consumer"
/* The form that begins every later one. */
#define SUBSCRIPTION_VERSION 0

bool classic_is_consumers(const struct classic_group *classic)
{
    return slice_is(classic->protocol_type, CONSUMERS);
}

/* Adds a member's to the list. false: it is not a consumer's metadata, or memory is out. */
static bool add_topics(struct slice metadata, struct arena *arena, struct slice **topics,
                       size_t *count)
{
    struct consumer_protocol_subscription subscription;
    struct wire_decoded decoded;
    if (metadata.size < sizeof(int16_t) || load_i16(metadata.data) < 0 ||
        !wire_decode(&wire_consumer_protocol_subscription, SUBSCRIPTION_VERSION,
                     slice_from(metadata, sizeof(int16_t)), arena, &subscription, &decoded))
        return false;
    if (subscription.topics_count <= 0)
        return true;
    size_t more = (size_t)subscription.topics_count;
    struct slice *grown = realloc(*topics, (*count + more) * sizeof **topics);
    if (grown == NULL)
        return false;
    *topics = grown;
    memcpy(grown + *count, subscription.topics, more * sizeof *grown);
    *count += more;
    return true;
}

static int compare(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

/* Each once. */
static size_t sort(struct slice *topics, size_t count)
{
    if (count == 0)
        return 0;
    qsort(topics, count, sizeof *topics, compare);
    size_t kept = 1;
    for (size_t i = 1; i < count; i++)
        if (!slice_equal(topics[i], topics[kept - 1]))
            topics[kept++] = topics[i];
    return kept;
}

static struct classic_topics *topics_new(const struct slice *topics, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += topics[i].size;
    struct classic_topics *made = malloc(sizeof *made + count * sizeof made->at[0] + size);
    if (made == NULL)
        return NULL;
    made->count = (int32_t)count;
    uint8_t *at = (uint8_t *)&made->at[count];
    for (size_t i = 0; i < count; i++) {
        made->at[i] = slice_of(at, topics[i].size);
        if (topics[i].size > 0)
            memcpy(at, topics[i].data, topics[i].size);
        at += topics[i].size;
    }
    return made;
}

static struct classic_topics *gather(const struct classic_group *classic)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX / 2);
    struct slice *topics = NULL;
    size_t count = 0;
    bool known = true;
    LIST_EACH (&classic->members, node) {
        struct slice metadata = classic_member_metadata(classic_member_at(node), classic->protocol);
        known = known && add_topics(metadata, &arena, &topics, &count);
    }
    struct classic_topics *made = known ? topics_new(topics, sort(topics, count)) : NULL;
    free(topics);
    arena_fini(&arena);
    return made;
}

void classic_topics_find(struct group *group)
{
    struct classic_group *classic = group->classic;
    free(classic->topics);
    classic->topics = NULL;
    bool may_know = classic_is_consumers(classic) &&
                    (!slice_is_null(classic->protocol) || classic_member_count(classic) == 0);
    if (may_know)
        classic->topics = gather(classic);
}

bool classic_topics_have(const struct group *group, struct slice topic)
{
    const struct classic_topics *topics = group->classic->topics;
    if (topics == NULL)
        return classic_is_consumers(group->classic);
    return topics->count > 0 && bsearch(&topic, topics->at, (size_t)topics->count,
                                        sizeof topics->at[0], compare) != NULL;
}
