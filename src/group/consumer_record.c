/* Records of consumer groups, made as Kafka makes them. Texts of keys are copied first: applying a
 * tombstone frees what they may be borrowed from. On the partition's shard. */
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

static void put(const struct consumer_writer *writer, const struct coord_record *record)
{
    struct coord_record whole = *record;
    whole.producer_id = -1;
    whole.producer_epoch = -1;
    groups_put(writer->groups, &whole);
}

static struct slice keep(const struct consumer_writer *writer, struct slice text)
{
    struct slice copy = arena_copy(writer->arena, text);
    ALWAYS(!writer->arena->failed, "memory for a record is out");
    return copy;
}

void consumer_put_profile(const struct consumer_writer *writer, struct slice member_id,
                          const struct consumer_group_member_metadata_value *profile)
{
    struct consumer_group_member_metadata_key key = {.group_id = writer->group_id,
                                                     .member_id = keep(writer, member_id)};
    struct consumer_group_member_metadata_value value;
    (void)consumer_profile_copy(profile, writer->arena, &value);
    put(writer, &(struct coord_record){
                    .key_message = &wire_consumer_group_member_metadata_key,
                    .key = &key,
                    .value_message = &wire_consumer_group_member_metadata_value,
                    .value = &value,
                });
}

void consumer_put_epoch(const struct consumer_writer *writer, int32_t epoch, int64_t metadata_hash)
{
    struct consumer_group_metadata_key key = {.group_id = writer->group_id};
    struct consumer_group_metadata_value value = {.epoch = epoch, .metadata_hash = metadata_hash};
    put(writer, &(struct coord_record){
                    .key_message = &wire_consumer_group_metadata_key,
                    .key = &key,
                    .value_message = &wire_consumer_group_metadata_value,
                    .value = &value,
                });
}

void consumer_put_target(const struct consumer_writer *writer, struct slice member_id,
                         const struct consumer_parts *parts)
{
    struct consumer_group_target_assignment_member_key key = {.group_id = writer->group_id,
                                                              .member_id = keep(writer, member_id)};
    struct consumer_group_target_assignment_member_value value = {
        .topic_partitions = CONSUMER_ARRAY(
            writer->arena, struct consumer_group_target_assignment_member_value_topic_partitions,
            consumer_parts_topics(parts)),
    };
    for (struct consumer_run run = consumer_parts_run(parts, 0); run.count > 0;
         run = consumer_parts_run(parts, run.first + run.count)) {
        struct consumer_group_target_assignment_member_value_topic_partitions *topic =
            &value.topic_partitions[value.topic_partitions_count++];
        topic->topic_id = parts->at[run.first].topic;
        topic->partitions = consumer_run_partitions(writer->arena, parts, run);
        topic->partitions_count = run.count;
    }
    put(writer, &(struct coord_record){
                    .key_message = &wire_consumer_group_target_assignment_member_key,
                    .key = &key,
                    .value_message = &wire_consumer_group_target_assignment_member_value,
                    .value = &value,
                });
}

void consumer_put_assignment_epoch(const struct consumer_writer *writer, int32_t epoch,
                                   int64_t at_ms)
{
    struct consumer_group_target_assignment_metadata_key key = {.group_id = writer->group_id};
    struct consumer_group_target_assignment_metadata_value value = {.assignment_epoch = epoch,
                                                                    .assignment_timestamp = at_ms};
    put(writer, &(struct coord_record){
                    .key_message = &wire_consumer_group_target_assignment_metadata_key,
                    .key = &key,
                    .value_message = &wire_consumer_group_target_assignment_metadata_value,
                    .value = &value,
                });
}

static void add_assigned(const struct consumer_writer *writer, const struct consumer_parts *parts,
                         struct consumer_group_current_member_assignment_value *value)
{
    value->assigned_partitions = CONSUMER_ARRAY(
        writer->arena, struct consumer_group_current_member_assignment_value_assigned_partitions,
        consumer_parts_topics(parts));
    for (struct consumer_run run = consumer_parts_run(parts, 0); run.count > 0;
         run = consumer_parts_run(parts, run.first + run.count)) {
        struct consumer_group_current_member_assignment_value_assigned_partitions *topic =
            &value->assigned_partitions[value->assigned_partitions_count++];
        topic->topic_id = parts->at[run.first].topic;
        topic->partitions = consumer_run_partitions(writer->arena, parts, run);
        topic->partitions_count = run.count;
        topic->assignment_epochs = consumer_run_epochs(writer->arena, parts, run);
        topic->assignment_epochs_count = run.count;
    }
}

static void add_revoking(const struct consumer_writer *writer, const struct consumer_parts *parts,
                         struct consumer_group_current_member_assignment_value *value)
{
    value->partitions_pending_revocation = CONSUMER_ARRAY(
        writer->arena,
        struct consumer_group_current_member_assignment_value_partitions_pending_revocation,
        consumer_parts_topics(parts));
    for (struct consumer_run run = consumer_parts_run(parts, 0); run.count > 0;
         run = consumer_parts_run(parts, run.first + run.count)) {
        struct consumer_group_current_member_assignment_value_partitions_pending_revocation *topic =
            &value->partitions_pending_revocation[value->partitions_pending_revocation_count++];
        topic->topic_id = parts->at[run.first].topic;
        topic->partitions = consumer_run_partitions(writer->arena, parts, run);
        topic->partitions_count = run.count;
        topic->assignment_epochs = consumer_run_epochs(writer->arena, parts, run);
        topic->assignment_epochs_count = run.count;
    }
}

