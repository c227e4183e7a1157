/* What the files of consumer groups share: a group of the consumer protocol and its members.
 *
 *  C1  A member's entry is there while the member exists or a target is recorded for it: after
 *      compaction a log may name either first.
 *  C2  owners tells for every partition of an existing topic whether a member has it, or still has
 *      to let it go, and in which epoch: nobody else is given it meanwhile.
 *  C3  Nothing refuses a request after its first record: all that can be wrong is looked at before.
 *
 * Scratch memory is an arena of the step, without a limit; where it is out the process ends, as it
 * does where memory for records is out. On the partition's shard. */
#ifndef GROUP_CONSUMER_INT_H
#define GROUP_CONSUMER_INT_H

#include "group/consumer_parts.h"
#include "group/groups_int.h"
#include "tbl/consumer_states.h"
#include "wire/msg/consumer_group_member_metadata_value.h"

#define CONSUMER_EPOCH_LEAVES (-1)
#define CONSUMER_EPOCH_LEAVES_STATIC (-2)
#define CONSUMER_NO_OWNER (-1)

struct consumer_group {
    struct group *group;
    int32_t epoch;
    int32_t assignment_epoch;
    int64_t assigned_at_ms; /* the wall clock's, of the last assignment; 0: none */
    int64_t metadata_hash;
    struct hash_table members;   /* consumer_member, by id (C1) */
    struct hash_table instances; /* consumer_member, by instance id */
    int member_count;            /* of those that exist */
    int classic_count;           /* of these, how many speak the classic protocol */
    struct hash_table topics;    /* consumer_topic: subscribed, by name or pattern */
    struct hash_table owners;    /* consumer_owners (C2) */
    struct list patterns;        /* consumer_pattern */
    int pattern_count;           /* of patterns that members have */
    int resolved_count;
    int64_t topics_version; /* of groups, when the metadata hash was computed last; -1: never */
    bool has_topics_record; /* a record of type 4, which Kafka no longer writes */
    struct consumer_resolution *resolution; /* under way; NULL: none */
};

/* What a member says of itself, as its record has it: topic names are sorted, each once. */
struct consumer_member {
    struct hash_node node;
    struct hash_node instance_node;
    struct consumer_group *group;
    struct slice id; /* heap memory of the member */
    bool exists;
    bool has_instance; /* it is the one of its instance id */
    bool has_target;
    int32_t epoch;
    int32_t previous_epoch;
    enum consumer_member_state state;
    struct consumer_group_member_metadata_value profile; /* in profile_memory */
    void *profile_memory;
    struct consumer_parts assigned;
    struct consumer_parts revoking; /* it still has to say that it let them go */
    struct consumer_parts target;   /* epochs mean nothing there */
    struct shard_timer session;
    struct shard_timer rebalance;
    int32_t rebalance_epoch; /* that it has to leave before rebalance goes off */
    struct shard_timer join; /* of classic members: they are to join again, or to sync */
    struct shard_timer sync;
};

/* A topic that is subscribed, or a name that may be one's. */
struct consumer_topic {
    struct hash_node node;
    struct slice name; /* heap memory of the topic */
    int name_count;    /* members that name it */
    int pattern_count; /* patterns that match it */
    int index;         /* scratch of an assignment; -1: it does not exist */
};

/* Who has the partitions of a topic: epochs by partition, CONSUMER_NO_OWNER where nobody has. */
struct consumer_owners {
    struct hash_node node;
    struct uuid topic;
    int32_t count; /* of partitions that are had */
    int32_t capacity;
    int32_t *epochs;
};

struct consumer_pattern {
    struct list link;
    struct slice text; /* heap memory of the pattern */
    int member_count;
    bool is_resolved;
    int topic_count;
    struct slice *topics; /* sorted; one piece of memory */
    int64_t version;      /* of the image it was resolved with */
    int64_t resolved_at_ms;
};

static inline struct consumer_group *consumer_of(const struct group *group)
{
    return group != NULL && group->type == GROUP_CONSUMER ? group->consumer : NULL;
}
static inline struct coord_world *consumer_world(const struct consumer_group *consumer)
{
    return groups_world(consumer->group->groups);
}
static inline bool consumer_is_classic(const struct consumer_member *member)
{
    return member->profile.classic_member_metadata != NULL;
}
/* Both null, or neither and the same text. */
static inline bool consumer_text_same(struct slice a, struct slice b)
{
    return slice_is_null(a) == slice_is_null(b) && slice_equal(a, b);
}

