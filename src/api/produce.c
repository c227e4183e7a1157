/* Produce, versions 3 to 13. Each partition's batch is checked on the connection's shard, appended
 * on the partition's, answered when all are done. A batch that must be stored otherwise than it was
 * sent (compression.type, LogAppendTime) takes a slower path through a worker. acks=0 is answered
 * by nothing, and with an error by the end of the connection, as in Kafka. */
#include "api/batch_refusal.h"
#include "api/gather.h"
#include "api/handlers.h"
#include "api/request.h"
#include "api/txn_guard.h"
#include "base/always.h"
#include "base/bytes.h"
#include "config/node.h"
#include "meta/effective.h"
#include "replica/set.h"
#include "wire/batch_builder.h"
#include "wire/batch_validate.h"
#include "wire/msg/produce_request.h"
#include "wire/msg/produce_response.h"

#include <stdlib.h>

/* Decompressed bytes of one batch that a shard looks through itself; larger ones go to a worker. */
#define INLINE_RECORDS_MAX (4LL * 1024 * 1024)
/* A message in which the client declares that it holds all of it compressed. */
#define WORKER_RECORDS_MAX (1LL << 31)
/* What a worker may need to tell which records were refused. */
#define JOB_ARENA_BYTES ((size_t)1024 * 1024)

struct produce;

/* One partition of the request. */
struct produce_part {
    struct api_part part; /* first: api/gather.h */
    struct produce *produce;
    struct produce_response_responses_partition_responses *answer;
    struct uuid topic_id;
    int32_t partition;
    int shard; /* that owns the partition */
    struct slice records;
    struct topic_config config;
    struct batch_rules rules;
    struct batch_verdict verdict;
    struct replica_append append;
    struct replica_waiter waiter;
    struct api_shard *there; /* the partition's shard, while it waits there */
    /* the slower path */
    struct shard_job job;
    struct arena job_arena; /* what its verdict points to, until the answer has it */
    uint8_t *rebuilt;       /* heap memory; NULL: the batch is appended from the request's buffer */
    bool settled;           /* the answer stands: nothing is appended */
    bool rejected; /* settled, but the answer tells the log's start, which its shard knows */
};

struct produce {
    struct api_gather gather;
    struct api_request *request;
    struct produce_response response;
    struct produce_part *parts;
    int32_t part_count;
    enum err refusal;             /* of the whole request, or ERR_NONE */
    struct slice refusal_message; /* null: none */
    int32_t jobs;                 /* workers that are at it, plus one while parts are prepared */
};

static struct produce *produce_of(struct api_gather *gather)
{
    return CONTAINER_OF(gather, struct produce, gather);
}

static void settle(struct produce_part *part, enum err err)
{
    part->settled = true;
    part->answer->error_code = (int16_t)err;
    part->answer->base_offset = -1;
    part->answer->log_append_time_ms = -1;
    part->answer->log_start_offset = -1;
}

/* ---- answering ---- */

static void produce_free(struct produce *produce)
{
    for (int32_t i = 0; i < produce->part_count; i++)
        free(produce->parts[i].rebuilt);
}

static bool any_error(const struct produce *produce)
{
    for (int32_t i = 0; i < produce->part_count; i++)
        if (produce->parts[i].answer->error_code != ERR_NONE)
            return true;
    return false;
}

static void count(struct produce *produce)
{
    struct stats *stats = &produce->request->here->stats;
    for (int32_t i = 0; i < produce->part_count; i++) {
        const struct produce_part *part = &produce->parts[i];
        if (part->answer->error_code != ERR_NONE) {
            stats_add(stats, METRIC_PRODUCE_ERRORS, 1);
        } else if (part->append.log.duplicate) {
            stats_add(stats, METRIC_PRODUCE_DUPLICATES, 1);
        } else {
            stats_add(stats, METRIC_PRODUCE_BATCHES, 1);
            stats_add(stats, METRIC_PRODUCE_RECORDS, part->verdict.header.record_count);
            stats_add(stats, METRIC_PRODUCE_BYTES, part->verdict.header.size);
        }
    }
}

