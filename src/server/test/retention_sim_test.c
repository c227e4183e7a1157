/* Records that go, on the whole node: by DeleteRecords, by time, with their topic. Whatever change
 * of the disk is the last before a kill or a power cut: what was said to be gone stays gone,
 * nothing else is missing, and a topic that is made again under an old name has all that it is
 * given. */
#include "server/test/sim_run.h"
#include "sys/clock.h"
#include "sys/dir.h"
#include "sys/file.h"
#include "sys/poller.h"
#include "tbl/apis.h"
#include "tbl/errors.h"
#include "wire/msg/create_topics_request.h"
#include "wire/msg/create_topics_response.h"
#include "wire/msg/delete_records_request.h"
#include "wire/msg/delete_records_response.h"
#include "wire/msg/delete_topics_request.h"
#include "wire/msg/delete_topics_response.h"
#include "wire/msg/fetch_request.h"
#include "wire/msg/fetch_response.h"
#include "wire/msg/list_offsets_request.h"
#include "wire/msg/list_offsets_response.h"
#include "wire/msg/produce_request.h"
#include "wire/msg/produce_response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TOPIC "t"
#define WITHIN_MS 60000
#define HOUR_MS 3600000LL
#define YEAR_MS (8766 * HOUR_MS)
#define THOROUGH 100

static struct sim_run run;

static int give_up(void **state)
{
    (void)state;
    sim_run_give_up(&run);
    return 0;
}

/* ---- one request at a time, from the test's thread ---- */

struct asker {
    struct sim_channel channel;
    struct sim_request call;
    struct sim_alarm alarm;
    const void *message;
    bool done;
    bool answered;
    int16_t error;
    int64_t number;  /* of the answer: an offset */
    int64_t first;   /* of a fetch: the batch's offset; -1: none */
    uint8_t records; /* of a fetch: whether they are what was sent */
};

static struct asker asker;

static void ignore(struct sim_channel *channel)
{
    (void)channel;
}

static void on_ring(struct sim_alarm *alarm)
{
    struct asker *a = CONTAINER_OF(alarm, struct asker, alarm);
    if (a->channel.is_up)
        sim_channel_call(&a->channel, &a->call, a->message);
    else
        sim_alarm_set(a->channel.client, alarm, 5);
}

static bool is_over(void *context)
{
    (void)context;
    return asker.done || !sim_broker_runs(&run.broker);
}

/* false: the node died first, or the connection ended. */
static bool ask(int16_t key, int16_t version, const void *message,
                void (*on_done)(struct sim_request *, const void *))
{
    asker.call = (struct sim_request){.header = {.api_key = key, .api_version = version},
                                      .on_done = on_done};
    asker.message = message;
    asker.done = false;
    asker.answered = false;
    sim_node_use(run.client.machine);
    sim_alarm_set(&run.client, &asker.alarm, 0);
    sys_poller_wake(run.client.poller);
    SIM_CHECK(sim_world_run_until(run.world, is_over, NULL, WITHIN_MS), "no answer to API %d", key);
    if (!asker.done) {
        sim_alarm_stop(&asker.alarm);
        sim_channel_drop(&asker.channel); /* its call is told */
    }
    return asker.answered;
}

static void settle(const void *response)
{
    asker.done = true;
    asker.answered = response != NULL;
}

static void on_created(struct sim_request *call, const void *response)
{
    const struct create_topics_response *answer = response;
    (void)call;
    if (answer != NULL)
        asker.error = answer->topics[0].error_code;
    settle(response);
}

static bool create(void)
{
    struct create_topics_request request = create_topics_request_default;
    struct create_topics_request_topics topic = create_topics_request_topics_default;
    topic.name = slice_of_text(TOPIC);
    topic.num_partitions = 1;
    topic.replication_factor = 1;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 30000;
    return ask(API_CREATE_TOPICS, 7, &request, on_created) && asker.error == ERR_NONE;
}

static void on_topic_deleted(struct sim_request *call, const void *response)
{
    const struct delete_topics_response *answer = response;
    (void)call;
    if (answer != NULL)
        asker.error = answer->responses[0].error_code;
    settle(response);
}

