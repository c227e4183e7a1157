/* InitProducerId, versions 0 to 5: a new producer id from the shard's block; or, for a
 * transactional id, what its coordinator gives. On the request's shard. */
#include "api/coordination.h"
#include "api/handlers.h"
#include "api/producer_ids.h"
#include "config/node.h"
#include "txn/txns.h"
#include "wire/msg/init_producer_id_request.h"
#include "wire/msg/init_producer_id_response.h"

#define NO_PRODUCER_ID (-1)
#define NO_EPOCH (-1)
/* From this version on clients know PRODUCER_FENCED. */
#define VERSION_KNOWS_FENCED 4

/* A request that waits for an id. */
struct waiter {
    struct coord_ids ids;
    struct api_request *request;
};

static void answer_error(struct api_request *request, enum err err)
{
    if (err == ERR_PRODUCER_FENCED && request->header.api_version < VERSION_KNOWS_FENCED)
        err = ERR_INVALID_PRODUCER_EPOCH;
    struct init_producer_id_response response = init_producer_id_response_default;
    response.error_code = (int16_t)err;
    response.producer_id = NO_PRODUCER_ID;
    response.producer_epoch = NO_EPOCH;
    api_request_answer(request, &response);
}

/* ---- without transactions ---- */

/* The client asks again where there is none, possibly before this returns. */
static void on_id(struct coord_ids *ids)
{
    struct api_request *request = CONTAINER_OF(ids, struct waiter, ids)->request;
    if (ids->err != ERR_NONE) {
        answer_error(request, ids->err);
        return;
    }
    struct init_producer_id_response response = init_producer_id_response_default;
    response.producer_id = ids->producer_id;
    response.producer_epoch = 0;
    api_request_answer(request, &response);
}

static void give_id(struct api_request *request)
{
    role_now_on_shard();
    struct waiter *waiter = API_NEW(request, struct waiter);
    if (waiter == NULL) {
        api_request_fail(request, "memory for InitProducerId is out");
        return;
    }
    waiter->request = request;
    waiter->ids.on_done = on_id;
    producer_ids_take(request->here, &waiter->ids);
}

/* ---- with a transactional id ---- */

static void on_answer(struct api_request *request, struct coord_call *call)
{
    if (call->err != ERR_NONE)
        answer_error(request, call->err);
    else
        api_request_answer(request, call->response);
}

static enum err check_transactional(const struct api_request *request,
                                    const struct init_producer_id_request *message)
{
    if (message->transactional_id.size == 0)
        return ERR_INVALID_REQUEST;
    if (message->transaction_timeout_ms <= 0 ||
        message->transaction_timeout_ms > request->here->config->transaction_max_timeout_ms)
        return ERR_INVALID_TRANSACTION_TIMEOUT;
    return ERR_NONE;
}

static enum err check(const struct api_request *request,
                      const struct init_producer_id_request *message)
{
    bool has_id = message->producer_id != NO_PRODUCER_ID;
    bool has_epoch = message->producer_epoch != NO_EPOCH;
    if (has_id != has_epoch)
        return ERR_INVALID_REQUEST;
    return slice_is_null(message->transactional_id) ? ERR_NONE
                                                    : check_transactional(request, message);
}

void api_handle_init_producer_id(struct api_request *request)
{
    role_now_on_shard();
    const struct init_producer_id_request *message = API_MESSAGE(request, init_producer_id_request);
    enum err err = check(request, message);
    if (err != ERR_NONE)
        answer_error(request, err);
    else if (slice_is_null(message->transactional_id))
        give_id(request);
    else
        coordinate(request, COORD_TXNS, message->transactional_id, txns_init_producer, on_answer);
}
