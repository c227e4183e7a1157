/* Producers with transactional ids at a coordinator in virtual time, for transcripts. One thread;
 * failures end the test. */
#ifndef TXN_TEST_TXNS_STORY_H
#define TXN_TEST_TXNS_STORY_H

#include "coord/test/coord_kit.h"

#include <stdint.h>

/* A producer as its client knows it. */
struct teller {
    const char *name;
    const char *id;      /* transactional */
    int64_t producer_id; /* -1: none */
    int16_t epoch;
    int16_t end_version; /* of EndTxn: 4, or 5 of transaction version 2 */
};

/* Each is a call that is named after the producer and what it does. */
void teller_inits(struct coord_kit *, struct teller *, int32_t timeout_ms);
/* With what it holds (KIP-360). */
void teller_bumps(struct coord_kit *, struct teller *, int32_t timeout_ms);
/* "t-0 t-1 u-0"; the partitions' errors are told as "  t-0 NONE". */
void teller_adds(struct coord_kit *, struct teller *, const char *partitions);
void teller_verifies(struct coord_kit *, struct teller *, const char *partitions);
void teller_adds_offsets(struct coord_kit *, struct teller *, const char *group);
void teller_ends(struct coord_kit *, struct teller *, bool commits);
/* As if it had come to that epoch, with nothing under way; no restart knows of it. */
void teller_is_at(struct coord_kit *, struct teller *, int16_t epoch);
/* The story since the last call of this must be that, where a record is told in short:
 *   tx: Ongoing 1000/0 was 1000 v2 for 60000 ms, at +5 since +0: t-0 t-1
 * that is producer id and epoch, the id before (v0: no version 2 of transactions; "then 1001": the
 * id that follows), the time-out, moments since the kit began. */
void story_is(struct coord_kit *, const char *expected);

/* Takes producer id and epoch from the answer of the last call of its own. */
void teller_takes(struct coord_kit *, struct teller *);

#endif
