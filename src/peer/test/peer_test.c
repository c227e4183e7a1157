/* Calls from data shards to the own node and to others: answered in order, now or later, by the
 * controller's shard, each back on the shard that made it. */
#include "base/always.h"
#include "peer/peer.h"
#include "shard/shard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define CALLS 200
#define SHARDS 2

struct caller {
    struct shard_message begin;
    struct peer_call calls[CALLS];
    int done;
    int32_t node_id;
    struct shard *shard;
};

static struct {
    struct peer_service service; /* first: the controller's context */
    struct shard_set *set;
    struct caller callers[SHARDS];
    struct shard_chore later;
    bool holds;
    int arrived;
    int finished;
    int expected;
} world;

/* ---- the controller ---- */

/* The answer to a call is the number in its request plus a thousand. */
static void answer(struct shard *controller, struct peer_call *call)
{
    role_now_on_shard();
    int32_t *response = ARENA_NEW(&call->arena, int32_t);
    ALWAYS(response != NULL, "memory for an answer");
    *response = *(const int32_t *)call->request + 1000;
    bool even = *response % 2 == 0;
    peer_answer(controller, call, even ? ERR_NONE : ERR_NOT_CONTROLLER, even ? response : NULL);
}

static struct peer_call *held[CALLS * SHARDS];
static int held_count;

static void answer_held(struct shard *controller, struct shard_chore *chore)
{
    (void)chore;
    for (int i = 0; i < held_count; i++)
        answer(controller, held[i]);
    held_count = 0;
}

static void handle(struct peer_service *service, struct peer_call *call)
{
    role_now_on_shard();
    ALWAYS(service == &world.service, "the service is the context");
    struct shard *controller = shard_set_controller(world.set);
    world.arrived++;
    if (!world.holds) {
        answer(controller, call);
        return;
    }
    held[held_count++] = call;
    shard_run_later(controller, &world.later);
}

/* ---- the callers ---- */

static void on_done(struct shard *shard, struct peer_call *call)
{
    struct caller *caller = world.callers + shard_index(shard);
    ALWAYS(caller->shard == shard, "an answer came to another shard");
    ALWAYS(call == &caller->calls[caller->done], "answers come in the order of calls");
    bool is_own = caller->node_id == call->own_node_id;
    int32_t number = *(const int32_t *)call->request;
    if (!is_own) {
        ALWAYS(call->transport == ERR_BROKER_NOT_AVAILABLE && call->response == NULL,
               "nobody answers for a node that is not known");
    } else if (number % 2 == 0) {
        ALWAYS(call->transport == ERR_NONE && *(int32_t *)call->response == number + 1000,
               "call %d has another's answer", number);
    } else {
        ALWAYS(call->transport == ERR_NOT_CONTROLLER && call->response == NULL,
               "call %d was refused", number);
    }
    caller->done++;
    if (__atomic_add_fetch(&world.finished, 1, __ATOMIC_ACQ_REL) == world.expected)
        shard_set_stop(world.set);
}

static void on_begin(struct shard *shard, struct shard_message *message)
{
    role_now_on_shard();
    struct caller *caller = CONTAINER_OF(message, struct caller, begin);
    static const int32_t odd_and_even[] = {1, 2};
    caller->shard = shard;
    for (int i = 0; i < CALLS; i++) {
        struct peer_call *call = &caller->calls[i];
        *call = (struct peer_call){
            .own_node_id = 1, .request = &odd_and_even[i % 2], .on_done = on_done};
        arena_init(&call->arena, 4096);
        peer_call(shard, caller->node_id, call);
        ALWAYS(caller->done == 0, "on_done comes in a later turn");
    }
}

static const struct shard_route route = {.name = "begin", .run = {on_begin}};

static void run(bool holds, int32_t node_id, bool controller)
{
    struct shard_set_options options = {
        .shard_count = SHARDS, .controller = controller, .worker_count = 1, .seed = 1};
    memset(&world, 0, sizeof world);
    world.service.handle = handle;
    world.holds = holds;
    world.expected = CALLS * SHARDS;
    shard_chore_init(&world.later, answer_held);
    assert_int_equal(shard_set_new(&options, &world.set), 0);
    if (controller)
        shard_set_context(shard_set_controller(world.set), &world.service);
    for (int i = 0; i < SHARDS; i++) {
        world.callers[i].node_id = node_id;
        shard_post(shard_set_at(world.set, i), &world.callers[i].begin, &route);
    }
    assert_int_equal(shard_set_start(world.set), 0);
    shard_set_join(world.set);
    for (int i = 0; i < SHARDS; i++) {
        assert_int_equal(world.callers[i].done, CALLS);
        for (int j = 0; j < CALLS; j++)
            arena_fini(&world.callers[i].calls[j].arena);
    }
    shard_set_free(world.set);
}

static void the_own_node_answers_at_once(void **state)
{
    (void)state;
    run(false, 1, true);
    assert_int_equal(world.arrived, CALLS * SHARDS);
}

static void the_own_node_answers_later(void **state)
{
    (void)state;
    run(true, 1, true);
    assert_int_equal(world.arrived, CALLS * SHARDS);
}

static void other_nodes_are_not_available(void **state)
{
    (void)state;
    run(false, 2, true);
    assert_int_equal(world.arrived, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_own_node_answers_at_once),
        cmocka_unit_test(the_own_node_answers_later),
        cmocka_unit_test(other_nodes_are_not_available),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
