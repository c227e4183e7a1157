/* A range of a segment file on its way to a socket: the handle that keeps the file open belongs to
 * the partition's shard, the answer to the connection's. Given back to the first by a message. */
#ifndef API_FILE_RANGE_H
#define API_FILE_RANGE_H

#include "api/shard.h"
#include "log/log.h"
#include "wire/chain.h"

struct api_file_range;

/* On the connection's shard: takes over the range's reference. owner: the partition's shard. false:
 * memory is out, the reference is given back. */
MUST_USE bool api_file_range_make(struct api_shard *here, struct shard *owner,
                                  const struct log_range *, struct chain_external *ret_external)
    ON(on_shard);
/* Gives back a range that is not sent. */
void api_file_range_drop(struct api_shard *here, struct shard *owner, const struct log_range *)
    ON(on_shard);
/* For a chain's external piece: the open file. */
int api_file_range_fd(const struct chain_external *);

#endif
