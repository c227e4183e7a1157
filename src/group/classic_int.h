/* A group of the classic protocol: its members and where its rebalance stands.
 *
 *  C1  protocol_type, protocol, generation, leader and every member's identity, timeouts and
 *      assignment are in the group's record as it was stored last; all the rest (who waits, pending
 *      members, the rebalance under way) a restart forgets, and clients join anew.
 *  C2  A member waits with at most one JoinGroup (only while PREPARING) and one SyncGroup (only
 *      while COMPLETING); the group counts those that wait to join and those that owe a sync.
 *  C3  The phase's timer runs while PREPARING, and from then on until all have synced.
 *  C4  support counts each member's protocols by name, once an entry. */
#ifndef GROUP_CLASSIC_INT_H
#define GROUP_CLASSIC_INT_H

#include "group/groups_int.h"
#include "tbl/group_states.h"

struct join_group_request;
struct join_group_request_protocols;

/* What a member can speak, in its order of preference. One piece of heap memory. */
struct classic_protocol {
    struct slice name;
    struct slice metadata;
};
struct classic_protocols {
    int32_t count;
    size_t size; /* of all of it */
    struct classic_protocol at[];
};

struct classic_member {
    struct hash_node by_id;
    struct hash_node by_instance; /* static members (KIP-345) */
    struct list link;             /* the group's, in the order they came */
    struct group *group;
    struct shard_timer session;
    uint8_t *texts; /* holds the four below */
    struct slice id;
    struct slice instance_id; /* null: a dynamic member */
    struct slice client_id;
    struct slice client_host;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms;
    struct classic_protocols *protocols;
    struct slice assignment; /* heap; null where it has none */
    struct coord_call *join; /* waits for the others */
    struct coord_call *sync; /* waits for the leader */
    bool is_new;             /* its first JoinGroup waits: nobody beats for it yet */
    bool owes_sync;
};

/* Was told its id and is to join with it (KIP-394). */
struct classic_pending {
    struct hash_node by_id;
    struct group *group;
    struct shard_timer patience;
    struct slice id; /* behind this struct */
};

/* How many members' lists have a protocol. */
struct classic_support {
    struct hash_node by_name;
    int32_t count;
    struct slice name; /* behind this struct */
};

/* Topics that the members of a generation subscribed to: sorted, each once. */
struct classic_topics {
    int32_t count;
    struct slice at[];
};

struct classic_group {
    struct group *group;
    enum classic_state state;
    enum classic_state previous;
    int64_t state_since_ms; /* wall clock; -1: an old record does not say */
    int32_t generation;
    struct slice protocol_type; /* heap; null: none was heard of yet */
    struct slice protocol;      /* heap; null: none is chosen */
    struct classic_member *leader;
    struct list members;
    struct hash_table by_id;
    struct hash_table by_instance;
    struct hash_table pending; /* classic_pending */
    struct hash_table support; /* classic_support */
    size_t metadata_size;      /* of all members' protocols */
    int32_t joining_count;     /* members that wait with a JoinGroup */
    int32_t sync_count;        /* members that owe a sync */
    struct shard_timer phase;
    bool is_initial;   /* the phase's timer is the first members' delay */
    bool member_added; /* since that timer was started */
    int32_t initial_delay_ms;
    int32_t initial_left_ms;
    struct classic_topics *topics; /* NULL: not known */
    bool is_author;                /* the record being applied is its own: nothing to do */
};

static inline size_t classic_member_count(const struct classic_group *classic)
{
    return classic->by_id.count;
}
static inline struct coord_world *classic_world(const struct group *group)
{
    return groups_world(group->groups);
}
static inline struct classic_member *classic_member_at(const struct list *node)
{
    return CONTAINER_OF(node, struct classic_member, link);
}

