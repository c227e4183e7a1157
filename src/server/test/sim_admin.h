/* An administrator on the simulated client machine: creates the topics of the history that are not
 * there yet, deletes those that are doomed, asking again until it is told; and asks which topics
 * there are, which must be all whose creation was acknowledged, with their ids, and none whose
 * deletion was. On the client's task. */
#ifndef SERVER_TEST_SIM_ADMIN_H
#define SERVER_TEST_SIM_ADMIN_H

#include "server/test/sim_client.h"
#include "server/test/sim_history.h"

struct sim_admin {
    struct sim_channel channel;
    struct sim_history *history;
    struct sim_request call; /* one at a time */
    struct sim_alarm pause;
    struct sim_topic *topic; /* of the call */
    bool wants_check;
    uint64_t checks;   /* that were answered and right */
    uint64_t refusals; /* for a disk that fails */
};

/* From the test's thread; `client` runs. */
void sim_admin_start(struct sim_admin *, struct sim_client *, struct sim_history *);
/* Nothing is left to be created or deleted, and no look is under way. */
bool sim_admin_is_done(const struct sim_admin *);
/* Looks at the topics once more. From the test's thread. */
void sim_admin_look(struct sim_admin *);
void sim_admin_fini(struct sim_admin *);

#endif