static bool delete_topic(void)
{
    struct delete_topics_request request = delete_topics_request_default;
    struct delete_topics_request_topics topic = delete_topics_request_topics_default;
    topic.name = slice_of_text(TOPIC);
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 30000;
    return ask(API_DELETE_TOPICS, 6, &request, on_topic_deleted) && asker.error == ERR_NONE;
}

static void on_produced(struct sim_request *call, const void *response)
{
    const struct produce_response *answer = response;
    (void)call;
    if (answer != NULL) {
        asker.error = answer->responses[0].partition_responses[0].error_code;
        asker.number = answer->responses[0].partition_responses[0].base_offset;
    }
    settle(response);
}

/* One record whose value is the number. */
static bool produce(int64_t number)
{
    struct batch_builder builder;
    struct batch_builder_options options = batch_builder_defaults();
    batch_builder_init(&builder);
    batch_builder_begin(&builder, &options);
    batch_builder_add(&builder, &(struct batch_record){
                                    .timestamp = sys_wall_ms(),
                                    .value = slice_of((const uint8_t *)&number, sizeof number)});
    struct produce_request_topic_data_partition_data part = {
        .records = {.bytes = batch_builder_finish(&builder, NULL)}};
    struct produce_request_topic_data topic = produce_request_topic_data_default;
    struct produce_request request = produce_request_default;
    topic.name = slice_of_text(TOPIC);
    topic.partition_data = &part;
    topic.partition_data_count = 1;
    request.transactional_id = (struct slice){0};
    request.acks = -1;
    request.timeout_ms = 30000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    bool fine = ask(API_PRODUCE, 9, &request, on_produced) && asker.error == ERR_NONE;
    batch_builder_fini(&builder);
    return fine;
}

static void on_deleted(struct sim_request *call, const void *response)
{
    const struct delete_records_response *answer = response;
    (void)call;
    if (answer != NULL) {
        asker.error = answer->topics[0].partitions[0].error_code;
        asker.number = answer->topics[0].partitions[0].low_watermark;
    }
    settle(response);
}

static bool delete_to(int64_t offset)
{
    struct delete_records_request_topics_partitions part = {.offset = offset};
    struct delete_records_request_topics topic = {
        .name = slice_of_text(TOPIC), .partitions = &part, .partitions_count = 1};
    struct delete_records_request request = delete_records_request_default;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 30000;
    return ask(API_DELETE_RECORDS, 2, &request, on_deleted) && asker.error == ERR_NONE;
}

static void on_listed(struct sim_request *call, const void *response)
{
    const struct list_offsets_response *answer = response;
    (void)call;
    if (answer != NULL) {
        asker.error = answer->topics[0].partitions[0].error_code;
        asker.number = answer->topics[0].partitions[0].offset;
    }
    settle(response);
}

#define EARLIEST (-2)
#define LATEST (-1)

static int64_t offset_of(int64_t timestamp)
{
    struct list_offsets_request_topics_partitions part =
        list_offsets_request_topics_partitions_default;
    part.timestamp = timestamp;
    struct list_offsets_request_topics topic = {
        .name = slice_of_text(TOPIC), .partitions = &part, .partitions_count = 1};
    struct list_offsets_request request = list_offsets_request_default;
    request.topics = &topic;
    request.topics_count = 1;
    SIM_CHECK(ask(API_LIST_OFFSETS, 5, &request, on_listed) && asker.error == ERR_NONE,
              "ListOffsets is answered with %d", asker.error);
    return asker.number;
}

static void on_fetched(struct sim_request *call, const void *response)
{
    const struct fetch_response *answer = response;
    struct batch_header header;
    (void)call;
    asker.first = -1;
    if (answer != NULL) {
        const struct fetch_response_responses_partitions *part =
            &answer->responses[0].partitions[0];
        struct slice bytes = part->records.bytes;
        asker.error = part->error_code;
        asker.number = -1;
        if (batch_parse(bytes, &header) == BATCH_OK &&
            batch_crc_ok(slice_first(bytes, (size_t)header.size))) {
            struct record_reader reader;
            struct record record;
            record_reader_open(
                &reader, NULL,
                (struct record_source){.header = &header,
                                       .batch = slice_first(bytes, (size_t)header.size)});
            asker.first = header.base_offset;
            if (record_read(&reader, &record) && record.value.size == sizeof asker.number)
                memcpy(&asker.number, record.value.data, sizeof asker.number);
            record_reader_close(&reader);
        }
    }
    settle(response);
}

