/* Topics created and deleted: answers as Apache Kafka 4.4.0 gave them (golden/create_topics.txt),
 * and what is in the image afterwards. */
#include "meta/test/image_kit.h"
#include "meta/test/meta_kit.h"

#include "base/always.h"
#include "sim/world.h"
#include "wire/json.h"
#include "wire/messages.h"
#include "wire/msg/create_topics_request.h"
#include "wire/msg/create_topics_response.h"
#include "wire/msg/delete_topics_request.h"
#include "wire/msg/delete_topics_response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LINE_MAX_SIZE 8192
#define ANSWERS_MAX 16
#define ANSWER_SIZE 400
#define NAME_SHOWN 20

static struct sim_world *world;
static struct meta_kit *kit;

static int begin(void **state)
{
    (void)state;
    struct text error;
    world = sim_world_new(1);
    sim_node_use(sim_node_new(world, "box", "10.0.0.1"));
    text_init(&error, 65536);
    kit = meta_kit_open(NULL, &error);
    text_fini(&error);
    return kit == NULL || meta_kit_register(kit) < 0;
}

static int end(void **state)
{
    (void)state;
    bool clean = meta_kit_stop(kit);
    sim_world_free(world);
    return clean ? 0 : -1;
}

/* ---- Kafka's answers ---- */

struct answers {
    char lines[ANSWERS_MAX][ANSWER_SIZE];
    int count;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void ask(const char *json, struct answers *ret_answers)
{
    struct create_topics_request request = create_topics_request_default;
    struct wire_json_reading reading = {.arena = meta_kit_arena(kit)};
    if (!wire_json_read(&wire_create_topics_request, 7, slice_of_text(json), &reading, &request))
        fail_msg("%s: %s", json, reading.fault);
    const struct create_topics_response *response = meta_kit_call(kit, 19, 7, &request);
    assert_non_null(response);
    ret_answers->count = response->topics_count;
    assert_true(response->topics_count <= ANSWERS_MAX);
    for (int i = 0; i < response->topics_count; i++) {
        const struct create_topics_response_topics *topic = &response->topics[i];
        int shown = (int)MIN_OF(topic->name.size, (size_t)NAME_SHOWN);
        (void)snprintf(ret_answers->lines[i], ANSWER_SIZE, "%d %d %d %s id %.*s: %.*s",
                       topic->error_code, topic->num_partitions, topic->replication_factor,
                       uuid_is_zero(topic->topic_id) ? "no" : "an", shown, topic->name.data,
                       MIN_OF((int)topic->error_message.size, 300), topic->error_message.data);
    }
    qsort(ret_answers->lines, (size_t)ret_answers->count, ANSWER_SIZE, by_text);
}

static void answers_are_kafkas(void **state)
{
    (void)state;
    static char line[LINE_MAX_SIZE];
    struct answers answers = {0};
    char what[100] = "";
    int next = 0;
    int asked = 0;
    assert_int_equal(meta_kit_create(kit, "base", 1), ERR_NONE);
    FILE *file = fopen(TEST_FOLDER "/golden/create_topics.txt", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#') {
            (void)snprintf(what, sizeof what, "%.90s", line + 2);
            assert_int_equal(next, answers.count);
        } else if (line[0] == '?') {
            ask(line + 2, &answers);
            next = 0;
            asked++;
        } else {
            assert_true(next < answers.count);
            if (strcmp(answers.lines[next], line + 2) != 0)
                fail_msg("%s:\nours  %s\nKafka %s", what, answers.lines[next], line + 2);
            next++;
        }
    }
    assert_int_equal(next, answers.count);
    assert_true(asked > 40);
    assert_int_equal(fclose(file), 0);
}

/* ---- what becomes of it ---- */

