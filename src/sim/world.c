/* The world itself: its making and ending, its trace, its journal. */
#include "sim/sim_int.h"

#include "base/always.h"
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>

#define JOURNAL_SIZE_MAX ((size_t)1024 * 1024)
#define WALL_START_MS 1767225600000 /* 2026-01-01 */

/* sys's headers have no place for a context: this is it. */
static struct sim_world *current_world;

struct sim_world *sim_here(void)
{
    ALWAYS(current_world != NULL, "a call to the simulated world without a world");
    return current_world;
}

struct sim_node *sim_node_here(void)
{
    struct sim_world *world = sim_here();
    ALWAYS(world->node != NULL, "a call to the simulated world as no node");
    return world->node;
}

void *sim_take(size_t size)
{
    void *memory = calloc(1, MAX_OF(size, (size_t)1));
    ALWAYS(memory != NULL, "no memory for the simulation");
    return memory;
}

char *sim_copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = (char *)sim_take(size);
    memcpy(copy, text, size);
    return copy;
}

/* ---- making and ending ---- */

struct sim_world *sim_world_new(uint64_t seed)
{
    ALWAYS(current_world == NULL, "a second world while one is current");
    struct sim_world *world = (struct sim_world *)sim_take(sizeof *world);
    prng_init(&world->prng, seed);
    world->odds = (struct sim_odds){
        .short_send = (uint16_t)prng_below(&world->prng, 200),
        .cold_read = (uint16_t)prng_below(&world->prng, 100),
    };
    world->trace = hash_u64(seed);
    world->now_ns = 1000000000000 + (int64_t)prng_below(&world->prng, 1000000000000);
    world->wall_base_ms =
        WALL_START_MS + (int64_t)prng_below(&world->prng, 86400000) - world->now_ns / SIM_NS_PER_MS;
    list_init(&world->nodes);
    list_init(&world->tasks);
    list_init(&world->connections);
    world->next_port = (uint16_t)(32768 + prng_below(&world->prng, 10000));
    world->journal_level = 1;
    text_init(&world->journal, JOURNAL_SIZE_MAX);
    current_world = world;
    return world;
}

static void task_free(struct sim_task *task)
{
    list_remove(&task->link);
    free(task);
}

void sim_world_free(struct sim_world *world)
{
    ALWAYS(world == current_world, "a world is freed that is not the current one");
    world->task = NULL;
    LIST_EACH (&world->nodes, link)
        sim_node_stop(CONTAINER_OF(link, struct sim_node, link), true);
    for (struct list *link = world->tasks.next; link != &world->tasks; link = world->tasks.next)
        task_free(CONTAINER_OF(link, struct sim_task, link));
    for (struct list *link = list_take_first(&world->connections); link != NULL;
         link = list_take_first(&world->connections))
        sim_connection_free(CONTAINER_OF(link, struct sim_connection, link));
    for (struct list *link = list_take_first(&world->nodes); link != NULL;
         link = list_take_first(&world->nodes))
        sim_node_free(CONTAINER_OF(link, struct sim_node, link));
    text_fini(&world->journal);
    free(world->descriptors);
    free(world->events);
    free(world);
    current_world = NULL;
}

void sim_world_set_odds(struct sim_world *world, const struct sim_odds *odds)
{
    world->odds = *odds;
}

struct prng *sim_world_prng(struct sim_world *world)
{
    return &world->prng;
}

uint64_t sim_world_trace(const struct sim_world *world)
{
    return world->trace;
}

void sim_world_set_verbose(struct sim_world *world, bool verbose)
{
    world->verbose = verbose;
}

int64_t sim_world_now_ns(const struct sim_world *world)
{
    return world->now_ns;
}

struct slice sim_world_journal(const struct sim_world *world)
{
    return text_slice(&world->journal);
}

void sim_trace(const char *what, uint64_t a, uint64_t b)
{
    struct sim_world *world = sim_here();
    uint64_t trace = slice_hash(slice_of_text(what), world->trace);
    trace = hash_u64(trace ^ a);
    trace = hash_u64(trace + b);
    world->trace = hash_u64(trace ^ (uint64_t)world->now_ns);
    if (world->verbose)
        (void)fprintf(stderr, "%lld.%06lld %s: %s %llu %llu\n",
                      (long long)(world->now_ns / SIM_NS_PER_MS),
                      (long long)(world->now_ns % SIM_NS_PER_MS),
                      world->node != NULL ? world->node->name : "-", what, (unsigned long long)a,
                      (unsigned long long)b);
}

bool sim_chance(uint16_t in_thousand)
{
    return in_thousand > 0 && prng_chance(&sim_here()->prng, in_thousand, 1000);
}