static void on_done(struct api_shard *here, struct api_gather *gather)
{
    (void)here;
    struct produce *produce = produce_of(gather);
    struct api_request *request = produce->request;
    count(produce);
    bool failed = any_error(produce);
    produce_free(produce);
    if (API_MESSAGE(request, produce_request)->acks != 0)
        api_request_answer(request, &produce->response);
    else if (failed)
        api_request_fail(request, "a produce request with acks=0 failed");
    else
        api_request_answer_nothing(request);
}

/* ---- on the partition's shard ---- */

static void on_appended(struct replica_append *append)
{
    struct produce_part *part = CONTAINER_OF(append, struct produce_part, append);
    struct produce_response_responses_partition_responses *answer = part->answer;
    answer->error_code = (int16_t)append->err;
    answer->base_offset = append->err == ERR_NONE ? append->log.base_offset : -1;
    bool judged = append->err == ERR_NONE || append->err == ERR_OUT_OF_ORDER_SEQUENCE_NUMBER ||
                  append->err == ERR_INVALID_PRODUCER_EPOCH || append->err == ERR_INVALID_TXN_STATE;
    answer->log_start_offset = judged ? append->log_start_offset : -1;
    answer->log_append_time_ms = -1;
    if (append->err == ERR_NONE && append->log.duplicate)
        answer->log_append_time_ms = append->log.append_time_ms;
    else if (append->err == ERR_NONE && part->config.message_timestamp_log_append)
        answer->log_append_time_ms = part->append.log.max_timestamp;
    api_part_done(part->there, &part->part);
}

static void append(struct produce_part *part)
{
    role_now_on_shard();
    struct replica *replica;
    struct replica_place place = api_part_place(&part->part, part->topic_id, part->partition);
    if (!replica_set_reach(part->there->replicas, &place, &part->waiter, &replica))
        return;
    if (replica == NULL) {
        if (!part->settled)
            settle(part, ERR_NOT_LEADER_OR_FOLLOWER);
        api_part_done(part->there, &part->part);
        return;
    }
    if (part->rejected) {
        part->answer->log_start_offset = replica_log_start(replica);
        api_part_done(part->there, &part->part);
        return;
    }
    replica_append(replica, &part->append);
}

static void on_open(struct replica_waiter *waiter)
{
    append(CONTAINER_OF(waiter, struct produce_part, waiter));
}

static void run_part(struct api_shard *there, struct api_part *api_part)
{
    struct produce_part *part = CONTAINER_OF(api_part, struct produce_part, part);
    part->there = there;
    replica_waiter_init(&part->waiter, on_open);
    append(part);
}

static void append_all(struct produce *produce)
{
    role_now_on_shard();
    struct api_request *request = produce->request;
    for (int32_t i = 0; i < produce->part_count; i++) {
        struct produce_part *part = &produce->parts[i];
        if (part->settled && !part->rejected)
            continue;
        if (!api_gather_add(&produce->gather, &request->arena, part->shard, &part->part))
            settle(part, ERR_UNKNOWN_SERVER_ERROR);
    }
    api_gather_run(&produce->gather);
}

/* ---- transactions ---- */

static bool is_transactional(const struct produce_part *part)
{
    const struct batch_header *header = &part->append.log.header;
    return !part->settled && batch_has_producer_id(header) && batch_is_transactional(header);
}

/* What a producer is told instead of an error that its batches do not know: it sends them again,
 * and asks for no metadata before. */
static enum err told_for(const struct txn_guard *guard, enum err err)
{
    switch ((int)err) {
    case ERR_NETWORK_EXCEPTION:
    case ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case ERR_COORDINATOR_NOT_AVAILABLE:
    case ERR_NOT_COORDINATOR:
        return ERR_NOT_ENOUGH_REPLICAS;
    case ERR_CONCURRENT_TRANSACTIONS:
        return guard->kind == TXN_GUARD_ADDS ? err : ERR_NOT_ENOUGH_REPLICAS;
    default:
        return err;
    }
}

static void refuse_guarded(struct produce_part *part, const struct txn_guard *guard, enum err err)
{
    enum err told = told_for(guard, err);
    const char *message = NULL;
    if (told != err)
        message = arena_printf(&part->produce->request->arena,
                               "Unable to verify the partition has been added to the transaction. "
                               "Underlying error: %s",
                               err_name(err));
    else if (err == ERR_INVALID_TXN_STATE)
        message = "Partition was not added to the transaction";
    settle(part, told);
    if (message != NULL)
        part->answer->error_message = slice_of_text(message);
}

