/* Transactions as their coordinators tell of them, and producers as partitions do. Text and arrays
 * live in the admin's arena. One thread. */
#ifndef CMD_TXN_MODEL_H
#define CMD_TXN_MODEL_H

#include "cmd/cluster.h"
#include "wire/msg/describe_producers_response.h"
#include "wire/msg/describe_transactions_response.h"
#include "wire/msg/list_transactions_request.h"

/* A transactional id as a broker lists it. */
struct txn_row {
    struct slice id;
    struct slice state;
    int64_t producer_id;
    int32_t coordinator;
};
/* Those of all brokers, by id. false: reported, and some may be missing. */
MUST_USE bool txn_find(struct cluster *, const struct list_transactions_request *,
                       struct txn_row **ret_rows, size_t *ret_count);

/* What its coordinator knows; ret_txn->error_code is TRANSACTIONAL_ID_NOT_FOUND where that is
 * nothing. false: reported. */
MUST_USE bool txn_read(struct cluster *, const char *id,
                       struct describe_transactions_response_transaction_states *ret_txn,
                       int32_t *ret_coordinator);

/* A partition whose producers are asked for. */
struct txn_partition {
    struct slice topic;
    int32_t partition;
    int32_t node_id;                                                    /* whom to ask */
    const struct describe_producers_response_topics_partitions *answer; /* filled in; NULL: none */
};
/* Partitions of topics that cluster->metadata knows, each at its leader, or at that broker where it
 * has a replica. NULL: reported. */
struct txn_partition *txn_partitions(struct cluster *, int32_t broker_id, size_t *ret_count);
#define TXN_LEADERS (-1)
/* Fills in the answers; errors of partitions are reported. Sorts by broker, topic, partition. */
void txn_ask_producers(struct cluster *, struct txn_partition *, size_t count);

#endif
