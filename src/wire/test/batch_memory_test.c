/* Memory runs out: the k-th allocation fails, for k = 1, 2, ... until one pass needs no more, while
 * a batch is built, validated, read and encoded again. Each step either works or says so; nothing
 * leaks and the pool can be used again. Snappy is only read: its compressor takes its table from
 * C++'s new, which ends the process. Without effect under the sanitizers, which bring their own
 * allocator. */
#include "wire/test/batch_kit.h"

#include "base/always.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_ALLOCATOR 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OWN_ALLOCATOR 0
#endif
#endif
#ifndef OWN_ALLOCATOR
#define OWN_ALLOCATOR 1
#endif

/* Counts down to the allocation that fails; negative: none does. */
static long countdown = -1;
static bool failed;

#if OWN_ALLOCATOR
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);

static bool fails_now(void)
{
    if (countdown < 0 || countdown-- > 0)
        return false;
    failed = true;
    return true;
}

void *malloc(size_t size)
{
    return fails_now() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails_now() ? NULL : __libc_realloc(old, size);
}
#endif

static struct slice build(struct batch_builder *builder, struct codec_pool *pool, enum codec codec)
{
    struct batch_builder_options options = batch_builder_defaults();
    options.codec = codec;
    batch_builder_begin(builder, &options);
    for (int i = 0; i < 40; i++) {
        struct golden_record g;
        golden_record_make(&g, i);
        batch_builder_add(builder, &(struct batch_record){.timestamp = g.timestamp,
                                                          .key = g.key,
                                                          .value = g.value,
                                                          .headers = g.headers,
                                                          .header_count = g.header_count});
    }
    return batch_builder_finish(builder, pool);
}

/* Validates and reads; whether memory sufficed. */
static bool take(struct slice batch, struct codec_pool *pool)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct batch_rules rules = open_rules();
    struct batch_verdict verdict;
    batch_validate(batch, &rules, pool, &arena, &verdict);
    arena_fini(&arena);
    if (verdict.err != ERR_NONE) {
        ALWAYS(verdict.fault == BATCH_FAULT_MEMORY, "refused for want of memory: %s", verdict.text);
        return false;
    }
    struct record_reader reader;
    struct record record;
    record_reader_open(&reader, pool,
                       (struct record_source){.header = &verdict.header, .batch = batch});
    int count = 0;
    while (record_read(&reader, &record))
        count++;
    record_reader_close(&reader);
    if (reader.fault == CODEC_FINE)
        ALWAYS(count == verdict.header.record_count, "%d records", count);
    else
        ALWAYS(reader.fault == CODEC_NO_MEMORY, "%s", reader.text);
    return reader.fault == CODEC_FINE;
}

/* One pass over everything; what came before a failure must not matter to what comes after. */
static void pass(struct slice batch, enum codec written)
{
    struct codec_pool *pool = codec_pool_new();
    if (pool == NULL)
        return;
    struct batch_builder builder;
    batch_builder_init(&builder);
    (void)take(batch, pool);
    struct slice built = build(&builder, pool, written);
    if (!slice_is_null(built))
        (void)take(built, pool);
    struct batch_rebuild_options options = {
        .codec = written, .level = CODEC_LEVEL_DEFAULT, .size_max = INT32_MAX};
    const char *text = "";
    built = batch_rebuild(&builder, pool, batch, &options, &text);
    ALWAYS(slice_is_null(built) == (text != NULL), "a failure without a reason");
    countdown = -1;
    ALWAYS(take(batch, pool), "the pool is of no use after a failure");
    batch_builder_fini(&builder);
    codec_pool_free(pool);
}

static void sweep(const char *name, enum codec written)
{
    struct bytes golden = golden_read(name);
    for (long k = 0; k < 1000; k++) {
        failed = false;
        countdown = k;
        pass(bytes_slice(&golden), written);
        countdown = -1;
        if (!failed)
            break;
        assert_true(k < 999);
    }
    bytes_fini(&golden);
}

static void test_sweep(void **state)
{
    (void)state;
    sweep("java-none", CODEC_NONE);
    sweep("java-gzip", CODEC_GZIP);
    sweep("java-snappy", CODEC_NONE);
    sweep("java-lz4", CODEC_LZ4);
    sweep("java-zstd", CODEC_ZSTD);
    sweep("java-zstd", CODEC_GZIP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sweep)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
