/* What is told of transactional ids. On the partition's shard. */
#include "txn/txns_int.h"

#include "wire/msg/describe_transactions_response.h"

static const char *state_name(enum txn_state state)
{
#define TXN_STATES_NAME_(NAME, number, text) [number] = (text),
    static const char *const names[TXN_STATE_COUNT] = {TXN_STATES(TXN_STATES_NAME_)};
#undef TXN_STATES_NAME_
    return names[state];
}

static bool copy_topics(const struct txn *txn, struct arena *arena,
                        struct describe_transactions_response_transaction_states *response)
{
    response->topics =
        ARENA_ARRAY(arena, struct describe_transactions_response_transaction_states_topics,
                    (size_t)txn->topic_count);
    for (int i = 0; i < txn->topic_count && !arena->failed; i++) {
        const struct txn_topic *from = &txn->topics[i];
        struct describe_transactions_response_transaction_states_topics *to = &response->topics[i];
        to->topic = arena_copy(arena, from->name);
        to->partitions = ARENA_ARRAY(arena, int32_t, (size_t)from->count);
        to->partitions_count = from->count;
        for (int j = 0; j < from->count && !arena->failed; j++)
            to->partitions[j] = from->ids[j];
    }
    response->topics_count = txn->topic_count;
    return !arena->failed;
}

void txns_describe(struct coord_machine *machine, struct coord_call *call)
{
    const struct txn *txn = txns_find(txns_of(machine), call->key);
    if (txn == NULL) {
        coord_refuse(machine->world, call, ERR_TRANSACTIONAL_ID_NOT_FOUND);
        return;
    }
    struct describe_transactions_response_transaction_states *response =
        ARENA_NEW(call->arena, struct describe_transactions_response_transaction_states);
    if (response != NULL) {
        *response = describe_transactions_response_transaction_states_default;
        response->transactional_id = call->key;
        response->transaction_state = slice_of_text(state_name(txn->facts.state));
        response->transaction_timeout_ms = txn->facts.timeout_ms;
        response->transaction_start_time_ms = txn->facts.started_ms;
        response->producer_id = txn->facts.producer_id;
        response->producer_epoch = txn->facts.producer_epoch;
        if (!copy_topics(txn, call->arena, response))
            response = NULL;
    }
    coord_answer(machine->world, call, response);
}

void txns_list(struct coord_machine *machine, txn_listing_fn on_txn, void *context)
{
    const struct txns *txns = txns_of(machine);
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&txns->table, node)) != NULL) {
        const struct txn *txn = CONTAINER_OF(node, const struct txn, node);
        on_txn(context, &(struct txn_listing){.id = txn->id,
                                              .producer_id = txn->facts.producer_id,
                                              .state = state_name(txn->facts.state),
                                              .started_ms = txn->facts.started_ms});
    }
}
