/* What becomes of a coordinator's partition, and which state may follow which.
 *
 * STATES: X(NAME, "name")
 * EDGES:  X(FROM, TO, "why") */
#ifndef TBL_COORD_STATES_H
#define TBL_COORD_STATES_H

#define COORD_STATES(X) \
    X(LOADING, "loading") \
    X(ACTIVE, "active") \
    X(FAILED, "failed") \
    X(ENDED, "ended")

#define COORD_EDGES(X) \
    X(LOADING, ACTIVE, "its log was read to the end") \
    X(LOADING, FAILED, "its log cannot be read") \
    X(LOADING, ENDED, "it leads no longer, or the node stops") \
    X(ACTIVE, LOADING, "a record could not be appended: what it knows is read again") \
    X(ACTIVE, ENDED, "it leads no longer, or the node stops") \
    X(FAILED, LOADING, "it leads in another epoch") \
    X(FAILED, ENDED, "it leads no longer, or the node stops")

#define COORD_STATES_ID_(NAME, ...) COORD_##NAME,
enum coord_state { COORD_STATES(COORD_STATES_ID_) COORD_STATE_COUNT };
#undef COORD_STATES_ID_

#endif
