/* The brokers of a cluster and what is asked of which: a connection to each, made when it is first
 * wanted; the coordinator of a group or of a transactional id, found anew where it has moved; the
 * offsets of partitions, from their leaders. One thread. */
#ifndef CMD_CLUSTER_H
#define CMD_CLUSTER_H

#include "cmd/admin.h"

struct cluster_link;

struct cluster {
    struct admin *admin;
    const struct metadata_response *metadata; /* brokers, and topics where they were asked for */
    struct cluster_link *links;
};

/* Asks for the brokers. false: reported. Always to be ended by cluster_close. */
MUST_USE bool cluster_open(struct cluster *, struct admin *);
void cluster_close(struct cluster *);
/* The metadata of these topics stands in cluster->metadata after. false: reported. */
MUST_USE bool cluster_know_topics(struct cluster *, const char *const *names, int count);
/* NULL: not in the metadata. */
const struct metadata_response_topics *cluster_topic(const struct cluster *, struct slice name);

/* One request. What it answers lives as long as the admin's arena. */
struct cluster_ask {
    const struct wire_message *message; /* the request's */
    int version_max;                    /* 0: the highest that both know */
    const void *request;
};

/* Asks a broker by its number. false: reported. */
MUST_USE bool cluster_ask_node(struct cluster *, int32_t node_id, const struct cluster_ask *,
                               void *ret_answer);

/* As FindCoordinator numbers them. */
enum cluster_kind { CLUSTER_GROUP, CLUSTER_TXN };

/* Who is coordinated. */
struct cluster_key {
    enum cluster_kind kind;
    const char *id;
    int (*error_of)(const void *answer); /* the code that tells whether to ask again */
};
/* Asks the coordinator; where it is loading, away or another by now, again until --timeout is over.
 * false: reported. *ret_node: who it was; may be NULL. */
MUST_USE bool cluster_ask_coordinator(struct cluster *, const struct cluster_key *,
                                      const struct cluster_ask *, void *ret_answer,
                                      int32_t *ret_node);

/* ---- offsets of partitions ---- */

struct cluster_offset {
    struct slice topic;
    int32_t partition;
    int32_t leader; /* filled in; -1: none */
    int64_t offset; /* filled in; -1: none, or unknown where there is an error */
    int16_t error;  /* filled in */
};

#define CLUSTER_LATEST (-1)
#define CLUSTER_EARLIEST (-2)

/* Sorts the list by topic and partition and fills in the offsets of one time (CLUSTER_LATEST: the
 * high watermark, CLUSTER_EARLIEST, or milliseconds: of the first record from then on).
 * cluster->metadata must know the topics. A broker that does not answer is told of, and its
 * partitions have LEADER_NOT_AVAILABLE. */
void cluster_offsets(struct cluster *, struct cluster_offset *, size_t count, int64_t time_ms);

#endif
