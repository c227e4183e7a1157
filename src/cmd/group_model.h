/* A group as its coordinator tells of it, whatever its protocol: state, members with what they are
 * assigned, committed offsets. All text and arrays live in the admin's arena. One thread. */
#ifndef CMD_GROUP_MODEL_H
#define CMD_GROUP_MODEL_H

#include "cmd/cluster.h"

/* A partition that a member has. */
struct group_partition {
    struct slice topic;
    int32_t partition;
};

struct group_member {
    struct slice id;
    struct slice instance_id; /* null: dynamic */
    struct slice client_id;
    struct slice host;
    int32_t epoch;                    /* -1: the classic protocol has none */
    struct group_partition *assigned; /* by topic and partition */
    size_t assigned_count;
};

/* A partition that the group has committed an offset of, or that a member is assigned. */
struct group_offset {
    struct slice topic;
    int32_t partition;
    int64_t committed;                 /* -1: none */
    int64_t end;                       /* the high watermark; -1: unknown */
    const struct group_member *member; /* NULL: no one's */
};

struct group {
    const char *id;
    const char *type; /* "classic", "consumer" */
    struct slice state;
    struct slice protocol_type; /* "consumer"; empty where there was never a member */
    struct slice protocol;      /* the assignor */
    int32_t epoch;              /* -1: the classic protocol has none */
    int32_t coordinator;
    struct group_member *members;
    size_t member_count;
    struct group_offset *offsets; /* by topic and partition */
    size_t offset_count;
};

/* A group as brokers list it. */
struct group_row {
    struct slice id;
    struct slice type; /* empty: the broker is too old to tell, as with the state */
    struct slice state;
    struct slice protocol_type;
    int32_t coordinator;
};
struct list_groups_request;
/* Those of all brokers, by id; a broker that does not tell is reported. */
void group_find(struct cluster *, const struct list_groups_request *, struct group_row **ret_rows,
                size_t *ret_count);

/* State and members. false: reported, also where there is no such group. */
MUST_USE bool group_read(struct cluster *, const char *id, struct group *ret_group);
/* The same; one that is not there is one without members. */
MUST_USE bool group_read_or_new(struct cluster *, const char *id, struct group *ret_group);
/* All it has committed and, with members, what those are assigned; no ends. false: reported. */
MUST_USE bool group_read_offsets(struct cluster *, struct group *);
/* Their ends, of topics that are there; what does not answer is reported. */
void group_read_ends(struct cluster *, struct group *);

/* ---- pure ---- */

void group_partitions_sort(struct group_partition *, size_t count);

/* What members have joined to what was committed: one row a partition, by topic and partition. The
 * committed stand in front of `offsets`, which has room for all. Returns how many there are. */
size_t group_join(struct group_offset *offsets, size_t committed_count,
                  const struct group_member *members, size_t member_count);

/* End less committed, which is negative where a log lost its end. false: one is not known. */
bool group_lag(const struct group_offset *, int64_t *ret_lag);

struct group_total {
    struct slice topic;
    int64_t lag; /* of those that are known and not negative */
    int32_t partitions;
    int32_t unknown; /* of these: without a lag */
};
/* Of consecutive offsets of one topic, from *at on, which is moved behind them. */
struct group_total group_topic_total(const struct group_offset *, size_t count, size_t *at);

/* A member's assignment in the consumer protocol. false: it is none. */
MUST_USE bool group_assignment_parse(struct slice bytes, struct arena *, struct group_member *);

#endif
