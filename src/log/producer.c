/* Producer state; the rules are those of Kafka's ProducerAppendInfo and ProducerStateEntry. Must
 * not assert on what a snapshot holds. One thread at a time. */
#include "log/producer.h"

#include "base/always.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "log/guard.h"

#include <stdlib.h>

/* The snapshot: version, checksum of what follows it, count, entries. */
#define SNAPSHOT_VERSION 1
#define SNAPSHOT_HEAD_SIZE 10
#define SNAPSHOT_CRC_FROM 6
#define SNAPSHOT_ENTRY_SIZE 46

void producers_init(struct producers *producers, int64_t expiration_ms)
{
    hash_table_init(&producers->table);
    list_init(&producers->open);
    producers->expiration_ms = expiration_ms;
    hash_table_init(&producers->guards);
    producers->tokens = 0;
}

static struct producer *of_node(struct hash_node *node)
{
    return CONTAINER_OF(node, struct producer, node);
}

void producers_fini(struct producers *producers)
{
    struct hash_node *node;
    while ((node = hash_table_next(&producers->table, NULL)) != NULL) {
        hash_table_remove(&producers->table, node);
        free(of_node(node));
    }
    hash_table_fini(&producers->table);
    producers_free_guards(producers);
}

static bool id_matches(const struct hash_node *node, const void *key)
{
    return CONTAINER_OF(node, const struct producer, node)->id == *(const int64_t *)key;
}

struct producer *producers_find(const struct producers *producers, int64_t id)
{
    struct hash_node *node =
        hash_table_find(&producers->table, hash_u64((uint64_t)id), id_matches, &id);
    return node != NULL ? of_node(node) : NULL;
}

static struct producer *producer_add(struct producers *producers, int64_t id)
{
    struct producer *producer = calloc(1, sizeof *producer);
    if (producer == NULL)
        return NULL;
    producer->id = id;
    producer->epoch = PRODUCER_NO_EPOCH;
    producer->coordinator_epoch = -1;
    producer->awaited = BATCH_NO_SEQUENCE;
    producer->txn_first_offset = -1;
    list_init(&producer->open_link);
    if (!hash_table_insert(&producers->table, &producer->node, hash_u64((uint64_t)id))) {
        free(producer);
        return NULL;
    }
    return producer;
}

static void producer_drop(struct producers *producers, struct producer *producer)
{
    hash_table_remove(&producers->table, &producer->node);
    list_remove(&producer->open_link);
    free(producer);
}

static struct producer *of_open(struct list *link)
{
    return CONTAINER_OF(link, struct producer, open_link);
}

/* -1: it has none open. Transactions begin in order of offset, so the place is nearly always the
 * last. */
static void set_open(struct producers *producers, struct producer *producer, int64_t first_offset)
{
    list_remove(&producer->open_link);
    producer->txn_first_offset = first_offset;
    if (first_offset < 0)
        return;
    struct list *before = producers->open.prev;
    while (before != &producers->open && of_open(before)->txn_first_offset > first_offset)
        before = before->prev;
    list_add_head(before, &producer->open_link);
}

static const struct producer_batch *find_duplicate(const struct producer *producer,
                                                   const struct batch_header *header)
{
    if (producer->epoch != header->producer_epoch)
        return NULL;
    int32_t last_sequence = batch_last_sequence(header);
    for (int i = 0; i < producer->batch_count; i++) {
        const struct producer_batch *batch = &producer->batches[i];
        int32_t first = batch_sequence_subtract(batch->last_sequence, batch->offset_delta);
        if (batch->last_sequence == last_sequence && first == header->base_sequence)
            return batch;
    }
    return NULL;
}

static bool is_next(int32_t last_sequence, int32_t next_sequence)
{
    return next_sequence == batch_sequence_add(last_sequence, 1);
}

/* Who is being asked about comes behind the lowest sequence that was; from transaction version 2 on
 * a producer of which nothing is known begins at 0. */
static bool breaks_guard(const struct producers *producers, const struct producer *producer,
                         const struct batch_header *header)
{
    const struct producer_guard *guard = producers_find_guard(producers, header->producer_id);
    if (guard == NULL)
        return false;
    bool is_new = producer == NULL || producer->batch_count == 0;
    return header->base_sequence > guard->lowest_sequence ||
           (guard->adds && is_new && header->base_sequence != 0);
}

static bool follows(const struct producer *producer, const struct batch_header *header)
{
    if (producer == NULL || producer->epoch == PRODUCER_NO_EPOCH)
        return true;
    if (header->producer_epoch != producer->epoch)
        return header->base_sequence == 0;
    int32_t last = producer->batch_count > 0
                       ? producer->batches[producer->batch_count - 1].last_sequence
                       : BATCH_NO_SEQUENCE;
    return last == BATCH_NO_SEQUENCE
               ? header->base_sequence == MAX_OF(producer->awaited, (int32_t)0)
               : is_next(last, header->base_sequence);
}

