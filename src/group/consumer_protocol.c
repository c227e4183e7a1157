/* See the header. A version that is newer than ours is read as ours: later ones only add. */
#include "group/consumer_protocol.h"

#include "base/always.h"
#include "base/bytes.h"
#include "meta/image.h"
#include "wire/msg/consumer_protocol_assignment.h"

#define NEWEST_VERSION 3

/* -1: there is none. */
static int version_of(struct slice bytes)
{
    int version = bytes.size >= sizeof(int16_t) ? load_i16(bytes.data) : -1;
    return version < NEWEST_VERSION ? version : NEWEST_VERSION;
}

static bool read_one(const struct wire_message *message, struct slice bytes, struct arena *arena,
                     void *ret_body)
{
    struct wire_decoded decoded;
    int version = version_of(bytes);
    return version >= 0 && wire_decode(message, version, slice_from(bytes, sizeof(int16_t)), arena,
                                       ret_body, &decoded);
}

bool consumer_read_subscription(struct slice bytes, struct arena *arena,
                                struct consumer_protocol_subscription *ret_subscription)
{
    return read_one(&wire_consumer_protocol_subscription, bytes, arena, ret_subscription);
}

static void add_topic(struct consumer_parts *parts, const struct meta_topic *topic,
                      const int32_t *partitions, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        parts->at[parts->count++] =
            (struct consumer_part){.topic = topic->id, .partition = partitions[i]};
}

bool consumer_read_assignment(struct slice bytes, const struct meta_image *image,
                              struct arena *arena, struct consumer_parts *ret_parts,
                              bool *ret_has_data)
{
    *ret_has_data = false;
    *ret_parts = (struct consumer_parts){0};
    if (bytes.size == 0)
        return true;
    struct consumer_protocol_assignment assignment;
    if (!read_one(&wire_consumer_protocol_assignment, bytes, arena, &assignment))
        return false;
    int count = 0;
    for (int32_t i = 0; i < assignment.assigned_partitions_count; i++)
        count += MAX_OF(assignment.assigned_partitions[i].partitions_count, 0);
    *ret_parts = consumer_parts_room(arena, count);
    for (int32_t i = 0; i < assignment.assigned_partitions_count; i++) {
        const struct consumer_protocol_assignment_assigned_partitions *from =
            &assignment.assigned_partitions[i];
        const struct meta_topic *topic = meta_topic_named(image, from->topic);
        if (topic != NULL)
            add_topic(ret_parts, topic, from->partitions, from->partitions_count);
    }
    consumer_parts_sort(ret_parts);
    *ret_has_data = assignment.user_data.size > 0;
    return true;
}

struct consumer_parts consumer_owned_of(const struct consumer_protocol_subscription *subscription,
                                        const struct meta_image *image, struct arena *arena)
{
    int count = 0;
    for (int32_t i = 0; i < subscription->owned_partitions_count; i++)
        count += MAX_OF(subscription->owned_partitions[i].partitions_count, 0);
    struct consumer_parts parts = consumer_parts_room(arena, count);
    for (int32_t i = 0; i < subscription->owned_partitions_count; i++) {
        const struct consumer_protocol_subscription_owned_partitions *from =
            &subscription->owned_partitions[i];
        const struct meta_topic *topic = meta_topic_named(image, from->topic);
        if (topic != NULL)
            add_topic(&parts, topic, from->partitions, from->partitions_count);
    }
    consumer_parts_sort(&parts);
    return parts;
}

static struct slice encode(const struct consumer_protocol_assignment *assignment, int version,
                           struct arena *arena)
{
    struct chain bytes;
    chain_init(&bytes, INT32_MAX);
    uint8_t *prefix = chain_extend(&bytes, sizeof(int16_t));
    struct slice copy = {0};
    if (prefix != NULL) {
        store_i16(prefix, (int16_t)version);
        if (wire_encode(&wire_consumer_protocol_assignment, version, assignment, &bytes, NULL))
            copy = arena_copy(arena, slice_of(bytes.data, bytes.size));
    }
    chain_fini(&bytes);
    return copy;
}

struct slice consumer_write_assignment(const struct consumer_parts *parts,
                                       const struct meta_image *image, struct slice subscription,
                                       struct arena *arena)
{
    int version = version_of(subscription);
    struct consumer_protocol_assignment assignment = consumer_protocol_assignment_default;
    assignment.user_data = (struct slice){0};
    assignment.assigned_partitions =
        ARENA_ARRAY(arena, struct consumer_protocol_assignment_assigned_partitions,
                    (size_t)consumer_parts_topics(parts) + 1);
    assignment.assigned_partitions_count = 0;
    if (assignment.assigned_partitions == NULL)
        return (struct slice){0};
    for (struct consumer_run run = consumer_parts_run(parts, 0); run.count > 0;
         run = consumer_parts_run(parts, run.first + run.count)) {
        const struct meta_topic *topic = meta_topic_by_id(image, parts->at[run.first].topic);
        if (topic == NULL)
            continue;
        assignment.assigned_partitions[assignment.assigned_partitions_count++] =
            (struct consumer_protocol_assignment_assigned_partitions){
                .topic = topic->name,
                .partitions = consumer_run_partitions(arena, parts, run),
                .partitions_count = run.count,
            };
    }
    return arena->failed ? (struct slice){0} : encode(&assignment, MAX_OF(version, 0), arena);
}
