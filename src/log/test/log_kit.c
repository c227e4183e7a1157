/* See the header. */
#include "log/test/log_kit.h"

#include "base/always.h"
#include "log/log_int.h"
#include "sys/clock.h"
#include "sys/dir.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/task.h"
#include "wire/batch_builder.h"

#include <stdio.h>
#include <stdlib.h>

/* One append of several that are submitted together. */
struct one {
    struct log_append append;
    struct log_kit *kit;
    int64_t end_offset; /* the log's when it was told */
};

struct log_kit {
    char path[64];
    int dir_fd;
    struct shard_set *set;
    struct sys_park *park;
    struct topic_config config;
    struct log *log;
    bool writes_by_worker;
    bool closes; /* the call ends when the log is idle */
    struct log_files files;
    struct batch_builder builder;
    struct shard_message message;
    void (*run)(struct log_kit *);
    void (*call)(struct log *, void *context); /* log_kit_run's */
    void *call_context;
    bool done; /* set on the shard, looked at by the test */
    struct one appends[LOG_KIT_MANY];
    int append_count;
    int appended; /* of them, in order */
    struct log_flush flush;
    struct log_read read;
    struct log_find find;
};

static void finish(struct log_kit *kit)
{
    __atomic_store_n(&kit->done, true, __ATOMIC_RELEASE);
    sys_park_wake(kit->park);
}

static void on_message(struct shard *shard, struct shard_message *message)
{
    (void)shard;
    struct log_kit *kit = CONTAINER_OF(message, struct log_kit, message);
    kit->run(kit);
}

static const struct shard_route route = {.name = "kit", .run = {on_message}};

/* Runs on the shard what ends in finish. */
static void on_the_shard(struct log_kit *kit, void (*run)(struct log_kit *))
{
    kit->run = run;
    __atomic_store_n(&kit->done, false, __ATOMIC_RELEASE);
    shard_post(shard_set_at(kit->set, 0), &kit->message, &route);
    while (!__atomic_load_n(&kit->done, __ATOMIC_ACQUIRE))
        sys_park_wait(kit->park, INT64_MAX);
}

void log_kit_begin(struct log_kit *kit, void (*run)(struct log_kit *))
{
    on_the_shard(kit, run);
}

void log_kit_finish(struct log_kit *kit)
{
    finish(kit);
}

struct log_kit *log_kit_new(void)
{
    static int number;
    char path[64];
    (void)snprintf(path, sizeof path, "/tmp/ottla-log-test-%lld-%d", (long long)sys_process_id(),
                   number++);
    return log_kit_new_at(path);
}

struct log_kit *log_kit_new_at(const char *path)
{
    struct log_kit *kit = calloc(1, sizeof *kit);
    ALWAYS(kit != NULL, "memory for the test");
    struct shard_set_options options = {.shard_count = 1, .worker_count = 1, .seed = 1};
    (void)snprintf(kit->path, sizeof kit->path, "%s", path);
    ALWAYS(sys_dir_make_path(kit->path) == 0, "a folder for the test");
    kit->dir_fd = sys_dir_open(SYS_DIR_CWD, kit->path);
    ALWAYS(kit->dir_fd >= 0 && sys_park_new(&kit->park) == 0, "descriptors for the test");
    ALWAYS(shard_set_new(&options, &kit->set) == 0 && shard_set_start(kit->set) == 0, "a shard");
    kit->config = (struct topic_config){
        .segment_bytes = 1 << 30,
        .segment_ms = INT64_MAX,
        .segment_index_bytes = 10 << 20,
        .index_interval_bytes = 4096,
        .flush_messages = INT64_MAX,
        .flush_ms = INT64_MAX,
    };
    batch_builder_init(&kit->builder);
    log_files_init(&kit->files, 64);
    return kit;
}

static int remove_entry(void *context, const char *name, bool is_directory)
{
    int dir_fd = *(const int *)context;
    return is_directory ? log_remove_folder(dir_fd, name) : sys_unlink(dir_fd, name);
}

static void end_all(struct log_kit *kit)
{
    if (kit->log != NULL)
        log_kit_drop(kit);
    shard_set_stop(kit->set);
    shard_set_join(kit->set);
    shard_set_free(kit->set);
    log_files_fini(&kit->files);
    batch_builder_fini(&kit->builder);
    sys_park_free(kit->park);
}

