/* What log dump makes of files: segments of topics and of internal topics, the files beside them,
 * and damage. The bytes are written here, field by field or by the batch builder. */
#include "cmd/dump.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "sys/dir.h"
#include "sys/file.h"
#include "wire/batch_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FOLDER "dump_test.tmp"

static void write_file(const char *path, struct slice bytes)
{
    char folder[256];
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    assert_int_equal(sys_dir_make_path(folder), 0);
    int fd = sys_file_open(SYS_DIR_CWD, path, SYS_OPEN_WRITE | SYS_OPEN_CREATE | SYS_OPEN_TRUNCATE);
    assert_true(fd >= 0);
    assert_int_equal(sys_file_write_at(fd, bytes, 0), 0);
    sys_file_close(fd);
}

/* Runs the command on one file and compares what it wrote; %s in the texts is the path. */
static void dumps(const char *path, const char *const flags[2], int code, const char *out,
                  const char *err)
{
    struct console console;
    const char *arguments[1] = {path};
    struct command_call call = {.arguments = arguments, .argument_count = 1, .console = &console};
    console_init_captured(&console);
    console.prefix = "log dump";
    for (size_t i = 0; i < 2 && flags != NULL && flags[i] != NULL; i++) {
        bool json = strcmp(flags[i], "json") == 0;
        call.values[call.value_count++] = (struct command_value){
            .flag = json ? &dump_flag_format : &dump_flag_batches, .text = json ? "json" : NULL};
    }
    assert_int_equal(dump_run(&call), code);
    assert_string_equal(console.out.data != NULL ? console.out.data : "", out);
    assert_string_equal(console.err.data != NULL ? console.err.data : "", err);
    console_fini(&console);
}

/* One batch of two records, the second with a header and without a value. */
static struct slice plain_batch(struct batch_builder *builder)
{
    struct batch_builder_options options = batch_builder_defaults();
    struct record_header header = {SLICE_LIT("h"), SLICE_LIT("\xff")};
    options.base_offset = 5;
    options.partition_leader_epoch = 3;
    batch_builder_init(builder);
    batch_builder_begin(builder, &options);
    batch_builder_add(builder, &(struct batch_record){.timestamp = 100,
                                                      .key = SLICE_LIT("k"),
                                                      .value = SLICE_LIT("v\"1")});
    batch_builder_add(
        builder, &(struct batch_record){.timestamp = 101, .headers = &header, .header_count = 1});
    struct slice batch = batch_builder_finish(builder, NULL);
    assert_false(slice_is_null(batch));
    return batch;
}

static void segments(void **state)
{
    (void)state;
    static const char path[] = FOLDER "/orders-0/00000000000000000005.log";
    struct batch_builder builder;
    write_file(path, plain_batch(&builder));
    dumps(path, NULL, 0,
          FOLDER "/orders-0/00000000000000000005.log: segment, 83 bytes\n"
                 "position=0 offsets=5..6 records=2 size=83 epoch=3 codec=none created=101 crc=ok\n"
                 "  {\"offset\":5,\"timestamp\":100,\"key\":\"k\",\"value\":\"v\\\"1\"}\n"
                 "  {\"offset\":6,\"timestamp\":101,\"key\":null,\"value\":null,\"headers\":["
                 "{\"key\":\"h\",\"value_base64\":\"/w==\"}]}\n",
          "");
    dumps(path, (const char *const[2]){"-B"}, 0,
          FOLDER
          "/orders-0/00000000000000000005.log: segment, 83 bytes\n"
          "position=0 offsets=5..6 records=2 size=83 epoch=3 codec=none created=101 crc=ok\n",
          "");
    batch_builder_fini(&builder);
}

static void as_json(void **state)
{
    (void)state;
    static const char path[] = FOLDER "/orders-0/00000000000000000005.log";
    struct batch_builder builder;
    struct slice batch = plain_batch(&builder);
    char expected[1024];
    write_file(path, batch);
    snprintf(expected, sizeof expected,
             "{\"_command\":\"log dump\",\"_version\":1,\"file\":\"%s\",\"kind\":\"segment\","
             "\"size\":83}\n"
             "{\"position\":0,\"base_offset\":5,\"last_offset\":6,\"records\":2,\"size\":83,"
             "\"partition_leader_epoch\":3,\"codec\":\"none\",\"timestamp_type\":\"CreateTime\","
             "\"base_timestamp\":100,\"max_timestamp\":101,\"producer_id\":-1,"
             "\"producer_epoch\":-1,\"base_sequence\":-1,\"transactional\":false,"
             "\"control\":false,\"delete_horizon\":false,\"crc\":%u,\"crc_ok\":true}\n",
             path, load_u32(batch.data + BATCH_AT_CRC));
    dumps(path, (const char *const[2]){"json", "-B"}, 0, expected, "");
    batch_builder_fini(&builder);
}

