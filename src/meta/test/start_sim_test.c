/* What a start finds on the disk: snapshots whole, torn and damaged, gaps in the log, transactions
 * that did not end, another quorum's files; and directories that Apache Kafka 4.4.0 wrote. Each
 * refusal is compared with its words. */
#include "meta/test/image_kit.h"
#include "meta/test/meta_kit.h"

#include "base/always.h"
#include "log/log.h"
#include "meta/records.h"
#include "meta/snapshot_file.h"
#include "sim/world.h"
#include "sys/dir.h"
#include "sys/file.h"
#include "wire/messages.h"
#include "wire/msg/abort_transaction_record.h"
#include "wire/msg/begin_transaction_record.h"
#include "wire/msg/feature_level_record.h"
#include "wire/msg/topic_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FOLDER "/data/__cluster_metadata-0"
#define FIRST_LOG FOLDER "/00000000000000000000.log"
#define OFTEN META_KIT_SETTINGS("metadata.log.max.record.bytes.between.snapshots=1")

static struct sim_world *world;
static struct text error;

static int begin(void **state)
{
    (void)state;
    world = sim_world_new(1);
    sim_node_use(sim_node_new(world, "box", "10.0.0.1"));
    text_init(&error, 65536);
    return 0;
}

static int end(void **state)
{
    (void)state;
    text_fini(&error);
    sim_world_free(world);
    return 0;
}

/* ---- lives ---- */

static struct meta_kit *open_fine(const char *const *settings)
{
    struct meta_kit *kit = meta_kit_open(settings, &error);
    if (kit == NULL)
        fail_msg("it does not start: %s", error.data);
    return kit;
}

static void refused(const char *const *settings, const char *expected)
{
    text_reset(&error);
    assert_null(meta_kit_open(settings, &error));
    assert_string_equal(error.data, expected);
}

static bool journal_has(const char *text)
{
    struct slice all = sim_world_journal(world);
    return memmem(all.data, all.size, text, strlen(text)) != NULL;
}

/* A life that makes the topics named in `names`, a letter each. */
static void live(const char *const *settings, const char *names)
{
    struct meta_kit *kit = open_fine(settings);
    assert_true(meta_kit_register(kit) > 0);
    for (; *names != '\0'; names++)
        assert_int_equal(meta_kit_create(kit, (char[]){*names, 0}, 1), ERR_NONE);
    assert_true(meta_kit_stop(kit));
}

/* The next start knows these topics and no others. */
static void assert_topics(const char *const *settings, const char *names)
{
    struct meta_kit *kit = open_fine(settings);
    assert_int_equal(meta_kit_image(kit)->topics_by_name.count, strlen(names));
    for (; *names != '\0'; names++)
        assert_non_null(meta_topic_named(meta_kit_image(kit), slice_of(names, 1)));
    assert_true(meta_kit_stop(kit));
}

/* ---- files ---- */

static char *read_file(const char *path, size_t *ret_size)
{
    char *data = NULL;
    ALWAYS(sys_file_read_whole(SYS_DIR_CWD, path, 1 << 26, &data, ret_size) == 0, "%s", path);
    return data;
}

static void write_file(const char *path, struct slice bytes)
{
    assert_int_equal(sys_file_replace(SYS_DIR_CWD, path, bytes), 0);
}

static void flip(const char *path, size_t from_end)
{
    size_t size;
    char *data = read_file(path, &size);
    data[size - from_end] ^= 1;
    write_file(path, slice_of(data, size));
    free(data);
}

struct names {
    int count;
    struct meta_snapshot_id newest;
};

static int count_snapshot(void *context, const char *name, bool is_directory)
{
    struct names *names = context;
    struct meta_snapshot_id id;
    if (is_directory || !meta_snapshot_parse(name, &id))
        return 0;
    names->count++;
    if (id.offset >= names->newest.offset)
        names->newest = id;
    return 0;
}

static struct names snapshots(void)
{
    struct names names = {0};
    int fd = sys_dir_open(SYS_DIR_CWD, FOLDER);
    assert_true(fd >= 0);
    assert_int_equal(sys_dir_list(fd, count_snapshot, &names), 0);
    sys_file_close(fd);
    return names;
}

static const char *newest_path(void)
{
    static char path[200];
    char name[META_SNAPSHOT_NAME_SIZE];
    struct names names = snapshots();
    meta_snapshot_name(&names.newest, name);
    (void)snprintf(path, sizeof path, FOLDER "/%s", name);
    return path;
}

/* ---- snapshots ---- */