/* The record of the offset is there, and what it was. */
static void expect_record(int64_t offset)
{
    struct fetch_request_topics_partitions part = fetch_request_topics_partitions_default;
    struct fetch_request_topics topic = fetch_request_topics_default;
    struct fetch_request request = fetch_request_default;
    part.fetch_offset = offset;
    part.partition_max_bytes = 1000;
    topic.topic = slice_of_text(TOPIC);
    topic.partitions = &part;
    topic.partitions_count = 1;
    request.max_wait_ms = 0;
    request.max_bytes = 1000;
    request.topics = &topic;
    request.topics_count = 1;
    request.session_epoch = -1;
    SIM_CHECK(ask(API_FETCH, 12, &request, on_fetched), "Fetch is not answered");
    SIM_CHECK(asker.error == ERR_NONE && asker.first == offset && asker.number == offset,
              "record %lld: error %d, offset %lld, value %lld", (long long)offset, asker.error,
              (long long)asker.first, (long long)asker.number);
}

/* ---- a life ---- */

struct life {
    int64_t acked_end; /* records that were acknowledged */
    int64_t asked;     /* largest offset that was to be deleted to */
    int64_t deleted;   /* largest start that was answered */
};

static void begin(uint64_t seed, const char *const *settings)
{
    sim_run_begin(&run, seed, 1 + (int)(seed % 2), settings);
    asker = (struct asker){0};
    asker.channel.on_up = ignore;
    asker.channel.on_down = ignore;
    sim_alarm_init(&asker.alarm, on_ring);
    sim_channel_open(&asker.channel, &run.client, "broker", 9092);
}

static bool is_up(void *context)
{
    (void)context;
    return asker.channel.is_up;
}

/* What was connected to the node before is no more. */
static void start_node(void)
{
    sim_run_start(&run);
    sim_node_use(run.client.machine);
    sim_channel_drop(&asker.channel);
    sys_poller_wake(run.client.poller);
    SIM_CHECK(sim_world_run_until(run.world, is_up, NULL, WITHIN_MS), "no connection");
}

static void end(void)
{
    sim_node_use(run.client.machine);
    sim_alarm_stop(&asker.alarm);
    sim_channel_close(&asker.channel);
    (void)sim_run_end(&run);
}

/* false: the node died. */
static bool live(struct life *life, int steps)
{
    for (int i = 0; i < steps; i++) {
        if (i % 4 == 3) {
            int64_t offset = i % 8 == 3 ? life->acked_end : life->acked_end - 2;
            life->asked = MAX_OF(life->asked, offset);
            if (!delete_to(offset))
                return false;
            life->deleted = MAX_OF(life->deleted, asker.number);
        } else {
            if (!produce(life->acked_end))
                return false;
            assert_int_equal(asker.number, life->acked_end);
            life->acked_end++;
        }
        sim_world_run_for(run.world, 10);
    }
    return true;
}

/* After a start: what must be there is, and all of it. */
static void check(struct life *life, bool power_failed, int64_t expired_to)
{
    int64_t start = offset_of(EARLIEST);
    int64_t last = offset_of(LATEST);
    SIM_CHECK(start >= life->deleted, "records came back: %lld, and %lld was answered",
              (long long)start, (long long)life->deleted);
    SIM_CHECK(start <= MAX_OF(life->asked, expired_to), "records are gone up to %lld",
              (long long)start);
    int64_t least = power_failed ? life->deleted : life->acked_end;
    SIM_CHECK(last >= least && last <= life->acked_end + 1, "the log ends at %lld, not %lld",
              (long long)last, (long long)life->acked_end);
    for (int64_t offset = start; offset < last; offset++)
        expect_record(offset);
    life->acked_end = last;
}

/* ---- the last thing it does ---- */

static const char *const quick[] = {
    "log.roll.ms=25",
    "log.retention.ms=60000",
    "log.retention.check.interval.ms=30",
    "log.initial.task.delay.ms=10",
    "log.segment.delete.delay.ms=20",
    "log.flush.offset.checkpoint.interval.ms=1000000",
    NULL,
};

static uint64_t stride(void)
{
    const char *text = getenv("OTTLA_SIM_SEEDS");
    return text != NULL && strtol(text, NULL, 10) >= THOROUGH ? 1 : 3;
}

