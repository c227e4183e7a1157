/* The assignors: against those of Apache Kafka on the same input, against all assignments there are
 * where these can be tried, and by what must hold of each. One thread. */
#include "group/consumer_assign.h"
#include "group/test/consumer_assign_cases.h"

#include "base/attr.h"
#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MEMBERS_MAX 128
#define TOPICS_MAX 64
#define PARTITIONS_MAX 4096

/* An assignment to be made, in room of its own. */
struct trial {
    struct arena arena;
    struct assign assign;
    struct assign_topic topics[TOPICS_MAX];
    struct assign_member members[MEMBERS_MAX];
    int32_t subscriptions[MEMBERS_MAX][TOPICS_MAX];
    int32_t held[MEMBERS_MAX][PARTITIONS_MAX];
    int32_t owners[PARTITIONS_MAX];
    char names[MEMBERS_MAX][8];
};
static struct trial trial;

static void begin(void)
{
    memset(&trial, 0, sizeof trial);
    arena_init(&trial.arena, SIZE_MAX / 2);
    trial.assign.arena = &trial.arena;
    trial.assign.topics = trial.topics;
    trial.assign.members = trial.members;
    trial.assign.owners = trial.owners;
    for (int i = 0; i < MEMBERS_MAX; i++) {
        (void)snprintf(trial.names[i], sizeof trial.names[i], "m%03d", i);
        trial.members[i] = (struct assign_member){.id = slice_of_text(trial.names[i]),
                                                  .topics = trial.subscriptions[i],
                                                  .held = trial.held[i]};
    }
}

static void add_topic(int32_t count)
{
    struct assign *assign = &trial.assign;
    trial.topics[assign->topic_count++] = (struct assign_topic){assign->partition_count, count};
    assign->partition_count += count;
}

static void subscribe(int member, int32_t topic)
{
    trial.subscriptions[member][trial.members[member].topic_count++] = topic;
}

/* What each has been given it holds from here. */
static void hold(void)
{
    for (int i = 0; i < MEMBERS_MAX; i++)
        trial.members[i].held_count = 0;
    for (int32_t i = 0; i < trial.assign.partition_count; i++)
        if (trial.owners[i] >= 0) {
            struct assign_member *member = &trial.members[trial.owners[i]];
            trial.held[trial.owners[i]][member->held_count++] = i;
        }
}

static int load_of(int member)
{
    int load = 0;
    for (int32_t i = 0; i < trial.assign.partition_count; i++)
        load += trial.owners[i] == member;
    return load;
}

static int kept(void)
{
    int count = 0;
    for (int i = 0; i < trial.assign.member_count; i++)
        for (int32_t j = 0; j < trial.members[i].held_count; j++)
            count += trial.owners[trial.held[i][j]] == i;
    return count;
}

/* ---- against Kafka ---- */

static int32_t next_number(const char **at)
{
    char *end;
    long number = strtol(*at, &end, 10);
    *at = end;
    return (int32_t)number;
}

/* Numbers with commas between them. */
static int32_t read_numbers(const char **at, int32_t *numbers)
{
    int32_t count = 0;
    while ((**at >= '0' && **at <= '9') || **at == '-') {
        numbers[count++] = next_number(at);
        *at += **at == ',';
    }
    return count;
}

static const char *read_members(const char *at)
{
    while (*at == ' ' && at[1] != '=') {
        int member = trial.assign.member_count++;
        at += 1 + strcspn(at + 1, ":") + 1;
        trial.members[member].topic_count = read_numbers(&at, trial.subscriptions[member]);
        at++;
        trial.members[member].held_count = read_numbers(&at, trial.held[member]);
    }
    return at;
}

static void kafka_gives_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(consumer_assign_cases); i++) {
        const char *at = consumer_assign_cases[i];
        begin();
        bool is_uniform = at[0] == 'u';
        trial.assign.is_homogeneous = at[2] == '1';
        at += 4;
        int32_t counts[TOPICS_MAX];
        int32_t topics = read_numbers(&at, counts);
        for (int32_t j = 0; j < topics; j++)
            add_topic(counts[j]);
        at = read_members(at) + 3;
        (is_uniform ? assign_uniform : assign_range)(&trial.assign);
        int32_t expected[PARTITIONS_MAX];
        assert_int_equal(read_numbers(&at, expected), trial.assign.partition_count);
        for (int32_t j = 0; j < trial.assign.partition_count; j++)
            if (trial.owners[j] != expected[j])
                fail_msg("partition %d goes to %d: %s", j, trial.owners[j],
                         consumer_assign_cases[i]);
        arena_fini(&trial.arena);
    }
}

/* ---- by what must hold ---- */

static void check_each_is_a_subscribers(void)
{
    int32_t topic = 0;
    for (int32_t i = 0; i < trial.assign.partition_count; i++) {
        topic = assign_topic_of(&trial.assign, i, topic);
        bool is_wanted = false;
        for (int j = 0; j < trial.assign.member_count; j++)
            is_wanted = is_wanted || assign_is_subscribed(&trial.members[j], topic);
        if (!is_wanted) {
            assert_int_equal(trial.owners[i], ASSIGN_NOBODY);
            continue;
        }
        assert_in_range(trial.owners[i], 0, trial.assign.member_count - 1);
        assert_true(assign_is_subscribed(&trial.members[trial.owners[i]], topic));
    }
}

/* The most that any even assignment could leave where it is: a member keeps what it has, up to its
 * share, and as many as there are extra partitions keep one more. */
