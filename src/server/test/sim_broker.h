/* A machine of the simulated world that runs the whole node, as `ottla start` does: its directory
 * is /data on a disk that outlives every run, its configuration is given as --set gives it. It can
 * be killed, cut, stopped and started again at any time. From the test's thread. */
#ifndef SERVER_TEST_SIM_BROKER_H
#define SERVER_TEST_SIM_BROKER_H

#include "config/node.h"
#include "server/node.h"
#include "sim/world.h"

struct sim_broker {
    struct sim_world *world;
    struct sim_node *machine;
    struct node_config *config;
    struct node *node; /* of the run under way; NULL: none */
    struct text error; /* why the last start was refused; empty: it was not */
    uint64_t deaths;   /* of the machine when the run began */
    size_t log_size;   /* of the world's log, as far as it was searched */
    bool has_served;   /* the log tells that the run's start is complete */
    bool was_clean;    /* how the last run ended */
};

enum sim_outcome {
    SIM_OUTCOME_SERVES,  /* it listens */
    SIM_OUTCOME_DIED,    /* by a fault, or by its own decision */
    SIM_OUTCOME_REFUSED, /* error tells why it could not start */
    SIM_OUTCOME_STOPPED, /* by itself, in good order */
    SIM_OUTCOME_HANGS,   /* none of these within a minute */
};

/* settings: ends with NULL. The machine is called "broker". */
void sim_broker_init(struct sim_broker *, struct sim_world *, const char *const *settings);
void sim_broker_fini(struct sim_broker *);
/* Starts the node and lets the world run until it serves or has ended. */
enum sim_outcome sim_broker_start(struct sim_broker *);
/* SIGTERM, and the world runs until it has ended. Also for a node that ends by itself. */
enum sim_outcome sim_broker_stop(struct sim_broker *);
void sim_broker_kill(struct sim_broker *);
void sim_broker_cut(struct sim_broker *);
/* Whether its tasks run: neither dead nor stopped. */
bool sim_broker_runs(const struct sim_broker *);

/* Tells the leak checker that what is allocated from here on may be left by nodes that die. */
void sim_broker_expect_deaths(void);

#endif