void log_kit_free(struct log_kit *kit)
{
    end_all(kit);
    ALWAYS(sys_dir_list(kit->dir_fd, remove_entry, &kit->dir_fd) == 0, "the folder is emptied");
    sys_file_close(kit->dir_fd);
    ALWAYS(sys_dir_remove(SYS_DIR_CWD, kit->path) == 0, "the folder is removed");
    free(kit);
}

void log_kit_leave(struct log_kit *kit)
{
    end_all(kit);
    sys_file_close(kit->dir_fd);
    free(kit);
}

void log_kit_write_by_worker(struct log_kit *kit)
{
    kit->writes_by_worker = true;
}

int log_kit_dir(const struct log_kit *kit)
{
    return kit->dir_fd;
}

struct topic_config *log_kit_config(struct log_kit *kit)
{
    return &kit->config;
}

struct sys_park *log_kit_park(const struct log_kit *kit)
{
    return kit->park;
}

struct log *log_kit_log(const struct log_kit *kit)
{
    return kit->log;
}

/* ---- opening and closing ---- */

static void attach(struct log_kit *kit)
{
    role_now_on_shard();
    log_attach(kit->log, shard_set_at(kit->set, 0), &kit->files);
    if (kit->writes_by_worker)
        kit->log->inline_max = 0;
    log_check(kit->log);
    finish(kit);
}

enum err log_kit_open(struct log_kit *kit, struct log_kit_open how,
                      struct log_recovery *ret_recovery)
{
    struct log_recovery recovery;
    struct log_options options = {
        .dir_fd = kit->dir_fd,
        .dir = how.dir,
        .name = "t-0",
        .topic_id = {{1}},
        .log_start_offset = how.log_start_offset,
        .offsets_by_name = how.topic != 0,
        .config = kit->config,
        .recovery_point = how.recovery_point,
        .cleaned_to = how.cleaned_to,
        .clean = how.clean,
        .wall_ms = sys_wall_ms(),
        .producer_expiration_ms = 86400000,
        .producer_check_interval_ms = 600000,
    };
    if (how.topic != 0)
        options.topic_id = (struct uuid){.bytes = {[15] = how.topic}};
    enum err err = log_open(&options, &kit->log, &recovery);
    if (ret_recovery != NULL)
        *ret_recovery = recovery;
    if (err == ERR_NONE)
        on_the_shard(kit, attach);
    else
        kit->log = NULL;
    return err;
}

static void on_idle(void *context)
{
    role_now_on_shard();
    struct log_kit *kit = context;
    log_detach(kit->log);
    finish(kit);
}

static void detach(struct log_kit *kit)
{
    role_now_on_shard();
    log_when_idle(kit->log, on_idle, kit);
}

void log_kit_close(struct log_kit *kit)
{
    ALWAYS(log_kit_try_close(kit) == 0, "the log closes");
}

int log_kit_try_close(struct log_kit *kit)
{
    on_the_shard(kit, detach);
    int error = log_close(kit->log, true);
    kit->log = NULL;
    return error;
}

void log_kit_drop(struct log_kit *kit)
{
    on_the_shard(kit, detach);
    (void)log_close(kit->log, false);
    kit->log = NULL;
}

int log_kit_delete(struct log_kit *kit)
{
    on_the_shard(kit, detach);
    char name[LOG_FOLDER_NAME_SIZE];
    int error = log_delete(kit->log, (struct uuid){.bytes = {2}}, name);
    kit->log = NULL;
    return error < 0 ? error : log_remove_folder(kit->dir_fd, name);
}

/* ---- appending ---- */

static void on_appended(struct log_append *append)
{
    struct one *one = CONTAINER_OF(append, struct one, append);
    struct log_kit *kit = one->kit;
    one->end_offset = kit->log->end_offset;
    ALWAYS(one == &kit->appends[kit->appended], "appends complete in their order");
    if (++kit->appended < kit->append_count || kit->closes)
        return;
    log_check(kit->log);
    finish(kit);
}

/* The stop begins with the answer: whoever is still at work with the log keeps it. */
static void on_last_appended(struct log_append *append)
{
    struct log_kit *kit = CONTAINER_OF(append, const struct one, append)->kit;
    kit->appended++;
    detach(kit);
    ALWAYS(kit->log->shard != NULL, "the log is not let go under its own feet");
}

static void append_all(struct log_kit *kit)
{
    role_now_on_shard();
    for (int i = 0; i < kit->append_count; i++)
        log_append_submit(kit->log, &kit->appends[i].append);
}