static void on_guarded(struct txn_guard *guard)
{
    role_now_on_shard();
    struct produce *produce = guard->owner;
    for (int i = 0; i < guard->count; i++) {
        struct produce_part *part = guard->parts[i].owner;
        part->append.log.token = guard->parts[i].token;
        part->append.log.checks_token = guard->checks_token;
        if (guard->parts[i].err != ERR_NONE)
            refuse_guarded(part, guard, guard->parts[i].err);
    }
    struct txn_guard_line line;
    txn_guard_leave(guard, &line);
    append_all(produce);
    txn_guard_next(&line);
}

static struct slice topic_name_of(const struct produce_part *part)
{
    struct api_request *request = part->produce->request;
    const struct meta_topic *topic = meta_topic_by_id(request->here->image, part->topic_id);
    return topic != NULL ? arena_copy(&request->arena, topic->name) : (struct slice){0};
}

static void add_to_guard(struct txn_guard *guard, struct produce_part *part)
{
    struct txn_guard_part in = {
        .topic = topic_name_of(part),
        .topic_id = part->topic_id,
        .partition = part->partition,
        .sequence = part->append.log.header.base_sequence,
        .owner = part,
    };
    if (slice_is_null(in.topic))
        settle(part, ERR_UNKNOWN_TOPIC_OR_PARTITION); /* it was deleted meanwhile */
    else if (!txn_guard_add(guard, &in))
        settle(part, ERR_UNKNOWN_SERVER_ERROR);
}

/* A request writes for one producer. */
static void refuse_mixed(struct produce *produce)
{
    for (int32_t i = 0; i < produce->part_count; i++) {
        struct produce_part *part = &produce->parts[i];
        settle(part, ERR_INVALID_PRODUCER_ID_MAPPING);
        part->rejected = false;
        part->answer->error_message =
            slice_of_text("Transactional records contained more than one producer ID");
    }
}

static void guard_all(struct produce *produce, const struct produce_part *first, int count)
{
    role_now_on_shard();
    struct api_request *request = produce->request;
    struct txn_guard *guard = txn_guard_new(request, count);
    if (guard == NULL) {
        produce_free(produce);
        return;
    }
    guard->transactional_id = API_MESSAGE(request, produce_request)->transactional_id;
    guard->producer_id = first->append.log.header.producer_id;
    guard->producer_epoch = first->append.log.header.producer_epoch;
    guard->kind = txn_guard_of_produce(request->header.api_version);
    guard->retries = true;
    guard->owner = produce;
    for (int32_t i = 0; i < produce->part_count; i++)
        if (is_transactional(&produce->parts[i]))
            add_to_guard(guard, &produce->parts[i]);
    txn_guard_run(guard, on_guarded);
}

static bool is_of_producer(const struct produce_part *part, const struct produce_part *first)
{
    const struct batch_header *header = &part->append.log.header;
    const struct batch_header *other = &first->append.log.header;
    return header->producer_id == other->producer_id &&
           header->producer_epoch == other->producer_epoch;
}

static void job_closed(struct produce *produce)
{
    if (--produce->jobs > 0)
        return;
    const struct produce_part *first = NULL;
    int count = 0;
    bool mixed = false;
    for (int32_t i = 0; i < produce->part_count; i++) {
        const struct produce_part *part = &produce->parts[i];
        if (!is_transactional(part))
            continue;
        count++;
        first = first != NULL ? first : part;
        mixed = mixed || !is_of_producer(part, first);
    }
    if (mixed)
        refuse_mixed(produce);
    if (count > 0 && !mixed)
        guard_all(produce, first, count);
    else
        append_all(produce);
}

/* ---- checking ---- */

static void answer_refusal(struct produce_part *part)
{
    struct api_request *request = part->produce->request;
    const struct meta_topic *topic = meta_topic_by_id(request->here->image, part->topic_id);
    struct batch_refusal refusal = {
        .verdict = &part->verdict,
        .rules = &part->rules,
        .topic = topic != NULL ? topic->name : (struct slice){0}, /* deleted meanwhile */
        .partition = part->partition,
    };
    settle(part, part->verdict.err);
    part->rejected = batch_refusal_tells_log_start(&refusal);
    batch_refusal_tell(&refusal, &request->arena, part->answer);
}

