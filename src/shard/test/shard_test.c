/* Shards on real threads: messages, jobs, chores, timers, descriptors, and a stress of all of them
 * at once that the thread sanitizer watches. */
#include "shard/buffer.h"
#include "shard/shard.h"
#include "sys/clock.h"
#include "sys/net.h"
#include "sys/poller.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct shard_set *new_set(int shards, int workers)
{
    struct shard_set *set = NULL;
    const struct shard_set_options options = {
        .shard_count = shards,
        .controller = true,
        .worker_count = workers,
        .seed = 7,
    };
    assert_int_equal(shard_set_new(&options, &set), 0);
    return set;
}

/* ---- one shard: the order of a turn ---- */

struct order {
    struct shard_message begin;
    struct shard_message letter;
    struct shard_chore chore;
    struct shard_chore again;
    struct shard_chore flush;
    struct shard_chore cancelled;
    struct shard_timer timer;
    struct shard_job job;
    bool worked;
    int64_t started_ns;
    char seen[32];
};

static struct order order;

static void note(char what)
{
    order.seen[strlen(order.seen)] = what;
}

static void order_timer(struct shard *here, struct shard_timer *timer)
{
    (void)timer;
    assert_true(shard_now_ns(here) - order.started_ns >= 5000000);
    note('t');
    shard_set_stop(shard_siblings(here));
}

static void order_job_run(struct shard_job *job)
{
    (void)job;
    order.worked = true;
}

static void order_job_done(struct shard *here, struct shard_job *job)
{
    (void)job;
    assert_true(order.worked);
    note('d');
    order.started_ns = shard_now_ns(here);
    shard_timer_start(here, &order.timer, 5);
}

static void order_flush(struct shard *here, struct shard_chore *chore)
{
    (void)chore;
    note('f');
    order.job = (struct shard_job){.run = order_job_run, .on_done = order_job_done};
    shard_submit(here, &order.job);
}

static void order_again(struct shard *here, struct shard_chore *chore)
{
    (void)here;
    (void)chore;
    note('a');
}

static void order_chore(struct shard *here, struct shard_chore *chore)
{
    (void)chore;
    note('c');
    shard_run_later(here, &order.again); /* in the next turn: after this turn's flush */
    shard_chore_cancel(&order.cancelled);
}

static void order_letter(struct shard *here, struct shard_message *message)
{
    (void)here;
    (void)message;
    note('l');
}

static const struct shard_route letter_route = {.name = "letter", .run = {order_letter}};

static void order_begin(struct shard *here, struct shard_message *message)
{
    (void)message;
    note('b');
    shard_flush_later(here, &order.flush);
    shard_run_later(here, &order.chore);
    shard_run_later(here, &order.chore); /* queued once */
    shard_run_later(here, &order.cancelled);
    shard_send(here, here, &order.letter, &letter_route);
}

static const struct shard_route begin_route = {.name = "begin", .run = {order_begin}};

static void a_turn_has_its_order(void **state)
{
    struct shard_set *set = new_set(1, 1);
    (void)state;
    memset(&order, 0, sizeof order);
    shard_chore_init(&order.chore, order_chore);
    shard_chore_init(&order.again, order_again);
    shard_chore_init(&order.flush, order_flush);
    shard_chore_init(&order.cancelled, order_again);
    shard_timer_init(&order.timer, order_timer);
    shard_post(shard_set_at(set, 0), &order.begin, &begin_route);
    assert_int_equal(shard_set_start(set), 0);
    shard_set_join(set);
    /* The worker and the next turn run side by side: 'a' may fall before or after 'd'. */
    char *again = strchr(order.seen, 'a');
    assert_non_null(again);
    memmove(again, again + 1, strlen(again));
    assert_string_equal(order.seen, "blcfdt");
    assert_int_equal(shard_set_count(set), 1);
    assert_non_null(shard_set_controller(set));
    shard_set_free(set);
}

