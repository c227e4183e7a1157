/* Producer state: which batch follows which, what is recognised as sent before, and what a snapshot
 * keeps. */
#include "log/producer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define DAY_MS INT64_C(86400000)

struct sent {
    int16_t epoch;
    int32_t sequence;
    int32_t count;
    int64_t offset;
};

static struct batch_header header_of(const struct sent *sent)
{
    return (struct batch_header){
        .producer_id = 7,
        .producer_epoch = sent->epoch,
        .base_sequence = sent->sequence,
        .last_offset_delta = sent->count - 1,
        .base_offset = sent->offset,
        .max_timestamp = 1000 + sent->offset,
    };
}

static enum err check(const struct producers *producers, const struct sent *sent,
                      const struct producer_batch **ret_duplicate)
{
    struct batch_header header = header_of(sent);
    return producers_check(producers, &header, ret_duplicate);
}

static struct producer_undo note(struct producers *producers, const struct sent *sent)
{
    struct batch_header header = header_of(sent);
    struct producer_note note = {.header = &header, .marker = TXN_MARKER_NONE};
    struct producer_undo undo;
    assert_true(producers_note(producers, &note, &undo));
    return undo;
}

static void expect(const struct producers *producers, struct sent sent, enum err wanted)
{
    const struct producer_batch *duplicate;
    assert_int_equal(check(producers, &sent, &duplicate), wanted);
    assert_null(duplicate);
}

