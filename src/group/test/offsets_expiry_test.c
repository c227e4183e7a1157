/* How offsets come to their end without a request: transcripts. */
#include "group/test/classic_kit.h"
#include "group/test/offsets_kit.h"

#include "wire/messages.h"
#include "wire/msg/legacy_offset_commit_key.h"
#include "wire/msg/legacy_offset_commit_value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define MINUTE_MS 60000

static struct coord_kit kit;

static int set_up(void **state)
{
    (void)state;
    static const char *const settings[] = {"offsets.retention.minutes=10",
                                           "offsets.retention.check.interval.ms=60000", NULL};
    coord_kit_init(&kit, &coord_groups_type, settings);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    coord_kit_fini(&kit);
    return 0;
}

static void commit(const char *name, const char *topic, int64_t retention_ms)
{
    (void)offsets_commit(&kit, name,
                         &(struct offsets_wish){.topic = topic,
                                                .retention_ms = retention_ms,
                                                .version = retention_ms != 0 ? 4 : 9,
                                                .at = {{0, 5, 0, NULL}}});
}

static void offsets_without_members_expire_by_their_own_time(void **state)
{
    (void)state;
    commit("first", "t", 0);
    coord_kit_pass(&kit, 5 * MINUTE_MS);
    commit("second", "u", 0);
    coord_kit_skip(&kit);
    coord_kit_pass(&kit, 5 * MINUTE_MS - 1);
    coord_kit_expect(&kit, "");
    coord_kit_pass(&kit, 1);
    coord_kit_expect(&kit, "record {\"group\":\"g\",\"topic\":\"t\",\"partition\":0} null\n");
    offsets_list(&kit);
    coord_kit_restart(&kit);
    coord_kit_pass(&kit, 5 * MINUTE_MS);
    offsets_list(&kit);
    offsets_fetch(&kit, "all", &(struct offsets_look){0});
    coord_kit_expect(&kit, "  g Empty classic ''\n"
                           "-- restart\n"
                           "record {\"group\":\"g\",\"topic\":\"u\",\"partition\":0} null\n"
                           "record {\"group\":\"g\"} null\n"
                           "> all\n"
                           "< all: NONE\n"
                           "\n");
}

static void a_client_says_how_long(void **state)
{
    (void)state;
    commit("short", "t", 90000);
    commit("long", "u", 20L * MINUTE_MS);
    coord_kit_pass(&kit, 2 * MINUTE_MS);
    coord_kit_pass(&kit, 17 * MINUTE_MS);
    coord_kit_restart(&kit);
    coord_kit_pass(&kit, 2 * MINUTE_MS);
    coord_kit_expect(&kit, "> short\n"
                           "record {\"group\":\"g\",\"topic\":\"t\",\"partition\":0} {\"offset\":5,"
                           "\"metadata\":\"\",\"commitTimestamp\":1700000000000,"
                           "\"expireTimestamp\":1700000090000}\n"
                           "< short: NONE\n"
                           " t-0 NONE\n"
                           "> long\n"
                           "record {\"group\":\"g\",\"topic\":\"u\",\"partition\":0} {\"offset\":5,"
                           "\"metadata\":\"\",\"commitTimestamp\":1700000000000,"
                           "\"expireTimestamp\":1700001200000}\n"
                           "< long: NONE\n"
                           " u-0 NONE\n"
                           "record {\"group\":\"g\",\"topic\":\"t\",\"partition\":0} null\n"
                           "-- restart\n"
                           "record {\"group\":\"g\",\"topic\":\"u\",\"partition\":0} null\n"
                           "record {\"group\":\"g\"} null\n");
}

static const char *join(void)
{
    struct classic_join options = {.session_ms = 1800000};
    const char *a = classic_id_of(&kit, classic_join(&kit, "a", &options));
    options.id = a;
    (void)classic_join(&kit, "a", &options);
    coord_kit_pass(&kit, 3000);
    (void)classic_sync(&kit, "a", &(struct classic_member_of){.id = a, .generation = 1},
                       (const char *const[]){a, "all", NULL});
    return a;
}

