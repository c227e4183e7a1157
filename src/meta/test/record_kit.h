/* Random records about few things, so that they meet: same ids, names and topics come again. */
#ifndef META_TEST_RECORD_KIT_H
#define META_TEST_RECORD_KIT_H

#include "base/prng.h"
#include "meta/image.h"

struct record_author {
    struct prng prng;
    struct arena *arena;
};

uint64_t author_below(struct record_author *, uint64_t bound);
/* NULL: there is no record of that type. */
const struct wire_message *author_message(int type);
/* A record of a random version, all fields filled in. */
struct meta_applied author_record(struct record_author *, const struct wire_message *);

#endif
