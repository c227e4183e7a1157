/* The file quorum-state: one line of JSON, as Kafka writes it in both of its versions. Pure text;
 * reading and replacing the file is the caller's. Any thread. */
#ifndef RAFT_QUORUM_STATE_H
#define RAFT_QUORUM_STATE_H

#include "base/text.h"
#include "raft/raft.h"

/* NULL on success, otherwise what is wrong with it. Every field of its version must be there and be
 * in range: what the node voted for must not be guessed. */
const char *quorum_state_read(struct slice text, struct raft_quorum_state *ret_state);
void quorum_state_write(const struct raft_quorum_state *, struct text *);

#endif
