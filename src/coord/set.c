/* Following the image: which partitions of the internal topics this shard coordinates; and the
 * hash by which keys belong to partitions. On the shard. */
#include "coord/set.h"

#include "base/always.h"
#include "config/node.h"
#include "coord/coord_int.h"
#include "meta/image.h"
#include "replica/set.h"

const char *coord_topic_name(enum coord_kind kind)
{
    static const char *const names[COORD_KIND_COUNT] = {
        [COORD_GROUPS] = "__consumer_offsets",
        [COORD_TXNS] = "__transaction_state",
    };
    return names[kind];
}

/* ---- the hash ---- */

/* One character of UTF-8, advancing *at; what is none counts as U+FFFD, as Java decodes it. */
static uint32_t next_character(struct slice text, size_t *at)
{
    uint8_t first = text.data[(*at)++];
    int more = first < 0x80 ? 0 : first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : -1;
    if (more < 0)
        return 0xFFFD;
    uint32_t character = more == 0 ? first : first & (0x3Fu >> more);
    for (int i = 0; i < more; i++) {
        if (*at >= text.size || (text.data[*at] & 0xC0) != 0x80)
            return 0xFFFD;
        character = character << 6 | (text.data[(*at)++] & 0x3Fu);
    }
    return character;
}

/* Counts UTF-16 units. */
uint32_t coord_java_hash(struct slice text)
{
    uint32_t hash = 0;
    for (size_t at = 0; at < text.size;) {
        uint32_t character = next_character(text, &at);
        if (character >= 0x10000) {
            hash = 31 * hash + (0xD800 + ((character - 0x10000) >> 10));
            character = 0xDC00 + ((character - 0x10000) & 0x3FF);
        }
        hash = 31 * hash + character;
    }
    return hash;
}

/* Java's Math.abs, but for the one number that has no opposite, which Kafka takes for 0. */
int32_t coord_partition_of(struct slice key, int32_t partition_count)
{
    int32_t hash = (int32_t)coord_java_hash(key);
    int32_t positive = hash == INT32_MIN ? 0 : hash < 0 ? -hash : hash;
    return positive % partition_count;
}

/* ---- the table ---- */

struct coord_key {
    enum coord_kind kind;
    int32_t partition;
};

static uint64_t key_hash(const struct coord_key *key)
{
    return hash_u64((uint64_t)key->kind << 32 | (uint32_t)key->partition);
}

static bool key_matches(const struct hash_node *node, const void *wanted)
{
    const struct coord_partition *partition =
        CONTAINER_OF(node, const struct coord_partition, node);
    const struct coord_key *key = wanted;
    return partition->kind == key->kind && partition->partition == key->partition;
}

static struct coord_partition *find(const struct coord_set *set, enum coord_kind kind,
                                    int32_t partition)
{
    struct coord_key key = {.kind = kind, .partition = partition};
    struct hash_node *node = hash_table_find(&set->table, key_hash(&key), key_matches, &key);
    return node != NULL ? CONTAINER_OF(node, struct coord_partition, node) : NULL;
}

void coord_set_init(struct coord_set *set)
{
    hash_table_init(&set->table);
    list_init(&set->ended);
}

void coord_set_fini(struct coord_set *set)
{
    ALWAYS(set->table.count == 0 && list_is_empty(&set->ended),
           "a coordinator's partition is still there");
    hash_table_fini(&set->table);
}

/* ---- the image ---- */

static void end(struct coord_partition *partition)
{
    role_now_on_shard();
    struct coord_set *set = partition->set;
    hash_table_remove(&set->table, &partition->node);
    list_add_tail(&set->ended, &partition->ended_link);
    coord_partition_end(partition, ERR_NOT_COORDINATOR);
}

static bool leads(const struct coord_set *set, const struct meta_image *image, enum coord_kind kind,
                  int32_t number, const struct meta_topic **ret_topic)
{
    *ret_topic = meta_topic_named(image, slice_of_text(coord_topic_name(kind)));
    if (*ret_topic == NULL)
        return false;
    const struct meta_partition *partition = meta_topic_partition(*ret_topic, number);
    return partition != NULL && partition->leader == set->config->node_id;
}

static void follow_existing(struct coord_set *set, const struct meta_image *image)
{
    role_now_on_shard();
    struct hash_node *node = hash_table_next(&set->table, NULL);
    while (node != NULL) {
        struct coord_partition *partition = CONTAINER_OF(node, struct coord_partition, node);
        node = hash_table_next(&set->table, node);
        const struct meta_topic *topic;
        if (!leads(set, image, partition->kind, partition->partition, &topic) ||
            !uuid_equal(topic->id, partition->topic_id))
            end(partition);
    }
}

