/* Fetch, versions 4 to 18, with incremental sessions. Every partition is turned into a range of a
 * file on its shard, without touching records; then the limits are applied in the order of the
 * partitions, as Kafka does (the first batch is always whole). Too few bytes: the request is
 * parked, see fetch_park.h, and everything is read again when there is more, or when the time is
 * up. */
#include "api/fetch_int.h"

#include "api/file_range.h"
#include "api/handlers.h"
#include "base/always.h"
#include "config/node.h"
#include "replica/set.h"

#include <stdlib.h>

#define VERSION_TOPIC_IDS 13

static struct fetch *fetch_of(struct api_gather *gather)
{
    return CONTAINER_OF(gather, struct fetch, gather);
}

/* ---- on the partition's shard ---- */

static void part_fail(struct fetch_part *part, enum err err)
{
    part->err = err;
    part->range = (struct log_range){0};
    part->high_watermark = -1;
    part->last_stable_offset = -1;
    part->log_start_offset = -1;
}

static void part_finish(struct fetch_part *part)
{
    api_part_done(part->there, &part->part);
}

static void part_tell(struct fetch_part *part, const struct replica *replica)
{
    part->high_watermark = replica->high_watermark;
    part->last_stable_offset = replica_last_stable_offset(replica);
    part->log_start_offset = log_start_offset(replica->log);
}

/* The list is the log's, which only this shard may look at. false: memory is out, and records that
 * were taken back would pass for good ones. */
static bool list_aborted(struct fetch_part *part)
{
    const struct log *log = part->replica->log;
    int64_t from = part->read.offset;
    if (!part->fetch->read_committed || part->read.range.size == 0)
        return true;
    int64_t to = log_range_bound(log, &part->read.range, from);
    int count = log_aborted_list(log, from, to, NULL, 0);
    if (count == 0)
        return true;
    part->aborted = calloc((size_t)count, sizeof *part->aborted);
    if (part->aborted == NULL)
        return false;
    part->aborted_count = log_aborted_list(log, from, to, part->aborted, count);
    return true;
}

static void forget_aborted(struct fetch_part *part)
{
    free(part->aborted);
    part->aborted = NULL;
    part->aborted_count = 0;
}

static void on_read(struct log_read *read)
{
    role_now_on_shard();
    struct fetch_part *part = CONTAINER_OF(read, struct fetch_part, read);
    struct replica *replica = part->replica;
    if (read->err != ERR_NONE) {
        part_fail(part, read->err);
    } else if (!list_aborted(part)) {
        if (read->range.handle != NULL)
            log_handle_unref(read->range.handle);
        part_fail(part, ERR_UNKNOWN_SERVER_ERROR);
    } else {
        part->range = read->range;
        part->bound = read->bound;
        part->aborted_known = true;
        part_tell(part, replica);
    }
    replica_end(replica);
    part_finish(part);
}

static enum err check_epoch(const struct fetch_part *part, const struct replica *replica)
{
    int32_t epoch = part->interest->current_leader_epoch;
    if (epoch < 0 || epoch == replica->leader_epoch)
        return ERR_NONE;
    return epoch < replica->leader_epoch ? ERR_FENCED_LEADER_EPOCH : ERR_UNKNOWN_LEADER_EPOCH;
}

/* An epoch that this log has not come to has no end to compare with. */
static enum err check_last_epoch(const struct fetch_part *part, const struct replica *replica)
{
    int32_t last = part->interest->last_fetched_epoch;
    bool known = last < 0 || replica_epoch_end(replica, last).epoch >= 0;
    return known ? ERR_NONE : ERR_OFFSET_OUT_OF_RANGE;
}

/* The fetcher's log parts from ours before its offset (KIP-595). */
static bool diverges(struct fetch_part *part, const struct replica *replica)
{
    int32_t last = part->interest->last_fetched_epoch;
    if (last < 0)
        return false;
    struct log_epoch_end end = replica_epoch_end(replica, last);
    if (end.epoch == last && end.end_offset >= part->interest->fetch_offset)
        return false;
    part->diverging = end;
    return true;
}

