/* Fetch against real logs: limits, waiting, sessions, epochs, topic ids, transactions that were
 * taken back, and replicas that open, end or are out of order. Expected values are Apache Kafka
 * 4.4.0's. */
#include "api/test/replica_kit.h"
#include "base/bytes.h"
#include "sys/dir.h"
#include "sys/file.h"
#include "wire/batch_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define FOREVER_MS INT32_MAX
#define SHARDS 3

static const struct api_kit_topic topic_a = {"aaa", 0xa0, 3, 1};

static void init(struct replica_kit *kit, int shards)
{
    replica_kit_init(kit, shards, NULL);
    replica_kit_add_topic(kit, &topic_a);
}

static int with_topic(void **state)
{
    struct replica_kit *kit = replica_kit_take(state);
    init(kit, kit->shard_count);
    return 0;
}

/* `batches` batches of one record of 100 bytes; a batch then has 61 + 110 bytes. */
static void fill(struct replica_kit *kit, int32_t partition, int batches)
{
    for (int i = 0; i < batches; i++)
        assert_int_equal(
            replica_kit_produce(kit, "aaa", partition, replica_kit_batch(kit, 1, 100))->error_code,
            ERR_NONE);
}

static const struct fetch_response *ask(struct replica_kit *kit, int16_t version,
                                        const struct replica_kit_fetch *fetch)
{
    return replica_kit_ask(kit, API_FETCH, version, &fetch->message);
}

static const struct fetch_response_responses_partitions *part_of(
    const struct fetch_response *response, int32_t partition)
{
    static const struct fetch_response_responses_partitions none;
    for (int32_t i = 0; i < response->responses_count; i++)
        for (int32_t j = 0; j < response->responses[i].partitions_count; j++)
            if (response->responses[i].partitions[j].partition_index == partition)
                return &response->responses[i].partitions[j];
    fail_msg("partition %d is not in the answer", partition);
    return &none;
}

static size_t bytes_of(const struct fetch_response *response, int32_t partition)
{
    return part_of(response, partition)->records.bytes.size;
}

static int parts_in(const struct fetch_response *response)
{
    int count = 0;
    for (int32_t i = 0; i < response->responses_count; i++)
        count += response->responses[i].partitions_count;
    return count;
}

static size_t batch_size(struct replica_kit *kit)
{
    return replica_kit_batch(kit, 1, 100).size;
}

/* ---- what is there ---- */

static void all_versions(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1);
    fill(&kit, 0, 2);
    struct replica_kit_fetch fetch;
    replica_kit_fetch_init(&fetch, "aaa", 1);
    for (int16_t version = 4; version <= 18; version++) {
        fetch.topic.topic = version < 13 ? slice_of_text("aaa") : slice_of_text("");
        fetch.topic.topic_id = version < 13 ? uuid_zero : api_kit_id(0xa0);
        fetch.message.session_epoch = version < 7 ? fetch_request_default.session_epoch : -1;
        const struct fetch_response *response = ask(&kit, version, &fetch);
        const struct fetch_response_responses_partitions *part = part_of(response, 0);
        assert_int_equal(response->error_code, ERR_NONE);
        assert_int_equal(response->session_id, 0);
        assert_int_equal(part->error_code, ERR_NONE);
        assert_int_equal(part->high_watermark, 2);
        assert_int_equal(part->last_stable_offset, 2);
        assert_int_equal(part->log_start_offset, version >= 5 ? 0 : -1);
        assert_int_equal(part->aborted_transactions_count, -1);
        assert_int_equal(part->records.bytes.size, 2 * batch_size(&kit));
        assert_int_equal(load_i64(part->records.bytes.data), 0);
        assert_true(uuid_equal(response->responses[0].topic_id, fetch.topic.topic_id));
    }
    replica_kit_fini(&kit);
}

/* The first batch is always whole; later ones and later partitions take what is left, and may be
 * cut, but not before their first batch ends. */