static void snapshots_are_loaded(void **state)
{
    (void)state;
    live(OFTEN, "abc");
    assert_true(snapshots().count > 3);
    assert_true(snapshots().newest.epoch == 1);
    live(OFTEN, "d");
    assert_true(snapshots().newest.epoch == 2);
    /* The snapshot alone has it: what is before it is gone from the log. */
    assert_topics(NULL, "abcd");
}

static void snapshots_come_when_due(void **state)
{
    (void)state;
    const char *const *hourly = META_KIT_SETTINGS("metadata.log.max.snapshot.interval.ms=3600000");
    struct meta_kit *kit = open_fine(hourly);
    assert_true(meta_kit_register(kit) > 0);
    assert_int_equal(meta_kit_create(kit, "a", 1), ERR_NONE);
    sim_world_run_for(world, 3600000);
    assert_int_equal(snapshots().count, 1); /* what formatting left: nothing ticks */
    assert_int_equal(meta_kit_create(kit, "b", 1), ERR_NONE);
    sim_world_run_for(world, 1000);
    assert_int_equal(snapshots().count, 2);
    assert_int_equal(meta_kit_create(kit, "c", 1), ERR_NONE);
    assert_true(meta_kit_stop(kit));
    assert_int_equal(snapshots().count, 2);
    const char *const *never = META_KIT_SETTINGS("metadata.log.max.snapshot.interval.ms=0");
    kit = open_fine(never);
    sim_world_run_for(world, 3600000 * 3);
    assert_true(meta_kit_register(kit) > 0);
    assert_true(meta_kit_stop(kit));
    assert_int_equal(snapshots().count, 2);
}

static void old_snapshots_go(void **state)
{
    (void)state;
    live(META_KIT_SETTINGS("metadata.log.max.record.bytes.between.snapshots=1",
                           "metadata.max.retention.bytes=1"),
         "abcdef");
    assert_int_equal(snapshots().count, 1);
    assert_topics(NULL, "abcdef");
}

static int count_log(void *context, const char *name, bool is_directory)
{
    int *count = context;
    size_t size = strlen(name);
    *count += !is_directory && size > 4 && strcmp(name + size - 4, ".log") == 0;
    return 0;
}

static int count_segments(void)
{
    int count = 0;
    int fd = sys_dir_open(SYS_DIR_CWD, FOLDER);
    assert_true(fd >= 0);
    assert_int_equal(sys_dir_list(fd, count_log, &count), 0);
    sys_file_close(fd);
    return count;
}

/* Segments are kept as long as a snapshot that stays needs them, not longer. */
static void old_segments_go(void **state)
{
    (void)state;
    live(META_KIT_SETTINGS("metadata.log.max.record.bytes.between.snapshots=1",
                           "internal.metadata.log.segment.bytes=400"),
         "abcdef");
    assert_true(count_segments() > 6);
    assert_int_equal(sys_exists(SYS_DIR_CWD, FIRST_LOG), 1);
    live(META_KIT_SETTINGS("metadata.log.max.record.bytes.between.snapshots=1",
                           "internal.metadata.log.segment.bytes=400",
                           "metadata.max.retention.bytes=1"),
         "g");
    assert_true(count_segments() <= 3);
    assert_int_equal(sys_exists(SYS_DIR_CWD, FIRST_LOG), 0);
    assert_topics(NULL, "abcdefg");
    live(NULL, "h");
    assert_topics(NULL, "abcdefgh");
}

static void old_snapshots_go_by_age(void **state)
{
    (void)state;
    const char *const *settings =
        META_KIT_SETTINGS("metadata.log.max.record.bytes.between.snapshots=1",
                          "metadata.max.retention.bytes=-1", "metadata.max.retention.ms=60000");
    live(settings, "abc");
    int before = snapshots().count;
    assert_true(before > 3);
    sim_world_run_for(world, 100000);
    live(settings, "d");
    struct names after = snapshots();
    assert_true(after.count < before);
    assert_topics(NULL, "abcd");
}

static void a_damaged_snapshot_is_passed_over(void **state)
{
    (void)state;
    live(OFTEN, "abc");
    flip(newest_path(), 100);
    assert_topics(NULL, "abc");
    assert_true(journal_has("metadata_snapshot_damaged"));
    assert_true(journal_has("a batch's checksum is wrong"));
}

