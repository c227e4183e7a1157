/* Produce against real logs: every version, acks, what is answered for each partition, what ends
 * the connection, and logs that open, move or are gone. Expected values are Apache Kafka 4.4.0's,
 * but for a partition that is named twice: it takes both. */
#include "api/test/replica_kit.h"
#include "base/bytes.h"
#include "wire/batch_builder.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define SHARDS 3
#define PARTS_MAX 8

static const struct api_kit_topic topic_a = {"aaa", 0xa0, 3, 1};
static const struct api_kit_topic topic_b = {"bbb", 0xb0, 2, 1};

struct request {
    struct produce_request message;
    struct produce_request_topic_data topics[2];
    struct produce_request_topic_data_partition_data parts[2][PARTS_MAX];
};

static void init(struct replica_kit *kit, int shards, const char *const *settings)
{
    replica_kit_init(kit, shards, settings);
    replica_kit_add_topic(kit, &topic_a);
    replica_kit_add_topic(kit, &topic_b);
}

static int with_topics(void **state)
{
    struct replica_kit *kit = replica_kit_take(state);
    init(kit, kit->shard_count, NULL);
    return 0;
}

static void request_init(struct request *request, int16_t acks)
{
    *request = (struct request){.message = produce_request_default};
    request->message.transactional_id = slice_of(NULL, 0);
    request->message.acks = acks;
    request->message.timeout_ms = 1000;
    request->message.topic_data = request->topics;
    request->message.topic_data_count = 0;
}

/* Topics are added in order: parts of the second come behind those of the first. */
static void add(struct request *request, const char *topic, int32_t partition, struct slice batch)
{
    int32_t at = request->message.topic_data_count;
    if (at == 0 || !slice_is(request->topics[at - 1].name, topic)) {
        request->topics[at] = (struct produce_request_topic_data){
            .name = slice_of_text(topic), .partition_data = request->parts[at]};
        request->message.topic_data_count = ++at;
    }
    struct produce_request_topic_data *of_topic = &request->topics[at - 1];
    of_topic->partition_data[of_topic->partition_data_count++] =
        (struct produce_request_topic_data_partition_data){.index = partition,
                                                           .records = {.bytes = batch}};
}

static const struct produce_response *ask(struct replica_kit *kit, int16_t version,
                                          const struct request *request)
{
    return replica_kit_ask(kit, API_PRODUCE, version, &request->message);
}

static const struct produce_response_responses_partition_responses *part_of(
    const struct produce_response *response, int32_t topic, int32_t at)
{
    assert_true(topic < response->responses_count);
    assert_true(at < response->responses[topic].partition_responses_count);
    return &response->responses[topic].partition_responses[at];
}

static int64_t end_of(struct replica_kit *kit, const char *topic, int32_t partition)
{
    struct replica_kit_fetch fetch;
    replica_kit_fetch_init(&fetch, topic, 1);
    fetch.parts[0].partition = partition;
    const struct fetch_response *response = replica_kit_ask(kit, API_FETCH, 12, &fetch.message);
    return response->responses[0].partitions[0].high_watermark;
}

/* ---- what is fine ---- */

static void all_versions(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1, NULL);
    for (int16_t version = 3; version <= 13; version++) {
        struct request request;
        request_init(&request, version % 2 == 0 ? 1 : -1);
        add(&request, "aaa", 0, replica_kit_batch(&kit, 2, 10));
        if (version >= 13) {
            request.topics[0].name = slice_of_text("");
            request.topics[0].topic_id = api_kit_id(0xa0);
        }
        const struct produce_response *response = ask(&kit, version, &request);
        const struct produce_response_responses_partition_responses *part = part_of(response, 0, 0);
        assert_int_equal(part->error_code, ERR_NONE);
        assert_int_equal(part->index, 0);
        assert_int_equal(part->base_offset, 2 * (version - 3));
        assert_int_equal(part->log_append_time_ms, -1);
        assert_int_equal(part->log_start_offset, version >= 5 ? 0 : -1);
        assert_int_equal(part->record_errors_count, 0);
        assert_true(uuid_equal(response->responses[0].topic_id,
                               version >= 13 ? api_kit_id(0xa0) : uuid_zero));
    }
    assert_int_equal(end_of(&kit, "aaa", 0), 22);
    replica_kit_fini(&kit);
}

