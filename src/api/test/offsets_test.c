/* ListOffsets and OffsetForLeaderEpoch against real logs. Expected values are Apache Kafka
 * 4.4.0's. */
#include "api/test/replica_kit.h"
#include "wire/msg/list_offsets_request.h"
#include "wire/msg/list_offsets_response.h"
#include "wire/msg/offset_for_leader_epoch_request.h"
#include "wire/msg/offset_for_leader_epoch_response.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SHARDS 3
#define PARTS_MAX 8

static const struct api_kit_topic topic_a = {"aaa", 0xa0, 3, 1};

/* Partition 0 has records of the times 1000, 1001, 1002, twice; 1 and 2 have none. */
static void init(struct replica_kit *kit, int shards)
{
    replica_kit_init(kit, shards, NULL);
    replica_kit_add_topic(kit, &topic_a);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            replica_kit_produce(kit, "aaa", 0, replica_kit_batch(kit, 3, 10))->error_code,
            ERR_NONE);
}

struct list_request {
    struct list_offsets_request message;
    struct list_offsets_request_topics topic;
    struct list_offsets_request_topics_partitions parts[PARTS_MAX];
};

static void list_init_request(struct list_request *request)
{
    *request = (struct list_request){.message = list_offsets_request_default};
    request->topic = (struct list_offsets_request_topics){.name = slice_of_text("aaa"),
                                                          .partitions = request->parts};
    request->message.topics = &request->topic;
    request->message.topics_count = 1;
}

static void add(struct list_request *request, int32_t partition, int64_t timestamp)
{
    struct list_offsets_request_topics_partitions *part =
        &request->parts[request->topic.partitions_count++];
    *part = list_offsets_request_topics_partitions_default;
    part->partition_index = partition;
    part->timestamp = timestamp;
}

static const struct list_offsets_response_topics *ask(struct replica_kit *kit, int16_t version,
                                                      const struct list_request *request)
{
    const struct list_offsets_response *response =
        replica_kit_ask(kit, API_LIST_OFFSETS, version, &request->message);
    assert_int_equal(response->topics_count, 1);
    return &response->topics[0];
}

/* ---- ListOffsets ---- */

static void all_times_in_all_versions(void **state)
{
    (void)state;
    static const struct {
        int64_t timestamp;
        int16_t since;
        int64_t offset;
        int64_t found;
        int32_t epoch;
    } rows[] = {
        {-1, 1, 6, -1, 3},        {-2, 1, 0, -1, 3},          {-3, 7, 2, 1002, 3},
        {-4, 8, 0, -1, 3},        {-5, 9, -1, -1, -1},        {-6, 11, -1, -1, -1},
        {0, 1, 0, 1000, 3},       {1001, 1, 1, 1001, 3},      {1002, 1, 2, 1002, 3},
        {1003, 1, -1, -1, -1},    {INT64_MAX, 1, -1, -1, -1}, {-7, 99, 0, 0, 0},
        {INT64_MIN, 99, 0, 0, 0},
    };
    struct replica_kit kit;
    init(&kit, 1);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (int16_t version = 1; version <= 11; version++) {
            struct list_request request;
            list_init_request(&request);
            add(&request, 0, rows[i].timestamp);
            const struct list_offsets_response_topics_partitions *part =
                &ask(&kit, version, &request)->partitions[0];
            bool served = version >= rows[i].since;
            assert_int_equal(part->error_code, served ? ERR_NONE : ERR_UNSUPPORTED_VERSION);
            assert_int_equal(part->offset, served ? rows[i].offset : -1);
            assert_int_equal(part->timestamp, served ? rows[i].found : -1);
            assert_int_equal(part->leader_epoch, served && version >= 4 ? rows[i].epoch : -1);
        }
    replica_kit_fini(&kit);
}

static void an_empty_log(void **state)
{
    (void)state;
    static const struct {
        int64_t timestamp;
        int64_t offset;
    } rows[] = {{-1, 0}, {-2, 0}, {-3, -1}, {-4, 0}, {-5, -1}, {-6, -1}, {0, -1}};
    struct replica_kit kit;
    init(&kit, SHARDS);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct list_request request;
        list_init_request(&request);
        add(&request, 1, rows[i].timestamp);
        add(&request, 2, rows[i].timestamp);
        for (int32_t j = 0; j < 2; j++) {
            const struct list_offsets_response_topics_partitions *part =
                &ask(&kit, 11, &request)->partitions[j];
            assert_int_equal(part->error_code, ERR_NONE);
            assert_int_equal(part->offset, rows[i].offset);
            /* The one that leads, though it has no record yet. */
            assert_int_equal(part->leader_epoch, rows[i].offset < 0 ? -1 : 3);
        }
    }
    replica_kit_fini(&kit);
}

