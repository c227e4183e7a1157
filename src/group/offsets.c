/* Committed offsets: what records of them and ends of transactions do to the entries. An offset of
 * a transaction waits until its end and then counts from where its record stands in the log, so
 * that an ordinary commit behind it is not undone. On the partition's shard. */
#include "group/offsets_int.h"

#include "base/always.h"
#include "wire/messages.h"
#include "wire/msg/legacy_offset_commit_key.h"
#include "wire/msg/legacy_offset_commit_value.h"
#include "wire/msg/offset_commit_key.h"
#include "wire/msg/offset_commit_value.h"

#include <stdlib.h>

#define KEY_LEGACY 0
/* Room for metadata is taken in steps, so that a text that changes does not move its entry. */
#define METADATA_STEP 16

/* ---- topics ---- */

static bool topic_matches(const struct hash_node *node, const void *name)
{
    return slice_equal(CONTAINER_OF(node, const struct offset_topic, node)->name,
                       *(const struct slice *)name);
}

static struct offset_topic *find_topic(const struct groups *groups, struct slice name)
{
    struct hash_node *node =
        hash_table_find(&groups->topics, slice_hash(name, 0), topic_matches, &name);
    return node != NULL ? CONTAINER_OF(node, struct offset_topic, node) : NULL;
}

static struct offset_topic *take_topic(struct groups *groups, struct slice name)
{
    struct offset_topic *topic = find_topic(groups, name);
    if (topic == NULL) {
        topic = malloc(sizeof *topic + name.size);
        if (topic == NULL)
            return NULL;
        *topic = (struct offset_topic){.name = slice_of(topic + 1, name.size)};
        if (name.size > 0)
            memcpy(topic + 1, name.data, name.size);
        if (!hash_table_insert(&groups->topics, &topic->node, slice_hash(topic->name, 0))) {
            free(topic);
            return NULL;
        }
    }
    topic->uses++;
    return topic;
}

static void give_topic(struct groups *groups, struct offset_topic *topic)
{
    if (--topic->uses > 0)
        return;
    hash_table_remove(&groups->topics, &topic->node);
    free(topic);
}

/* ---- transactions ---- */

static bool txn_matches(const struct hash_node *node, const void *producer_id)
{
    return CONTAINER_OF(node, const struct offset_txn, node)->producer_id ==
           *(const int64_t *)producer_id;
}

static struct offset_txn *find_txn(const struct groups *groups, int64_t producer_id)
{
    struct hash_node *node = hash_table_find(&groups->pending, hash_u64((uint64_t)producer_id),
                                             txn_matches, &producer_id);
    return node != NULL ? CONTAINER_OF(node, struct offset_txn, node) : NULL;
}

static struct offset_txn *take_txn(struct groups *groups, int64_t producer_id)
{
    struct offset_txn *txn = find_txn(groups, producer_id);
    if (txn != NULL)
        return txn;
    txn = malloc(sizeof *txn);
    if (txn == NULL)
        return NULL;
    *txn = (struct offset_txn){.producer_id = producer_id};
    list_init(&txn->entries);
    if (hash_table_insert(&groups->pending, &txn->node, hash_u64((uint64_t)producer_id)))
        return txn;
    free(txn);
    return NULL;
}

static void consider_txn(struct groups *groups, struct offset_txn *txn)
{
    if (!list_is_empty(&txn->entries))
        return;
    hash_table_remove(&groups->pending, &txn->node);
    free(txn);
}

/* ---- entries ---- */

struct entry_key {
    const struct offset_topic *topic;
    int32_t partition;
    const struct offset_txn *txn; /* NULL: the committed one */
    bool of_any_txn;
};

static bool entry_matches(const struct hash_node *node, const void *context)
{
    const struct offset_entry *entry = CONTAINER_OF(node, const struct offset_entry, node);
    const struct entry_key *key = context;
    if (entry->topic != key->topic || entry->partition != key->partition)
        return false;
    return key->of_any_txn ? entry->txn != NULL : entry->txn == key->txn;
}

static uint64_t entry_hash(const struct offset_topic *topic, int32_t partition)
{
    return hash_u64(topic->node.hash + (uint32_t)partition);
}

static struct offset_entry *find_entry(const struct group *group, const struct entry_key *key)
{
    struct hash_node *node = hash_table_find(
        &group->offsets, entry_hash(key->topic, key->partition), entry_matches, key);
    return node != NULL ? offset_entry_of(node) : NULL;
}

static struct offset_entry *find_committed(const struct group *group,
                                           const struct offset_place *place)
{
    struct entry_key key = {.topic = find_topic(group->groups, place->topic),
                            .partition = place->partition};
    return key.topic != NULL ? find_entry(group, &key) : NULL;
}

