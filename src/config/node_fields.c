/* Copies the values of plain keys into struct node_config: one row a field. Its complication is
 * that the field's type must be the key's, which is checked when a row is used. Any thread. */
#include "config/node_int.h"

#include "base/always.h"

struct field {
    const char *key;
    size_t offset;
    size_t size;
};

#define FIELD(member, key_name) \
    { \
        .key = (key_name), .offset = offsetof(struct node_config, member), \
        .size = sizeof(((struct node_config *)0)->member) \
    }

static const struct field fields[] = {
    FIELD(rack, "broker.rack"),
    FIELD(socket_send_buffer_bytes, "socket.send.buffer.bytes"),
    FIELD(socket_receive_buffer_bytes, "socket.receive.buffer.bytes"),
    FIELD(socket_request_max_bytes, "socket.request.max.bytes"),
    FIELD(socket_listen_backlog_size, "socket.listen.backlog.size"),
    FIELD(connections_max_idle_ms, "connections.max.idle.ms"),
    FIELD(max_connections, "max.connections"),
    FIELD(max_connections_per_ip, "max.connections.per.ip"),
    FIELD(max_connections_per_ip_overrides, "max.connections.per.ip.overrides"),
    FIELD(max_connection_creation_rate, "max.connection.creation.rate"),
    FIELD(queued_max_request_bytes, "queued.max.request.bytes"),
    FIELD(fetch_max_bytes, "fetch.max.bytes"),
    FIELD(max_incremental_fetch_session_cache_slots, "max.incremental.fetch.session.cache.slots"),
    FIELD(max_request_partition_size_limit, "max.request.partition.size.limit"),
    FIELD(num_partitions, "num.partitions"),
    FIELD(auto_create_topics_enable, "auto.create.topics.enable"),
    FIELD(delete_topic_enable, "delete.topic.enable"),
    FIELD(offsets_topic_num_partitions, "offsets.topic.num.partitions"),
    FIELD(offsets_topic_replication_factor, "offsets.topic.replication.factor"),
    FIELD(offsets_topic_segment_bytes, "offsets.topic.segment.bytes"),
    FIELD(transaction_state_log_num_partitions, "transaction.state.log.num.partitions"),
    FIELD(transaction_state_log_replication_factor, "transaction.state.log.replication.factor"),
    FIELD(transaction_state_log_min_isr, "transaction.state.log.min.isr"),
    FIELD(transaction_state_log_segment_bytes, "transaction.state.log.segment.bytes"),
    FIELD(share_coordinator_state_topic_num_partitions,
          "share.coordinator.state.topic.num.partitions"),
    FIELD(share_coordinator_state_topic_replication_factor,
          "share.coordinator.state.topic.replication.factor"),
    FIELD(share_coordinator_state_topic_min_isr, "share.coordinator.state.topic.min.isr"),
    FIELD(share_coordinator_state_topic_segment_bytes,
          "share.coordinator.state.topic.segment.bytes"),
    FIELD(producer_id_expiration_ms, "producer.id.expiration.ms"),
    FIELD(producer_id_expiration_check_interval_ms, "producer.id.expiration.check.interval.ms"),
    FIELD(transaction_max_timeout_ms, "transaction.max.timeout.ms"),
    FIELD(offsets_load_buffer_size, "offsets.load.buffer.size"),
    FIELD(offsets_topic_compression_codec, "offsets.topic.compression.codec"),
    FIELD(offset_metadata_max_bytes, "offset.metadata.max.bytes"),
    FIELD(offsets_retention_minutes, "offsets.retention.minutes"),
    FIELD(offsets_retention_check_interval_ms, "offsets.retention.check.interval.ms"),
    FIELD(group_coordinator_rebalance_protocols, "group.coordinator.rebalance.protocols"),
    FIELD(group_initial_rebalance_delay_ms, "group.initial.rebalance.delay.ms"),
    FIELD(group_min_session_timeout_ms, "group.min.session.timeout.ms"),
    FIELD(group_max_session_timeout_ms, "group.max.session.timeout.ms"),
    FIELD(group_max_size, "group.max.size"),
    FIELD(group_consumer_assignors, "group.consumer.assignors"),
    FIELD(group_consumer_migration_policy, "group.consumer.migration.policy"),
    FIELD(group_consumer_max_size, "group.consumer.max.size"),
    FIELD(group_consumer_session_timeout_ms, "group.consumer.session.timeout.ms"),
    FIELD(group_consumer_min_session_timeout_ms, "group.consumer.min.session.timeout.ms"),
    FIELD(group_consumer_max_session_timeout_ms, "group.consumer.max.session.timeout.ms"),
    FIELD(group_consumer_heartbeat_interval_ms, "group.consumer.heartbeat.interval.ms"),
    FIELD(group_consumer_min_heartbeat_interval_ms, "group.consumer.min.heartbeat.interval.ms"),
    FIELD(group_consumer_max_heartbeat_interval_ms, "group.consumer.max.heartbeat.interval.ms"),
    FIELD(group_consumer_min_assignment_interval_ms, "group.consumer.min.assignment.interval.ms"),
    FIELD(group_consumer_max_assignment_interval_ms, "group.consumer.max.assignment.interval.ms"),
    FIELD(group_consumer_regex_refresh_interval_ms, "group.consumer.regex.refresh.interval.ms"),
    FIELD(transaction_state_log_load_buffer_size, "transaction.state.log.load.buffer.size"),
    FIELD(transactional_id_expiration_ms, "transactional.id.expiration.ms"),
    FIELD(transaction_abort_timed_out_interval_ms,
          "transaction.abort.timed.out.transaction.cleanup.interval.ms"),
    FIELD(transaction_remove_expired_interval_ms,
          "transaction.remove.expired.transaction.cleanup.interval.ms"),
    FIELD(add_partitions_to_txn_retry_backoff_ms, "add.partitions.to.txn.retry.backoff.ms"),
    FIELD(add_partitions_to_txn_retry_backoff_max_ms, "add.partitions.to.txn.retry.backoff.max.ms"),
    FIELD(log_flush_offset_checkpoint_interval_ms, "log.flush.offset.checkpoint.interval.ms"),
    FIELD(log_flush_start_offset_checkpoint_interval_ms,
          "log.flush.start.offset.checkpoint.interval.ms"),
    FIELD(replica_high_watermark_checkpoint_interval_ms,
          "replica.high.watermark.checkpoint.interval.ms"),
    FIELD(log_initial_task_delay_ms, "log.initial.task.delay.ms"),
    FIELD(log_cleaner_enable, "log.cleaner.enable"),
    FIELD(log_cleaner_threads, "log.cleaner.threads"),
    FIELD(log_cleaner_backoff_ms, "log.cleaner.backoff.ms"),
    FIELD(log_cleaner_dedupe_buffer_size, "log.cleaner.dedupe.buffer.size"),
    FIELD(log_cleaner_io_buffer_size, "log.cleaner.io.buffer.size"),
    FIELD(log_cleaner_io_buffer_load_factor, "log.cleaner.io.buffer.load.factor"),
    FIELD(log_cleaner_io_max_bytes_per_second, "log.cleaner.io.max.bytes.per.second"),
    FIELD(log_retention_check_interval_ms, "log.retention.check.interval.ms"),
    FIELD(metadata_log_segment_bytes, "metadata.log.segment.bytes"),
    FIELD(metadata_log_segment_ms, "metadata.log.segment.ms"),
    FIELD(metadata_log_max_record_bytes_between_snapshots,
          "metadata.log.max.record.bytes.between.snapshots"),
    FIELD(metadata_log_max_snapshot_interval_ms, "metadata.log.max.snapshot.interval.ms"),
    FIELD(metadata_max_retention_bytes, "metadata.max.retention.bytes"),
    FIELD(metadata_max_retention_ms, "metadata.max.retention.ms"),
    FIELD(internal_metadata_delete_delay_millis, "internal.metadata.delete.delay.millis"),
    FIELD(metadata_max_idle_interval_ms, "metadata.max.idle.interval.ms"),
    FIELD(broker_heartbeat_interval_ms, "broker.heartbeat.interval.ms"),
    FIELD(broker_session_timeout_ms, "broker.session.timeout.ms"),
    FIELD(initial_broker_registration_timeout_ms, "initial.broker.registration.timeout.ms"),
    FIELD(controlled_shutdown_enable, "controlled.shutdown.enable"),
    FIELD(shards, "ottla.shards"),
    FIELD(workers, "ottla.workers"),
    FIELD(memory_request_bytes, "ottla.memory.request.bytes"),
    FIELD(disk_reserve_bytes, "ottla.disk.reserve.bytes"),
    FIELD(frame_timeout_ms, "ottla.frame.timeout.ms"),
    FIELD(index_cache_bytes, "ottla.index.cache.bytes"),
    FIELD(scrub_bytes_per_second, "ottla.scrub.bytes.per.second"),
    FIELD(scrub_interval_ms, "ottla.scrub.interval.ms"),
    FIELD(flush_unflushed_bytes, "ottla.flush.unflushed.bytes"),
    FIELD(log_level, "ottla.log.level"),
};

