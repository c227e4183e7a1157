/* What a topic's settings come to, as overrides of topics and brokers come and go. */
#include "config/node.h"
#include "meta/effective.h"
#include "wire/messages.h"
#include "wire/msg/config_record.h"
#include "wire/msg/remove_topic_record.h"
#include "wire/msg/topic_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define TOPIC_ID ((struct uuid){{7}})

static struct node_config *node;
static struct meta_image *image;

static void apply(const struct wire_message *message, const void *record)
{
    struct meta_applied applied = {.message = message, .record = record};
    assert_null(meta_image_apply(image, &applied));
}

static void add_topic(void)
{
    struct topic_record record = topic_record_default;
    record.name = slice_of_text("t");
    record.topic_id = TOPIC_ID;
    apply(&wire_topic_record, &record);
}

struct change {
    int8_t type;
    const char *resource;
    const char *key;
    const char *value; /* NULL: removed */
};

static void set(struct change change)
{
    struct config_record record = config_record_default;
    record.resource_type = change.type;
    record.resource_name = slice_of_text(change.resource);
    record.name = slice_of_text(change.key);
    record.value = slice_of_text(change.value);
    apply(&wire_config_record, &record);
}

static int64_t retention_ms(void)
{
    return meta_topic_config(image, meta_topic_by_id(image, TOPIC_ID))->retention_ms;
}

static int32_t max_message_bytes(void)
{
    return meta_topic_config(image, meta_topic_by_id(image, TOPIC_ID))->max_message_bytes;
}

static int setup(void **state)
{
    static const char *const settings[] = {"log.retention.ms=5000", "message.max.bytes=2000"};
    struct node_config_input input = {
        .settings = settings, .setting_count = 2, .default_dir = "/d", .host_name = "box"};
    struct text notes;
    (void)state;
    text_init(&notes, 65536);
    assert_true(node_config_load(&input, &node, &notes));
    text_fini(&notes);
    image = meta_image_new(node);
    assert_non_null(image);
    add_topic();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    meta_image_unref(image);
    node_config_free(node);
    return 0;
}

static void the_files_settings_lie_lowest(void **state)
{
    (void)state;
    assert_int_equal(retention_ms(), 5000);
    assert_int_equal(max_message_bytes(), 2000);
}

static void a_topics_own_lie_highest_and_may_go_again(void **state)
{
    (void)state;
    set((struct change){META_CONFIG_TOPIC, "t", "retention.ms", "7"});
    set((struct change){META_CONFIG_BROKER, "", "log.retention.ms", "8"});
    assert_int_equal(retention_ms(), 7);
    set((struct change){META_CONFIG_TOPIC, "t", "retention.ms", NULL});
    assert_int_equal(retention_ms(), 8);
}

static void a_brokers_reach_topics_with_and_without_their_own(void **state)
{
    (void)state;
    set((struct change){META_CONFIG_BROKER, "", "message.max.bytes", "3000"});
    assert_int_equal(max_message_bytes(), 3000);
    set((struct change){META_CONFIG_TOPIC, "t", "retention.ms", "7"});
    assert_int_equal(max_message_bytes(), 3000);
    set((struct change){META_CONFIG_BROKER, "1", "message.max.bytes", "4000"});
    assert_int_equal(max_message_bytes(), 4000);
    assert_int_equal(retention_ms(), 7);
    set((struct change){META_CONFIG_BROKER, "1", "message.max.bytes", NULL});
    set((struct change){META_CONFIG_BROKER, "", "message.max.bytes", NULL});
    assert_int_equal(max_message_bytes(), 2000);
}

static void another_brokers_do_not_concern_this_one(void **state)
{
    (void)state;
    set((struct change){META_CONFIG_BROKER, "12", "message.max.bytes", "3000"});
    assert_int_equal(max_message_bytes(), 2000);
}

static void a_topic_made_again_has_none_of_the_old_ones(void **state)
{
    struct remove_topic_record removal = remove_topic_record_default;
    (void)state;
    set((struct change){META_CONFIG_TOPIC, "t", "retention.ms", "7"});
    removal.topic_id = TOPIC_ID;
    apply(&wire_remove_topic_record, &removal);
    add_topic();
    assert_int_equal(retention_ms(), 5000);
}

static void an_image_keeps_what_it_had(void **state)
{
    (void)state;
    set((struct change){META_CONFIG_TOPIC, "t", "retention.ms", "7"});
    struct meta_image *before = image;
    image = meta_image_begin(before);
    assert_non_null(image);
    set((struct change){META_CONFIG_TOPIC, "t", "retention.ms", "9"});
    set((struct change){META_CONFIG_BROKER, "", "message.max.bytes", "3000"});
    assert_int_equal(retention_ms(), 9);
    const struct topic_config *old = meta_topic_config(before, meta_topic_by_id(before, TOPIC_ID));
    assert_int_equal(old->retention_ms, 7);
    assert_int_equal(old->max_message_bytes, 2000);
    meta_image_unref(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_files_settings_lie_lowest, setup, teardown),
        cmocka_unit_test_setup_teardown(a_topics_own_lie_highest_and_may_go_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_brokers_reach_topics_with_and_without_their_own, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(another_brokers_do_not_concern_this_one, setup, teardown),
        cmocka_unit_test_setup_teardown(a_topic_made_again_has_none_of_the_old_ones, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_image_keeps_what_it_had, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