static void sequences_follow_each_other(void **state)
{
    (void)state;
    struct producers producers;
    producers_init(&producers, DAY_MS);
    /* Nobody is known: any sequence is taken, as after retention removed all of a producer. */
    expect(&producers, (struct sent){0, 5, 1, 0}, ERR_NONE);
    (void)note(&producers, &(struct sent){0, 0, 3, 0});
    expect(&producers, (struct sent){0, 3, 1, 3}, ERR_NONE);
    expect(&producers, (struct sent){0, 4, 1, 3}, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(&producers, (struct sent){0, 2, 1, 3}, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    /* A new epoch begins at 0; an old one is over. */
    expect(&producers, (struct sent){1, 1, 1, 3}, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(&producers, (struct sent){1, 0, 1, 3}, ERR_NONE);
    (void)note(&producers, &(struct sent){1, 0, 1, 3});
    expect(&producers, (struct sent){0, 3, 1, 4}, ERR_INVALID_PRODUCER_EPOCH);
    producers_fini(&producers);
}

static void sequences_wrap(void **state)
{
    (void)state;
    struct producers producers;
    producers_init(&producers, DAY_MS);
    (void)note(&producers, &(struct sent){0, INT32_MAX - 1, 2, 0});
    expect(&producers, (struct sent){0, 0, 1, 2}, ERR_NONE);
    expect(&producers, (struct sent){0, 1, 1, 2}, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    (void)note(&producers, &(struct sent){0, 0, 1, 2});
    const struct producer_batch *duplicate;
    struct sent again = {0, INT32_MAX - 1, 2, 9};
    assert_int_equal(check(&producers, &again, &duplicate), ERR_NONE);
    assert_non_null(duplicate);
    producers_fini(&producers);
}

/* A batch with an id and no epoch: any sequence may follow, but what was sent before is known. */
static void without_an_epoch(void **state)
{
    (void)state;
    struct producers producers;
    producers_init(&producers, DAY_MS);
    (void)note(&producers, &(struct sent){-1, 0, 2, 0});
    const struct producer_batch *duplicate;
    struct sent again = {-1, 0, 2, 9};
    assert_int_equal(check(&producers, &again, &duplicate), ERR_NONE);
    assert_non_null(duplicate);
    expect(&producers, (struct sent){-1, 7, 1, 2}, ERR_NONE);
    expect(&producers, (struct sent){3, 7, 1, 2}, ERR_NONE);
    producers_fini(&producers);
}

static void the_last_five_are_recognised(void **state)
{
    (void)state;
    struct producers producers;
    producers_init(&producers, DAY_MS);
    for (int i = 0; i < 7; i++)
        (void)note(&producers, &(struct sent){0, i * 10, 10, i * 10});
    for (int i = 0; i < 7; i++) {
        struct sent again = {0, i * 10, 10, 100};
        const struct producer_batch *duplicate;
        enum err err = check(&producers, &again, &duplicate);
        if (i < 2) {
            assert_int_equal(err, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
            assert_null(duplicate);
        } else {
            assert_int_equal(err, ERR_NONE);
            assert_int_equal(duplicate->last_offset - duplicate->offset_delta, i * 10);
        }
    }
    /* Another length is another batch. */
    expect(&producers, (struct sent){0, 60, 5, 100}, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    producers_fini(&producers);
}

static void a_note_can_be_undone(void **state)
{
    (void)state;
    struct producers producers;
    producers_init(&producers, DAY_MS);
    struct producer_undo first = note(&producers, &(struct sent){0, 0, 1, 0});
    struct producer_undo second = note(&producers, &(struct sent){0, 1, 1, 1});
    producers_undo(&producers, &second);
    expect(&producers, (struct sent){0, 1, 1, 1}, ERR_NONE);
    producers_undo(&producers, &first);
    /* The second may be under way already: it is not taken in the place of the first. */
    expect(&producers, (struct sent){0, 1, 1, 0}, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(&producers, (struct sent){0, 0, 1, 0}, ERR_NONE);
    size_t size;
    uint8_t *bytes = producers_write(&producers, &size);
    struct producers again;
    producers_init(&again, DAY_MS);
    assert_null(producers_read(&again, slice_of(bytes, size), 1000));
    assert_null(producers_find(&again, 7)); /* the log holds nothing of it */
    free(bytes);
    (void)note(&producers, &(struct sent){0, 0, 1, 0});
    expect(&producers, (struct sent){0, 1, 1, 1}, ERR_NONE);
    producers_fini(&again);
    producers_fini(&producers);
}

/* A first batch may be any, and one that could not be written is the first all the same. */
static void a_first_batch_that_was_not_written_is_awaited(void **state)
{
    (void)state;
    struct producers producers;
    producers_init(&producers, DAY_MS);
    struct batch_header header = header_of(&(struct sent){0, 40, 5, 0});
    producers_await(&producers, &header);
    expect(&producers, (struct sent){0, 45, 5, 0}, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(&producers, (struct sent){0, 0, 5, 0}, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(&producers, (struct sent){1, 0, 5, 0}, ERR_NONE);
    (void)note(&producers, &(struct sent){0, 40, 5, 0});
    producers_await(&producers, &header);
    expect(&producers, (struct sent){0, 45, 5, 5}, ERR_NONE);
    producers_fini(&producers);
}

static void transactions_hold_back_what_is_stable(void **state)
{
    (void)state;
    struct producers producers;
    producers_init(&producers, DAY_MS);
    assert_int_equal(producers_first_unstable(&producers), -1);
    struct sent sent = {0, 0, 2, 40};
    struct batch_header header = header_of(&sent);
    header.attributes = BATCH_TRANSACTIONAL;
    struct producer_note open = {.header = &header, .marker = TXN_MARKER_NONE};
    struct producer_undo undo;
    assert_true(producers_note(&producers, &open, &undo));
    assert_int_equal(producers_first_unstable(&producers), 40);
    producers_expire(&producers, 100 * DAY_MS); /* an open transaction is not forgotten */
    assert_int_equal(producers_first_unstable(&producers), 40);
    header.attributes = BATCH_TRANSACTIONAL | BATCH_CONTROL;
    struct producer_note commit = {.header = &header, .marker = TXN_MARKER_COMMIT};
    assert_true(producers_note(&producers, &commit, &undo));
    assert_int_equal(producers_first_unstable(&producers), -1);
    producers_expire(&producers, 100 * DAY_MS);
    assert_null(producers_find(&producers, 7));
    producers_fini(&producers);
}

static void snapshots_keep_the_last_batch(void **state)
{
    (void)state;
    struct producers producers;
    struct producers back;
    producers_init(&producers, DAY_MS);
    producers_init(&back, DAY_MS);
    (void)note(&producers, &(struct sent){3, 0, 2, 10});
    (void)note(&producers, &(struct sent){3, 2, 2, 12});
    size_t size;
    uint8_t *bytes = producers_write(&producers, &size);
    assert_non_null(bytes);
    assert_int_equal(size, 10 + 46);
    assert_null(producers_read(&back, slice_of(bytes, size), 2000));
    expect(&back, (struct sent){3, 4, 1, 14}, ERR_NONE);
    struct sent again = {3, 2, 2, 99};
    const struct producer_batch *duplicate;
    assert_int_equal(check(&back, &again, &duplicate), ERR_NONE);
    assert_int_equal(duplicate->last_offset, 13);
    expect(&back, (struct sent){3, 0, 2, 99}, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    producers_fini(&back);
    /* Every flipped bit and every cut is noticed. */
    for (size_t at = 0; at < size; at++) {
        producers_init(&back, DAY_MS);
        bytes[at] ^= 0x10;
        assert_non_null(producers_read(&back, slice_of(bytes, size), 2000));
        bytes[at] ^= 0x10;
        assert_non_null(producers_read(&back, slice_of(bytes, at), 2000));
        producers_fini(&back);
    }
    free(bytes);
    producers_fini(&producers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_follow_each_other),
        cmocka_unit_test(sequences_wrap),
        cmocka_unit_test(without_an_epoch),
        cmocka_unit_test(the_last_five_are_recognised),
        cmocka_unit_test(a_note_can_be_undone),
        cmocka_unit_test(a_first_batch_that_was_not_written_is_awaited),
        cmocka_unit_test(transactions_hold_back_what_is_stable),
        cmocka_unit_test(snapshots_keep_the_last_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
