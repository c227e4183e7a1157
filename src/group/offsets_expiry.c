/* Offsets that come to their end without a request: those that nobody has used for the time of
 * offsets.retention.minutes, with them groups that nobody is in, and those of topics that are gone.
 * On the partition's shard. */
#include "group/offsets_int.h"

#include "config/node.h"
#include "meta/image.h"

/* Tombstones written in one look; the next follows at once, so that others get their turn. */
#define TOMBSTONES_MAX 10000
#define MS_PER_MINUTE 60000

/* ---- time ---- */

struct expiry {
    int64_t now_ms;
    int64_t retention_ms;
    int64_t since_ms; /* the group's; -1: each offset's own commit */
    int tombstones;
};

static bool is_expired(const struct expiry *expiry, const struct offset_entry *entry)
{
    if (entry->expire_ms != OFFSET_NO_EXPIRY)
        return expiry->now_ms >= entry->expire_ms;
    int64_t since_ms = expiry->since_ms >= 0 ? expiry->since_ms : entry->commit_ms;
    return expiry->now_ms - since_ms >= expiry->retention_ms;
}

/* One that a transaction may replace stays until that is decided. */
static bool is_to_go(const struct expiry *expiry, const struct offset_entry *entry)
{
    const struct group *group = entry->group;
    struct offset_place place = {entry->topic->name, entry->partition};
    return entry->txn == NULL && !group->kind->is_subscribed(group, entry->topic->name) &&
           is_expired(expiry, entry) && !offsets_is_pending(group, &place);
}

static void expire_offsets(struct expiry *expiry, struct group *group)
{
    expiry->since_ms = -1;
    if (group->offsets.count == 0 || !group->kind->offsets_may_expire(group, &expiry->since_ms))
        return;
    struct offset_entry *entry = offsets_next(group, NULL);
    while (entry != NULL && expiry->tombstones < TOMBSTONES_MAX) {
        struct offset_entry *next = offsets_next(group, entry);
        if (is_to_go(expiry, entry)) {
            offsets_put_tombstone(entry);
            expiry->tombstones++;
        }
        entry = next;
    }
}

/* A group without members and offsets is ended. */
static void expire_group(struct expiry *expiry, struct group *group)
{
    expire_offsets(expiry, group);
    if (group->offsets.count > 0 || !group->kind->is_empty(group))
        return;
    group->kind->bury(group);
    expiry->tombstones++;
    groups_consider(group);
}

void offsets_look_for_expired(struct shard *shard, struct shard_timer *timer)
{
    (void)shard;
    struct groups *groups = CONTAINER_OF(timer, struct groups, expiry);
    struct coord_world *world = groups_world(groups);
    const struct node_config *config = world->config;
    struct expiry expiry = {
        .now_ms = world->deletion_ms(world),
        .retention_ms = (int64_t)config->offsets_retention_minutes * MS_PER_MINUTE,
    };
    struct hash_node *node = hash_table_next(&groups->table, NULL);
    while (node != NULL && expiry.tombstones < TOMBSTONES_MAX) {
        struct group *group = CONTAINER_OF(node, struct group, node);
        node = hash_table_next(&groups->table, node);
        expire_group(&expiry, group);
    }
    bool is_done = expiry.tombstones < TOMBSTONES_MAX;
    coord_timer_start(world, timer, is_done ? config->offsets_retention_check_interval_ms : 1);
}

void offsets_begin(struct groups *groups)
{
    struct coord_world *world = groups_world(groups);
    coord_timer_start(world, &groups->expiry, world->config->offsets_retention_check_interval_ms);
}

/* ---- topics ---- */

static bool mark_deleted(struct groups *groups, const struct meta_image *before)
{
    const struct meta_image *now = groups_world(groups)->image;
    bool found = false;
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&groups->topics, node)) != NULL) {
        struct offset_topic *topic = CONTAINER_OF(node, struct offset_topic, node);
        const struct meta_topic *old = meta_topic_named(before, topic->name);
        topic->was_deleted = old != NULL && meta_topic_by_id(now, old->id) == NULL;
        if (topic->was_deleted)
            topic->deleted_id = old->id;
        found = found || topic->was_deleted;
    }
    return found;
}

/* Offsets of a topic of that name that was made anew are none of the one that is gone. */
static bool is_of_deleted(const struct offset_entry *entry)
{
    const struct offset_topic *topic = entry->topic;
    return topic->was_deleted &&
           (uuid_is_zero(entry->topic_id) || uuid_equal(entry->topic_id, topic->deleted_id));
}

static void bury_deleted(struct group *group)
{
    struct hash_node *node = hash_table_next(&group->offsets, NULL);
    while (node != NULL) {
        struct offset_entry *entry = offset_entry_of(node);
        struct offset_entry *next = offsets_next(group, entry);
        node = hash_table_next(&group->offsets, node);
        if (is_of_deleted(entry)) {
            offsets_put_tombstone(entry);
            node = next != NULL ? &next->node : NULL;
        }
    }
}

void offsets_on_image(struct groups *groups, const struct meta_image *before)
{
    const struct meta_image *now = groups_world(groups)->image;
    bool same = now->topics_by_id.root == before->topics_by_id.root;
    if (groups->topics.count == 0 || same || !mark_deleted(groups, before))
        return;
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&groups->table, node)) != NULL)
        bury_deleted(CONTAINER_OF(node, struct group, node));
}
