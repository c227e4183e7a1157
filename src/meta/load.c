/* Reading the metadata log at the start: newest snapshot, then what was appended behind it.
 * Metadata transactions that were aborted leave no trace; one that is open at the end is aborted by
 * whoever leads next. Before the shards run; blocking. */
#include "log/replay.h"
#include "meta/format.h"
#include "meta/meta_int.h"
#include "raft/quorum_state.h"
#include "sys/clock.h"
#include "sys/dir.h"
#include "sys/file.h"
#include "sys/journal.h"
#include "wire/msg/feature_level_record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SNAPSHOT_SIZE_MAX (1024U * 1024 * 1024)
#define RECORD_ARENA_MAX (64U * 1024 * 1024)
#define QUORUM_STATE_FILE META_FOLDER "/quorum-state"
#define FILES_MAX 16
#define PATH_SIZE 320

enum {
    BEGIN_TRANSACTION = 23,
    END_TRANSACTION = 24,
    ABORT_TRANSACTION = 25,
};

struct loading {
    struct meta *meta;
    struct meta_image *image;
    struct meta_image *before; /* of the open transaction; NULL: none */
    const char *fault;
    int64_t fault_offset;
    bool of_log; /* not of a snapshot */
};

/* ---- records ---- */

static const char *begin_transaction(struct loading *loading)
{
    if (loading->before != NULL)
        return "a metadata transaction begins inside of another";
    loading->before = loading->image;
    loading->image = meta_image_begin(loading->before);
    return loading->image != NULL ? NULL : "memory is out";
}

static const char *end_transaction(struct loading *loading, bool abort)
{
    if (loading->before == NULL)
        return "a metadata transaction ends that never began";
    meta_image_unref(abort ? loading->image : loading->before);
    if (abort)
        loading->image = loading->before;
    loading->before = NULL;
    return NULL;
}

static const char *load_record(struct loading *loading, struct slice value)
{
    struct arena arena;
    struct meta_applied record;
    arena_init(&arena, RECORD_ARENA_MAX);
    const char *fault = meta_record_decode(value, &arena, &record);
    if (fault == NULL && record.message->number == BEGIN_TRANSACTION)
        fault = begin_transaction(loading);
    else if (fault == NULL && record.message->number == END_TRANSACTION)
        fault = end_transaction(loading, false);
    else if (fault == NULL && record.message->number == ABORT_TRANSACTION)
        fault = end_transaction(loading, true);
    else if (fault == NULL)
        fault = meta_image_apply(loading->image, &record);
    arena_fini(&arena);
    return fault;
}

static const char *load_records(struct loading *loading, const struct batch_view *view)
{
    struct record_reader reader;
    struct record record;
    const char *fault = NULL;
    record_reader_open(&reader, NULL,
                       (struct record_source){.header = &view->header, .batch = view->bytes});
    while (fault == NULL && record_read(&reader, &record))
        fault = load_record(loading, record.value);
    if (fault == NULL && reader.fault != CODEC_FINE)
        fault = reader.text;
    record_reader_close(&reader);
    return fault;
}

static bool on_batch(void *context, const struct batch_view *view)
{
    struct loading *loading = context;
    if (batch_is_control(&view->header)) {
        loading->fault = meta_control_note(&loading->meta->quorum, view);
        if (loading->of_log && loading->meta->quorum.has_voters)
            loading->meta->log_has_voters = true;
    } else {
        loading->fault = load_records(loading, view);
    }
    if (loading->fault != NULL) {
        loading->fault_offset = view->header.base_offset;
        return false;
    }
    if (loading->of_log) {
        loading->image->end_offset = batch_last_offset(&view->header) + 1;
        loading->image->epoch = view->header.partition_leader_epoch;
        loading->meta->bytes_since_snapshot += view->header.size;
    }
    loading->image->timestamp_ms = MAX_OF(loading->image->timestamp_ms, view->header.max_timestamp);
    return true;
}

