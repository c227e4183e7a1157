/* Images from records and back: whatever valid records made an image, what is written of it makes
 * the same one; images that were published stay as they are; what cannot be applied is refused. */
#include "base/always.h"
#include "meta/loading.h"
#include "meta/records.h"
#include "meta/test/image_kit.h"
#include "meta/test/record_kit.h"
#include "wire/msg/access_control_entry_record.h"
#include "wire/msg/begin_transaction_record.h"
#include "wire/msg/client_quota_record.h"
#include "wire/msg/config_record.h"
#include "wire/msg/feature_level_record.h"
#include "wire/msg/partition_change_record.h"
#include "wire/msg/partition_record.h"
#include "wire/msg/topic_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define TYPES_MAX 32

/* ---- random images ---- */

struct author {
    struct record_author records;
    struct arena arena;
    struct meta_image *image;
    int applied[TYPES_MAX];
};

/* Topics have names, no two the same one, and are made once: what a controller sees to. */
static bool is_legal(const struct author *author, const struct meta_applied *applied)
{
    if (applied->message != &wire_topic_record)
        return true;
    const struct topic_record *topic = applied->record;
    return topic->name.size > 0 && meta_topic_named(author->image, topic->name) == NULL &&
           meta_topic_by_id(author->image, topic->topic_id) == NULL;
}

static bool is_transaction(int type)
{
    return type >= 23 && type <= 25;
}

static void author_init(struct author *author, uint64_t seed)
{
    *author = (struct author){.image = image_new()};
    arena_init(&author->arena, SIZE_MAX / 2);
    prng_init(&author->records.prng, seed);
    author->records.arena = &author->arena;
    struct feature_level_record newest = {.name = SLICE_LIT("metadata.version"),
                                          .feature_level = 33};
    struct meta_applied applied = {.message = &wire_feature_level_record, .record = &newest};
    ALWAYS(meta_image_apply(author->image, &applied) == NULL, "a feature cannot be refused");
}

static void author_fini(struct author *author)
{
    meta_image_unref(author->image);
    arena_fini(&author->arena);
}

static void write_one(struct author *author)
{
    int type = (int)author_below(&author->records, TYPES_MAX);
    if (author_below(&author->records, 3) == 0)
        type = 2 + (int)author_below(&author->records, 2); /* what much refers to */
    const struct wire_message *message = author_message(type);
    if (message == NULL || is_transaction(type))
        return;
    struct meta_applied applied = author_record(&author->records, message);
    if (!is_legal(author, &applied))
        return;
    struct meta_image *next = meta_image_begin(author->image);
    const char *fault = meta_image_apply(next, &applied);
    meta_image_unref(fault == NULL ? author->image : next);
    if (fault != NULL)
        return;
    author->applied[type]++;
    author->image = next;
}

/* ---- written and read again ---- */

struct copying {
    struct meta_image *to;
    const char *fault;
};

/* By way of its bytes, as in a snapshot. */
static bool on_copied(void *context, const struct meta_applied *applied)
{
    struct copying *copying = context;
    struct batch_builder builder;
    struct arena arena;
    struct batch_builder_options options = batch_builder_defaults();
    struct meta_applied again;
    batch_builder_init(&builder);
    batch_builder_begin(&builder, &options);
    ALWAYS(meta_record_add(&builder, applied, 0), "a written record does not encode");
    struct slice batch = batch_builder_finish(&builder, NULL);
    struct batch_header header;
    struct record record;
    struct record_reader reader;
    ALWAYS(batch_parse(batch, &header) == BATCH_OK, "its batch does not parse");
    record_reader_open(&reader, NULL, (struct record_source){.header = &header, .batch = batch});
    ALWAYS(record_read(&reader, &record), "its batch has no record");
    arena_init(&arena, SIZE_MAX / 2);
    copying->fault = meta_record_decode(record.value, &arena, &again);
    if (copying->fault == NULL)
        copying->fault = meta_image_apply(copying->to, &again);
    arena_fini(&arena);
    record_reader_close(&reader);
    batch_builder_fini(&builder);
    return copying->fault == NULL;
}