static void damage(void **state)
{
    (void)state;
    static const char path[] = FOLDER "/orders-0/00000000000000000005.log";
    static const char head[] = FOLDER "/orders-0/00000000000000000005.log: segment, 83 bytes\n";
    struct batch_builder builder;
    struct slice batch = plain_batch(&builder);
    uint8_t bytes[200] = {0};
    char out[512];
    memcpy(bytes, batch.data, batch.size);
    bytes[batch.size - 1] ^= 1;
    write_file(path, slice_of(bytes, batch.size));
    snprintf(out, sizeof out,
             "%sposition=0 offsets=5..6 records=2 size=83 epoch=3 codec=none created=101 "
             "crc=WRONG\n",
             head);
    dumps(path, (const char *const[2]){"-B"}, 1, out,
          "log dump: " FOLDER "/orders-0/00000000000000000005.log: position 0: the checksum does "
          "not match\n");
    bytes[batch.size - 1] ^= 1;
    write_file(path, slice_of(bytes, 183));
    dumps(path, (const char *const[2]){"-B"}, 0,
          FOLDER "/orders-0/00000000000000000005.log: segment, 183 bytes\n"
                 "position=0 offsets=5..6 records=2 size=83 epoch=3 codec=none created=101 crc=ok\n"
                 "position=83 zeroes to the end, 100 bytes\n",
          "");
    batch_builder_fini(&builder);
}

/* A framed FeatureLevelRecord, and a LeaderChange before it. */
static void metadata(void **state)
{
    (void)state;
    static const char path[] = FOLDER "/__cluster_metadata-0/00000000000000000000.log";
    static const uint8_t feature[] = {1, 12, 0, 4, 'a', '.', 'b', 0, 33, 0};
    struct batch_builder_options options = batch_builder_defaults();
    struct batch_builder builder;
    batch_builder_init(&builder);
    batch_builder_begin(&builder, &options);
    batch_builder_add(&builder,
                      &(struct batch_record){.timestamp = 7, .value = {feature, sizeof feature}});
    batch_builder_add(&builder, &(struct batch_record){.timestamp = 7, .value = {feature, 2}});
    write_file(path, batch_builder_finish(&builder, NULL));
    dumps(path, NULL, 1,
          FOLDER "/__cluster_metadata-0/00000000000000000000.log: segment, 87 bytes\n"
                 "position=0 offsets=0..1 records=2 size=87 epoch=-1 codec=none created=7 crc=ok\n"
                 "  {\"offset\":0,\"timestamp\":7,\"value\":{\"type\":\"FeatureLevelRecord\","
                 "\"version\":0,\"data\":{\"name\":\"a.b\",\"featureLevel\":33}}}\n"
                 "  {\"offset\":1,\"timestamp\":7,\"value\":\"\\u0001\\f\"}\n",
          "log dump: " FOLDER "/__cluster_metadata-0/00000000000000000000.log: offset 1: the value "
          "is no record of __cluster_metadata that is known\n");
    batch_builder_fini(&builder);
}

static void control_records(void **state)
{
    (void)state;
    static const char path[] = FOLDER "/t-0/00000000000000000000.log";
    static const uint8_t key[] = {0, 0, 0, 1};
    static const uint8_t value[] = {0, 0, 0, 0, 0, 9};
    struct batch_builder_options options = batch_builder_defaults();
    struct batch_builder builder;
    options.producer_id = 4;
    options.producer_epoch = 2;
    options.control = true;
    options.transactional = true;
    batch_builder_init(&builder);
    batch_builder_begin(&builder, &options);
    batch_builder_add(&builder, &(struct batch_record){.timestamp = 7,
                                                       .key = {key, sizeof key},
                                                       .value = {value, sizeof value}});
    write_file(path, batch_builder_finish(&builder, NULL));
    dumps(path, NULL, 0,
          FOLDER "/t-0/00000000000000000000.log: segment, 78 bytes\n"
                 "position=0 offsets=0..0 records=1 size=78 epoch=-1 codec=none created=7 crc=ok "
                 "producer=4/2 sequence=-1..-1 transactional control\n"
                 "  {\"offset\":0,\"timestamp\":7,\"control\":{\"type\":\"COMMIT\",\"version\":0,"
                 "\"data\":{\"coordinatorEpoch\":9}}}\n",
          "");
    batch_builder_fini(&builder);
}

