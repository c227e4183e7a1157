/* Requests that name partitions whose offsets are committed or deleted, in the form of an
 * OffsetCommit: which of them there are, which are refused before any coordinator is asked, and the
 * answer put together of both. On the request's shard. */
#ifndef API_OFFSET_REQUEST_H
#define API_OFFSET_REQUEST_H

#include "api/request.h"
#include "base/hash.h"
#include "tbl/errors.h"
#include "wire/msg/offset_commit_request.h"
#include "wire/msg/offset_commit_response.h"

/* In the request's arena. */
struct offset_request {
    struct api_request *request;
    bool by_ids; /* topics are named by their ids, else by their names */
    /* What there is, each topic with its name and id. */
    struct offset_commit_request_topics *found;
    int32_t found_count;
    /* ---- inside ---- */
    struct hash_table table; /* offset_refusal, by name or id; empty between the functions */
    struct list refusals;
    int32_t refusal_count;
};

/* NULL: memory is out, and the request was failed for it. */
struct offset_request *offset_request_new(struct api_request *, bool by_ids,
                                          const struct offset_commit_request_topics *asked,
                                          int32_t asked_count);

/* What a coordinator said of those that were found: results, or else an error that is theirs. */
struct offset_outcome {
    enum err err;
    const struct offset_commit_response *results; /* err is ERR_NONE; NULL: nobody was asked */
};
/* The answer; once. NULL: memory is out, and the request was failed for it. */
const struct offset_commit_response *offset_request_end(struct offset_request *,
                                                        const struct offset_outcome *);

#endif
