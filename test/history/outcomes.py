"""What an error of librdkafka means for an operation: it definitely did not happen, or nobody knows. A wrong row makes
the checker lie, so whatever has no row here is indefinite: a record may have been stored by a first try whose answer
was lost, while a second was refused or gave up."""

from confluent_kafka import KafkaError

from history import FAIL, INFO

# Of a record. Those the broker gives for what is in the request itself, so that an earlier try was refused as well; and
# those after which nothing of an earlier try can show: topics are never deleted in these runs, and what a fenced
# producer left is aborted. A sequence out of order cannot follow a try that was stored, unless the broker forgot it,
# which is then told as an aborted read.
REFUSED = frozenset({
    KafkaError.TOPIC_EXCEPTION, KafkaError.INVALID_REPLICATION_FACTOR, KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.NOT_CONTROLLER, KafkaError.BROKER_NOT_AVAILABLE, KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE, KafkaError.INVALID_RECORD, KafkaError.INVALID_TIMESTAMP,
    KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED,
    KafkaError._FENCED})

# Of the commit of a transaction: it was over, aborted, before the request came. A request that is sent again after it
# was carried out is answered as the first time.
NOT_COMMITTED = frozenset({
    KafkaError.INVALID_TXN_STATE, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED, KafkaError._FENCED})

# Of a group's commit: the member is not, or no more, who may commit; or nothing was sent.
COMMIT_REFUSED = frozenset({
    KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.FENCED_INSTANCE_ID, KafkaError._NO_OFFSET, KafkaError._STATE, KafkaError._ASSIGNMENT_LOST})


def of_send(error):
    """error: what the delivery report says."""
    return FAIL if error.code() in REFUSED else INFO


def of_commit(error):
    return FAIL if error.code() in NOT_COMMITTED else INFO


def of_group_commit(error):
    return FAIL if error.code() in COMMIT_REFUSED else INFO
