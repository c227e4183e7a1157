/* What the files of the transaction coordinator share.
 *
 *  T1  What of a transactional id lasts changes by records that it applies to itself (txns_put).
 *  T2  An id is in the table while it has a record that is no tombstone.
 *  T3  Markers are asked for once the record that decides the transaction is committed, and the
 *      record that completes it follows when every partition has its own.
 *  T4  An id is in `ongoing` while its state is Ongoing. */
#ifndef TXN_TXNS_INT_H
#define TXN_TXNS_INT_H

#include "base/hash.h"
#include "tbl/txn_states.h"
#include "txn/txns.h"

#define TXN_NO_PRODUCER_ID (-1)
#define TXN_NO_EPOCH (-1)
/* A producer does not get the last epoch, so that it can always be fenced. */
#define TXN_EPOCH_EXHAUSTED (INT16_MAX - 1)
/* Versions of transaction.version: of the client, of the cluster. */
#define TXN_CLIENT_OLD 0
#define TXN_CLIENT_BUMPS 2

/* Partitions of one topic that are part of a transaction. */
struct txn_topic {
    struct slice name;
    const int32_t *ids; /* rising */
    int count;
};

/* What of it is in its records. */
struct txn_facts {
    int64_t producer_id;
    int64_t previous_producer_id; /* before the last record */
    int64_t next_producer_id;     /* once it is completed: the epochs are used up; -1: the same */
    int64_t updated_ms;           /* wall clock, so is started_ms */
    int64_t started_ms;           /* -1: none was */
    int32_t timeout_ms;
    enum txn_state state;
    int16_t producer_epoch;
    int16_t client_version;
};

struct txns;

struct txn {
    struct hash_node node;
    struct list ongoing_link;
    struct txns *txns;
    struct slice id; /* heap memory of the txn */
    struct txn_facts facts;
    struct txn_topic *topics; /* one piece of heap memory, ids and names included; or NULL */
    int topic_count;
    /* what does not last */
    int16_t last_epoch; /* of the producer before the last bump, which it may ask for again; -1 */
    struct coord_markers markers;
    struct coord_markers_partition *unmarked; /* heap memory; NULL: no markers are wanted */
    struct shard_timer again;                 /* markers that failed */
};

struct txns {
    struct coord_machine machine;
    struct hash_table table; /* txn, by id */
    struct list ongoing;
    struct list wishes; /* txn_wish: calls that wait for a producer id */
    int64_t spare_id;   /* a producer id that was not needed after all; -1: none */
    struct shard_timer abort_timer;
    struct shard_timer expiry_timer;
};

static inline struct txns *txns_of(struct coord_machine *machine)
{
    return CONTAINER_OF(machine, struct txns, machine);
}
static inline struct coord_world *txns_world(const struct txns *txns)
{
    return txns->machine.world;
}
static inline bool txn_is_exhausted(const struct txn *txn)
{
    return txn->facts.producer_epoch >= TXN_EPOCH_EXHAUSTED;
}
static inline bool txn_is_prepared(const struct txn *txn)
{
    return txn->facts.state == TXN_PREPARE_COMMIT || txn->facts.state == TXN_PREPARE_ABORT;
}

/* txns.c */
struct txn *txns_find(const struct txns *, struct slice id);
bool txn_contains(const struct txn *, struct slice topic, int32_t partition);
/* Applies a record of these facts and topics and hands it to the world; the id may be new. */
struct txn_record {
    struct slice id;
    struct txn_facts facts;
    const struct txn_topic *topics;
    int topic_count;
};
void txns_put(struct txns *, const struct txn_record *);
/* As it stands, to be changed from there; topics are the txn's. */
struct txn_record txn_record_of(const struct txn *);
/* The version of transaction.version that the cluster has. */
int16_t txns_cluster_version(const struct txns *);
/* A producer id for the call's operation. false: it is run again when there is one. */
MUST_USE bool txns_take_id(struct txns *, struct coord_call *, coord_op_fn, int64_t *ret_id);

/* txns_end.c */
/* Ends the transaction that is under way in its producer's stead, whose epoch is over. */
void txn_fence(struct txn *);
/* It is prepared: markers are written, and it is completed. */
void txn_write_markers(struct txn *);

#endif