/* False: it did not come to a k-th change. */
static bool die_at(uint64_t k, bool power_fails)
{
    struct life life = {0};
    begin(k, quick);
    start_node();
    assert_true(create());
    sim_fault_change(run.broker.machine, k, power_fails ? SIM_CUT : SIM_KILL, 0);
    bool lived = live(&life, 24);
    bool struck = sim_fault_struck(run.broker.machine);
    SIM_CHECK(lived || struck, "it died without a fault");
    sim_fault_clear(run.broker.machine);
    sim_broker_kill(&run.broker);
    start_node();
    check(&life, power_fails, 0);
    assert_true(live(&life, 8));
    sim_run_stop(&run);
    start_node();
    check(&life, false, 0);
    sim_run_stop(&run);
    end();
    return struck;
}

static void deletions_last_whatever_is_the_last_change(void **state)
{
    (void)state;
    sim_broker_expect_deaths();
    for (int power_fails = 0; power_fails < 2; power_fails++) {
        uint64_t k = (uint64_t)power_fails;
        while (die_at(k, power_fails != 0))
            k += stride();
        assert_true(k > 60);
    }
}

/* ---- a name that comes again ---- */

/* Dies at the k-th change after the topic was deleted; then all that it is given must be there. */
static bool come_again(uint64_t k)
{
    struct life life = {0};
    begin(k, quick);
    start_node();
    assert_true(create());
    assert_true(live(&life, 20));
    assert_true(life.deleted > 10);
    sim_world_run_for(run.world, 100);
    sim_fault_change(run.broker.machine, k, SIM_KILL, 0);
    struct life next = {0};
    (void)(delete_topic() && create() && live(&next, 3));
    bool struck = sim_fault_struck(run.broker.machine);
    sim_fault_clear(run.broker.machine);
    sim_broker_kill(&run.broker);
    start_node();
    if (next.acked_end > 0) {
        check(&next, false, 0);
        assert_true(live(&next, 2));
        sim_broker_kill(&run.broker);
        start_node();
        check(&next, false, 0);
    }
    sim_run_stop(&run);
    end();
    return struck;
}

static void a_name_may_come_again(void **state)
{
    (void)state;
    sim_broker_expect_deaths();
    uint64_t k = 0;
    while (come_again(k))
        k += stride();
    assert_true(k > 20);
}

/* ---- time ---- */

static int count_files(void *context, const char *name, bool is_directory)
{
    int *counts = context;
    (void)is_directory;
    counts[0] += strstr(name, ".log") != NULL;
    counts[1] += strstr(name, ".deleted") != NULL;
    return 0;
}

static void look_into_folder(void *arg)
{
    int fd = sys_dir_open(SYS_DIR_CWD, "/data/" TOPIC "-0");
    SIM_CHECK(fd >= 0 && sys_dir_list(fd, count_files, arg) == 0, "no folder");
    sys_file_close(fd);
}

static const char *const hourly[] = {
    "log.roll.ms=60000",
    "log.retention.ms=7200000",
    "log.retention.check.interval.ms=60000",
    NULL,
};

/* One record a minute, for ten minutes. */
static void fill(struct life *life)
{
    assert_true(create());
    for (int i = 0; i < 10; i++) {
        assert_true(produce(life->acked_end++));
        sim_world_run_for(run.world, 61000);
    }
}

static void expect_start(int64_t offset)
{
    int64_t start = offset_of(EARLIEST);
    SIM_CHECK(start == offset, "the log starts at %lld, not %lld", (long long)start,
              (long long)offset);
}

static void records_go_by_time(void **state)
{
    (void)state;
    struct life life = {0};
    begin(1, hourly);
    start_node();
    fill(&life);
    sim_world_run_for(run.world, HOUR_MS * 2 - 660000);
    expect_start(0);
    sim_world_run_for(run.world, 300000);
    int64_t first = offset_of(EARLIEST);
    assert_in_range(first, 2, 6);
    check(&life, false, first);
    sim_world_run_for(run.world, HOUR_MS);
    expect_start(10); /* the segment that was written to goes too */
    int counts[2] = {0};
    assert_true(sim_node_run(run.broker.machine, look_into_folder, counts));
    assert_int_equal(counts[0], 1);
    assert_int_equal(counts[1], 0);
    assert_true(produce(10));
    expect_record(10);
    sim_run_stop(&run);
    start_node();
    expect_start(10);
    sim_run_stop(&run);
    end();
}