void consumer_put_current(const struct consumer_writer *writer, struct slice member_id,
                          const struct consumer_current *current)
{
    struct consumer_group_current_member_assignment_key key = {
        .group_id = writer->group_id, .member_id = keep(writer, member_id)};
    struct consumer_group_current_member_assignment_value value = {
        .member_epoch = current->epoch,
        .previous_member_epoch = current->previous_epoch,
        .state = (int8_t)current->state,
    };
    add_assigned(writer, &current->assigned, &value);
    add_revoking(writer, &current->revoking, &value);
    put(writer, &(struct coord_record){
                    .key_message = &wire_consumer_group_current_member_assignment_key,
                    .key = &key,
                    .value_message = &wire_consumer_group_current_member_assignment_value,
                    .value = &value,
                });
}

void consumer_put_pattern(const struct consumer_writer *writer, struct slice pattern,
                          const struct consumer_resolved *resolved)
{
    struct consumer_group_regular_expression_key key = {
        .group_id = writer->group_id, .regular_expression = keep(writer, pattern)};
    struct consumer_group_regular_expression_value value = {
        .topics = resolved->topics,
        .topics_count = resolved->topic_count,
        .version = resolved->version,
        .timestamp = resolved->at_ms,
    };
    put(writer, &(struct coord_record){
                    .key_message = &wire_consumer_group_regular_expression_key,
                    .key = &key,
                    .value_message = &wire_consumer_group_regular_expression_value,
                    .value = &value,
                });
}

/* ---- tombstones ---- */

void consumer_bury_pattern(const struct consumer_writer *writer, struct slice pattern)
{
    struct consumer_group_regular_expression_key key = {
        .group_id = writer->group_id, .regular_expression = keep(writer, pattern)};
    put(writer, &(struct coord_record){.key_message = &wire_consumer_group_regular_expression_key,
                                       .key = &key});
}

void consumer_bury_topics(const struct consumer_writer *writer)
{
    struct consumer_group_partition_metadata_key key = {.group_id = writer->group_id};
    put(writer, &(struct coord_record){.key_message = &wire_consumer_group_partition_metadata_key,
                                       .key = &key});
}

static void bury_current(const struct consumer_writer *writer, struct slice member_id)
{
    struct consumer_group_current_member_assignment_key key = {.group_id = writer->group_id,
                                                               .member_id = member_id};
    put(writer,
        &(struct coord_record){.key_message = &wire_consumer_group_current_member_assignment_key,
                               .key = &key});
}

static void bury_target(const struct consumer_writer *writer, struct slice member_id)
{
    struct consumer_group_target_assignment_member_key key = {.group_id = writer->group_id,
                                                              .member_id = member_id};
    put(writer, &(struct coord_record){
                    .key_message = &wire_consumer_group_target_assignment_member_key, .key = &key});
}

static void bury_profile(const struct consumer_writer *writer, struct slice member_id)
{
    struct consumer_group_member_metadata_key key = {.group_id = writer->group_id,
                                                     .member_id = member_id};
    put(writer, &(struct coord_record){.key_message = &wire_consumer_group_member_metadata_key,
                                       .key = &key});
}

void consumer_bury_member(const struct consumer_writer *writer, struct slice member_id)
{
    struct slice id = keep(writer, member_id);
    bury_current(writer, id);
    bury_target(writer, id);
    bury_profile(writer, id);
}

static void bury_group(const struct consumer_writer *writer)
{
    struct consumer_group_target_assignment_metadata_key target = {.group_id = writer->group_id};
    put(writer,
        &(struct coord_record){.key_message = &wire_consumer_group_target_assignment_metadata_key,
                               .key = &target});
}

/* Entries that are no members have a target only; Kafka leaves those, which it cannot have. */
static struct slice *ids_of(const struct consumer_group *consumer,
                            const struct consumer_writer *writer, int *ret_count)
{
    struct slice *ids = CONSUMER_ARRAY(writer->arena, struct slice, consumer->members.count);
    int count = 0;
    struct consumer_member *member = NULL;
    while ((member = consumer_member_next(consumer, member)) != NULL)
        ids[count++] = keep(writer, member->id);
    *ret_count = consumer_names_sort(ids, count);
    return ids;
}

static void bury_patterns(const struct consumer_group *consumer,
                          const struct consumer_writer *writer)
{
    LIST_EACH_SAFE (&consumer->patterns, node, after) {
        const struct consumer_pattern *pattern =
            CONTAINER_OF(node, const struct consumer_pattern, link);
        if (pattern->is_resolved)
            consumer_bury_pattern(writer, pattern->text);
    }
}

void consumer_bury(struct group *group)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX / 2);
    struct consumer_writer writer = {.groups = group->groups, .arena = &arena};
    writer.group_id = keep(&writer, group->id);
    int count;
    struct slice *ids = ids_of(group->consumer, &writer, &count);
    for (int i = 0; i < count; i++)
        bury_current(&writer, ids[i]);
    for (int i = 0; i < count; i++)
        bury_target(&writer, ids[i]);
    bury_group(&writer);
    for (int i = 0; i < count; i++)
        bury_profile(&writer, ids[i]);
    bury_patterns(group->consumer, &writer);
    consumer_bury_topics(&writer);
    struct consumer_group_metadata_key key = {.group_id = writer.group_id};
    put(&writer,
        &(struct coord_record){.key_message = &wire_consumer_group_metadata_key, .key = &key});
    arena_fini(&arena);
}
