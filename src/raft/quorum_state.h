/* The file quorum-state: one line of JSON, as Kafka writes it in both of its versions. Pure text;
 * reading and replacing the file is the caller's. Any thread. */
#ifndef RAFT_QUORUM_STATE_H
#define RAFT_QUORUM_STATE_H

#include "base/text.h"
#include "raft/raft.h"

/* NULL on success, otherwise what is wrong with it. */
const char *quorum_state_read(struct slice text, struct raft_quorum_state *ret_state);
/* voter_id: the one voter, which version 0 lists. */
void quorum_state_write(const struct raft_quorum_state *, int32_t voter_id, struct text *);

#endif