/* ---- the newest snapshot ---- */

struct snapshot_name {
    int64_t offset;
    int32_t epoch;
    bool found;
};

static int on_file(void *context, const char *name, bool is_directory)
{
    struct snapshot_name *newest = context;
    long long offset;
    int epoch;
    int end = 0;
    if (is_directory || sscanf(name, "%20lld-%10d.checkpoint%n", &offset, &epoch, &end) != 2 ||
        end == 0 || name[end] != '\0')
        return 0;
    if (!newest->found || offset > newest->offset)
        *newest = (struct snapshot_name){.offset = offset, .epoch = epoch, .found = true};
    return 0;
}

static bool read_snapshot(struct meta *meta, struct loading *loading, struct snapshot_name *name,
                          struct text *error) NOT_ON(on_shard)
{
    AUTO(file_close) int fd = sys_dir_open(meta->dir->fd, META_FOLDER);
    if (fd < 0 || sys_dir_list(fd, on_file, name) < 0) {
        text_printf(error, "%s/%s cannot be read", meta->dir->path, META_FOLDER);
        return false;
    }
    if (!name->found)
        return true;
    char path[PATH_SIZE];
    char *data = NULL;
    size_t size = 0;
    (void)snprintf(path, sizeof path, "%020lld-%010d.checkpoint", (long long)name->offset,
                   name->epoch);
    int got = sys_file_read_whole(fd, path, SNAPSHOT_SIZE_MAX, &data, &size);
    const char *fault = "it cannot be read";
    int result = got < 0 ? got : log_replay_bytes(slice_of(data, size), on_batch, loading, &fault);
    free(data);
    if (result == 0)
        return true;
    text_printf(error, "the metadata snapshot %s/%s/%s is damaged: %s. Restore it from a backup",
                meta->dir->path, META_FOLDER, path,
                loading->fault != NULL ? loading->fault : fault);
    return false;
}

/* The first snapshot is what formatting left: its records are said again in the log by the first
 * leader, so as state they do not count yet. */
static void take_bootstrap(struct meta *meta, struct loading *loading,
                           const struct snapshot_name *name)
{
    if (!name->found || name->offset > 0)
        return;
    meta->bootstrap_features = pmap_ref(loading->image->features);
    pmap_unref(&loading->image->features);
    loading->image->features = pmap_empty(loading->image->brokers.type);
}

/* ---- the log ---- */

static bool open_log(struct meta *meta, const struct snapshot_name *name, struct text *error)
    NOT_ON(on_shard)
{
    struct log_recovery report;
    struct log_options options = {
        .dir_fd = meta->dir->fd,
        .name = META_FOLDER,
        .topic_id = META_TOPIC_ID,
        .recovery_point = 0,
        .log_start_offset = name->found ? name->offset : 0,
        .clean = false,
        .wall_ms = sys_wall_ms(),
        .producer_expiration_ms = INT32_MAX,
    };
    struct config_layers layers = {0};
    topic_config_make(meta->config, &layers, &options.config);
    options.config.segment_bytes = meta->config->metadata_log_segment_bytes;
    options.config.segment_ms = meta->config->metadata_log_segment_ms;
    if (log_open(&options, &meta->log, &report) != ERR_NONE) {
        text_printf(error, "the metadata log in %s/%s cannot be opened: %s", meta->dir->path,
                    META_FOLDER, report.fault);
        return false;
    }
    if (report.cut_bytes > 0)
        journal(JOURNAL_WARN, "metadata_log_cut", "bytes=%lld why=\"%s\" effect=\"%s\"",
                (long long)report.cut_bytes, report.fault,
                "nothing that was answered is lost: it was never synced");
    return true;
}

