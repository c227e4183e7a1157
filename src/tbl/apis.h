/* The APIs that are served, one row each: dispatch, version checks, ApiVersions and the
 * authorisation rule all come from here (reference: Kafka 4.4 protocol). What has no row is not
 * advertised. A row without a rule does not compile.
 *
 * X(key, NAME, handler, min, max, advertised_min, rule, order)
 *   min..max        versions answered; others close the connection (ApiVersions: error 35)
 *   advertised_min  what ApiVersions says: Produce from 0, since librdkafka turns compression off
 *                   for a broker that says otherwise (KAFKA-18659)
 *   rule            what the caller must be allowed to do; the row's handler names the resource
 *   order           OVERLAPS: the next request of its kind may start before this one is answered;
 *                   ALONE: one at a time on its connection */
#ifndef TBL_APIS_H
#define TBL_APIS_H

#define APIS(X) \
    X(0, PRODUCE, produce, 3, 13, 0, TOPIC_WRITE, OVERLAPS) \
    X(1, FETCH, fetch, 4, 18, 4, TOPIC_READ, ALONE) \
    X(2, LIST_OFFSETS, list_offsets, 1, 11, 1, TOPIC_DESCRIBE, ALONE) \
    X(3, METADATA, metadata, 0, 13, 0, TOPIC_DESCRIBE, ALONE) \
    X(8, OFFSET_COMMIT, offset_commit, 2, 10, 2, GROUP_READ, ALONE) \
    X(9, OFFSET_FETCH, offset_fetch, 1, 10, 1, GROUP_DESCRIBE, ALONE) \
    X(10, FIND_COORDINATOR, find_coordinator, 0, 6, 0, GROUP_DESCRIBE, ALONE) \
    X(11, JOIN_GROUP, join_group, 0, 9, 0, GROUP_READ, ALONE) \
    X(12, HEARTBEAT, heartbeat, 0, 4, 0, GROUP_READ, ALONE) \
    X(13, LEAVE_GROUP, leave_group, 0, 5, 0, GROUP_READ, ALONE) \
    X(14, SYNC_GROUP, sync_group, 0, 5, 0, GROUP_READ, ALONE) \
    X(15, DESCRIBE_GROUPS, describe_groups, 0, 6, 0, GROUP_DESCRIBE, ALONE) \
    X(16, LIST_GROUPS, list_groups, 0, 5, 0, CLUSTER_DESCRIBE, ALONE) \
    X(18, API_VERSIONS, api_versions, 0, 5, 0, NOBODY_ASKED, ALONE) \
    X(19, CREATE_TOPICS, create_topics, 2, 7, 2, TOPIC_CREATE, ALONE) \
    X(20, DELETE_TOPICS, delete_topics, 1, 6, 1, TOPIC_DELETE, ALONE) \
    X(21, DELETE_RECORDS, delete_records, 0, 2, 0, TOPIC_DELETE, ALONE) \
    X(22, INIT_PRODUCER_ID, init_producer_id, 0, 5, 0, CLUSTER_IDEMPOTENT_WRITE, ALONE) \
    X(23, OFFSET_FOR_LEADER_EPOCH, offset_for_leader_epoch, 2, 4, 2, TOPIC_DESCRIBE, ALONE) \
    X(24, ADD_PARTITIONS_TO_TXN, add_partitions_to_txn, 0, 5, 0, TXN_WRITE, ALONE) \
    X(25, ADD_OFFSETS_TO_TXN, add_offsets_to_txn, 0, 4, 0, TXN_WRITE, ALONE) \
    X(26, END_TXN, end_txn, 0, 5, 0, TXN_WRITE, ALONE) \
    X(27, WRITE_TXN_MARKERS, write_txn_markers, 1, 2, 1, CLUSTER_ALTER, ALONE) \
    X(28, TXN_OFFSET_COMMIT, txn_offset_commit, 0, 6, 0, TXN_WRITE, ALONE) \
    X(32, DESCRIBE_CONFIGS, describe_configs, 1, 4, 1, CONFIGS_DESCRIBE, ALONE) \
    X(33, ALTER_CONFIGS, alter_configs, 0, 2, 0, CONFIGS_ALTER, ALONE) \
    X(34, ALTER_REPLICA_LOG_DIRS, alter_replica_log_dirs, 1, 2, 1, CLUSTER_ALTER, ALONE) \
    X(35, DESCRIBE_LOG_DIRS, describe_log_dirs, 1, 5, 1, CLUSTER_DESCRIBE, ALONE) \
    X(37, CREATE_PARTITIONS, create_partitions, 0, 3, 0, TOPIC_ALTER, ALONE) \
    X(42, DELETE_GROUPS, delete_groups, 0, 3, 0, GROUP_DELETE, ALONE) \
    X(44, INCREMENTAL_ALTER_CONFIGS, incremental_alter_configs, 0, 1, 0, CONFIGS_ALTER, ALONE) \
    X(47, OFFSET_DELETE, offset_delete, 0, 0, 0, GROUP_DELETE, ALONE) \
    X(60, DESCRIBE_CLUSTER, describe_cluster, 0, 2, 0, CLUSTER_DESCRIBE, ALONE) \
    X(61, DESCRIBE_PRODUCERS, describe_producers, 0, 0, 0, TOPIC_READ, ALONE) \
    X(65, DESCRIBE_TRANSACTIONS, describe_transactions, 0, 0, 0, TXN_DESCRIBE, ALONE) \
    X(66, LIST_TRANSACTIONS, list_transactions, 0, 2, 0, TXN_DESCRIBE, ALONE) \
    X(68, CONSUMER_GROUP_HEARTBEAT, consumer_group_heartbeat, 0, 1, 0, GROUP_READ, ALONE) \
    X(69, CONSUMER_GROUP_DESCRIBE, consumer_group_describe, 0, 1, 0, GROUP_DESCRIBE, ALONE) \
    X(75, DESCRIBE_TOPIC_PARTITIONS, describe_topic_partitions, 0, 0, 0, TOPIC_DESCRIBE, ALONE)

enum api_rule {
    API_RULE_NOBODY_ASKED, /* open before authentication */
    API_RULE_TOPIC_WRITE,
    API_RULE_TOPIC_READ,
    API_RULE_TOPIC_DESCRIBE,
    API_RULE_TOPIC_CREATE,
    API_RULE_TOPIC_DELETE,
    API_RULE_TOPIC_ALTER,
    API_RULE_GROUP_READ,
    API_RULE_GROUP_DESCRIBE,
    API_RULE_GROUP_DELETE,
    API_RULE_TXN_WRITE,
    API_RULE_TXN_DESCRIBE,
    API_RULE_CLUSTER_IDEMPOTENT_WRITE,
    API_RULE_CLUSTER_DESCRIBE,
    API_RULE_CLUSTER_ALTER,
    API_RULE_CONFIGS_DESCRIBE,
    API_RULE_CONFIGS_ALTER,
};

enum api_order { API_ORDER_OVERLAPS, API_ORDER_ALONE };

#define APIS_KEY_(key, NAME, ...) API_##NAME = (key),
enum api_key { APIS(APIS_KEY_) };
#undef APIS_KEY_

#endif