static void list_errors(void **state)
{
    (void)state;
    static const struct {
        int32_t partition;
        int64_t timestamp;
        int32_t leader_epoch;
        enum err err;
    } rows[] = {
        {0, -1, 3, ERR_NONE},
        {0, -1, 2, ERR_FENCED_LEADER_EPOCH},
        {0, -1, -2, ERR_FENCED_LEADER_EPOCH},
        {0, 5, 4, ERR_UNKNOWN_LEADER_EPOCH},
        {3, -1, -1, ERR_UNKNOWN_TOPIC_OR_PARTITION},
        {-1, -1, -1, ERR_UNKNOWN_TOPIC_OR_PARTITION},
        {9, -7, -1, ERR_UNSUPPORTED_VERSION},
    };
    struct replica_kit kit;
    init(&kit, 1);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct list_request request;
        list_init_request(&request);
        add(&request, rows[i].partition, rows[i].timestamp);
        request.parts[0].current_leader_epoch = rows[i].leader_epoch;
        const struct list_offsets_response_topics_partitions *part =
            &ask(&kit, 7, &request)->partitions[0];
        assert_int_equal(part->error_code, rows[i].err);
        assert_int_equal(part->offset, rows[i].err != ERR_NONE ? -1 : 6);
        assert_int_equal(part->leader_epoch, rows[i].err != ERR_NONE ? -1 : 3);
    }
    replica_kit_fini(&kit);
}

static void isolation(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1);
    for (int level = -1; level <= 2; level++) {
        struct list_request request;
        list_init_request(&request);
        request.message.isolation_level = (int8_t)level;
        add(&request, 0, -1);
        bool exists = level == 0 || level == 1;
        const struct list_offsets_response_topics_partitions *part =
            &ask(&kit, 7, &request)->partitions[0];
        assert_int_equal(part->error_code, exists ? ERR_NONE : ERR_INVALID_REQUEST);
        assert_int_equal(part->offset, exists ? 6 : -1);
    }
    replica_kit_fini(&kit);
}

/* A partition that is asked for more than once is refused, once. */
static void repeated(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, SHARDS);
    struct list_request request;
    list_init_request(&request);
    add(&request, 1, -1);
    add(&request, 0, -1);
    add(&request, 2, -1);
    add(&request, 0, -2);
    add(&request, 0, -1);
    const struct list_offsets_response_topics *topic = ask(&kit, 7, &request);
    assert_int_equal(topic->partitions_count, 3);
    for (int32_t i = 0; i < 3; i++)
        assert_int_equal(topic->partitions[i].error_code, topic->partitions[i].partition_index == 0
                                                              ? ERR_INVALID_REQUEST
                                                              : ERR_NONE);
    replica_kit_fini(&kit);
}

/* A topic that is named again with nothing new is answered once. */
static void named_twice(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1);
    struct list_request request;
    list_init_request(&request);
    add(&request, 0, -1);
    add(&request, 1, -1);
    struct list_offsets_request_topics topics[2] = {request.topic, request.topic};
    topics[1].partitions_count = 1;
    request.message.topics = topics;
    request.message.topics_count = 2;
    const struct list_offsets_response_topics *topic = ask(&kit, 7, &request);
    assert_int_equal(topic->partitions_count, 2);
    assert_int_equal(topic->partitions[0].error_code, ERR_INVALID_REQUEST);
    assert_int_equal(topic->partitions[1].error_code, ERR_NONE);
    replica_kit_fini(&kit);
}

static void list_nothing(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1);
    struct list_request request;
    list_init_request(&request);
    const struct list_offsets_response *response =
        replica_kit_ask(&kit, API_LIST_OFFSETS, 7, &request.message);
    assert_int_equal(response->topics_count, 0);
    replica_kit_fini(&kit);
}

/* Answered once the log is open, in the order of the request; a search goes through the worker. */
static void list_waits(void **state)
{
    struct replica_kit *kit = *state;
    replica_kit_hold_worker(kit);
    replica_kit_add_topic(kit, &topic_a);
    struct list_request request;
    list_init_request(&request);
    for (int32_t i = 2; i >= 0; i--)
        add(&request, i, i == 1 ? 5 : -1);
    struct api_exchange exchange = {
        .key = API_LIST_OFFSETS, .version = 7, .message = &request.message};
    struct api_exchange gone = exchange;
    replica_kit_begin(kit, &exchange);
    replica_kit_begin(kit, &gone);
    assert_false(replica_kit_is_done(kit, &exchange));
    replica_kit_abandon(kit, &gone);
    replica_kit_release_worker(kit);
    replica_kit_wait(kit, &exchange);
    const struct list_offsets_response *response = exchange.response;
    for (int32_t i = 0; i < 3; i++) {
        assert_int_equal(response->topics[0].partitions[i].partition_index, 2 - i);
        assert_int_equal(response->topics[0].partitions[i].error_code, ERR_NONE);
    }
}

/* ---- OffsetForLeaderEpoch ---- */

struct epoch_request {
    struct offset_for_leader_epoch_request message;
    struct offset_for_leader_epoch_request_topics topic;
    struct offset_for_leader_epoch_request_topics_partitions part;
};