/* Cut at a batch's end it is well formed, but without its footer. */
static void a_snapshot_without_its_end_is_passed_over(void **state)
{
    (void)state;
    size_t size;
    live(OFTEN, "abc");
    const char *path = newest_path();
    char *data = read_file(path, &size);
    struct batch_iterator batches = batch_iterate(slice_of(data, size));
    struct batch_view view;
    assert_true(batch_next(&batches, &view));
    size_t first = view.bytes.size;
    assert_true(batch_next(&batches, &view));
    write_file(path, slice_of(data, first + view.bytes.size));
    assert_topics(NULL, "abc");
    assert_true(journal_has("it has no footer: it was cut off"));
    write_file(path, slice_of(data + first, size - first));
    assert_topics(NULL, "abc");
    assert_true(journal_has("it has no header"));
    free(data);
}

static void what_was_never_finished_is_swept(void **state)
{
    (void)state;
    live(NULL, "a");
    write_file(FOLDER "/00000000000000000009-0000000001.checkpoint.part", slice_of("x", 1));
    write_file(FOLDER "/00000000000000000009-0000000001.checkpoint.deleted", slice_of("x", 1));
    write_file(FOLDER "/00000000000000000099-1.checkpoint", slice_of("x", 1));
    assert_topics(NULL, "a");
    assert_int_equal(
        sys_exists(SYS_DIR_CWD, FOLDER "/00000000000000000009-0000000001.checkpoint.part"), 0);
    assert_int_equal(
        sys_exists(SYS_DIR_CWD, FOLDER "/00000000000000000009-0000000001.checkpoint.deleted"), 0);
}

static void a_new_directory_needs_its_snapshot(void **state)
{
    (void)state;
    struct meta_kit *kit = open_fine(NULL);
    assert_true(meta_kit_stop(kit));
    const char *path = FOLDER "/00000000000000000000-0000000000.checkpoint";
    flip(path, 100);
    assert_topics(NULL, ""); /* the log says it again */
    assert_int_equal(sys_unlink(SYS_DIR_CWD, FIRST_LOG), 0);
    refused(NULL, "the metadata snapshot /data/__cluster_metadata-0/"
                  "00000000000000000000-0000000000.checkpoint is damaged: a batch's checksum is "
                  "wrong. Restore it from a backup");
}

/* As Kafka up to 4.2 formats a directory: no folder of the log, its records in a file beside. */
static void an_old_format_begins(void **state)
{
    (void)state;
    size_t size;
    assert_true(meta_kit_stop(open_fine(NULL)));
    char *data = read_file(FOLDER "/00000000000000000000-0000000000.checkpoint", &size);
    int fd = sys_dir_open(SYS_DIR_CWD, "/data");
    assert_int_equal(log_remove_folder(fd, "__cluster_metadata-0"), 0);
    sys_file_close(fd);
    refused(NULL, "/data/__cluster_metadata-0 is not there. Restore it from a backup, or use an "
                  "empty directory");
    write_file("/data/bootstrap.checkpoint", slice_of(data, size));
    free(data);
    live(NULL, "a");
    assert_topics(NULL, "a");
}

static void a_log_without_its_beginning_is_refused(void **state)
{
    (void)state;
    size_t size;
    live(OFTEN, "abc");
    /* Only the batches from some place on, and no snapshot that reaches them. */
    char *data = read_file(FIRST_LOG, &size);
    struct batch_iterator batches = batch_iterate(slice_of(data, size));
    struct batch_view view;
    for (int i = 0; i < 5; i++)
        assert_true(batch_next(&batches, &view));
    size_t from = (size_t)batches.position;
    write_file(FIRST_LOG, slice_of(data + from, size - from));
    while (snapshots().newest.offset > 0)
        assert_int_equal(sys_unlink(SYS_DIR_CWD, newest_path()), 0);
    text_reset(&error);
    assert_null(meta_kit_open(NULL, &error));
    assert_non_null(strstr(error.data, "records are missing before it: a segment or a snapshot "
                                       "is gone"));
    free(data);
}

static void a_log_that_ends_before_its_snapshot_is_refused(void **state)
{
    (void)state;
    live(OFTEN, "abc");
    write_file(FIRST_LOG, slice_of("", 0));
    text_reset(&error);
    assert_null(meta_kit_open(NULL, &error));
    assert_non_null(strstr(error.data, "before its snapshot of"));
}

/* ---- records put behind the log by hand ---- */

struct entry {
    const struct wire_message *message;
    int16_t version;
    const void *record;
};

