/* What the files of the group coordinator share: the table of groups, what every group has whatever
 * its protocol, and what a protocol answers for its groups.
 *
 *  G1  A group's state changes by records that it applies to itself (groups_put); what is not in a
 *      record (who waits, sessions, a rebalance under way) may be forgotten at any time.
 *  G2  A group is in the table while it has members, offsets, pending offsets, calls that wait, or
 *      records of its protocol in the log (is_stored): an empty group is told of until it is
 *      buried.
 *  G3  An entry of offsets belongs to one group and is in no other place. */
#ifndef GROUP_GROUPS_INT_H
#define GROUP_GROUPS_INT_H

#include "base/hash.h"
#include "base/uuid.h"
#include "group/groups.h"

enum group_type { GROUP_CLASSIC, GROUP_CONSUMER };

struct group_kind;
struct classic_group;  /* classic_int.h */
struct consumer_group; /* consumer_int.h */

struct groups {
    struct coord_machine machine;
    struct hash_table table;   /* group, by id */
    struct shard_timer expiry; /* offsets.retention.check.interval.ms */
    struct hash_table pending; /* offsets.c: open transactions with offsets, by producer id */
    struct hash_table topics;  /* offsets.c: names of topics that offsets are of */
    int64_t offset_order;      /* offsets.c: commits applied so far, in the order of the log */
    int64_t topics_version;    /* consumer.c: counts changes of the image's topics and racks */
    int64_t new_topic_version; /* consumer.c: version of the image that brought the newest topic */
    int pattern_count;         /* consumer.c: patterns that members subscribe to */
    bool leads;                /* begin was called */
};

struct group {
    struct hash_node node;
    struct groups *groups;
    struct slice id; /* heap memory of the group */
    enum group_type type;
    const struct group_kind *kind;
    union {
        struct classic_group *classic;
        struct consumer_group *consumer;
    };
    struct hash_table offsets; /* offsets.c: what it has committed, and what is pending */
    int pending_count;         /* offsets.c: those of them that belong to open transactions */
    bool is_stored;            /* the protocol's: records of it are in the log, no tombstone yet */
};

static inline struct groups *groups_of(struct coord_machine *machine)
{
    return CONTAINER_OF(machine, struct groups, machine);
}
static inline struct coord_world *groups_world(const struct groups *groups)
{
    return groups->machine.world;
}

/* Who commits, fetches or deletes offsets, as the request says it. */
struct group_caller {
    struct slice member_id;
    struct slice instance_id; /* null: none */
    int32_t generation;       /* or member epoch; -1: none */
    int16_t api_version;
    bool transactional;
};

struct group_partition {
    struct uuid topic_id; /* zero: the topic is not known */
    int32_t partition;
};

/* What a protocol answers for a group. Errors are those of Kafka's Group interface. */
struct group_kind {
    const char *type_name; /* "classic" */
    const char *(*state_name)(const struct group *);
    struct slice (*protocol_type)(const struct group *);
    enum err (*check_commit)(struct group *, const struct group_caller *);
    /* check_commit was fine: may the caller commit this partition? An error refuses the whole
     * request. NULL: any partition. */
    enum err (*check_commit_partition)(struct group *, const struct group_caller *,
                                       const struct group_partition *);
    enum err (*check_fetch)(struct group *, const struct group_caller *);
    enum err (*check_delete)(const struct group *);
    enum err (*check_delete_offsets)(const struct group *);
    bool (*is_subscribed)(const struct group *, struct slice topic);
    /* Whether offsets may expire now, and since when it has had no use for them: the wall clock's
     * time from which their retention counts; -1: from each offset's own commit. */
    bool (*offsets_may_expire)(const struct group *, int64_t *ret_since_ms);
    /* Nobody is in it, and nothing waits. */
    bool (*is_empty)(const struct group *);
    /* Records that end it: tombstones of all that the protocol has written. */
    void (*bury)(struct group *);
    /* A member committed: its session goes on. Classic groups only; NULL: nothing. */
    void (*on_commit)(struct group *, const struct group_caller *);
    /* Everything that waits is answered with the error; memory of the protocol is freed. */
    void (*end)(struct group *, enum err);
};

/* groups.c */
/* NULL when there is none. */
struct group *groups_find(const struct groups *, struct slice id);
/* Makes one of that type, without any record, which must not be there yet; NULL: memory is out. */
struct group *groups_make(struct groups *, struct slice id, enum group_type);
/* The protocol's part is replaced, with all that waits ended: a migration. */
MUST_USE bool groups_convert(struct group *, enum group_type);
/* Frees it when nothing keeps it (G2). */
void groups_consider(struct group *);
/* Applies the record to the machine and hands it to the world: the only way to what lasts. */
void groups_put(struct groups *, const struct coord_record *);

/* classic*.c */
extern const struct group_kind group_kind_classic;
MUST_USE bool classic_group_new(struct group *); /* false: memory is out */
/* Records of type 2, GroupMetadata. */
const char *classic_replay(struct groups *, const struct coord_record *);
/* The machine leads: sessions of all members begin, groups that were rebalancing go on. */
void classic_begin(struct group *);
/* All members are to join again, as after one of them left: a migration. */
void classic_rebalance(struct group *);

/* consumer*.c */
extern const struct group_kind group_kind_consumer;
MUST_USE bool consumer_group_new(struct group *);
/* Records of types 3 to 8 and 16. */
const char *consumer_replay(struct groups *, const struct coord_record *);
void consumer_begin(struct group *);
void consumer_on_image(struct groups *, const struct meta_image *before);
/* A classic client joins, syncs, beats or leaves a group of the consumer protocol (KIP-848,
 * migration). */
void consumer_classic_join(struct group *, struct coord_call *);
void consumer_classic_sync(struct group *, struct coord_call *);
void consumer_classic_heartbeat(struct group *, struct coord_call *);
void consumer_classic_leave(struct group *, struct coord_call *);

/* offsets.c */
void offsets_init(struct groups *);
void offsets_fini(struct groups *);
/* Records of types 0 and 1, OffsetCommit. */
const char *offsets_replay(struct groups *, const struct coord_record *);
void offsets_replay_end(struct groups *, const struct coord_txn_end *);
/* The machine leads: looks for offsets to forget from time to time. */
void offsets_begin(struct groups *);
/* Topics are gone: so are their offsets. */
void offsets_on_image(struct groups *, const struct meta_image *before);
/* Tombstones of all of a group's. */
void offsets_bury(struct group *);
/* Frees what a group has, without records. */
void offsets_forget(struct group *);

#endif
