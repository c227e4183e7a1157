/* What the simulated world is made of. One thread; everything is owned by the world and freed with
 * it. Nothing here depends on addresses: lists are in order of making, numbers are given out in
 * order, choices come from the world's generator. */
#ifndef SIM_SIM_INT_H
#define SIM_SIM_INT_H

#include "base/list.h"
#include "base/text.h"
#include "sim/world.h"
#include "sys/net.h"
#include "sys/poller.h"
#include "sys/task.h"

#include <setjmp.h>

#define SIM_FD_BASE 1000 /* simulated descriptors are told from real ones by their size */
#define SIM_NS_PER_MS 1000000
#define SIM_NS_PER_US 1000

/* ---- tasks ---- */

struct sim_task {
    struct list link; /* the world's */
    struct sys_task *task;
    struct sim_node *node;
    bool ended;
    bool waits;                   /* in its last turn it waited for... */
    struct sys_poller *on_poller; /* ...this, or */
    struct sys_park *on_park;     /* this, until */
    int64_t deadline_ns;
};

struct sys_park {
    struct list link; /* its node's */
    bool given;
};

/* ---- descriptors and readiness ---- */

enum sim_kind { SIM_IS_FILE, SIM_IS_DIR, SIM_IS_STREAM, SIM_IS_LISTENER, SIM_IS_SIGNAL };

struct sim_descriptor {
    enum sim_kind kind;
    int fd;
    struct sim_node *node;
    char *name; /* path, for faults and the trace */
    struct sim_interest *interest;
    struct sim_inode *inode; /* file or directory */
    bool writable;           /* file */
    bool holds_lock;
    struct sim_end *end; /* stream */
    struct sim_listener *listener;
};

/* One descriptor in one poller. */
struct sim_interest {
    struct list link; /* the poller's */
    struct sys_poller *poller;
    struct sim_descriptor *descriptor;
    uint64_t key;
    bool stream; /* edge-triggered */
    bool edge;   /* something happened since the last report */
};

struct sys_poller {
    struct list link; /* its node's */
    struct list interests;
    bool woken;
};

/* ---- the network ---- */

/* A growing queue of bytes. */
struct sim_bytes {
    uint8_t *data;
    size_t start;
    size_t size;
    size_t capacity;
};

/* Bytes from one end of a connection to the other: first those that arrived, then those under way,
 * then those held back because more was announced. */
struct sim_way {
    struct sim_bytes bytes;
    size_t arrived;
    size_t held;
    size_t room_max;         /* of bytes.size */
    int64_t last_arrival_ns; /* nothing overtakes */
    bool ended;              /* the sender has closed */
    bool end_arrived;
    bool starved;    /* the sender was refused bytes and awaits an edge */
    bool relief_due; /* that edge is under way */
};

struct sim_end {
    struct sim_connection *connection;
    struct sim_node *node;
    struct sim_descriptor *descriptor; /* NULL: not accepted yet, or closed */
    struct sys_net_address local;
    bool connected;
    bool closed;
    int error; /* positive errno: reset or refused */
    bool error_told;
};

struct sim_connection {
    struct list link;       /* the world's */
    struct sim_end ends[2]; /* 0 connected, 1 accepted */
    struct sim_way ways[2]; /* ways[i] starts at ends[i] */
    struct list waiting;    /* in a listener's queue */
    int events;             /* that name it */
};

struct sim_listener {
    struct list link; /* its node's */
    struct sim_descriptor *descriptor;
    struct sys_net_address local; /* host "": every address */
    struct list queue;            /* connections to accept */
    int backlog;
    int queued;
};

/* What happens later. */
enum sim_event_kind {
    SIM_EVENT_SYN,    /* a connection attempt arrives */
    SIM_EVENT_OPEN,   /* its answer arrives */
    SIM_EVENT_BYTES,  /* `count` bytes arrive at end `side` */
    SIM_EVENT_UNHOLD, /* what end `side` held back is sent */
    SIM_EVENT_END,    /* the other's end arrives at end `side` */
    SIM_EVENT_RESET,  /* a reset arrives at end `side` */
    SIM_EVENT_RELIEF, /* end `side` learns that it may send again */
};

struct sim_event {
    int64_t at_ns;
    uint64_t sequence;
    enum sim_event_kind kind;
    struct sim_connection *connection;
    int side; /* the end at which it happens */
    int error;
    size_t count;
};

/* ---- the disk ---- */

