/* See the header. What fails on a shard's thread aborts: cmocka's own checks would jump out of it.
 * Threads: the test's, which builds and looks; the shard's and the controller's
 * while a run lasts. */
#include "api/test/api_kit.h"

#include "api/file_range.h"
#include "base/always.h"
#include "sys/file.h"
#include "wire/messages.h"
#include "wire/msg/partition_record.h"
#include "wire/msg/register_broker_record.h"
#include "wire/msg/topic_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- the kit ---- */

static void on_service(struct peer_service *service, struct peer_call *call)
{
    role_now_on_shard();
    struct api_kit_controller *controller =
        CONTAINER_OF(service, struct api_kit_controller, service);
    struct api_kit *kit = controller->kit;
    kit->calls++;
    ALWAYS(kit->on_call != NULL, "nobody expects API %d to be called", call->api_key);
    kit->on_call(kit, shard_set_controller(kit->set), call);
}

void api_kit_init(struct api_kit *kit, const char *const *settings)
{
    size_t count = 0;
    while (settings != NULL && count < API_KIT_SETTINGS_MAX && settings[count] != NULL)
        count++;
    struct node_config_input input = {
        .settings = settings, .setting_count = count, .default_dir = "/d", .host_name = "box"};
    struct text notes;
    text_init(&notes, 65536);
    *kit = (struct api_kit){
        .listener = {.name = "PLAINTEXT", .host = "box", .port = 9092},
        .controller = {.service = {.handle = on_service}, .kit = kit},
    };
    assert_true(node_config_load(&input, &kit->config, &notes));
    text_fini(&notes);
    kit->image = meta_image_new(kit->config);
    assert_non_null(kit->image);
    arena_init(&kit->arena, SIZE_MAX / 2);
    kit->here = (struct api_shard){.config = kit->config, .cluster_id = API_KIT_CLUSTER};
    api_shard_init(&kit->here);
}

void api_kit_fini(struct api_kit *kit)
{
    assert_true(list_is_empty(&kit->here.producer_ids.waiters));
    api_request_pool_clear(&kit->here);
    arena_fini(&kit->arena);
    meta_image_unref(kit->image);
    node_config_free(kit->config);
}

/* ---- the answer ---- */

/* What a socket would get: the bytes, and between them the ranges of files. */
static struct slice flatten(const struct chain *chain, struct arena *arena)
{
    size_t size = (size_t)chain_size(chain);
    uint8_t *bytes = arena_take(arena, size);
    size_t to = 0;
    size_t from = 0;
    ALWAYS(bytes != NULL, "memory is out");
    for (uint32_t i = 0; i < chain->link_count; i++) {
        const struct chain_link *link = &chain->links[i];
        memcpy(bytes + to, chain->data + from, link->at - from);
        to += link->at - from;
        from = link->at;
        size_t wanted = (size_t)link->external.size;
        int64_t got = sys_file_read_at(api_file_range_fd(&link->external), bytes + to, wanted,
                                       link->external.position);
        ALWAYS(got == (int64_t)wanted, "a range of a file is short: %lld", (long long)got);
        to += wanted;
    }
    memcpy(bytes + to, chain->data + from, chain->size - from);
    return slice_of(bytes, size);
}

static void decode(struct api_exchange *exchange)
{
    struct api_request *request = exchange->request;
    const struct wire_message *message = request->row->response;
    struct arena *arena = &exchange->kit->arena;
    if (chain_size(&request->answer) == 0)
        return;
    struct slice frame = flatten(&request->answer, arena);
    uint32_t size = (uint32_t)frame.data[0] << 24 | (uint32_t)frame.data[1] << 16 |
                    (uint32_t)frame.data[2] << 8 | frame.data[3];
    ALWAYS(size == frame.size - 4, "a frame says another size");
    int32_t correlation_id;
    const char *why = frame_response_parse(slice_from(frame, 4), &request->header, &correlation_id,
                                           &exchange->body);
    ALWAYS(why == NULL, "a response's header does not parse: %s", why);
    ALWAYS(correlation_id == request->header.correlation_id, "correlation id %d", correlation_id);
    exchange->response = arena_take(arena, message->type->size);
    struct wire_decoded decoded;
    ALWAYS(wire_decode(message, request->header.api_version, exchange->body, arena,
                       exchange->response, &decoded),
           "%s does not decode: %s", message->name, decoded.fault);
    ALWAYS(decoded.size == exchange->body.size, "%s has bytes left over", message->name);
}