static void indexes(void **state)
{
    (void)state;
    static const char path[] = FOLDER "/t-0/00000000000000000040.index";
    static const char time_path[] = FOLDER "/t-0/00000000000000000040.timeindex";
    uint8_t bytes[24] = {0};
    store_u32(bytes, 2);
    store_u32(bytes + 4, 4096);
    write_file(path, slice_of(bytes, 24)); /* two entries of room behind it */
    dumps(path, NULL, 0,
          FOLDER "/t-0/00000000000000000040.index: offset index, 24 bytes\n"
                 "offset=42 position=4096\n",
          "");
    write_file(path, slice_of(bytes, 9));
    dumps(path, NULL, 1,
          FOLDER "/t-0/00000000000000000040.index: offset index, 9 bytes\n"
                 "offset=42 position=4096\n",
          "log dump: " FOLDER "/t-0/00000000000000000040.index: 1 bytes after the last entry\n");
    store_i64(bytes, 1000);
    store_u32(bytes + 8, 3);
    write_file(time_path, slice_of(bytes, 12));
    dumps(time_path, (const char *const[2]){"json"}, 0,
          "{\"_command\":\"log dump\",\"_version\":1,\"file\":\"" FOLDER
          "/t-0/00000000000000000040.timeindex\",\"kind\":\"time index\",\"size\":12}\n"
          "{\"timestamp\":1000,\"offset\":43}\n",
          "");
}

static void producer_snapshots(void **state)
{
    (void)state;
    static const char path[] = FOLDER "/t-0/00000000000000000040.snapshot";
    uint8_t bytes[56] = {0};
    store_i16(bytes, 1);
    store_i32(bytes + 6, 1);
    store_i64(bytes + 10, 1000);
    store_i64(bytes + 48, -1);
    store_u32(bytes + 2, crc32c(0, bytes + 6, 50));
    write_file(path, slice_of(bytes, 56));
    static const char shown[] =
        FOLDER "/t-0/00000000000000000040.snapshot: producer snapshot, 56 bytes\n"
               "producer=1000 epoch=0 last_sequence=0 last_offset=0 offset_delta=0 timestamp=0 "
               "coordinator_epoch=0 current_txn_first_offset=-1\n";
    dumps(path, NULL, 0, shown, "");
    bytes[2] ^= 1;
    write_file(path, slice_of(bytes, 56));
    dumps(path, NULL, 1, shown,
          "log dump: " FOLDER "/t-0/00000000000000000040.snapshot: the checksum does not match\n");
    write_file(path, slice_of(bytes, 20));
    dumps(path, NULL, 1, FOLDER "/t-0/00000000000000000040.snapshot: producer snapshot, 20 bytes\n",
          "log dump: " FOLDER
          "/t-0/00000000000000000040.snapshot: not a producer snapshot of version 1\n");
}

static void texts(void **state)
{
    (void)state;
    static const char points[] = FOLDER "/recovery-point-offset-checkpoint";
    static const char epochs[] = FOLDER "/t-0/leader-epoch-checkpoint";
    write_file(points, slice_of_text("0\n2\nt 0 5\na-b 1 7\n"));
    dumps(points, NULL, 0,
          FOLDER "/recovery-point-offset-checkpoint: checkpoint, 18 bytes\n"
                 "topic=t partition=0 offset=5\ntopic=a-b partition=1 offset=7\n",
          "");
    write_file(points, slice_of_text("0\n3\nt 0 5\n"));
    dumps(points, NULL, 1,
          FOLDER "/recovery-point-offset-checkpoint: checkpoint, 10 bytes\n"
                 "topic=t partition=0 offset=5\n",
          "log dump: " FOLDER
          "/recovery-point-offset-checkpoint: 3 entries are announced, 1 are there\n");
    write_file(epochs, slice_of_text("0\n1\n4 0\n"));
    dumps(epochs, (const char *const[2]){"json"}, 0,
          "{\"_command\":\"log dump\",\"_version\":1,\"file\":\"" FOLDER
          "/t-0/leader-epoch-checkpoint\",\"kind\":\"leader epochs\",\"size\":8}\n"
          "{\"epoch\":4,\"start_offset\":0}\n",
          "");
    write_file(FOLDER "/meta.properties", slice_of_text("#x\nversion=1\nnode.id=1\n"));
    dumps(FOLDER "/meta.properties", NULL, 0,
          FOLDER "/meta.properties: directory metadata, 23 bytes\nversion=1\nnode.id=1\n", "");
}

static void strangers(void **state)
{
    (void)state;
    dumps(FOLDER "/nothing.log", NULL, 1, "",
          "log dump: " FOLDER "/nothing.log: No such file or directory\n");
    dumps(FOLDER "/what", NULL, 1, "",
          "log dump: " FOLDER "/what: no file of a data directory has such a name; .log, .index, "
          ".timeindex, .txnindex, .snapshot, .checkpoint and *-checkpoint are known\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments),
        cmocka_unit_test(as_json),
        cmocka_unit_test(damage),
        cmocka_unit_test(metadata),
        cmocka_unit_test(control_records),
        cmocka_unit_test(indexes),
        cmocka_unit_test(producer_snapshots),
        cmocka_unit_test(texts),
        cmocka_unit_test(strangers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