static void assert_same_when_written(const struct meta_image *image)
{
    struct copying copying = {.to = image_new()};
    if (!meta_image_write(image, on_copied, &copying))
        fail_msg("a written record is refused: %s", copying.fault);
    char *first = image_text(image);
    char *second = image_text(copying.to);
    assert_string_equal(first, second);
    free(first);
    free(second);
    meta_image_unref(copying.to);
}

static void what_is_written_makes_the_same_image(void **state)
{
    (void)state;
    int applied[TYPES_MAX] = {0};
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct author author;
        author_init(&author, seed);
        for (int i = 0; i < 300; i++) {
            write_one(&author);
            if (i % 50 == 0)
                assert_same_when_written(author.image);
        }
        assert_same_when_written(author.image);
        for (int i = 0; i < TYPES_MAX; i++)
            applied[i] += author.applied[i];
        author_fini(&author);
    }
    for (int i = 0; i < TYPES_MAX; i++)
        if (author_message(i) != NULL && !is_transaction(i) && applied[i] == 0)
            fail_msg("%s was never applied", author_message(i)->name);
}

/* An image that was published does not change, whatever is made of it. */
static void older_images_stay(void **state)
{
    (void)state;
    struct author author;
    author_init(&author, 4711);
    for (int i = 0; i < 200; i++)
        write_one(&author);
    struct meta_image *published = meta_image_ref(author.image);
    char *before = image_text(published);
    for (int i = 0; i < 500; i++)
        write_one(&author);
    char *after = image_text(published);
    assert_string_equal(before, after);
    free(before);
    free(after);
    meta_image_unref(published);
    author_fini(&author);
}

/* ---- single records ---- */

static const char *apply(struct meta_image *image, const struct wire_message *message,
                         const void *record)
{
    struct meta_applied applied = {
        .message = message, .version = message->versions.high, .record = record};
    return meta_image_apply(image, &applied);
}

static void apply_fine(struct meta_image *image, const struct wire_message *message,
                       const void *record)
{
    const char *fault = apply(image, message, record);
    if (fault != NULL)
        fail_msg("%s: %s", message->name, fault);
}

static const struct uuid topic_id = {{9, 9}};

static struct meta_image *image_with_topic(void)
{
    struct meta_image *image = image_new();
    struct topic_record topic = {.name = SLICE_LIT("t"), .topic_id = topic_id};
    struct partition_record partition = partition_record_default;
    int32_t one[] = {1};
    partition.topic_id = topic_id;
    partition.partition_id = 0;
    partition.replicas = one;
    partition.replicas_count = 1;
    partition.isr = one;
    partition.isr_count = 1;
    partition.leader = 1;
    partition.leader_epoch = 0;
    partition.partition_epoch = 0;
    apply_fine(image, &wire_topic_record, &topic);
    apply_fine(image, &wire_partition_record, &partition);
    return image;
}

static const struct meta_partition *only_partition(const struct meta_image *image)
{
    return meta_topic_partition(meta_topic_named(image, slice_of_text("t")), 0);
}

/* Kafka's PartitionRegistration.merge: the leader epoch rises with every leader that is named, the
 * partition epoch with every change. */
static void epochs_rise_as_kafkas_do(void **state)
{
    (void)state;
    struct meta_image *image = image_with_topic();
    struct partition_change_record change = partition_change_record_default;
    change.topic_id = topic_id;
    change.partition_id = 0;
    change.leader = -1;
    apply_fine(image, &wire_partition_change_record, &change);
    assert_int_equal(only_partition(image)->leader_epoch, 1);
    assert_int_equal(only_partition(image)->leader, -1);
    change.leader = 1;
    apply_fine(image, &wire_partition_change_record, &change);
    assert_int_equal(only_partition(image)->leader_epoch, 2);
    change.leader = -2;
    apply_fine(image, &wire_partition_change_record, &change);
    assert_int_equal(only_partition(image)->leader_epoch, 2);
    assert_int_equal(only_partition(image)->leader, 1);
    assert_int_equal(only_partition(image)->partition_epoch, 3);
    meta_image_unref(image);
}