static const struct offset_for_leader_epoch_response_topics_partitions *ask_epoch(
    struct replica_kit *kit, int16_t version, struct epoch_request *request)
{
    request->message = offset_for_leader_epoch_request_default;
    request->topic.topic = slice_of_text("aaa");
    request->topic.partitions = &request->part;
    request->topic.partitions_count = 1;
    request->message.topics = &request->topic;
    request->message.topics_count = 1;
    const struct offset_for_leader_epoch_response *response =
        replica_kit_ask(kit, API_OFFSET_FOR_LEADER_EPOCH, version, &request->message);
    assert_int_equal(response->topics_count, 1);
    assert_int_equal(response->topics[0].partitions_count, 1);
    return &response->topics[0].partitions[0];
}

/* Epoch 3 has the offsets 0 to 5, epoch 6 has 6 to 8, epoch 8 leads and has none yet. */
static void ends_of_epochs(void **state)
{
    (void)state;
    static const struct {
        int32_t asked;
        int32_t epoch;
        int64_t end;
    } rows[] = {
        {8, 8, 9},   {7, 6, 9},   {6, 6, 9},           {5, 3, 6},
        {3, 3, 6},   {2, 2, 0},   {0, 0, 0},           {-1, -1, -1},
        {-2, -2, 0}, {9, -1, -1}, {INT32_MAX, -1, -1}, {INT32_MIN, INT32_MIN, 0},
    };
    struct replica_kit kit;
    init(&kit, 1);
    replica_kit_lead(&kit, &(struct replica_kit_lead){0xa0, 1, 1, 6});
    (void)replica_kit_produce(&kit, "aaa", 0, replica_kit_batch(&kit, 3, 10));
    replica_kit_lead(&kit, &(struct replica_kit_lead){0xa0, 1, 1, 8});
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (int16_t version = 2; version <= 4; version++) {
            struct epoch_request request = {
                .part = {.current_leader_epoch = -1, .leader_epoch = rows[i].asked}};
            const struct offset_for_leader_epoch_response_topics_partitions *part =
                ask_epoch(&kit, version, &request);
            assert_int_equal(part->error_code, ERR_NONE);
            assert_int_equal(part->leader_epoch, rows[i].epoch);
            assert_int_equal(part->end_offset, rows[i].end);
        }
    replica_kit_fini(&kit);
}

/* A log without records: the epoch that leads begins and ends at 0. */
static void epochs_of_nothing(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, SHARDS);
    static const struct {
        int32_t asked;
        int32_t epoch;
        int64_t end;
    } rows[] = {{3, 3, 0}, {2, 2, 0}, {4, -1, -1}, {-1, -1, -1}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct epoch_request request = {
            .part = {.partition = 1, .current_leader_epoch = 3, .leader_epoch = rows[i].asked}};
        const struct offset_for_leader_epoch_response_topics_partitions *part =
            ask_epoch(&kit, 4, &request);
        assert_int_equal(part->error_code, ERR_NONE);
        assert_int_equal(part->leader_epoch, rows[i].epoch);
        assert_int_equal(part->end_offset, rows[i].end);
    }
    replica_kit_fini(&kit);
}

static void epoch_errors(void **state)
{
    (void)state;
    static const struct {
        int32_t partition;
        int32_t current;
        enum err err;
    } rows[] = {
        {0, 3, ERR_NONE},
        {0, 2, ERR_FENCED_LEADER_EPOCH},
        {0, -2, ERR_FENCED_LEADER_EPOCH},
        {0, 4, ERR_UNKNOWN_LEADER_EPOCH},
        {3, -1, ERR_UNKNOWN_TOPIC_OR_PARTITION},
        {-1, -1, ERR_UNKNOWN_TOPIC_OR_PARTITION},
    };
    struct replica_kit kit;
    init(&kit, 1);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct epoch_request request = {.part = {.partition = rows[i].partition,
                                                 .current_leader_epoch = rows[i].current,
                                                 .leader_epoch = 3}};
        const struct offset_for_leader_epoch_response_topics_partitions *part =
            ask_epoch(&kit, 4, &request);
        assert_int_equal(part->error_code, rows[i].err);
        assert_int_equal(part->partition, rows[i].partition);
        assert_int_equal(part->end_offset, rows[i].err != ERR_NONE ? -1 : 6);
    }
    replica_kit_lead(&kit, &(struct replica_kit_lead){0xa0, 1, 2, 4});
    struct epoch_request request = {.part = {.current_leader_epoch = -1, .leader_epoch = 3}};
    assert_int_equal(ask_epoch(&kit, 4, &request)->error_code, ERR_NOT_LEADER_OR_FOLLOWER);
    replica_kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_times_in_all_versions),
        cmocka_unit_test(an_empty_log),
        cmocka_unit_test(list_errors),
        cmocka_unit_test(isolation),
        cmocka_unit_test(repeated),
        cmocka_unit_test(named_twice),
        cmocka_unit_test(list_nothing),
        REPLICA_KIT_EACH(list_waits, replica_kit_set_up),
        cmocka_unit_test(ends_of_epochs),
        cmocka_unit_test(epochs_of_nothing),
        cmocka_unit_test(epoch_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