/* Scratch memory, zeroed. */
void *consumer_take(struct arena *, size_t count, size_t size);
#define CONSUMER_NEW(arena, type) ((type *)consumer_take((arena), 1, sizeof(type)))
#define CONSUMER_ARRAY(arena, type, count) \
    ((type *)consumer_take((arena), (size_t)(count), sizeof(type)))

/* ---- consumer.c: the group and its members ---- */

/* NULL: there is none, or a target of it alone. */
struct consumer_member *consumer_member_find(const struct consumer_group *, struct slice id);
/* The static member of that instance id; null, or unknown: NULL. */
struct consumer_member *consumer_member_static(const struct consumer_group *, struct slice id);
/* Also those that do not exist (C1). NULL starts; NULL at the end. */
struct consumer_member *consumer_member_next(const struct consumer_group *,
                                             const struct consumer_member *);
/* The members that exist, by id, in an array of the arena. */
struct consumer_member **consumer_members_sorted(const struct consumer_group *, struct arena *);
enum consumer_group_state consumer_state(const struct consumer_group *);
/* The target gives it nothing that it has not, and takes nothing. */
bool consumer_member_is_reconciled(const struct consumer_member *, int32_t assignment_epoch);
/* In which epoch the partition was taken by whom has it; CONSUMER_NO_OWNER: nobody has. */
int32_t consumer_owner_epoch(const struct consumer_group *, const struct consumer_part *);
/* NULL: no member names it and no pattern matches it. */
struct consumer_topic *consumer_topic_find(const struct consumer_group *, struct slice name);
/* Members are subscribed to the same topics, as the assignors of Kafka see it. */
bool consumer_is_homogeneous(const struct consumer_group *);
/* NULL: none, or the empty one. */
struct consumer_pattern *consumer_pattern_find(const struct consumer_group *, struct slice text);
/* The pattern is none: null or empty. */
static inline bool consumer_no_pattern(struct slice text)
{
    return text.size == 0;
}
/* A pattern that nobody has and that is not resolved is forgotten. */
void consumer_pattern_consider(struct consumer_group *, struct consumer_pattern *);

/* ---- consumer_profile.c: what a member says of itself ---- */

/* Of a member that has said nothing yet. */
struct consumer_group_member_metadata_value consumer_profile_blank(void);
bool consumer_profile_same(const struct consumer_group_member_metadata_value *,
                           const struct consumer_group_member_metadata_value *);
/* Everything in one piece of memory, of the arena, or of the heap where that is NULL (then the
 * caller frees it); names sorted. NULL: the heap is out. */
void *consumer_profile_copy(const struct consumer_group_member_metadata_value *, struct arena *,
                            struct consumer_group_member_metadata_value *ret_copy);
/* Sorts names and drops what is there twice; returns how many are left. */
int consumer_names_sort(struct slice *names, int count);
bool consumer_names_same(const struct slice *a, int a_count, const struct slice *b, int b_count);
/* In one piece of memory that the caller frees; NULL: it is out. */
struct slice *consumer_names_copy(const struct slice *names, int count);

/* ---- consumer_replay.c: how the state changes ---- */

void consumer_member_free(struct consumer_member *);
void consumer_pattern_free(struct consumer_group *, struct consumer_pattern *);

/* ---- consumer_tables.c: what a record changes beside the members ---- */

void consumer_topic_free(struct consumer_group *, struct consumer_topic *);
/* More, or fewer, subscribe to the topic. One of which nothing is left to count is forgotten. */
struct consumer_count {
    int names;
    int patterns;
};
void consumer_topic_count(struct consumer_group *, struct slice name, struct consumer_count by);
/* One that is new has no members. */
struct consumer_pattern *consumer_pattern_take(struct consumer_group *, struct slice text);
/* A member has the partitions, in its epoch. */
void consumer_own(struct consumer_group *, const struct consumer_parts *, int32_t epoch);
/* It has not any more; what another has taken since is left alone. */
void consumer_disown(struct consumer_group *, const struct consumer_parts *, int32_t epoch);

/* ---- consumer_record.c: making records ---- */

/* All go to a group by its id, which may not be there yet. */
struct consumer_writer {
    struct groups *groups;
    struct slice group_id; /* lives as long as the writer */
    struct arena *arena;   /* scratch */
};
void consumer_put_profile(const struct consumer_writer *, struct slice member_id,
                          const struct consumer_group_member_metadata_value *);
void consumer_put_epoch(const struct consumer_writer *, int32_t epoch, int64_t metadata_hash);
void consumer_put_target(const struct consumer_writer *, struct slice member_id,
                         const struct consumer_parts *);
