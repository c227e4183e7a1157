/* What a walk through a log's batches, from the oldest on, knows of transactions: whose data was
 * aborted, and whether anything of a transaction was met before its marker. Kafka's rules: aborted
 * data goes at once; a marker may go when nothing of its transaction is left in front of it. One
 * thread at a time. */
#ifndef LOG_COMPACT_TXN_H
#define LOG_COMPACT_TXN_H

#include "log/log_int.h"

/* A producer in one of its transactions. */
struct open_txn {
    int64_t producer_id;
    bool has_committed; /* data that is not known as aborted was met */
    bool is_aborted;
    bool was_met; /* data of the aborted one */
    struct txn_ended aborted;
};

struct compact_txns {
    struct txn_ended *aborted; /* by first_offset; owned */
    int aborted_count;
    int aborted_next;      /* the first that no batch has reached */
    struct open_txn *open; /* where the walk is in one; by producer_id */
    int open_count;
    int open_capacity;
    struct txn_ended *kept; /* those whose markers stay, in order: the new transaction index */
    int kept_count;
    int kept_capacity;
};

/* Takes the aborted transactions, heap memory, in any order. */
void compact_txns_init(struct compact_txns *, struct txn_ended *aborted, int aborted_count);
void compact_txns_fini(struct compact_txns *);
/* The next batch, which holds no control records. 1: it was aborted and goes; 0; -ENOMEM. */
MUST_USE int compact_txns_data(struct compact_txns *, const struct batch_header *);
/* The next control batch; type of its record, -1: it has none any more. 1: it may go; 0;
 * -ENOMEM. */
MUST_USE int compact_txns_marker(struct compact_txns *, const struct batch_header *, int type);
/* Forgets those kept so far. */
void compact_txns_begin_kept(struct compact_txns *);

#endif