static void limits(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1);
    for (int32_t i = 0; i < 3; i++)
        fill(&kit, i, 3);
    int32_t one = (int32_t)batch_size(&kit);
    const struct {
        int32_t size_max;
        int32_t partition_max;
        int32_t sizes[3];
    } rows[] = {
        {1 << 20, 1 << 20, {3 * one, 3 * one, 3 * one}},
        {1 << 20, 1, {one, 0, 0}},
        {1 << 20, one, {one, one, one}},
        {1 << 20, one + 7, {one + 7, one + 7, one + 7}},
        {1, 1 << 20, {one, 0, 0}},
        {0, 0, {one, 0, 0}},
        {-1, -1, {one, 0, 0}},
        {one + 20, 1 << 20, {one + 20, 0, 0}},
        {4 * one, 1 << 20, {3 * one, one, 0}},
        {4 * one - 1, 1 << 20, {3 * one, 0, 0}},
        {5 * one + 9, 1 << 20, {3 * one, 2 * one + 9, 0}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct replica_kit_fetch fetch;
        replica_kit_fetch_init(&fetch, "aaa", 3);
        fetch.message.max_bytes = rows[i].size_max;
        for (int j = 0; j < 3; j++)
            fetch.parts[j].partition_max_bytes = rows[i].partition_max;
        const struct fetch_response *response = ask(&kit, 12, &fetch);
        for (int32_t j = 0; j < 3; j++) {
            assert_int_equal(bytes_of(response, j), rows[i].sizes[j]);
            assert_int_equal(part_of(response, j)->high_watermark, 3);
        }
    }
    replica_kit_fini(&kit);
}

static void errors(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1);
    fill(&kit, 0, 3);
    static const struct {
        int32_t partition;
        int64_t offset;
        int32_t leader_epoch;
        int32_t last_epoch;
        int32_t replica_id;
        enum err err;
        int64_t high_watermark;
    } rows[] = {
        {0, 3, -1, -1, -1, ERR_NONE, 3},
        {0, 4, -1, -1, -1, ERR_OFFSET_OUT_OF_RANGE, -1},
        {0, -1, -1, -1, -1, ERR_OFFSET_OUT_OF_RANGE, -1},
        {0, INT64_MAX, -1, -1, -1, ERR_OFFSET_OUT_OF_RANGE, -1},
        {3, 0, -1, -1, -1, ERR_UNKNOWN_TOPIC_OR_PARTITION, -1},
        {-1, 0, -1, -1, -1, ERR_UNKNOWN_TOPIC_OR_PARTITION, -1},
        {0, 0, 3, -1, -1, ERR_NONE, 3},
        {0, 0, 2, -1, -1, ERR_FENCED_LEADER_EPOCH, -1},
        {0, 0, 4, -1, -1, ERR_UNKNOWN_LEADER_EPOCH, -1},
        {0, 0, -2, -1, -1, ERR_NONE, 3},
        {0, 3, -1, 3, -1, ERR_NONE, 3},
        {0, 3, -1, 4, -1, ERR_OFFSET_OUT_OF_RANGE, -1},
        {0, 0, -1, -1, 5, ERR_NOT_LEADER_OR_FOLLOWER, -1},
        {0, 0, -1, -1, 1, ERR_NOT_LEADER_OR_FOLLOWER, -1},
        {0, 0, -1, -1, -2, ERR_NONE, 3},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct replica_kit_fetch fetch;
        replica_kit_fetch_init(&fetch, "aaa", 1);
        fetch.message.replica_id = rows[i].replica_id;
        fetch.message.max_wait_ms = rows[i].err != ERR_NONE ? FOREVER_MS : 0; /* not waited for */
        fetch.parts[0].partition = rows[i].partition;
        fetch.parts[0].fetch_offset = rows[i].offset;
        fetch.parts[0].current_leader_epoch = rows[i].leader_epoch;
        fetch.parts[0].last_fetched_epoch = rows[i].last_epoch;
        const struct fetch_response *response = ask(&kit, 12, &fetch);
        const struct fetch_response_responses_partitions *part =
            part_of(response, rows[i].partition);
        assert_int_equal(part->error_code, rows[i].err);
        assert_int_equal(part->high_watermark, rows[i].high_watermark);
        assert_int_equal(part->diverging_epoch.epoch, -1);
        if (rows[i].err != ERR_NONE)
            assert_int_equal(part->records.bytes.size, 0);
    }
    replica_kit_fini(&kit);
}

