/* The transaction coordinator: all transactional ids of one partition of __transaction_state.
 * Operations take the decoded request of their API and give its response; what they cannot do as a
 * whole is call->err. On the partition's shard. Sources: KIP-98, KIP-360, KIP-588, KIP-664,
 * KIP-890; Kafka 4.4. */
#ifndef TXN_TXNS_H
#define TXN_TXNS_H

#include "coord/machine.h"

extern const struct coord_machine_type coord_txns_type;

/* InitProducerId with a transactional id: init_producer_id_request -> init_producer_id_response. */
void txns_init_producer(struct coord_machine *, struct coord_call *);
/* AddPartitionsToTxn, one transaction in the form of version 4: add_partitions_to_txn_request_
 * transactions -> add_partitions_to_txn_response_results_by_transaction; also for a broker that
 * only asks whether partitions are in it (verify_only). */
void txns_add_partitions(struct coord_machine *, struct coord_call *);
/* AddOffsetsToTxn: add_offsets_to_txn_request -> add_offsets_to_txn_response. */
void txns_add_offsets(struct coord_machine *, struct coord_call *);
/* EndTxn: end_txn_request -> end_txn_response. */
void txns_end(struct coord_machine *, struct coord_call *);
/* DescribeTransactions, the id of the call's key; request: NULL ->
 * describe_transactions_response_transaction_states. */
void txns_describe(struct coord_machine *, struct coord_call *);

/* ListTransactions, the ids of one machine; filters are the API's. Slices last for the turn. */
struct txn_listing {
    struct slice id;
    int64_t producer_id;
    const char *state;  /* "Ongoing" */
    int64_t started_ms; /* wall clock; -1: none is under way */
};
typedef void (*txn_listing_fn)(void *context, const struct txn_listing *);
void txns_list(struct coord_machine *, txn_listing_fn, void *context);

#endif
