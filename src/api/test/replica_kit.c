/* See the header. Threads: the test's, which builds, begins and waits; the shards'. What both touch
 * is handed over by messages, and told back by atomic members and a parked thread's wake-up. */
#include "api/test/replica_kit.h"

#include "api/fetch_session.h"
#include "base/always.h"
#include "sys/dir.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/task.h"
#include "wire/batch_builder.h"
#include "wire/messages.h"
#include "wire/msg/partition_change_record.h"
#include "wire/msg/remove_topic_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SESSION_SLOTS 4

/* ---- work on a shard, waited for ---- */

struct errand;
typedef void (*errand_fn)(struct replica_kit *, struct api_shard *, void *argument);

struct errand {
    struct shard_message message;
    struct replica_kit *kit;
    errand_fn run;
    void *argument;
    bool done;
};

static void raise_flag(struct replica_kit *kit, bool *flag)
{
    __atomic_store_n(flag, true, __ATOMIC_RELEASE);
    sys_park_wake(kit->park);
}

static void on_errand(struct shard *shard, struct shard_message *message)
{
    struct errand *errand = CONTAINER_OF(message, struct errand, message);
    errand->run(errand->kit, api_shard_of(shard), errand->argument);
    raise_flag(errand->kit, &errand->done);
}

static const struct shard_route route_errand = {.name = "kit_errand", .run = {on_errand}};

static void run_on(struct replica_kit *kit, int shard, errand_fn run, void *argument)
{
    struct errand errand = {.kit = kit, .run = run, .argument = argument};
    shard_post(shard_set_at(kit->kit.set, shard), &errand.message, &route_errand);
    while (!__atomic_load_n(&errand.done, __ATOMIC_ACQUIRE))
        sys_park_wait(kit->park, INT64_MAX);
}

/* ---- the kit ---- */

static struct api_shard *shard_of(struct replica_kit *kit, int index)
{
    return index == 0 ? &kit->kit.here : &kit->others[index - 1];
}

static void on_done(struct api_kit *api_kit, struct api_exchange *exchange)
{
    struct replica_kit *kit = CONTAINER_OF(api_kit, struct replica_kit, kit);
    raise_flag(kit, &exchange->done);
}

static void make_dir(struct replica_kit *kit)
{
    static int number;
    (void)snprintf(kit->path, sizeof kit->path, "/tmp/ottla-api-test-%lld-%d",
                   (long long)sys_process_id(), number++);
    assert_int_equal(sys_dir_make_path(kit->path), 0);
    kit->dir = (struct log_dir){
        .path = kit->path,
        .fd = sys_dir_open(SYS_DIR_CWD, kit->path),
        .identity = {.directory_id = api_kit_id(0xd0)},
    };
    assert_true(kit->dir.fd >= 0);
    checkpoint_init(&kit->dir.recovery_points);
    checkpoint_init(&kit->dir.log_starts);
    checkpoint_init(&kit->dir.high_watermarks);
}

static void make_shard(struct replica_kit *kit, int index)
{
    struct api_shard *here = shard_of(kit, index);
    struct replica_set *set = &kit->sets[index];
    if (index > 0) {
        *here = (struct api_shard){.config = kit->kit.config, .cluster_id = API_KIT_CLUSTER};
        api_shard_init(here);
    }
    here->shard = shard_set_at(kit->kit.set, index);
    here->replicas = set;
    here->sessions = fetch_session_cache_new(SESSION_SLOTS);
    here->codecs = codec_pool_new();
    assert_non_null(here->sessions);
    assert_non_null(here->codecs);
    *set = (struct replica_set){.shard = here->shard,
                                .config = kit->kit.config,
                                .dirs = &kit->dir,
                                .dir_count = 1,
                                .stats = &here->stats};
    replica_set_init(set);
    log_files_init(&set->files, 64);
    shard_set_context(here->shard, here);
}