static void topic_ids(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1);
    fill(&kit, 0, 1);
    const struct {
        struct uuid id;
        enum err err;
    } rows[] = {{api_kit_id(0xa0), ERR_NONE},
                {api_kit_id(0xa1), ERR_UNKNOWN_TOPIC_ID},
                {uuid_zero, ERR_UNKNOWN_TOPIC_ID}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct replica_kit_fetch fetch;
        replica_kit_fetch_init(&fetch, "", 1);
        fetch.topic.topic_id = rows[i].id;
        const struct fetch_response *response = ask(&kit, 13, &fetch);
        assert_int_equal(response->error_code, ERR_NONE);
        assert_int_equal(part_of(response, 0)->error_code, rows[i].err);
    }
    replica_kit_fini(&kit);
}

/* A fetcher whose log parted from this one is told where, whatever its offset is. */
static void divergence(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1);
    fill(&kit, 0, 3); /* epoch 3 */
    replica_kit_lead(&kit, &(struct replica_kit_lead){0xa0, 1, 1, 6});
    static const struct {
        int64_t offset;
        int32_t last_epoch;
        int32_t epoch; /* -1: none */
        int64_t end;
    } rows[] = {
        {3, 3, -1, -1}, {99, 3, 3, 3}, {2, 3, -1, -1}, {2, 5, 3, 3},
        {3, 6, -1, -1}, {4, 6, 6, 3},  {0, 0, -1, -1}, {1, 0, 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct replica_kit_fetch fetch;
        replica_kit_fetch_init(&fetch, "aaa", 1);
        fetch.parts[0].fetch_offset = rows[i].offset;
        fetch.parts[0].last_fetched_epoch = rows[i].last_epoch;
        const struct fetch_response *response = ask(&kit, 12, &fetch);
        const struct fetch_response_responses_partitions *part = part_of(response, 0);
        assert_int_equal(part->error_code, ERR_NONE);
        assert_int_equal(part->high_watermark, 3);
        assert_int_equal(part->diverging_epoch.epoch, rows[i].epoch);
        assert_int_equal(part->diverging_epoch.end_offset, rows[i].end);
        if (rows[i].epoch >= 0)
            assert_int_equal(part->records.bytes.size, 0);
    }
    replica_kit_fini(&kit);
}

static void no_such_isolation(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1);
    struct replica_kit_fetch fetch;
    replica_kit_fetch_init(&fetch, "aaa", 2);
    fetch.message.isolation_level = 2;
    const struct fetch_response *response = ask(&kit, 12, &fetch);
    assert_int_equal(response->error_code, ERR_INVALID_REQUEST);
    assert_int_equal(part_of(response, 1)->error_code, ERR_INVALID_REQUEST);
    fetch.topic = (struct fetch_request_topics){
        .topic_id = api_kit_id(0xa0), .partitions = fetch.parts, .partitions_count = 2};
    response = ask(&kit, 13, &fetch);
    assert_int_equal(response->error_code, ERR_INVALID_REQUEST);
    assert_int_equal(response->responses_count, 0);
    replica_kit_fini(&kit);
}

/* ---- waiting ---- */

static struct api_exchange waiting(struct replica_kit_fetch *fetch)
{
    fetch->message.max_wait_ms = FOREVER_MS;
    return (struct api_exchange){.key = API_FETCH, .version = 12, .message = &fetch->message};
}

static void an_append_wakes(void **state)
{
    struct replica_kit *kit = *state;
    for (int32_t i = 0; i < 3; i++) {
        struct replica_kit_fetch fetch;
        replica_kit_fetch_init(&fetch, "aaa", 3);
        for (int32_t j = 0; j < i; j++)
            fetch.parts[j].fetch_offset = 1;
        struct api_exchange exchange = waiting(&fetch);
        replica_kit_begin(kit, &exchange);
        assert_false(replica_kit_is_done(kit, &exchange));
        fill(kit, i, 1);
        replica_kit_wait(kit, &exchange);
        const struct fetch_response *response = exchange.response;
        assert_int_equal(bytes_of(response, i), batch_size(kit));
        assert_int_equal(part_of(response, i)->high_watermark, 1);
    }
}

/* Appends that are not enough leave it waiting; then it gets all of them. */
static void min_bytes(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, SHARDS);
    struct replica_kit_fetch fetch;
    replica_kit_fetch_init(&fetch, "aaa", 3);
    fetch.message.min_bytes = (int32_t)(3 * batch_size(&kit));
    struct api_exchange exchange = waiting(&fetch);
    replica_kit_begin(&kit, &exchange);
    fill(&kit, 0, 1);
    fill(&kit, 1, 1);
    assert_false(replica_kit_is_done(&kit, &exchange));
    fill(&kit, 2, 1);
    replica_kit_wait(&kit, &exchange);
    for (int32_t i = 0; i < 3; i++)
        assert_int_equal(bytes_of(exchange.response, i), batch_size(&kit));
    replica_kit_fini(&kit);
}

