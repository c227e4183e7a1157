/* Incremental fetch sessions (KIP-227): what a client fetches is remembered, so that it sends only
 * what changed and is answered only what changed. A request without a session is planned the same
 * way, with a session of its own that nobody keeps. One cache per shard, bounded by
 * max.incremental.fetch.session.cache.slots; on its shard only. */
#ifndef API_FETCH_SESSION_H
#define API_FETCH_SESSION_H

#include "base/hash.h"
#include "base/list.h"
#include "base/uuid.h"
#include "tbl/errors.h"

#define FETCH_SESSION_NONE 0
/* Session epochs of a request. */
#define FETCH_EPOCH_FULL 0     /* start a session; all partitions are in the request */
#define FETCH_EPOCH_FINAL (-1) /* no session; end the one named */

struct fetch_session_cache;

/* One partition as the client last asked for it, and as it was last answered. */
struct fetch_interest {
    struct list link;      /* its session's order */
    struct hash_node node; /* its session's table */
    struct slice topic;    /* the name as sent; null where topic ids are used */
    struct uuid topic_id;  /* zero where names are used */
    int32_t partition;
    int32_t current_leader_epoch;
    int32_t last_fetched_epoch;
    int32_t size_max;
    int64_t fetch_offset;
    int64_t answered_high_watermark; /* -1: never answered */
    int64_t answered_log_start_offset;
    bool answered_error;
};

struct fetch_session {
    struct hash_node node; /* the cache's, when kept */
    struct list by_use;    /* the cache's order of last use; itself when not kept */
    int32_t id;            /* FETCH_SESSION_NONE: nobody keeps it */
    int32_t epoch;         /* that the next request must carry */
    bool uses_topic_ids;
    int64_t used_ms; /* monotonic */
    struct list interests;
    struct hash_table table;
    int references; /* the cache and each request under way */
};

struct fetch_request;

/* How a request is to be answered. */
struct fetch_plan {
    enum err error;                /* of the whole request: nothing is fetched */
    struct fetch_session *session; /* one reference; NULL on error */
    bool incremental;              /* answer only what changed */
};

struct fetch_plan_input {
    const struct fetch_request *request;
    bool uses_topic_ids; /* version 13 and later */
    int64_t now_ms;
    uint64_t random;
};

/* NULL when memory is out. */
struct fetch_session_cache *fetch_session_cache_new(int slot_count);
void fetch_session_cache_free(struct fetch_session_cache *);
int fetch_session_cache_count(const struct fetch_session_cache *);

void fetch_session_plan(struct fetch_session_cache *, const struct fetch_plan_input *,
                        struct fetch_plan *ret_plan);
/* The request is answered or gone. */
void fetch_session_unref(struct fetch_session *);
/* Whether an incremental answer must hold this partition, which then counts as answered so. */
struct fetch_answered {
    int64_t high_watermark;
    int64_t log_start_offset;
    bool has_records;
    bool has_error;
    bool has_diverging_epoch;
    bool goes_last; /* from now on behind the session's other partitions */
};
bool fetch_interest_answer(struct fetch_session *, struct fetch_interest *,
                           const struct fetch_answered *);

#endif
