/* DeleteRecords against real logs. Expected values are Apache Kafka 4.4.0's. */
#include "api/test/replica_kit.h"
#include "wire/msg/delete_records_request.h"
#include "wire/msg/delete_records_response.h"
#include "wire/msg/list_offsets_request.h"
#include "wire/msg/list_offsets_response.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PARTS_MAX 8
#define FOREVER_MS 3600000

static const struct api_kit_topic topic_a = {"aaa", 0xa0, 3, 1};
static const struct api_kit_topic offsets = {"__consumer_offsets", 0xb0, 1, 1};

/* Partition 0 has six records in two batches; 1 and 2 have none. */
static void fill(struct replica_kit *kit)
{
    replica_kit_add_topic(kit, &topic_a);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            replica_kit_produce(kit, "aaa", 0, replica_kit_batch(kit, 3, 10))->error_code,
            ERR_NONE);
}

static int set_up(void **state)
{
    struct replica_kit *kit = replica_kit_take(state);
    replica_kit_init(kit, kit->shard_count, NULL);
    fill(kit);
    return 0;
}

struct deletion {
    struct delete_records_request message;
    struct delete_records_request_topics topic;
    struct delete_records_request_topics_partitions parts[PARTS_MAX];
};

static void begin(struct deletion *deletion, const char *topic)
{
    *deletion = (struct deletion){.message = delete_records_request_default};
    deletion->topic = (struct delete_records_request_topics){.name = slice_of_text(topic),
                                                             .partitions = deletion->parts};
    deletion->message.topics = &deletion->topic;
    deletion->message.topics_count = 1;
    deletion->message.timeout_ms = 1000;
}

static void add(struct deletion *deletion, int32_t partition, int64_t offset)
{
    deletion->parts[deletion->topic.partitions_count++] =
        (struct delete_records_request_topics_partitions){.partition_index = partition,
                                                          .offset = offset};
}

static const struct delete_records_response_topics *ask(struct replica_kit *kit, int16_t version,
                                                        const struct deletion *deletion)
{
    const struct delete_records_response *response =
        replica_kit_ask(kit, API_DELETE_RECORDS, version, &deletion->message);
    assert_int_equal(response->throttle_time_ms, 0);
    assert_int_equal(response->topics_count, 1);
    assert_true(slice_equal(response->topics[0].name, deletion->topic.name));
    return &response->topics[0];
}

/* Of one partition. */
static void expect(struct replica_kit *kit, int64_t offset, enum err err, int64_t low_watermark)
{
    for (int16_t version = 0; version <= 2; version++) {
        struct deletion deletion;
        begin(&deletion, "aaa");
        add(&deletion, 0, offset);
        const struct delete_records_response_topics *topic = ask(kit, version, &deletion);
        assert_int_equal(topic->partitions_count, 1);
        assert_int_equal(topic->partitions[0].error_code, err);
        assert_int_equal(topic->partitions[0].low_watermark, low_watermark);
    }
}

static int64_t earliest(struct replica_kit *kit)
{
    struct list_offsets_request_topics_partitions part =
        list_offsets_request_topics_partitions_default;
    part.timestamp = -2;
    struct list_offsets_request_topics topic = {
        .name = slice_of_text("aaa"), .partitions = &part, .partitions_count = 1};
    struct list_offsets_request message = list_offsets_request_default;
    message.topics = &topic;
    message.topics_count = 1;
    const struct list_offsets_response *response =
        replica_kit_ask(kit, API_LIST_OFFSETS, 5, &message);
    return response->topics[0].partitions[0].offset;
}

static void offsets_of_all_kinds(void **state)
{
    struct replica_kit *kit = *state;
    expect(kit, 0, ERR_NONE, 0);
    expect(kit, 1, ERR_NONE, 1); /* within a batch */
    assert_int_equal(earliest(kit), 1);
    expect(kit, 7, ERR_OFFSET_OUT_OF_RANGE, -1);
    expect(kit, -2, ERR_OFFSET_OUT_OF_RANGE, -1);
    expect(kit, INT64_MAX, ERR_OFFSET_OUT_OF_RANGE, -1);
    expect(kit, INT64_MIN, ERR_OFFSET_OUT_OF_RANGE, -1);
    expect(kit, 4, ERR_NONE, 4);
    expect(kit, 3, ERR_NONE, 4); /* it was gone */
    expect(kit, -1, ERR_NONE, 6);
    assert_int_equal(earliest(kit), 6);
    expect(kit, 6, ERR_NONE, 6);
    assert_int_equal(replica_kit_produce(kit, "aaa", 0, replica_kit_batch(kit, 1, 1))->base_offset,
                     6);
}