static const struct config_row *row_of(const char *key)
{
    const struct config_row *row = config_row_find(CONFIG_BROKER, key, strlen(key));
    if (row == NULL)
        row = config_row_find(CONFIG_OWN, key, strlen(key));
    ALWAYS(row != NULL, "a field of struct node_config stands for %s, which has no row", key);
    return row;
}

static void store(void *at, size_t size, const void *value, size_t value_size, const char *key)
{
    ALWAYS(size == value_size, "the field of %s has %zu bytes, its type %zu", key, size,
           value_size);
    memcpy(at, value, size);
}

static void store_value(struct node_loader *loader, const struct field *field,
                        const struct config_row *row, const struct config_value *value)
{
    void *at = (char *)loader->config + field->offset;
    switch (row->type) {
    case CONFIG_BOOLEAN: {
        bool flag = value->number != 0;
        store(at, field->size, &flag, sizeof flag, row->name);
        break;
    }
    case CONFIG_SHORT: {
        int16_t number = (int16_t)value->number;
        store(at, field->size, &number, sizeof number, row->name);
        break;
    }
    case CONFIG_INT: {
        int32_t number = (int32_t)value->number;
        store(at, field->size, &number, sizeof number, row->name);
        break;
    }
    case CONFIG_LONG:
        store(at, field->size, &value->number, sizeof value->number, row->name);
        break;
    case CONFIG_DOUBLE:
        store(at, field->size, &value->real, sizeof value->real, row->name);
        break;
    case CONFIG_STRING:
    case CONFIG_LIST:
    case CONFIG_CLASS:
    case CONFIG_PASSWORD: {
        const char *copy = value->is_null ? NULL : node_loader_copy(loader, value->text);
        store(at, field->size, &copy, sizeof(char *), row->name);
        break;
    }
    }
}