/* A write or a truncation that no sync has covered. */
struct sim_write {
    struct list link; /* the inode's */
    bool truncates;   /* to offset */
    size_t offset;
    size_t size;
    uint8_t *data;
};

struct sim_image {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

#define SIM_NAME_SIZE 256 /* with its terminator */

struct sim_entry {
    char name[SIM_NAME_SIZE];
    struct sim_inode *inode;
};

/* Names of a directory, sorted. */
struct sim_names {
    struct sim_entry *entries;
    size_t count;
    size_t capacity;
};

struct sim_inode {
    struct list link; /* the disk's */
    uint64_t number;
    bool is_directory;
    int name_count; /* live names */
    int open_count;
    bool locked;
    bool warm;           /* the next cached read finds its bytes */
    int64_t modified_ms; /* wall clock */
    /* file */
    struct sim_image live;
    struct sim_image durable;
    struct list writes; /* between the two, oldest first */
    bool forgot;        /* a failed sync has dropped writes: live is more than durable */
    /* directory */
    struct sim_inode *parent;
    struct sim_names names;
    struct sim_names durable_names;
    struct sim_inode *copy; /* while a disk is copied */
    bool kept;              /* while a disk is swept */
};

/* A change of names that no sync has covered: `name` in `from` goes, `to_name` in `to` becomes the
 * inode; either half may be absent (NULL directory). */
struct sim_rename {
    struct list link; /* the disk's */
    struct sim_inode *from;
    char *name;
    struct sim_inode *to;
    char *to_name;
    struct sim_inode *inode;
};

struct sim_disk {
    struct list inodes;  /* in order of making; the first is the root */
    struct list renames; /* oldest first */
    uint64_t next_number;
    int64_t capacity;
};

/* ---- nodes and the world ---- */

struct sim_fault_state {
    struct list link; /* its node's */
    struct sim_fault fault;
    bool any_change; /* strikes any call that changes the disk */
    uint64_t seen;
};

struct sim_node {
    struct list link; /* the world's */
    struct sim_world *world;
    char name[64];
    char address[64];
    int index;
    uint64_t deaths;
    struct prng prng; /* its entropy */
    int64_t wall_offset_ms;
    struct sim_disk *disk;
    struct list pollers;
    struct list parks;
    struct list listeners;
    struct list faults;
    bool struck;
    uint64_t calls[SIM_CALL_COUNT];
    uint64_t changes;
    sim_change_fn on_change;
    void *on_change_context;
    uint64_t cut_ways; /* a bit a node's index: bytes to it are held back */
    int signal_fd;
    uint64_t signals; /* raised, a bit a number */
    struct text output[2];
};

struct sim_world {
    struct prng prng;
    struct sim_odds odds;
    uint64_t trace;
    bool verbose;
    int64_t now_ns;
    int64_t wall_base_ms; /* wall clock at monotonic zero */
    struct list nodes;
    int node_count;
    struct sim_node *node; /* whose code runs */
    struct list tasks;
    struct sim_task *task;   /* whose turn it is; NULL: the test's own thread */
    jmp_buf *exit;           /* out of the turn or the body that runs; NULL: none does */
    struct sim_node *inside; /* whose turn or body it is */
    uint64_t inside_deaths;  /* that node's, when it began */
    struct sim_descriptor **descriptors; /* by fd - SIM_FD_BASE; NULL: free */
    size_t descriptor_count;
    struct list connections;
    struct sim_event *events; /* a heap by time, then sequence */
    size_t event_count;
    size_t event_capacity;
    uint64_t event_sequence;
    uint16_t next_port;
    int journal_level;
    struct text journal;
};

/* world.c */
struct sim_world *sim_here(void);     /* the current world; there must be one */
struct sim_node *sim_node_here(void); /* whose code runs; there must be one */
/* Mixes an event into the trace. */
void sim_trace(const char *what, uint64_t a, uint64_t b);
bool sim_chance(uint16_t in_thousand);
/* malloc and calloc that do not fail. */
void *sim_take(size_t size);
char *sim_copy_text(const char *text);

/* node.c */
/* All that the node ran or held is gone; its disk is not touched. */
void sim_node_stop(struct sim_node *, bool power_fails);
void sim_node_free(struct sim_node *);

/* scheduler.c */
/* One task's turn or one step of time. False: nothing will ever happen. */
bool sim_step(struct sim_world *, int64_t until_ns);
/* Calls what is to be left should its node die; false: it was. */
bool sim_run_inside(struct sim_world *, struct sim_node *, bool (*call)(void *arg), void *arg);
/* Leaves the turn or body that runs, when it is of a node that died in it. */
void sim_leave_if_dead(struct sim_world *);

/* poller.c */
bool sim_poller_is_ready(const struct sys_poller *);
/* Something happened to the descriptor. */
void sim_edge(struct sim_descriptor *);
void sim_interest_free(struct sim_interest *);

/* descriptor.c */
struct sim_descriptor *sim_descriptor_new(enum sim_kind, const char *name);
/* The node's own descriptor of that kind, or NULL. */
struct sim_descriptor *sim_descriptor_at(int fd, enum sim_kind);
/* Frees it; what it stood for is the caller's. */
void sim_descriptor_free(struct sim_descriptor *);

/* fault.c */
/* A call is made: 0, or the negative errno that it must fail with. May not return. */
MUST_USE int sim_call(enum sim_call, const char *name);
/* The same for a call that changes the disk. */
MUST_USE int sim_call_change(enum sim_call, const char *name);

/* stream.c */
unsigned sim_end_ready(const struct sim_end *);
unsigned sim_listener_ready(const struct sim_listener *);
void sim_event_run(struct sim_world *, struct sim_event);
void sim_end_close(struct sim_end *, bool abort);
void sim_listener_close(struct sim_listener *);
/* The end vanishes without a word; the other end finds out when it next sends. */
void sim_end_vanish(struct sim_end *);
void sim_connection_free(struct sim_connection *);
int64_t sim_latency_ns(const struct sim_node *from, const struct sim_node *to);
void sim_connection_event(struct sim_connection *, struct sim_event, int64_t at_ns);
struct sim_connection *sim_connection_new(struct sim_node *from, struct sim_node *to);
int64_t sim_way_send(struct sim_end *, const struct slice *parts, int part_count, bool more);
int64_t sim_way_recv(struct sim_end *, void *ret_data, size_t size);

/* event.c */
void sim_event_push(struct sim_world *, struct sim_event);
bool sim_event_pop(struct sim_world *, int64_t until_ns, struct sim_event *ret_event);

/* names.c */
struct sim_inode *sim_names_find(const struct sim_names *, struct slice name);
void sim_names_set(struct sim_names *, const char *name, struct sim_inode *);
void sim_names_remove(struct sim_names *, const char *name);
void sim_names_clear(struct sim_names *);
/* The same names, for the inodes' copies. */
struct sim_names sim_names_clone(const struct sim_names *);

/* disk.c */
#define SIM_CAPACITY_UNBOUNDED ((int64_t)1 << 50)
struct sim_disk *sim_disk_new(void);
struct sim_image sim_image_copy(const struct sim_image *from);
void sim_image_write(struct sim_image *, size_t offset, struct slice bytes);
void sim_image_resize(struct sim_image *, size_t size);
struct sim_inode *sim_inode_new(struct sim_disk *, bool is_directory);
void sim_inode_write(struct sim_inode *, size_t offset, struct slice bytes);
void sim_inode_truncate(struct sim_inode *, size_t size);
void sim_inode_sync(struct sim_inode *);
/* The sync fails: any part of what is pending is durable, the rest never will be. */
void sim_inode_sync_failed(struct sim_inode *, struct prng *);
void sim_inode_forget_writes(struct sim_inode *);
void sim_inode_free(struct sim_inode *);
/* Carries out and records; takes copies of the names. */
void sim_disk_rename(struct sim_disk *, const struct sim_rename *);
/* It becomes durable or never happened; freed either way. */
void sim_rename_settle(struct sim_rename *, bool happens);
void sim_disk_sync_names(struct sim_disk *, const struct sim_inode *directory);
/* Everything on it is durable. */
void sim_disk_sync(struct sim_disk *);
/* That fails: of each file any part is durable, the rest never will be; names are as before. */
void sim_disk_sync_failed(struct sim_disk *, struct prng *);
int64_t sim_disk_used(const struct sim_disk *);

/* path.c */
/* Where a path leads: its directory and its last component; the inode when it exists. */
struct sim_place {
    struct sim_inode *directory;
    char name[SIM_NAME_SIZE];
    struct sim_inode *inode;
};
MUST_USE int sim_find(int dir_fd, const char *path, struct sim_place *ret_place);

#endif