static void part_read(struct fetch_part *part)
{
    role_now_on_shard();
    struct replica *replica;
    struct replica_place place =
        api_part_place(&part->part, part->topic_id, part->interest->partition);
    if (!replica_set_reach(part->there->replicas, &place, &part->waiter, &replica))
        return;
    enum err err = replica == NULL ? ERR_NOT_LEADER_OR_FOLLOWER : replica_check(replica);
    if (err == ERR_NONE)
        err = check_epoch(part, replica);
    if (err == ERR_NONE)
        err = check_last_epoch(part, replica);
    if (err != ERR_NONE) {
        part_fail(part, err);
        part_finish(part);
        return;
    }
    part->replica = replica;
    if (diverges(part, replica)) {
        part_tell(part, replica); /* its offset is none of this log's */
        part_finish(part);
        return;
    }
    part->read = (struct log_read){
        .offset = part->interest->fetch_offset,
        .bound = replica_read_bound(replica, part->fetch->read_committed),
        .size_max = MAX_OF(part->interest->size_max, 0),
        .at_least_one = true,
        .on_done = on_read,
    };
    replica_begin(replica);
    log_read_submit(replica->log, &part->read);
}

static void on_open(struct replica_waiter *waiter)
{
    part_read(CONTAINER_OF(waiter, struct fetch_part, waiter));
}

static void run_part(struct api_shard *there, struct api_part *api_part)
{
    struct fetch_part *part = CONTAINER_OF(api_part, struct fetch_part, part);
    part->there = there;
    part->replica = NULL;
    part->err = ERR_NONE;
    forget_aborted(part);
    part->aborted_known = false;
    part->diverging = (struct log_epoch_end){.epoch = -1, .end_offset = -1};
    part->range = (struct log_range){0};
    replica_waiter_init(&part->waiter, on_open);
    part_read(part);
}

/* ---- limits ---- */

static void drop_range(struct fetch *fetch, struct fetch_part *part)
{
    role_now_on_shard();
    if (part->range.handle != NULL)
        api_file_range_drop(fetch->request->here, part->there->shard, &part->range);
    part->range = (struct log_range){0};
}

/* In order: the first range may be one large batch, later ones take what is left. Returns the bytes
 * that the answer will have. */
static int64_t apply_limits(struct fetch *fetch)
{
    int64_t left = fetch->size_max;
    int64_t total = 0;
    for (int32_t i = 0; i < fetch->part_count; i++) {
        struct fetch_part *part = &fetch->parts[i];
        if (part->range.size == 0)
            continue;
        bool first = total == 0;
        int64_t allowed = first ? MAX_OF(left, part->range.first_batch_size)
                                : MIN_OF(left, (int64_t)part->interest->size_max);
        part->range.size = MIN_OF(part->range.size, allowed);
        if (part->range.size < part->range.first_batch_size) {
            drop_range(fetch, part);
            /* Kafka reads nothing where nothing is left, but reads a batch that it then drops. */
            part->aborted_known = allowed == 0;
            continue;
        }
        total += part->range.size;
        left = MAX_OF(left - part->range.size, (int64_t)0);
    }
    return total;
}

/* ---- answering ---- */

static void fill_aborted(struct fetch *fetch, const struct fetch_part *part,
                         struct fetch_response_responses_partitions *answer)
{
    struct arena *arena = &fetch->request->arena;
    bool unknown = part->err == ERR_UNKNOWN_TOPIC_ID || part->err == ERR_UNKNOWN_TOPIC_OR_PARTITION;
    bool known = fetch->read_committed && part->aborted_known;
    answer->aborted_transactions_count = known || unknown ? 0 : -1;
    int count = part->aborted_count;
    if (!known || count == 0)
        return;
    answer->aborted_transactions = ARENA_ARRAY(
        arena, struct fetch_response_responses_partitions_aborted_transactions, (size_t)count);
    if (answer->aborted_transactions == NULL)
        return; /* which fails the whole answer */
    for (int i = 0; i < count; i++)
        answer->aborted_transactions[i] =
            (struct fetch_response_responses_partitions_aborted_transactions){
                .producer_id = part->aborted[i].producer_id,
                .first_offset = part->aborted[i].first_offset};
    answer->aborted_transactions_count = count;
}

/* Whoever asks the wrong node, or with the wrong epoch, learns the leader (KIP-951). */
static void fill_leader(const struct fetch *fetch, const struct fetch_part *part,
                        struct fetch_response_responses_partitions *answer)
{
    bool moved = part->err == ERR_NOT_LEADER_OR_FOLLOWER || part->err == ERR_FENCED_LEADER_EPOCH;
    if (!moved || fetch->request->header.api_version < 16)
        return;
    const struct meta_topic *topic = meta_topic_by_id(fetch->request->here->image, part->topic_id);
    const struct meta_partition *partition =
        topic != NULL ? meta_topic_partition(topic, part->interest->partition) : NULL;
    if (partition == NULL)
        return;
    answer->current_leader.leader_id = partition->leader;
    answer->current_leader.leader_epoch = partition->leader_epoch;
}