static void what_members_read_stays(void **state)
{
    (void)state;
    const char *a = join();
    for (int i = 0; i < 2; i++)
        (void)offsets_commit(&kit, "a",
                             &(struct offsets_wish){.member = a,
                                                    .generation = 1,
                                                    .topic = i == 0 ? "t" : "u",
                                                    .at = {{0, 5, 0, NULL}}});
    coord_kit_skip(&kit);
    coord_kit_pass(&kit, 11 * MINUTE_MS);
    offsets_fetch(&kit, "all", &(struct offsets_look){0});
    (void)classic_leave(&kit, "a", (const char *const[]){a, "-", NULL});
    coord_kit_pass(&kit, 9 * MINUTE_MS);
    offsets_fetch(&kit, "all", &(struct offsets_look){0});
    coord_kit_pass(&kit, 2 * MINUTE_MS);
    offsets_list(&kit);
    coord_kit_restart(&kit);
    offsets_list(&kit);
    coord_kit_expect(&kit, "record {\"group\":\"g\",\"topic\":\"u\",\"partition\":0} null\n"
                           "> all\n"
                           "< all: NONE\n"
                           " t-0 5\n"
                           "> a\n"
                           "record {\"group\":\"g\"} {\"protocolType\":\"consumer\","
                           "\"generation\":2,\"protocol\":null,\"leader\":null,"
                           "\"currentStateTimestamp\":1700000663000,\"members\":[]}\n"
                           "< a: NONE {\"throttleTimeMs\":0,\"errorCode\":0,"
                           "\"members\":[{\"memberId\":\"<$a>\",\"groupInstanceId\":null,"
                           "\"errorCode\":0}]}\n"
                           "> all\n"
                           "< all: NONE\n"
                           " t-0 5\n"
                           "record {\"group\":\"g\",\"topic\":\"t\",\"partition\":0} null\n"
                           "record {\"group\":\"g\"} null\n"
                           "-- restart\n");
}

static void what_is_pending_does_not_expire(void **state)
{
    (void)state;
    commit("before", "t", 0);
    (void)offsets_commit(&kit, "in 9",
                         &(struct offsets_wish){.producer_id = 9, .at = {{0, 6, 0, NULL}}});
    (void)offsets_commit(
        &kit, "in 9 only",
        &(struct offsets_wish){.group = "h", .producer_id = 9, .at = {{0, 6, 0, NULL}}});
    coord_kit_skip(&kit);
    coord_kit_pass(&kit, 30 * MINUTE_MS);
    coord_kit_end_txn(&kit, &(struct coord_txn_end){.producer_id = 9});
    coord_kit_pass(&kit, 1 * MINUTE_MS);
    offsets_list(&kit);
    coord_kit_expect(&kit, "marker 9 abort\n"
                           "record {\"group\":\"h\"} null\n"
                           "record {\"group\":\"g\",\"topic\":\"t\",\"partition\":0} null\n"
                           "record {\"group\":\"g\"} null\n");
}