enum err producers_check(const struct producers *producers, const struct batch_header *header,
                         const struct producer_batch **ret_duplicate)
{
    const struct producer *producer = producers_find(producers, header->producer_id);
    *ret_duplicate = producer != NULL ? find_duplicate(producer, header) : NULL;
    if (*ret_duplicate != NULL)
        return ERR_NONE;
    if (producer != NULL && header->producer_epoch < producer->epoch)
        return ERR_INVALID_PRODUCER_EPOCH;
    if (breaks_guard(producers, producer, header) || !follows(producer, header))
        return ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    bool strays =
        producer != NULL && producer->txn_first_offset >= 0 && !batch_is_transactional(header);
    return strays ? ERR_INVALID_TXN_STATE : ERR_NONE;
}

enum err producers_check_marker(const struct producers *producers,
                                const struct producer_marker *marker)
{
    const struct producer *producer = producers_find(producers, marker->producer_id);
    if (producer == NULL)
        return ERR_NONE;
    bool is_same = marker->producer_epoch == producer->epoch;
    bool is_repetition = is_same && producer->txn_first_offset < 0;
    bool must_be_above = marker->transaction_version >= TXN_VERSION_BUMPS && !is_repetition;
    if (marker->producer_epoch < producer->epoch || (is_same && must_be_above))
        return ERR_INVALID_PRODUCER_EPOCH;
    return marker->coordinator_epoch < producer->coordinator_epoch
               ? ERR_TRANSACTION_COORDINATOR_FENCED
               : ERR_NONE;
}

enum err producers_check_epoch(const struct producers *producers, const struct batch_header *header)
{
    const struct producer *producer = producers_find(producers, header->producer_id);
    bool is_old = producer != NULL && header->producer_epoch < producer->epoch;
    return is_old ? ERR_INVALID_PRODUCER_EPOCH : ERR_NONE;
}

static void add_batch(struct producer *producer, const struct batch_header *header)
{
    if (producer->batch_count == PRODUCER_BATCHES_MAX) {
        memmove(&producer->batches[0], &producer->batches[1],
                sizeof producer->batches[0] * (PRODUCER_BATCHES_MAX - 1));
        producer->batch_count--;
    }
    producer->batches[producer->batch_count++] = (struct producer_batch){
        .last_offset = batch_last_offset(header),
        .timestamp = header->max_timestamp,
        .last_sequence = batch_last_sequence(header),
        .offset_delta = header->last_offset_delta,
    };
}

bool producers_note(struct producers *producers, const struct producer_note *note,
                    struct producer_undo *ret_undo)
{
    const struct batch_header *header = note->header;
    struct producer *producer = producers_find(producers, header->producer_id);
    ret_undo->id = header->producer_id;
    ret_undo->base_sequence = header->base_sequence;
    ret_undo->existed = producer != NULL;
    if (producer == NULL)
        producer = producer_add(producers, header->producer_id);
    if (producer == NULL)
        return false;
    ret_undo->before = *producer;
    if (producer->epoch != header->producer_epoch) {
        producer->epoch = header->producer_epoch;
        producer->batch_count = 0;
    }
    producer->awaited = BATCH_NO_SEQUENCE;
    producer->last_timestamp = header->max_timestamp;
    if (batch_is_transactional(header))
        producers_drop_guard(producers, header->producer_id);
    if (note->marker != TXN_MARKER_NONE) {
        set_open(producers, producer, -1);
        producer->coordinator_epoch = note->coordinator_epoch;
        return true;
    }
    add_batch(producer, header);
    if (batch_is_transactional(header) && producer->txn_first_offset < 0)
        set_open(producers, producer, header->base_offset);
    return true;
}

void producers_undo(struct producers *producers, const struct producer_undo *undo)
{
    struct producer *producer = producers_find(producers, undo->id);
    ALWAYS(producer != NULL, "producer %lld was noted", (long long)undo->id);
    if (!undo->existed) {
        producer->batch_count = 0;
        set_open(producers, producer, -1);
        producer->awaited = undo->base_sequence;
        return;
    }
    set_open(producers, producer, undo->before.txn_first_offset);
    struct hash_node node = producer->node;
    struct list open_link = producer->open_link;
    *producer = undo->before;
    producer->node = node;
    producer->open_link = open_link;
}

void producers_await(struct producers *producers, const struct batch_header *header)
{
    struct producer *producer = producers_find(producers, header->producer_id);
    if (producer != NULL)
        return;
    producer = producer_add(producers, header->producer_id);
    if (producer == NULL)
        return; /* memory is out: nothing that follows is taken either */
    producer->epoch = header->producer_epoch;
    producer->last_timestamp = header->max_timestamp;
    producer->awaited = header->base_sequence;
}

