/* The event loop of a shard: the turn, descriptors, work within a turn, time. The complication is
 * falling asleep: the mailbox must know before the wait that a message needs a wake-up, and a wait
 * that brought nothing must leave the shard asleep. On the shard's thread. */
#include "shard/shard_int.h"

#include "base/always.h"
#include "sys/clock.h"

#include <errno.h>
#include <stdlib.h>

#define NANOS_PER_MS 1000000
#define WATCHES_MIN 16
#define NO_SLOT UINT32_MAX

/* ---- descriptors ---- */

static uint64_t key_of(uint32_t slot, uint32_t generation)
{
    return (uint64_t)generation << 32 | slot;
}

/* False: out of memory. */
static bool watch_table_grow(struct watch_table *table)
{
    uint32_t count = MAX_OF(table->count * 2, (uint32_t)WATCHES_MIN);
    struct watch_slot *slots =
        (struct watch_slot *)realloc(table->slots, count * sizeof *table->slots);
    if (slots == NULL)
        return false;
    for (uint32_t i = table->count; i < count; i++)
        slots[i] = (struct watch_slot){.next_free = i + 1 < count ? i + 1 : NO_SLOT};
    table->first_free = table->count;
    table->slots = slots;
    table->count = count;
    return true;
}

int shard_watch_start(struct shard *shard, struct shard_watch *watch, int fd, bool stream,
                      shard_ready_fn on_ready)
{
    struct watch_table *table = &shard->watches;
    if (table->first_free == NO_SLOT && !watch_table_grow(table))
        return -ENOMEM;
    uint32_t index = table->first_free;
    struct watch_slot *slot = &table->slots[index];
    uint32_t generation = slot->generation + 1;
    int result = sys_poller_add(shard->poller, fd, key_of(index, generation), stream);
    if (result != 0)
        return result;
    table->first_free = slot->next_free;
    slot->watch = watch;
    slot->generation = generation;
    *watch = (struct shard_watch){
        .on_ready = on_ready,
        .fd = fd,
        .slot = index,
        .generation = generation,
    };
    return 0;
}

void shard_watch_stop(struct shard *shard, struct shard_watch *watch)
{
    struct watch_table *table = &shard->watches;
    struct watch_slot *slot = &table->slots[watch->slot];
    ALWAYS(watch->slot < table->count && slot->watch == watch,
           "descriptor %d is not watched by shard %d", watch->fd, shard->index);
    sys_poller_remove(shard->poller, watch->fd);
    slot->watch = NULL;
    slot->next_free = table->first_free;
    table->first_free = watch->slot;
    watch->fd = -1;
}

static void dispatch(struct shard *shard, struct sys_event event)
{
    uint32_t index = (uint32_t)event.key;
    uint32_t generation = (uint32_t)(event.key >> 32);
    ALWAYS(index < shard->watches.count, "an event for slot %u, which never was", index);
    const struct watch_slot *slot = &shard->watches.slots[index];
    if (slot->watch == NULL || slot->generation != generation)
        return; /* stopped earlier in this turn */
    slot->watch->on_ready(shard, slot->watch, event.ready);
}

/* ---- work within a turn ---- */

void shard_run_later(struct shard *shard, struct shard_chore *chore)
{
    if (list_is_empty(&chore->link))
        list_add_tail(&shard->chores, &chore->link);
}

void shard_flush_later(struct shard *shard, struct shard_chore *chore)
{
    if (list_is_empty(&chore->link))
        list_add_tail(&shard->flushes, &chore->link);
}

void shard_chore_cancel(struct shard_chore *chore)
{
    list_remove(&chore->link);
}

void shard_submit(struct shard *shard, struct shard_job *job)
{
    job->owner = shard;
    list_add_tail(&shard->jobs[job->lane], &job->link);
}

static void run_chores(struct shard *shard, struct list *chores)
{
    for (struct list *link = list_take_first(chores); link != NULL;
         link = list_take_first(chores)) {
        struct shard_chore *chore = CONTAINER_OF(link, struct shard_chore, link);
        chore->run(shard, chore);
    }
}

