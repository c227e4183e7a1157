/* From records to a committed image: append, sync, publish, answer. Several decisions share one
 * sync: those made while it runs are covered by the next. The image that decisions look at (latest)
 * is ahead of the one that shards have (committed) by what is not durable yet. On the controller's
 * shard. */
#include "meta/meta_int.h"

#include "base/always.h"
#include "sys/journal.h"

#include <stdlib.h>

/* An operation's end while it is not in the log: no high watermark reaches it. */
#define NOT_APPENDED INT64_MAX

/* One data shard's mail: at most one image is on the way; a newer one waits for it to come back. */
struct meta_publication {
    struct shard_message message;
    struct meta *meta;
    struct shard *to;
    const struct meta_image *image; /* on the way out, or the old one on the way back */
    int64_t sent_offset;            /* end of the newest image that was sent */
    bool away;
    bool stale; /* a newer image was committed meanwhile */
};

void meta_fail(struct meta *meta, const char *why)
{
    if (meta->failed)
        return;
    meta->failed = true;
    journal(JOURNAL_ERROR, "metadata_log_failed", "why=\"%s\" effect=\"%s\"", why,
            "this node stops: it could not keep what it would promise");
    meta->options.on_fatal(why);
}

/* ---- publishing ---- */

static void on_image(struct shard *there, struct shard_message *message)
{
    role_now_on_shard();
    struct meta_publication *mail = CONTAINER_OF(message, struct meta_publication, message);
    mail->image = mail->meta->options.on_image(there, mail->image);
    shard_forward(there, message);
}

static void publish_to(struct meta *meta, struct meta_publication *mail);
static void answer_decided(struct meta *meta);

static void on_image_returned(struct shard *here, struct shard_message *message)
{
    role_now_on_shard();
    (void)here;
    struct meta_publication *mail = CONTAINER_OF(message, struct meta_publication, message);
    meta_image_release(mail->image);
    mail->away = false;
    if (!mail->stale)
        return;
    publish_to(mail->meta, mail);
    answer_decided(mail->meta);
    meta_stop_if_idle(mail->meta);
}

static const struct shard_route route_image = {
    .name = "image",
    .run = {on_image, on_image_returned},
};

static void publish_to(struct meta *meta, struct meta_publication *mail)
{
    role_now_on_shard();
    mail->stale = mail->away;
    if (mail->away)
        return;
    mail->image = meta_image_ref(meta->committed);
    mail->away = true;
    mail->sent_offset = meta->committed->end_offset;
    shard_send(meta->shard, mail->to, &mail->message, &route_image);
}

bool meta_publications_make(struct meta *meta)
{
    meta->publication_count = shard_set_count(meta->options.shards);
    meta->publications = calloc((size_t)meta->publication_count, sizeof(struct meta_publication));
    if (meta->publications == NULL)
        return false;
    for (int i = 0; i < meta->publication_count; i++) {
        meta->publications[i].meta = meta;
        meta->publications[i].to = shard_set_at(meta->options.shards, i);
    }
    return true;
}

void meta_publications_free(struct meta *meta)
{
    /* One that was on its way when the shards ended has an image of its own, there or back. */
    for (int i = 0; i < meta->publication_count && meta->publications != NULL; i++)
        if (meta->publications[i].away)
            meta_image_release(meta->publications[i].image);
    free(meta->publications);
}

static void publish(struct meta *meta, struct meta_image *image)
{
    meta_image_unref(meta->committed);
    meta->committed = meta_image_ref(image);
    for (int i = 0; i < meta->publication_count; i++)
        publish_to(meta, &meta->publications[i]);
}

/* ---- syncing and committing ---- */

static void sync_log(struct meta *meta);

static void op_finish(struct meta *meta, struct meta_op *op)
{
    role_now_on_shard();
    if (op->call != NULL)
        peer_answer(meta->shard, op->call, ERR_NONE, op->response);
    meta_image_unref(op->after);
    free(op);
}

/* The end of what is on its way to every data shard. */
static int64_t published_offset(const struct meta *meta)
{
    int64_t offset = meta->committed->end_offset;
    for (int i = 0; i < meta->publication_count; i++)
        offset = MIN_OF(offset, meta->publications[i].sent_offset);
    return offset;
}

/* An answer leaves after the image that has what it tells: a shard that is still at the image
 * before holds it back until that one returns. */
static void answer_decided(struct meta *meta)
{
    int64_t published = published_offset(meta);
    while (!list_is_empty(&meta->decided)) {
        struct meta_op *op = CONTAINER_OF(meta->decided.next, struct meta_op, link);
        if (op->end_offset > published)
            return;
        list_remove(&op->link);
        op_finish(meta, op);
    }
}

/* Everything up to the high watermark is for all to see: the newest image first, then the
 * answers. */
static void commit_up_to(struct meta *meta, int64_t high_watermark)
{
    role_now_on_shard();
    struct meta_image *newest = NULL;
    LIST_EACH (&meta->appended, node) {
        struct meta_op *op = CONTAINER_OF(node, struct meta_op, link);
        if (op->end_offset > high_watermark)
            break;
        newest = op->after;
    }
    if (newest == NULL)
        return;
    newest->end_offset = high_watermark;
    newest->kraft_version = meta->quorum.kraft_version;
    publish(meta, newest);
    for (;;) {
        if (list_is_empty(&meta->appended))
            break;
        struct meta_op *op = CONTAINER_OF(meta->appended.next, struct meta_op, link);
        if (op->end_offset > high_watermark)
            break;
        list_remove(&op->link);
        list_add_tail(&meta->decided, &op->link);
    }
    answer_decided(meta);
    meta_snapshot_consider(meta);
}

