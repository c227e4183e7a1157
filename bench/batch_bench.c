/* Microbenchmark of record batches: what validating, reading and building one costs. Prints a line
 * a case: microseconds a batch and megabytes of records a second. Single thread; the data is text
 * made from a seed, so that runs compare. */
#include "base/always.h"
#include "base/prng.h"
#include "wire/batch_builder.h"
#include "wire/batch_validate.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RUN_NS 300000000LL

struct shape {
    const char *name;
    int count;
    size_t value_size;
    enum codec codec;
};

static const struct shape shapes[] = {
    {"10 x 100 B", 10, 100, CODEC_NONE},
    {"1 x 100 B", 1, 100, CODEC_NONE},
    {"1000 x 1 KiB", 1000, 1024, CODEC_NONE},
    {"10 x 100 B zstd", 10, 100, CODEC_ZSTD},
    {"10 x 100 B lz4", 10, 100, CODEC_LZ4},
    {"10 x 100 B snappy", 10, 100, CODEC_SNAPPY},
    {"10 x 100 B gzip", 10, 100, CODEC_GZIP},
    {"1000 x 1 KiB zstd", 1000, 1024, CODEC_ZSTD},
    {"1000 x 1 KiB lz4", 1000, 1024, CODEC_LZ4},
    {"1000 x 1 KiB snappy", 1000, 1024, CODEC_SNAPPY},
    {"1000 x 1 KiB gzip", 1000, 1024, CODEC_GZIP},
};

static long long now_ns(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* Log-like lines: some words, some numbers. */
static void make_text(struct prng *prng, char *at, size_t size)
{
    static const char *const words[] = {"GET ",     "/index ", "200 ",   "partition ", "leader ",
                                        "request ", "took ",   "error ", "user=",      "\n"};
    size_t filled = 0;
    while (filled < size) {
        char word[24];
        int n = prng_chance(prng, 1, 4)
                    ? snprintf(word, sizeof word, "%u ", (unsigned)prng_below(prng, 100000))
                    : snprintf(word, sizeof word, "%s", words[prng_below(prng, 10)]);
        for (int i = 0; i < n && filled < size; i++)
            at[filled++] = word[i];
    }
}

static struct slice build(struct batch_builder *builder, struct codec_pool *pool,
                          const struct shape *shape, struct slice text)
{
    struct batch_builder_options options = batch_builder_defaults();
    options.codec = shape->codec;
    batch_builder_begin(builder, &options);
    for (int i = 0; i < shape->count; i++) {
        size_t from = (size_t)i * shape->value_size % (text.size - shape->value_size);
        batch_builder_add(builder, &(struct batch_record){
                                       .timestamp = 1700000000000 + i,
                                       .value = slice_of(text.data + from, shape->value_size),
                                   });
    }
    struct slice batch = batch_builder_finish(builder, pool);
    ALWAYS(!slice_is_null(batch), "the benchmark's batch could not be built");
    return batch;
}

static int64_t validate(struct slice batch, struct codec_pool *pool, struct arena *arena)
{
    struct batch_rules rules = {
        .now_ms = 1700000000000,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = 3600000,
        .message_size_max = INT32_MAX,
        .from_client = true,
    };
    struct batch_verdict verdict;
    batch_validate(batch, &rules, pool, arena, &verdict);
    ALWAYS(verdict.err == ERR_NONE, "the benchmark's batch is refused: %s", verdict.text);
    return verdict.records_size;
}

static void print_line(const char *what, const char *name, double us, double bytes)
{
    (void)printf("%-10s %-22s %10.3f us %9.0f MB/s\n", what, name, us, bytes / us);
}

static void bench_shape(const struct shape *shape, struct slice text)
{
    struct codec_pool *pool = codec_pool_new();
    struct batch_builder builder;
    struct arena arena;
    batch_builder_init(&builder);
    arena_init(&arena, 1 << 20);
    long long runs = 0;
    long long start = now_ns();
    struct slice batch = {0};
    for (; now_ns() - start < RUN_NS; runs++)
        batch = build(&builder, pool, shape, text);
    double build_us = (double)(now_ns() - start) / 1e3 / (double)runs;
    int64_t size = 0;
    runs = 0;
    start = now_ns();
    while (now_ns() - start < RUN_NS)
        for (int i = 0; i < 16; i++, runs++)
            size = validate(batch, pool, &arena);
    double validate_us = (double)(now_ns() - start) / 1e3 / (double)runs;
    print_line("validate", shape->name, validate_us, (double)size);
    print_line("build", shape->name, build_us, (double)size);
    batch_builder_fini(&builder);
    arena_fini(&arena);
    codec_pool_free(pool);
}

int main(void)
{
    struct prng prng;
    prng_init(&prng, 1);
    size_t size = 2 << 20;
    char *text = (char *)malloc(size);
    ALWAYS(text != NULL, "out of memory");
    make_text(&prng, text, size);
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        bench_shape(&shapes[i], slice_of(text, size));
    free(text);
    return 0;
}