/* An EndTxn marker of coordinator epoch 5. */
static void add_marker(struct log_kit *kit, const struct log_kit_batch *batch)
{
    uint8_t key[4] = {0, 0, 0, batch->commits};
    static const uint8_t value[6] = {0, 0, 0, 0, 0, 5};
    batch_builder_add(&kit->builder,
                      &(struct batch_record){.timestamp = batch->timestamp,
                                             .key = slice_of(key, sizeof key),
                                             .value = slice_of(value, sizeof value)});
}

/* A copy on its way. */
static void prepare(struct log_append *append, struct slice bytes, int32_t leader_epoch)
{
    uint8_t *copy = malloc(bytes.size);
    ALWAYS(copy != NULL && bytes.size > 0, "memory for the test");
    memcpy(copy, bytes.data, bytes.size);
    *append =
        (struct log_append){.bytes = copy, .leader_epoch = leader_epoch, .on_done = on_appended};
    ALWAYS(batch_parse(slice_of(copy, bytes.size), &append->header) == BATCH_OK, "a batch");
    append->max_timestamp = append->header.max_timestamp;
}

static void make_batch(struct log_kit *kit, const struct log_kit_batch *batch,
                       struct log_append *ret_append)
{
    struct batch_builder_options options = batch_builder_defaults();
    options.producer_id = batch->producer_id;
    options.producer_epoch = batch->producer_id < 0 ? -1 : batch->producer_epoch;
    options.base_sequence = batch->producer_id < 0 || batch->ends ? -1 : batch->sequence;
    options.transactional = batch->transactional || batch->ends;
    options.control = batch->ends;
    batch_builder_begin(&kit->builder, &options);
    uint8_t *value = calloc(1, (size_t)batch->value_size + 1);
    ALWAYS(value != NULL, "memory for the test");
    struct batch_record record = {.timestamp = batch->timestamp,
                                  .key = slice_of_text(batch->key),
                                  .value = slice_of(value, (size_t)batch->value_size)};
    if (batch->value != NULL || batch->tombstone)
        record.value = slice_of_text(batch->value);
    if (batch->ends)
        add_marker(kit, batch);
    for (int i = 0; i < batch->count && !batch->ends; i++)
        batch_builder_add(&kit->builder, &record);
    free(value);
    prepare(ret_append, batch_builder_finish(&kit->builder, NULL), batch->leader_epoch);
}

static void take_results(const struct log_kit *kit, struct log_kit_appended *ret_appended)
{
    for (int i = 0; i < kit->append_count; i++) {
        const struct log_append *append = &kit->appends[i].append;
        free(append->bytes);
        ret_appended[i] = (struct log_kit_appended){.err = append->err,
                                                    .base_offset = append->base_offset,
                                                    .last_offset = append->last_offset,
                                                    .duplicate = append->duplicate,
                                                    .end_offset = kit->appends[i].end_offset};
    }
}

static void submit_all(struct log_kit *kit, int count, struct log_kit_appended *ret_appended)
{
    kit->append_count = count;
    kit->appended = 0;
    on_the_shard(kit, append_all);
    take_results(kit, ret_appended);
}

void log_kit_append_all(struct log_kit *kit, const struct log_kit_batch *batches, int count,
                        struct log_kit_appended *ret_appended)
{
    ALWAYS(count <= LOG_KIT_MANY, "so many at once");
    for (int i = 0; i < count; i++) {
        kit->appends[i].kit = kit;
        make_batch(kit, &batches[i], &kit->appends[i].append);
    }
    submit_all(kit, count, ret_appended);
}

void log_kit_append_bytes(struct log_kit *kit, const struct slice *batches, int count,
                          int32_t leader_epoch, struct log_kit_appended *ret_appended)
{
    ALWAYS(count <= LOG_KIT_MANY, "so many at once");
    for (int i = 0; i < count; i++) {
        kit->appends[i].kit = kit;
        prepare(&kit->appends[i].append, batches[i], leader_epoch);
    }
    submit_all(kit, count, ret_appended);
}

static void call_back(struct log_kit *kit)
{
    kit->call(kit->log, kit->call_context);
    finish(kit);
}

void log_kit_run(struct log_kit *kit, void (*call)(struct log *, void *context), void *context)
{
    kit->call = call;
    kit->call_context = context;
    on_the_shard(kit, call_back);
}

struct log_kit_appended log_kit_append(struct log_kit *kit, const struct log_kit_batch *batch)
{
    struct log_kit_appended appended;
    log_kit_append_all(kit, batch, 1, &appended);
    return appended;
}