static void deliver_all(struct shard *shard, struct list *messages)
{
    for (struct list *link = list_take_first(messages); link != NULL;
         link = list_take_first(messages))
        shard_deliver(shard, CONTAINER_OF(link, struct shard_message, link));
}

/* What is queued while this runs waits for the next turn, so that the poller gets its look. */
static void run_phase(struct shard *shard)
{
    struct list letters;
    struct list chores;
    list_init(&letters);
    list_init(&chores);
    list_move_all(&shard->letters, &letters);
    list_move_all(&shard->chores, &chores);
    deliver_all(shard, &letters);
    run_chores(shard, &chores);
}

static void flush_phase(struct shard *shard)
{
    run_chores(shard, &shard->flushes);
    if (shard->has_mail_out)
        shard_send_mail(shard);
    for (int i = 0; i < SHARD_LANE_COUNT; i++)
        if (!list_is_empty(&shard->jobs[i]))
            workers_submit(shard->set->workers[i], &shard->jobs[i]);
}

/* ---- the turn ---- */

static void read_clocks(struct shard *shard)
{
    shard->now_ns = sys_mono_ns();
    shard->wall_ms = sys_wall_ms();
}

/* Until when the poller may wait: 0 when there is work for the run phase. */
static int64_t wait_deadline_ns(struct shard *shard)
{
    if (!list_is_empty(&shard->chores) || !list_is_empty(&shard->letters))
        return 0;
    int64_t next_ms = shard_timers_next_ms(&shard->timers);
    if (next_ms != INT64_MAX && next_ms <= shard_now_ms(shard))
        return 0;
    if (!mailbox_doze(&shard->mailbox))
        return 0;
    return next_ms > INT64_MAX / NANOS_PER_MS ? INT64_MAX : next_ms * NANOS_PER_MS;
}

bool shard_turn(void *arg)
{
    struct shard *shard = (struct shard *)arg;
    struct sys_event events[SHARD_EVENT_BATCH];
    struct list mail;
    role_now_on_shard();
    int64_t deadline_ns = wait_deadline_ns(shard);
    int count = sys_poller_wait(shard->poller, events, SHARD_EVENT_BATCH, deadline_ns);
    read_clocks(shard);
    bool has_mail = !mailbox_is_empty(&shard->mailbox);
    if (count == 0 && !has_mail && deadline_ns != 0 && shard->now_ns < deadline_ns)
        return true; /* the wait brought nothing: still asleep */
    list_init(&mail);
    mailbox_take(&shard->mailbox, &mail);
    for (int i = 0; i < count; i++)
        dispatch(shard, events[i]);
    deliver_all(shard, &mail);
    shard_timers_tick(&shard->timers, shard, shard_now_ms(shard));
    run_phase(shard);
    flush_phase(shard);
    for (int i = 0; i < SHARD_LANE_COUNT && shard->stopping; i++)
        workers_leave(shard->set->workers[i]);
    return !shard->stopping;
}

/* ---- time, randomness, identity ---- */

int64_t shard_now_ms(const struct shard *shard)
{
    return shard->now_ns / NANOS_PER_MS;
}

int64_t shard_now_ns(const struct shard *shard)
{
    return shard->now_ns;
}

int64_t shard_wall_ms(const struct shard *shard)
{
    return shard->wall_ms;
}

struct prng *shard_prng(struct shard *shard)
{
    return &shard->prng;
}

int shard_index(const struct shard *shard)
{
    return shard->index;
}

struct shard_set *shard_siblings(const struct shard *shard)
{
    return shard->set;
}

void *shard_context(const struct shard *shard)
{
    return shard->context;
}

void shard_timer_start(struct shard *shard, struct shard_timer *timer, int64_t delay_ms)
{
    /* Counted from the end of the millisecond that has begun, so as never to be early. */
    int64_t from_ms = (shard->now_ns + NANOS_PER_MS - 1) / NANOS_PER_MS;
    shard_timers_start(&shard->timers, timer, from_ms + MAX_OF(delay_ms, (int64_t)0));
}

void shard_timer_stop(struct shard *shard, struct shard_timer *timer)
{
    shard_timers_stop(&shard->timers, timer);
}