int64_t producers_first_unstable(const struct producers *producers)
{
    const struct list *first = producers->open.next;
    return first == &producers->open
               ? -1
               : CONTAINER_OF(first, const struct producer, open_link)->txn_first_offset;
}

void producers_expire(struct producers *producers, int64_t now_ms)
{
    struct hash_node *node = hash_table_next(&producers->table, NULL);
    while (node != NULL) {
        struct producer *producer = of_node(node);
        node = hash_table_next(&producers->table, node);
        if (producer->txn_first_offset < 0 &&
            now_ms - producer->last_timestamp >= producers->expiration_ms)
            producer_drop(producers, producer);
    }
    producers_expire_guards(producers, now_ms);
}

static void write_entry(uint8_t *at, const struct producer *producer)
{
    struct producer_batch last = {.last_offset = -1, .last_sequence = BATCH_NO_SEQUENCE};
    if (producer->batch_count > 0)
        last = producer->batches[producer->batch_count - 1];
    store_i64(at, producer->id);
    store_i16(at + 8, producer->epoch);
    store_i32(at + 10, last.last_sequence);
    store_i64(at + 14, last.last_offset);
    store_i32(at + 22, last.offset_delta);
    store_i64(at + 26, producer->last_timestamp);
    store_i32(at + 34, producer->coordinator_epoch);
    store_i64(at + 38, producer->txn_first_offset);
}

uint8_t *producers_write(const struct producers *producers, size_t *ret_size)
{
    size_t size_max = SNAPSHOT_HEAD_SIZE + producers->table.count * SNAPSHOT_ENTRY_SIZE;
    uint8_t *bytes = malloc(size_max);
    if (bytes == NULL)
        return NULL;
    uint8_t *at = bytes + SNAPSHOT_HEAD_SIZE;
    int32_t count = 0;
    for (struct hash_node *node = hash_table_next(&producers->table, NULL); node != NULL;
         node = hash_table_next(&producers->table, node)) {
        if (!producer_is_kept(of_node(node)))
            continue;
        write_entry(at, of_node(node));
        at += SNAPSHOT_ENTRY_SIZE;
        count++;
    }
    size_t size = (size_t)(at - bytes);
    store_i16(bytes, SNAPSHOT_VERSION);
    store_i32(bytes + SNAPSHOT_CRC_FROM, count);
    store_u32(bytes + 2, crc32c(0, bytes + SNAPSHOT_CRC_FROM, size - SNAPSHOT_CRC_FROM));
    *ret_size = size;
    return bytes;
}

static bool read_entry(struct producers *producers, const uint8_t *at, int64_t now_ms)
{
    int64_t timestamp = load_i64(at + 26);
    int64_t txn_first_offset = load_i64(at + 38);
    int64_t id = load_i64(at);
    bool expired = now_ms - timestamp >= producers->expiration_ms && txn_first_offset < 0;
    if (expired || id < 0 || producers_find(producers, id) != NULL)
        return true;
    struct producer *producer = producer_add(producers, id);
    if (producer == NULL)
        return false;
    producer->epoch = load_i16(at + 8);
    producer->last_timestamp = timestamp;
    producer->coordinator_epoch = load_i32(at + 34);
    set_open(producers, producer, txn_first_offset);
    int64_t last_offset = load_i64(at + 14);
    if (last_offset < 0)
        return true;
    producer->batch_count = 1;
    producer->batches[0] = (struct producer_batch){
        .last_offset = last_offset,
        .timestamp = timestamp,
        .last_sequence = load_i32(at + 10),
        .offset_delta = load_i32(at + 22),
    };
    return true;
}

const char *producers_read(struct producers *producers, struct slice bytes, int64_t now_ms)
{
    if (bytes.size < SNAPSHOT_HEAD_SIZE || load_i16(bytes.data) != SNAPSHOT_VERSION)
        return "the producer snapshot has no known version";
    uint32_t crc = crc32c(0, bytes.data + SNAPSHOT_CRC_FROM, bytes.size - SNAPSHOT_CRC_FROM);
    if (load_u32(bytes.data + 2) != crc)
        return "the producer snapshot's checksum is wrong";
    uint32_t count = load_u32(bytes.data + SNAPSHOT_CRC_FROM);
    if (bytes.size != SNAPSHOT_HEAD_SIZE + (size_t)count * SNAPSHOT_ENTRY_SIZE)
        return "the producer snapshot's size is wrong";
    for (uint32_t i = 0; i < count; i++)
        if (!read_entry(producers, bytes.data + SNAPSHOT_HEAD_SIZE + i * SNAPSHOT_ENTRY_SIZE,
                        now_ms))
            return "memory is out";
    return NULL;
}
