/* The states of a group of the classic protocol, by the names that clients see, and which may
 * follow which (KIP-62; Kafka's ClassicGroupState).
 *
 * STATES: X(NAME, "name")
 * EDGES:  X(FROM, TO, "why") */
#ifndef TBL_GROUP_STATES_H
#define TBL_GROUP_STATES_H

#define CLASSIC_STATES(X) \
    X(EMPTY, "Empty") \
    X(PREPARING, "PreparingRebalance") \
    X(COMPLETING, "CompletingRebalance") \
    X(STABLE, "Stable") \
    X(DEAD, "Dead")

#define CLASSIC_EDGES(X) \
    X(EMPTY, PREPARING, "a first member joined") \
    X(PREPARING, COMPLETING, "all who will join have") \
    X(PREPARING, EMPTY, "nobody is left to join") \
    X(COMPLETING, STABLE, "the leader's assignment is stored") \
    X(COMPLETING, PREPARING, "a member came, left, changed, or did not sync in time") \
    X(STABLE, PREPARING, "a member came, left, changed, or did not sync in time") \
    X(EMPTY, DEAD, "it is forgotten, or led no longer") \
    X(PREPARING, DEAD, "it is led no longer, or goes to the consumer protocol") \
    X(COMPLETING, DEAD, "it is led no longer, or goes to the consumer protocol") \
    X(STABLE, DEAD, "it is led no longer, or goes to the consumer protocol")

#define CLASSIC_STATES_ID_(NAME, ...) CLASSIC_##NAME,
enum classic_state { CLASSIC_STATES(CLASSIC_STATES_ID_) CLASSIC_STATE_COUNT };
#undef CLASSIC_STATES_ID_

#endif