/* ---- many shards: everything at once ---- */

#define STRESS_SHARDS 3
#define STRESS_LETTERS 40
#define STRESS_HOPS 400
#define STRESS_QUEUES 3

struct letter {
    struct shard_message message;
    int hops_left;
};

struct stress_job {
    struct shard_job job;
    struct stress_shard *owner;
    int queue;
    uint64_t sequence;
};

/* One shard's own state; touched by that shard only. */
struct stress_shard {
    struct shard *shard;
    struct letter letters[STRESS_LETTERS];
    struct stress_job jobs[STRESS_LETTERS];
    uint64_t jobs_submitted[STRESS_QUEUES];
    int letters_home;
    struct shard_timer timer;
    uint64_t timers_fired;
};

static struct {
    struct shard_set *set;
    struct stress_shard shards[STRESS_SHARDS];
    /* By a shard's queue: changed by the one worker that runs a job of it. */
    uint64_t queue_next[STRESS_SHARDS][STRESS_QUEUES];
    char queue_tokens[STRESS_SHARDS][STRESS_QUEUES];
    _Atomic int letters_left;
    _Atomic int jobs_left;
    struct shard_message begins[STRESS_SHARDS];
} stress;

static void stress_check_end(void)
{
    if (atomic_load(&stress.letters_left) == 0 && atomic_load(&stress.jobs_left) == 0)
        shard_set_stop(stress.set);
}

static struct stress_shard *stress_of(struct shard *shard)
{
    return (struct stress_shard *)shard_context(shard);
}

static void letter_away(struct shard *here, struct shard_message *message)
{
    struct letter *letter = CONTAINER_OF(message, struct letter, message);
    assert_ptr_equal(message->to, here);
    letter->hops_left--;
    shard_forward(here, message);
}

static void letter_home(struct shard *here, struct shard_message *message);

static const struct shard_route stress_route = {
    .name = "stress",
    .run = {letter_away, letter_home},
};

static void letter_home(struct shard *here, struct shard_message *message)
{
    struct letter *letter = CONTAINER_OF(message, struct letter, message);
    struct stress_shard *own = stress_of(here);
    assert_ptr_equal(message->from, here);
    assert_in_range((uintptr_t)letter, (uintptr_t)own->letters,
                    (uintptr_t)&own->letters[STRESS_LETTERS - 1]);
    if (letter->hops_left > 0) {
        int target = (int)prng_below(shard_prng(here), STRESS_SHARDS);
        shard_send(here, shard_set_at(stress.set, target), message, &stress_route);
        return;
    }
    own->letters_home++;
    if (atomic_fetch_sub(&stress.letters_left, 1) == 1)
        stress_check_end();
}

static void stress_job_run(struct shard_job *job)
{
    struct stress_job *own = CONTAINER_OF(job, struct stress_job, job);
    size_t shard = (size_t)(own->owner - stress.shards);
    if (own->queue >= 0)
        assert_int_equal(stress.queue_next[shard][own->queue]++, own->sequence);
}

static void stress_submit(struct stress_shard *own, struct stress_job *job);

static void stress_job_done(struct shard *here, struct shard_job *job)
{
    struct stress_shard *own = stress_of(here);
    assert_ptr_equal(job->owner, here);
    if (atomic_fetch_sub(&stress.jobs_left, 1) > STRESS_SHARDS * STRESS_LETTERS)
        stress_submit(own, CONTAINER_OF(job, struct stress_job, job));
    else
        stress_check_end();
}

static void stress_submit(struct stress_shard *own, struct stress_job *job)
{
    size_t shard = (size_t)(own - stress.shards);
    job->owner = own;
    job->queue = (int)prng_below(shard_prng(own->shard), STRESS_QUEUES + 1) - 1;
    job->job = (struct shard_job){.run = stress_job_run, .on_done = stress_job_done};
    if (job->queue >= 0) {
        job->sequence = own->jobs_submitted[job->queue]++;
        job->job.queue = &stress.queue_tokens[shard][job->queue];
    }
    shard_submit(own->shard, &job->job);
}