static void follow(struct replica_kit *kit, struct api_shard *here, void *argument)
{
    role_now_on_shard();
    (void)kit;
    const struct meta_image *before = here->image;
    here->image = argument;
    replica_set_follow(here->replicas, before, here->image);
}

static void publish(struct replica_kit *kit, struct meta_image *now)
{
    for (int i = 0; i < kit->shard_count; i++)
        if (!kit->others_are_late || i == 0)
            run_on(kit, i, follow, now);
    if (now == kit->kit.image)
        return;
    if (kit->others_are_late)
        kit->late_image = kit->kit.image;
    else
        meta_image_unref(kit->kit.image);
    kit->kit.image = now;
}

void replica_kit_catch_up(struct replica_kit *kit)
{
    for (int i = 1; i < kit->shard_count; i++)
        run_on(kit, i, follow, kit->kit.image);
    meta_image_unref(kit->late_image);
    kit->late_image = NULL;
    kit->others_are_late = false;
}

void replica_kit_init(struct replica_kit *kit, int shard_count, const char *const *settings)
{
    const struct shard_set_options options = {
        .shard_count = shard_count, .controller = true, .worker_count = 1, .seed = 7};
    *kit = (struct replica_kit){.shard_count = shard_count};
    api_kit_init(&kit->kit, settings);
    /* Initialisation moved what points into itself. */
    kit->kit.on_done = on_done;
    make_dir(kit);
    assert_int_equal(sys_park_new(&kit->park), 0);
    assert_int_equal(sys_park_new(&kit->worker_park), 0);
    assert_int_equal(shard_set_new(&options, &kit->kit.set), 0);
    for (int i = 0; i < shard_count; i++)
        make_shard(kit, i);
    shard_set_context(shard_set_controller(kit->kit.set), &kit->kit.controller);
    assert_int_equal(shard_set_start(kit->kit.set), 0);
    api_kit_add_broker(kit->kit.image, &(struct api_kit_broker){.id = 1, .host = "one", .port = 1});
    publish(kit, kit->kit.image);
}

static void on_settled(struct replica_set *set)
{
    struct replica_kit *kit = CONTAINER_OF(set->dirs, struct replica_kit, dir);
    set->on_settled = NULL;
    __atomic_add_fetch(&kit->settled, 1, __ATOMIC_RELEASE);
    sys_park_wake(kit->park);
}

static void stop(struct replica_kit *kit, struct api_shard *here, void *argument)
{
    role_now_on_shard();
    (void)kit;
    (void)argument;
    here->replicas->on_settled = on_settled;
    replica_set_stop(here->replicas);
}

static int remove_entry(void *context, const char *name, bool is_directory)
{
    int dir_fd = *(const int *)context;
    return is_directory ? log_remove_folder(dir_fd, name) : sys_unlink(dir_fd, name);
}

void replica_kit_fini(struct replica_kit *kit)
{
    for (int i = 0; i < kit->shard_count; i++)
        run_on(kit, i, stop, NULL);
    while (__atomic_load_n(&kit->settled, __ATOMIC_ACQUIRE) < kit->shard_count)
        sys_park_wait(kit->park, INT64_MAX);
    shard_set_stop(kit->kit.set);
    shard_set_join(kit->kit.set);
    for (int i = 0; i < kit->shard_count; i++) {
        fetch_session_cache_free(shard_of(kit, i)->sessions);
        codec_pool_free(shard_of(kit, i)->codecs);
        replica_set_fini(&kit->sets[i]);
    }
    shard_set_free(kit->kit.set);
    checkpoint_fini(&kit->dir.recovery_points);
    checkpoint_fini(&kit->dir.log_starts);
    checkpoint_fini(&kit->dir.high_watermarks);
    assert_int_equal(sys_dir_list(kit->dir.fd, remove_entry, &kit->dir.fd), 0);
    sys_file_close(kit->dir.fd);
    assert_int_equal(sys_dir_remove(SYS_DIR_CWD, kit->path), 0);
    sys_park_free(kit->worker_park);
    sys_park_free(kit->park);
    api_kit_fini(&kit->kit);
}