/* ---- classic.c ---- */
void classic_become(struct group *, enum classic_state);
/* A copy on the heap; the null slice stays null. false: memory is out. */
MUST_USE bool classic_copy(struct slice, struct slice *ret_copy);
/* Replaces a copy. */
MUST_USE bool classic_assign(struct slice *at, struct slice value);

/* ---- classic_members.c ---- */
struct classic_identity {
    struct slice id;
    struct slice instance_id;
    struct slice client_id;
    struct slice client_host;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms;
};
/* Adds a member, which may become the leader; takes the protocols over. NULL: memory is out. */
struct classic_member *classic_member_add(struct group *, const struct classic_identity *,
                                          struct classic_protocols *);
/* Whatever it waits for was answered before. The oldest that is left follows a leader. */
void classic_member_remove(struct classic_member *);
/* NULL: there is none. */
struct classic_member *classic_member_find(const struct group *, struct slice id);
struct classic_member *classic_member_of_instance(const struct group *, struct slice instance_id);
/* Of the group, by its id and, where it says one, instance: UNKNOWN_MEMBER_ID,
 * FENCED_INSTANCE_ID. */
enum err classic_member_check(const struct group *, struct slice id, struct slice instance_id);
/* Its next process has another id. */
MUST_USE bool classic_member_rename(struct classic_member *, struct slice id);
/* Takes the protocols over. false: memory is out, and they are still the caller's. */
MUST_USE bool classic_member_speak(struct classic_member *, struct classic_protocols *);
/* null: it does not speak it. */
struct slice classic_member_metadata(const struct classic_member *, struct slice protocol);

struct classic_pending *classic_pending_find(const struct group *, struct slice id);
MUST_USE bool classic_pending_add(struct group *, struct slice id, int32_t timeout_ms);
void classic_pending_remove(struct classic_pending *);

/* NULL: memory is out. */
struct classic_protocols *classic_protocols_new(const struct join_group_request_protocols *,
                                                int32_t count);
/* Whether a member of these could take part: one protocol that all speak. */
bool classic_supports(const struct group *, const struct join_group_request *);
/* What most members prefer of what all speak. The group has members. */
struct slice classic_vote(const struct group *);

/* ---- classic_topics.c ---- */
/* Anew, of the present generation. */
void classic_topics_find(struct group *);
bool classic_topics_have(const struct group *, struct slice topic);
/* The protocol type is that of consumers. */
bool classic_is_consumers(const struct classic_group *);

/* ---- classic_rebalance.c ---- */
void classic_prepare(struct group *);
/* A rebalance begins where the state allows one, or the present one may be complete now. */
void classic_prepare_or_complete(struct group *);
/* All have joined: where it is not the first members' delay that is waited for. */
void classic_complete_if_joined(struct group *);
/* Starts the session anew. */
void classic_beat(struct classic_member *);
/* Answers the SyncGroup that it waits with: its assignment, or the error. */
void classic_answer_sync(struct classic_member *, enum err);
/* Assignments are void; whoever waits for one is told. */
void classic_drop_assignments(struct group *, enum err);
void classic_mark_synced(struct classic_member *);
void classic_on_phase(struct shard *, struct shard_timer *);
void classic_on_session(struct shard *, struct shard_timer *);
void classic_on_patience(struct shard *, struct shard_timer *);

/* ---- classic_join.c ---- */
/* The member waits with the call; one it waited with before is given up. */
void classic_wait_to_join(struct classic_member *, struct coord_call *);
/* Answers the JoinGroup that it waits with, or the call: as the state is. */
void classic_answer_join(struct classic_member *);
void classic_refuse_join(struct classic_member *, enum err, struct slice member_id);

/* ---- classic_record.c ---- */
/* The group as it is, members with their assignments. */
MUST_USE bool classic_store(struct group *);
/* That there is such a group. */
void classic_store_empty(struct group *);
void classic_store_tombstone(struct group *);
/* Bytes that its record takes in a batch of its own. */
size_t classic_record_size(const struct group *);

#endif