static void fill_partition(struct fetch *fetch, struct fetch_part *part,
                           struct fetch_response_responses_partitions *answer)
{
    role_now_on_shard();
    static const uint8_t nothing[1];
    *answer = fetch_response_responses_partitions_default;
    answer->partition_index = part->interest->partition;
    answer->error_code = (int16_t)part->err;
    answer->high_watermark = part->high_watermark;
    answer->last_stable_offset = part->last_stable_offset;
    answer->log_start_offset = part->log_start_offset;
    answer->records.bytes = slice_of(nothing, 0);
    fill_aborted(fetch, part, answer);
    fill_leader(fetch, part, answer);
    if (part->diverging.epoch >= 0 && fetch->request->header.api_version >= 12) {
        answer->diverging_epoch.epoch = part->diverging.epoch;
        answer->diverging_epoch.end_offset = part->diverging.end_offset;
    }
    if (part->range.size == 0)
        return;
    stats_add(&fetch->request->here->stats, METRIC_FETCH_BYTES, part->range.size);
    if (!api_file_range_make(fetch->request->here, part->there->shard, &part->range,
                             &answer->records.external))
        answer->error_code = ERR_UNKNOWN_SERVER_ERROR;
    part->range = (struct log_range){0};
}

static bool same_topic(const struct fetch_part *part, const struct fetch_response_responses *answer)
{
    return uuid_equal(part->interest->topic_id, answer->topic_id) &&
           slice_equal(part->interest->topic, answer->topic);
}

/* Whether the answer must name the partition, which is then noted as answered. */
static bool must_answer(struct fetch *fetch, struct fetch_part *part)
{
    struct fetch_answered answered = {
        .high_watermark = part->high_watermark,
        .log_start_offset = part->log_start_offset,
        .has_records = part->range.size > 0,
        .has_error = part->err != ERR_NONE,
        .has_diverging_epoch = part->diverging.epoch >= 0,
        /* So that one busy partition does not fill every answer. */
        .goes_last =
            fetch->plan.incremental ? part->range.size > 0 : part->rank != FETCH_RANK_THERE,
    };
    bool changed = fetch_interest_answer(fetch->plan.session, part->interest, &answered);
    return changed || !fetch->plan.incremental;
}

/* Neighbours of one topic stand together. */
static struct fetch_response_responses_partitions *next_answer(
    struct fetch_response *response, const struct fetch_part *part,
    struct fetch_response_responses_partitions *free_partitions)
{
    struct fetch_response_responses *topic =
        response->responses_count > 0 ? &response->responses[response->responses_count - 1] : NULL;
    if (topic == NULL || !same_topic(part, topic)) {
        topic = &response->responses[response->responses_count++];
        *topic = (struct fetch_response_responses){.topic = part->interest->topic,
                                                   .topic_id = part->interest->topic_id,
                                                   .partitions = free_partitions};
    }
    return &topic->partitions[topic->partitions_count++];
}

static void fill_response(struct fetch *fetch, struct fetch_response *response)
{
    struct arena *arena = &fetch->request->arena;
    size_t count = (size_t)fetch->part_count;
    struct fetch_response_responses *topics =
        ARENA_ARRAY(arena, struct fetch_response_responses, count);
    struct fetch_response_responses_partitions *partitions =
        ARENA_ARRAY(arena, struct fetch_response_responses_partitions, count);
    if (arena->failed)
        return;
    response->responses = topics;
    response->responses_count = 0;
    for (int rank = FETCH_RANK_THERE; rank <= FETCH_RANK_UNKNOWN; rank++)
        for (int32_t i = 0; i < fetch->part_count; i++) {
            struct fetch_part *part = &fetch->parts[i];
            if ((int)part->rank == rank && must_answer(fetch, part))
                fill_partition(fetch, part, next_answer(response, part, partitions++));
        }
}