/* More than max_bytes can never come: what max_bytes allows is enough. */
static void min_bytes_beyond_max_bytes(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1);
    fill(&kit, 0, 1);
    struct replica_kit_fetch fetch;
    replica_kit_fetch_init(&fetch, "aaa", 1);
    fetch.message.min_bytes = INT32_MAX;
    fetch.message.max_bytes = 10;
    struct api_exchange exchange = waiting(&fetch);
    replica_kit_begin(&kit, &exchange);
    replica_kit_wait(&kit, &exchange);
    assert_int_equal(bytes_of(exchange.response, 0), batch_size(&kit));
    replica_kit_fini(&kit);
}

static void time_is_up(void **state)
{
    struct replica_kit *kit = *state;
    struct replica_kit_fetch fetch;
    replica_kit_fetch_init(&fetch, "aaa", 3);
    fetch.message.max_wait_ms = 1;
    const struct fetch_response *response = ask(kit, 12, &fetch);
    assert_int_equal(parts_in(response), 3);
    for (int32_t i = 0; i < 3; i++)
        assert_int_equal(bytes_of(response, i), 0);
}

/* Nothing asked for, nothing to wait for. */
static void of_nothing(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1);
    struct replica_kit_fetch fetch;
    replica_kit_fetch_init(&fetch, "aaa", 0);
    fetch.message.topics_count = 0;
    fetch.message.max_wait_ms = FOREVER_MS;
    assert_int_equal(ask(&kit, 12, &fetch)->responses_count, 0);
    replica_kit_fini(&kit);
}

/* The connection ends while it waits, on one shard or on several; others go on. */
static void abandoned(void **state)
{
    struct replica_kit *kit = *state;
    struct replica_kit_fetch fetches[4];
    struct api_exchange exchanges[4];
    for (int i = 0; i < 4; i++) {
        replica_kit_fetch_init(&fetches[i], "aaa", 3);
        exchanges[i] = waiting(&fetches[i]);
        replica_kit_begin(kit, &exchanges[i]);
    }
    replica_kit_abandon(kit, &exchanges[0]);
    replica_kit_abandon(kit, &exchanges[2]);
    fill(kit, 1, 1);
    replica_kit_wait(kit, &exchanges[1]);
    replica_kit_wait(kit, &exchanges[3]);
    assert_int_equal(bytes_of(exchanges[3].response, 1), batch_size(kit));
    assert_false(exchanges[0].answered);
}

