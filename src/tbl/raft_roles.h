/* The roles of a member of the metadata quorum (KIP-595, KIP-996, KIP-853) and which may follow
 * which.
 *
 * ROLES:  X(NAME, "name")
 * EDGES:  X(FROM, TO, "why") */
#ifndef TBL_RAFT_ROLES_H
#define TBL_RAFT_ROLES_H

#define RAFT_ROLES(X) \
    X(UNATTACHED, "unattached") \
    X(PROSPECTIVE, "prospective") \
    X(CANDIDATE, "candidate") \
    X(LEADER, "leader") \
    X(FOLLOWER, "follower") \
    X(OBSERVER, "observer") \
    X(RESIGNED, "resigned")

#define RAFT_EDGES(X) \
    X(UNATTACHED, PROSPECTIVE, "an election is due") \
    X(UNATTACHED, CANDIDATE, "the only voter needs nobody's word before it stands") \
    X(PROSPECTIVE, CANDIDATE, "a majority would vote for it") \
    X(PROSPECTIVE, FOLLOWER, "a leader was found") \
    X(PROSPECTIVE, UNATTACHED, "a higher epoch was seen") \
    X(CANDIDATE, LEADER, "a majority voted for it") \
    X(CANDIDATE, FOLLOWER, "a leader was found") \
    X(CANDIDATE, UNATTACHED, "a higher epoch was seen") \
    X(UNATTACHED, FOLLOWER, "a leader was found") \
    X(FOLLOWER, PROSPECTIVE, "the leader was not heard of") \
    X(FOLLOWER, UNATTACHED, "a higher epoch was seen") \
    X(LEADER, RESIGNED, "it stops or lost its majority") \
    X(LEADER, UNATTACHED, "a higher epoch was seen") \
    X(RESIGNED, UNATTACHED, "a higher epoch was seen") \
    X(OBSERVER, UNATTACHED, "it became a voter")

#define RAFT_ROLES_ID_(NAME, ...) RAFT_##NAME,
enum raft_role { RAFT_ROLES(RAFT_ROLES_ID_) RAFT_ROLE_COUNT };
#undef RAFT_ROLES_ID_

#endif