static bool replay_log(struct meta *meta, struct loading *loading, int64_t from, struct text *error)
    NOT_ON(on_shard)
{
    loading->of_log = true;
    int result = log_replay(meta->log, from, on_batch, loading);
    if (result == 0 && loading->before != NULL) {
        meta->transaction_open = true;
        (void)!end_transaction(loading, true);
    }
    if (result == 0)
        return true;
    text_printf(error, "the metadata log in %s/%s cannot be replayed at offset %lld: %s",
                meta->dir->path, META_FOLDER, (long long)loading->fault_offset,
                loading->fault != NULL ? loading->fault : strerror(-result));
    return false;
}

/* ---- the quorum ---- */

static bool read_quorum_state(struct meta *meta, struct raft_quorum_state *ret_state,
                              struct text *error) NOT_ON(on_shard)
{
    char *data = NULL;
    size_t size = 0;
    *ret_state =
        (struct raft_quorum_state){.version = 1, .leader_id = RAFT_NOBODY, .voted_id = RAFT_NOBODY};
    int got = sys_file_read_whole(meta->dir->fd, QUORUM_STATE_FILE, 65536, &data, &size);
    if (got == -ENOENT)
        return true;
    const char *fault =
        got < 0 ? "it cannot be read" : quorum_state_read(slice_of(data, size), ret_state);
    free(data);
    if (fault == NULL)
        return true;
    text_printf(error,
                "%s/%s cannot be trusted: %s. A node that forgot how it voted must not vote again: "
                "restore the file from a backup",
                meta->dir->path, QUORUM_STATE_FILE, fault);
    return false;
}

static bool init_raft(struct meta *meta, const struct raft_quorum_state *stored, struct text *error)
{
    const struct meta_quorum *quorum = &meta->quorum;
    struct text fault;
    struct raft_start start = {
        .node_id = meta->config->node_id,
        .directory_id = meta->dir->identity.directory_id,
        .stored = *stored,
        .voters = {.known = quorum->has_voters,
                   .count = quorum->voter_count,
                   .id = quorum->voter_id,
                   .directory_id = quorum->voter_directory_id},
        .is_dynamic = quorum->kraft_version >= 1,
        .log_end_offset = log_end_offset(meta->log),
        .log_end_epoch = log_latest_epoch(meta->log),
    };
    text_init(&fault, 4096);
    bool fine = raft_start_check(&start, &fault);
    if (fine)
        raft_init(&meta->raft, &start);
    else
        text_printf(error, "%s/%s: %.*s", meta->dir->path, META_FOLDER,
                    SLICE_ARG(text_slice(&fault)));
    text_fini(&fault);
    return fine;
}

int meta_store_quorum_state(struct meta *meta)
{
    struct text text;
    text_init(&text, 4096);
    quorum_state_write(&meta->raft.stored, &text);
    int error = text.failed ? -ENOMEM
                            : sys_file_replace(meta->dir->fd, QUORUM_STATE_FILE, text_slice(&text));
    text_fini(&text);
    return error;
}

bool meta_load(struct meta *meta, struct text *error)
{
    struct loading loading = {.meta = meta, .image = meta_image_new(meta->config)};
    struct snapshot_name name = {0};
    struct raft_quorum_state stored;
    bool fine = loading.image != NULL && read_snapshot(meta, &loading, &name, error);
    if (fine)
        take_bootstrap(meta, &loading, &name);
    if (fine && name.found) {
        loading.image->end_offset = name.offset;
        loading.image->epoch = name.epoch;
        meta->snapshot_offset = name.offset;
    }
    fine = fine && open_log(meta, &name, error) &&
           replay_log(meta, &loading, MAX_OF(name.offset, log_start_offset(meta->log)), error) &&
           read_quorum_state(meta, &stored, error) && init_raft(meta, &stored, error);
    if (!fine) {
        meta_image_unref(loading.before);
        meta_image_unref(loading.image);
        return false;
    }
    meta->committed = loading.image;
    meta->latest = meta_image_ref(loading.image);
    meta->next_offset = log_end_offset(meta->log);
    return true;
}
