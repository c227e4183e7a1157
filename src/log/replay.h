/* Reading a log from its files, batch by batch, while nobody appends to it: at the start, for logs
 * whose records are state (the metadata log), and offline. Never on a shard. */
#ifndef LOG_REPLAY_H
#define LOG_REPLAY_H

#include "log/log.h"

/* The view is valid during the call. false stops. */
typedef bool (*log_batch_fn)(void *context, const struct batch_view *);

/* Calls back for every batch that ends at or behind from_offset, in order. 0, 1 when the callback
 * stopped it, or -errno; -EIO for a batch that is not whole or whose checksum is wrong. */
MUST_USE int log_replay(const struct log *, int64_t from_offset, log_batch_fn, void *context)
    NOT_ON(on_shard);
/* The same over bytes that are one run of batches, such as a snapshot. *ret_fault says why -EIO. */
MUST_USE int log_replay_bytes(struct slice, log_batch_fn, void *context, const char **ret_fault);

#endif