static void one_done(struct api_kit *kit, struct api_exchange *exchange)
{
    if (kit->on_done != NULL) {
        kit->on_done(kit, exchange);
        return;
    }
    ALWAYS(kit->open > 0, "more answers than requests");
    if (--kit->open == 0)
        shard_set_stop(kit->set);
}

static void on_answered(struct api_client *client, struct api_request *request)
{
    struct api_exchange *exchange = CONTAINER_OF(client, struct api_exchange, client);
    ALWAYS(exchange->request == request && !exchange->answered, "%s answered again",
           request->row->name);
    exchange->answered = true;
    decode(exchange);
    api_request_free(request);
    one_done(exchange->kit, exchange);
}

static void on_faulty(struct api_client *client, struct api_request *request, const char *why)
{
    struct api_exchange *exchange = CONTAINER_OF(client, struct api_exchange, client);
    exchange->fault = why;
    api_request_free(request);
    one_done(exchange->kit, exchange);
}

/* ---- a run ---- */

static struct slice encode(struct api_exchange *exchange, const struct api_row *row)
{
    struct chain chain;
    const char *field = NULL;
    int16_t version = exchange->version;
    chain_init(&chain, 1 << 24);
    if (version >= row->version_min && version <= row->version_max)
        ALWAYS(wire_encode(row->request, version, exchange->message, &chain, &field),
               "%s v%d has no %s", row->name, version, field != NULL ? field : "memory");
    struct slice body = arena_copy(&exchange->kit->arena, slice_of(chain.data, chain.size));
    chain_fini(&chain);
    return body;
}

void api_kit_begin(struct api_kit *kit, struct api_exchange *exchange)
{
    const struct api_row *row = api_row_find(exchange->key);
    ALWAYS(row != NULL, "there is no API %d", exchange->key);
    struct shard_buffer *buffer = shard_buffer_new(1);
    ALWAYS(buffer != NULL, "memory is out");
    exchange->kit = kit;
    exchange->client = (struct api_client){
        .listener = &kit->listener,
        .here = &kit->here,
        .on_answered = on_answered,
        .on_faulty = on_faulty,
    };
    struct api_request *request = api_request_new(&kit->here, &exchange->client, buffer);
    ALWAYS(request != NULL, "memory is out");
    shard_buffer_unref(buffer);
    exchange->request = request;
    request->row = row;
    request->header = (struct frame_header){
        .api_key = exchange->key,
        .api_version = exchange->version,
        .correlation_id = -77,
    };
    request->body = encode(exchange, row);
    exchange->answered = false;
    exchange->response = NULL;
    exchange->fault = NULL;
    api_request_run(request);
    if (exchange->abandoned && !exchange->answered) {
        request->client = NULL;
        kit->open--;
    }
}

static void on_begin(struct shard *shard, struct shard_message *message)
{
    role_now_on_shard();
    (void)shard;
    struct api_kit *kit = CONTAINER_OF(message, struct api_kit, begin);
    for (int i = 0; i < kit->exchange_count; i++)
        api_kit_begin(kit, &kit->exchanges[i]);
    if (kit->open == 0)
        shard_set_stop(kit->set);
}

static const struct shard_route route_begin = {.name = "kit_begin", .run = {on_begin}};

