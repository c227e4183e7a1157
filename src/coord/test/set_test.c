/* The hash by which keys belong to partitions, against what Apache Kafka 4.4.0 computes. */
#include "coord/set.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void keys_belong_where_kafka_puts_them(void **state)
{
    (void)state;
    /* From directories that Kafka wrote: reference/examples. */
    assert_int_equal(coord_partition_of(slice_of_text("g1"), 50), 42);
    assert_int_equal(coord_partition_of(slice_of_text("t1"), 50), 45);
    assert_int_equal(coord_partition_of(slice_of_text(""), 50), 0);
    /* "polygenelubricants".hashCode() is Integer.MIN_VALUE, which Kafka takes for 0. */
    assert_int_equal(coord_partition_of(slice_of_text("polygenelubricants"), 50), 0);
    /* Characters beyond the first 65,536 count as two: "\xF0\x9F\x98\x80".hashCode() is 1772899. */
    assert_int_equal(coord_partition_of(slice_of_text("\xF0\x9F\x98\x80"), 2000000), 1772899);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_belong_where_kafka_puts_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