static void answer(struct fetch *fetch)
{
    role_now_on_shard();
    struct api_request *request = fetch->request;
    struct fetch_response response = fetch_response_default;
    shard_timer_stop(request->here->shard, &fetch->timer);
    response.session_id = fetch->plan.session->id;
    for (int32_t i = 0; i < fetch->part_count && request->client == NULL; i++)
        drop_range(fetch, &fetch->parts[i]);
    fill_response(fetch, &response);
    for (int32_t i = 0; i < fetch->part_count; i++) {
        drop_range(fetch, &fetch->parts[i]);
        forget_aborted(&fetch->parts[i]);
    }
    struct fetch_session *session = fetch->plan.session;
    if (request->arena.failed)
        api_request_fail(request, "memory for the answer is out");
    else
        api_request_answer(request, &response);
    fetch_session_unref(session);
}

static bool any_fault(const struct fetch *fetch)
{
    for (int32_t i = 0; i < fetch->part_count; i++)
        if (fetch->parts[i].err != ERR_NONE || fetch->parts[i].diverging.epoch >= 0)
            return true;
    return false;
}

static void on_done(struct api_shard *here, struct api_gather *gather)
{
    role_now_on_shard();
    (void)here;
    struct fetch *fetch = fetch_of(gather);
    int64_t total = apply_limits(fetch);
    if (fetch->hurried || total >= fetch->size_min || fetch->part_count == 0 || any_fault(fetch)) {
        answer(fetch);
        return;
    }
    for (int32_t i = 0; i < fetch->part_count; i++)
        drop_range(fetch, &fetch->parts[i]);
    stats_add(&fetch->request->here->stats, METRIC_FETCH_PARKED, 1);
    fetch_park(fetch);
}

void fetch_again(struct fetch *fetch)
{
    api_gather_run(&fetch->gather);
}

/* ---- the request ---- */

static void on_expired(struct shard *shard, struct shard_timer *timer)
{
    role_now_on_shard();
    (void)shard;
    struct fetch *fetch = CONTAINER_OF(timer, struct fetch, timer);
    fetch->hurried = true;
    fetch_unpark(fetch);
}

static void on_abandoned(struct api_request *request)
{
    role_now_on_shard();
    struct fetch *fetch = request->state_of_api;
    fetch->hurried = true;
    fetch_unpark(fetch);
}

/* Of a consumer Kafka resolves all ids before it looks up any partition. */
static enum fetch_rank rank_of(const struct fetch *fetch, enum err err)
{
    if (err == ERR_UNKNOWN_TOPIC_ID)
        return fetch->is_replica ? FETCH_RANK_UNKNOWN : FETCH_RANK_UNKNOWN_ID;
    return err == ERR_UNKNOWN_TOPIC_OR_PARTITION ? FETCH_RANK_UNKNOWN : FETCH_RANK_THERE;
}

/* What can be said of a partition without its shard, or ERR_NONE. */
static enum err find_partition(const struct fetch *fetch, struct fetch_part *part)
{
    const struct meta_image *image = fetch->request->here->image;
    bool by_id = fetch->plan.session->uses_topic_ids;
    const struct meta_topic *topic = by_id ? meta_topic_by_id(image, part->interest->topic_id)
                                           : meta_topic_named(image, part->interest->topic);
    if (topic == NULL)
        return by_id ? ERR_UNKNOWN_TOPIC_ID : ERR_UNKNOWN_TOPIC_OR_PARTITION;
    if (meta_topic_partition(topic, part->interest->partition) == NULL)
        return ERR_UNKNOWN_TOPIC_OR_PARTITION;
    part->topic_id = topic->id;
    part->shard = replica_shard_of(topic->name, part->interest->partition, fetch->gather.leg_count);
    return fetch->is_replica ? ERR_NOT_LEADER_OR_FOLLOWER : ERR_NONE;
}

static bool make_parts(struct fetch *fetch)
{
    struct api_request *request = fetch->request;
    size_t count = fetch->plan.session->table.count;
    fetch->parts = ARENA_ARRAY(&request->arena, struct fetch_part, count);
    if (!api_gather_init(&fetch->gather, request->here, &request->arena, run_part, on_done) ||
        request->arena.failed)
        return false;
    LIST_EACH (&fetch->plan.session->interests, node) {
        struct fetch_part *part = &fetch->parts[fetch->part_count++];
        part->fetch = fetch;
        part->there = request->here;
        part->interest = CONTAINER_OF(node, struct fetch_interest, link);
        part->diverging.epoch = -1;
        enum err err = find_partition(fetch, part);
        if (err != ERR_NONE) {
            part_fail(part, err);
            part->rank = rank_of(fetch, err);
            continue;
        }
        if (!api_gather_add(&fetch->gather, &request->arena, part->shard, &part->part))
            return false;
    }
    return true;
}

