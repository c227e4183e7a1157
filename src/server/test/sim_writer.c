/* See the header. The complication is the order of retries: a batch is sent again only when nothing
 * of its partition that comes after it is under way, so that sequence numbers arrive in order. */
#include "server/test/sim_writer.h"

#include "sys/clock.h"
#include "tbl/apis.h"
#include "tbl/errors.h"
#include "wire/msg/init_producer_id_request.h"
#include "wire/msg/init_producer_id_response.h"
#include "wire/msg/produce_request.h"
#include "wire/msg/produce_response.h"

#include <stdlib.h>

#define INIT_VERSION 5
#define RETRY_MS 20
#define PRODUCE_IDS 13 /* the first version that names topics by id */

static void send_some(struct sim_writer *writer);

static struct prng *prng_of(struct sim_writer *writer)
{
    return &writer->channel.client->prng;
}

static void wait_a_little(struct sim_writer *writer, int64_t delay_ms)
{
    sim_alarm_set(writer->channel.client, &writer->pause, delay_ms);
}

/* ---- batches ---- */

static void batch_free(struct sim_batch *batch)
{
    list_remove(&batch->link);
    free((void *)(uintptr_t)batch->bytes.data);
    free(batch);
}

static struct sim_record_id id_in(const struct sim_writer *writer, const struct sim_batch *batch,
                                  int32_t index)
{
    return (struct sim_record_id){
        .topic = sim_history_topic_index(writer->history, writer->options.topic),
        .partition = batch->partition,
        .writer = writer->options.index,
        .number = batch->first_number + (uint32_t)index,
    };
}

static void fill(struct sim_writer *writer, struct sim_batch *batch)
{
    struct batch_builder_options options = batch_builder_defaults();
    options.codec = writer->options.codec;
    if (writer->options.idempotent) {
        options.producer_id = writer->producer_id;
        options.producer_epoch = writer->producer_epoch;
        options.base_sequence = batch->sequence;
    }
    batch_builder_begin(&writer->builder, &options);
    for (int32_t i = 0; i < batch->count; i++) {
        struct batch_record record;
        uint32_t session = writer->options.idempotent ? writer->session : 0;
        uint32_t number = sim_history_make(writer->history, id_in(writer, batch, i), session,
                                           sys_wall_ms(), &record);
        if (i == 0)
            batch->first_number = number;
        batch_builder_add(&writer->builder, &record);
    }
    struct slice made = batch_builder_finish(&writer->builder, writer->codecs);
    SIM_CHECK(made.size > 0, "a batch cannot be built");
    uint8_t *copy = (uint8_t *)malloc(made.size);
    SIM_CHECK(copy != NULL, "no memory");
    memcpy(copy, made.data, made.size);
    batch->bytes = slice_of(copy, made.size);
}

static struct sim_batch *batch_new(struct sim_writer *writer, int32_t partition)
{
    struct sim_lane *lane = &writer->lanes[partition];
    struct sim_batch *batch = (struct sim_batch *)calloc(1, sizeof *batch);
    SIM_CHECK(batch != NULL, "no memory");
    batch->partition = partition;
    batch->count = 1 + (int32_t)prng_below(prng_of(writer), (uint64_t)writer->options.records_max);
    batch->sequence = lane->next_sequence;
    fill(writer, batch);
    lane->next_sequence = batch_sequence_add(lane->next_sequence, batch->count);
    list_init(&batch->link);
    list_add_tail(&lane->batches, &batch->link);
    writer->left--;
    return batch;
}

/* What of the lane is to be sent next, or NULL. */
static struct sim_batch *next_in(struct sim_writer *writer, int32_t partition)
{
    struct sim_batch *next = NULL;
    LIST_EACH (&writer->lanes[partition].batches, link) {
        struct sim_batch *batch = CONTAINER_OF(link, struct sim_batch, link);
        if (batch->is_sent && next != NULL)
            return NULL;
        if (!batch->is_sent && next == NULL)
            next = batch;
    }
    if (next == NULL && writer->left > 0)
        next = batch_new(writer, partition);
    return next;
}

/* ---- a producer id ---- */

static void begin_session(struct sim_writer *writer)
{
    for (int p = 0; p < SIM_PARTITIONS_MAX; p++) {
        struct sim_lane *lane = &writer->lanes[p];
        while (!list_is_empty(&lane->batches))
            batch_free(CONTAINER_OF(lane->batches.next, struct sim_batch, link));
        lane->next_sequence = 0;
    }
    writer->producer_id = -1;
    writer->session++;
}