/* Several topics and partitions on several shards, some of which are refused: each has an answer of
 * its own, at its place. */
static void each_its_own(void **state)
{
    struct replica_kit *kit = *state;
    struct slice bad = replica_kit_batch(kit, 1, 10);
    struct request request;
    request_init(&request, -1);
    add(&request, "aaa", 2, replica_kit_batch(kit, 1, 10));
    add(&request, "aaa", 7, replica_kit_batch(kit, 1, 10));
    add(&request, "aaa", 0, slice_of_text(""));
    add(&request, "aaa", 1, replica_kit_batch(kit, 3, 10));
    add(&request, "aaa", -1, replica_kit_batch(kit, 3, 10));
    add(&request, "bbb", 1, slice_first(bad, bad.size - 1));
    add(&request, "bbb", 0, replica_kit_batch(kit, 1, 10));
    const struct produce_response *response = ask(kit, 9, &request);
    static const enum err first[] = {ERR_NONE, ERR_UNKNOWN_TOPIC_OR_PARTITION, ERR_INVALID_RECORD,
                                     ERR_NONE, ERR_UNKNOWN_TOPIC_OR_PARTITION};
    for (int32_t i = 0; i < (int32_t)COUNT_OF(first); i++) {
        assert_int_equal(part_of(response, 0, i)->index, request.parts[0][i].index);
        assert_int_equal(part_of(response, 0, i)->error_code, first[i]);
        assert_int_equal(part_of(response, 0, i)->base_offset, first[i] == ERR_NONE ? 0 : -1);
    }
    assert_int_not_equal(part_of(response, 1, 0)->error_code, ERR_NONE);
    assert_int_equal(part_of(response, 1, 1)->error_code, ERR_NONE);
    assert_int_equal(end_of(kit, "aaa", 1), 3);
    assert_int_equal(end_of(kit, "bbb", 1), 0);
}

static void one_partition_twice(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, SHARDS, NULL);
    struct request request;
    request_init(&request, -1);
    add(&request, "aaa", 1, replica_kit_batch(&kit, 2, 10));
    add(&request, "aaa", 1, replica_kit_batch(&kit, 3, 10));
    const struct produce_response *response = ask(&kit, 9, &request);
    assert_int_equal(part_of(response, 0, 0)->base_offset, 0);
    assert_int_equal(part_of(response, 0, 1)->base_offset, 2);
    assert_int_equal(end_of(&kit, "aaa", 1), 5);
    replica_kit_fini(&kit);
}

/* A topic without partitions is not in the answer. */
static void of_nothing(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1, NULL);
    struct request request;
    request_init(&request, 1);
    assert_int_equal(ask(&kit, 9, &request)->responses_count, 0);
    request.topics[0].name = slice_of_text("aaa");
    request.message.topic_data_count = 1;
    add(&request, "bbb", 0, replica_kit_batch(&kit, 1, 10));
    const struct produce_response *response = ask(&kit, 9, &request);
    assert_int_equal(response->responses_count, 1);
    assert_slice_is(response->responses[0].name, "bbb");
    replica_kit_fini(&kit);
}

/* ---- acks ---- */

static void acks_that_do_not_exist(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1, NULL);
    static const int16_t rows[] = {2, -2, INT16_MAX, INT16_MIN};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct request request;
        request_init(&request, rows[i]);
        add(&request, "aaa", 0, replica_kit_batch(&kit, 1, 10));
        add(&request, "aaa", 9, replica_kit_batch(&kit, 1, 10));
        add(&request, "aaa", 1, slice_of_text("")); /* the form is looked at before */
        const struct produce_response *response = ask(&kit, 9, &request);
        assert_int_equal(part_of(response, 0, 0)->error_code, ERR_INVALID_REQUIRED_ACKS);
        assert_int_equal(part_of(response, 0, 1)->error_code, ERR_UNKNOWN_TOPIC_OR_PARTITION);
        assert_int_equal(part_of(response, 0, 2)->error_code, ERR_INVALID_RECORD);
    }
    assert_int_equal(end_of(&kit, "aaa", 0), 0);
    replica_kit_fini(&kit);
}

