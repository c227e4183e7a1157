/* The states of a transactional id, as the records of __transaction_state and ListTransactions
 * name them, and which may follow which (KIP-98, KIP-890).
 *
 * STATES: X(NAME, number in records, "name")
 * EDGES:  X(FROM, TO, "why") */
#ifndef TBL_TXN_STATES_H
#define TBL_TXN_STATES_H

#define TXN_STATES(X) \
    X(EMPTY, 0, "Empty") \
    X(ONGOING, 1, "Ongoing") \
    X(PREPARE_COMMIT, 2, "PrepareCommit") \
    X(PREPARE_ABORT, 3, "PrepareAbort") \
    X(COMPLETE_COMMIT, 4, "CompleteCommit") \
    X(COMPLETE_ABORT, 5, "CompleteAbort") \
    X(DEAD, 6, "Dead") \
    X(PREPARE_EPOCH_FENCE, 7, "PrepareEpochFence")

#define TXN_EDGES(X) \
    X(EMPTY, EMPTY, "a producer begins again") \
    X(EMPTY, ONGOING, "partitions are added") \
    X(EMPTY, PREPARE_ABORT, "a producer of transaction version 2 aborts nothing") \
    X(EMPTY, DEAD, "it was not used for long") \
    X(ONGOING, ONGOING, "more partitions are added") \
    X(ONGOING, PREPARE_COMMIT, "its producer commits") \
    X(ONGOING, PREPARE_ABORT, "its producer aborts, was fenced or took too long") \
    X(PREPARE_COMMIT, COMPLETE_COMMIT, "all partitions have the marker") \
    X(PREPARE_ABORT, COMPLETE_ABORT, "all partitions have the marker") \
    X(COMPLETE_COMMIT, EMPTY, "a producer begins again") \
    X(COMPLETE_COMMIT, ONGOING, "partitions are added") \
    X(COMPLETE_COMMIT, PREPARE_ABORT, "a producer of transaction version 2 aborts nothing") \
    X(COMPLETE_COMMIT, DEAD, "it was not used for long") \
    X(COMPLETE_ABORT, EMPTY, "a producer begins again") \
    X(COMPLETE_ABORT, ONGOING, "partitions are added") \
    X(COMPLETE_ABORT, PREPARE_ABORT, "a producer of transaction version 2 aborts nothing") \
    X(COMPLETE_ABORT, DEAD, "it was not used for long")

#define TXN_STATES_ID_(NAME, number, text) TXN_##NAME = (number),
enum txn_state { TXN_STATES(TXN_STATES_ID_) TXN_STATE_COUNT };
#undef TXN_STATES_ID_

#endif
