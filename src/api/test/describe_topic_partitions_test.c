/* DescribeTopicPartitions: order, limits and cursors. Expected values are Apache Kafka 4.4.0's, but
 * for the empty topic name, on which that one fails. */
#include "api/test/api_kit.h"
#include "wire/messages.h"
#include "wire/msg/describe_topic_partitions_request.h"
#include "wire/msg/describe_topic_partitions_response.h"
#include "wire/msg/partition_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define NAMES_MAX 6

static void init(struct api_kit *kit)
{
    api_kit_init(kit, API_KIT_SETTINGS("max.request.partition.size.limit=5"));
    api_kit_add_broker(kit->image, &(struct api_kit_broker){.id = 1, .host = "one", .port = 1});
    api_kit_add_topic(kit->image, &(struct api_kit_topic){"ccc", 0xc0, 3, 1});
    api_kit_add_topic(kit->image, &(struct api_kit_topic){"aaa", 0xa0, 3, 1});
    api_kit_add_topic(kit->image, &(struct api_kit_topic){"bbb", 0xb0, 3, 1});
}

struct ask {
    const char *names[NAMES_MAX];
    int32_t limit; /* 0: the default */
    const char *cursor;
    int32_t cursor_partition;
};

static const struct describe_topic_partitions_response *ask(struct api_kit *kit, struct ask what)
{
    struct describe_topic_partitions_request_topics topics[NAMES_MAX];
    struct describe_topic_partitions_request_cursor cursor = {
        .topic_name = slice_of_text(what.cursor), .partition_index = what.cursor_partition};
    struct describe_topic_partitions_request message = describe_topic_partitions_request_default;
    message.topics = topics;
    message.topics_count = 0;
    for (int i = 0; i < NAMES_MAX && what.names[i] != NULL; i++)
        topics[message.topics_count++].name = slice_of_text(what.names[i]);
    if (what.limit != 0)
        message.response_partition_limit = what.limit;
    if (what.cursor != NULL)
        message.cursor = &cursor;
    return api_kit_ask(kit, API_DESCRIBE_TOPIC_PARTITIONS, 0, &message);
}

/* "aaa:0,1,2 ccc:0 > ccc:1": topics with their partitions, errors as "zz!3", the next cursor. */
static void check(const struct describe_topic_partitions_response *response, const char *expected)
{
    struct text text;
    text_init(&text, 4096);
    for (int32_t i = 0; i < response->topics_count; i++) {
        const struct describe_topic_partitions_response_topics *topic = &response->topics[i];
        text_printf(&text, "%s%.*s", i > 0 ? " " : "", SLICE_ARG(topic->name));
        if (topic->error_code != ERR_NONE)
            text_printf(&text, "!%d", topic->error_code);
        for (int32_t p = 0; p < topic->partitions_count; p++)
            text_printf(&text, "%c%d", p > 0 ? ',' : ':', topic->partitions[p].partition_index);
    }
    if (response->next_cursor != NULL)
        text_printf(&text, " > %.*s:%d", SLICE_ARG(response->next_cursor->topic_name),
                    response->next_cursor->partition_index);
    assert_false(text.failed);
    assert_string_equal(text.data != NULL ? text.data : "", expected);
    text_fini(&text);
}

static void limits(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit);
    check(ask(&kit, (struct ask){.limit = 0}), "aaa:0,1,2 bbb:0,1 > bbb:2");
    check(ask(&kit, (struct ask){.limit = 4}), "aaa:0,1,2 bbb:0 > bbb:1");
    check(ask(&kit, (struct ask){.limit = 3}), "aaa:0,1,2 > bbb:0");
    check(ask(&kit, (struct ask){.limit = 1}), "aaa:0 > aaa:1");
    check(ask(&kit, (struct ask){.limit = -1}), "aaa:0 > aaa:1");
    check(ask(&kit, (struct ask){.limit = INT32_MIN}), "aaa:0 > aaa:1");
    check(ask(&kit, (struct ask){.limit = INT32_MAX}), "aaa:0,1,2 bbb:0,1 > bbb:2");
    check(ask(&kit, (struct ask){.names = {"bbb"}, .limit = 3}), "bbb:0,1,2");
    check(ask(&kit, (struct ask){.names = {"bbb", "aaa"}, .limit = 3}), "aaa:0,1,2 > bbb:0");
    api_kit_fini(&kit);
}

