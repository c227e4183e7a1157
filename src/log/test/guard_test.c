/* Tokens of transactions: who may append the first batch, and what a marker must be. */
#include "log/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define DAY_MS (24 * 60 * 60 * 1000LL)
#define ID 7

static struct batch_header header_of(int16_t epoch, int32_t sequence)
{
    return (struct batch_header){
        .producer_id = ID,
        .producer_epoch = epoch,
        .base_sequence = sequence,
        .attributes = BATCH_TRANSACTIONAL,
        .max_timestamp = 1000,
    };
}

static void note(struct producers *producers, int16_t epoch, enum txn_marker marker)
{
    struct batch_header header = header_of(epoch, marker == TXN_MARKER_NONE ? 0 : -1);
    if (marker != TXN_MARKER_NONE)
        header.attributes |= BATCH_CONTROL;
    struct producer_note note = {.header = &header, .marker = marker, .coordinator_epoch = 3};
    struct producer_undo undo;
    assert_true(producers_note(producers, &note, &undo));
}

static uint64_t ask(struct producers *producers, int16_t epoch, int32_t sequence)
{
    struct guard_wish wish = {
        .producer_id = ID, .producer_epoch = epoch, .sequence = sequence, .adds = true};
    uint64_t token;
    assert_int_equal(producers_guard(producers, &wish, 1000, &token), ERR_NONE);
    return token;
}

static enum err show(const struct producers *producers, int16_t epoch, uint64_t token)
{
    return producers_check_guard(
        producers,
        &(struct guard_claim){.producer_id = ID, .producer_epoch = epoch, .token = token});
}

static void a_first_batch_shows_its_token(void **state)
{
    (void)state;
    struct producers producers;
    producers_init(&producers, DAY_MS);
    assert_int_equal(show(&producers, 0, GUARD_NO_TOKEN), ERR_INVALID_TXN_STATE);
    uint64_t token = ask(&producers, 0, 0);
    assert_int_not_equal(token, GUARD_NO_TOKEN);
    assert_int_equal(ask(&producers, 0, 5), token); /* until it is used */
    assert_int_equal(show(&producers, 0, token + 1), ERR_INVALID_TXN_STATE);
    assert_int_equal(show(&producers, 0, token), ERR_NONE);
    note(&producers, 0, TXN_MARKER_NONE);
    /* Under way: nobody is asked. */
    assert_int_equal(ask(&producers, 0, 1), GUARD_NO_TOKEN);
    assert_int_equal(show(&producers, 0, GUARD_NO_TOKEN), ERR_NONE);
    note(&producers, 1, TXN_MARKER_COMMIT);
    assert_int_equal(show(&producers, 1, token), ERR_INVALID_TXN_STATE);
    assert_int_equal(show(&producers, 0, token), ERR_INVALID_PRODUCER_EPOCH);
    producers_fini(&producers);
}

static void an_end_makes_a_token_void(void **state)
{
    (void)state;
    struct producers producers;
    producers_init(&producers, DAY_MS);
    uint64_t token = ask(&producers, 0, 0);
    note(&producers, 0, TXN_MARKER_ABORT);
    assert_int_equal(show(&producers, 0, token), ERR_INVALID_TXN_STATE);
    assert_int_not_equal(ask(&producers, 0, 0), token);
    struct guard_wish old = {.producer_id = ID, .producer_epoch = -1};
    assert_int_equal(producers_guard(&producers, &old, 1000, &token), ERR_INVALID_PRODUCER_EPOCH);
    producers_expire(&producers, 1000 + 2 * DAY_MS);
    assert_null(producers_find_guard(&producers, ID));
    producers_fini(&producers);
}

static enum err check(const struct producers *producers, int16_t epoch, int32_t sequence)
{
    struct batch_header header = header_of(epoch, sequence);
    const struct producer_batch *duplicate;
    return producers_check(producers, &header, &duplicate);
}

static void a_later_batch_waits_for_the_lowest(void **state)
{
    (void)state;
    struct producers producers;
    producers_init(&producers, DAY_MS);
    (void)ask(&producers, 0, 10);
    assert_int_equal(check(&producers, 0, 10), ERR_OUT_OF_ORDER_SEQUENCE_NUMBER); /* it is new */
    (void)ask(&producers, 0, 0);
    assert_int_equal(check(&producers, 0, 10), ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(check(&producers, 0, 0), ERR_NONE);
    producers_fini(&producers);
}

static enum err mark(const struct producers *producers, int16_t epoch, int16_t version,
                     int32_t coordinator_epoch)
{
    return producers_check_marker(
        producers, &(struct producer_marker){.producer_id = ID,
                                             .producer_epoch = epoch,
                                             .transaction_version = version,
                                             .coordinator_epoch = coordinator_epoch});
}

static void markers_end_what_is_open(void **state)
{
    (void)state;
    struct producers producers;
    producers_init(&producers, DAY_MS);
    assert_int_equal(mark(&producers, 0, 2, 0), ERR_NONE); /* nothing is known */
    note(&producers, 4, TXN_MARKER_NONE);
    assert_int_equal(mark(&producers, 3, 0, 0), ERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(mark(&producers, 4, 0, 0), ERR_NONE);
    assert_int_equal(mark(&producers, 4, 2, 0), ERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(mark(&producers, 5, 2, 0), ERR_NONE);
    note(&producers, 5, TXN_MARKER_COMMIT);
    assert_int_equal(mark(&producers, 5, 2, 3), ERR_NONE); /* again */
    assert_int_equal(mark(&producers, 5, 2, 2), ERR_TRANSACTION_COORDINATOR_FENCED);
    assert_int_equal(mark(&producers, 4, 2, 3), ERR_INVALID_PRODUCER_EPOCH);
    producers_fini(&producers);
}

static void nothing_strays_into_a_transaction(void **state)
{
    (void)state;
    struct producers producers;
    producers_init(&producers, DAY_MS);
    note(&producers, 0, TXN_MARKER_NONE);
    struct batch_header header = header_of(0, 1);
    header.attributes = 0;
    const struct producer_batch *duplicate;
    assert_int_equal(producers_check(&producers, &header, &duplicate), ERR_INVALID_TXN_STATE);
    producers_fini(&producers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_batch_shows_its_token),
        cmocka_unit_test(an_end_makes_a_token_void),
        cmocka_unit_test(a_later_batch_waits_for_the_lowest),
        cmocka_unit_test(markers_end_what_is_open),
        cmocka_unit_test(nothing_strays_into_a_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
