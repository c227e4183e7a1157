/* See the header. Threads: the test's, which waits; the data shard's and the controller's. */
#include "meta/test/meta_kit.h"

#include "base/always.h"
#include "meta/format.h"
#include "sys/task.h"
#include "wire/msg/allocate_producer_ids_request.h"
#include "wire/msg/allocate_producer_ids_response.h"
#include "wire/msg/broker_heartbeat_request.h"
#include "wire/msg/broker_heartbeat_response.h"
#include "wire/msg/broker_registration_request.h"
#include "wire/msg/broker_registration_response.h"
#include "wire/msg/create_topics_request.h"
#include "wire/msg/create_topics_response.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_MAX ((size_t)1 << 30)

struct meta_kit {
    struct meta_kit *next; /* of those that failed */
    struct node_config *config;
    struct log_dir dirs[NODE_LOG_DIRS_MAX];
    int dir_count;
    int metadata_dir;
    struct shard_set *set;
    struct meta *meta;
    struct sys_park *park;
    struct peer_call call;
    struct shard_message message;
    struct arena arena;
    const struct meta_image *image; /* the data shard's */
    const struct meta_image *seen;  /* when the last answer came */
    bool done;
    bool failed;
    bool stopped;
};

/* What a crash left, and what a controller that failed still holds, stays reachable. */
static struct meta_kit *last;
static struct meta_kit *failures;

static void finish(bool *flag, struct sys_park *park)
{
    __atomic_store_n(flag, true, __ATOMIC_RELEASE);
    sys_park_wake(park);
}

