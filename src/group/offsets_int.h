/* What the files of committed offsets share: the entries, and how they are found. An offset that is
 * committed and one that waits for the end of its transaction are entries of one table of their
 * group; the name of a topic is in memory once, however many groups have offsets of it.
 *
 *  O1  A group has at most one committed entry of a partition, and one for each open transaction.
 *  O2  An entry of a transaction is in that transaction's list, any other in none.
 *  O3  A transaction is in the table while its list is not empty. */
#ifndef GROUP_OFFSETS_INT_H
#define GROUP_OFFSETS_INT_H

#include "base/list.h"
#include "base/uuid.h"
#include "group/groups_int.h"

#define OFFSET_NONE (-1)
#define OFFSET_NO_PRODUCER (-1)
#define OFFSET_NO_EXPIRY (-1)

struct offset_topic {
    struct hash_node node; /* groups.topics, by name */
    struct slice name;     /* behind it */
    int64_t uses;          /* entries that have it */
    bool was_deleted;      /* while offsets_on_image runs: and had this id */
    struct uuid deleted_id;
};

struct offset_txn {
    struct hash_node node; /* groups.pending, by producer id */
    int64_t producer_id;
    struct list entries;
};

struct offset_entry {
    struct hash_node node; /* the group's, by topic and partition */
    struct list txn_link;
    struct group *group;
    struct offset_topic *topic;
    struct offset_txn *txn; /* that is open; NULL: it is committed */
    int64_t order;          /* among all commits of the log; a transaction's keep theirs */
    int64_t offset;
    int64_t commit_ms;
    int64_t expire_ms; /* OFFSET_NO_EXPIRY: the broker's retention counts */
    struct uuid topic_id;
    int32_t partition;
    int32_t leader_epoch;
    uint16_t metadata_size;
    uint16_t metadata_capacity;
    uint8_t metadata[];
};

struct offset_place {
    struct slice topic;
    int32_t partition;
};

/* The committed one; NULL: there is none. */
const struct offset_entry *offsets_find(const struct group *, const struct offset_place *);
/* Whether an open transaction holds one. */
bool offsets_is_pending(const struct group *, const struct offset_place *);
/* The committed one, or one of an open transaction. */
struct offset_entry *offsets_find_any(const struct group *, const struct offset_place *);
static inline struct slice offset_metadata(const struct offset_entry *entry)
{
    return slice_of(entry->metadata, entry->metadata_size);
}
static inline struct offset_entry *offset_entry_of(struct hash_node *node)
{
    return CONTAINER_OF(node, struct offset_entry, node);
}

/* Goes through a group's entries so that what was returned last may be buried once its successor
 * was asked for: NULL begins, NULL is the end. Of a place with several, some may be passed over. */
struct offset_entry *offsets_next(const struct group *, const struct offset_entry *after);
/* Records the end of all that the group has of the entry's place, the entry included. */
void offsets_put_tombstone(struct offset_entry *);

/* offsets_expiry.c: the timer's callback. */
struct shard;
void offsets_look_for_expired(struct shard *, struct shard_timer *);

#endif