/* Nothing is sent; an error can only be told by ending the connection. */
static void no_acks(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, SHARDS, NULL);
    struct request request;
    request_init(&request, 0);
    add(&request, "aaa", 0, replica_kit_batch(&kit, 1, 10));
    add(&request, "aaa", 1, replica_kit_batch(&kit, 1, 10));
    assert_null(ask(&kit, 9, &request));
    assert_int_equal(end_of(&kit, "aaa", 1), 1);
    add(&request, "aaa", 9, replica_kit_batch(&kit, 1, 10));
    struct api_exchange exchange = {.key = API_PRODUCE, .version = 9, .message = &request.message};
    replica_kit_begin(&kit, &exchange);
    replica_kit_wait(&kit, &exchange);
    assert_non_null(exchange.fault);
    assert_false(exchange.answered);
    assert_int_equal(end_of(&kit, "aaa", 1), 2); /* the good ones are there */
    replica_kit_fini(&kit);
}

static void too_few_in_sync(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1, API_KIT_SETTINGS("min.insync.replicas=2"));
    /* More than the replicas there are is not asked for. */
    assert_int_equal(replica_kit_produce(&kit, "aaa", 0, replica_kit_batch(&kit, 1, 1))->error_code,
                     ERR_NONE);
    replica_kit_fini(&kit);
}

/* ---- records ---- */

static void internal_topics_are_not_written(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1, NULL);
    replica_kit_add_topic(&kit, &(struct api_kit_topic){"__consumer_offsets", 0xc0, 1, 1});
    assert_int_equal(
        replica_kit_produce(&kit, "__consumer_offsets", 0, replica_kit_batch(&kit, 1, 1))
            ->error_code,
        ERR_INVALID_TOPIC_EXCEPTION);
    replica_kit_fini(&kit);
}

static struct slice keyless(struct replica_kit *kit)
{
    return replica_kit_batch(kit, 4, 1);
}

static void record_errors(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1, API_KIT_SETTINGS("log.cleanup.policy=compact"));
    for (int16_t version = 7; version <= 9; version++) {
        struct request request;
        request_init(&request, 1);
        add(&request, "aaa", 0, keyless(&kit));
        const struct produce_response_responses_partition_responses *part =
            part_of(ask(&kit, version, &request), 0, 0);
        assert_int_equal(part->error_code, ERR_INVALID_RECORD);
        assert_int_equal(part->base_offset, -1);
        assert_int_equal(part->log_start_offset, 0);
        assert_int_equal(part->record_errors_count, version >= 8 ? 4 : 0);
        for (int32_t i = 0; i < part->record_errors_count; i++) {
            assert_int_equal(part->record_errors[i].batch_index, i);
            assert_slice_is(part->record_errors[i].batch_index_error_message,
                            "Compacted topic cannot accept message without key in topic "
                            "partition aaa-0");
        }
    }
    replica_kit_fini(&kit);
}

/* A frame that is smaller than any message there ever was. */
static void small_frames(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1, NULL);
    static const uint8_t zeroes[80];
    const struct produce_response_responses_partition_responses *part =
        replica_kit_produce(&kit, "aaa", 0, slice_of(zeroes, sizeof zeroes));
    assert_int_equal(part->error_code, ERR_CORRUPT_MESSAGE);
    assert_slice_is(part->error_message,
                    "Record size 0 is less than the minimum record overhead (14)");
    replica_kit_fini(&kit);
}

static struct slice from_producer(struct replica_kit *kit, int32_t sequence)
{
    struct slice batch = replica_kit_batch(kit, 2, 1);
    struct batch_builder builder;
    struct batch_builder_options options = batch_builder_defaults();
    options.producer_id = 9;
    options.producer_epoch = 0;
    options.base_sequence = sequence;
    batch_builder_init(&builder);
    batch_builder_begin(&builder, &options);
    for (int i = 0; i < 2; i++)
        batch_builder_add(&builder,
                          &(struct batch_record){.timestamp = 1, .value = slice_of_text("v")});
    batch = arena_copy(&kit->kit.arena, batch_builder_finish(&builder, NULL));
    batch_builder_fini(&builder);
    return batch;
}