static void stress_timer(struct shard *here, struct shard_timer *timer)
{
    stress_of(here)->timers_fired++;
    shard_timer_start(here, timer, 1);
}

static void stress_begin(struct shard *here, struct shard_message *message)
{
    struct stress_shard *own = stress_of(here);
    (void)message;
    shard_timer_init(&own->timer, stress_timer);
    shard_timer_start(here, &own->timer, 0);
    for (int i = 0; i < STRESS_LETTERS; i++) {
        own->letters[i].hops_left = STRESS_HOPS;
        shard_send(here, shard_set_at(stress.set, i % STRESS_SHARDS), &own->letters[i].message,
                   &stress_route);
        stress_submit(own, &own->jobs[i]);
    }
}

static const struct shard_route stress_begin_route = {.name = "begin", .run = {stress_begin}};

static void everything_at_once(void **state)
{
    (void)state;
    memset(&stress, 0, sizeof stress);
    stress.set = new_set(STRESS_SHARDS, 3);
    atomic_store(&stress.letters_left, STRESS_SHARDS * STRESS_LETTERS);
    atomic_store(&stress.jobs_left, 6000);
    for (int i = 0; i < STRESS_SHARDS; i++) {
        stress.shards[i].shard = shard_set_at(stress.set, i);
        shard_set_context(stress.shards[i].shard, &stress.shards[i]);
    }
    assert_int_equal(shard_set_start(stress.set), 0);
    for (int i = 0; i < STRESS_SHARDS; i++)
        shard_post(stress.shards[i].shard, &stress.begins[i], &stress_begin_route);
    shard_set_join(stress.set);
    for (int i = 0; i < STRESS_SHARDS; i++) {
        assert_int_equal(stress.shards[i].letters_home, STRESS_LETTERS);
        for (int queue = 0; queue < STRESS_QUEUES; queue++)
            assert_int_equal(stress.queue_next[i][queue], stress.shards[i].jobs_submitted[queue]);
    }
    shard_set_free(stress.set);
}

/* ---- a wake-up for every letter: two shards that sleep between any two messages ---- */

struct rally {
    struct shard_message message;
    int left;
};

static void rally_there(struct shard *here, struct shard_message *message)
{
    shard_forward(here, message);
}

static void rally_back(struct shard *here, struct shard_message *message);

static const struct shard_route rally_route = {.name = "rally", .run = {rally_there, rally_back}};

static void rally_back(struct shard *here, struct shard_message *message)
{
    struct rally *rally = CONTAINER_OF(message, struct rally, message);
    if (--rally->left == 0)
        shard_set_stop(shard_siblings(here));
    else
        shard_send(here, message->to, message, &rally_route);
}

static void rally_begin(struct shard *here, struct shard_message *message)
{
    struct shard_set *set = shard_siblings(here);
    bool alone = shard_set_count(set) == 1;
    struct shard *other = alone ? shard_set_controller(set) : shard_set_at(set, 1);
    shard_send(here, other, message, &rally_route);
}

static const struct shard_route rally_begin_route = {.name = "begin", .run = {rally_begin}};

static void no_wake_up_is_lost(void **state)
{
    (void)state;
    for (int shards = 1; shards <= 2; shards++) {
        struct shard_set *set = new_set(shards, 1);
        struct rally rally = {.left = 20000};
        assert_int_equal(shard_set_start(set), 0);
        shard_post(shard_set_at(set, 0), &rally.message, &rally_begin_route);
        shard_set_join(set);
        assert_int_equal(rally.left, 0);
        shard_set_free(set);
    }
}

/* ---- jobs of one queue never overlap, others overtake them ---- */

enum { FIRST_OF_A, SECOND_OF_A, FIRST_OF_B, LINED_UP };