/* Its topic is deleted, or its leader moves: told at once, with the leader where a version can. */
static void the_replica_ends(void **state)
{
    struct replica_kit *kit = *state;
    struct replica_kit_fetch fetch;
    replica_kit_fetch_init(&fetch, "aaa", 3);
    struct api_exchange exchange = waiting(&fetch);
    replica_kit_begin(kit, &exchange);
    replica_kit_lead(kit, &(struct replica_kit_lead){0xa0, 1, 2, 4});
    replica_kit_wait(kit, &exchange);
    assert_int_equal(part_of(exchange.response, 0)->error_code, ERR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(part_of(exchange.response, 1)->error_code, ERR_NONE);
    fetch.topic.topic = slice_of_text("");
    fetch.topic.topic_id = api_kit_id(0xa0);
    const struct fetch_response *response = ask(kit, 16, &fetch);
    assert_int_equal(part_of(response, 0)->current_leader.leader_id, 2);
    assert_int_equal(part_of(response, 0)->current_leader.leader_epoch, 4);
    replica_kit_fetch_init(&fetch, "aaa", 3);
    fetch.parts[0].partition = 2;
    fetch.topic.partitions_count = 2; /* partitions 2 and 1 */
    exchange = waiting(&fetch);
    replica_kit_begin(kit, &exchange);
    replica_kit_remove_topic(kit, 0xa0);
    replica_kit_wait(kit, &exchange);
    /* The shards hear of it one after the other: the first that does is enough. */
    int ended = 0;
    for (int32_t i = 1; i <= 2; i++)
        ended += part_of(exchange.response, i)->error_code == ERR_NOT_LEADER_OR_FOLLOWER;
    assert_true(ended > 0);
    response = ask(kit, 12, &fetch);
    assert_int_equal(part_of(response, 1)->error_code, ERR_UNKNOWN_TOPIC_OR_PARTITION);
}

/* Requests for a log that is being opened wait for it. */
static void opening_makes_wait(void **state)
{
    struct replica_kit *kit = *state;
    replica_kit_hold_worker(kit);
    replica_kit_add_topic(kit, &topic_a);
    struct replica_kit_fetch fetch;
    replica_kit_fetch_init(&fetch, "aaa", 3);
    struct api_exchange exchange = {.key = API_FETCH, .version = 12, .message = &fetch.message};
    replica_kit_begin(kit, &exchange);
    assert_false(replica_kit_is_done(kit, &exchange));
    replica_kit_release_worker(kit);
    replica_kit_wait(kit, &exchange);
    for (int32_t i = 0; i < 3; i++)
        assert_int_equal(part_of(exchange.response, i)->error_code, ERR_NONE);
}

/* What stands where the log should be is no folder. */
static void a_log_that_cannot_be_opened(void **state)
{
    (void)state;
    struct replica_kit kit;
    replica_kit_init(&kit, 1, NULL);
    int fd = sys_file_open(kit.dir.fd, "aaa-1", SYS_OPEN_CREATE | SYS_OPEN_WRITE);
    assert_true(fd >= 0);
    sys_file_close(fd);
    replica_kit_add_topic(&kit, &topic_a);
    struct replica_kit_fetch fetch;
    replica_kit_fetch_init(&fetch, "aaa", 3);
    const struct fetch_response *response = ask(&kit, 12, &fetch);
    assert_int_equal(part_of(response, 0)->error_code, ERR_NONE);
    assert_int_equal(part_of(response, 1)->error_code, ERR_KAFKA_STORAGE_ERROR);
    assert_int_equal(part_of(response, 2)->error_code, ERR_NONE);
    assert_int_equal(replica_kit_produce(&kit, "aaa", 1, replica_kit_batch(&kit, 1, 1))->error_code,
                     ERR_KAFKA_STORAGE_ERROR);
    replica_kit_fini(&kit);
}

/* ---- sessions ---- */

static const struct fetch_response *next_of(struct replica_kit *kit,
                                            struct replica_kit_fetch *fetch, int32_t session_id,
                                            int32_t epoch)
{
    fetch->message.session_id = session_id;
    fetch->message.session_epoch = epoch;
    return ask(kit, 12, fetch);
}

static void a_session(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, SHARDS);
    fill(&kit, 1, 1);
    struct replica_kit_fetch fetch;
    replica_kit_fetch_init(&fetch, "aaa", 3);
    const struct fetch_response *response = next_of(&kit, &fetch, 0, 0);
    int32_t id = response->session_id;
    assert_int_not_equal(id, 0);
    assert_int_equal(parts_in(response), 3);
    /* From now on only what changed. */
    fetch.topic.partitions_count = 1;
    fetch.parts[0].partition = 1;
    fetch.parts[0].fetch_offset = 1;
    response = next_of(&kit, &fetch, id, 1);
    assert_int_equal(response->session_id, id);
    assert_int_equal(response->responses_count, 0);
    fill(&kit, 2, 1);
    fetch.message.topics_count = 0;
    response = next_of(&kit, &fetch, id, 2);
    assert_int_equal(parts_in(response), 1);
    assert_int_equal(bytes_of(response, 2), batch_size(&kit));
    /* Forgotten: no word of it any more. */
    int32_t forgotten = 2;
    struct fetch_request_forgotten_topics_data of_topic = {
        .topic = slice_of_text("aaa"), .partitions = &forgotten, .partitions_count = 1};
    fetch.message.forgotten_topics_data = &of_topic;
    fetch.message.forgotten_topics_data_count = 1;
    assert_int_equal(next_of(&kit, &fetch, id, 3)->responses_count, 0);
    fetch.message.forgotten_topics_data_count = 0;
    /* The wrong epoch, one that was used, a session nobody knows. */
    assert_int_equal(next_of(&kit, &fetch, id, 9)->error_code, ERR_INVALID_FETCH_SESSION_EPOCH);
    assert_int_equal(next_of(&kit, &fetch, id, 3)->error_code, ERR_INVALID_FETCH_SESSION_EPOCH);
    assert_int_equal(next_of(&kit, &fetch, id + 1, 1)->error_code, ERR_FETCH_SESSION_ID_NOT_FOUND);
    assert_int_equal(next_of(&kit, &fetch, id, 4)->error_code, ERR_NONE);
    /* Its end. */
    assert_int_equal(next_of(&kit, &fetch, id, -1)->session_id, 0);
    assert_int_equal(next_of(&kit, &fetch, id, 5)->error_code, ERR_FETCH_SESSION_ID_NOT_FOUND);
    replica_kit_fini(&kit);
}