static void on_init_done(struct sim_request *call, const void *response)
{
    struct sim_writer *writer = CONTAINER_OF(call, struct sim_writer, init);
    const struct init_producer_id_response *answer =
        (const struct init_producer_id_response *)response;
    if (answer == NULL)
        return; /* once more when the channel is up */
    if (answer->error_code == ERR_COORDINATOR_LOAD_IN_PROGRESS ||
        (writer->history->disk_fails && answer->error_code != ERR_NONE)) {
        wait_a_little(writer, RETRY_MS);
        return;
    }
    SIM_CHECK(answer->error_code == ERR_NONE, "InitProducerId is answered with error %d",
              answer->error_code);
    SIM_CHECK(answer->producer_id >= 0, "producer id %lld", (long long)answer->producer_id);
    writer->producer_id = answer->producer_id;
    writer->producer_epoch = answer->producer_epoch;
    send_some(writer);
}

static void ask_for_id(struct sim_writer *writer)
{
    struct init_producer_id_request request = init_producer_id_request_default;
    if (!list_is_empty(&writer->init.link))
        return; /* asked already */
    writer->init = (struct sim_request){
        .header = {.api_key = API_INIT_PRODUCER_ID, .api_version = INIT_VERSION},
        .on_done = on_init_done,
    };
    request.transactional_id = (struct slice){0};
    request.transaction_timeout_ms = 60000;
    sim_channel_call(&writer->channel, &writer->init, &request);
}

/* ---- answers ---- */

static void settle(struct sim_writer *writer, struct sim_batch *batch,
                   const struct produce_response_responses_partition_responses *answer)
{
    const struct sim_topic *topic = writer->options.topic;
    SIM_CHECK(answer->base_offset >= 0 || writer->options.acks == 0,
              "%s-%d: acknowledged without an offset", topic->name, batch->partition);
    for (int32_t i = 0; i < batch->count; i++)
        sim_history_ack(writer->history, id_in(writer, batch, i), answer->base_offset + i,
                        writer->cuts);
    batch_free(batch);
}

/* True: the session is over, and with it every batch. */
static bool take_error(struct sim_writer *writer, struct sim_batch *batch, int16_t error)
{
    const struct sim_topic *topic = writer->options.topic;
    bool is_first = writer->lanes[batch->partition].batches.next == &batch->link;
    batch->is_sent = false;
    if (error == ERR_KAFKA_STORAGE_ERROR && writer->history->disk_fails) {
        writer->refused++;
        if (!writer->options.idempotent)
            batch_free(batch);
        return false;
    }
    SIM_CHECK(writer->options.idempotent, "%s-%d: a batch is answered with error %d", topic->name,
              batch->partition, error);
    if (error == ERR_OUT_OF_ORDER_SEQUENCE_NUMBER && !is_first)
        return false;
    SIM_CHECK(error == ERR_OUT_OF_ORDER_SEQUENCE_NUMBER &&
                  !sim_history_is_strict(writer->history, topic),
              "%s-%d: writer %d's batch of sequence %d is answered with error %d", topic->name,
              batch->partition, writer->options.index, batch->sequence, error);
    return true;
}

static bool take_partition(struct sim_produce *produce,
                           const struct produce_response_responses_partition_responses *answer)
{
    struct sim_writer *writer = produce->writer;
    for (int i = 0; i < produce->batch_count; i++) {
        struct sim_batch *batch = produce->batches[i];
        if (batch == NULL || batch->partition != answer->index)
            continue;
        produce->batches[i] = NULL;
        if (answer->error_code != ERR_NONE)
            return take_error(writer, batch, answer->error_code);
        settle(writer, batch, answer);
        return false;
    }
    sim_fail("%s-%d: an answer for what was not sent", writer->options.topic->name, answer->index);
}

static void take_loss(struct sim_produce *produce)
{
    struct sim_writer *writer = produce->writer;
    for (int i = 0; i < produce->batch_count; i++) {
        struct sim_batch *batch = produce->batches[i];
        if (batch == NULL)
            continue;
        batch->is_sent = false;
        if (!writer->options.idempotent)
            batch_free(batch);
    }
    produce->batch_count = 0;
}

static void on_produced(struct sim_request *call, const void *response)
{
    struct sim_produce *produce = CONTAINER_OF(call, struct sim_produce, call);
    struct sim_writer *writer = produce->writer;
    const struct produce_response *answer = (const struct produce_response *)response;
    bool over = false;
    if (answer == NULL) {
        take_loss(produce);
        return;
    }
    SIM_CHECK(answer->responses_count == 1 &&
                  answer->responses[0].partition_responses_count == produce->batch_count,
              "%s: other partitions are answered than were asked for", writer->options.topic->name);
    for (int i = 0; i < produce->batch_count; i++)
        over |= take_partition(produce, &answer->responses[0].partition_responses[i]);
    produce->batch_count = 0;
    if (over) {
        sim_channel_drop(&writer->channel);
        begin_session(writer);
    }
    if (list_is_empty(&writer->pause.link))
        wait_a_little(writer, writer->history->disk_fails ? RETRY_MS : 0);
}

/* ---- sending ---- */

