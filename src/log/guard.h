/* What keeps a batch of a transaction out of a log until the transaction's coordinator knows that
 * the partition is part of it (KIP-890): whoever means to append the first one takes a token, asks
 * the coordinator, and shows the token. A token is void once a batch of the transaction, or its
 * end, is in the log: an answer that was long on its way lets nothing in that no end follows. Kept
 * in memory only: after a start the coordinator is asked anew. One thread at a time. */
#ifndef LOG_GUARD_H
#define LOG_GUARD_H

#include "log/producer.h"

struct log;

#define GUARD_NO_TOKEN 0

struct guard_wish {
    int64_t producer_id;
    int32_t sequence; /* of the batch; BATCH_NO_SEQUENCE: it has none */
    int16_t producer_epoch;
    bool adds; /* the partition is added (transaction version 2), else only asked for */
};

/* ERR_NONE; ERR_INVALID_PRODUCER_EPOCH: a later epoch was seen; ERR_UNKNOWN_SERVER_ERROR: memory is
 * out. *ret_token: GUARD_NO_TOKEN where its transaction is under way here: nobody need be asked. */
MUST_USE enum err producers_guard(struct producers *, const struct guard_wish *, int64_t wall_ms,
                                  uint64_t *ret_token);
/* Whether a batch of a transaction that shows this token may be appended: ERR_NONE,
 * ERR_INVALID_PRODUCER_EPOCH or ERR_INVALID_TXN_STATE. */
struct guard_claim {
    int64_t producer_id;
    uint64_t token;
    int16_t producer_epoch;
};
enum err producers_check_guard(const struct producers *, const struct guard_claim *);

/* The same for a log, on its shard. */
MUST_USE enum err log_guard(struct log *, const struct guard_wish *, uint64_t *ret_token);
enum err log_check_guard(const struct log *, const struct guard_claim *);
/* The producer's transaction is about to end here: its token is void. */
void log_drop_guard(struct log *, int64_t producer_id);
/* Whether a marker would be refused now: ERR_NONE, ERR_INVALID_PRODUCER_EPOCH or
 * ERR_TRANSACTION_COORDINATOR_FENCED. */
enum err log_check_marker(const struct log *, const struct producer_marker *);

/* For log/producer.c: NULL where nobody took one. */
struct producer_guard *producers_find_guard(const struct producers *, int64_t producer_id);
void producers_drop_guard(struct producers *, int64_t producer_id);
void producers_expire_guards(struct producers *, int64_t wall_ms);
void producers_free_guards(struct producers *);

struct producer_guard {
    struct hash_node node;
    int64_t producer_id;
    int64_t made_ms;
    uint64_t token;
    int32_t lowest_sequence; /* a later one waits for it */
    int16_t producer_epoch;
    bool adds;
};

#endif