static void partitions_of_all_kinds(void **state)
{
    struct replica_kit *kit = *state;
    struct deletion deletion;
    begin(&deletion, "aaa");
    add(&deletion, 2, -1);
    add(&deletion, 0, 5);
    add(&deletion, 3, 0);
    add(&deletion, -1, 0);
    add(&deletion, 0, 2); /* the last word counts */
    const struct delete_records_response_topics *topic = ask(kit, 2, &deletion);
    static const struct {
        int32_t partition;
        enum err err;
        int64_t low_watermark;
    } rows[] = {{-1, ERR_UNKNOWN_TOPIC_OR_PARTITION, -1},
                {0, ERR_NONE, 2},
                {2, ERR_NONE, 0},
                {3, ERR_UNKNOWN_TOPIC_OR_PARTITION, -1}};
    assert_int_equal(topic->partitions_count, COUNT_OF(rows));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(topic->partitions[i].partition_index, rows[i].partition);
        assert_int_equal(topic->partitions[i].error_code, rows[i].err);
        assert_int_equal(topic->partitions[i].low_watermark, rows[i].low_watermark);
    }
    begin(&deletion, "bbb");
    add(&deletion, 0, 0);
    assert_int_equal(ask(kit, 2, &deletion)->partitions[0].error_code,
                     ERR_UNKNOWN_TOPIC_OR_PARTITION);
    deletion.topic.partitions_count = 0;
    const struct delete_records_response *none =
        replica_kit_ask(kit, API_DELETE_RECORDS, 2, &deletion.message);
    assert_int_equal(none->topics_count, 0);
}

static void not_of_internal_topics(void **state)
{
    struct replica_kit *kit = *state;
    struct deletion deletion;
    replica_kit_add_topic(kit, &offsets);
    begin(&deletion, "__consumer_offsets");
    add(&deletion, 0, 0);
    assert_int_equal(ask(kit, 2, &deletion)->partitions[0].error_code, ERR_INVALID_TOPIC_EXCEPTION);
}

static void only_by_the_leader(void **state)
{
    struct replica_kit *kit = *state;
    replica_kit_lead(kit, &(struct replica_kit_lead){
                              .id = 0xa0, .partitions = 3, .leader = 2, .leader_epoch = 9});
    expect(kit, 1, ERR_NOT_LEADER_OR_FOLLOWER, -1);
}

static void where_the_policy_has_it(void **state)
{
    (void)state;
    static const struct {
        const char *setting;
        enum err err;
    } rows[] = {{"log.cleanup.policy=compact", ERR_POLICY_VIOLATION},
                {"log.cleanup.policy=compact,delete", ERR_NONE},
                {"log.cleanup.policy=delete", ERR_NONE},
                {"log.cleanup.policy=", ERR_NONE}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct replica_kit kit;
        const char *const settings[] = {rows[i].setting, NULL};
        replica_kit_init(&kit, 1, settings);
        replica_kit_add_topic(&kit, &topic_a);
        expect(&kit, 0, rows[i].err, rows[i].err == ERR_NONE ? 0 : -1);
        replica_kit_fini(&kit);
    }
}

/* Who reads hears of it at once: the next fetch, and one that waits. */
static void readers_hear_of_it(void **state)
{
    struct replica_kit *kit = *state;
    struct replica_kit_fetch fetch;
    replica_kit_fetch_init(&fetch, "aaa", 1);
    fetch.parts[0].fetch_offset = 3;
    fetch.message.max_wait_ms = FOREVER_MS;
    fetch.message.min_bytes = 1000000;
    struct api_exchange parked = {.key = API_FETCH, .version = 12, .message = &fetch.message};
    replica_kit_begin(kit, &parked);
    assert_false(replica_kit_is_done(kit, &parked));
    expect(kit, 2, ERR_NONE, 2);
    assert_false(replica_kit_is_done(kit, &parked));
    expect(kit, 4, ERR_NONE, 4);
    replica_kit_wait(kit, &parked);
    const struct fetch_response *response = parked.response;
    const struct fetch_response_responses_partitions *part = &response->responses[0].partitions[0];
    assert_int_equal(part->error_code, ERR_OFFSET_OUT_OF_RANGE);
    struct replica_kit_fetch next;
    replica_kit_fetch_init(&next, "aaa", 1);
    next.parts[0].fetch_offset = 4;
    response = replica_kit_ask(kit, API_FETCH, 12, &next.message);
    part = &response->responses[0].partitions[0];
    assert_int_equal(part->error_code, ERR_NONE);
    assert_int_equal(part->log_start_offset, 4);
    assert_int_equal(
        replica_kit_produce(kit, "aaa", 0, replica_kit_batch(kit, 1, 1))->log_start_offset, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REPLICA_KIT_EACH(offsets_of_all_kinds, set_up),
        REPLICA_KIT_EACH(partitions_of_all_kinds, set_up),
        REPLICA_KIT_EACH(not_of_internal_topics, set_up),
        REPLICA_KIT_EACH(only_by_the_leader, set_up),
        cmocka_unit_test(where_the_policy_has_it),
        REPLICA_KIT_EACH(readers_hear_of_it, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