static struct sim_produce *free_call(struct sim_writer *writer)
{
    for (int i = 0; i < writer->options.calls_max; i++)
        if (writer->calls[i].batch_count == 0)
            return &writer->calls[i];
    return NULL;
}

static void gather(struct sim_writer *writer, struct sim_produce *produce)
{
    int32_t partitions = writer->options.topic->partition_count;
    int32_t first = (int32_t)prng_below(prng_of(writer), (uint64_t)partitions);
    int wanted = 1 + (int)prng_below(prng_of(writer), SIM_CALL_BATCHES_MAX);
    for (int32_t i = 0; i < partitions && produce->batch_count < wanted; i++) {
        struct sim_batch *batch = next_in(writer, (first + i) % partitions);
        if (batch == NULL)
            continue;
        batch->is_sent = true;
        produce->batches[produce->batch_count++] = batch;
    }
}

static void send_produce(struct sim_writer *writer, struct sim_produce *produce)
{
    const struct sim_writer_options *options = &writer->options;
    struct produce_request request = produce_request_default;
    struct produce_request_topic_data topic = produce_request_topic_data_default;
    struct produce_request_topic_data_partition_data partitions[SIM_CALL_BATCHES_MAX];
    for (int i = 0; i < produce->batch_count; i++)
        partitions[i] = (struct produce_request_topic_data_partition_data){
            .index = produce->batches[i]->partition,
            .records = {.bytes = produce->batches[i]->bytes},
        };
    if (options->version >= PRODUCE_IDS)
        topic.topic_id = options->topic->id;
    else
        topic.name = slice_of_text(options->topic->name);
    topic.partition_data = partitions;
    topic.partition_data_count = produce->batch_count;
    request.transactional_id = (struct slice){0};
    request.acks = options->acks;
    request.timeout_ms = 30000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    produce->writer = writer;
    produce->call.header =
        (struct frame_header){.api_key = API_PRODUCE, .api_version = options->version};
    produce->call.on_done = on_produced;
    if (options->acks != 0) {
        sim_channel_call(&writer->channel, &produce->call, &request);
        return;
    }
    sim_channel_tell(&writer->channel, &produce->call.header, &request);
    take_loss(produce);
}

static void send_some(struct sim_writer *writer)
{
    if (!writer->channel.is_up)
        return;
    if (writer->options.idempotent && writer->producer_id < 0) {
        ask_for_id(writer);
        return;
    }
    struct sim_produce *produce = free_call(writer);
    if (produce == NULL)
        return; /* an answer goes on */
    gather(writer, produce);
    if (produce->batch_count == 0)
        return;
    send_produce(writer, produce);
    uint64_t pause_ms = prng_below(prng_of(writer), (uint64_t)writer->options.pause_ms_max + 1);
    wait_a_little(writer, (int64_t)pause_ms);
}

static void on_pause_over(struct sim_alarm *alarm)
{
    send_some(CONTAINER_OF(alarm, struct sim_writer, pause));
}

static void on_up(struct sim_channel *channel)
{
    struct sim_writer *writer = CONTAINER_OF(channel, struct sim_writer, channel);
    writer->cuts = writer->history->cuts;
    send_some(writer);
}

static void on_down(struct sim_channel *channel)
{
    sim_alarm_stop(&CONTAINER_OF(channel, struct sim_writer, channel)->pause);
}

/* ---- beginning and end ---- */

void sim_writer_start(struct sim_writer *writer, struct sim_client *client,
                      struct sim_history *history, const struct sim_writer_options *options,
                      uint32_t batches)
{
    *writer = (struct sim_writer){
        .options = *options,
        .history = history,
        .left = batches,
        .producer_id = -1,
        .session = 1,
        .channel = {.on_up = on_up, .on_down = on_down},
    };
    for (int p = 0; p < SIM_PARTITIONS_MAX; p++)
        list_init(&writer->lanes[p].batches);
    list_init(&writer->init.link);
    batch_builder_init(&writer->builder);
    writer->codecs = codec_pool_new();
    SIM_CHECK(writer->codecs != NULL, "no memory");
    sim_alarm_init(&writer->pause, on_pause_over);
    sim_node_use(client->machine);
    sim_channel_open(&writer->channel, client, "broker", 9092);
}

bool sim_writer_is_done(const struct sim_writer *writer)
{
    if (writer->left > 0)
        return false;
    for (int p = 0; p < SIM_PARTITIONS_MAX; p++)
        if (!list_is_empty(&writer->lanes[p].batches))
            return false;
    return true;
}

void sim_writer_fini(struct sim_writer *writer)
{
    sim_alarm_stop(&writer->pause);
    sim_node_use(writer->channel.client->machine);
    sim_channel_close(&writer->channel);
    begin_session(writer);
    batch_builder_fini(&writer->builder);
    codec_pool_free(writer->codecs);
}