/* What is unknown is answered behind the rest, and in each answer until it is known. */
static void unknown_ones_are_last(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1);
    fill(&kit, 1, 1);
    struct replica_kit_fetch fetch;
    replica_kit_fetch_init(&fetch, "aaa", 2);
    fetch.parts[0].partition = 7;
    const struct fetch_response *response = next_of(&kit, &fetch, 0, 0);
    assert_int_equal(response->responses[0].partitions[0].partition_index, 1);
    assert_int_equal(response->responses[0].partitions[1].partition_index, 7);
    fetch.message.topics_count = 0;
    for (int32_t epoch = 1; epoch <= 3; epoch++) {
        response = next_of(&kit, &fetch, response->session_id, epoch);
        assert_int_equal(part_of(response, 1)->error_code, ERR_NONE);
        assert_int_equal(part_of(response, 7)->error_code, ERR_UNKNOWN_TOPIC_OR_PARTITION);
        assert_int_equal(response->responses[0].partitions[1].partition_index, 7);
    }
    replica_kit_fini(&kit);
}

/* One that is still waiting holds its session: the next of that session is refused. */
static void one_request_a_session(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1);
    struct replica_kit_fetch fetch;
    replica_kit_fetch_init(&fetch, "aaa", 3);
    int32_t id = next_of(&kit, &fetch, 0, 0)->session_id;
    fetch.message.session_id = id;
    fetch.message.session_epoch = 1;
    struct api_exchange exchange = waiting(&fetch);
    replica_kit_begin(&kit, &exchange);
    struct replica_kit_fetch second = fetch;
    second.message.topics_count = 0;
    second.message.max_wait_ms = 0;
    assert_int_equal(next_of(&kit, &second, id, 2)->error_code, ERR_INVALID_FETCH_SESSION_EPOCH);
    /* A full one under its id ends it, and what waits is still answered. */
    second.message.topics_count = 1;
    second.message.topics = &second.topic;
    assert_int_not_equal(next_of(&kit, &second, id, 0)->session_id, id);
    fill(&kit, 0, 1);
    replica_kit_wait(&kit, &exchange);
    assert_int_equal(bytes_of(exchange.response, 0), batch_size(&kit));
    replica_kit_fini(&kit);
}

/* ---- transactions that were taken back ---- */

static struct slice transaction_batch(struct batch_builder *builder, int64_t base_offset,
                                      int64_t producer_id, bool control)
{
    static const uint8_t abort_key[4];
    static const uint8_t abort_value[6];
    struct batch_builder_options options = batch_builder_defaults();
    options.base_offset = base_offset;
    options.producer_id = producer_id;
    options.producer_epoch = 0;
    options.base_sequence = control ? BATCH_NO_SEQUENCE : (int32_t)base_offset;
    options.partition_leader_epoch = 3;
    options.transactional = true;
    options.control = control;
    batch_builder_begin(builder, &options);
    struct batch_record record = {.timestamp = 1000, .value = slice_of_text("v")};
    if (control) {
        record.key = slice_of(abort_key, sizeof abort_key);
        record.value = slice_of(abort_value, sizeof abort_value);
    }
    batch_builder_add(builder, &record);
    return batch_builder_finish(builder, NULL);
}

static int create(const struct replica_kit *kit, int32_t partition, const char *suffix)
{
    char name[64];
    (void)snprintf(name, sizeof name, "aaa-%d/00000000000000000000.%s", partition, suffix);
    int fd = sys_file_open(kit->dir.fd, name, SYS_OPEN_CREATE | SYS_OPEN_WRITE);
    assert_true(fd >= 0);
    return fd;
}