static void sequences(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, SHARDS, NULL);
    static const struct {
        int32_t sequence;
        enum err err;
        int64_t base_offset;
    } rows[] = {
        {0, ERR_NONE, 0},
        {2, ERR_NONE, 2},
        {0, ERR_NONE, 0}, /* again: answered as then */
        {8, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1},
        {4, ERR_NONE, 4},
        {2, ERR_NONE, 2},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct produce_response_responses_partition_responses *part =
            replica_kit_produce(&kit, "aaa", 2, from_producer(&kit, rows[i].sequence));
        assert_int_equal(part->error_code, rows[i].err);
        assert_int_equal(part->base_offset, rows[i].base_offset);
        assert_int_equal(part->log_start_offset, 0);
    }
    assert_int_equal(end_of(&kit, "aaa", 2), 6);
    replica_kit_fini(&kit);
}

/* Stored with another codec: the way through a worker. */
static void encoded_again(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, SHARDS, API_KIT_SETTINGS("compression.type=gzip"));
    struct request request;
    request_init(&request, -1);
    add(&request, "aaa", 0, replica_kit_batch(&kit, 3, 1000));
    add(&request, "aaa", 8, replica_kit_batch(&kit, 3, 1000));
    add(&request, "aaa", 2, replica_kit_batch(&kit, 2, 1000));
    const struct produce_response *response = ask(&kit, 9, &request);
    assert_int_equal(part_of(response, 0, 0)->error_code, ERR_NONE);
    assert_int_equal(part_of(response, 0, 1)->error_code, ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(part_of(response, 0, 2)->error_code, ERR_NONE);
    struct replica_kit_fetch fetch;
    replica_kit_fetch_init(&fetch, "aaa", 1);
    const struct fetch_response *fetched = replica_kit_ask(&kit, API_FETCH, 12, &fetch.message);
    struct slice stored = fetched->responses[0].partitions[0].records.bytes;
    assert_int_equal(load_i16(stored.data + BATCH_AT_ATTRIBUTES), 1);
    assert_int_equal(fetched->responses[0].partitions[0].high_watermark, 3);
    replica_kit_fini(&kit);
}

/* ---- synced before it is answered ---- */

#define EACH_IS_SYNCED API_KIT_SETTINGS("log.flush.interval.messages=1")

static int with_syncs(void **state)
{
    struct replica_kit *kit = replica_kit_take(state);
    init(kit, kit->shard_count, EACH_IS_SYNCED);
    return 0;
}

/* The high watermark waits for the sync, and with it who waits for all acks and who reads. */
static void a_sync_is_waited_for(void **state)
{
    struct replica_kit *kit = *state;
    (void)replica_kit_produce(kit, "aaa", 1, replica_kit_batch(kit, 1, 1));
    replica_kit_hold_worker(kit);
    struct request requests[5];
    struct api_exchange exchanges[5];
    for (int i = 0; i < 5; i++) {
        request_init(&requests[i], i % 2 == 0 ? -1 : 1);
        add(&requests[i], "aaa", 1, replica_kit_batch(kit, 2, 1));
        exchanges[i] = (struct api_exchange){
            .key = API_PRODUCE, .version = 9, .message = &requests[i].message};
        replica_kit_begin(kit, &exchanges[i]);
    }
    assert_int_equal(end_of(kit, "aaa", 1), 1);
    for (int i = 0; i < 5; i++)
        assert_false(replica_kit_is_done(kit, &exchanges[i]));
    replica_kit_release_worker(kit);
    for (int i = 0; i < 5; i++) {
        replica_kit_wait(kit, &exchanges[i]);
        assert_int_equal(part_of(exchanges[i].response, 0, 0)->error_code, ERR_NONE);
        assert_int_equal(part_of(exchanges[i].response, 0, 0)->base_offset, 1 + 2 * i);
    }
    assert_int_equal(end_of(kit, "aaa", 1), 11);
}

/* One record is in "aaa-1"; two more, acks all, wait for a sync until the worker is released. */
static void begin_unsynced(struct replica_kit *kit, struct request *request,
                           struct api_exchange *exchange)
{
    (void)replica_kit_produce(kit, "aaa", 1, replica_kit_batch(kit, 1, 1));
    replica_kit_hold_worker(kit);
    request_init(request, -1);
    add(request, "aaa", 1, replica_kit_batch(kit, 2, 1));
    *exchange =
        (struct api_exchange){.key = API_PRODUCE, .version = 9, .message = &request->message};
    replica_kit_begin(kit, exchange);
}

