/* Memory runs out: the k-th allocation fails, for k = 1, 2, ... until one pass needs no more, while
 * a batch is built, validated, read and encoded again. Each step either works or says so; nothing
 * leaks and the pool can be used again. Snappy is only read: its compressor takes its table from
 * C++'s new, which ends the process. And what a bomb costs at most that is encoded again. Without
 * effect under the sanitizers, which bring their own allocator. */
#include "wire/test/batch_kit.h"

#include "base/always.h"
#include "base/bytes.h"

#include <malloc.h>
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

/* Bytes of the heap, and the most that there were. */
static size_t live;
static size_t peak;

#if OWN_ALLOCATOR
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void __libc_free(void *);

static bool fails_now(void)
{
    if (countdown < 0 || countdown-- > 0)
        return false;
    failed = true;
    return true;
}

static void *counted(void *memory)
{
    live += malloc_usable_size(memory);
    peak = MAX_OF(peak, live);
    return memory;
}

void *malloc(size_t size)
{
    return fails_now() ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : counted(__libc_calloc(count, size));
}

void *realloc(void *old, size_t size)
{
    if (fails_now())
        return NULL;
    size_t before = malloc_usable_size(old);
    void *memory = __libc_realloc(old, size);
    if (memory == NULL)
        return NULL;
    /* For a moment there may be both. */
    peak = MAX_OF(peak, live + malloc_usable_size(memory));
    live -= before;
    return counted(memory);
}

void free(void *memory)
{
    live -= malloc_usable_size(memory);
    __libc_free(memory);
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
    struct batch_rebuilt again = batch_rebuild(pool, batch, &options);
    ALWAYS((again.bytes == NULL) == (again.text != NULL), "a failure without a reason");
    ALWAYS(again.fault == CODEC_FINE || again.fault == CODEC_NO_MEMORY, "%s", again.text);
    free(again.bytes);
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

#define BOMB_SIZE ((size_t)64 * 1024 * 1024)

/* A batch with BOMB_SIZE of zeros in `count` values, as small as its codec makes it. */
static struct bytes make_bomb(struct codec_pool *pool, enum codec codec, int32_t count)
{
    static const uint8_t zeros[4096];
    struct codec_writer writer;
    codec_writer_open(
        &writer, pool,
        (struct codec_sink){.codec = codec, .level = CODEC_LEVEL_DEFAULT, .size_max = INT32_MAX});
    size_t value_size = BOMB_SIZE / (size_t)count;
    for (int32_t i = 0; i < count; i++) {
        uint8_t key_and_size[16] = {1}; /* a null key; the value's size follows */
        size_t size = 1 + uvarint_store(key_and_size + 1, zigzag_encode((int64_t)value_size));
        struct record_head head = {.offset_delta = i,
                                   .rest_size = (int32_t)(size + value_size + 1)};
        uint8_t at[RECORD_HEAD_SIZE_MAX];
        codec_writer_add(&writer, slice_of(at, record_head_store(at, &head)));
        codec_writer_add(&writer, slice_of(key_and_size, size));
        for (size_t left = value_size; left > 0; left -= MIN_OF(left, sizeof zeros))
            codec_writer_add(&writer, slice_of(zeros, MIN_OF(left, sizeof zeros)));
        codec_writer_add(&writer, slice_of(zeros, 1)); /* no headers */
    }
    uint8_t *packed = NULL;
    size_t size = 0;
    codec_writer_take(&writer, &packed, &size);
    assert_non_null(packed);
    codec_writer_close(&writer);
    struct batch_header header = client_header(count);
    header.attributes = (int16_t)codec;
    struct bytes batch = {0};
    batch_wrap(&batch, &header, slice_of(packed, size));
    free(packed);
    return batch;
}

/* What encoding it again takes at most beside the batch itself. */
static size_t cost(struct slice batch, enum codec codec, int level, struct batch_rebuilt *ret_made)
{
    size_t before = live;
    peak = live;
    struct codec_pool *pool = codec_pool_new();
    assert_non_null(pool);
    struct batch_rebuild_options options = {
        .codec = codec, .level = level, .size_max = 1 << 20, .records_size = INT32_MAX};
    *ret_made = batch_rebuild(pool, batch, &options);
    codec_pool_free(pool);
    free(ret_made->bytes);
    assert_true(live == before);
    return peak - before;
}

/* Whatever it is compressed with, as one record or as many. */
static void check_bomb(enum codec from, int32_t count)
{
    struct codec_pool *pool = codec_pool_new();
    struct bytes bomb = make_bomb(pool, from, count);
    codec_pool_free(pool);
    for (int to = CODEC_NONE; to <= CODEC_ZSTD; to++) {
        struct batch_rebuilt made;
        size_t most = cost(bytes_slice(&bomb), (enum codec)to, CODEC_LEVEL_DEFAULT, &made);
        bool too_large = to == CODEC_NONE || to == CODEC_SNAPPY;
        assert_int_equal(made.fault, too_large ? CODEC_TOO_LARGE : CODEC_FINE);
        /* The result twice and a window of each side; zstd's tables are the most of it. */
        assert_true(most <= (size_t)8 * 1024 * 1024);
    }
    bytes_fini(&bomb);
}

/* Levels that would look back 128 MiB have tables of a smaller window. */
static void test_highest_level(void **state)
{
    (void)state;
    struct codec_pool *pool = codec_pool_new();
    struct bytes bomb = make_bomb(pool, CODEC_LZ4, 1);
    codec_pool_free(pool);
    struct batch_rebuilt made;
    size_t most = cost(bytes_slice(&bomb), CODEC_ZSTD, 22, &made);
    assert_int_equal(made.fault, CODEC_FINE);
    assert_true(most <= (size_t)100 * 1024 * 1024);
    bytes_fini(&bomb);
}

static void test_bombs(void **state)
{
    (void)state;
    for (int from = CODEC_GZIP; from <= CODEC_ZSTD; from++)
        check_bomb((enum codec)from, 1);
    check_bomb(CODEC_ZSTD, 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sweep), cmocka_unit_test(test_bombs),
                                       cmocka_unit_test(test_highest_level)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