/* Appends a batch of these to the log's only file; the offset behind it. */
static int64_t append(const struct entry *entries, int count)
{
    size_t size;
    char *data = read_file(FIRST_LOG, &size);
    struct batch_iterator batches = batch_iterate(slice_of(data, size));
    struct batch_view view;
    int64_t next = 0;
    while (batch_next(&batches, &view))
        next = batch_last_offset(&view.header) + 1;
    struct batch_builder builder;
    struct batch_builder_options options = batch_builder_defaults();
    options.base_offset = next;
    options.partition_leader_epoch = 1;
    batch_builder_init(&builder);
    batch_builder_begin(&builder, &options);
    for (int i = 0; i < count; i++) {
        struct meta_applied applied = {entries[i].message, entries[i].version, entries[i].record};
        assert_true(meta_record_add(&builder, &applied, 1000));
    }
    struct slice batch = batch_builder_finish(&builder, NULL);
    char *both = malloc(size + batch.size);
    assert_non_null(both);
    memcpy(both, data, size);
    memcpy(both + size, batch.data, batch.size);
    write_file(FIRST_LOG, slice_of(both, size + batch.size));
    free(both);
    free(data);
    batch_builder_fini(&builder);
    return next + count;
}

static const struct begin_transaction_record begun = {.name = SLICE_LIT("x")};
static const struct abort_transaction_record aborted = {.reason = SLICE_LIT("y")};
static const struct topic_record topic_z = {.name = SLICE_LIT("z"), .topic_id = {{3, 3}}};

static void an_aborted_transaction_leaves_no_trace(void **state)
{
    (void)state;
    live(NULL, "a");
    append((struct entry[]){{&wire_begin_transaction_record, 0, &begun},
                            {&wire_topic_record, 0, &topic_z}},
           2);
    append((struct entry[]){{&wire_abort_transaction_record, 0, &aborted}}, 1);
    assert_topics(NULL, "a");
}

/* The next leader aborts it, in the log; a snapshot is not made in the middle of it. */
static void an_open_transaction_is_aborted(void **state)
{
    (void)state;
    live(NULL, "a");
    append((struct entry[]){{&wire_begin_transaction_record, 0, &begun},
                            {&wire_topic_record, 0, &topic_z}},
           2);
    assert_topics(OFTEN, "a");
    assert_topics(OFTEN, "a");
    live(OFTEN, "b");
    assert_topics(NULL, "ab");
}

static void what_a_newer_version_wrote_is_refused(void **state)
{
    (void)state;
    struct feature_level_record feature = {.name = SLICE_LIT("metadata.version"),
                                           .feature_level = 34};
    live(NULL, "a");
    append((struct entry[]){{&wire_feature_level_record, 0, &feature}}, 1);
    refused(NULL, "the cluster of /data has metadata.version at level 34, which this version does "
                  "not know: it supports 7 to 33");
}

static void what_is_not_known_is_refused(void **state)
{
    (void)state;
    struct feature_level_record feature = {.name = SLICE_LIT("teleport.version"),
                                           .feature_level = 1};
    live(NULL, "a");
    append((struct entry[]){{&wire_feature_level_record, 0, &feature}}, 1);
    refused(NULL, "the cluster of /data has teleport.version at level 1, which this version does "
                  "not know");
}

/* The record's versions that were written behind the batches up to `from`. */
static void assert_versions(int64_t from, int16_t registration, int16_t partition)
{
    size_t size;
    char *data = read_file(FIRST_LOG, &size);
    struct batch_iterator batches = batch_iterate(slice_of(data, size));
    struct batch_view view;
    struct record record;
    while (batch_next(&batches, &view)) {
        struct record_reader reader;
        if (view.header.base_offset < from || batch_is_control(&view.header))
            continue;
        record_reader_open(&reader, NULL,
                           (struct record_source){.header = &view.header, .batch = view.bytes});
        while (record_read(&reader, &record)) {
            int type = record.value.data[1];
            int version = record.value.data[2];
            assert_true(type != 27); /* controllers did not register then */
            assert_true(type != 0 || version == registration);
            assert_true((type != 3 && type != 5) || version == partition);
            assert_true(type != 17 || version < 3);
        }
        record_reader_close(&reader);
    }
    free(data);
}