static void a_deleted_topic_takes_its_offsets(void **state)
{
    (void)state;
    coord_kit_add_topic(&kit, "t", 1, 2);
    coord_kit_add_topic(&kit, "u", 2, 1);
    (void)offsets_commit(
        &kit, "commit",
        &(struct offsets_wish){.id = 1, .count = 2, .at = {{0, 5, 0, NULL}, {1, 6, 0, NULL}}});
    (void)offsets_commit(&kit, "pending",
                         &(struct offsets_wish){.group = "h", .id = 1, .producer_id = 9});
    commit("without an id", "t", 0);
    (void)offsets_commit(&kit, "commit", &(struct offsets_wish){.topic = "u", .id = 2});
    coord_kit_skip(&kit);
    coord_kit_remove_topic(&kit, "t");
    coord_kit_add_topic(&kit, "t", 3, 1);
    offsets_fetch(&kit, "all", &(struct offsets_look){0});
    (void)offsets_commit(&kit, "commit", &(struct offsets_wish){.id = 3});
    coord_kit_remove_topic(&kit, "u");
    offsets_fetch(&kit, "all", &(struct offsets_look){0});
    coord_kit_restart(&kit);
    offsets_fetch(&kit, "all", &(struct offsets_look){0});
    coord_kit_expect(&kit, "record {\"group\":\"h\",\"topic\":\"t\",\"partition\":0} null\n"
                           "record {\"group\":\"g\",\"topic\":\"t\",\"partition\":0} null\n"
                           "record {\"group\":\"g\",\"topic\":\"t\",\"partition\":1} null\n"
                           "> all\n"
                           "< all: NONE\n"
                           " u-0 0\n"
                           "> commit\n"
                           "record {\"group\":\"g\",\"topic\":\"t\",\"partition\":0} {\"offset\":0,"
                           "\"leaderEpoch\":-1,\"metadata\":\"\",\"commitTimestamp\":1700000000000,"
                           "\"topicId\":\"AwMDAwMDAwMDAwMDAwMDAw\"}\n"
                           "< commit: NONE\n"
                           " t-0 NONE\n"
                           "record {\"group\":\"g\",\"topic\":\"u\",\"partition\":0} null\n"
                           "> all\n"
                           "< all: NONE\n"
                           " t-0 0\n"
                           "-- restart\n"
                           "> all\n"
                           "< all: NONE\n"
                           " t-0 0\n");
}

static void a_clock_that_jumps_makes_nothing_old(void **state)
{
    (void)state;
    commit("commit", "t", 0);
    coord_kit_skip(&kit);
    kit.distrusted_ms = 365L * 24 * 60 * MINUTE_MS;
    kit.world.wall_ms += kit.distrusted_ms;
    coord_kit_pass(&kit, 9 * MINUTE_MS);
    coord_kit_expect(&kit, "");
    coord_kit_pass(&kit, 1 * MINUTE_MS);
    coord_kit_expect(&kit, "record {\"group\":\"g\",\"topic\":\"t\",\"partition\":0} null\n"
                           "record {\"group\":\"g\"} null\n");
}

/* As brokers before 0.9 wrote them. */
static void records_of_old_brokers_are_read(void **state)
{
    (void)state;
    struct legacy_offset_commit_key key = {
        .group = slice_of_text("g"), .topic = slice_of_text("t"), .partition = 1};
    struct legacy_offset_commit_value value = {
        .offset = 5, .metadata = slice_of_text("note"), .commit_timestamp = 1700000000000};
    struct coord_record record = {.key_message = &wire_legacy_offset_commit_key,
                                  .key = &key,
                                  .value_message = &wire_legacy_offset_commit_value,
                                  .value = &value,
                                  .producer_id = -1};
    assert_null(kit.type->replay(kit.machine, &record));
    offsets_fetch(&kit, "all", &(struct offsets_look){0});
    record.value_message = NULL;
    record.value = NULL;
    assert_null(kit.type->replay(kit.machine, &record));
    offsets_fetch(&kit, "all", &(struct offsets_look){0});
    coord_kit_expect(&kit, "> all\n"
                           "< all: NONE\n"
                           " t-1 5 'note'\n"
                           "> all\n"
                           "< all: NONE\n"
                           "\n");
}

/* So many tombstones are not written in one turn. */
static void many_offsets_expire_bit_by_bit(void **state)
{
    (void)state;
    for (int i = 0; i < 6000; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "group-%d", i);
        (void)offsets_commit(&kit, "commit", &(struct offsets_wish){.group = name});
    }
    size_t before = kit.log_count;
    coord_kit_pass(&kit, 10 * MINUTE_MS);
    assert_int_equal(kit.log_count - before, 10000);
    coord_kit_pass(&kit, 2);
    assert_int_equal(kit.log_count - before, 12000);
    coord_kit_skip(&kit);
    offsets_list(&kit);
    coord_kit_expect(&kit, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(offsets_without_members_expire_by_their_own_time),
        TEST(a_client_says_how_long),
        TEST(what_members_read_stays),
        TEST(what_is_pending_does_not_expire),
        TEST(a_deleted_topic_takes_its_offsets),
        TEST(a_clock_that_jumps_makes_nothing_old),
        TEST(records_of_old_brokers_are_read),
        TEST(many_offsets_expire_bit_by_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
