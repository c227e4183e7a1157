/* The timer wheel. A timer's level is that of the highest group of six bits in which its deadline
 * differs from the present tick, its slot that group's value: so level 0 holds exact milliseconds
 * of the present block of 64, level 1 later blocks of 64 of the present block of 4096, and so on.
 * When time enters a slot of a higher level, its timers are placed anew, lower. It follows that
 * the lowest level that holds anything holds what comes next. Only the outermost level is a ring;
 * what lies beyond it waits in the slot that is reached last and is placed anew there.
 * On its shard only. */
#include "shard/timer.h"

#include "base/always.h"

#define GROUP_BITS 6
#define OUTERMOST (TIMER_LEVELS - 1)

_Static_assert(1 << GROUP_BITS == TIMER_SLOTS, "a slot for every value of a group");

/* A moment at which a slot is entered. */
struct entry_point {
    int level; /* -1: no timer is in the wheel */
    unsigned slot;
    int64_t at_ms;
};

void shard_timers_init(struct shard_timers *timers, int64_t now_ms)
{
    for (int level = 0; level < TIMER_LEVELS; level++) {
        for (int slot = 0; slot < TIMER_SLOTS; slot++)
            list_init(&timers->slots[level][slot]);
        timers->occupied[level] = 0;
    }
    list_init(&timers->due);
    timers->now_ms = now_ms;
    timers->count = 0;
}

static int shift_of(int level)
{
    return level * GROUP_BITS;
}

/* The level for a deadline later than now. */
static int level_for(int64_t deadline_ms, int64_t now_ms)
{
    uint64_t differing = (uint64_t)deadline_ms ^ (uint64_t)now_ms;
    int level = (63 - __builtin_clzll(differing | 1)) / GROUP_BITS;
    return MIN_OF(level, OUTERMOST);
}

static unsigned slot_for(int level, int64_t deadline_ms, int64_t now_ms)
{
    int64_t index = deadline_ms >> shift_of(level);
    int64_t last_index = (now_ms >> shift_of(level)) + TIMER_SLOTS - 1;
    return (unsigned)(MIN_OF(index, last_index) & (TIMER_SLOTS - 1));
}

static void add_due(struct shard_timers *timers, struct shard_timer *timer)
{
    struct list *before = timers->due.prev;
    while (before != &timers->due &&
           CONTAINER_OF(before, struct shard_timer, link)->deadline_ms > timer->deadline_ms)
        before = before->prev;
    list_add_head(before, &timer->link);
    timer->place = TIMER_PLACE_DUE;
}

static void place(struct shard_timers *timers, struct shard_timer *timer)
{
    int64_t deadline_ms = timer->deadline_ms;
    int level = level_for(deadline_ms, timers->now_ms);
    unsigned slot = slot_for(level, deadline_ms, timers->now_ms);
    list_add_tail(&timers->slots[level][slot], &timer->link);
    timers->occupied[level] |= (uint64_t)1 << slot;
    timer->place = (int16_t)(level * TIMER_SLOTS + (int)slot);
}

void shard_timers_start(struct shard_timers *timers, struct shard_timer *timer, int64_t deadline_ms)
{
    shard_timers_stop(timers, timer);
    timer->deadline_ms = deadline_ms;
    timers->count++;
    if (deadline_ms <= timers->now_ms)
        add_due(timers, timer);
    else
        place(timers, timer);
}

/* Out of its list; the slot's bit follows. */
static void unplace(struct shard_timers *timers, struct shard_timer *timer)
{
    list_remove(&timer->link);
    if (timer->place == TIMER_PLACE_DUE)
        return;
    int level = timer->place / TIMER_SLOTS;
    unsigned slot = (unsigned)timer->place % TIMER_SLOTS;
    if (list_is_empty(&timers->slots[level][slot]))
        timers->occupied[level] &= ~((uint64_t)1 << slot);
}

void shard_timers_stop(struct shard_timers *timers, struct shard_timer *timer)
{
    if (!shard_timer_is_running(timer))
        return;
    ALWAYS(timers->count > 0, "a timer runs that the wheel does not know");
    timers->count--;
    unplace(timers, timer);
}

/* The next slot that holds timers, by the moment time enters it. */
static struct entry_point next_entry(const struct shard_timers *timers)
{
    for (int level = 0; level < TIMER_LEVELS; level++) {
        uint64_t bits = timers->occupied[level];
        if (bits == 0)
            continue;
        int64_t index_now = timers->now_ms >> shift_of(level);
        unsigned slot_now = (unsigned)(index_now & (TIMER_SLOTS - 1));
        /* Turned so that bit 0 is the slot after the present one. */
        unsigned turn = (slot_now + 1) % TIMER_SLOTS;
        uint64_t turned = turn == 0 ? bits : bits >> turn | bits << (TIMER_SLOTS - turn);
        int64_t ahead = __builtin_ctzll(turned) + 1;
        ALWAYS(level == OUTERMOST || slot_now + ahead < TIMER_SLOTS,
               "level %d of the timer wheel holds a slot that has passed", level);
        return (struct entry_point){
            .level = level,
            .slot = (unsigned)((index_now + ahead) & (TIMER_SLOTS - 1)),
            .at_ms = (index_now + ahead) * ((int64_t)1 << shift_of(level)),
        };
    }
    return (struct entry_point){.level = -1};
}

/* Time has entered the slot: what is due goes to the end of `expiring`, the rest is placed anew. */
static void enter(struct shard_timers *timers, struct entry_point entry, struct list *expiring)
{
    struct list entered;
    list_init(&entered);
    list_move_all(&timers->slots[entry.level][entry.slot], &entered);
    timers->occupied[entry.level] &= ~((uint64_t)1 << entry.slot);
    for (struct list *link = list_take_first(&entered); link != NULL;
         link = list_take_first(&entered)) {
        struct shard_timer *timer = CONTAINER_OF(link, struct shard_timer, link);
        ALWAYS(timer->deadline_ms >= timers->now_ms, "a timer was left behind");
        if (timer->deadline_ms > timers->now_ms) {
            place(timers, timer);
            continue;
        }
        list_add_tail(expiring, &timer->link);
        timer->place = TIMER_PLACE_DUE;
    }
}

void shard_timers_tick(struct shard_timers *timers, struct shard *shard, int64_t now_ms)
{
    struct list expiring;
    list_init(&expiring);
    list_move_all(&timers->due, &expiring);
    struct entry_point entry = next_entry(timers);
    while (entry.level >= 0 && entry.at_ms <= now_ms) {
        timers->now_ms = entry.at_ms;
        enter(timers, entry, &expiring);
        entry = next_entry(timers);
    }
    timers->now_ms = MAX_OF(timers->now_ms, now_ms);
    for (struct list *link = list_take_first(&expiring); link != NULL;
         link = list_take_first(&expiring)) {
        struct shard_timer *timer = CONTAINER_OF(link, struct shard_timer, link);
        timers->count--;
        timer->on_expired(shard, timer);
    }
}

int64_t shard_timers_next_ms(const struct shard_timers *timers)
{
    if (!list_is_empty(&timers->due))
        return timers->now_ms;
    struct entry_point entry = next_entry(timers);
    return entry.level < 0 ? INT64_MAX : entry.at_ms;
}
