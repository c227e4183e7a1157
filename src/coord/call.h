/* One client's operation on a coordinator: one group, or one transactional id. Made by an API, run
 * by the state machine of the partition that the key belongs to, answered once, when everything
 * that the answer rests on is committed. On the partition's shard. */
#ifndef COORD_CALL_H
#define COORD_CALL_H

#include "base/arena.h"
#include "base/list.h"
#include "tbl/errors.h"

struct guard_claim; /* log/guard.h */

/* Who asks, as records and descriptions of groups name it. */
struct coord_client {
    struct slice id;   /* the header's client id; null: none */
    struct slice host; /* "/127.0.0.1", as Kafka writes it; null where nobody needs it */
};

/* Embedded in its owner, untouched by it until on_done. What it points to lives as long. */
struct coord_call {
    struct list link; /* wherever it waits: the machine's while it has it, then the partition's */
    int64_t ticket;   /* the partition's */
    /* in */
    struct slice key;    /* group id or transactional id */
    const void *request; /* decoded, of the API's request type */
    int16_t api_version;
    struct coord_client client;
    struct arena *arena; /* of this call alone: for the response */
    /* It writes as part of a transaction, and is refused where its token is void; NULL: not so. */
    const struct guard_claim *claim;
    void (*on_done)(struct coord_call *);
    /* out */
    enum err err;   /* of the operation as a whole; the response is not to be looked at then */
    void *response; /* in the arena, of the type that the operation names */
    /* the machine's, while it has the call */
    void *owner;
};

#endif
