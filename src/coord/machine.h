/* A kind of coordinator: what it does with a partition of its internal topic. The machine is pure:
 * all it knows comes through its world and these functions, all it does goes out through its world.
 * On the partition's shard. */
#ifndef COORD_MACHINE_H
#define COORD_MACHINE_H

#include "coord/world.h"

struct coord_machine {
    const struct coord_machine_type *type;
    struct coord_world *world; /* outlives it */
};

struct coord_machine_type {
    const char *family; /* of its records in spec/: "consumer_offsets" */
    /* Of its batches: Kafka gives those of groups the sequence 0, those of transactions none. */
    int32_t base_sequence;
    /* Empty, as before any record. NULL: memory is out. */
    struct coord_machine *(*make)(struct coord_world *);
    /* Calls that it has are answered (end), timers need not be stopped. */
    void (*free)(struct coord_machine *);
    /* Applies a record that was read. NULL, or why it cannot be, which stops the loading. Records
     * of types that it does not know are passed over. */
    const char *(*replay)(struct coord_machine *, const struct coord_record *);
    /* A transaction that wrote to this partition has ended. Also while it leads. */
    void (*replay_end)(struct coord_machine *, const struct coord_txn_end *);
    /* All is read: it leads from here. */
    void (*begin)(struct coord_machine *);
    /* It leads no longer: answers every call it has with the error; nothing is recorded any more.
     * Only free follows. */
    void (*end)(struct coord_machine *, enum err);
    /* world->image is another; before: the one until now. NULL: nothing to do. */
    void (*on_image)(struct coord_machine *, const struct meta_image *before);
};

/* An operation: ends, now or later, in the world's answer to the call. */
typedef void (*coord_op_fn)(struct coord_machine *, struct coord_call *);

#endif