static struct {
    struct shard_set *set;
    struct shard_message begin;
    struct shard_job jobs[LINED_UP];
    _Atomic bool b_has_run;
    _Atomic bool first_has_ended;
    bool second_came_after;
    int done;
} lined_up;

/* Holds its worker until the job of the other queue has run: that one must overtake the second of
 * this queue, which waits for this one. */
static void first_of_a(struct shard_job *job)
{
    (void)job;
    while (!atomic_load(&lined_up.b_has_run)) {
    }
    atomic_store(&lined_up.first_has_ended, true);
}

static void second_of_a(struct shard_job *job)
{
    (void)job;
    lined_up.second_came_after = atomic_load(&lined_up.first_has_ended);
    atomic_store(&lined_up.b_has_run, true); /* the first may end, however wrong this is */
}

static void first_of_b(struct shard_job *job)
{
    (void)job;
    atomic_store(&lined_up.b_has_run, true);
}

static void lined_up_done(struct shard *here, struct shard_job *job)
{
    (void)job;
    if (++lined_up.done == LINED_UP)
        shard_set_stop(shard_siblings(here));
}

static void lined_up_begin(struct shard *here, struct shard_message *message)
{
    static const shard_job_run_fn runs[LINED_UP] = {first_of_a, second_of_a, first_of_b};
    static char queues[2];
    (void)message;
    for (int i = 0; i < LINED_UP; i++) {
        lined_up.jobs[i] = (struct shard_job){
            .run = runs[i],
            .on_done = lined_up_done,
            .queue = &queues[i == FIRST_OF_B ? 1 : 0],
        };
        shard_submit(here, &lined_up.jobs[i]);
    }
}

static const struct shard_route lined_up_route = {.name = "begin", .run = {lined_up_begin}};

static void queues_are_kept_apart(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        memset(&lined_up, 0, sizeof lined_up);
        struct shard_set *set = new_set(1, 2);
        assert_int_equal(shard_set_start(set), 0);
        shard_post(shard_set_at(set, 0), &lined_up.begin, &lined_up_route);
        shard_set_join(set);
        assert_int_equal(lined_up.done, LINED_UP);
        assert_true(lined_up.second_came_after);
        shard_set_free(set);
    }
}

/* ---- data does not wait for upkeep ---- */

static struct {
    struct shard_message begin;
    struct shard_job upkeep;
    struct shard_job data;
    _Atomic bool data_has_run;
    int done;
} lanes;

static void upkeep_run(struct shard_job *job)
{
    (void)job;
    while (!atomic_load(&lanes.data_has_run)) {
    }
}

static void data_run(struct shard_job *job)
{
    (void)job;
    atomic_store(&lanes.data_has_run, true);
}

static void lanes_done(struct shard *here, struct shard_job *job)
{
    (void)job;
    if (++lanes.done == 2)
        shard_set_stop(shard_siblings(here));
}

static void lanes_begin(struct shard *here, struct shard_message *message)
{
    (void)message;
    lanes.upkeep =
        (struct shard_job){.run = upkeep_run, .on_done = lanes_done, .lane = SHARD_LANE_UPKEEP};
    lanes.data =
        (struct shard_job){.run = data_run, .on_done = lanes_done, .lane = SHARD_LANE_DATA};
    shard_submit(here, &lanes.upkeep);
    shard_submit(here, &lanes.data);
}

static const struct shard_route lanes_route = {.name = "begin", .run = {lanes_begin}};

static void data_does_not_wait_for_upkeep(void **state)
{
    (void)state;
    struct shard_set *set = new_set(1, 1);
    assert_int_equal(shard_set_start(set), 0);
    shard_post(shard_set_at(set, 0), &lanes.begin, &lanes_route);
    shard_set_join(set);
    assert_int_equal(lanes.done, 2);
    shard_set_free(set);
}

/* ---- descriptors ---- */

/* Two streams become readable in one batch of events. Whichever is first stops the other and
 * watches a third in its place: the event that was fetched for the other must not reach it. */
