/* InitProducerId, versions 0 to 5, for producers without transactions: a new producer id from the
 * shard's block. Ids come from the controller in blocks, and a shard asks for the next block when
 * its own is used up; requests wait for it in order. At most one call is under way, in the memory
 * of the request that waits longest.
 *
 * Transactions are not served here. A transactional producer is told that it may not use its
 * transactional id: that is the answer on which Java clients and librdkafka give up at once; those
 * that say "not available" would be asked for ever. On the request's shard. */
#include "api/forward.h"
#include "api/handlers.h"
#include "base/always.h"
#include "config/node.h"
#include "meta/image.h"
#include "wire/msg/allocate_producer_ids_request.h"
#include "wire/msg/allocate_producer_ids_response.h"
#include "wire/msg/init_producer_id_request.h"
#include "wire/msg/init_producer_id_response.h"
#include "wire/msg/register_broker_record.h"

#define ALLOCATE_PRODUCER_IDS 67
#define NO_PRODUCER_ID (-1)
#define NO_EPOCH (-1)

/* A request that waits for a block; the first of the list also holds the call. */
struct waiter {
    struct list link; /* the shard's producer_id_waiters */
    struct api_request *request;
    bool asks; /* the call is under way; no other then, and no id is left */
    struct peer_call call;
    struct allocate_producer_ids_request block_request;
};

static void ask_for_block(struct waiter *) ON(on_shard);
static void wait_for_block(struct api_request *) ON(on_shard);
static void serve_all(struct api_shard *) ON(on_shard);

static void answer_error(struct api_request *request, enum err err)
{
    struct init_producer_id_response response = init_producer_id_response_default;
    response.error_code = (int16_t)err;
    response.producer_id = NO_PRODUCER_ID;
    response.producer_epoch = NO_EPOCH;
    api_request_answer(request, &response);
}

static bool answer_from_block(struct api_request *request)
{
    struct producer_id_block *block = &request->here->producer_ids;
    if (block->next >= block->end)
        return false;
    struct init_producer_id_response response = init_producer_id_response_default;
    response.producer_id = block->next++;
    response.producer_epoch = 0;
    api_request_answer(request, &response);
    return true;
}

/* ---- waiting for a block ---- */

static struct waiter *first_of(struct list *waiters)
{
    return list_is_empty(waiters) ? NULL : CONTAINER_OF(waiters->next, struct waiter, link);
}

/* Kafka's answer while ids cannot be had: the client asks again, possibly before this returns. */
static void fail_all(struct api_shard *here)
{
    struct list waiters;
    list_init(&waiters);
    list_move_all(&here->producer_id_waiters, &waiters);
    struct waiter *waiter;
    while ((waiter = first_of(&waiters)) != NULL) {
        list_remove(&waiter->link);
        answer_error(waiter->request, ERR_COORDINATOR_LOAD_IN_PROGRESS);
    }
}

/* A waiter's memory is its request's, gone with the answer; answering may bring new waiters. */
static void serve_all(struct api_shard *here)
{
    struct waiter *waiter;
    while ((waiter = first_of(&here->producer_id_waiters)) != NULL) {
        if (here->producer_ids.next >= here->producer_ids.end) {
            if (!waiter->asks)
                ask_for_block(waiter);
            return;
        }
        list_remove(&waiter->link);
        bool answered = answer_from_block(waiter->request);
        ALWAYS(answered, "a block of producer ids ended early");
    }
}

static bool take_block(struct api_shard *here, const struct peer_call *call)
{
    const struct allocate_producer_ids_response *response = call->response;
    if (call->transport != ERR_NONE || response == NULL || response->error_code != ERR_NONE ||
        response->producer_id_start < 0 || response->producer_id_len <= 0 ||
        response->producer_id_start > INT64_MAX - response->producer_id_len)
        return false;
    here->producer_ids = (struct producer_id_block){
        .next = response->producer_id_start,
        .end = response->producer_id_start + response->producer_id_len,
    };
    return true;
}

static void on_block(struct shard *shard, struct peer_call *call)
{
    role_now_on_shard();
    struct api_shard *here = api_shard_of(shard);
    CONTAINER_OF(call, struct waiter, call)->asks = false;
    bool taken = take_block(here, call);
    arena_fini(&call->arena);
    if (taken)
        serve_all(here);
    else
        fail_all(here);
}

static int64_t own_broker_epoch(const struct api_shard *here)
{
    const struct meta_broker *own = meta_broker_find(here->image, here->config->node_id);
    return own != NULL ? own->record->broker_epoch : -1;
}

static void ask_for_block(struct waiter *waiter)
{
    struct api_shard *here = waiter->request->here;
    waiter->asks = true;
    waiter->block_request = allocate_producer_ids_request_default;
    waiter->block_request.broker_id = here->config->node_id;
    waiter->block_request.broker_epoch = own_broker_epoch(here);
    api_call_init(&waiter->call, here);
    waiter->call.api_key = ALLOCATE_PRODUCER_IDS;
    waiter->call.api_version = 0;
    waiter->call.request = &waiter->block_request;
    waiter->call.on_done = on_block;
    peer_call(here->shard, here->config->node_id, &waiter->call);
}

static void wait_for_block(struct api_request *request)
{
    struct waiter *waiter = API_NEW(request, struct waiter);
    if (waiter == NULL) {
        api_request_fail(request, "memory for InitProducerId is out");
        return;
    }
    struct list *waiters = &request->here->producer_id_waiters;
    bool is_first = list_is_empty(waiters);
    waiter->request = request;
    list_init(&waiter->link);
    list_add_tail(waiters, &waiter->link);
    if (is_first)
        ask_for_block(waiter);
}

/* ---- the request ---- */

static enum err check_transactional(const struct api_request *request,
                                    const struct init_producer_id_request *message)
{
    if (message->transactional_id.size == 0)
        return ERR_INVALID_REQUEST;
    if (message->transaction_timeout_ms <= 0 ||
        message->transaction_timeout_ms > request->here->config->transaction_max_timeout_ms)
        return ERR_INVALID_TRANSACTION_TIMEOUT;
    return ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
}

static enum err check(const struct api_request *request,
                      const struct init_producer_id_request *message)
{
    bool has_id = message->producer_id != NO_PRODUCER_ID;
    bool has_epoch = message->producer_epoch != NO_EPOCH;
    if (has_id != has_epoch)
        return ERR_INVALID_REQUEST;
    if (slice_is_null(message->transactional_id))
        return ERR_NONE;
    return check_transactional(request, message);
}

void api_handle_init_producer_id(struct api_request *request)
{
    role_now_on_shard();
    enum err err = check(request, API_MESSAGE(request, init_producer_id_request));
    if (err != ERR_NONE) {
        answer_error(request, err);
        return;
    }
    bool in_line = !list_is_empty(&request->here->producer_id_waiters);
    if (in_line || !answer_from_block(request))
        wait_for_block(request);
}
