/* See the header; the rules are those of Kafka's VerificationStateEntry. */
#include "log/guard.h"

#include "log/log_int.h"

#include <stdlib.h>

static struct producer_guard *of_node(struct hash_node *node)
{
    return CONTAINER_OF(node, struct producer_guard, node);
}

static bool id_matches(const struct hash_node *node, const void *key)
{
    return CONTAINER_OF(node, const struct producer_guard, node)->producer_id ==
           *(const int64_t *)key;
}

struct producer_guard *producers_find_guard(const struct producers *producers, int64_t producer_id)
{
    struct hash_node *node = hash_table_find(&producers->guards, hash_u64((uint64_t)producer_id),
                                             id_matches, &producer_id);
    return node != NULL ? of_node(node) : NULL;
}

static void guard_free(struct producers *producers, struct producer_guard *guard)
{
    hash_table_remove(&producers->guards, &guard->node);
    free(guard);
}

void producers_drop_guard(struct producers *producers, int64_t producer_id)
{
    struct producer_guard *guard = producers_find_guard(producers, producer_id);
    if (guard != NULL)
        guard_free(producers, guard);
}

void producers_expire_guards(struct producers *producers, int64_t wall_ms)
{
    struct hash_node *node = hash_table_next(&producers->guards, NULL);
    while (node != NULL) {
        struct producer_guard *guard = of_node(node);
        node = hash_table_next(&producers->guards, node);
        if (wall_ms - guard->made_ms >= producers->expiration_ms)
            guard_free(producers, guard);
    }
}

void producers_free_guards(struct producers *producers)
{
    struct hash_node *node;
    while ((node = hash_table_next(&producers->guards, NULL)) != NULL)
        guard_free(producers, of_node(node));
    hash_table_fini(&producers->guards);
}

static struct producer_guard *guard_new(struct producers *producers, const struct guard_wish *wish,
                                        int64_t wall_ms)
{
    struct producer_guard *guard = malloc(sizeof *guard);
    if (guard == NULL)
        return NULL;
    *guard = (struct producer_guard){
        .producer_id = wish->producer_id,
        .made_ms = wall_ms,
        .token = ++producers->tokens,
        .lowest_sequence = wish->sequence,
        .producer_epoch = wish->producer_epoch,
        .adds = wish->adds,
    };
    if (hash_table_insert(&producers->guards, &guard->node, hash_u64((uint64_t)wish->producer_id)))
        return guard;
    free(guard);
    return NULL;
}

/* A sequence counts from the first of its epoch. */
static void note_sequence(struct producer_guard *guard, const struct guard_wish *wish)
{
    bool lower =
        wish->producer_epoch == guard->producer_epoch && wish->sequence < guard->lowest_sequence;
    if (!lower && wish->producer_epoch <= guard->producer_epoch)
        return;
    guard->producer_epoch = wish->producer_epoch;
    guard->lowest_sequence = wish->sequence;
}

static bool is_under_way(const struct producer *producer, int16_t producer_epoch)
{
    return producer != NULL && producer->txn_first_offset >= 0 && producer->epoch == producer_epoch;
}

enum err producers_guard(struct producers *producers, const struct guard_wish *wish,
                         int64_t wall_ms, uint64_t *ret_token)
{
    *ret_token = GUARD_NO_TOKEN;
    const struct producer *producer = producers_find(producers, wish->producer_id);
    if (producer != NULL && wish->producer_epoch < producer->epoch)
        return ERR_INVALID_PRODUCER_EPOCH;
    if (is_under_way(producer, wish->producer_epoch))
        return ERR_NONE;
    struct producer_guard *guard = producers_find_guard(producers, wish->producer_id);
    if (guard == NULL)
        guard = guard_new(producers, wish, wall_ms);
    if (guard == NULL)
        return ERR_UNKNOWN_SERVER_ERROR;
    note_sequence(guard, wish);
    *ret_token = guard->token;
    return ERR_NONE;
}

enum err producers_check_guard(const struct producers *producers, const struct guard_claim *claim)
{
    const struct producer *producer = producers_find(producers, claim->producer_id);
    if (is_under_way(producer, claim->producer_epoch))
        return ERR_NONE;
    if (producer != NULL && claim->producer_epoch < producer->epoch)
        return ERR_INVALID_PRODUCER_EPOCH;
    const struct producer_guard *guard = producers_find_guard(producers, claim->producer_id);
    bool shown = guard != NULL && claim->token != GUARD_NO_TOKEN && guard->token == claim->token;
    return shown ? ERR_NONE : ERR_INVALID_TXN_STATE;
}

enum err log_guard(struct log *log, const struct guard_wish *wish, uint64_t *ret_token)
{
    return producers_guard(&log->producers, wish, shard_wall_ms(log->shard), ret_token);
}

enum err log_check_guard(const struct log *log, const struct guard_claim *claim)
{
    return producers_check_guard(&log->producers, claim);
}

void log_drop_guard(struct log *log, int64_t producer_id)
{
    producers_drop_guard(&log->producers, producer_id);
}

enum err log_check_marker(const struct log *log, const struct producer_marker *marker)
{
    return producers_check_marker(&log->producers, marker);
}