static bool log_tells_of(const char *event)
{
    struct slice log = sim_world_journal(run.world);
    return memmem(log.data, log.size, event, strlen(event)) != NULL;
}

static void a_clock_that_jumps_deletes_nothing(void **state)
{
    (void)state;
    struct life life = {0};
    begin(2, hourly);
    start_node();
    fill(&life);
    sim_node_jump_wall(run.broker.machine, YEAR_MS);
    sim_world_run_for(run.world, HOUR_MS / 2);
    expect_start(0);
    assert_true(log_tells_of("event=clock_jumped ms=31557600000"));
    sim_node_jump_wall(run.broker.machine, -YEAR_MS);
    sim_world_run_for(run.world, 120000);
    assert_true(log_tells_of("event=clock_believed"));
    expect_start(0);
    /* Also where it is so when the node starts. */
    sim_run_stop(&run);
    sim_node_jump_wall(run.broker.machine, YEAR_MS);
    start_node();
    sim_world_run_for(run.world, HOUR_MS / 2);
    expect_start(0);
    /* It is believed when it has stood for an hour. */
    sim_world_run_for(run.world, HOUR_MS / 2 + 180000);
    expect_start(10);
    sim_run_stop(&run);
    end();
}

static int find_doomed(void *context, const char *name, bool is_directory)
{
    *(int *)context += is_directory && strstr(name, "-delete") != NULL;
    return 0;
}

static void look_for_doomed(void *arg)
{
    int fd = sys_dir_open(SYS_DIR_CWD, "/data");
    SIM_CHECK(fd >= 0 && sys_dir_list(fd, find_doomed, arg) == 0, "no directory");
    sys_file_close(fd);
}

static void expect_doomed(int wanted)
{
    int found = 0;
    assert_true(sim_node_run(run.broker.machine, look_for_doomed, &found));
    assert_int_equal(found, wanted);
}

static void a_deleted_topics_folder_stays_for_a_while(void **state)
{
    (void)state;
    struct life life = {0};
    begin(3, hourly);
    start_node();
    assert_true(create());
    assert_true(live(&life, 3));
    assert_true(delete_topic());
    assert_true(create()); /* it does not wait for that */
    struct life next = {0};
    assert_true(live(&next, 3));
    expect_doomed(1);
    sim_world_run_for(run.world, 59000);
    expect_doomed(1);
    sim_world_run_for(run.world, 2000);
    expect_doomed(0);
    assert_true(delete_topic());
    sim_world_run_for(run.world, 100);
    sim_run_stop(&run);
    expect_doomed(1);
    start_node();
    expect_doomed(0);
    sim_run_stop(&run);
    end();
}

/* The starts cannot be stored, and old segments go nevertheless: the oldest first. */
static void a_full_disk_is_made_room_on(void **state)
{
    (void)state;
    sim_broker_expect_deaths();
    struct life life = {0};
    begin(4, hourly);
    start_node();
    fill(&life);
    sim_disk_set_capacity(run.broker.machine, 1);
    sim_world_run_for(run.world, HOUR_MS * 3);
    expect_start(9); /* to let go of the active one takes room */
    assert_true(log_tells_of("event=checkpoint_failed"));
    expect_record(9);
    sim_broker_cut(&run.broker);
    sim_disk_set_capacity(run.broker.machine, INT64_C(1) << 50);
    start_node();
    int64_t first = offset_of(EARLIEST);
    assert_int_equal(first, 9); /* the files tell it */
    /* No checkpoint was written for hours: the clock is not believed for one. */
    sim_world_run_for(run.world, HOUR_MS + 180000);
    expect_start(offset_of(LATEST));
    sim_run_stop(&run);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(records_go_by_time, give_up),
        cmocka_unit_test_teardown(a_clock_that_jumps_deletes_nothing, give_up),
        cmocka_unit_test_teardown(a_deleted_topics_folder_stays_for_a_while, give_up),
        cmocka_unit_test_teardown(a_full_disk_is_made_room_on, give_up),
        cmocka_unit_test_teardown(a_name_may_come_again, give_up),
        cmocka_unit_test_teardown(deletions_last_whatever_is_the_last_change, give_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