static void refuse(struct api_request *request, enum err err)
{
    struct fetch_response response = fetch_response_default;
    response.error_code = (int16_t)err;
    if (request->header.api_version >= 7)
        api_request_answer(request, &response);
    else
        api_request_fail(request, "a fetch without sessions has no error of its own");
}

static void fill_refused_topic(struct api_request *request,
                               const struct fetch_request_topics *asked, enum err err,
                               struct fetch_response_responses *answer)
{
    size_t count = (size_t)MAX_OF(asked->partitions_count, 0);
    *answer = (struct fetch_response_responses){.topic = asked->topic, .topic_id = asked->topic_id};
    answer->partitions =
        ARENA_ARRAY(&request->arena, struct fetch_response_responses_partitions, count);
    for (size_t i = 0; answer->partitions != NULL && i < count; i++) {
        struct fetch_response_responses_partitions *one = &answer->partitions[i];
        *one = fetch_response_responses_partitions_default;
        one->partition_index = asked->partitions[i].partition;
        one->error_code = (int16_t)err;
        one->high_watermark = -1;
        one->aborted_transactions_count = 0;
        one->records.bytes = slice_of_text("");
        answer->partitions_count++;
    }
}

/* The error on everything that was asked for; with topic ids it stands for them all. */
static void refuse_all(struct api_request *request, enum err err)
{
    const struct fetch_request *message = API_MESSAGE(request, fetch_request);
    struct fetch_response response = fetch_response_default;
    size_t count = request->header.api_version < VERSION_TOPIC_IDS
                       ? (size_t)MAX_OF(message->topics_count, 0)
                       : 0;
    response.error_code = (int16_t)err;
    response.session_id = message->session_id;
    response.responses_count = 0;
    response.responses = ARENA_ARRAY(&request->arena, struct fetch_response_responses, count);
    for (size_t i = 0; i < count && !request->arena.failed; i++)
        fill_refused_topic(request, &message->topics[i], err,
                           &response.responses[response.responses_count++]);
    if (request->arena.failed)
        api_request_fail(request, "memory for the answer is out");
    else
        api_request_answer(request, &response);
}

void api_handle_fetch(struct api_request *request)
{
    role_now_on_shard();
    const struct fetch_request *message = API_MESSAGE(request, fetch_request);
    if (message->isolation_level < 0 || message->isolation_level > 1) {
        refuse_all(request, ERR_INVALID_REQUEST);
        return;
    }
    struct fetch *fetch = API_NEW(request, struct fetch);
    if (fetch == NULL) {
        api_request_fail(request, "memory is out");
        return;
    }
    struct shard *shard = request->here->shard;
    struct fetch_plan_input input = {
        .request = message,
        .uses_topic_ids = request->header.api_version >= VERSION_TOPIC_IDS,
        .now_ms = shard_now_ms(shard),
        .random = prng_next(shard_prng(shard)),
    };
    fetch->request = request;
    fetch_session_plan(request->here->sessions, &input, &fetch->plan);
    if (fetch->plan.error != ERR_NONE) {
        refuse(request, fetch->plan.error);
        return;
    }
    int32_t replica_id =
        request->header.api_version >= 15 ? message->replica_state.replica_id : message->replica_id;
    fetch->is_replica = replica_id >= 0;
    fetch->read_committed = message->isolation_level == 1;
    fetch->size_max = MIN_OF(message->max_bytes, request->here->config->fetch_max_bytes);
    fetch->size_max = MAX_OF(fetch->size_max, (int64_t)0);
    fetch->size_min = MIN_OF((int64_t)message->min_bytes, fetch->size_max);
    fetch->hurried = message->max_wait_ms <= 0;
    shard_timer_init(&fetch->timer, on_expired);
    if (!make_parts(fetch)) {
        fetch_session_unref(fetch->plan.session);
        api_request_fail(request, "memory is out");
        return;
    }
    request->state_of_api = fetch;
    request->on_abandoned = on_abandoned;
    if (!fetch->hurried)
        shard_timer_start(shard, &fetch->timer, message->max_wait_ms);
    api_gather_run(&fetch->gather);
}
