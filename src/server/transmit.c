/* Answers to the socket, oldest first. Several leave in one send; a small range of a segment file
 * is read and sent with the bytes around it, a large one goes from the page cache to the socket.
 * The complication is the socket that takes only a part: where the oldest answer stands is kept.
 * Must not wait. On the connection's shard. */
#include "server/connection_int.h"

#include "api/file_range.h"
#include "base/always.h"
#include "sys/file.h"
#include "tbl/limits.h"

#include <errno.h>

#define PARTS_MAX 64

/* What one send is made of. */
struct gathering {
    struct slice parts[PARTS_MAX];
    int count;
    int64_t size;
    const struct chain_external *file; /* what comes behind the parts, by sendfile; or NULL */
    int64_t file_from;                 /* bytes of it that were sent before */
    bool scratch_used;
    uint8_t scratch[LIMIT_COPY_RANGE_SIZE];
};

static void gather_bytes(struct gathering *g, const void *data, size_t size)
{
    g->parts[g->count++] = slice_of(data, size);
    g->size += (int64_t)size;
}

/* A small range that is in memory is copied; true when it was. */
static bool gather_small(struct gathering *g, const struct chain_external *external, int64_t from)
{
    int64_t left = external->size - from;
    if (g->scratch_used || left > LIMIT_COPY_RANGE_SIZE)
        return false;
    int64_t got = sys_file_read_cached(api_file_range_fd(external), g->scratch, (size_t)left,
                                       external->position + from);
    if (got != left)
        return false;
    g->scratch_used = true;
    gather_bytes(g, g->scratch, (size_t)left);
    return true;
}

/* Adds one answer from `skip` bytes on. false: the send ends here. */
static bool gather_answer(struct gathering *g, const struct chain *chain, int64_t skip)
{
    size_t at = 0;
    for (uint32_t i = 0; i <= chain->link_count; i++) {
        size_t end = i < chain->link_count ? chain->links[i].at : chain->size;
        int64_t run = (int64_t)(end - at);
        int64_t passed = MIN_OF(skip, run);
        if (g->count > PARTS_MAX - 2)
            return false;
        if (passed < run)
            gather_bytes(g, chain->data + at + passed, (size_t)(run - passed));
        skip -= passed;
        at = end;
        if (i == chain->link_count)
            return true;
        const struct chain_external *external = &chain->links[i].external;
        passed = MIN_OF(skip, external->size);
        skip -= passed;
        if (passed == external->size || gather_small(g, external, passed))
            continue;
        g->file = external;
        g->file_from = passed;
        return false;
    }
    return true;
}

static void gather(struct connection *c, struct gathering *g)
{
    g->count = 0;
    g->size = 0;
    g->file = NULL;
    g->scratch_used = false;
    int64_t skip = c->head_sent;
    LIST_EACH (&c->requests, node) {
        struct api_request *request = CONTAINER_OF(node, struct api_request, link);
        if (request->state != API_REQUEST_ANSWERED || !gather_answer(g, &request->answer, skip))
            return;
        skip = 0;
    }
}

/* Takes note of what the socket took; answers sent whole are done with. */
static void settle(struct connection *c, int64_t sent)
{
    c->head_sent += sent;
    c->unsent_bytes -= sent;
    while (!list_is_empty(&c->requests)) {
        struct api_request *request = CONTAINER_OF(c->requests.next, struct api_request, link);
        int64_t size = chain_size(&request->answer);
        if (request->state != API_REQUEST_ANSWERED || c->head_sent < size)
            return;
        c->head_sent -= size;
        list_remove(&request->link);
        c->request_count--;
        api_request_free(request);
    }
    ALWAYS(c->head_sent == 0, "%lld bytes were sent of no answer", (long long)c->head_sent);
}

/* One send, then one sendfile where a file comes next. Bytes, 0: nothing to send, or -errno. */
static int64_t send_once(struct connection *c, struct gathering *g)
{
    gather(c, g);
    int64_t sent = 0;
    if (g->count > 0) {
        sent = sys_net_send(c->watch.fd, g->parts, g->count, g->file != NULL);
        if (sent < g->size || g->file == NULL)
            return sent;
    }
    if (g->file == NULL)
        return 0;
    int64_t got =
        sys_net_send_file(c->watch.fd, api_file_range_fd(g->file), g->file->position + g->file_from,
                          (size_t)(g->file->size - g->file_from));
    if (got == 0)
        got = -EIO; /* the file is shorter than the log says */
    return got < 0 ? (sent > 0 ? sent : got) : sent + got;
}

bool connection_transmit(struct connection *c)
{
    struct gathering g;
    struct shard *shard = c->home->api.shard;
    settle(c, 0);
    int64_t budget = LIMIT_SEND_PER_TURN;
    while (c->unsent_bytes > 0 && budget > 0) {
        int64_t sent = send_once(c, &g);
        if (sent == -EAGAIN) {
            c->writable = false;
            if (c->unsent_since_ms == 0)
                c->unsent_since_ms = shard_now_ms(shard);
            return true;
        }
        if (sent == 0)
            return true;
        if (sent < 0) {
            bool ours = sent == -EIO;
            connection_end(c, ours ? CONNECTION_END_FAULTY : CONNECTION_END_CLIENT,
                           ours ? "a segment file is shorter than its log"
                                : "the client closed the connection");
            return false;
        }
        budget -= sent;
        c->unsent_since_ms = 0;
        c->active_ms = shard_now_ms(shard);
        stats_add(&c->home->api.stats, METRIC_ANSWER_BYTES, sent);
        settle(c, sent);
    }
    if (c->unsent_bytes > 0)
        c->unsent_since_ms = c->unsent_since_ms != 0 ? c->unsent_since_ms : shard_now_ms(shard);
    return true;
}
