/* Clients of a classic group for transcripts: calls of the group "g", whose requests live as long
 * as the kit. One thread. */
#ifndef GROUP_TEST_CLASSIC_KIT_H
#define GROUP_TEST_CLASSIC_KIT_H

#include "coord/test/coord_kit.h"
#include "group/groups_int.h"

/* As coord_kit_init, for a groups machine. */
void classic_kit_init(struct coord_kit *, const char *const *settings);
/* The story since the last call of this, in short: without quotes, without what every member of
 * classic_join's defaults has, error codes by name, and "#1" for the first UUID of the test. */
void classic_expect(struct coord_kit *, const char *expected);

/* What differs from a consumer of the topic "t" that speaks "range", joins for the first time, has
 * a session of 10 s and a minute for a rebalance. */
struct classic_join {
    const char *id;           /* NULL: none yet */
    const char *instance_id;  /* NULL: a dynamic member */
    const char *type;         /* NULL: "consumer" */
    const char *protocols[4]; /* NULL at the end; none: "range" */
    const char *metadata;     /* NULL: a subscription of "t" */
    const char *client_id;    /* NULL: the name of the call */
    int version;              /* -1: 0; 0: 9 */
    int32_t session_ms;
    int32_t rebalance_ms;
};
struct kit_call *classic_join(struct coord_kit *, const char *name, const struct classic_join *);
/* Joins with no id, hears one and joins with that: a new member of today. */
struct kit_call *classic_join_anew(struct coord_kit *, const char *name,
                                   const struct classic_join *);

struct classic_member_of {
    const char *id;
    const char *instance_id;
    int32_t generation;
};
/* assignments: member id and assignment in turn, NULL at the end; NULL: none, as followers do. */
struct kit_call *classic_sync(struct coord_kit *, const char *name,
                              const struct classic_member_of *, const char *const *assignments);
struct kit_call *classic_beat_once(struct coord_kit *, const char *name,
                                   const struct classic_member_of *);
/* members: id and instance in turn ("-": none), NULL at the end. */
struct kit_call *classic_leave(struct coord_kit *, const char *name, const char *const *members);
struct kit_call *classic_describe(struct coord_kit *, const char *name);

/* Borrowed from the kit. */
const char *classic_text(struct coord_kit *, struct slice);
/* The member id that an answer tells. */
const char *classic_id_of(struct coord_kit *, const struct kit_call *join);
/* The state of "g", or "none". */
const char *classic_state(struct coord_kit *);

#endif