/* A value that failed its check was told already: its default stands in until the load ends. */
static void load_field(struct node_loader *loader, const struct field *field)
{
    const struct config_row *row = row_of(field->key);
    const struct node_setting *setting = node_setting_find(loader->config, field->key);
    struct config_value value = config_value_default(row);
    struct config_value given;
    if (setting != NULL && config_value_parse(row, slice_of_text(setting->value), &given, NULL))
        value = given;
    store_value(loader, field, row, &value);
}

static int64_t number_of(const struct node_loader *loader, const char *key)
{
    struct config_value value = {.number = 0};
    struct slice text = node_setting_text(loader->config, key);
    if (slice_is_null(text) || !config_value_parse(row_of(key), text, &value, NULL))
        return 0;
    return value.number;
}

/* host:count; the host may be an IPv6 address. */
static bool is_override(struct slice entry)
{
    size_t size = entry.size;
    while (size > 0 && entry.data[size - 1] >= '0' && entry.data[size - 1] <= '9')
        size--;
    return size > 1 && size < entry.size && entry.size - size <= 9 && entry.data[size - 1] == ':';
}

static void check_host_overrides(struct node_loader *loader)
{
    static const char key[] = "max.connections.per.ip.overrides";
    struct slice rest = node_setting_text(loader->config, key);
    struct slice entry;
    while (rest.size > 0 && config_list_next(&rest, &entry))
        if (!is_override(entry))
            node_loader_error(loader, node_setting_find(loader->config, key),
                              "%s: %.*s must be host:count", key, SLICE_ARG(entry));
}

