/* AddOffsetsToTxn, versions 0 to 4: the partition that a group's offsets belong to becomes part of
 * the transaction. On the request's shard. */
#include "api/coordination.h"
#include "api/handlers.h"
#include "txn/txns.h"
#include "wire/msg/add_offsets_to_txn_request.h"
#include "wire/msg/add_offsets_to_txn_response.h"

/* From this version on clients know PRODUCER_FENCED. */
#define VERSION_KNOWS_FENCED 2

static void answer(struct api_request *request, enum err err)
{
    if (err == ERR_PRODUCER_FENCED && request->header.api_version < VERSION_KNOWS_FENCED)
        err = ERR_INVALID_PRODUCER_EPOCH;
    struct add_offsets_to_txn_response response = add_offsets_to_txn_response_default;
    response.error_code = (int16_t)err;
    api_request_answer(request, &response);
}

static void on_answer(struct api_request *request, struct coord_call *call)
{
    const struct add_offsets_to_txn_response *response = call->response;
    answer(request, call->err != ERR_NONE ? call->err : (enum err)response->error_code);
}

void api_handle_add_offsets_to_txn(struct api_request *request)
{
    role_now_on_shard();
    struct slice id = API_MESSAGE(request, add_offsets_to_txn_request)->transactional_id;
    if (id.size == 0)
        answer(request, ERR_INVALID_REQUEST);
    else
        coordinate(request, COORD_TXNS, id, txns_add_offsets, on_answer);
}
