/* DescribeTransactions, version 0: each transactional id as its coordinator has it. On the
 * request's shard. */
#include "api/coordination.h"
#include "api/handlers.h"
#include "txn/txns.h"
#include "wire/msg/describe_transactions_request.h"
#include "wire/msg/describe_transactions_response.h"

static void fill(const struct coord_call *call,
                 struct describe_transactions_response_transaction_states *state)
{
    if (call->err == ERR_NONE) {
        *state = *(const struct describe_transactions_response_transaction_states *)call->response;
        return;
    }
    *state = describe_transactions_response_transaction_states_default;
    state->transactional_id = call->key;
    state->error_code = (int16_t)call->err;
}

static void on_done(struct coordination *all)
{
    struct describe_transactions_response response = describe_transactions_response_default;
    response.transaction_states =
        ARENA_ARRAY(&all->request->arena, struct describe_transactions_response_transaction_states,
                    (size_t)MAX_OF(all->count, 1));
    if (response.transaction_states == NULL) {
        api_request_fail(all->request, "memory for DescribeTransactions is out");
        return;
    }
    response.transaction_states_count = all->count;
    for (int i = 0; i < all->count; i++)
        fill(&all->parts[i].call, &response.transaction_states[i]);
    api_request_answer(all->request, &response);
}

/* No id is empty, whoever coordinates it. */
static void describe(struct coord_machine *machine, struct coord_call *call)
{
    if (call->key.size > 0)
        txns_describe(machine, call);
    else
        coord_refuse(machine->world, call, ERR_INVALID_REQUEST);
}

void api_handle_describe_transactions(struct api_request *request)
{
    role_now_on_shard();
    const struct describe_transactions_request *message =
        API_MESSAGE(request, describe_transactions_request);
    int count = MAX_OF(message->transactional_ids_count, (int32_t)0);
    struct coordination *all = coordination_new(request, COORD_TXNS, count);
    if (all == NULL)
        return;
    for (int i = 0; i < count; i++)
        (void)coordination_add(all, message->transactional_ids[i], describe, NULL);
    coordination_run(all, on_done);
}
