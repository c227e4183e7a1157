/* Forwarding to the controller; see the header. The response's memory is the call's, which lives in
 * the request and so must be taken out before the request ends. On the request's shard. */
#include "api/forward.h"

#include "config/node.h"

struct forward {
    struct peer_call call;
    struct api_request *request;
    forward_failed_fn on_failed;
};

void api_call_init(struct peer_call *call, const struct api_shard *here)
{
    *call = (struct peer_call){.own_node_id = here->config->node_id};
    arena_init(&call->arena, SIZE_MAX / 2);
}

static void on_answered(struct shard *shard, struct peer_call *call)
{
    (void)shard;
    struct forward *forward = CONTAINER_OF(call, struct forward, call);
    struct api_request *request = forward->request;
    struct arena answer = call->arena;
    if (call->transport == ERR_NONE && call->response != NULL)
        api_request_answer(request, call->response);
    else
        forward->on_failed(request, call->transport);
    arena_fini(&answer);
}

void api_forward(struct api_request *request, forward_failed_fn on_failed)
{
    struct forward *forward = API_NEW(request, struct forward);
    if (forward == NULL) {
        api_request_fail(request, "memory for a call to the controller is out");
        return;
    }
    api_call_init(&forward->call, request->here);
    forward->request = request;
    forward->on_failed = on_failed;
    forward->call.api_key = request->row->key;
    forward->call.api_version = request->header.api_version;
    forward->call.request = request->message;
    forward->call.on_done = on_answered;
    peer_call(request->here->shard, request->here->config->node_id, &forward->call);
}