static void what_refers_to_nothing_is_refused(void **state)
{
    (void)state;
    struct meta_image *image = image_new();
    struct partition_record partition = partition_record_default;
    assert_string_equal(apply(image, &wire_partition_record, &partition),
                        "a partition of a topic that is not there");
    struct partition_change_record change = partition_change_record_default;
    assert_string_equal(apply(image, &wire_partition_change_record, &change),
                        "a change of a partition that is not there");
    meta_image_unref(image);
}

/* Two quotas of one entity are two; the same one again replaces; an entity whose types come in
 * another order is the same. */
static void quotas_are_by_entity(void **state)
{
    (void)state;
    struct meta_image *image = image_new();
    struct client_quota_record_entity user = {.entity_type = SLICE_LIT("user"),
                                              .entity_name = SLICE_LIT("alice")};
    struct client_quota_record_entity client = {.entity_type = SLICE_LIT("client-id")};
    struct client_quota_record_entity both[] = {user, client};
    struct client_quota_record_entity turned[] = {client, user};
    struct client_quota_record quota = {
        .entity = both, .entity_count = 2, .key = SLICE_LIT("producer_byte_rate"), .value = 1};
    apply_fine(image, &wire_client_quota_record, &quota);
    quota.key = slice_of_text("consumer_byte_rate");
    apply_fine(image, &wire_client_quota_record, &quota);
    assert_int_equal(image->kept.count, 2);
    quota.entity = turned;
    quota.value = 2;
    apply_fine(image, &wire_client_quota_record, &quota);
    assert_int_equal(image->kept.count, 2);
    /* The default of a type is not the entity with the empty name. */
    both[1].entity_name = slice_of_text("");
    quota.entity = both;
    apply_fine(image, &wire_client_quota_record, &quota);
    assert_int_equal(image->kept.count, 3);
    quota.remove = true;
    apply_fine(image, &wire_client_quota_record, &quota);
    assert_int_equal(image->kept.count, 2);
    meta_image_unref(image);
}

static void a_null_value_removes_a_config(void **state)
{
    (void)state;
    struct meta_image *image = image_new();
    struct config_record config = {.resource_type = META_CONFIG_TOPIC,
                                   .resource_name = SLICE_LIT("t"),
                                   .name = SLICE_LIT("retention.ms"),
                                   .value = SLICE_LIT("7")};
    apply_fine(image, &wire_config_record, &config);
    struct slice value =
        meta_config_value(image, META_CONFIG_TOPIC, slice_of_text("t"), "retention.ms");
    assert_true(slice_is(value, "7"));
    config.value = (struct slice){0};
    apply_fine(image, &wire_config_record, &config);
    assert_null(meta_config_find(image, META_CONFIG_TOPIC, slice_of_text("t")));
    meta_image_unref(image);
}

/* Names longer than any key fits in a key must not be mistaken for one another. */
static void long_names_are_told_apart(void **state)
{
    (void)state;
    char name[2][1500];
    struct meta_image *image = image_new();
    for (int i = 0; i < 2; i++) {
        memset(name[i], 'x', sizeof name[i]);
        name[i][1499] = (char)('a' + i);
        struct config_record config = {.resource_type = 16,
                                       .resource_name = slice_of(name[i], 1500),
                                       .name = SLICE_LIT("interval.ms"),
                                       .value = SLICE_LIT("7")};
        apply_fine(image, &wire_config_record, &config);
    }
    assert_int_equal(image->configs.count, 2);
    assert_same_when_written(image);
    meta_image_unref(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_makes_the_same_image),
        cmocka_unit_test(older_images_stay),
        cmocka_unit_test(epochs_rise_as_kafkas_do),
        cmocka_unit_test(what_refers_to_nothing_is_refused),
        cmocka_unit_test(quotas_are_by_entity),
        cmocka_unit_test(a_null_value_removes_a_config),
        cmocka_unit_test(long_names_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
