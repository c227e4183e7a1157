/* Random messages for tests, made by the tables: every field of a version gets a value, null where
 * that is allowed, tagged fields with and without. The same seed gives the same message. */
#ifndef WIRE_TEST_MESSAGE_KIT_H
#define WIRE_TEST_MESSAGE_KIT_H

#include "base/prng.h"
#include "wire/messages.h"

#define KIT_ARENA_LIMIT ((size_t)64 << 20)

struct maker {
    struct prng prng;
    struct arena *arena;
    int version;
    bool utf8; /* strings are text, as JSON needs it; otherwise any bytes */
};

/* A struct of the message's type, from the maker's arena. */
void *maker_message(struct maker *, const struct wire_message *);

/* Fails the test when the message cannot be encoded. The chain is the caller's to fini. */
void kit_encode(const struct wire_message *, int version, const void *in, struct chain *ret_out);

#endif