static struct offset_entry *find_pending(const struct group *group,
                                         const struct offset_place *place)
{
    if (group->pending_count == 0)
        return NULL;
    struct entry_key key = {.topic = find_topic(group->groups, place->topic),
                            .partition = place->partition,
                            .of_any_txn = true};
    return key.topic != NULL ? find_entry(group, &key) : NULL;
}

const struct offset_entry *offsets_find(const struct group *group, const struct offset_place *place)
{
    return find_committed(group, place);
}

bool offsets_is_pending(const struct group *group, const struct offset_place *place)
{
    return find_pending(group, place) != NULL;
}

struct offset_entry *offsets_find_any(const struct group *group, const struct offset_place *place)
{
    struct offset_entry *entry = find_committed(group, place);
    return entry != NULL ? entry : find_pending(group, place);
}

static void remove_entry(struct offset_entry *entry)
{
    struct group *group = entry->group;
    hash_table_remove(&group->offsets, &entry->node);
    if (entry->txn != NULL) {
        list_remove(&entry->txn_link);
        consider_txn(group->groups, entry->txn);
        group->pending_count--;
    }
    give_topic(group->groups, entry->topic);
    free(entry);
}

/* An entry with room for the metadata in the place of that one, which may be NULL. */
static struct offset_entry *make_room(struct offset_entry *before, size_t metadata_size)
{
    if (before != NULL && before->metadata_capacity >= metadata_size)
        return before;
    size_t capacity = (metadata_size + METADATA_STEP - 1) / METADATA_STEP * METADATA_STEP;
    if (capacity > UINT16_MAX)
        capacity = UINT16_MAX;
    struct offset_entry *entry = malloc(sizeof *entry + capacity);
    if (entry == NULL)
        return NULL;
    *entry = (struct offset_entry){.metadata_capacity = (uint16_t)capacity};
    list_init(&entry->txn_link);
    return entry;
}

/* false: memory is out, and nothing changed. */
static bool join_tables(struct offset_entry *entry, struct slice topic, int64_t producer_id)
{
    struct groups *groups = entry->group->groups;
    entry->topic = take_topic(groups, topic);
    if (entry->topic == NULL)
        return false;
    bool fine = true;
    if (producer_id != OFFSET_NO_PRODUCER) {
        entry->txn = take_txn(groups, producer_id);
        fine = entry->txn != NULL;
    }
    fine = fine && hash_table_insert(&entry->group->offsets, &entry->node,
                                     entry_hash(entry->topic, entry->partition));
    if (fine && entry->txn != NULL) {
        list_add_tail(&entry->txn->entries, &entry->txn_link);
        entry->group->pending_count++;
    }
    if (!fine && entry->txn != NULL)
        consider_txn(groups, entry->txn);
    if (!fine)
        give_topic(groups, entry->topic);
    return fine;
}

/* The entry of that place and producer, made if it is not there; NULL: memory is out, and nothing
 * changed. */
static struct offset_entry *take_entry(struct group *group, const struct offset_place *place,
                                       int64_t producer_id, size_t metadata_size)
{
    const struct offset_txn *txn =
        producer_id != OFFSET_NO_PRODUCER ? find_txn(group->groups, producer_id) : NULL;
    struct entry_key key = {.topic = find_topic(group->groups, place->topic),
                            .partition = place->partition,
                            .txn = txn};
    bool may_exist = key.topic != NULL && (producer_id == OFFSET_NO_PRODUCER || txn != NULL);
    struct offset_entry *before = may_exist ? find_entry(group, &key) : NULL;
    struct offset_entry *entry = make_room(before, metadata_size);
    if (entry == NULL || entry == before)
        return entry;
    entry->group = group;
    entry->partition = place->partition;
    if (!join_tables(entry, place->topic, producer_id)) {
        free(entry);
        return NULL;
    }
    if (before != NULL)
        remove_entry(before);
    return entry;
}

/* ---- records ---- */

struct commit_record {
    struct slice group_id;
    struct offset_place place;
    struct offset_commit_value value;
    bool is_tombstone;
};

static struct commit_record read_record(const struct coord_record *record)
{
    struct commit_record commit = {.is_tombstone = record->value == NULL};
    if (record->key_message->number == KEY_LEGACY) {
        const struct legacy_offset_commit_key *key = record->key;
        const struct legacy_offset_commit_value *value = record->value;
        commit.group_id = key->group;
        commit.place = (struct offset_place){key->topic, key->partition};
        commit.value = offset_commit_value_default;
        if (value != NULL) {
            commit.value.offset = value->offset;
            commit.value.metadata = value->metadata;
            commit.value.commit_timestamp = value->commit_timestamp;
        }
        return commit;
    }
    const struct offset_commit_key *key = record->key;
    commit.group_id = key->group;
    commit.place = (struct offset_place){key->topic, key->partition};
    if (record->value != NULL)
        commit.value = *(const struct offset_commit_value *)record->value;
    return commit;
}

