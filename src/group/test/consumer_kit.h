/* Heartbeats of members of a consumer group, in short, for stories. Failures end the test. One
 * thread. */
#ifndef GROUP_TEST_CONSUMER_KIT_H
#define GROUP_TEST_CONSUMER_KIT_H

#include "coord/test/coord_kit.h"

/* What a heartbeat says; what is left out is not told. */
struct beat {
    const char *group;  /* NULL: "g" */
    const char *member; /* its id, and its name in the story */
    int32_t epoch;      /* 0: it joins */
    const char *topics; /* "foo bar"; "": none */
    const char *pattern;
    const char *instance;
    const char *assignor;
    const char *rack;
    const char *owned;    /* "foo 0 1 bar 2"; "": nothing; its topics are known by their ids */
    int32_t rebalance_ms; /* 0: not told */
    int16_t version;      /* 0: version 1; -1: version 0 */
};

/* A topic whose id is made of the byte, for `owned`. */
void consumer_kit_topic(struct coord_kit *, const char *name, uint8_t id, int32_t partitions);
/* Forgets topics of the test before. */
void consumer_kit_begin(struct coord_kit *, const char *const *settings);
struct kit_call *consumer_kit_beat(struct coord_kit *, const struct beat *);
/* A member joins: a rebalance timeout of 60 s where none is told, nothing owned. */
struct kit_call *consumer_kit_join(struct coord_kit *, struct beat);
struct kit_call *consumer_kit_describe(struct coord_kit *, const char *group);

#endif
