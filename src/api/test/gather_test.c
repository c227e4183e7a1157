/* Gather: parts run on their own shards, in the order in which they were added there; what is done
 * later counts too; the end is told once, on the request's shard, and it can be run again. */
#include "api/gather.h"
#include "api/test/replica_kit.h"
#include "base/always.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PARTS 30
#define SHARDS 4

static const struct meta_image image = {.end_offset = 0};

struct part {
    struct api_part part; /* first: api/gather.h */
    struct round *round;
    struct shard_chore later;
    int shard;
    int runs;
    int order; /* among those of its shard */
};

struct round {
    struct api_gather gather;
    struct part parts[PARTS];
    struct arena arena;
    int part_count;
    int shard_count;
    bool defers; /* every other part is done in a later turn */
    int again;   /* how often it is to be run once more */
    int ends;
    int orders[SHARDS];
    struct shard_set *set;
    struct shard_message begin;
    struct api_shard shards[SHARDS];
};

static void on_later(struct shard *shard, struct shard_chore *chore)
{
    struct part *part = CONTAINER_OF(chore, struct part, later);
    ALWAYS(shard_index(shard) == part->shard, "a part moved");
    api_part_done(api_shard_of(shard), &part->part);
}

static void run(struct api_shard *there, struct api_part *api_part)
{
    role_now_on_shard();
    struct part *part = CONTAINER_OF(api_part, struct part, part);
    ALWAYS(shard_index(there->shard) == part->shard, "a part runs on shard %d",
           shard_index(there->shard));
    part->runs++;
    part->order = part->round->orders[part->shard]++;
    if (part->round->defers && part->order % 2 == 0) {
        shard_chore_init(&part->later, on_later);
        shard_run_later(there->shard, &part->later);
    } else {
        api_part_done(there, api_part);
    }
}

static void on_end(struct api_shard *here, struct api_gather *gather)
{
    struct round *round = CONTAINER_OF(gather, struct round, gather);
    ALWAYS(shard_index(here->shard) == 0, "the end is on shard %d", shard_index(here->shard));
    round->ends++;
    for (int i = 0; i < round->part_count; i++)
        ALWAYS(round->parts[i].runs == round->ends, "part %d ran %d times", i,
               round->parts[i].runs);
    if (round->again-- > 0)
        api_gather_run(gather);
    else
        shard_set_stop(round->set);
}

static void on_begin(struct shard *shard, struct shard_message *message)
{
    (void)shard;
    api_gather_run(&CONTAINER_OF(message, struct round, begin)->gather);
}

static const struct shard_route route = {.name = "begin", .run = {on_begin}};

static void play(struct round *round)
{
    const struct shard_set_options options = {
        .shard_count = round->shard_count, .worker_count = 1, .seed = 3};
    assert_int_equal(shard_set_new(&options, &round->set), 0);
    for (int i = 0; i < round->shard_count; i++) {
        round->shards[i].shard = shard_set_at(round->set, i);
        round->shards[i].image = &image;
        shard_set_context(round->shards[i].shard, &round->shards[i]);
    }
    arena_init(&round->arena, 1 << 20);
    assert_true(api_gather_init(&round->gather, &round->shards[0], &round->arena, run, on_end));
    for (int i = 0; i < round->part_count; i++) {
        struct part *part = &round->parts[i];
        part->round = round;
        part->shard = i * 7 % round->shard_count;
        assert_true(api_gather_add(&round->gather, &round->arena, part->shard, &part->part));
    }
    shard_post(round->shards[0].shard, &round->begin, &route);
    assert_int_equal(shard_set_start(round->set), 0);
    shard_set_join(round->set);
    shard_set_free(round->set);
    arena_fini(&round->arena);
}

static void all_run_in_order(void **state)
{
    (void)state;
    for (int shards = 1; shards <= SHARDS; shards++)
        for (int defers = 0; defers <= 1; defers++) {
            struct round round = {
                .part_count = PARTS, .shard_count = shards, .defers = defers == 1};
            play(&round);
            assert_int_equal(round.ends, 1);
            int expected[SHARDS] = {0};
            for (int i = 0; i < PARTS; i++)
                assert_int_equal(round.parts[i].order, expected[round.parts[i].shard]++);
        }
}

static void again(void **state)
{
    (void)state;
    for (int shards = 1; shards <= SHARDS; shards++) {
        struct round round = {
            .part_count = PARTS, .shard_count = shards, .defers = true, .again = 50};
        play(&round);
        assert_int_equal(round.ends, 51);
    }
}

static void no_parts(void **state)
{
    (void)state;
    struct round round = {.part_count = 0, .shard_count = 3};
    play(&round);
    assert_int_equal(round.ends, 1);
}

static void no_memory(void **state)
{
    (void)state;
    struct round round = {.shard_count = 2};
    const struct shard_set_options options = {.shard_count = 2, .worker_count = 1, .seed = 3};
    assert_int_equal(shard_set_new(&options, &round.set), 0);
    round.shards[0].shard = shard_set_at(round.set, 0);
    round.shards[0].image = &image;
    arena_init(&round.arena, 1);
    assert_false(api_gather_init(&round.gather, &round.shards[0], &round.arena, run, on_end));
    arena_fini(&round.arena);
    shard_set_free(round.set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_run_in_order),
        cmocka_unit_test(again),
        cmocka_unit_test(no_parts),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
