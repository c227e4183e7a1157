/* Transactional ids of one partition: their table, the way of records into it, and what time does
 * to them. On the partition's shard. */
#include "txn/txns_int.h"

#include "base/always.h"
#include "config/node.h"
#include "meta/image.h"
#include "wire/messages.h"
#include "wire/msg/transaction_log_key.h"
#include "wire/msg/transaction_log_value.h"

#include <stdlib.h>

/* Records of one step of a timer, about; and of one without ids and names. */
#define STEP_BYTES ((size_t)64 * 1024)
#define RECORD_BYTES 64

/* A call that waits for a producer id. */
struct txn_wish {
    struct list link;
    struct coord_ids ids;
    struct txns *txns;
    struct coord_call *call;
    coord_op_fn op;
};

static void on_again(struct shard *, struct shard_timer *);

/* ---- the table ---- */

static bool matches(const struct hash_node *node, const void *id)
{
    return slice_equal(CONTAINER_OF(node, const struct txn, node)->id, *(const struct slice *)id);
}

struct txn *txns_find(const struct txns *txns, struct slice id)
{
    struct hash_node *node = hash_table_find(&txns->table, slice_hash(id, 0), matches, &id);
    return node != NULL ? CONTAINER_OF(node, struct txn, node) : NULL;
}

static struct txn *txn_new(struct txns *txns, struct slice id)
{
    struct txn *txn = calloc(1, sizeof *txn + id.size);
    if (txn == NULL)
        return NULL;
    txn->txns = txns;
    txn->id = slice_of(txn + 1, id.size);
    txn->last_epoch = TXN_NO_EPOCH;
    if (id.size > 0)
        memcpy(txn + 1, id.data, id.size);
    list_init(&txn->ongoing_link);
    list_init(&txn->markers.link);
    shard_timer_init(&txn->again, on_again);
    if (hash_table_insert(&txns->table, &txn->node, slice_hash(txn->id, 0)))
        return txn;
    free(txn);
    return NULL;
}

static void txn_free(struct txn *txn)
{
    struct txns *txns = txn->txns;
    coord_timer_stop(txns_world(txns), &txn->again);
    list_remove(&txn->ongoing_link);
    hash_table_remove(&txns->table, &txn->node);
    free(txn->unmarked);
    free(txn->topics);
    free(txn);
}

static struct txn *first_of(const struct txns *txns)
{
    struct hash_node *node = hash_table_next(&txns->table, NULL);
    return node != NULL ? CONTAINER_OF(node, struct txn, node) : NULL;
}

static bool has_id(const struct txn_topic *topic, int32_t partition)
{
    int low = 0;
    int high = topic->count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (topic->ids[middle] < partition)
            low = middle + 1;
        else
            high = middle;
    }
    return low < topic->count && topic->ids[low] == partition;
}

bool txn_contains(const struct txn *txn, struct slice topic, int32_t partition)
{
    for (int i = 0; i < txn->topic_count; i++)
        if (slice_equal(txn->topics[i].name, topic))
            return has_id(&txn->topics[i], partition);
    return false;
}

/* ---- applying ---- */

static int by_number(const void *a, const void *b)
{
    int32_t left = *(const int32_t *)a;
    int32_t right = *(const int32_t *)b;
    return (left > right) - (left < right);
}

static size_t topics_size(const struct transaction_log_value *value)
{
    size_t size = 1;
    for (int32_t i = 0; i < value->transaction_partitions_count; i++) {
        const struct transaction_log_value_transaction_partitions *topic =
            &value->transaction_partitions[i];
        size += sizeof(struct txn_topic) + topic->topic.size +
                (size_t)MAX_OF(topic->partition_ids_count, (int32_t)0) * sizeof(int32_t);
    }
    return size;
}

/* One piece: the topics, then all ids, then all names. NULL: memory is out. */
static struct txn_topic *copy_topics(const struct transaction_log_value *value)
{
    struct txn_topic *topics = malloc(topics_size(value));
    if (topics == NULL)
        return NULL;
    int count = MAX_OF(value->transaction_partitions_count, (int32_t)0);
    int32_t *ids = (int32_t *)(topics + count);
    for (int i = 0; i < count; i++) {
        const struct transaction_log_value_transaction_partitions *from =
            &value->transaction_partitions[i];
        topics[i].ids = ids;
        topics[i].count = MAX_OF(from->partition_ids_count, (int32_t)0);
        if (topics[i].count > 0)
            memcpy(ids, from->partition_ids, (size_t)topics[i].count * sizeof *ids);
        qsort(ids, (size_t)topics[i].count, sizeof *ids, by_number);
        ids += topics[i].count;
    }
    uint8_t *names = (uint8_t *)ids;
    for (int i = 0; i < count; i++) {
        struct slice name = value->transaction_partitions[i].topic;
        topics[i].name = slice_of(names, name.size);
        if (name.size > 0)
            memcpy(names, name.data, name.size);
        names += name.size;
    }
    return topics;
}