static void forget_place(struct group *group, const struct offset_place *place)
{
    struct offset_entry *entry;
    while ((entry = find_pending(group, place)) != NULL)
        remove_entry(entry);
    entry = find_committed(group, place);
    if (entry != NULL)
        remove_entry(entry);
}

const char *offsets_replay(struct groups *groups, const struct coord_record *record)
{
    struct commit_record commit = read_record(record);
    const struct offset_commit_value *value = &commit.value;
    struct group *group = groups_find(groups, commit.group_id);
    if (commit.is_tombstone) {
        if (group != NULL)
            forget_place(group, &commit.place);
        return NULL;
    }
    if (value->metadata.size > UINT16_MAX)
        return "the metadata of an offset is too large";
    if (group == NULL)
        group = groups_make(groups, commit.group_id, GROUP_CLASSIC);
    int64_t producer_id = record->producer_id >= 0 ? record->producer_id : OFFSET_NO_PRODUCER;
    struct offset_entry *entry =
        group != NULL ? take_entry(group, &commit.place, producer_id, value->metadata.size) : NULL;
    if (entry == NULL)
        return "memory is out";
    entry->order = groups->offset_order++;
    entry->offset = value->offset;
    entry->commit_ms = value->commit_timestamp;
    entry->expire_ms = value->expire_timestamp;
    entry->topic_id = value->topic_id;
    entry->leader_epoch = value->leader_epoch;
    entry->metadata_size = (uint16_t)value->metadata.size;
    if (value->metadata.size > 0)
        memcpy(entry->metadata, value->metadata.data, value->metadata.size);
    return NULL;
}

/* The end of its transaction: it takes the place of what was committed before its record. */
static void close_entry(struct offset_entry *entry, bool commits)
{
    struct group *group = entry->group;
    struct entry_key key = {.topic = entry->topic, .partition = entry->partition};
    struct offset_entry *before = find_entry(group, &key);
    bool counts = commits && (before == NULL || before->order < entry->order);
    entry->txn = NULL;
    group->pending_count--;
    if (!counts)
        remove_entry(entry);
    else if (before != NULL)
        remove_entry(before);
}

void offsets_replay_end(struct groups *groups, const struct coord_txn_end *end)
{
    struct offset_txn *txn = find_txn(groups, end->producer_id);
    if (txn == NULL)
        return;
    hash_table_remove(&groups->pending, &txn->node);
    struct list *node;
    while ((node = list_take_first(&txn->entries)) != NULL)
        close_entry(CONTAINER_OF(node, struct offset_entry, txn_link), end->commits);
    free(txn);
}

/* ---- groups ---- */

struct offset_entry *offsets_next(const struct group *group, const struct offset_entry *after)
{
    struct hash_node *node = hash_table_next(&group->offsets, after != NULL ? &after->node : NULL);
    while (node != NULL && after != NULL && offset_entry_of(node)->topic == after->topic &&
           offset_entry_of(node)->partition == after->partition)
        node = hash_table_next(&group->offsets, node);
    return node != NULL ? offset_entry_of(node) : NULL;
}

void offsets_put_tombstone(struct offset_entry *entry)
{
    struct groups *groups = entry->group->groups;
    struct coord_world *world = groups_world(groups);
    struct offset_topic *topic = entry->topic;
    topic->uses++; /* its name outlives the entry */
    struct offset_commit_key key = {
        .group = entry->group->id, .topic = topic->name, .partition = entry->partition};
    groups_put(groups, &(struct coord_record){
                           .key_message = &wire_offset_commit_key,
                           .key = &key,
                           .producer_id = OFFSET_NO_PRODUCER,
                       });
    give_topic(groups, topic);
    world->cut(world);
}

void offsets_bury(struct group *group)
{
    struct offset_entry *entry = offsets_next(group, NULL);
    while (entry != NULL) {
        struct offset_entry *next = offsets_next(group, entry);
        offsets_put_tombstone(entry);
        entry = next;
    }
}

void offsets_forget(struct group *group)
{
    struct hash_node *node = hash_table_next(&group->offsets, NULL);
    while (node != NULL) {
        struct offset_entry *entry = offset_entry_of(node);
        node = hash_table_next(&group->offsets, node);
        remove_entry(entry);
    }
}

void offsets_init(struct groups *groups)
{
    hash_table_init(&groups->pending);
    hash_table_init(&groups->topics);
    shard_timer_init(&groups->expiry, offsets_look_for_expired);
}

void offsets_fini(struct groups *groups)
{
    ALWAYS(groups->pending.count == 0 && groups->topics.count == 0,
           "offsets are in memory that belong to no group");
    hash_table_fini(&groups->pending);
    hash_table_fini(&groups->topics);
}