static void on_synced(struct log_flush *flush)
{
    role_now_on_shard();
    struct meta *meta = CONTAINER_OF(flush, struct meta, flush);
    meta->flushing = false;
    if (flush->err != ERR_NONE)
        meta_fail(meta, "the metadata log could not be synced");
    if (meta->failed)
        return;
    struct raft_update update;
    raft_step(&meta->raft,
              &(struct raft_event){.type = RAFT_EVENT_SYNCED, .end_offset = flush->end}, &update);
    if (update.commit_moved)
        commit_up_to(meta, meta->raft.high_watermark);
    if (meta->flush_again)
        sync_log(meta);
    else
        meta_stop_if_idle(meta);
}

static void sync_log(struct meta *meta)
{
    role_now_on_shard();
    meta->flush_again = meta->flushing;
    if (meta->flushing)
        return;
    meta->flushing = true;
    meta->flush = (struct log_flush){.on_done = on_synced};
    log_flush_submit(meta->log, &meta->flush);
}

/* ---- appending ---- */

static void on_appended(struct log_append *append)
{
    struct meta_op *op = CONTAINER_OF(append, struct meta_op, append);
    struct meta *meta = op->meta;
    if (append->err != ERR_NONE)
        meta_fail(meta, "the metadata log could not be written");
    if (meta->failed)
        return; /* what was decided upon the one that failed is worth nothing */
    op->end_offset = append->last_offset + 1;
    meta->bytes_since_snapshot += append->header.size;
    struct raft_update update;
    raft_step(&meta->raft,
              &(struct raft_event){.type = RAFT_EVENT_APPENDED, .end_offset = op->end_offset},
              &update);
    if (update.sync_log)
        sync_log(meta);
}

static struct meta_op *op_new(struct meta *meta, struct slice batch)
{
    struct meta_op *op = calloc(1, sizeof *op + batch.size);
    if (op == NULL)
        return NULL;
    memcpy(op->bytes, batch.data, batch.size);
    op->meta = meta;
    op->end_offset = NOT_APPENDED;
    op->append.bytes = op->bytes;
    enum batch_outcome outcome = batch_parse(slice_of(op->bytes, batch.size), &op->append.header);
    ALWAYS(outcome == BATCH_OK, "a batch of our own does not parse: %s",
           batch_outcome_text(outcome));
    op->append.max_timestamp = op->append.header.max_timestamp;
    op->append.leader_epoch = meta->raft.epoch;
    op->append.on_done = on_appended;
    return op;
}

static void submit(struct meta *meta, struct meta_op *op)
{
    role_now_on_shard();
    op->after = meta_image_ref(meta->latest);
    meta->next_offset += op->append.header.last_offset_delta + 1;
    list_add_tail(&meta->appended, &op->link);
    log_append_submit(meta->log, &op->append);
}

/* Decisions look at this image from now on. */
static void take_latest(struct meta *meta, struct meta_image *image)
{
    image->epoch = meta->raft.epoch;
    image->timestamp_ms = shard_wall_ms(meta->shard);
    meta_image_unref(meta->latest);
    meta->latest = image;
}

void meta_commit_batch(struct meta *meta, struct slice batch)
{
    struct meta_image *after = meta_image_begin(meta->latest);
    struct meta_op *op = slice_is_null(batch) || after == NULL ? NULL : op_new(meta, batch);
    if (op == NULL) {
        meta_image_unref(after);
        meta_fail(meta, "memory is out");
        return;
    }
    take_latest(meta, after);
    submit(meta, op);
}

/* The latest image with the records; NULL when memory is out. */
static struct meta_image *apply_all(struct meta *meta, const struct meta_records *records)
{
    struct meta_image *image = meta_image_begin(meta->latest);
    for (int i = 0; image != NULL && i < records->count; i++) {
        const char *fault = meta_image_apply(image, &records->at[i]);
        if (fault != NULL) {
            journal(JOURNAL_ERROR, "metadata_record_refused", "type=%s why=\"%s\"",
                    records->at[i].message->name, fault);
            meta_image_unref(image);
            return NULL;
        }
    }
    return image;
}

void meta_commit(struct meta *meta, const struct meta_records *records, struct peer_call *call,
                 void *response)
{
    if (records->count == 0 && !records->failed) {
        if (call != NULL)
            peer_answer(meta->shard, call, ERR_NONE, response);
        return;
    }
    struct meta_batch head = {.timestamp_ms = shard_wall_ms(meta->shard),
                              .base_offset = meta->next_offset,
                              .epoch = meta->raft.epoch};
    struct meta_image *after = records->failed ? NULL : apply_all(meta, records);
    struct slice batch =
        after != NULL ? meta_records_batch(records, &meta->builder, &head) : (struct slice){0};
    struct meta_op *op = slice_is_null(batch) ? NULL : op_new(meta, batch);
    if (op == NULL || after == NULL) {
        free(op);
        meta_image_unref(after);
        if (call != NULL)
            peer_answer(meta->shard, call, ERR_UNKNOWN_SERVER_ERROR, NULL);
        return;
    }
    take_latest(meta, after);
    op->call = call;
    op->response = response;
    submit(meta, op);
}