/* A new image tells this node once more that it leads: what it has not synced is not committed by
 * that. */
static void an_image_commits_nothing(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, SHARDS, EACH_IS_SYNCED);
    struct request request;
    struct api_exchange exchange;
    begin_unsynced(&kit, &request, &exchange);
    replica_kit_lead(&kit, &(struct replica_kit_lead){0xa0, 3, 1, 6});
    assert_int_equal(end_of(&kit, "aaa", 1), 1);
    replica_kit_release_worker(&kit);
    replica_kit_wait(&kit, &exchange);
    assert_int_equal(part_of(exchange.response, 0, 0)->error_code, ERR_NONE);
    assert_int_equal(end_of(&kit, "aaa", 1), 3);
    replica_kit_fini(&kit);
}

#define FIRST_SEGMENT "/aaa-1/00000000000000000000.log"

/* From now on the first segment of "aaa-1", which is open, cannot be synced. */
static void break_sync(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int broken = 0;
    for (int fd = 0; fd < 256; fd++) {
        char link[32];
        char path[256] = "";
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t size = readlink(link, path, sizeof path - 1);
        size_t name = sizeof FIRST_SEGMENT - 1;
        if (size >= (ssize_t)name && strcmp(path + size - name, FIRST_SEGMENT) == 0)
            broken += dup2(null, fd) == fd ? 1 : 0;
    }
    assert_int_equal(broken, 1);
    assert_int_equal(close(null), 0);
}

/* Who sends a batch again while it is being synced waits for that sync, and hears if it fails. */
static void a_failed_sync_is_told_to_all(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1, EACH_IS_SYNCED);
    (void)replica_kit_produce(&kit, "aaa", 1, from_producer(&kit, 0));
    replica_kit_hold_worker(&kit);
    struct request requests[3];
    struct api_exchange exchanges[3];
    for (int i = 0; i < 3; i++) {
        request_init(&requests[i], i == 1 ? 1 : -1);
        add(&requests[i], "aaa", 1, from_producer(&kit, 2));
        exchanges[i] = (struct api_exchange){
            .key = API_PRODUCE, .version = 9, .message = &requests[i].message};
        replica_kit_begin(&kit, &exchanges[i]);
        assert_false(replica_kit_is_done(&kit, &exchanges[i]));
    }
    break_sync();
    replica_kit_release_worker(&kit);
    for (int i = 0; i < 3; i++) {
        replica_kit_wait(&kit, &exchanges[i]);
        assert_int_equal(part_of(exchanges[i].response, 0, 0)->error_code, ERR_KAFKA_STORAGE_ERROR);
    }
    replica_kit_fini(&kit);
}

/* Deleted while a sync is under way: the folder goes when that has ended, and the topic of the same
 * name after it begins at nothing. */
static void deleted_while_syncing(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, SHARDS, EACH_IS_SYNCED);
    struct request request;
    struct api_exchange exchange;
    begin_unsynced(&kit, &request, &exchange);
    replica_kit_remove_topic(&kit, 0xa0);
    replica_kit_add_topic(&kit, &(struct api_kit_topic){"aaa", 0xa1, 3, 1});
    assert_false(replica_kit_is_done(&kit, &exchange));
    replica_kit_release_worker(&kit);
    replica_kit_wait(&kit, &exchange);
    assert_int_equal(part_of(exchange.response, 0, 0)->base_offset, 1);
    assert_int_equal(end_of(&kit, "aaa", 1), 0);
    replica_kit_fini(&kit);
}

/* ---- the log's state ---- */