static void write_index(const struct replica_kit *kit, int32_t partition)
{
    uint8_t entries[2][34] = {{0}};
    int fd = create(kit, partition, "txnindex");
    for (int64_t i = 0; i < 2; i++) {
        store_i64(entries[i] + 2, 70 + i);
        store_i64(entries[i] + 10, 2 * i);
        store_i64(entries[i] + 18, 2 * i + 1);
        store_i64(entries[i] + 26, 2 * i + 2);
    }
    assert_int_equal(sys_file_write_at(fd, slice_of(entries, sizeof entries), 0), 0);
    sys_file_close(fd);
}

/* Two transactions that were aborted: producer 70 with offset 0, producer 71 with offset 2. */
static void write_aborted(const struct replica_kit *kit, int32_t partition)
{
    char name[64];
    struct batch_builder builder;
    (void)snprintf(name, sizeof name, "aaa-%d", partition);
    assert_int_equal(sys_dir_make(kit->dir.fd, name), 0);
    write_index(kit, partition);
    int fd = create(kit, partition, "log");
    int64_t position = 0;
    batch_builder_init(&builder);
    for (int64_t offset = 0; offset < 4; offset++) {
        struct slice batch = transaction_batch(&builder, offset, 70 + offset / 2, offset % 2 == 1);
        assert_int_equal(sys_file_write_at(fd, batch, position), 0);
        position += (int64_t)batch.size;
    }
    batch_builder_fini(&builder);
    sys_file_close(fd);
}

static void check_aborted(const struct fetch_response_responses_partitions *part, int64_t offset)
{
    int32_t skipped = offset > 1 ? 1 : 0;
    assert_int_equal(part->error_code, ERR_NONE);
    assert_int_equal(part->last_stable_offset, 4);
    assert_int_equal(part->aborted_transactions_count, 2 - skipped);
    for (int32_t i = skipped; i < 2; i++) {
        assert_int_equal(part->aborted_transactions[i - skipped].producer_id, 70 + i);
        assert_int_equal(part->aborted_transactions[i - skipped].first_offset, 2 * i);
    }
}

static void aborted_transactions(void **state)
{
    struct replica_kit *kit = *state;
    for (int32_t i = 0; i < 3; i++)
        write_aborted(kit, i);
    replica_kit_add_topic(kit, &topic_a);
    for (int64_t offset = 0; offset < 4; offset++) {
        struct replica_kit_fetch fetch;
        replica_kit_fetch_init(&fetch, "aaa", 3);
        for (int32_t i = 0; i < 3; i++)
            fetch.parts[i].fetch_offset = offset;
        const struct fetch_response *response = ask(kit, 12, &fetch);
        assert_int_equal(part_of(response, 1)->aborted_transactions_count, -1);
        fetch.message.isolation_level = 1;
        response = ask(kit, 12, &fetch);
        for (int32_t i = 0; i < 3; i++)
            check_aborted(part_of(response, i), offset);
    }
}

/* Nothing to read: an empty list, not none. */
static void committed_only_at_the_end(void **state)
{
    (void)state;
    struct replica_kit kit;
    init(&kit, 1);
    struct replica_kit_fetch fetch;
    replica_kit_fetch_init(&fetch, "aaa", 1);
    fetch.message.isolation_level = 1;
    assert_int_equal(part_of(ask(&kit, 12, &fetch), 0)->aborted_transactions_count, 0);
    replica_kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_versions),
        cmocka_unit_test(limits),
        cmocka_unit_test(errors),
        cmocka_unit_test(topic_ids),
        cmocka_unit_test(divergence),
        cmocka_unit_test(no_such_isolation),
        REPLICA_KIT_EACH(an_append_wakes, with_topic),
        cmocka_unit_test(min_bytes),
        cmocka_unit_test(min_bytes_beyond_max_bytes),
        REPLICA_KIT_EACH(time_is_up, with_topic),
        cmocka_unit_test(of_nothing),
        REPLICA_KIT_EACH(abandoned, with_topic),
        REPLICA_KIT_EACH(the_replica_ends, with_topic),
        REPLICA_KIT_EACH(opening_makes_wait, replica_kit_set_up),
        cmocka_unit_test(a_log_that_cannot_be_opened),
        cmocka_unit_test(a_session),
        cmocka_unit_test(unknown_ones_are_last),
        cmocka_unit_test(one_request_a_session),
        REPLICA_KIT_EACH(aborted_transactions, replica_kit_set_up),
        cmocka_unit_test(committed_only_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