/* ---- the image ---- */

static struct meta_image *next_image(struct replica_kit *kit)
{
    struct meta_image *next = meta_image_begin(kit->kit.image);
    assert_non_null(next);
    next->end_offset++;
    return next;
}

void replica_kit_add_topic(struct replica_kit *kit, const struct api_kit_topic *topic)
{
    struct meta_image *next = next_image(kit);
    api_kit_add_topic(next, topic);
    publish(kit, next);
}

void replica_kit_remove_topic(struct replica_kit *kit, uint8_t id)
{
    struct meta_image *next = next_image(kit);
    struct remove_topic_record record = {.topic_id = api_kit_id(id)};
    api_kit_apply(next, &wire_remove_topic_record, 0, &record);
    publish(kit, next);
}

void replica_kit_lead(struct replica_kit *kit, const struct replica_kit_lead *lead)
{
    struct meta_image *next = next_image(kit);
    for (int32_t i = 0; i < lead->partitions; i++) {
        const struct meta_topic *topic = meta_topic_by_id(next, api_kit_id(lead->id));
        /* Each change of the leader raises the epoch by one. */
        int32_t epoch = meta_topic_partition(topic, i)->leader_epoch;
        for (; epoch < lead->leader_epoch; epoch++) {
            struct partition_change_record record = partition_change_record_default;
            record.partition_id = i;
            record.topic_id = api_kit_id(lead->id);
            record.leader = lead->leader;
            api_kit_apply(next, &wire_partition_change_record, 2, &record);
        }
    }
    publish(kit, next);
}

/* ---- the worker ---- */

static void hold_run(struct shard_job *job)
{
    struct replica_kit *kit = CONTAINER_OF(job, struct replica_kit, holding);
    while (!__atomic_load_n(&kit->released, __ATOMIC_ACQUIRE))
        sys_park_wait(kit->worker_park, INT64_MAX);
}

static void hold_done(struct shard *shard, struct shard_job *job)
{
    (void)shard;
    struct replica_kit *kit = CONTAINER_OF(job, struct replica_kit, holding);
    __atomic_store_n(&kit->holds, false, __ATOMIC_RELEASE);
    sys_park_wake(kit->park);
}

static void hold(struct replica_kit *kit, struct api_shard *here, void *argument)
{
    role_now_on_shard();
    (void)argument;
    kit->holding = (struct shard_job){.run = hold_run, .on_done = hold_done};
    shard_submit(here->shard, &kit->holding);
}

void replica_kit_hold_worker(struct replica_kit *kit)
{
    kit->released = false;
    kit->holds = true;
    run_on(kit, 0, hold, NULL);
}

void replica_kit_release_worker(struct replica_kit *kit)
{
    __atomic_store_n(&kit->released, true, __ATOMIC_RELEASE);
    sys_park_wake(kit->worker_park);
    while (__atomic_load_n(&kit->holds, __ATOMIC_ACQUIRE))
        sys_park_wait(kit->park, INT64_MAX);
}

/* ---- exchanges ---- */

static void begin(struct replica_kit *kit, struct api_shard *here, void *argument)
{
    role_now_on_shard();
    (void)here;
    api_kit_begin(&kit->kit, argument);
}

void replica_kit_begin(struct replica_kit *kit, struct api_exchange *exchange)
{
    exchange->done = false;
    run_on(kit, 0, begin, exchange);
}

bool replica_kit_is_done(struct replica_kit *kit, const struct api_exchange *exchange)
{
    (void)kit;
    return __atomic_load_n(&exchange->done, __ATOMIC_ACQUIRE);
}

void replica_kit_wait(struct replica_kit *kit, const struct api_exchange *exchange)
{
    while (!replica_kit_is_done(kit, exchange))
        sys_park_wait(kit->park, INT64_MAX);
}

static void abandon(struct replica_kit *kit, struct api_shard *here, void *argument)
{
    (void)kit;
    (void)here;
    struct api_exchange *exchange = argument;
    ALWAYS(!exchange->done, "it was answered already");
    exchange->request->client = NULL;
    if (exchange->request->on_abandoned != NULL)
        exchange->request->on_abandoned(exchange->request);
}