static enum codec stored_codec(const struct produce_part *part)
{
    if (part->config.compression_type == TOPIC_COMPRESSION_PRODUCER)
        return (enum codec)batch_codec_id(&part->verdict.header);
    return (enum codec)part->config.compression_type;
}

static int codec_level(const struct produce_part *part, enum codec codec)
{
    switch (codec) {
    case CODEC_GZIP:
        return part->config.compression_gzip_level;
    case CODEC_LZ4:
        return part->config.compression_lz4_level;
    case CODEC_ZSTD:
        return part->config.compression_zstd_level;
    case CODEC_NONE:
    case CODEC_SNAPPY:
        return CODEC_LEVEL_DEFAULT;
    }
    return CODEC_LEVEL_DEFAULT;
}

static bool must_rebuild(const struct produce_part *part)
{
    return part->verdict.misnumbered ||
           stored_codec(part) != (enum codec)batch_codec_id(&part->verdict.header);
}

/* The request's bytes, which are ours to change: a frame is read into a buffer for it alone. */
static uint8_t *writable(struct slice bytes)
{
    uint8_t *data;
    memcpy(&data, &bytes.data, sizeof data);
    return data;
}

static void prepare_append(struct produce_part *part, uint8_t *bytes,
                           const struct batch_header *header)
{
    struct batch_time time = {.type = part->rules.timestamp_type,
                              .max_timestamp = part->verdict.max_timestamp};
    (void)batch_stamp_time(bytes, time);
    part->append.log.bytes = bytes;
    part->append.log.header = *header;
    enum batch_outcome outcome =
        batch_parse_header(slice_of(bytes, BATCH_HEADER_SIZE), &part->append.log.header);
    ALWAYS(outcome == BATCH_OK, "a batch that was checked does not parse");
    part->append.log.max_timestamp = part->verdict.max_timestamp;
    part->append.acks = API_MESSAGE(part->produce->request, produce_request)->acks;
    part->append.record_count = header->record_count;
    part->append.on_done = on_appended;
}

/* ---- the slower path ---- */

/* Kafka says MESSAGE_TOO_LARGE of what has become larger than max.message.bytes, as of what was
 * sent so, and looks at the segment's size after it. */
static enum err rebuilt_refusal(const struct produce_part *part, const struct batch_rebuilt *made)
{
    if (made->fault == CODEC_TOO_LARGE)
        return ERR_MESSAGE_TOO_LARGE;
    if (made->fault != CODEC_FINE)
        return ERR_UNKNOWN_SERVER_ERROR;
    return (int64_t)made->size > part->config.segment_bytes ? ERR_RECORD_LIST_TOO_LARGE : ERR_NONE;
}

static void rebuild(struct produce_part *part, struct codec_pool *pool)
{
    enum codec codec = stored_codec(part);
    struct batch_rebuild_options options = {
        .codec = codec,
        .level = codec_level(part, codec),
        .timestamp_type = part->rules.timestamp_type,
        .log_append_time = part->rules.now_ms,
        .size_max = part->rules.message_size_max,
        .records_size = part->verdict.records_size,
    };
    struct batch_rebuilt made = batch_rebuild(pool, part->verdict.bytes, &options);
    part->rebuilt = made.bytes;
    enum err err = rebuilt_refusal(part, &made);
    if (err != ERR_NONE) {
        settle(part, err);
        return;
    }
    struct batch_header header;
    enum batch_outcome outcome = batch_parse(slice_of(made.bytes, made.size), &header);
    ALWAYS(outcome == BATCH_OK, "a batch that was rebuilt does not parse");
    prepare_append(part, made.bytes, &header);
}

static void slow_run(struct shard_job *job)
{
    role_now_on_worker();
    struct produce_part *part = CONTAINER_OF(job, struct produce_part, job);
    struct codec_pool *pool = codec_pool_new();
    if (pool == NULL) {
        settle(part, ERR_UNKNOWN_SERVER_ERROR);
    } else {
        part->rules.decompressed_size_max = WORKER_RECORDS_MAX;
        if (part->verdict.err != ERR_NONE)
            batch_validate(part->records, &part->rules, pool, &part->job_arena, &part->verdict);
        if (part->verdict.err == ERR_NONE && must_rebuild(part))
            rebuild(part, pool);
        else if (part->verdict.err == ERR_NONE)
            prepare_append(part, writable(part->verdict.bytes), &part->verdict.header);
    }
    codec_pool_free(pool);
}

