/* From batches to an image; see the header. */
#include "meta/loading.h"

#include "base/always.h"
#include "meta/records.h"

#define RECORD_ARENA_MAX (64U * 1024 * 1024)

enum {
    BEGIN_TRANSACTION = 23,
    END_TRANSACTION = 24,
    ABORT_TRANSACTION = 25,
};

bool meta_loading_init(struct meta_loading *loading, const struct node_config *node)
{
    *loading = (struct meta_loading){.image = meta_image_new(node)};
    return loading->image != NULL;
}

void meta_loading_fini(struct meta_loading *loading)
{
    meta_image_unref(loading->before);
    meta_image_unref(loading->image);
}

/* ---- transactions ---- */

static const char *begin_transaction(struct meta_loading *loading)
{
    if (loading->before != NULL)
        return "a metadata transaction begins inside of another";
    loading->before = loading->image;
    loading->image = meta_image_begin(loading->before);
    return loading->image != NULL ? NULL : "memory is out";
}

static const char *end_transaction(struct meta_loading *loading, bool abort)
{
    if (loading->before == NULL)
        return "a metadata transaction ends that never began";
    if (abort)
        (void)meta_loading_abort(loading);
    else
        meta_image_unref(loading->before);
    loading->before = NULL;
    return NULL;
}

bool meta_loading_abort(struct meta_loading *loading)
{
    if (loading->before == NULL)
        return false;
    struct meta_image *image = loading->before;
    image->end_offset = loading->image->end_offset;
    image->epoch = loading->image->epoch;
    image->timestamp_ms = loading->image->timestamp_ms;
    meta_image_unref(loading->image);
    loading->image = image;
    loading->before = NULL;
    return true;
}

/* ---- records ---- */

static const char *load_record(struct meta_loading *loading, struct slice value)
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

static const char *load_records(struct meta_loading *loading, const struct batch_view *view)
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

/* ---- batches ---- */

static const char *place_fault(const struct meta_loading *loading, const struct batch_view *view)
{
    const struct meta_quorum *quorum = &loading->quorum;
    if (loading->of_log)
        return view->header.base_offset > loading->next_offset
                   ? "records are missing before it: a segment or a snapshot is gone"
                   : NULL;
    if (quorum->snapshot_ended)
        return "there are records behind its footer";
    return quorum->snapshot_begun || batch_is_control(&view->header) ? NULL : "it has no header";
}

bool meta_loading_batch(void *context, const struct batch_view *view)
{
    struct meta_loading *loading = context;
    loading->fault = place_fault(loading, view);
    if (loading->fault == NULL && batch_is_control(&view->header)) {
        struct meta_quorum before = loading->quorum;
        loading->quorum.has_voters = false;
        loading->fault = meta_control_note(&loading->quorum, view);
        loading->log_has_voters =
            loading->log_has_voters || (loading->of_log && loading->quorum.has_voters);
        loading->quorum.has_voters = loading->quorum.has_voters || before.has_voters;
    } else if (loading->fault == NULL) {
        loading->fault = load_records(loading, view);
    }
    if (loading->fault != NULL) {
        loading->fault_offset = view->header.base_offset;
        return false;
    }
    struct meta_image *image = loading->image;
    if (loading->of_log) {
        loading->next_offset = batch_last_offset(&view->header) + 1;
        loading->log_bytes += view->header.size;
        image->end_offset = loading->next_offset;
        image->epoch = view->header.partition_leader_epoch;
    }
    image->timestamp_ms = MAX_OF(image->timestamp_ms, view->header.max_timestamp);
    return true;
}
