/* Metadata directories that Apache Kafka 4.4.0 wrote (golden/README.md) open, go on, and open
 * again with all that was in them, of both kraft.versions, from the log and from a snapshot. */
#include "meta/test/image_kit.h"
#include "meta/test/meta_kit.h"

#include "base/always.h"
#include "sim/world.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FILE_MAX 65536

/* ---- from the machine's disk to the simulated one ---- */

static void copy_file(const char *folder, const char *name, const char *to)
{
    static char bytes[FILE_MAX];
    char path[500];
    (void)snprintf(path, sizeof path, "%s/golden/kafka-4.4.0-%s/%s", TEST_FOLDER, folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return; /* not every folder has every file */
    size_t size = fread(bytes, 1, sizeof bytes, file);
    ALWAYS(size < sizeof bytes && fclose(file) == 0, "%s is too large", path);
    (void)snprintf(path, sizeof path, "%s/%s", to, name);
    ALWAYS(sys_file_replace(SYS_DIR_CWD, path, slice_of(bytes, size)) == 0, "%s", path);
}

static void copy_golden(const char *folder)
{
    static const char *const names[] = {"00000000000000000000-0000000000.checkpoint",
                                        "00000000000000000031-0000000001.checkpoint",
                                        "00000000000000000000.log",
                                        "quorum-state",
                                        "leader-epoch-checkpoint",
                                        "partition.metadata"};
    ALWAYS(sys_dir_make_path("/data/__cluster_metadata-0") == 0, "a folder");
    copy_file(folder, "meta.properties", "/data");
    for (size_t i = 0; i < COUNT_OF(names); i++)
        copy_file(folder, names[i], "/data/__cluster_metadata-0");
}

/* ---- what must be in it ---- */

static int count_kept(const struct meta_image *image, int16_t type)
{
    int count = 0;
    struct pmap_iterator kept;
    struct pmap_entry entry;
    pmap_iterate(image->kept, (struct slice){0}, &kept);
    while (pmap_next(&kept, &entry))
        count += ((const struct meta_kept *)entry.value)->type == type;
    return count;
}

static void assert_content(const struct meta_image *image, bool has_second, int64_t producer_ids)
{
    const struct meta_topic *first = meta_topic_named(image, slice_of_text("first"));
    assert_non_null(first);
    assert_int_equal(first->partitions.count, 2);
    assert_null(meta_topic_named(image, slice_of_text("gone")));
    assert_int_equal(meta_topic_named(image, slice_of_text("second")) != NULL, has_second);
    struct slice retention =
        meta_config_value(image, META_CONFIG_TOPIC, slice_of_text("first"), "retention.ms");
    assert_true(slice_is(retention, "1000"));
    assert_int_equal(count_kept(image, 11), 1); /* credentials */
    assert_int_equal(count_kept(image, 14), 2); /* quotas */
    assert_true(count_kept(image, 18) >= 1);    /* access control */
    assert_int_equal(image->next_producer_id, producer_ids);
    assert_int_equal(meta_feature(image, "metadata.version"), 33);
}

struct golden {
    const char *folder;
    int16_t kraft_version;
    bool has_second;
    int32_t leader_epoch; /* of first-0, after this node registered */
};

static struct meta_kit *open_fine(const char *const *settings)
{
    struct text error;
    text_init(&error, 65536);
    struct meta_kit *kit = meta_kit_open(settings, &error);
    if (kit == NULL)
        fail_msg("it does not start: %s", error.data);
    text_fini(&error);
    return kit;
}

static void opens_and_goes_on(const struct golden *golden)
{
    struct sim_world *world = sim_world_new(7);
    sim_node_use(sim_node_new(world, "box", "10.0.0.1"));
    copy_golden(golden->folder);
    struct meta_kit *kit = open_fine(NULL);
    assert_content(meta_kit_image(kit), golden->has_second, 1000);
    assert_int_equal(meta_kit_image(kit)->kraft_version, golden->kraft_version);
    int64_t epoch = meta_kit_register(kit);
    const struct meta_topic *first = meta_topic_named(meta_kit_image(kit), slice_of_text("first"));
    assert_int_equal(meta_topic_partition(first, 0)->leader_epoch, golden->leader_epoch);
    assert_int_equal(meta_topic_partition(first, 0)->leader, 1);
    assert_int_equal(meta_kit_producer_ids(kit, epoch), 1000);
    assert_int_equal(meta_kit_create(kit, "first", 1), ERR_TOPIC_ALREADY_EXISTS);
    assert_true(meta_kit_stop(kit));
    /* Again, now with a snapshot of ours, and once more from that. */
    for (int i = 0; i < 2; i++) {
        kit = open_fine(META_KIT_SETTINGS("metadata.log.max.record.bytes.between.snapshots=1"));
        assert_true(meta_kit_register(kit) > 0);
        assert_content(meta_kit_image(kit), golden->has_second, 2000);
        assert_int_equal(meta_kit_image(kit)->kraft_version, golden->kraft_version);
        assert_true(meta_kit_stop(kit));
    }
    sim_world_free(world);
}

static void static_directory(void **state)
{
    (void)state;
    opens_and_goes_on(&(struct golden){
        .folder = "static", .kraft_version = 0, .has_second = true, .leader_epoch = 4});
}

static void dynamic_directory(void **state)
{
    (void)state;
    opens_and_goes_on(&(struct golden){
        .folder = "dynamic", .kraft_version = 1, .has_second = true, .leader_epoch = 4});
}

static void directory_with_a_snapshot(void **state)
{
    (void)state;
    opens_and_goes_on(
        &(struct golden){.folder = "snapshot", .kraft_version = 1, .leader_epoch = 2});
}

/* The first image of a start, with the snapshot or after it was removed; without the line about the
 * controller, which is new. Heap text. */
static char *first_image(const char *removed)
{
    struct sim_world *world = sim_world_new(7);
    sim_node_use(sim_node_new(world, "box", "10.0.0.1"));
    copy_golden("snapshot");
    if (removed != NULL)
        assert_int_equal(sys_unlink(SYS_DIR_CWD, removed), 0);
    struct meta_kit *kit = open_fine(NULL);
    char *text = image_text(meta_kit_image(kit));
    char *line = strstr(text, "\ncontroller ");
    char *rest = line != NULL ? strchr(line + 1, '\n') : NULL;
    assert_non_null(rest);
    memmove(line, rest, strlen(rest) + 1);
    assert_true(meta_kit_stop(kit));
    sim_world_free(world);
    return text;
}

/* Kafka's snapshot and what it stands for, the log, say the same. */
static void snapshot_and_log_agree(void **state)
{
    (void)state;
    char *with = first_image(NULL);
    char *without =
        first_image("/data/__cluster_metadata-0/00000000000000000031-0000000001.checkpoint");
    assert_string_equal(with, without);
    free(with);
    free(without);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(static_directory),
        cmocka_unit_test(dynamic_directory),
        cmocka_unit_test(directory_with_a_snapshot),
        cmocka_unit_test(snapshot_and_log_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