static void slow_done(struct shard *shard, struct shard_job *job)
{
    role_now_on_shard();
    (void)shard;
    struct produce_part *part = CONTAINER_OF(job, struct produce_part, job);
    if (!part->settled && part->verdict.err != ERR_NONE)
        answer_refusal(part);
    arena_fini(&part->job_arena);
    job_closed(part->produce);
}

static void go_slow(struct produce_part *part)
{
    role_now_on_shard();
    part->produce->jobs++;
    arena_init(&part->job_arena, JOB_ARENA_BYTES);
    part->job = (struct shard_job){.run = slow_run, .on_done = slow_done, .lane = SHARD_LANE_DATA};
    shard_submit(part->produce->request->here->shard, &part->job);
}

/* ---- preparing one partition ---- */

static void fill_rules(struct produce_part *part, const struct api_request *request)
{
    const struct topic_config *config = &part->config;
    part->rules = (struct batch_rules){
        .now_ms = shard_wall_ms(request->here->shard),
        .timestamp_before_max_ms = config->message_timestamp_before_max_ms,
        .timestamp_after_max_ms = config->message_timestamp_after_max_ms,
        .message_size_max = config->max_message_bytes,
        .decompressed_record_size_max = config->max_decompressed_message_bytes,
        .decompressed_size_max = INLINE_RECORDS_MAX,
        .timestamp_type = config->message_timestamp_log_append ? TIMESTAMP_LOG_APPEND_TIME
                                                               : TIMESTAMP_CREATE_TIME,
        .compacted = config->cleanup_compact,
        .from_client = true,
        .refuses_zstd = request->header.api_version < 7,
    };
}

/* The batch says that it is part of a transaction, whatever else is wrong with it. */
static bool claims_transaction(struct slice records)
{
    return records.size >= BATCH_HEADER_SIZE && records.data[BATCH_AT_MAGIC] == BATCH_MAGIC &&
           (load_i16(records.data + BATCH_AT_ATTRIBUTES) & BATCH_TRANSACTIONAL) != 0;
}

static bool is_internal(struct slice name)
{
    return slice_is(name, "__consumer_offsets") || slice_is(name, "__transaction_state") ||
           slice_is(name, "__share_group_state");
}

/* Not one batch of a form that the version knows, which is seen before anything else. */
static bool is_malformed(const struct produce_part *part)
{
    const struct batch_verdict *verdict = &part->verdict;
    return verdict->err == ERR_UNSUPPORTED_COMPRESSION_TYPE || verdict->fault == BATCH_FAULT_REST ||
           (verdict->err == ERR_INVALID_RECORD &&
            (verdict->fault == BATCH_FAULT_FRAME || verdict->fault == BATCH_FAULT_MAGIC));
}

static enum err refusal_before_append(const struct produce_part *part,
                                      const struct meta_topic *topic)
{
    int16_t acks = API_MESSAGE(part->produce->request, produce_request)->acks;
    if (acks < -1 || acks > 1)
        return ERR_INVALID_REQUIRED_ACKS;
    return is_internal(topic->name) ? ERR_INVALID_TOPIC_EXCEPTION : ERR_NONE;
}

static void prepare(struct produce_part *part, const struct meta_topic *topic)
{
    role_now_on_shard();
    struct api_request *request = part->produce->request;
    bool by_id = request->header.api_version >= 13;
    if (part->produce->refusal != ERR_NONE) {
        settle(part, part->produce->refusal);
        part->answer->error_message = part->produce->refusal_message;
        return;
    }
    if (topic == NULL) {
        settle(part, by_id ? ERR_UNKNOWN_TOPIC_ID : ERR_UNKNOWN_TOPIC_OR_PARTITION);
        return;
    }
    if (meta_topic_partition(topic, part->partition) == NULL) {
        settle(part, ERR_UNKNOWN_TOPIC_OR_PARTITION);
        return;
    }
    part->topic_id = topic->id;
    part->shard = replica_shard_of(topic->name, part->partition,
                                   shard_set_count(shard_siblings(request->here->shard)));
    part->config = *meta_topic_config(request->here->image, topic);
    fill_rules(part, request);
    batch_validate(part->records, &part->rules, request->here->codecs, &request->arena,
                   &part->verdict);
    enum err early = is_malformed(part) ? ERR_NONE : refusal_before_append(part, topic);
    if (early != ERR_NONE)
        settle(part, early);
    else if (part->verdict.fault == BATCH_FAULT_DECOMPRESSED_SIZE ||
             (part->verdict.err == ERR_NONE && must_rebuild(part)))
        go_slow(part);
    else if (part->verdict.err != ERR_NONE)
        answer_refusal(part);
    else if (part->verdict.header.size > part->config.segment_bytes)
        settle(part, ERR_RECORD_LIST_TOO_LARGE);
    else
        prepare_append(part, writable(part->verdict.bytes), &part->verdict.header);
}