static void only_validating_changes_nothing(void **state)
{
    (void)state;
    struct answers answers;
    char *before = image_text(meta_kit_image(kit));
    ask("{\"topics\":[{\"name\":\"v\",\"numPartitions\":3,\"replicationFactor\":1}],"
        "\"timeoutMs\":1,\"validateOnly\":true}",
        &answers);
    assert_string_equal(answers.lines[0], "0 3 1 an id v: ");
    char *after = image_text(meta_kit_image(kit));
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void a_topic_is_what_was_asked_for(void **state)
{
    (void)state;
    struct answers answers;
    ask("{\"topics\":[{\"name\":\"t\",\"numPartitions\":3,\"replicationFactor\":1,\"configs\":["
        "{\"name\":\"min.insync.replicas\",\"value\":\"1\"},"
        "{\"name\":\"retention.ms\",\"value\":\"77\"}]}],\"timeoutMs\":1,\"validateOnly\":false}",
        &answers);
    const struct meta_image *image = meta_kit_image(kit);
    const struct meta_topic *topic = meta_topic_named(image, slice_of_text("t"));
    assert_non_null(topic);
    assert_true(topic == meta_topic_by_id(image, topic->id));
    assert_int_equal(topic->partitions.count, 3);
    for (int32_t i = 0; i < 3; i++) {
        const struct meta_partition *partition = meta_topic_partition(topic, i);
        assert_int_equal(partition->leader, 1);
        assert_int_equal(partition->leader_epoch, 0);
        assert_int_equal(partition->partition_epoch, 0);
        assert_int_equal(partition->replicas.count, 1);
        assert_int_equal(partition->isr.count, 1);
        assert_int_equal(partition->directory_count, 1);
        assert_false(uuid_is_zero(partition->directories[0]));
    }
    struct slice value =
        meta_config_value(image, META_CONFIG_TOPIC, slice_of_text("t"), "retention.ms");
    assert_true(slice_is(value, "77"));
}

static void names_that_differ_in_marks_collide(void **state)
{
    (void)state;
    struct answers answers;
    assert_int_equal(meta_kit_create(kit, "x", 1), ERR_NONE);
    assert_int_equal(meta_kit_create(kit, "x-y", 1), ERR_NONE);
    assert_int_equal(meta_kit_create(kit, "x.y_z", 1), ERR_NONE);
    assert_int_equal(meta_kit_create(kit, ".y", 1), ERR_NONE);
    ask("{\"topics\":[{\"name\":\"x_y.z\",\"numPartitions\":1,\"replicationFactor\":1}],"
        "\"timeoutMs\":1}",
        &answers);
    assert_string_equal(answers.lines[0],
                        "17 -1 -1 no id x_y.z: Topic 'x_y.z' collides with existing topic: x.y_z");
    assert_int_equal(meta_kit_create(kit, "_y", 1), ERR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(meta_kit_create(kit, "x_y", 1), ERR_NONE);
}

/* ---- deleting ---- */

static const struct delete_topics_response *delete_topics(
    struct delete_topics_request_topics *topics, int count)
{
    struct delete_topics_request *request =
        ARENA_NEW(meta_kit_arena(kit), struct delete_topics_request);
    *request = delete_topics_request_default;
    request->topics = topics;
    request->topics_count = count;
    const struct delete_topics_response *response = meta_kit_call(kit, 20, 6, request);
    assert_non_null(response);
    return response;
}

static int code_of(const struct delete_topics_response *response, const char *name)
{
    for (int i = 0; i < response->responses_count; i++)
        if (slice_is(response->responses[i].name, name))
            return response->responses[i].error_code;
    fail_msg("there is no answer for %s", name);
    return -1;
}

static void a_deleted_topic_is_gone_with_its_settings(void **state)
{
    (void)state;
    struct answers answers;
    ask("{\"topics\":[{\"name\":\"gone\",\"numPartitions\":2,\"replicationFactor\":1,\"configs\":["
        "{\"name\":\"retention.ms\",\"value\":\"77\"}]}],\"timeoutMs\":1}",
        &answers);
    int64_t partitions = meta_kit_image(kit)->partition_count;
    struct uuid id = meta_topic_named(meta_kit_image(kit), slice_of_text("gone"))->id;
    struct delete_topics_request_topics by_id[] = {{.topic_id = id}};
    const struct delete_topics_response *response = delete_topics(by_id, 1);
    assert_int_equal(code_of(response, "gone"), ERR_NONE);
    assert_null(meta_topic_named(meta_kit_image(kit), slice_of_text("gone")));
    assert_null(meta_topic_by_id(meta_kit_image(kit), id));
    assert_null(meta_config_find(meta_kit_image(kit), META_CONFIG_TOPIC, slice_of_text("gone")));
    assert_int_equal(meta_kit_image(kit)->partition_count, partitions - 2);
    response = delete_topics(by_id, 1);
    assert_int_equal(response->responses[0].error_code, ERR_UNKNOWN_TOPIC_ID);
    /* A topic of that name again is another topic. */
    assert_int_equal(meta_kit_create(kit, "gone", 1), ERR_NONE);
    struct uuid again = meta_topic_named(meta_kit_image(kit), slice_of_text("gone"))->id;
    assert_false(uuid_equal(id, again));
}

static void what_is_given_twice_stays(void **state)
{
    (void)state;
    assert_int_equal(meta_kit_create(kit, "twice", 1), ERR_NONE);
    assert_int_equal(meta_kit_create(kit, "both", 1), ERR_NONE);
    struct uuid id = meta_topic_named(meta_kit_image(kit), slice_of_text("both"))->id;
    struct delete_topics_request_topics topics[] = {
        {.name = SLICE_LIT("twice")}, {.name = SLICE_LIT("twice")},
        {.name = SLICE_LIT("both")},  {.topic_id = id},
        {.name = SLICE_LIT("never")},
    };
    const struct delete_topics_response *response = delete_topics(topics, 5);
    assert_int_equal(code_of(response, "twice"), ERR_INVALID_REQUEST);
    assert_int_equal(code_of(response, "both"), ERR_INVALID_REQUEST);
    assert_int_equal(code_of(response, "never"), ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_non_null(meta_topic_named(meta_kit_image(kit), slice_of_text("twice")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_are_kafkas, begin, end),
        cmocka_unit_test_setup_teardown(only_validating_changes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_topic_is_what_was_asked_for, begin, end),
        cmocka_unit_test_setup_teardown(names_that_differ_in_marks_collide, begin, end),
        cmocka_unit_test_setup_teardown(a_deleted_topic_is_gone_with_its_settings, begin, end),
        cmocka_unit_test_setup_teardown(what_is_given_twice_stays, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