/* A cluster whose metadata.version is Kafka 3.4's: what is written can be read by 3.4. */
static void an_older_level_is_written_for(void **state)
{
    (void)state;
    struct feature_level_record features[] = {
        {.name = SLICE_LIT("metadata.version"), .feature_level = 8},
        {.name = SLICE_LIT("eligible.leader.replicas.version")},
    };
    live(NULL, "a");
    int64_t from = append((struct entry[]){{&wire_feature_level_record, 0, &features[0]},
                                           {&wire_feature_level_record, 0, &features[1]}},
                          2);
    struct meta_kit *kit = open_fine(OFTEN);
    int64_t epoch = meta_kit_register(kit);
    assert_int_equal(meta_kit_create(kit, "b", 1), ERR_NONE);
    assert_int_equal(meta_kit_producer_ids(kit, epoch), 0);
    meta_kit_leave(kit, epoch);
    const struct meta_topic *topic = meta_topic_named(meta_kit_image(kit), slice_of_text("b"));
    assert_int_equal(meta_topic_partition(topic, 0)->leader, -1);
    assert_int_equal(meta_topic_partition(topic, 0)->isr.count, 1);
    assert_true(meta_kit_stop(kit));
    assert_versions(from, 2, 0);
    kit = open_fine(OFTEN);
    assert_true(meta_kit_register(kit) > epoch);
    topic = meta_topic_named(meta_kit_image(kit), slice_of_text("b"));
    assert_int_equal(meta_topic_partition(topic, 0)->leader, 1);
    assert_int_equal(meta_topic_partition(topic, 0)->leader_epoch, 2);
    assert_true(meta_kit_stop(kit));
    assert_versions(from, 2, 0);
    assert_topics(NULL, "ab");
}

/* ---- the quorum's files ---- */

static void a_damaged_quorum_state_is_refused(void **state)
{
    (void)state;
    live(NULL, "a");
    write_file(FOLDER "/quorum-state", slice_of("{", 1));
    refused(NULL, "/data/__cluster_metadata-0/quorum-state cannot be trusted: it is not a line of "
                  "JSON. A node that forgot how it voted must not vote again: restore the file "
                  "from a backup");
}

static void another_node_is_refused(void **state)
{
    (void)state;
    live(NULL, "a");
    refused(META_KIT_SETTINGS("node.id=2"),
            "/data/__cluster_metadata-0: the log names 1 voter(s), the first is node 1, but this "
            "version runs a quorum of this node (2) alone");
}

static void a_directory_without_its_identity_is_refused(void **state)
{
    (void)state;
    live(NULL, "a");
    assert_int_equal(sys_unlink(SYS_DIR_CWD, "/data/meta.properties"), 0);
    refused(NULL, "/data has a metadata log but no meta.properties. Restore that file from a "
                  "backup");
}

static void a_static_quorum_is_formatted_as_kafkas(void **state)
{
    (void)state;
    size_t size;
    const char *const *settings = META_KIT_SETTINGS(
        "process.roles=broker,controller", "node.id=1", "controller.listener.names=CONTROLLER",
        "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093",
        "controller.quorum.voters=1@127.0.0.1:9093");
    live(settings, "a");
    char *data = read_file(FOLDER "/quorum-state", &size);
    assert_string_equal(data, "{\"clusterId\":\"\",\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1,"
                              "\"appliedOffset\":0,\"currentVoters\":[{\"voterId\":1}],"
                              "\"data_version\":0}");
    free(data);
    struct meta_kit *kit = open_fine(settings);
    assert_int_equal(meta_kit_image(kit)->kraft_version, 0);
    assert_true(meta_kit_stop(kit));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(snapshots_are_loaded, begin, end),
        cmocka_unit_test_setup_teardown(snapshots_come_when_due, begin, end),
        cmocka_unit_test_setup_teardown(old_snapshots_go, begin, end),
        cmocka_unit_test_setup_teardown(old_segments_go, begin, end),
        cmocka_unit_test_setup_teardown(old_snapshots_go_by_age, begin, end),
        cmocka_unit_test_setup_teardown(a_damaged_snapshot_is_passed_over, begin, end),
        cmocka_unit_test_setup_teardown(a_snapshot_without_its_end_is_passed_over, begin, end),
        cmocka_unit_test_setup_teardown(what_was_never_finished_is_swept, begin, end),
        cmocka_unit_test_setup_teardown(a_new_directory_needs_its_snapshot, begin, end),
        cmocka_unit_test_setup_teardown(an_old_format_begins, begin, end),
        cmocka_unit_test_setup_teardown(a_log_without_its_beginning_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_log_that_ends_before_its_snapshot_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(an_aborted_transaction_leaves_no_trace, begin, end),
        cmocka_unit_test_setup_teardown(an_open_transaction_is_aborted, begin, end),
        cmocka_unit_test_setup_teardown(what_a_newer_version_wrote_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(what_is_not_known_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(an_older_level_is_written_for, begin, end),
        cmocka_unit_test_setup_teardown(a_damaged_quorum_state_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(another_node_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_directory_without_its_identity_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_static_quorum_is_formatted_as_kafkas, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