/* Conditions over two keys, in Kafka's sense. */
static void check_together(struct node_loader *loader)
{
    const struct node_config *config = loader->config;
    if ((int64_t)config->broker_heartbeat_interval_ms * 2 > config->broker_session_timeout_ms)
        node_loader_error(loader, node_setting_find(config, "broker.session.timeout.ms"),
                          "broker.heartbeat.interval.ms should be less than or equal to half of "
                          "the broker.session.timeout.ms");
    if (config->queued_max_request_bytes > 0 &&
        config->queued_max_request_bytes < config->socket_request_max_bytes)
        node_loader_error(loader, node_setting_find(config, "queued.max.request.bytes"),
                          "queued.max.request.bytes must be larger or equal to "
                          "socket.request.max.bytes");
    if (config->max_connections_per_ip == 0 && config->max_connections_per_ip_overrides[0] == '\0')
        node_loader_error(loader, node_setting_find(config, "max.connections.per.ip"),
                          "max.connections.per.ip can be set to zero only if "
                          "max.connections.per.ip.overrides property is set.");
    static const char *const retention[] = {"log.retention.ms", "log.retention.minutes",
                                            "log.retention.hours"};
    for (size_t i = 0; i < COUNT_OF(retention); i++) {
        const struct node_setting *setting = node_setting_find(config, retention[i]);
        if (setting != NULL && number_of(loader, retention[i]) == 0)
            node_loader_error(loader, setting,
                              "%s must be unlimited (-1) or, equal or greater than 1",
                              retention[i]);
    }
    if (number_of(loader, "log.cleaner.min.compaction.lag.ms") >
        number_of(loader, "log.cleaner.max.compaction.lag.ms"))
        node_loader_error(loader, node_setting_find(config, "log.cleaner.min.compaction.lag.ms"),
                          "log.cleaner.min.compaction.lag.ms is greater than "
                          "log.cleaner.max.compaction.lag.ms");
}

/* What Kafka serves in any case. */
static void check_protocols(struct node_loader *loader)
{
    struct slice rest = slice_of_text(loader->config->group_coordinator_rebalance_protocols);
    struct slice protocol;
    while (config_list_next(&rest, &protocol))
        if (slice_is(protocol, "classic"))
            return;
    node_loader_error(loader,
                      node_setting_find(loader->config, "group.coordinator.rebalance.protocols"),
                      "group.coordinator.rebalance.protocols: Disabling the 'classic' protocol is "
                      "not supported.");
}

void node_load_fields(struct node_loader *loader)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        load_field(loader, &fields[i]);
    int64_t factor = number_of(loader, "default.replication.factor");
    if (factor < 1 || factor > INT16_MAX)
        node_loader_error(loader, node_setting_find(loader->config, "default.replication.factor"),
                          "default.replication.factor must be at least 1");
    loader->config->default_replication_factor = (int16_t)factor;
    check_together(loader);
    check_protocols(loader);
    check_host_overrides(loader);
}