static void names(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit);
    check(ask(&kit, (struct ask){.names = {"ccc", "aaa", "zz", "aab", "a b"}, .limit = 3}),
          "a b!17 aaa:0,1,2 > aab:0");
    check(ask(&kit, (struct ask){.names = {"ccc", "aaa", "zz", "aab", "a b"}, .limit = 4}),
          "a b!17 aaa:0,1,2 aab!3 ccc:0 > ccc:1");
    check(ask(&kit, (struct ask){.names = {"aaa", "aaa", "zz", "aaa"}}), "aaa:0,1,2 zz!3");
    check(ask(&kit, (struct ask){.names = {"bbz", "bbb", "bbz"}, .limit = 3}), "bbb:0,1,2 > bbz:0");
    check(ask(&kit, (struct ask){.names = {"", "aaa"}}), "!17 aaa:0,1,2");
    api_kit_fini(&kit);
}

static void cursors(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit);
    check(ask(&kit, (struct ask){{"ccc", "aaa", "bbb"}, 0, "bbb", 1}), "bbb:1,2 ccc:0,1,2");
    check(ask(&kit, (struct ask){{NULL}, 0, "bbb", 2}), "bbb:2 ccc:0,1,2");
    check(ask(&kit, (struct ask){{NULL}, 0, "bba", 2}), "bbb:0,1,2 ccc:0,1 > ccc:2");
    check(ask(&kit, (struct ask){{NULL}, 0, "", 0}), "aaa:0,1,2 bbb:0,1 > bbb:2");
    check(ask(&kit, (struct ask){{"ccc", "bbz"}, 0, "bbz", 5}), "bbz!3 ccc:0,1,2");
    check(ask(&kit, (struct ask){{NULL}, 0, "zzz", 0}), "");
    api_kit_fini(&kit);
}

/* A cursor behind the last partition leaves its topic empty, and none of the next ones out. */
static void cursors_beyond_the_end(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit);
    api_kit_add_topic(kit.image, &(struct api_kit_topic){"bbc", 0xbc, 1, 1});
    check(ask(&kit, (struct ask){{NULL}, 0, "bbb", 3}), "bbb bbc:0 ccc:0,1,2");
    check(ask(&kit, (struct ask){{NULL}, 0, "bbb", INT32_MAX}), "bbb bbc:0 ccc:0,1,2");
    check(ask(&kit, (struct ask){{NULL}, 1, "bbb", 300}), "bbb bbc:0 > ccc:0");
    api_kit_fini(&kit);
}

static void cursors_that_make_no_sense(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit);
    check(ask(&kit, (struct ask){{"ccc", "aaa"}, 0, "abb", 1}), "ccc!42 aaa!42");
    check(ask(&kit, (struct ask){{"ccc"}, 0, "zz", 0}), "ccc!42");
    check(ask(&kit, (struct ask){{"bbb", "ccc"}, 0, "bbb", -1}), "bbb!42 ccc!42");
    check(ask(&kit, (struct ask){{NULL}, 0, "bbb", -1}), "");
    const struct describe_topic_partitions_response *response =
        ask(&kit, (struct ask){{"ccc"}, 0, "zz", 0});
    assert_int_equal(response->topics[0].topic_authorized_operations, INT32_MIN);
    api_kit_fini(&kit);
}

/* From page to page everything is told once. */
static void pages(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit);
    struct ask what = {.limit = 2};
    int told = 0;
    int page_count = 0;
    for (;;) {
        const struct describe_topic_partitions_response *response = ask(&kit, what);
        page_count++;
        for (int32_t i = 0; i < response->topics_count; i++)
            told += response->topics[i].partitions_count;
        if (response->next_cursor == NULL)
            break;
        static char name[16];
        assert_true(response->next_cursor->topic_name.size < sizeof name);
        (void)snprintf(name, sizeof name, "%.*s", SLICE_ARG(response->next_cursor->topic_name));
        what.cursor = name;
        what.cursor_partition = response->next_cursor->partition_index;
    }
    assert_int_equal(told, 9);
    assert_int_equal(page_count, 5);
    api_kit_fini(&kit);
}