/* ---- the request ---- */

static bool make_parts(struct produce *produce, const struct produce_request *message)
{
    struct arena *arena = &produce->request->arena;
    int32_t count = 0;
    for (int32_t i = 0; i < message->topic_data_count; i++)
        count += MAX_OF(message->topic_data[i].partition_data_count, 0);
    produce->parts = ARENA_ARRAY(arena, struct produce_part, (size_t)count);
    produce->response = produce_response_default;
    produce->response.responses = ARENA_ARRAY(arena, struct produce_response_responses,
                                              (size_t)MAX_OF(message->topic_data_count, 0));
    produce->response.responses_count = 0;
    return !arena->failed;
}

static void prepare_topic(struct produce *produce, const struct produce_request_topic_data *asked,
                          struct produce_response_responses *answer)
{
    struct api_request *request = produce->request;
    const struct meta_image *image = request->here->image;
    bool by_id = request->header.api_version >= 13;
    const struct meta_topic *topic =
        by_id ? meta_topic_by_id(image, asked->topic_id) : meta_topic_named(image, asked->name);
    *answer = (struct produce_response_responses){.name = asked->name, .topic_id = asked->topic_id};
    answer->partition_responses =
        ARENA_ARRAY(&request->arena, struct produce_response_responses_partition_responses,
                    (size_t)asked->partition_data_count);
    answer->partition_responses_count = asked->partition_data_count;
    for (int32_t i = 0; i < asked->partition_data_count; i++) {
        struct produce_part *part = &produce->parts[produce->part_count];
        if (request->arena.failed)
            return;
        produce->part_count++;
        answer->partition_responses[i] = produce_response_responses_partition_responses_default;
        answer->partition_responses[i].index = asked->partition_data[i].index;
        part->produce = produce;
        part->answer = &answer->partition_responses[i];
        part->partition = asked->partition_data[i].index;
        part->records = asked->partition_data[i].records.bytes;
        prepare(part, topic);
    }
}

/* What refuses the request as a whole, or ERR_NONE. Whoever names no transaction may not write into
 * one; the first batch that claims to be of one ends the looking, as in Kafka. */
static enum err refusal_of(struct produce *produce, const struct produce_request *message)
{
    for (int32_t i = 0; i < message->topic_data_count; i++)
        for (int32_t j = 0; j < message->topic_data[i].partition_data_count; j++) {
            struct slice records = message->topic_data[i].partition_data[j].records.bytes;
            enum err err = batch_refusal_of_request(records, &produce->request->arena,
                                                    &produce->refusal_message);
            if (err != ERR_NONE)
                return err;
            if (claims_transaction(records))
                return slice_is_null(message->transactional_id)
                           ? ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED
                           : ERR_NONE;
        }
    return ERR_NONE;
}

void api_handle_produce(struct api_request *request)
{
    const struct produce_request *message = API_MESSAGE(request, produce_request);
    struct produce *produce = API_NEW(request, struct produce);
    if (produce == NULL) {
        api_request_fail(request, "memory is out");
        return;
    }
    produce->request = request;
    produce->jobs = 1;
    if (!make_parts(produce, message) ||
        !api_gather_init(&produce->gather, request->here, &request->arena, run_part, on_done)) {
        api_request_fail(request, "memory is out");
        return;
    }
    produce->refusal = refusal_of(produce, message);
    for (int32_t i = 0; i < message->topic_data_count; i++)
        if (message->topic_data[i].partition_data_count > 0)
            prepare_topic(produce, &message->topic_data[i],
                          &produce->response.responses[produce->response.responses_count++]);
    job_closed(produce);
}
