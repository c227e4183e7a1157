/* EndTxn, versions 0 to 5: commits or aborts, as the transaction's coordinator decides. The answer
 * follows when that is sure; from version 5 on it has the producer's next epoch. On the request's
 * shard. */
#include "api/coordination.h"
#include "api/handlers.h"
#include "txn/txns.h"
#include "wire/msg/end_txn_request.h"
#include "wire/msg/end_txn_response.h"

/* From this version on clients know PRODUCER_FENCED. */
#define VERSION_KNOWS_FENCED 2

static void answer_error(struct api_request *request, enum err err)
{
    if (err == ERR_PRODUCER_FENCED && request->header.api_version < VERSION_KNOWS_FENCED)
        err = ERR_INVALID_PRODUCER_EPOCH;
    struct end_txn_response response = end_txn_response_default;
    response.error_code = (int16_t)err;
    api_request_answer(request, &response);
}

static void on_answer(struct api_request *request, struct coord_call *call)
{
    if (call->err != ERR_NONE)
        answer_error(request, call->err);
    else
        api_request_answer(request, call->response);
}

void api_handle_end_txn(struct api_request *request)
{
    role_now_on_shard();
    struct slice id = API_MESSAGE(request, end_txn_request)->transactional_id;
    if (id.size == 0)
        answer_error(request, ERR_INVALID_REQUEST);
    else
        coordinate(request, COORD_TXNS, id, txns_end, on_answer);
}