static void a_partition(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit);
    int32_t replicas[] = {1, 9, 2};
    int32_t ids[] = {9, 2};
    struct uuid directories[] = {api_kit_id(0xd0), api_kit_id(0xd0), api_kit_id(0xd0)};
    struct partition_record record = partition_record_default;
    record.partition_id = 3;
    record.topic_id = api_kit_id(0xa0);
    record.replicas = replicas;
    record.replicas_count = 3;
    record.isr = replicas;
    record.isr_count = 1;
    record.removing_replicas_count = 0;
    record.adding_replicas_count = 0;
    record.leader = 1;
    record.leader_epoch = 8;
    record.directories = directories;
    record.directories_count = 3;
    record.eligible_leader_replicas = ids;
    record.eligible_leader_replicas_count = 1;
    record.last_known_elr = &ids[1];
    record.last_known_elr_count = 1;
    api_kit_apply(kit.image, &wire_partition_record, 2, &record);
    const struct describe_topic_partitions_response *response =
        ask(&kit, (struct ask){{"aaa"}, 0, "aaa", 3});
    const struct describe_topic_partitions_response_topics *topic = response->topics;
    assert_int_equal(topic->topic_authorized_operations, 3576);
    assert_true(uuid_equal(topic->topic_id, api_kit_id(0xa0)));
    assert_false(topic->is_internal);
    const struct describe_topic_partitions_response_topics_partitions *p = topic->partitions;
    assert_int_equal(p->leader_id, 1);
    assert_int_equal(p->leader_epoch, 8);
    assert_int_equal(p->replica_nodes_count, 3);
    assert_int_equal(p->replica_nodes[2], 2);
    assert_int_equal(p->isr_nodes_count, 1);
    assert_int_equal(p->eligible_leader_replicas_count, 1);
    assert_int_equal(p->eligible_leader_replicas[0], 9);
    assert_int_equal(p->last_known_elr_count, 1);
    assert_int_equal(p->last_known_elr[0], 2);
    assert_int_equal(p->offline_replicas_count, 2);
    assert_int_equal(p->offline_replicas[0], 9);
    assert_int_equal(p->offline_replicas[1], 2);
    api_kit_fini(&kit);
}

/* A replica in a directory that its broker does not have is offline; in one that is not assigned
 * it is not. */
static void directories(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes; /* repeated */
        uint8_t last;
        int32_t offline;
    } rows[] = {{0xd0, 0xd0, 0}, {0, 0, 0}, {0, 1, 0}, {0, 2, 1}, {0x55, 0x55, 1}};
    struct api_kit kit;
    init(&kit);
    int32_t replica = 1;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct uuid directory = api_kit_id(rows[i].bytes);
        directory.bytes[15] = rows[i].last;
        struct partition_record record = partition_record_default;
        record.partition_id = 0;
        record.topic_id = api_kit_id(0xa0);
        record.replicas = &replica;
        record.replicas_count = 1;
        record.isr = &replica;
        record.isr_count = 1;
        record.removing_replicas_count = 0;
        record.adding_replicas_count = 0;
        record.leader = 1;
        record.directories = &directory;
        record.directories_count = 1;
        api_kit_apply(kit.image, &wire_partition_record, 1, &record);
        const struct describe_topic_partitions_response *response =
            ask(&kit, (struct ask){.names = {"aaa"}, .limit = 1});
        assert_int_equal(response->topics[0].partitions[0].offline_replicas_count, rows[i].offline);
    }
    api_kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits),
        cmocka_unit_test(names),
        cmocka_unit_test(cursors),
        cmocka_unit_test(cursors_beyond_the_end),
        cmocka_unit_test(cursors_that_make_no_sense),
        cmocka_unit_test(pages),
        cmocka_unit_test(a_partition),
        cmocka_unit_test(directories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
