/* Statistics of one shard: written by its own thread only, read by the metrics thread at any time,
 * so plain relaxed stores do and no bus lock is taken. The rows are tbl/metrics.h's. */
#ifndef SHARD_STATS_H
#define SHARD_STATS_H

#include "tbl/metrics.h"

#include <stdatomic.h>
#include <stdint.h>

struct stats {
    _Atomic int64_t values[METRIC_COUNT];
};

/* The owner's thread. */
static inline void stats_add(struct stats *stats, enum metric metric, int64_t amount)
{
    int64_t now = atomic_load_explicit(&stats->values[metric], memory_order_relaxed);
    atomic_store_explicit(&stats->values[metric], now + amount, memory_order_relaxed);
}

/* Any thread. */
static inline int64_t stats_get(struct stats *stats, enum metric metric)
{
    return atomic_load_explicit(&stats->values[metric], memory_order_relaxed);
}

/* A small number of the whole process that one shard sets and others look at. */
struct stats_level {
    _Atomic int value;
};

static inline void stats_level_set(struct stats_level *level, int value)
{
    atomic_store_explicit(&level->value, value, memory_order_release);
}

/* Sets it and returns what it was: of several threads one learns that it was the first. */
static inline int stats_level_swap(struct stats_level *level, int value)
{
    return atomic_exchange_explicit(&level->value, value, memory_order_acq_rel);
}

static inline int stats_level_get(const struct stats_level *level)
{
    return atomic_load_explicit(&level->value, memory_order_acquire);
}

#endif
