/* The hash of topics, against what Kafka 4.4.0's own library gives. One thread. */
#include "coord/test/coord_kit.h"
#include "group/consumer_int.h"

#include "base/always.h"
#include "meta/image.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void topics_hash_as_kafka_hashes_them(void **state)
{
    (void)state;
    struct coord_kit kit;
    coord_kit_init(&kit, &coord_groups_type, NULL);
    coord_kit_add_topic(&kit, "foo", 1, 3);
    const struct meta_topic *topic = meta_topic_named(kit.image, slice_of_text("foo"));
    /* XXH3 of the zero, the id, the name in UTF-16 and its length, 3, 0, 1 and 2. */
    assert_true(consumer_topic_hash(kit.image, topic) == INT64_C(-937704077002583967));
    coord_kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_hash_as_kafka_hashes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