struct trio {
    struct shard_message begin;
    struct shard_message end;
    struct shard_watch watches[3];
    int fds[3];
    int peers[3];
    int called;
    bool third_was_readable;
};

static void trio_end(struct shard *here, struct shard_message *message)
{
    (void)message;
    shard_set_stop(shard_siblings(here));
}

static const struct shard_route trio_end_route = {.name = "end", .run = {trio_end}};

static void third_ready(struct shard *here, struct shard_watch *watch, unsigned ready)
{
    struct trio *trio = CONTAINER_OF(watch, struct trio, watches[2]);
    trio->third_was_readable = trio->third_was_readable || (ready & SYS_READABLE) != 0;
    shard_send(here, here, &trio->end, &trio_end_route);
}

static void either_ready(struct shard *here, struct trio *trio, int which, unsigned ready)
{
    assert_true((ready & SYS_READABLE) != 0);
    assert_int_equal(trio->called++, 0);
    shard_watch_stop(here, &trio->watches[1 - which]);
    assert_int_equal(shard_watch_start(here, &trio->watches[2], trio->fds[2], true, third_ready),
                     0);
    assert_int_equal(trio->watches[2].slot, trio->watches[1 - which].slot);
}

static void first_ready(struct shard *here, struct shard_watch *watch, unsigned ready)
{
    either_ready(here, CONTAINER_OF(watch, struct trio, watches[0]), 0, ready);
}

static void second_ready(struct shard *here, struct shard_watch *watch, unsigned ready)
{
    either_ready(here, CONTAINER_OF(watch, struct trio, watches[1]), 1, ready);
}

static void trio_begin(struct shard *here, struct shard_message *message)
{
    struct trio *trio = CONTAINER_OF(message, struct trio, begin);
    assert_int_equal(shard_watch_start(here, &trio->watches[0], trio->fds[0], true, first_ready),
                     0);
    assert_int_equal(shard_watch_start(here, &trio->watches[1], trio->fds[1], true, second_ready),
                     0);
}

static const struct shard_route trio_route = {.name = "begin", .run = {trio_begin}};

static void trio_connect(struct trio *trio)
{
    struct sys_net_address address;
    int listener = sys_net_listen("127.0.0.1", 0, 8);
    assert_int_equal(sys_net_local(listener, &address), 0);
    for (int i = 0; i < 3; i++) {
        trio->peers[i] = sys_net_connect("127.0.0.1", address.port);
        while ((trio->fds[i] = sys_net_accept(listener, &(struct sys_net_address){0})) == -EAGAIN) {
        }
        assert_true(trio->fds[i] >= 0);
    }
    struct slice part = slice_of_text("x");
    for (int i = 0; i < 2; i++) {
        while (sys_net_send(trio->peers[i], &part, 1, false) != 1) {
        }
    }
    sys_net_close(listener);
}

static void a_stale_event_reaches_nobody(void **state)
{
    struct trio trio = {.called = 0};
    struct shard_set *set = new_set(1, 1);
    (void)state;
    trio_connect(&trio);
    shard_post(shard_set_at(set, 0), &trio.begin, &trio_route);
    assert_int_equal(shard_set_start(set), 0);
    shard_set_join(set);
    assert_int_equal(trio.called, 1);
    assert_false(trio.third_was_readable);
    for (int i = 0; i < 3; i++) {
        sys_net_close(trio.fds[i]);
        sys_net_close(trio.peers[i]);
    }
    shard_set_free(set);
}

struct echo {
    struct shard_watch listener;
    struct shard_watch stream;
    struct shard_message begin;
    int listen_fd;
    int stale_events;
};