static bool is_lasting_state(int8_t status)
{
    return status >= TXN_EMPTY && status <= TXN_COMPLETE_ABORT;
}

static const char *apply(struct txns *txns, struct slice id,
                         const struct transaction_log_value *value)
{
    struct txn *txn = txns_find(txns, id);
    if (!is_lasting_state(value->transaction_status))
        return "a transaction's state is none that is known";
    struct txn_topic *topics = copy_topics(value);
    if (topics != NULL && txn == NULL)
        txn = txn_new(txns, id);
    if (topics == NULL || txn == NULL) {
        free(topics);
        return "memory is out";
    }
    free(txn->topics);
    txn->topics = topics;
    txn->topic_count = MAX_OF(value->transaction_partitions_count, (int32_t)0);
    txn->facts = (struct txn_facts){
        .producer_id = value->producer_id,
        .previous_producer_id = value->previous_producer_id,
        .next_producer_id = value->next_producer_id,
        .updated_ms = value->transaction_last_update_timestamp_ms,
        .started_ms = value->transaction_start_timestamp_ms,
        .timeout_ms = value->transaction_timeout_ms,
        .state = (enum txn_state)value->transaction_status,
        .producer_epoch = value->producer_epoch,
        .client_version = value->client_transaction_version,
    };
    list_remove(&txn->ongoing_link);
    if (txn->facts.state == TXN_ONGOING)
        list_add_tail(&txns->ongoing, &txn->ongoing_link);
    return NULL;
}

static const char *replay(struct coord_machine *machine, const struct coord_record *record)
{
    struct txns *txns = txns_of(machine);
    if (record->key_message != &wire_transaction_log_key)
        return NULL;
    const struct transaction_log_key *key = record->key;
    if (record->value_message != NULL)
        return apply(txns, key->transactional_id, record->value);
    struct txn *txn = txns_find(txns, key->transactional_id);
    if (txn != NULL)
        txn_free(txn);
    return NULL;
}

static void replay_end(struct coord_machine *machine, const struct coord_txn_end *end)
{
    (void)machine; /* nobody's transaction writes here */
    (void)end;
}

/* ---- recording ---- */

int16_t txns_cluster_version(const struct txns *txns)
{
    return (int16_t)meta_feature(txns_world(txns)->image, "transaction.version");
}

struct txn_record txn_record_of(const struct txn *txn)
{
    return (struct txn_record){
        .id = txn->id, .facts = txn->facts, .topics = txn->topics, .topic_count = txn->topic_count};
}