static void opening_makes_wait(void **state)
{
    struct replica_kit *kit = *state;
    replica_kit_hold_worker(kit);
    replica_kit_add_topic(kit, &topic_a);
    struct request requests[3];
    struct api_exchange exchanges[3];
    for (int i = 0; i < 3; i++) {
        request_init(&requests[i], i == 1 ? 0 : -1);
        add(&requests[i], "aaa", 0, replica_kit_batch(kit, 1, 1));
        add(&requests[i], "aaa", 1, replica_kit_batch(kit, 1, 1));
        exchanges[i] = (struct api_exchange){
            .key = API_PRODUCE, .version = 9, .message = &requests[i].message};
        replica_kit_begin(kit, &exchanges[i]);
        assert_false(replica_kit_is_done(kit, &exchanges[i]));
    }
    replica_kit_abandon(kit, &exchanges[2]); /* its records are written all the same */
    replica_kit_release_worker(kit);
    replica_kit_wait(kit, &exchanges[0]);
    replica_kit_wait(kit, &exchanges[1]);
    assert_int_equal(part_of(exchanges[0].response, 0, 1)->base_offset, 0);
    assert_int_equal(end_of(kit, "aaa", 1), 3);
}

/* Shard 0 knows of a topic, and the others have not heard of it yet. */
static void late_shards_are_waited_for(void **state)
{
    (void)state;
    struct replica_kit kit;
    replica_kit_init(&kit, SHARDS, NULL);
    kit.others_are_late = true;
    replica_kit_add_topic(&kit, &topic_a);
    struct request request;
    request_init(&request, -1);
    for (int32_t i = 0; i < 3; i++)
        add(&request, "aaa", i, replica_kit_batch(&kit, 1, 1));
    struct api_exchange exchange = {.key = API_PRODUCE, .version = 9, .message = &request.message};
    replica_kit_begin(&kit, &exchange);
    assert_false(replica_kit_is_done(&kit, &exchange));
    replica_kit_catch_up(&kit);
    replica_kit_wait(&kit, &exchange);
    for (int32_t i = 0; i < 3; i++)
        assert_int_equal(part_of(exchange.response, 0, i)->error_code, ERR_NONE);
    replica_kit_fini(&kit);
}

/* What the start's checkpoints have of a topic that is gone is not the new one's. */
static void checkpoints_of_the_last_topic(void **state)
{
    (void)state;
    struct replica_kit kit;
    replica_kit_init(&kit, 1, NULL);
    assert_true(checkpoint_put(&kit.dir.log_starts, slice_of_text("aaa-0"), 50));
    assert_true(checkpoint_put(&kit.dir.recovery_points, slice_of_text("aaa-0"), 70));
    replica_kit_add_topic(&kit, &topic_a);
    const struct produce_response_responses_partition_responses *part =
        replica_kit_produce(&kit, "aaa", 0, replica_kit_batch(&kit, 1, 1));
    assert_int_equal(part->base_offset, 0);
    assert_int_equal(part->log_start_offset, 0);
    replica_kit_fini(&kit);
}

/* A file stands where the partition's folder should be. The batch is refused for what it is, before
 * anybody looks for the log whose start that answer would tell. */
