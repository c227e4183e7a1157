/* Calls to the own node are messages; see the header. */
#include "peer/peer.h"

#include "base/always.h"

static void on_arrived(struct shard *controller, struct shard_message *message)
{
    role_now_on_shard();
    struct peer_call *call = CONTAINER_OF(message, struct peer_call, message);
    struct peer_service *service = shard_context(controller);
    ALWAYS(service != NULL && service->handle != NULL, "the controller's shard has no service");
    service->handle(service, call);
}

static void on_returned(struct shard *here, struct shard_message *message)
{
    role_now_on_shard();
    struct peer_call *call = CONTAINER_OF(message, struct peer_call, message);
    call->on_done(here, call);
}

static const struct shard_route route_call = {
    .name = "peer_call",
    .run = {on_arrived, on_returned},
};

static void on_unknown(struct shard *here, struct shard_message *message)
{
    on_returned(here, message);
}

static const struct shard_route route_unknown = {
    .name = "peer_unknown",
    .run = {on_unknown},
};

void peer_call(struct shard *here, int32_t node_id, struct peer_call *call)
{
    call->response = NULL;
    call->transport = ERR_NONE;
    struct shard *controller = shard_set_controller(shard_siblings(here));
    if (node_id == call->own_node_id && controller != NULL) {
        shard_send(here, controller, &call->message, &route_call);
        return;
    }
    call->transport = ERR_BROKER_NOT_AVAILABLE;
    shard_send(here, here, &call->message, &route_unknown);
}

void peer_answer(struct shard *controller, struct peer_call *call, enum err transport,
                 void *response)
{
    call->transport = transport;
    call->response = response;
    shard_forward(controller, &call->message);
}