void replica_kit_abandon(struct replica_kit *kit, struct api_exchange *exchange)
{
    run_on(kit, 0, abandon, exchange);
}

const void *replica_kit_ask(struct replica_kit *kit, int16_t key, int16_t version,
                            const void *message)
{
    struct api_exchange exchange = {.key = key, .version = version, .message = message};
    replica_kit_begin(kit, &exchange);
    replica_kit_wait(kit, &exchange);
    assert_null(exchange.fault);
    assert_true(exchange.answered);
    return exchange.response;
}

/* ---- at one shard and at several ---- */

struct replica_kit *replica_kit_take(void **state)
{
    struct replica_kit *kit = calloc(1, sizeof *kit);
    assert_non_null(kit);
    kit->shard_count = (int)(intptr_t)*state;
    *state = kit;
    return kit;
}

int replica_kit_set_up(void **state)
{
    struct replica_kit *kit = replica_kit_take(state);
    replica_kit_init(kit, kit->shard_count, NULL);
    return 0;
}

int replica_kit_tear_down(void **state)
{
    replica_kit_fini(*state);
    free(*state);
    return 0;
}

/* ---- usual requests ---- */

struct slice replica_kit_batch(struct replica_kit *kit, int32_t count, size_t value_size)
{
    struct batch_builder_options options = batch_builder_defaults();
    struct batch_builder builder;
    uint8_t *value = arena_take(&kit->kit.arena, value_size + 1);
    memset(value, 'v', value_size);
    batch_builder_init(&builder);
    batch_builder_begin(&builder, &options);
    for (int32_t i = 0; i < count; i++)
        batch_builder_add(&builder, &(struct batch_record){.timestamp = 1000 + i,
                                                           .value = slice_of(value, value_size)});
    struct slice batch = arena_copy(&kit->kit.arena, batch_builder_finish(&builder, NULL));
    batch_builder_fini(&builder);
    return batch;
}

const struct produce_response_responses_partition_responses *replica_kit_produce(
    struct replica_kit *kit, const char *topic, int32_t partition, struct slice batch)
{
    struct produce_request_topic_data_partition_data data = {.index = partition,
                                                             .records = {.bytes = batch}};
    struct produce_request_topic_data of_topic = {
        .name = slice_of_text(topic), .partition_data = &data, .partition_data_count = 1};
    struct produce_request message = produce_request_default;
    message.transactional_id = slice_of(NULL, 0);
    message.acks = -1;
    message.timeout_ms = 1000;
    message.topic_data = &of_topic;
    message.topic_data_count = 1;
    const struct produce_response *response = replica_kit_ask(kit, API_PRODUCE, 9, &message);
    assert_int_equal(response->responses_count, 1);
    assert_int_equal(response->responses[0].partition_responses_count, 1);
    return &response->responses[0].partition_responses[0];
}

void replica_kit_fetch_init(struct replica_kit_fetch *fetch, const char *topic, int32_t count)
{
    assert_true(count <= REPLICA_KIT_PARTS_MAX);
    *fetch = (struct replica_kit_fetch){.message = fetch_request_default};
    for (int32_t i = 0; i < count; i++) {
        fetch->parts[i] = fetch_request_topics_partitions_default;
        fetch->parts[i].partition = i;
        fetch->parts[i].partition_max_bytes = 1 << 20;
    }
    fetch->topic = (struct fetch_request_topics){
        .topic = slice_of_text(topic), .partitions = fetch->parts, .partitions_count = count};
    fetch->message.max_wait_ms = 0;
    fetch->message.min_bytes = 1;
    fetch->message.max_bytes = 1 << 20;
    fetch->message.session_epoch = -1;
    fetch->message.forgotten_topics_data_count = 0;
    fetch->message.topics = &fetch->topic;
    fetch->message.topics_count = 1;
}