static void add(struct coord_set *set, enum coord_kind kind, int32_t number, struct uuid topic_id)
{
    role_now_on_shard();
    struct coord_partition *partition = coord_partition_new(set, kind, number, topic_id);
    struct coord_key key = {.kind = kind, .partition = number};
    ALWAYS(partition != NULL && hash_table_insert(&set->table, &partition->node, key_hash(&key)),
           "memory for a coordinator's partition is out");
    coord_partition_begin(partition);
}

static void follow_one(struct coord_set *set, enum coord_kind kind, const struct meta_topic *topic,
                       const struct meta_partition *now)
{
    role_now_on_shard();
    struct coord_partition *partition = find(set, kind, now->id);
    if (partition == NULL) {
        add(set, kind, now->id, topic->id);
        return;
    }
    bool is_new_epoch = partition->world.leader_epoch != now->leader_epoch;
    partition->world.leader_epoch = now->leader_epoch;
    if (partition->state == COORD_FAILED && is_new_epoch)
        coord_partition_begin(partition);
}

static void follow_topic(struct coord_set *set, const struct meta_image *image,
                         enum coord_kind kind)
{
    role_now_on_shard();
    struct slice name = slice_of_text(coord_topic_name(kind));
    const struct meta_topic *topic = meta_topic_named(image, name);
    if (topic == NULL)
        return;
    int shard_count = shard_set_count(shard_siblings(set->shard));
    struct pmap_iterator iterator;
    struct pmap_entry entry;
    pmap_iterate(topic->partitions, (struct slice){0}, &iterator);
    while (pmap_next(&iterator, &entry)) {
        const struct meta_partition *partition = entry.value;
        if (partition->leader == set->config->node_id &&
            replica_shard_of(name, partition->id, shard_count) == shard_index(set->shard))
            follow_one(set, kind, topic, partition);
    }
}

static bool is_same_topic(const struct meta_image *before, const struct meta_image *now,
                          enum coord_kind kind)
{
    struct slice name = slice_of_text(coord_topic_name(kind));
    return before != NULL && meta_topic_named(before, name) == meta_topic_named(now, name);
}

static void tell_machines(struct coord_set *set, const struct meta_image *before)
{
    role_now_on_shard();
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&set->table, node)) != NULL)
        coord_partition_image(CONTAINER_OF(node, struct coord_partition, node), before);
}

void coord_set_follow(struct coord_set *set, const struct meta_image *before,
                      const struct meta_image *now)
{
    set->image = now;
    if (set->stopping)
        return;
    bool same = true;
    for (enum coord_kind kind = 0; kind < COORD_KIND_COUNT; kind++)
        same = same && is_same_topic(before, now, kind);
    if (!same)
        follow_existing(set, now);
    if (before != NULL)
        tell_machines(set, before);
    for (enum coord_kind kind = 0; kind < COORD_KIND_COUNT; kind++)
        if (!is_same_topic(before, now, kind))
            follow_topic(set, now, kind);
}

void coord_set_stop(struct coord_set *set)
{
    set->stopping = true;
    struct hash_node *node;
    while ((node = hash_table_next(&set->table, NULL)) != NULL)
        end(CONTAINER_OF(node, struct coord_partition, node));
}

/* ---- calls ---- */

void coord_set_call(struct coord_set *set, const struct coord_place *place, coord_op_fn op,
                    struct coord_call *call)
{
    struct coord_partition *partition = find(set, place->kind, place->partition);
    if (partition != NULL) {
        coord_partition_call(partition, op, call);
        return;
    }
    call->err = ERR_NOT_COORDINATOR;
    call->response = NULL;
    call->on_done(call);
}

static struct coord_partition *next_of_kind(const struct coord_set *set, enum coord_kind kind,
                                            int32_t after)
{
    struct coord_partition *next = NULL;
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&set->table, node)) != NULL) {
        struct coord_partition *partition = CONTAINER_OF(node, struct coord_partition, node);
        if (partition->kind == kind && partition->partition > after &&
            (next == NULL || partition->partition < next->partition))
            next = partition;
    }
    return next;
}

void coord_set_each(struct coord_set *set, enum coord_kind kind, struct coord_visit *visit)
{
    int32_t after = -1;
    struct coord_partition *partition;
    while ((partition = next_of_kind(set, kind, after)) != NULL) {
        after = partition->partition;
        if (partition->state == COORD_LOADING)
            visit->is_loading = true;
        if (partition->state != COORD_ACTIVE)
            continue;
        coord_enter(partition);
        visit->on_machine(visit, partition->machine);
        coord_leave(partition);
    }
}

bool coord_set_end_txn(struct coord_set *set, const struct coord_place *place,
                       struct coord_end *end_of_txn)
{
    struct coord_partition *partition = find(set, place->kind, place->partition);
    if (partition == NULL)
        return false;
    coord_partition_end_txn(partition, end_of_txn);
    return true;
}
