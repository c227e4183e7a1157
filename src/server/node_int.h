/* What node.c, lifecycle.c and report.c share of a node. */
#ifndef SERVER_NODE_INT_H
#define SERVER_NODE_INT_H

#include "log/dir.h"
#include "meta/meta.h"
#include "replica/cleaner.h"
#include "server/checkpoints.h"
#include "server/http.h"
#include "server/listener.h"
#include "server/node.h"
#include "server/shard.h"

enum node_state {
    NODE_STARTING,   /* no image yet */
    NODE_REGISTERED, /* the controller knows of this start */
    NODE_RUNNING,    /* unfenced: clients are served */
    NODE_DRAINING,   /* no new requests */
    NODE_LEAVING,    /* the controller takes its partitions */
    NODE_CLOSING,    /* logs are closed */
    NODE_STOPPED,
};

/* One message to every data shard and back, for the steps of stopping. */
struct node_round {
    struct shard_message message;
    struct node *node;
    int shard;
};

/* Those of log.dirs, and metadata.log.dir where it is another. */
#define NODE_DIRS_MAX (NODE_LOG_DIRS_MAX + 1)
#define ERROR_TEXT_MAX 4096

/* A directory's failure on its way to every shard. */
struct node_dir_failure {
    struct shard_message message;
    struct node *node;
    int dir;
    int next_shard;
};

struct node {
    const struct node_config *config;
    const char *version;
    struct log_dir dirs[NODE_DIRS_MAX];
    struct node_dir_failure dir_failures[NODE_DIRS_MAX];
    char *dir_paths[NODE_DIRS_MAX];
    int dir_count;
    int metadata_dir;
    struct replica_futures futures;
    struct shard_set *shards;
    struct server_shard *locals; /* one a data shard */
    struct replica_set *replicas;
    struct replica_points *points; /* a directory's run for every shard */
    int shard_count;
    struct meta *meta;
    struct listener *listeners[NODE_LISTENERS_MAX];
    int listener_count;
    struct listener_gate gate;
    struct http *http;
    struct checkpoints *checkpoints;
    struct cleaners *cleaners;
    int64_t started_ns;

    /* shard 0's */
    struct stats_level state; /* enum node_state; set by shard 0, read by http */
    int64_t broker_epoch;
    struct uuid incarnation;
    struct peer_call call;
    struct peer_call dirs_call; /* the heartbeat that tells of directories that failed */
    bool dirs_call_away;
    int dirs_told; /* so many are known to the controller to be offline */
    struct shard_watch signal_watch;
    int signal_fd;
    struct shard_timer timer; /* starting: registration; draining: clients that do not read */
    struct shard_message begin;
    struct shard_message stopped;
    struct node_round *rounds;
    int rounds_away;
    int stop_signal; /* that came before it ran; 0: none */
};

/* lifecycle.c */
void node_begin(struct node *);
const struct meta_image *node_on_image(struct shard *, const struct meta_image *);
void node_on_fatal(const char *why);
void node_set_state(struct node *, enum node_state);

/* Tells the controller of directories that went offline: now, or when the node is registered. */
void node_tell_dirs(struct node *) ON(on_shard);

/* directories.c; before the shards run. false: *error has one sentence with a hint. */
MUST_USE bool node_open_dirs(struct node *, struct text *error) NOT_ON(on_shard);
MUST_USE bool node_check_dirs(const struct node *, struct text *error);
MUST_USE bool node_begin_dirs(struct node *, struct text *error) NOT_ON(on_shard);
void node_free_dirs(struct node *) NOT_ON(on_shard);
/* From now on a directory that fails is followed up. */
void node_watch_dirs(struct node *);
/* How many are offline now; any thread. */
int node_offline_dirs(const struct node *);

/* report.c: on the http thread, and the start's lines. */
void node_write_metrics(void *context, struct text *);
bool node_write_health(void *context, struct text *);
void node_banner(const struct node *);

#endif
