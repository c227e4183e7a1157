/* The mailbox by itself: order, who must wake whom, and both ways of resting. */
#include "shard/mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define LETTERS 6

static struct shard_message letters[LETTERS];

/* Puts letters from `first` on as one batch; returns whether a wake-up is due. */
static bool put(struct mailbox *mailbox, int first, int count)
{
    struct mailbox_batch batch = {0};
    for (int i = first; i < first + count; i++)
        mailbox_batch_add(&batch, &letters[i]);
    bool wakes = mailbox_put(mailbox, &batch);
    assert_null(batch.newest);
    assert_null(batch.oldest);
    return wakes;
}

/* Takes everything; it must be the letters from `first` on. */
static void expect(struct mailbox *mailbox, int first, int count)
{
    struct list messages;
    list_init(&messages);
    mailbox_take(mailbox, &messages);
    for (int i = first; i < first + count; i++)
        assert_ptr_equal(list_take_first(&messages), &letters[i].link);
    assert_true(list_is_empty(&messages));
    assert_true(mailbox_is_empty(mailbox));
}

static void batches_keep_their_order(void **state)
{
    struct mailbox mailbox;
    (void)state;
    mailbox_init(&mailbox, true);
    expect(&mailbox, 0, 0);
    (void)put(&mailbox, 0, 3);
    (void)put(&mailbox, 3, 1);
    (void)put(&mailbox, 4, 2);
    expect(&mailbox, 0, LETTERS);
}

static void what_is_taken_goes_behind_what_was_there(void **state)
{
    struct mailbox mailbox;
    struct list messages;
    (void)state;
    mailbox_init(&mailbox, true);
    list_init(&messages);
    list_add_tail(&messages, &letters[0].link);
    (void)put(&mailbox, 1, 2);
    mailbox_take(&mailbox, &messages);
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(list_take_first(&messages), &letters[i].link);
}

static void only_the_first_to_a_sleeper_wakes(void **state)
{
    struct mailbox mailbox;
    (void)state;
    mailbox_init(&mailbox, true);
    assert_false(put(&mailbox, 0, 1)); /* it is awake */
    assert_false(mailbox_doze(&mailbox));
    expect(&mailbox, 0, 1);
    assert_true(mailbox_doze(&mailbox));
    assert_true(mailbox_doze(&mailbox)); /* a wait that brought nothing */
    assert_true(mailbox_is_empty(&mailbox));
    assert_true(put(&mailbox, 0, 2));
    assert_false(put(&mailbox, 2, 1));
    assert_false(mailbox_doze(&mailbox));
    expect(&mailbox, 0, 3);
    assert_false(put(&mailbox, 0, 1)); /* awake again */
    expect(&mailbox, 0, 1);
    assert_true(mailbox_doze(&mailbox));
    expect(&mailbox, 0, 0); /* woken by something else */
    assert_false(put(&mailbox, 0, 1));
}

static void a_lone_shard_is_always_woken(void **state)
{
    struct mailbox mailbox;
    (void)state;
    mailbox_init(&mailbox, false);
    assert_true(mailbox_doze(&mailbox));
    assert_true(put(&mailbox, 0, 1));
    assert_false(put(&mailbox, 1, 1));
    assert_false(mailbox_doze(&mailbox));
    expect(&mailbox, 0, 2);
    assert_true(put(&mailbox, 0, 1)); /* never known to be awake */
    expect(&mailbox, 0, 1);
    expect(&mailbox, 0, 0);
    assert_true(mailbox_doze(&mailbox));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_keep_their_order),
        cmocka_unit_test(what_is_taken_goes_behind_what_was_there),
        cmocka_unit_test(only_the_first_to_a_sleeper_wakes),
        cmocka_unit_test(a_lone_shard_is_always_woken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
