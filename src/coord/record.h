/* Records of the internal topics in bytes and back: a key begins with its message's number, a value
 * with its version. Pure functions: any thread. */
#ifndef COORD_RECORD_H
#define COORD_RECORD_H

#include "base/arena.h"
#include "coord/world.h"
#include "wire/chain.h"

/* Appends key and value to the chain. false: memory is out, or a field does not fit its version. */
struct coord_record_sizes {
    size_t key;
    size_t value; /* SIZE_MAX: a tombstone */
};
MUST_USE bool coord_record_write(const struct coord_record *, struct chain *,
                                 struct coord_record_sizes *ret_sizes);

enum coord_read { COORD_READ_OK, COORD_READ_UNKNOWN, COORD_READ_BAD };
/* family: of spec/, such as "consumer_offsets". UNKNOWN: a key of a number that nobody knows. The
 * record's structs are the arena's, their text borrows from the bytes. */
struct coord_raw {
    const char *family;
    struct slice key;
    struct slice value; /* null: a tombstone */
};
MUST_USE enum coord_read coord_record_read(const struct coord_raw *, struct arena *,
                                           struct coord_record *ret_record);

#endif
