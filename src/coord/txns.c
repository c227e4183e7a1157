/* Transactional ids. */
#include "coord/txns.h"

#include <stdlib.h>

static struct coord_machine *make(struct coord_world *world)
{
    struct coord_machine *machine = calloc(1, sizeof *machine);
    if (machine != NULL)
        *machine = (struct coord_machine){.type = &coord_txns_type, .world = world};
    return machine;
}

static void machine_free(struct coord_machine *machine)
{
    free(machine);
}

static const char *replay(struct coord_machine *machine, const struct coord_record *record)
{
    (void)machine;
    (void)record;
    return NULL;
}

static void replay_end(struct coord_machine *machine, const struct coord_txn_end *end)
{
    (void)machine;
    (void)end;
}

static void begin(struct coord_machine *machine)
{
    (void)machine;
}

static void end(struct coord_machine *machine, enum err err)
{
    (void)machine;
    (void)err;
}

const struct coord_machine_type coord_txns_type = {
    .topic = "__transaction_state",
    .base_sequence = -1,
    .make = make,
    .free = machine_free,
    .replay = replay,
    .replay_end = replay_end,
    .begin = begin,
    .end = end,
};