static void check_edge(const struct txn *txn, enum txn_state next)
{
#define TXN_EDGE_(from, to, why) \
    known = known || (txn->facts.state == TXN_##from && next == TXN_##to);
    bool known = txn == NULL && next == TXN_EMPTY;
    if (txn != NULL) {
        TXN_EDGES(TXN_EDGE_)
    }
#undef TXN_EDGE_
    ALWAYS(known, "a transaction goes from state %d to %d",
           txn != NULL ? (int)txn->facts.state : -1, next);
}

static void fill_topics(const struct txn_record *record,
                        struct transaction_log_value_transaction_partitions *topics)
{
    for (int i = 0; i < record->topic_count; i++) {
        const struct txn_topic *from = &record->topics[i];
        topics[i] = (struct transaction_log_value_transaction_partitions){
            .topic = from->name, .partition_ids_count = from->count};
        memcpy(&topics[i].partition_ids, &from->ids, sizeof from->ids); /* it is only read */
    }
}

/* What Kafka's version 0 has no room for. */
static void strip(struct transaction_log_value *value)
{
    value->previous_producer_id = TXN_NO_PRODUCER_ID;
    value->next_producer_id = TXN_NO_PRODUCER_ID;
    value->client_transaction_version = 0;
}

void txns_put(struct txns *txns, const struct txn_record *record)
{
    struct coord_world *world = txns_world(txns);
    const struct txn_facts *facts = &record->facts;
    check_edge(txns_find(txns, record->id), facts->state);
    struct arena arena;
    arena_init(&arena, SIZE_MAX / 2);
    struct transaction_log_value value = transaction_log_value_default;
    value.producer_id = facts->producer_id;
    value.previous_producer_id = facts->previous_producer_id;
    value.next_producer_id = facts->next_producer_id;
    value.producer_epoch = facts->producer_epoch;
    value.transaction_timeout_ms = facts->timeout_ms;
    value.transaction_status = (int8_t)facts->state;
    value.transaction_last_update_timestamp_ms = facts->updated_ms;
    value.transaction_start_timestamp_ms = facts->started_ms;
    value.client_transaction_version = facts->client_version;
    value.transaction_partitions_count = -1;
    if (facts->state != TXN_EMPTY) {
        value.transaction_partitions =
            ARENA_ARRAY(&arena, struct transaction_log_value_transaction_partitions,
                        (size_t)MAX_OF(record->topic_count, 1));
        ALWAYS(value.transaction_partitions != NULL, "memory for a transaction's record is out");
        fill_topics(record, value.transaction_partitions);
        value.transaction_partitions_count = record->topic_count;
    }
    struct transaction_log_key key = {.transactional_id = arena_copy(&arena, record->id)};
    int16_t version = txns_cluster_version(txns) >= 1 ? 1 : 0;
    struct coord_record made = {
        .key_message = &wire_transaction_log_key,
        .key = &key,
        .value_message = &wire_transaction_log_value,
        .value = &value,
        .value_version = version,
        .producer_id = -1,
    };
    /* It goes out first: topics may be those that applying it replaces. */
    struct transaction_log_value whole = value;
    if (version == 0)
        strip(&value);
    world->record(world, &made);
    const char *fault = apply(txns, key.transactional_id, &whole);
    ALWAYS(fault == NULL, "a record that was just made cannot be applied: %s", fault);
    arena_fini(&arena);
}

static void bury(struct txn *txn)
{
    struct coord_world *world = txns_world(txn->txns);
    check_edge(txn, TXN_DEAD);
    struct transaction_log_key key = {.transactional_id = txn->id};
    world->record(world, &(struct coord_record){.key_message = &wire_transaction_log_key,
                                                .key = &key,
                                                .producer_id = -1});
    txn_free(txn);
}

/* ---- producer ids ---- */

static void wish_free(struct txn_wish *wish)
{
    list_remove(&wish->link);
    free(wish);
}

static void on_id(struct coord_ids *ids)
{
    struct txn_wish *wish = CONTAINER_OF(ids, struct txn_wish, ids);
    struct txns *txns = wish->txns;
    struct coord_call *call = wish->call;
    coord_op_fn op = wish->op;
    enum err err = ids->err;
    if (err == ERR_NONE)
        txns->spare_id = ids->producer_id;
    wish_free(wish);
    if (err == ERR_NONE)
        op(&txns->machine, call);
    else
        coord_refuse(txns_world(txns), call, err);
}

bool txns_take_id(struct txns *txns, struct coord_call *call, coord_op_fn op, int64_t *ret_id)
{
    struct coord_world *world = txns_world(txns);
    if (txns->spare_id >= 0) {
        *ret_id = txns->spare_id;
        txns->spare_id = -1;
        return true;
    }
    struct txn_wish *wish = malloc(sizeof *wish);
    if (wish == NULL) {
        coord_refuse(world, call, ERR_COORDINATOR_NOT_AVAILABLE);
        return false;
    }
    *wish = (struct txn_wish){.txns = txns, .call = call, .op = op, .ids.on_done = on_id};
    list_init(&wish->link);
    list_init(&wish->ids.link);
    list_add_tail(&txns->wishes, &wish->link);
    world->allocate_id(world, &wish->ids);
    return false;
}

/* ---- time ---- */

static bool timed_out(const struct txn *txn, int64_t wall_ms)
{
    return txn->facts.timeout_ms != INT32_MAX &&
           txn->facts.started_ms + txn->facts.timeout_ms < wall_ms;
}

/* Of its next record, at least. */
static size_t record_bytes(const struct txn *txn)
{
    size_t bytes = txn->id.size + RECORD_BYTES;
    for (int i = 0; i < txn->topic_count; i++)
        bytes += txn->topics[i].name.size + (size_t)txn->topics[i].count * sizeof(int32_t);
    return bytes;
}

/* A step at a time, since what one records is one batch. */
static void on_abort_timer(struct shard *shard, struct shard_timer *timer)
{
    (void)shard;
    struct txns *txns = CONTAINER_OF(timer, struct txns, abort_timer);
    struct coord_world *world = txns_world(txns);
    size_t bytes = 0;
    LIST_EACH_SAFE (&txns->ongoing, node, after) {
        struct txn *txn = CONTAINER_OF(node, struct txn, ongoing_link);
        if (bytes >= STEP_BYTES || !timed_out(txn, world->wall_ms))
            continue;
        bytes += record_bytes(txn);
        txn_fence(txn);
    }
    coord_timer_start(world, timer,
                      bytes >= STEP_BYTES ? 1
                                          : world->config->transaction_abort_timed_out_interval_ms);
}

static bool is_old(const struct txn *txn)
{
    const struct coord_world *world = txns_world(txn->txns);
    bool at_rest = txn->facts.state == TXN_EMPTY || txn->facts.state == TXN_COMPLETE_COMMIT ||
                   txn->facts.state == TXN_COMPLETE_ABORT;
    return at_rest &&
           txn->facts.updated_ms <= world->wall_ms - world->config->transactional_id_expiration_ms;
}

static void on_expiry_timer(struct shard *shard, struct shard_timer *timer)
{
    (void)shard;
    struct txns *txns = CONTAINER_OF(timer, struct txns, expiry_timer);
    struct coord_world *world = txns_world(txns);
    size_t bytes = 0;
    struct hash_node *node = hash_table_next(&txns->table, NULL);
    while (node != NULL && bytes < STEP_BYTES) {
        struct txn *txn = CONTAINER_OF(node, struct txn, node);
        node = hash_table_next(&txns->table, node);
        if (!is_old(txn))
            continue;
        bytes += record_bytes(txn);
        bury(txn);
    }
    coord_timer_start(world, timer,
                      node != NULL ? 1 : world->config->transaction_remove_expired_interval_ms);
}

static void on_again(struct shard *shard, struct shard_timer *timer)
{
    (void)shard;
    txn_write_markers(CONTAINER_OF(timer, struct txn, again));
}

/* ---- the machine ---- */

static struct coord_machine *make(struct coord_world *world)
{
    struct txns *txns = calloc(1, sizeof *txns);
    if (txns == NULL)
        return NULL;
    txns->machine = (struct coord_machine){.type = &coord_txns_type, .world = world};
    txns->spare_id = -1;
    hash_table_init(&txns->table);
    list_init(&txns->ongoing);
    list_init(&txns->wishes);
    shard_timer_init(&txns->abort_timer, on_abort_timer);
    shard_timer_init(&txns->expiry_timer, on_expiry_timer);
    return &txns->machine;
}

static void machine_free(struct coord_machine *machine)
{
    struct txns *txns = txns_of(machine);
    struct txn *txn;
    while ((txn = first_of(txns)) != NULL)
        txn_free(txn);
    hash_table_fini(&txns->table);
    free(txns);
}

/* What was decided before is carried out. */
static void begin(struct coord_machine *machine)
{
    struct txns *txns = txns_of(machine);
    struct coord_world *world = txns_world(txns);
    coord_timer_start(world, &txns->abort_timer,
                      world->config->transaction_abort_timed_out_interval_ms);
    coord_timer_start(world, &txns->expiry_timer,
                      world->config->transaction_remove_expired_interval_ms);
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&txns->table, node)) != NULL) {
        struct txn *txn = CONTAINER_OF(node, struct txn, node);
        if (txn_is_prepared(txn))
            txn_write_markers(txn);
    }
}

static void end(struct coord_machine *machine, enum err err)
{
    struct txns *txns = txns_of(machine);
    struct list *node;
    while ((node = txns->wishes.next) != &txns->wishes) {
        struct txn_wish *wish = CONTAINER_OF(node, struct txn_wish, link);
        struct coord_call *call = wish->call;
        wish_free(wish);
        coord_refuse(txns_world(txns), call, err);
    }
}

const struct coord_machine_type coord_txns_type = {
    .family = "transaction_state",
    .base_sequence = -1,
    .make = make,
    .free = machine_free,
    .replay = replay,
    .replay_end = replay_end,
    .begin = begin,
    .end = end,
};