static void refused_by_an_offline_partition(void **state)
{
    (void)state;
    struct replica_kit kit;
    replica_kit_init(&kit, 1, API_KIT_SETTINGS("log.cleanup.policy=compact"));
    int fd = openat(kit.dir.fd, "aaa-0", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    replica_kit_add_topic(&kit, &topic_a);
    const struct produce_response_responses_partition_responses *part =
        replica_kit_produce(&kit, "aaa", 0, keyless(&kit));
    assert_int_equal(part->error_code, ERR_INVALID_RECORD);
    assert_int_equal(part->log_start_offset, -1);
    replica_kit_fini(&kit);
}

/* Deleted while the log was still being opened. */
static void deleted_while_opening(void **state)
{
    (void)state;
    struct replica_kit kit;
    replica_kit_init(&kit, SHARDS, NULL);
    replica_kit_hold_worker(&kit);
    replica_kit_add_topic(&kit, &topic_a);
    struct request request;
    request_init(&request, -1);
    for (int32_t i = 0; i < 3; i++)
        add(&request, "aaa", i, replica_kit_batch(&kit, 1, 1));
    struct api_exchange exchange = {.key = API_PRODUCE, .version = 9, .message = &request.message};
    replica_kit_begin(&kit, &exchange);
    replica_kit_remove_topic(&kit, 0xa0);
    assert_false(replica_kit_is_done(&kit, &exchange));
    replica_kit_release_worker(&kit);
    replica_kit_wait(&kit, &exchange);
    for (int32_t i = 0; i < 3; i++)
        assert_int_equal(part_of(exchange.response, 0, i)->error_code, ERR_NOT_LEADER_OR_FOLLOWER);
    replica_kit_fini(&kit);
}

static void somebody_else_leads(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1, NULL);
    replica_kit_lead(&kit, &(struct replica_kit_lead){0xa0, 1, 2, 4});
    assert_int_equal(replica_kit_produce(&kit, "aaa", 0, replica_kit_batch(&kit, 1, 1))->error_code,
                     ERR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(replica_kit_produce(&kit, "aaa", 1, replica_kit_batch(&kit, 1, 1))->error_code,
                     ERR_NONE);
    replica_kit_lead(&kit, &(struct replica_kit_lead){0xa0, 1, 1, 5});
    assert_int_equal(replica_kit_produce(&kit, "aaa", 0, replica_kit_batch(&kit, 1, 1))->error_code,
                     ERR_NONE);
    replica_kit_fini(&kit);
}

/* The topic of the same name meets the folder of the one before, which is still there: it waits,
 * and begins at nothing. So do several that are deleted before they were opened. */
static void made_again(void **state)
{
    struct replica_kit *kit = *state;
    for (int32_t i = 0; i < 3; i++)
        (void)replica_kit_produce(kit, "aaa", i, replica_kit_batch(kit, 5, 1));
    replica_kit_hold_worker(kit);
    for (uint8_t id = 0xa0; id < 0xa5; id++) {
        replica_kit_remove_topic(kit, id);
        replica_kit_add_topic(kit, &(struct api_kit_topic){"aaa", (uint8_t)(id + 1), 3, 1});
    }
    struct request request;
    request_init(&request, -1);
    for (int32_t i = 0; i < 3; i++)
        add(&request, "aaa", i, replica_kit_batch(kit, 2, 1));
    struct api_exchange exchange = {.key = API_PRODUCE, .version = 9, .message = &request.message};
    replica_kit_begin(kit, &exchange);
    replica_kit_release_worker(kit);
    replica_kit_wait(kit, &exchange);
    for (int32_t i = 0; i < 3; i++) {
        assert_int_equal(part_of(exchange.response, 0, i)->error_code, ERR_NONE);
        assert_int_equal(part_of(exchange.response, 0, i)->base_offset, 0);
        assert_int_equal(end_of(kit, "aaa", i), 2);
    }
}

static void deleted(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, SHARDS, NULL);
    for (int32_t i = 0; i < 3; i++)
        (void)replica_kit_produce(&kit, "aaa", i, replica_kit_batch(&kit, 5, 1));
    replica_kit_remove_topic(&kit, 0xa0);
    assert_int_equal(replica_kit_produce(&kit, "aaa", 0, replica_kit_batch(&kit, 1, 1))->error_code,
                     ERR_UNKNOWN_TOPIC_OR_PARTITION);
    replica_kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_versions),
        REPLICA_KIT_EACH(each_its_own, with_topics),
        cmocka_unit_test(one_partition_twice),
        cmocka_unit_test(of_nothing),
        cmocka_unit_test(acks_that_do_not_exist),
        cmocka_unit_test(no_acks),
        cmocka_unit_test(too_few_in_sync),
        cmocka_unit_test(internal_topics_are_not_written),
        cmocka_unit_test(record_errors),
        cmocka_unit_test(small_frames),
        cmocka_unit_test(sequences),
        cmocka_unit_test(encoded_again),
        REPLICA_KIT_EACH(opening_makes_wait, replica_kit_set_up),
        cmocka_unit_test(late_shards_are_waited_for),
        cmocka_unit_test(checkpoints_of_the_last_topic),
        cmocka_unit_test(refused_by_an_offline_partition),
        cmocka_unit_test(deleted_while_opening),
        cmocka_unit_test(somebody_else_leads),
        REPLICA_KIT_EACH(a_sync_is_waited_for, with_syncs),
        cmocka_unit_test(an_image_commits_nothing),
        cmocka_unit_test(a_failed_sync_is_told_to_all),
        cmocka_unit_test(deleted_while_syncing),
        REPLICA_KIT_EACH(made_again, with_topics),
        cmocka_unit_test(deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
