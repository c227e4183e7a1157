/* The simulated world as a test sees it: one process that holds a clock, nodes with a disk each, a
 * network between them, and all their tasks, run one turn at a time in an order drawn from a seed.
 * Same seed and same calls: same trace. The code under test sees sys's headers only and is linked
 * with this library instead of sys.
 *
 * A test makes a world, makes nodes, starts what it tests as one of them (sim_node_use, or
 * sim_node_run where the node may die on the way), and runs the world. The test's own thread acts
 * as the node last used; where it waits (sys_poller_wait, sys_park_wait, sys_tasks_join) the world
 * runs. One world at a time; one thread. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "base/attr.h"
#include "base/prng.h"
#include "base/slice.h"

struct sim_world;
struct sim_node;

/* ---- the world ---- */

/* Likelihoods in 1/1000 of a legal but unwelcome behaviour. */
struct sim_odds {
    uint16_t short_send; /* a socket takes a part only */
    uint16_t cold_read;  /* sys_file_read_cached finds nothing in memory */
    uint16_t reset;      /* a connection is reset when bytes are sent on it */
};

/* Makes it the current one; odds are drawn from the seed, resets never. */
struct sim_world *sim_world_new(uint64_t seed);
void sim_world_free(struct sim_world *);
void sim_world_set_odds(struct sim_world *, const struct sim_odds *);
struct prng *sim_world_prng(struct sim_world *);
/* Mixed from every event that can be seen from outside a node, and from every turn given. */
uint64_t sim_world_trace(const struct sim_world *);
/* Every traced event as a line on standard error: to find where two runs part. */
void sim_world_set_verbose(struct sim_world *, bool verbose);
int64_t sim_world_now_ns(const struct sim_world *);

typedef bool (*sim_condition_fn)(void *context);
/* Runs until the condition holds (looked at after every turn): true; or until so much time has
 * passed or nothing can ever happen: false. */
MUST_USE bool sim_world_run_until(struct sim_world *, sim_condition_fn, void *context,
                                  int64_t within_ms);
/* Lets time pass. */
void sim_world_run_for(struct sim_world *, int64_t time_ms);
/* Runs until no task can run and nothing is under way in the network; timers may be running.
 * False: not within that time. */
MUST_USE bool sim_world_run_quiet(struct sim_world *, int64_t within_ms);
/* All log lines so far; bounded, the oldest are dropped. */
struct slice sim_world_journal(const struct sim_world *);

/* ---- nodes ---- */

/* A machine that is up, with an empty disk. name and address (as in "10.0.0.1") resolve to it. */
struct sim_node *sim_node_new(struct sim_world *, const char *name, const char *address);
/* The test's thread acts as this node from now on. NULL: none. */
void sim_node_use(struct sim_node *);
/* Calls body as this node. False: the node died inside, body did not return. */
bool sim_node_run(struct sim_node *, void (*body)(void *arg), void *arg);
/* kill -9: tasks end where they are, sockets are closed by the kernel, what was written is there
 * for the next start. The memory of what ran stays allocated, reachable and untouched. */
void sim_node_kill(struct sim_node *);
/* The power fails: as above, but nothing more is sent, and of what was not synced any legal part is
 * lost. */
void sim_node_cut(struct sim_node *);
/* Whether a task of it has not ended: false once what was started has stopped, or the node died. */
bool sim_node_runs(const struct sim_node *);
/* How often it died so far: by kill, cut, fault, or by ending itself. */
uint64_t sim_node_deaths(const struct sim_node *);
/* A signal for the one who reads sys_signal_open's descriptor. */
void sim_node_signal(struct sim_node *, int number);
/* The wall clock of this node jumps. */
void sim_node_jump_wall(struct sim_node *, int64_t by_ms);
/* What it wrote to its standard output (1) or error (2). */
struct slice sim_node_output(const struct sim_node *, int stream);
/* Bytes on one way are held back while it is cut, as by a partition; retransmitted after. */
void sim_link_cut(struct sim_node *from, struct sim_node *to, bool cut);

/* ---- faults ---- */