void api_kit_run(struct api_kit *kit, struct api_exchange *exchanges, int count)
{
    const struct shard_set_options options = {
        .shard_count = 1, .controller = true, .worker_count = 1, .seed = 7};
    assert_int_equal(shard_set_new(&options, &kit->set), 0);
    shard_set_context(shard_set_at(kit->set, 0), &kit->here);
    shard_set_context(shard_set_controller(kit->set), &kit->controller);
    kit->here.shard = shard_set_at(kit->set, 0);
    kit->here.image = kit->image;
    kit->exchanges = exchanges;
    kit->exchange_count = count;
    kit->open = count;
    shard_post(kit->here.shard, &kit->begin, &route_begin);
    assert_int_equal(shard_set_start(kit->set), 0);
    shard_set_join(kit->set);
    shard_set_free(kit->set);
}

const void *api_kit_ask(struct api_kit *kit, int16_t key, int16_t version, const void *message)
{
    struct api_exchange exchange = {.key = key, .version = version, .message = message};
    api_kit_run(kit, &exchange, 1);
    assert_null(exchange.fault);
    assert_true(exchange.answered);
    return exchange.response;
}

/* ---- images ---- */

static void on_swap(struct shard *shard, struct shard_message *message)
{
    (void)shard;
    struct api_kit *kit = CONTAINER_OF(message, struct api_kit, swap);
    meta_image_unref(kit->image);
    kit->image = kit->next_image;
    kit->here.image = kit->image;
}

static const struct shard_route route_swap = {.name = "kit_swap", .run = {on_swap}};

void api_kit_publish(struct api_kit *kit, struct shard *controller, struct meta_image *image)
{
    kit->next_image = image;
    shard_send(controller, kit->here.shard, &kit->swap, &route_swap);
}

struct uuid api_kit_id(uint8_t byte)
{
    struct uuid id;
    memset(id.bytes, byte, sizeof id.bytes);
    return id;
}

void api_kit_apply(struct meta_image *image, const struct wire_message *message, int16_t version,
                   const void *record)
{
    const char *why = meta_image_apply(
        image, &(struct meta_applied){.message = message, .version = version, .record = record});
    ALWAYS(why == NULL, "%s: %s", message->name, why);
}

void api_kit_add_broker(struct meta_image *image, const struct api_kit_broker *broker)
{
    struct register_broker_record_end_points point = {
        .name = slice_of_text(broker->listener != NULL ? broker->listener : "PLAINTEXT"),
        .host = slice_of_text(broker->host),
        .port = broker->port,
    };
    struct uuid directory = api_kit_id(0xd0);
    struct register_broker_record record = register_broker_record_default;
    record.broker_id = broker->id;
    record.incarnation_id = api_kit_id(0xe0);
    record.broker_epoch = 5;
    record.end_points = &point;
    record.end_points_count = 1;
    record.features_count = 0;
    record.rack = slice_of_text(broker->rack);
    record.fenced = broker->fenced;
    record.log_dirs = &directory;
    record.log_dirs_count = 1;
    api_kit_apply(image, &wire_register_broker_record, 3, &record);
}

void api_kit_add_topic(struct meta_image *image, const struct api_kit_topic *topic)
{
    struct topic_record named = topic_record_default;
    named.name = slice_of_text(topic->name);
    named.topic_id = api_kit_id(topic->id);
    api_kit_apply(image, &wire_topic_record, 0, &named);
    int32_t replica = topic->leader >= 0 ? topic->leader : 1;
    struct uuid directory = api_kit_id(0xd0);
    for (int32_t i = 0; i < topic->partitions; i++) {
        struct partition_record record = partition_record_default;
        record.partition_id = i;
        record.topic_id = named.topic_id;
        record.replicas = &replica;
        record.replicas_count = 1;
        record.isr = &replica;
        record.isr_count = 1;
        record.removing_replicas_count = 0;
        record.adding_replicas_count = 0;
        record.leader = topic->leader;
        record.leader_epoch = 3;
        record.directories = &directory;
        record.directories_count = 1;
        api_kit_apply(image, &wire_partition_record, 1, &record);
    }
}
