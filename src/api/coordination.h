/* Requests to coordinators: each key that a request names (a group, a transactional id) is one call
 * of a state machine, carried to the shard that its partition of the internal topic is on, and
 * back. On the request's shard. */
#ifndef API_COORDINATION_H
#define API_COORDINATION_H

#include "api/gather.h"
#include "api/request.h"
#include "coord/set.h"

/* One call. */
struct coordination_part {
    struct api_part part; /* first: api/gather.h */
    struct coordination *all;
    struct coord_call call; /* err and response stand when all is done */
    struct coord_place place;
    coord_op_fn op;
    struct api_shard *there;
    struct arena arena; /* of the call, where there are several */
    char host[SYS_NET_ADDRESS_MAX + 1];
};

struct coordination;
typedef void (*coordination_fn)(struct coordination *);

/* A request and its calls; in its arena. */
struct coordination {
    struct api_gather gather;
    struct api_request *request;
    enum coord_kind kind;
    coordination_fn on_done;
    void (*on_answer)(struct api_request *, struct coord_call *); /* of a single one */
    void *owner;                                                  /* the caller's, for on_done */
    struct coordination_part *parts;
    int count;
    int capacity;
};

/* For at most so many calls. NULL: memory is out, and the request was failed for it. */
struct coordination *coordination_new(struct api_request *, enum coord_kind, int count);
/* Adds a call, whose request is decoded and lives as long as the coordination. */
struct coord_call *coordination_add(struct coordination *, struct slice key, coord_op_fn,
                                    const void *message);
/* on_done follows, now or later, and answers the request; what the calls made lives till then. */
void coordination_run(struct coordination *, coordination_fn on_done) ON(on_shard);

/* A request of one key from beginning to end. on_answer answers the request: with call->response
 * where call->err is ERR_NONE, else with an answer of its own that tells call->err. */
void coordinate(struct api_request *, enum coord_kind, struct slice key, coord_op_fn,
                void (*on_answer)(struct api_request *, struct coord_call *)) ON(on_shard);

/* ---- all machines of a kind, on every shard ---- */

struct census;

/* One shard's share. Rows are made on the machine's shard, in the part's arena, and read when all
 * is done. */
struct census_part {
    struct api_part part; /* first: api/gather.h */
    struct coord_visit visit;
    struct census *all;
    struct arena arena;
    struct list rows; /* of the visitor's making: its rows begin with a link */
    int row_count;
};

struct census {
    struct api_gather gather;
    struct api_request *request;
    enum coord_kind kind;
    void (*on_machine)(struct census_part *, struct coord_machine *); /* on the machine's shard */
    void (*on_done)(struct census *);
    struct census_part *parts; /* one a shard */
    int part_count;
    bool is_loading; /* a coordinator is still reading its log: not all is told */
};

/* NULL: memory is out, and the request was failed for it. */
struct census *census_new(struct api_request *, enum coord_kind);
/* on_done follows, now or later, and answers the request. */
void census_run(struct census *, void (*visitor)(struct census_part *, struct coord_machine *),
                void (*on_done)(struct census *)) ON(on_shard);

#endif
