/* The error codes of the protocol, one row each: what a response carries, what it is called, one
 * sentence for people in our own words, and whether a client may try again. Values are Kafka
 * 4.4's and never change. Constant data: any thread. */
#ifndef TBL_ERRORS_H
#define TBL_ERRORS_H

#include <stdbool.h>
#include <stddef.h>

/* X(code, NAME, text, retriable) */
#define ERRORS(X) \
    X(-1, UNKNOWN_SERVER_ERROR, "the broker failed in a way that has no code of its own", false) \
    X(0, NONE, "no error", false) \
    X(1, OFFSET_OUT_OF_RANGE, "the offset lies outside of the partition's log", false) \
    X(2, CORRUPT_MESSAGE, "the bytes do not match their checksum or size", true) \
    X(3, UNKNOWN_TOPIC_OR_PARTITION, "this broker knows no such topic or partition", true) \
    X(4, INVALID_FETCH_SIZE, "the fetch size is not valid", false) \
    X(5, LEADER_NOT_AVAILABLE, "the partition has no leader at present", true) \
    X(6, NOT_LEADER_OR_FOLLOWER, \
      "this broker does not lead the partition or hold a replica of it", true) \
    X(7, REQUEST_TIMED_OUT, "the request was not carried out within its time", true) \
    X(8, BROKER_NOT_AVAILABLE, "the broker is not available", false) \
    X(9, REPLICA_NOT_AVAILABLE, "the replica is not available", true) \
    X(10, MESSAGE_TOO_LARGE, "the record or batch is larger than the topic accepts", false) \
    X(11, STALE_CONTROLLER_EPOCH, "the controller's epoch is older than the current one", false) \
    X(12, OFFSET_METADATA_TOO_LARGE, "the metadata of the committed offset is too long", false) \
    X(13, NETWORK_EXCEPTION, "the connection ended before an answer came", true) \
    X(14, COORDINATOR_LOAD_IN_PROGRESS, "the coordinator is still reading its partition", true) \
    X(15, COORDINATOR_NOT_AVAILABLE, "the coordinator is not available", true) \
    X(16, NOT_COORDINATOR, "this broker is not the coordinator", true) \
    X(17, INVALID_TOPIC_EXCEPTION, "the topic's name or use is not allowed", false) \
    X(18, RECORD_LIST_TOO_LARGE, "the batch is larger than a segment of the log", false) \
    X(19, NOT_ENOUGH_REPLICAS, "fewer replicas are in sync than min.insync.replicas asks for", \
      true) \
    X(20, NOT_ENOUGH_REPLICAS_AFTER_APPEND, \
      "the records were written, but to fewer in-sync replicas than asked for", true) \
    X(21, INVALID_REQUIRED_ACKS, "acks must be -1, 0 or 1", false) \
    X(22, ILLEGAL_GENERATION, "the group's generation is not the current one", false) \
    X(23, INCONSISTENT_GROUP_PROTOCOL, "the member's protocols do not fit those of the group", \
      false) \
    X(24, INVALID_GROUP_ID, "the group id is not valid", false) \
    X(25, UNKNOWN_MEMBER_ID, "the group has no such member", false) \
    X(26, INVALID_SESSION_TIMEOUT, "the session timeout lies outside of what the broker allows", \
      false) \
    X(27, REBALANCE_IN_PROGRESS, "the group is rebalancing", false) \
    X(28, INVALID_COMMIT_OFFSET_SIZE, "the committed offsets are too large", false) \
    X(29, TOPIC_AUTHORIZATION_FAILED, "not authorised for the topic", false) \
    X(30, GROUP_AUTHORIZATION_FAILED, "not authorised for the group", false) \
    X(31, CLUSTER_AUTHORIZATION_FAILED, "not authorised for the cluster", false) \
    X(32, INVALID_TIMESTAMP, "a record's timestamp is out of range or of the wrong type", false) \
    X(33, UNSUPPORTED_SASL_MECHANISM, "the SASL mechanism is not enabled", false) \
    X(34, ILLEGAL_SASL_STATE, "the request does not fit the state of the SASL exchange", false) \
    X(35, UNSUPPORTED_VERSION, "the version of this request is not supported", false) \
    X(36, TOPIC_ALREADY_EXISTS, "the topic exists already", false) \
    X(37, INVALID_PARTITIONS, "the number of partitions is not valid", false) \
    X(38, INVALID_REPLICATION_FACTOR, \
      "the replication factor is not valid or more than there are brokers", false) \
    X(39, INVALID_REPLICA_ASSIGNMENT, "the replica assignment is not valid", false) \
    X(40, INVALID_CONFIG, "the configuration is not valid", false) \
    X(41, NOT_CONTROLLER, "this node is not the active controller", true) \
    X(42, INVALID_REQUEST, "the request is not valid", false) \
    X(43, UNSUPPORTED_FOR_MESSAGE_FORMAT, "the message format does not support this", false) \
    X(44, POLICY_VIOLATION, "the request breaks a policy of the cluster", false) \
    X(45, OUT_OF_ORDER_SEQUENCE_NUMBER, \
      "the producer's sequence number does not follow the last one", false) \
    X(46, DUPLICATE_SEQUENCE_NUMBER, "the producer's sequence number was written before", false) \
    X(47, INVALID_PRODUCER_EPOCH, "the producer's epoch is older than the current one", false) \
    X(48, INVALID_TXN_STATE, "the transaction's state does not allow this", false) \
    X(49, INVALID_PRODUCER_ID_MAPPING, "the producer id does not belong to this transactional id", \
      false) \
    X(50, INVALID_TRANSACTION_TIMEOUT, "the transaction timeout is longer than the broker allows", \
      false) \
    X(51, CONCURRENT_TRANSACTIONS, "another operation on the transaction is still under way", \
      true) \
    X(52, TRANSACTION_COORDINATOR_FENCED, \
      "the transaction coordinator has been replaced by a newer one", false) \
    X(53, TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "not authorised for the transactional id", false) \
    X(54, SECURITY_DISABLED, "security features are switched off", false) \
    X(55, OPERATION_NOT_ATTEMPTED, "the operation was not tried", false) \
    X(56, KAFKA_STORAGE_ERROR, "the disk that holds the partition failed", true) \
    X(57, LOG_DIR_NOT_FOUND, "there is no such log directory", false) \
    X(58, SASL_AUTHENTICATION_FAILED, "authentication failed", false) \
    X(59, UNKNOWN_PRODUCER_ID, "the producer id is not known to the partition", false) \
    X(60, REASSIGNMENT_IN_PROGRESS, "a reassignment of the partition is under way", false) \
    X(61, DELEGATION_TOKEN_AUTH_DISABLED, "delegation tokens are switched off", false) \
    X(62, DELEGATION_TOKEN_NOT_FOUND, "there is no such delegation token", false) \
    X(63, DELEGATION_TOKEN_OWNER_MISMATCH, "the delegation token belongs to someone else", false) \
    X(64, DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, \
      "delegation tokens need an authenticated, encrypted connection", false) \
    X(65, DELEGATION_TOKEN_AUTHORIZATION_FAILED, "not authorised for the delegation token", false) \
    X(66, DELEGATION_TOKEN_EXPIRED, "the delegation token has expired", false) \
    X(67, INVALID_PRINCIPAL_TYPE, "the principal's type is not supported", false) \
    X(68, NON_EMPTY_GROUP, "the group still has members", false) \
    X(69, GROUP_ID_NOT_FOUND, "there is no such group", false) \
    X(70, FETCH_SESSION_ID_NOT_FOUND, "there is no such fetch session", true) \
    X(71, INVALID_FETCH_SESSION_EPOCH, "the epoch of the fetch session is not the expected one", \
      true) \
    X(72, LISTENER_NOT_FOUND, "the leader has no listener of this name", true) \
    X(73, TOPIC_DELETION_DISABLED, "deleting topics is switched off", false) \
    X(74, FENCED_LEADER_EPOCH, "the leader epoch of the request is older than the broker's", true) \
    X(75, UNKNOWN_LEADER_EPOCH, "the leader epoch of the request is newer than the broker's", \
      true) \
    X(76, UNSUPPORTED_COMPRESSION_TYPE, "the compression type is not supported here", false) \
    X(77, STALE_BROKER_EPOCH, "the broker's epoch is older than its current registration", false) \
    X(78, OFFSET_NOT_AVAILABLE, "the leader cannot tell the offset yet", true) \
    X(79, MEMBER_ID_REQUIRED, "the member must join again with the id it was given", false) \
    X(80, PREFERRED_LEADER_NOT_AVAILABLE, "the preferred leader is not available", true) \
    X(81, GROUP_MAX_SIZE_REACHED, "the group has its largest number of members", false) \
    X(82, FENCED_INSTANCE_ID, "another member took over this static member id", false) \
    X(83, ELIGIBLE_LEADERS_NOT_AVAILABLE, "no eligible leader is available", true) \
    X(84, ELECTION_NOT_NEEDED, "the partition needs no election", true) \
    X(85, NO_REASSIGNMENT_IN_PROGRESS, "no reassignment of the partition is under way", false) \
    X(86, GROUP_SUBSCRIBED_TO_TOPIC, "a group is subscribed to the topic", false) \
    X(87, INVALID_RECORD, "a record or batch is malformed or not acceptable for the topic", false) \
    X(88, UNSTABLE_OFFSET_COMMIT, "an open transaction has offsets that are not committed yet", \
      true) \
    X(89, THROTTLING_QUOTA_EXCEEDED, "a quota on this kind of request is used up", true) \
    X(90, PRODUCER_FENCED, "a newer producer with the same transactional id has taken over", \
      false) \
    X(91, RESOURCE_NOT_FOUND, "there is no such resource", false) \
    X(92, DUPLICATE_RESOURCE, "the resource is named twice", false) \
    X(93, UNACCEPTABLE_CREDENTIAL, "the credential is not acceptable", false) \
    X(94, INCONSISTENT_VOTER_SET, "the voters of sender and receiver differ", false) \
    X(95, INVALID_UPDATE_VERSION, "the update's version is not valid", false) \
    X(96, FEATURE_UPDATE_FAILED, "the feature could not be updated", false) \
    X(97, PRINCIPAL_DESERIALIZATION_FAILURE, "the forwarded principal could not be read", false) \
    X(98, SNAPSHOT_NOT_FOUND, "there is no such snapshot", false) \
    X(99, POSITION_OUT_OF_RANGE, "the position lies beyond the snapshot's end", false) \
    X(100, UNKNOWN_TOPIC_ID, "this broker knows no topic of this id", true) \
    X(101, DUPLICATE_BROKER_REGISTRATION, "another broker with this id is registered and alive", \
      false) \
    X(102, BROKER_ID_NOT_REGISTERED, "no broker with this id is registered", false) \
    X(103, INCONSISTENT_TOPIC_ID, "the topic's id is not the one in the log", true) \
    X(104, INCONSISTENT_CLUSTER_ID, "the cluster id is not this cluster's", false) \
    X(105, TRANSACTIONAL_ID_NOT_FOUND, "there is no such transactional id", false) \
    X(106, FETCH_SESSION_TOPIC_ID_ERROR, "the fetch session mixes topic ids and names", true) \
    X(107, INELIGIBLE_REPLICA, "the replica may not join the in-sync set", false) \
    X(108, NEW_LEADER_ELECTED, "the change made another broker the leader", false) \
    X(109, OFFSET_MOVED_TO_TIERED_STORAGE, "the offset has moved to remote storage", false) \
    X(110, FENCED_MEMBER_EPOCH, "the member's epoch is not the group's", false) \
    X(111, UNRELEASED_INSTANCE_ID, "another live member still uses this static member id", false) \
    X(112, UNSUPPORTED_ASSIGNOR, "none of the member's assignors is supported", false) \
    X(113, STALE_MEMBER_EPOCH, "the member's epoch is older than the current one", false) \
    X(114, MISMATCHED_ENDPOINT_TYPE, "the request was sent to the wrong kind of endpoint", false) \
    X(115, UNSUPPORTED_ENDPOINT_TYPE, "this kind of endpoint is not supported", false) \
    X(116, UNKNOWN_CONTROLLER_ID, "there is no such controller", false) \
    X(117, UNKNOWN_SUBSCRIPTION_ID, "the client's telemetry subscription is not the current one", \
      false) \
    X(118, TELEMETRY_TOO_LARGE, "the telemetry is larger than the broker accepts", false) \
    X(119, INVALID_REGISTRATION, "the registration is not valid", false) \
    X(120, TRANSACTION_ABORTABLE, "the transaction failed and must be aborted", false) \
    X(121, INVALID_RECORD_STATE, "the record's delivery state does not allow this", false) \
    X(122, SHARE_SESSION_NOT_FOUND, "there is no such share session", true) \
    X(123, INVALID_SHARE_SESSION_EPOCH, "the epoch of the share session is not the expected one", \
      true) \
    X(124, FENCED_STATE_EPOCH, "the share state's epoch is older than the current one", false) \
    X(125, INVALID_VOTER_KEY, "the voter's key does not match the receiver's", false) \
    X(126, DUPLICATE_VOTER, "the voter is in the set already", false) \
    X(127, VOTER_NOT_FOUND, "the voter is not in the set", false) \
    X(128, INVALID_REGULAR_EXPRESSION, "the regular expression is not valid", false) \
    X(129, REBOOTSTRAP_REQUIRED, \
      "the client should find the cluster again from its bootstrap servers", false) \
    X(130, STREAMS_INVALID_TOPOLOGY, "the streams topology is not valid", false) \
    X(131, STREAMS_INVALID_TOPOLOGY_EPOCH, "the epoch of the streams topology is not valid", \
      false) \
    X(132, STREAMS_TOPOLOGY_FENCED, \
      "the epoch of the streams topology is older than the current one", false) \
    X(133, SHARE_SESSION_LIMIT_REACHED, "the broker has its largest number of share sessions", \
      true) \
    X(134, GROUP_DELETION_FAILED, "the group could not be deleted completely", false) \
    X(135, STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED, \
      "the description of the streams topology could not be updated", false) \
    X(136, CONTROLLER_ID_NOT_REGISTERED, "no controller with this id is registered", false)

#define ERRORS_ENUM_(code, NAME, text, retriable) ERR_##NAME = (code),
enum err { ERRORS(ERRORS_ENUM_) };
#undef ERRORS_ENUM_

/* The name without prefix, as "INVALID_RECORD"; "UNKNOWN" for a number that has no row. */
const char *err_name(enum err);
/* One sentence without a final stop. */
const char *err_text(enum err);
bool err_is_retriable(enum err);
/* Whether a number read from the wire has a row. */
bool err_is_known(int code);

#endif