static bool is_set(const bool *flag)
{
    return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

/* ---- what the controller is given ---- */

static const struct meta_image *on_image(struct shard *shard, const struct meta_image *image)
{
    struct meta_kit *kit = shard_context(shard);
    const struct meta_image *before = kit->image;
    kit->image = image;
    if (before == NULL)
        finish(&kit->done, kit->park);
    return before;
}

static void on_fatal(const char *why)
{
    (void)why;
    finish(&last->failed, last->park);
}

static void on_stopped(void *context)
{
    struct meta_kit *kit = context;
    shard_set_stop(kit->set);
    finish(&kit->stopped, kit->park);
}

/* Waits for the flag or the metadata log's failure. */
static bool wait_for(struct meta_kit *kit, const bool *flag)
{
    while (!is_set(flag) && !is_set(&kit->failed))
        sys_park_wait(kit->park, INT64_MAX);
    return is_set(flag);
}

/* ---- opening and stopping ---- */

static void configure(struct meta_kit *kit, const char *const *settings)
{
    struct text notes;
    size_t count = 0;
    while (settings != NULL && count < META_KIT_SETTINGS_MAX && settings[count] != NULL)
        count++;
    struct node_config_input input = {
        .settings = settings, .setting_count = count, .default_dir = "/data", .host_name = "box"};
    text_init(&notes, 65536);
    bool fine = node_config_load(&input, &kit->config, &notes);
    ALWAYS(fine, "%s", notes.data);
    text_fini(&notes);
}

static bool open_dirs(struct meta_kit *kit, struct text *error)
{
    for (size_t i = 0; i < kit->config->log_dir_count; i++) {
        if (log_dir_open(&kit->dirs[i], kit->config->log_dirs[i], error) != LOG_DIR_OPENED)
            return false;
        kit->dir_count++;
        if (strcmp(kit->config->log_dirs[i], kit->config->metadata_log_dir) == 0)
            kit->metadata_dir = (int)i;
    }
    return meta_format(kit->config, kit->dirs, kit->dir_count, kit->metadata_dir, error);
}

static void kit_free(struct meta_kit *kit)
{
    if (is_set(&kit->failed)) {
        for (int i = 0; i < kit->dir_count; i++)
            log_dir_close(&kit->dirs[i]);
        kit->next = failures;
        failures = kit;
        return;
    }
    meta_image_release(kit->image);
    meta_free(kit->meta);
    if (kit->set != NULL)
        shard_set_free(kit->set);
    for (int i = 0; i < kit->dir_count; i++)
        log_dir_close(&kit->dirs[i]);
    node_config_free(kit->config);
    arena_fini(&kit->arena);
    sys_park_free(kit->park);
    free(kit);
    last = NULL;
}

struct meta_kit *meta_kit_open(const char *const *settings, struct text *error)
{
    struct meta_kit *kit = calloc(1, sizeof *kit);
    ALWAYS(kit != NULL && sys_park_new(&kit->park) == 0, "memory and descriptors for the test");
    last = kit;
    configure(kit, settings);
    arena_init(&kit->arena, ARENA_MAX);
    struct shard_set_options options = {
        .shard_count = 1, .controller = true, .worker_count = 1, .seed = 1};
    ALWAYS(shard_set_new(&options, &kit->set) == 0, "shards for the test");
    shard_set_context(shard_set_at(kit->set, 0), kit);
    if (open_dirs(kit, error)) {
        struct meta_options meta = {.config = kit->config,
                                    .dirs = kit->dirs,
                                    .dir_count = kit->dir_count,
                                    .metadata_dir = kit->metadata_dir,
                                    .shards = kit->set,
                                    .on_image = on_image,
                                    .on_fatal = on_fatal};
        kit->meta = meta_open(&meta, error);
    }
    if (kit->meta == NULL) {
        kit_free(kit);
        return NULL;
    }
    shard_set_context(shard_set_controller(kit->set), meta_service(kit->meta));
    meta_begin(kit->meta);
    ALWAYS(shard_set_start(kit->set) == 0, "threads for the test");
    if (wait_for(kit, &kit->done)) {
        kit->seen = kit->image;
        return kit;
    }
    (void)meta_kit_stop(kit);
    return NULL;
}

bool meta_kit_stop(struct meta_kit *kit)
{
    meta_stop(kit->meta, on_stopped, kit);
    while (!is_set(&kit->stopped))
        sys_park_wait(kit->park, INT64_MAX);
    shard_set_join(kit->set);
    bool clean = !is_set(&kit->failed);
    kit_free(kit);
    return clean;
}

/* ---- calls ---- */

static void on_done(struct shard *shard, struct peer_call *call)
{
    struct meta_kit *kit = CONTAINER_OF(call, struct meta_kit, call);
    (void)shard;
    kit->seen = kit->image;
    finish(&kit->done, kit->park);
}

static void on_message(struct shard *shard, struct shard_message *message)
{
    role_now_on_shard();
    struct meta_kit *kit = CONTAINER_OF(message, struct meta_kit, message);
    peer_call(shard, kit->config->node_id, &kit->call);
}

static const struct shard_route route = {.name = "kit", .run = {on_message}};

const void *meta_kit_call(struct meta_kit *kit, int16_t api_key, int16_t version,
                          const void *request)
{
    if (is_set(&kit->failed))
        return NULL; /* the call before may still be the controller's */
    /* Earlier responses stay valid: the arena goes from call to call. */
    kit->call = (struct peer_call){.own_node_id = kit->config->node_id,
                                   .api_key = api_key,
                                   .api_version = version,
                                   .request = request,
                                   .arena = kit->arena,
                                   .on_done = on_done};
    __atomic_store_n(&kit->done, false, __ATOMIC_RELEASE);
    shard_post(shard_set_at(kit->set, 0), &kit->message, &route);
    bool answered = wait_for(kit, &kit->done);
    kit->arena = kit->call.arena;
    return answered && kit->call.transport == ERR_NONE ? kit->call.response : NULL;
}

enum err meta_kit_transport(const struct meta_kit *kit)
{
    return kit->call.transport;
}

bool meta_kit_failed(const struct meta_kit *kit)
{
    return is_set(&kit->failed);
}

const struct meta_image *meta_kit_image(const struct meta_kit *kit)
{
    return kit->seen;
}

struct arena *meta_kit_arena(struct meta_kit *kit)
{
    return &kit->arena;
}

const struct node_config *meta_kit_config(const struct meta_kit *kit)
{
    return kit->config;
}

/* ---- many at once ---- */

#define FLOOD_MAX 200

struct flood_call {
    struct peer_call call;
    struct create_topics_request request;
    struct create_topics_request_topics topic;
    char name[32];
};

struct flood {
    struct meta_kit *kit;
    struct flood_call *calls;
    struct shard_message message;
    struct shard_chore next;
    int count;
    int begun;
    int answered;
    int wrong;
    bool done;
};

static struct flood flood;

static void on_flood_done(struct shard *shard, struct peer_call *call)
{
    (void)shard;
    struct flood_call *one = CONTAINER_OF(call, struct flood_call, call);
    const struct create_topics_response *response = call->response;
    bool fine = response != NULL && response->topics[0].error_code == ERR_NONE &&
                meta_topic_named(flood.kit->image, one->topic.name) != NULL;
    flood.wrong += !fine;
    if (++flood.answered == flood.count)
        finish(&flood.done, flood.kit->park);
}

static void flood_next(struct shard *shard, struct shard_chore *chore)
{
    role_now_on_shard();
    struct flood_call *one = &flood.calls[flood.begun++];
    one->topic = create_topics_request_topics_default;
    one->topic.name = slice_of_text(one->name);
    one->topic.num_partitions = 1;
    one->topic.replication_factor = 1;
    one->request = create_topics_request_default;
    one->request.topics = &one->topic;
    one->request.topics_count = 1;
    one->call = (struct peer_call){.own_node_id = flood.kit->config->node_id,
                                   .api_key = 19,
                                   .api_version = 7,
                                   .request = &one->request,
                                   .on_done = on_flood_done};
    arena_init(&one->call.arena, 1 << 20);
    peer_call(shard, flood.kit->config->node_id, &one->call);
    if (flood.begun < flood.count)
        shard_run_later(shard, chore);
}

static void on_flood(struct shard *shard, struct shard_message *message)
{
    role_now_on_shard();
    (void)message;
    shard_run_later(shard, &flood.next);
}

static const struct shard_route route_flood = {.name = "flood", .run = {on_flood}};

bool meta_kit_flood(struct meta_kit *kit, const char *prefix, int count)
{
    ALWAYS(count <= FLOOD_MAX, "%d calls at once", count);
    flood = (struct flood){.kit = kit, .count = count};
    flood.calls = calloc((size_t)count, sizeof *flood.calls);
    ALWAYS(flood.calls != NULL, "memory for the test");
    for (int i = 0; i < count; i++)
        (void)snprintf(flood.calls[i].name, sizeof flood.calls[i].name, "%s%d", prefix, i);
    shard_chore_init(&flood.next, flood_next);
    shard_post(shard_set_at(kit->set, 0), &flood.message, &route_flood);
    if (!wait_for(kit, &flood.done))
        return false;
    for (int i = 0; i < count; i++)
        arena_fini(&flood.calls[i].call.arena);
    free(flood.calls);
    return flood.wrong == 0;
}

/* ---- usual calls ---- */

int64_t meta_kit_register(struct meta_kit *kit)
{
    struct broker_registration_request_listeners listener = {
        .name = SLICE_LIT("PLAINTEXT"), .host = SLICE_LIT("box"), .port = 9092};
    struct broker_registration_request request = broker_registration_request_default;
    request.broker_id = kit->config->node_id;
    request.cluster_id = slice_of_text(kit->dirs[kit->metadata_dir].identity.cluster_id);
    static uint8_t start;
    request.incarnation_id = (struct uuid){{5, ++start}};
    request.listeners = &listener;
    request.listeners_count = 1;
    request.log_dirs = &kit->dirs[0].identity.directory_id;
    request.log_dirs_count = 1;
    const struct broker_registration_response *registered = meta_kit_call(kit, 62, 4, &request);
    if (registered == NULL)
        return -1;
    ALWAYS(registered->error_code == ERR_NONE, "not registered: %d", registered->error_code);
    int64_t epoch = registered->broker_epoch;
    struct broker_heartbeat_request beat = broker_heartbeat_request_default;
    beat.broker_id = kit->config->node_id;
    beat.broker_epoch = epoch;
    return meta_kit_call(kit, 63, 1, &beat) != NULL ? epoch : -1;
}

void meta_kit_leave(struct meta_kit *kit, int64_t broker_epoch)
{
    struct broker_heartbeat_request beat = broker_heartbeat_request_default;
    beat.broker_id = kit->config->node_id;
    beat.broker_epoch = broker_epoch;
    beat.want_shut_down = true;
    (void)meta_kit_call(kit, 63, 1, &beat);
}

int meta_kit_create(struct meta_kit *kit, const char *name, int32_t partitions)
{
    struct create_topics_request_topics topic = create_topics_request_topics_default;
    struct create_topics_request request = create_topics_request_default;
    topic.name = slice_of_text(name);
    topic.num_partitions = partitions;
    topic.replication_factor = 1;
    request.topics = &topic;
    request.topics_count = 1;
    const struct create_topics_response *response = meta_kit_call(kit, 19, 7, &request);
    return response != NULL ? response->topics[0].error_code : -1;
}

int64_t meta_kit_producer_ids(struct meta_kit *kit, int64_t broker_epoch)
{
    struct allocate_producer_ids_request request = allocate_producer_ids_request_default;
    request.broker_id = kit->config->node_id;
    request.broker_epoch = broker_epoch;
    const struct allocate_producer_ids_response *response = meta_kit_call(kit, 67, 0, &request);
    return response != NULL && response->error_code == ERR_NONE ? response->producer_id_start : -1;
}