void consumer_put_assignment_epoch(const struct consumer_writer *, int32_t epoch, int64_t at_ms);
/* What a member has. */
struct consumer_current {
    int32_t epoch;
    int32_t previous_epoch;
    enum consumer_member_state state;
    struct consumer_parts assigned;
    struct consumer_parts revoking;
};
void consumer_put_current(const struct consumer_writer *, struct slice member_id,
                          const struct consumer_current *);
struct consumer_resolved {
    struct slice *topics; /* sorted */
    int topic_count;
    int64_t version;
    int64_t at_ms;
};
void consumer_put_pattern(const struct consumer_writer *, struct slice pattern,
                          const struct consumer_resolved *);
/* Tombstones. */
void consumer_bury_pattern(const struct consumer_writer *, struct slice pattern);
void consumer_bury_topics(const struct consumer_writer *);
/* Of all that is recorded for a member. */
void consumer_bury_member(const struct consumer_writer *, struct slice member_id);
/* Of all that is recorded for a group. */
void consumer_bury(struct group *);

/* ---- consumer_update.c ---- */

/* A member that records have just made, or left. */
struct consumer_member *consumer_member_recorded(const struct consumer_writer *, struct slice id);
/* A static member is another process now, which takes over what the one before had. */
void consumer_member_replace(struct consumer_member *old, struct slice id,
                             const struct consumer_writer *);
/* What of a request may make the group's epoch another. */
struct consumer_change {
    bool names;
    bool pattern;          /* it has another pattern */
    bool pattern_resolved; /* whose topics are known, or none any more */
    bool assignor;         /* the group's is another now */
};
/* Records what the member says of itself, where that is new; the member and the group may be new
 * too. */
struct consumer_change consumer_member_update(struct slice id,
                                              const struct consumer_group_member_metadata_value *,
                                              const struct consumer_writer *);

/* ---- consumer_hash.c ---- */

/* What the metadata of a topic comes to, as Kafka computes it. */
struct meta_topic;
int64_t consumer_topic_hash(const struct meta_image *, const struct meta_topic *);
/* Of all topics that the group is subscribed to. */
int64_t consumer_metadata_hash(const struct consumer_group *, struct arena *);

/* ---- consumer_target.c: what each member should have ---- */

/* Makes another epoch of the group where bump asks for it, or where its topics are others than
 * those that the last one was made for. */
void consumer_update_epoch(struct consumer_group *, bool bump, const struct consumer_writer *);

/* Recomputes the target where the group's epoch is newer and the last time is long enough ago. */
void consumer_update_target(struct consumer_group *, const struct consumer_writer *);
/* The server assignor that most members ask for; the configured first one where none does. */
struct slice consumer_assignor(const struct consumer_group *);
/* The default is the first; *index counts names. null: there is none at that place. */
struct slice consumer_assignor_at(const struct node_config *, int index);

/* ---- consumer_reconcile.c: what a member has on its way there ---- */

/* Moves the member on, with a record where something changes. true: what it may use has changed. */
struct consumer_owned {
    const struct consumer_parts *parts; /* NULL: not told */
    bool subscription_changed;
};
bool consumer_reconcile(struct consumer_member *, const struct consumer_owned *,
                        const struct consumer_writer *);

/* ---- consumer_heartbeat.c ---- */

/* As Kafka gives them: an id in text. */
struct slice consumer_new_member_id(struct coord_world *, struct arena *);

/* ---- consumer_leave.c ---- */

/* They are gone: tombstones, and another epoch of the group. The group may be of the classic
 * protocol then. members is an array of the arena. */
struct consumer_leavers {
    struct consumer_member **at;
    int count;
};
void consumer_fence(struct consumer_group *, const struct consumer_leavers *,
                    const struct consumer_writer *);
void consumer_fence_one(struct consumer_member *);
void consumer_session_start(struct consumer_member *, int64_t timeout_ms);
void consumer_rebalance_start(struct consumer_member *);
void consumer_timers_stop(struct consumer_member *);
/* What the timers of a member do. */
void consumer_timers_init(struct consumer_member *);

/* ---- consumer_settings.c: a group's own within the broker's bounds, or the broker's ---- */

int32_t consumer_session_timeout_ms(const struct groups *, struct slice group_id);
int32_t consumer_heartbeat_interval_ms(const struct groups *, struct slice group_id);
int32_t consumer_assignment_interval_ms(const struct groups *, struct slice group_id);

#endif
