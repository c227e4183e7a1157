/* From an image back to records, for snapshots: metadata.version first, since it says how the rest
 * is to be read; topics before what refers to them. On the controller's shard. */
#include "meta/image_int.h"
#include "meta/record_version.h"

#include "wire/messages.h"
#include "wire/msg/config_record.h"
#include "wire/msg/feature_level_record.h"
#include "wire/msg/partition_record.h"
#include "wire/msg/producer_ids_record.h"
#include "wire/msg/register_broker_record.h"
#include "wire/msg/register_controller_record.h"
#include "wire/msg/topic_record.h"

struct writer {
    meta_record_fn on_record;
    void *context;
    int16_t partition_version;
    bool stopped;
};

static bool emit(struct writer *writer, const struct wire_message *message, int16_t version,
                 const void *record)
{
    struct meta_applied applied = {.message = message, .version = version, .record = record};
    writer->stopped = writer->stopped || !writer->on_record(writer->context, &applied);
    return !writer->stopped;
}

static void write_feature(struct writer *writer, struct slice name, int64_t level)
{
    struct feature_level_record record = {.name = name, .feature_level = (int16_t)level};
    (void)emit(writer, &wire_feature_level_record, 0, &record);
}

static void write_features(const struct meta_image *image, struct writer *writer)
{
    static const struct slice first = SLICE_LIT("metadata.version");
    const struct meta_number *version = pmap_find(image->features, first);
    if (version != NULL)
        write_feature(writer, first, version->number);
    struct pmap_iterator features;
    struct pmap_entry entry;
    pmap_iterate(image->features, (struct slice){0}, &features);
    while (pmap_next(&features, &entry))
        if (!slice_equal(entry.key, first))
            write_feature(writer, entry.key, ((const struct meta_number *)entry.value)->number);
}

static void write_controllers(const struct meta_image *image, struct writer *writer)
{
    struct pmap_iterator controllers;
    struct pmap_entry entry;
    pmap_iterate(image->controllers, (struct slice){0}, &controllers);
    while (pmap_next(&controllers, &entry))
        (void)emit(writer, &wire_register_controller_record, 0,
                   ((const struct meta_controller *)entry.value)->record);
}

static void write_brokers(const struct meta_image *image, struct writer *writer)
{
    struct pmap_iterator brokers;
    struct pmap_entry entry;
    pmap_iterate(image->brokers, (struct slice){0}, &brokers);
    while (pmap_next(&brokers, &entry)) {
        const struct meta_broker *broker = entry.value;
        struct register_broker_record record = *broker->record;
        struct uuid none;
        record.fenced = broker->fenced;
        record.in_controlled_shutdown = broker->in_controlled_shutdown;
        record.cordoned_log_dirs_count = broker->cordoned_count;
        struct uuid *cordoned = &none;
        if (broker->cordoned_count > 0)
            memcpy(&cordoned, &broker->cordoned, sizeof cordoned);
        record.cordoned_log_dirs = cordoned;
        int16_t version = meta_version_of_registration(image);
        if (version < 3)
            record.log_dirs_count = 0;
        if (version < 4)
            record.cordoned_log_dirs_count = -1;
        (void)emit(writer, &wire_register_broker_record, version, &record);
    }
}

/* Lists of the image are constant; the record's are not, but are only read. */
static int32_t *list_of(struct meta_ids ids)
{
    int32_t *list;
    memcpy(&list, &ids.at, sizeof list);
    return list;
}

static void write_partition(const struct meta_topic *topic, const struct meta_partition *partition,
                            struct writer *writer)
{
    struct partition_record record = {
        .partition_id = partition->id,
        .topic_id = topic->id,
        .replicas = list_of(partition->replicas),
        .replicas_count = partition->replicas.count,
        .isr = list_of(partition->isr),
        .isr_count = partition->isr.count,
        .removing_replicas = list_of(partition->removing),
        .removing_replicas_count = partition->removing.count,
        .adding_replicas = list_of(partition->adding),
        .adding_replicas_count = partition->adding.count,
        .leader = partition->leader,
        .leader_recovery_state = partition->leader_recovery_state,
        .leader_epoch = partition->leader_epoch,
        .partition_epoch = partition->partition_epoch,
        .directories_count = partition->directory_count,
        .eligible_leader_replicas = list_of(partition->elr),
        .eligible_leader_replicas_count = partition->elr.count > 0 ? partition->elr.count : -1,
        .last_known_elr = list_of(partition->last_known_elr),
        .last_known_elr_count =
            partition->last_known_elr.count > 0 ? partition->last_known_elr.count : -1,
    };
    memcpy(&record.directories, &partition->directories, sizeof record.directories);
    if (writer->partition_version < 1)
        record.directories_count = 0;
    if (writer->partition_version < 2) {
        record.eligible_leader_replicas_count = -1;
        record.last_known_elr_count = -1;
    }
    (void)emit(writer, &wire_partition_record, writer->partition_version, &record);
}

static void write_topics(const struct meta_image *image, struct writer *writer)
{
    struct pmap_iterator topics;
    struct pmap_entry entry;
    pmap_iterate(image->topics_by_name, (struct slice){0}, &topics);
    while (!writer->stopped && pmap_next(&topics, &entry)) {
        const struct meta_topic *topic = entry.value;
        struct topic_record record = {.name = topic->name, .topic_id = topic->id};
        (void)emit(writer, &wire_topic_record, 0, &record);
        struct pmap_iterator partitions;
        pmap_iterate(topic->partitions, (struct slice){0}, &partitions);
        while (!writer->stopped && pmap_next(&partitions, &entry))
            write_partition(topic, entry.value, writer);
    }
}

static void write_configs(const struct meta_image *image, struct writer *writer)
{
    struct pmap_iterator configs;
    struct pmap_entry entry;
    pmap_iterate(image->configs, (struct slice){0}, &configs);
    while (!writer->stopped && pmap_next(&configs, &entry)) {
        const struct meta_config *config = entry.value;
        struct pmap_iterator values;
        pmap_iterate(config->values, (struct slice){0}, &values);
        while (pmap_next(&values, &entry)) {
            struct config_record record = {
                .resource_type = config->type,
                .resource_name = config->name,
                .name = entry.key,
                .value = ((const struct meta_text *)entry.value)->text,
            };
            (void)emit(writer, &wire_config_record, 0, &record);
        }
    }
}

static void write_kept(const struct meta_image *image, struct writer *writer)
{
    struct pmap_iterator kept;
    struct pmap_entry entry;
    pmap_iterate(image->kept, (struct slice){0}, &kept);
    while (!writer->stopped && pmap_next(&kept, &entry)) {
        const struct meta_kept *record = entry.value;
        const struct wire_message *message =
            wire_record(&(struct wire_record_name){"cluster_metadata", WIRE_RECORD, record->type});
        (void)emit(writer, message, record->version, record->record);
    }
}

bool meta_image_write(const struct meta_image *image, meta_record_fn on_record, void *context)
{
    struct writer writer = {.on_record = on_record,
                            .context = context,
                            .partition_version = meta_version_of_partition(image)};
    write_features(image, &writer);
    write_controllers(image, &writer);
    write_brokers(image, &writer);
    write_topics(image, &writer);
    write_configs(image, &writer);
    if (image->next_producer_id > 0) {
        struct producer_ids_record record = {.broker_id = -1, /* as Kafka: it is over */
                                             .broker_epoch = -1,
                                             .next_producer_id = image->next_producer_id};
        (void)emit(&writer, &wire_producer_ids_record, 0, &record);
    }
    write_kept(image, &writer);
    return !writer.stopped;
}
