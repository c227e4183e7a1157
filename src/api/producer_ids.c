/* See the header. At most one call is under way, in memory of the shard's. */
#include "api/producer_ids.h"

#include "api/forward.h"
#include "base/always.h"
#include "config/node.h"
#include "meta/image.h"
#include "wire/msg/allocate_producer_ids_response.h"
#include "wire/msg/register_broker_record.h"

#define ALLOCATE_PRODUCER_IDS 67

static void ask_for_block(struct api_shard *) ON(on_shard);

static bool has_id(const struct producer_id_source *source)
{
    return source->next < source->end;
}

static void give(struct producer_id_source *source, struct coord_ids *wish)
{
    ALWAYS(has_id(source), "a block of producer ids ended early");
    wish->err = ERR_NONE;
    wish->producer_id = source->next++;
    wish->on_done(wish);
}

/* Who is told may come again before this returns. */
static void fail_all(struct producer_id_source *source)
{
    struct list now;
    list_init(&now);
    list_move_all(&source->waiters, &now);
    struct list *node;
    while ((node = list_take_first(&now)) != NULL) {
        struct coord_ids *wish = CONTAINER_OF(node, struct coord_ids, link);
        wish->err = ERR_COORDINATOR_LOAD_IN_PROGRESS;
        wish->producer_id = -1;
        wish->on_done(wish);
    }
}

static void serve_all(struct api_shard *here)
{
    role_now_on_shard();
    struct producer_id_source *source = &here->producer_ids;
    struct list *first;
    while ((first = source->waiters.next) != &source->waiters) {
        if (!has_id(source)) {
            ask_for_block(here);
            return;
        }
        list_remove(first);
        give(source, CONTAINER_OF(first, struct coord_ids, link));
    }
}

static bool take_block(struct producer_id_source *source)
{
    const struct allocate_producer_ids_response *response = source->call.response;
    if (source->call.transport != ERR_NONE || response == NULL ||
        response->error_code != ERR_NONE || response->producer_id_start < 0 ||
        response->producer_id_len <= 0 ||
        response->producer_id_start > INT64_MAX - response->producer_id_len)
        return false;
    source->next = response->producer_id_start;
    source->end = response->producer_id_start + response->producer_id_len;
    return true;
}

static void on_block(struct shard *shard, struct peer_call *call)
{
    role_now_on_shard();
    struct api_shard *here = api_shard_of(shard);
    struct producer_id_source *source = &here->producer_ids;
    source->asks = false;
    bool taken = take_block(source);
    arena_fini(&call->arena);
    if (taken)
        serve_all(here);
    else
        fail_all(source);
}

static int64_t own_broker_epoch(const struct api_shard *here)
{
    const struct meta_broker *own = meta_broker_find(here->image, here->config->node_id);
    return own != NULL ? own->record->broker_epoch : -1;
}

static void ask_for_block(struct api_shard *here)
{
    struct producer_id_source *source = &here->producer_ids;
    if (source->asks)
        return;
    source->asks = true;
    source->request = allocate_producer_ids_request_default;
    source->request.broker_id = here->config->node_id;
    source->request.broker_epoch = own_broker_epoch(here);
    api_call_init(&source->call, here);
    source->call.api_key = ALLOCATE_PRODUCER_IDS;
    source->call.api_version = 0;
    source->call.request = &source->request;
    source->call.on_done = on_block;
    peer_call(here->shard, here->config->node_id, &source->call);
}

void producer_ids_take(struct api_shard *here, struct coord_ids *wish)
{
    struct producer_id_source *source = &here->producer_ids;
    list_init(&wish->link);
    if (list_is_empty(&source->waiters) && has_id(source)) {
        give(source, wish);
        return;
    }
    list_add_tail(&source->waiters, &wish->link);
    ask_for_block(here);
}