static void echo_ready(struct shard *here, struct shard_watch *watch, unsigned ready)
{
    char bytes[1000];
    int64_t got;
    (void)ready;
    while ((got = sys_net_recv(watch->fd, bytes, sizeof bytes)) > 0) {
        struct slice part = slice_of(bytes, (size_t)got);
        assert_int_equal(sys_net_send(watch->fd, &part, 1, false), got);
    }
    if (got == -EAGAIN)
        return;
    int fd = watch->fd;
    shard_watch_stop(here, watch);
    sys_net_close(fd);
    shard_set_stop(shard_siblings(here));
}

static void echo_accept(struct shard *here, struct shard_watch *watch, unsigned ready)
{
    struct echo *echo = CONTAINER_OF(watch, struct echo, listener);
    struct sys_net_address peer;
    (void)ready;
    int fd = sys_net_accept(watch->fd, &peer);
    assert_true(fd >= 0);
    assert_int_equal(shard_watch_start(here, &echo->stream, fd, true, echo_ready), 0);
    shard_watch_stop(here, watch);
}

static void echo_begin(struct shard *here, struct shard_message *message)
{
    struct echo *echo = CONTAINER_OF(message, struct echo, begin);
    assert_int_equal(shard_watch_start(here, &echo->listener, echo->listen_fd, false, echo_accept),
                     0);
}

static const struct shard_route echo_route = {.name = "echo", .run = {echo_begin}};

static void descriptors_are_watched(void **state)
{
    struct echo echo = {.listen_fd = sys_net_listen("127.0.0.1", 0, 8)};
    struct sys_net_address address;
    struct shard_set *set = new_set(1, 1);
    (void)state;
    assert_int_equal(sys_net_local(echo.listen_fd, &address), 0);
    shard_post(shard_set_at(set, 0), &echo.begin, &echo_route);
    assert_int_equal(shard_set_start(set), 0);
    int client = sys_net_connect(address.host, address.port);
    assert_true(client >= 0);
    for (int round = 0; round < 1000; round++) {
        char bytes[100] = {0};
        size_t seen = 0;
        struct slice part = slice_of(&round, sizeof round);
        while (sys_net_connect_result(client) == -EAGAIN) {
        }
        assert_int_equal(sys_net_send(client, &part, 1, false), sizeof round);
        while (seen < sizeof round) {
            int64_t got = sys_net_recv(client, bytes + seen, sizeof bytes - seen);
            seen += got > 0 ? (size_t)got : 0;
        }
        assert_memory_equal(bytes, &round, sizeof round);
    }
    sys_net_close(client);
    shard_set_join(set);
    sys_net_close(echo.listen_fd);
    shard_set_free(set);
}

static void buffers_are_counted(void **state)
{
    struct shard_buffer *buffer = shard_buffer_new(1000);
    (void)state;
    assert_non_null(buffer);
    assert_int_equal(buffer->capacity, 1000);
    assert_int_equal(buffer->filled, 0);
    memset(buffer->data, 1, buffer->capacity);
    assert_ptr_equal(shard_buffer_ref(buffer), buffer);
    shard_buffer_unref(buffer);
    shard_buffer_unref(buffer);
    shard_buffer_unref(NULL);
    assert_null(shard_buffer_new(SIZE_MAX));
}

static void impossible_sets_are_refused(void **state)
{
    struct shard_set *set = NULL;
    (void)state;
    assert_int_equal(
        shard_set_new(&(struct shard_set_options){.shard_count = 0, .worker_count = 1}, &set),
        -EINVAL);
    assert_int_equal(
        shard_set_new(&(struct shard_set_options){.shard_count = 1, .worker_count = 0}, &set),
        -EINVAL);
    assert_null(set);
    shard_set_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turn_has_its_order),
        cmocka_unit_test(everything_at_once),
        cmocka_unit_test(no_wake_up_is_lost),
        cmocka_unit_test(queues_are_kept_apart),
        cmocka_unit_test(data_does_not_wait_for_upkeep),
        cmocka_unit_test(a_stale_event_reaches_nobody),
        cmocka_unit_test(descriptors_are_watched),
        cmocka_unit_test(buffers_are_counted),
        cmocka_unit_test(impossible_sets_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