void log_kit_pause(struct log_kit *kit)
{
    on_the_shard(kit, finish);
}

static void append_and_detach(struct log_kit *kit)
{
    role_now_on_shard();
    append_all(kit);
    detach(kit);
}

/* One append in a run that ends when the log is idle; then it is closed. */
static struct log_kit_appended append_and_close(struct log_kit *kit,
                                                const struct log_kit_batch *batch,
                                                void (*run)(struct log_kit *))
{
    struct log_kit_appended appended;
    kit->appends[0].kit = kit;
    make_batch(kit, batch, &kit->appends[0].append);
    kit->append_count = 1;
    kit->appended = 0;
    kit->closes = true;
    on_the_shard(kit, run);
    take_results(kit, &appended);
    ALWAYS(kit->appended == 1, "it is idle once what was submitted is done");
    kit->closes = false;
    ALWAYS(log_close(kit->log, true) == 0, "the log closes");
    kit->log = NULL;
    return appended;
}

struct log_kit_appended log_kit_append_and_close(struct log_kit *kit,
                                                 const struct log_kit_batch *batch)
{
    return append_and_close(kit, batch, append_and_detach);
}

static void append_last(struct log_kit *kit)
{
    role_now_on_shard();
    kit->appends[0].append.on_done = on_last_appended;
    append_all(kit);
}

struct log_kit_appended log_kit_append_then_close(struct log_kit *kit,
                                                  const struct log_kit_batch *batch)
{
    return append_and_close(kit, batch, append_last);
}

static void on_last_flushed(struct log_flush *flush)
{
    detach(CONTAINER_OF(flush, struct log_kit, flush));
}

static void flush_and_append(struct log_kit *kit)
{
    role_now_on_shard();
    kit->flush = (struct log_flush){.on_done = on_last_flushed};
    log_flush_submit(kit->log, &kit->flush);
    append_all(kit);
}

struct log_kit_appended log_kit_flush_and_close(struct log_kit *kit,
                                                const struct log_kit_batch *batch)
{
    return append_and_close(kit, batch, flush_and_append);
}

static void on_flushed(struct log_flush *flush)
{
    finish(CONTAINER_OF(flush, struct log_kit, flush));
}

static void flush(struct log_kit *kit)
{
    role_now_on_shard();
    log_flush_submit(kit->log, &kit->flush);
}

enum err log_kit_flush(struct log_kit *kit)
{
    kit->flush = (struct log_flush){.on_done = on_flushed};
    on_the_shard(kit, flush);
    return kit->flush.err;
}

/* ---- reading ---- */

static void on_read(struct log_read *read)
{
    finish(CONTAINER_OF(read, struct log_kit, read));
}

static void read_log(struct log_kit *kit)
{
    role_now_on_shard();
    log_read_submit(kit->log, &kit->read);
}

static void give_back(struct log_kit *kit)
{
    log_handle_unref(kit->read.range.handle);
    finish(kit);
}

struct log_kit_bytes log_kit_read(struct log_kit *kit, int64_t offset, int64_t size_max)
{
    kit->read = (struct log_read){.offset = offset,
                                  .bound = INT64_MAX,
                                  .size_max = size_max,
                                  .at_least_one = true,
                                  .on_done = on_read};
    on_the_shard(kit, read_log);
    struct log_kit_bytes bytes = {.err = kit->read.err, .size = (size_t)kit->read.range.size};
    if (bytes.size == 0)
        return bytes;
    bytes.data = malloc(bytes.size);
    ALWAYS(bytes.data != NULL, "memory for the test");
    int64_t got = sys_file_read_at(kit->read.range.handle->fd, bytes.data, bytes.size,
                                   kit->read.range.position);
    ALWAYS(got == (int64_t)bytes.size, "the range is in the file");
    on_the_shard(kit, give_back);
    return bytes;
}

/* ---- offsets ---- */

static void on_found(struct log_find *find)
{
    finish(CONTAINER_OF(find, struct log_kit, find));
}

static void find_in_log(struct log_kit *kit)
{
    role_now_on_shard();
    log_find_submit(kit->log, &kit->find);
}

struct log_find log_kit_find_largest(struct log_kit *kit)
{
    kit->find = (struct log_find){.kind = LOG_FIND_MAX_TIMESTAMP, .on_done = on_found};
    on_the_shard(kit, find_in_log);
    return kit->find;
}