#define SIM_CALLS(X) \
    X(FILE_OPEN, "file open") \
    X(FILE_WRITE, "file write") \
    X(FILE_READ, "file read") \
    X(FILE_TRUNCATE, "file truncate") \
    X(FILE_SYNC, "file sync") \
    X(DIR_OPEN, "dir open") \
    X(DIR_MAKE, "dir make") \
    X(DIR_SYNC, "dir sync") \
    X(DIR_SYNC_ALL, "dir sync all") \
    X(DIR_REMOVE, "dir remove") \
    X(DIR_LIST, "dir list") \
    X(RENAME, "rename") \
    X(UNLINK, "unlink") \
    X(LISTEN, "listen") \
    X(ACCEPT, "accept") \
    X(CONNECT, "connect") \
    X(RECV, "recv") \
    X(SEND, "send") \
    X(POLLER_NEW, "poller new") \
    X(POLLER_ADD, "poller add") \
    X(TASKS_START, "tasks start")

#define SIM_CALLS_ID_(NAME, ...) SIM_##NAME,
enum sim_call { SIM_CALLS(SIM_CALLS_ID_) SIM_CALL_COUNT };
#undef SIM_CALLS_ID_

enum sim_effect {
    SIM_FAIL, /* the call returns `error`; of a write some bytes may be there, of a sync any */
    SIM_KILL, /* the node is killed instead of the call */
    SIM_CUT,  /* the node loses power instead of the call */
};

/* Strikes calls of one kind of one node. */
struct sim_fault {
    enum sim_call call;
    const char *name_part; /* only calls on a name that contains this; NULL: all */
    uint64_t after;        /* so many such calls pass first */
    uint64_t times;        /* so many are struck then; 0: all */
    enum sim_effect effect;
    int error; /* positive errno, for SIM_FAIL */
};

/* Takes a copy (name_part stays the caller's). */
void sim_fault_add(struct sim_node *, const struct sim_fault *);
void sim_fault_clear(struct sim_node *);
/* Calls of the kind made by the node so far; SIM_CALL_COUNT: of all kinds. */
uint64_t sim_fault_calls(const struct sim_node *, enum sim_call);
/* Strikes the k-th (from 0) call that changes the disk from now on, of any kind. */
void sim_fault_change(struct sim_node *, uint64_t k, enum sim_effect, int error);
/* True when a fault struck since the last clear. */
bool sim_fault_struck(const struct sim_node *);

/* ---- disks and their crash states ---- */

struct sim_disk;

/* Bytes the disk holds in all; -ENOSPC beyond. Without end at first. */
void sim_disk_set_capacity(struct sim_node *, int64_t bytes);
/* A copy of the whole disk: what is there, what is durable, what is pending between them. */
struct sim_disk *sim_disk_copy(const struct sim_node *);
struct sim_disk *sim_disk_clone(const struct sim_disk *);
void sim_disk_free(struct sim_disk *);
/* The node, which must not run, has this disk now (a copy of it). */
void sim_disk_put(struct sim_node *, const struct sim_disk *);
/* The same with this disk itself, which is the node's from then on. */
void sim_disk_give(struct sim_node *, struct sim_disk *);
/* Of the names and bytes that are there now, whatever is durable of them. */
uint64_t sim_disk_hash(const struct sim_disk *);
/* Called before every call that changes the node's disk; it may copy the disk. NULL ends it. */
typedef void (*sim_change_fn)(void *context, struct sim_node *);
void sim_disk_watch(struct sim_node *, sim_change_fn, void *context);
/* Calls that changed the disk so far. */
uint64_t sim_disk_changes(const struct sim_node *);

/* The legal states after a power cut: each unit (512 or 4096 bytes, aligned) of a file holds what
 * any prefix of the unsynced writes to it left there, the file's size is any that it had since the
 * last sync, and of the directory operations that no sync covers any subset (of up to
 * SIM_SUBSET_MAX; beyond, any prefix) has happened. UINT64_MAX: too many to count. */
#define SIM_SUBSET_MAX 6
uint64_t sim_disk_state_count(const struct sim_disk *, size_t unit);
/* The disk becomes the state of that number: all durable, nothing pending. */
void sim_disk_become(struct sim_disk *, size_t unit, uint64_t state);
/* The disk becomes one drawn at random, with likely shapes (nothing kept, all, a prefix) often. */
void sim_disk_become_any(struct sim_disk *, struct prng *);

#endif