static int most_kept(void)
{
    int least = trial.assign.partition_count / trial.assign.member_count;
    int extras = trial.assign.partition_count % trial.assign.member_count;
    int count = 0;
    for (int i = 0; i < trial.assign.member_count; i++) {
        int held = trial.members[i].held_count;
        count += MIN_OF(held, least);
        if (held > least && extras-- > 0)
            count++;
    }
    return count;
}

static bool is_even(void)
{
    int least = trial.assign.partition_count / trial.assign.member_count;
    for (int i = 0; i < trial.assign.member_count; i++) {
        int load = load_of(i);
        if (load < least ||
            load > least + (trial.assign.partition_count % trial.assign.member_count > 0))
            return false;
    }
    return true;
}

/* Everybody's every choice. */
static int most_kept_of_all(void)
{
    int32_t found[PARTITIONS_MAX];
    memcpy(found, trial.owners, sizeof found);
    int best = 0;
    int members = trial.assign.member_count;
    int64_t count = 1;
    for (int32_t i = 0; i < trial.assign.partition_count; i++)
        count *= members;
    for (int64_t number = 0; number < count; number++) {
        int64_t rest = number;
        for (int32_t i = 0; i < trial.assign.partition_count; i++, rest /= members)
            trial.owners[i] = (int32_t)(rest % members);
        if (is_even())
            best = MAX_OF(best, kept());
    }
    memcpy(trial.owners, found, sizeof found);
    return best;
}

static void members_come(int count, int32_t topics)
{
    for (int i = 0; i < count; i++)
        for (int32_t j = 0; j < topics; j++)
            if (trial.members[i].topic_count < topics)
                subscribe(i, j);
    trial.assign.member_count = count;
}

static void an_even_assignment_moves_the_least(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 848);
    for (int round = 0; round < 300; round++) {
        begin();
        trial.assign.is_homogeneous = true;
        int32_t topics = 1 + (int32_t)prng_below(&prng, 3);
        bool is_small = round % 3 == 0;
        for (int32_t i = 0; i < topics; i++)
            add_topic(1 + (int32_t)prng_below(&prng, is_small ? 2 : 12));
        for (int step = 0; step < 6; step++) {
            members_come(1 + (int)prng_below(&prng, is_small ? 4 : 9), topics);
            assign_uniform(&trial.assign);
            check_each_is_a_subscribers();
            assert_true(is_even());
            assert_int_equal(kept(), most_kept());
            if (is_small)
                assert_int_equal(kept(), most_kept_of_all());
            hold();
        }
        arena_fini(&trial.arena);
    }
}

/* No partition can go from a member to another of its topic's subscribers that has two less. */
static bool is_level(void)
{
    int32_t topic = 0;
    for (int32_t i = 0; i < trial.assign.partition_count; i++) {
        topic = assign_topic_of(&trial.assign, i, topic);
        for (int j = 0; trial.owners[i] >= 0 && j < trial.assign.member_count; j++)
            if (assign_is_subscribed(&trial.members[j], topic) &&
                load_of(trial.owners[i]) - load_of(j) > 1)
                return false;
    }
    return true;
}

static void subscribe_some(struct prng *prng, int32_t topics)
{
    for (int i = 0; i < trial.assign.member_count; i++) {
        trial.members[i].topic_count = 0;
        for (int32_t j = 0; j < topics; j++)
            if (prng_chance(prng, 1, 2))
                subscribe(i, j);
    }
}

static void differing_subscriptions_are_level(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 849);
    for (int round = 0; round < 200; round++) {
        begin();
        int32_t topics = 1 + (int32_t)prng_below(&prng, 6);
        for (int32_t i = 0; i < topics; i++)
            add_topic(1 + (int32_t)prng_below(&prng, 12));
        for (int step = 0; step < 6; step++) {
            trial.assign.member_count = 1 + (int)prng_below(&prng, 8);
            subscribe_some(&prng, topics);
            assign_uniform(&trial.assign);
            check_each_is_a_subscribers();
            assert_true(is_level());
            hold();
            /* The same once more moves nothing. */
            assign_uniform(&trial.assign);
            int held = 0;
            for (int i = 0; i < trial.assign.member_count; i++)
                held += trial.members[i].held_count;
            assert_int_equal(kept(), held);
        }
        arena_fini(&trial.arena);
    }
}

static void ranges_meet(void **state)
{
    (void)state;
    begin();
    add_topic(5);
    add_topic(5);
    members_come(2, 2);
    trial.members[1].instance_id = slice_of_text("i");
    assign_range(&trial.assign);
    check_each_is_a_subscribers();
    /* The static member stands first, and the same numbers of both topics are one member's. */
    for (int32_t i = 0; i < 5; i++) {
        assert_int_equal(trial.owners[i], i < 3 ? 1 : 0);
        assert_int_equal(trial.owners[i], trial.owners[5 + i]);
    }
    arena_fini(&trial.arena);
}

/* One joins a group of 100 with 1,000 partitions, and one leaves: only what must move moves. */
static void a_large_group_moves_little(void **state)
{
    (void)state;
    begin();
    trial.assign.is_homogeneous = true;
    for (int i = 0; i < 10; i++)
        add_topic(100);
    members_come(100, 10);
    assign_uniform(&trial.assign);
    hold();
    members_come(101, 10);
    assign_uniform(&trial.assign);
    assert_int_equal(kept(), 1000 - 9);
    hold();
    members_come(100, 10);
    assign_uniform(&trial.assign);
    assert_int_equal(kept(), 1000 - 9);
    arena_fini(&trial.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kafka_gives_the_same),
        cmocka_unit_test(an_even_assignment_moves_the_least),
        cmocka_unit_test(differing_subscriptions_are_level),
        cmocka_unit_test(ranges_meet),
        cmocka_unit_test(a_large_group_moves_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
