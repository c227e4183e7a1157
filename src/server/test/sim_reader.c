/* See the header. The complication is the session: the broker knows what this reader wanted last of
 * each partition, so that a request names changes only; whenever an answer is lost the two may
 * disagree, and a new session begins. */
#include "server/test/sim_reader.h"

#include "sys/clock.h"
#include "tbl/apis.h"
#include "tbl/errors.h"
#include "wire/msg/fetch_request.h"
#include "wire/msg/fetch_response.h"
#include "wire/msg/list_offsets_request.h"
#include "wire/msg/list_offsets_response.h"

#include <stdlib.h>

#define FETCH_SESSIONS 7
#define FETCH_IDS 13
#define LIST_OFFSETS_VERSION 7
#define LATEST (-1)
#define EARLIEST (-2)
#define LOOK_ONE_IN 12
#define WAIT_MS_MAX 400
#define RETRY_MS 20

static void go_on(struct sim_reader *reader);

static struct prng *prng_of(struct sim_reader *reader)
{
    return &reader->channel.client->prng;
}

/* All partitions are named again: whether the broker got the last request is not known. */
static void tell_again(struct sim_reader *reader)
{
    for (int p = 0; p < SIM_PARTITIONS_MAX; p++)
        reader->told[p] = -1;
}

static void forget_session(struct sim_reader *reader)
{
    reader->session_id = 0;
    reader->session_epoch = 0;
    tell_again(reader);
}

/* ---- offsets ---- */

/* The first offset behind all that is acknowledged since the last power cut that counts. */
static int64_t acked_end(const struct sim_reader *reader, int32_t partition)
{
    const struct sim_topic *topic = reader->options.topic;
    bool strict = sim_history_is_strict(reader->history, topic);
    int64_t end = 0;
    for (int w = 0; w < SIM_WRITERS_MAX; w++) {
        const struct sim_facts *facts = &topic->facts[partition][w];
        for (uint32_t i = 0; i < facts->count; i++)
            if (strict || facts->at[i].acked_cuts == reader->history->cuts)
                end = MAX_OF(end, facts->at[i].acked_offset + 1);
    }
    return end;
}

static void take_start(struct sim_reader *reader, int32_t partition, int64_t offset)
{
    struct sim_topic *topic = reader->options.topic;
    SIM_CHECK(offset == 0 || !sim_history_is_strict(reader->history, topic),
              "%s-%d: the start is %lld", topic->name, partition, (long long)offset);
    if (!reader->lost[partition])
        return;
    reader->lost[partition] = false;
    reader->offsets[partition] = offset;
    if (reader->options.whole)
        topic->scans[partition].start_offset = offset;
}

static void take_offset(struct sim_reader *reader,
                        const struct list_offsets_response_topics_partitions *answer)
{
    int32_t p = answer->partition_index;
    const char *name = reader->options.topic->name;
    if (answer->error_code != ERR_NONE && reader->history->disk_fails) {
        reader->ends[p] = reader->options.gives_up ? 0 : reader->ends[p];
        return;
    }
    SIM_CHECK(answer->error_code == ERR_NONE, "%s-%d: ListOffsets is answered with error %d", name,
              p, answer->error_code);
    if (reader->asked_timestamp == LATEST) {
        SIM_CHECK(answer->offset >= reader->promised[p] || reader->cuts != reader->history->cuts,
                  "%s-%d: the end is %lld, but %lld was acknowledged", name, p,
                  (long long)answer->offset, (long long)reader->promised[p] - 1);
        reader->ends[p] = reader->options.whole ? answer->offset : -1;
    } else if (reader->asked_timestamp == EARLIEST) {
        take_start(reader, p, answer->offset);
    } else {
        SIM_CHECK(answer->offset < 0 || answer->timestamp >= reader->asked_timestamp,
                  "%s-%d: asked for time %lld, told %lld", name, p,
                  (long long)reader->asked_timestamp, (long long)answer->timestamp);
    }
}

static void on_offsets(struct sim_request *call, const void *response)
{
    struct sim_reader *reader = CONTAINER_OF(call, struct sim_reader, call);
    const struct list_offsets_response *answer = (const struct list_offsets_response *)response;
    if (answer == NULL)
        return;
    int32_t wanted = reader->options.topic->partition_count;
    SIM_CHECK(answer->topics_count == 1 && answer->topics[0].partitions_count == wanted,
              "%s: ListOffsets answers for other partitions", reader->options.topic->name);
    for (int32_t i = 0; i < wanted; i++)
        take_offset(reader, &answer->topics[0].partitions[i]);
    go_on(reader);
}

static void ask_offsets(struct sim_reader *reader, int64_t timestamp)
{
    struct list_offsets_request request = list_offsets_request_default;
    struct list_offsets_request_topics topic = list_offsets_request_topics_default;
    struct list_offsets_request_topics_partitions partitions[SIM_PARTITIONS_MAX];
    int32_t count = reader->options.topic->partition_count;
    for (int32_t p = 0; p < count; p++) {
        partitions[p] = list_offsets_request_topics_partitions_default;
        partitions[p].partition_index = p;
        partitions[p].timestamp = timestamp;
        reader->promised[p] = acked_end(reader, p);
    }
    topic.name = slice_of_text(reader->options.topic->name);
    topic.partitions = partitions;
    topic.partitions_count = count;
    request.replica_id = -1;
    request.topics = &topic;
    request.topics_count = 1;
    reader->cuts = reader->history->cuts;
    reader->asked_timestamp = timestamp;
    reader->call = (struct sim_request){
        .header = {.api_key = API_LIST_OFFSETS, .api_version = LIST_OFFSETS_VERSION},
        .on_done = on_offsets,
    };
    sim_channel_call(&reader->channel, &reader->call, &request);
}

/* ---- fetching ---- */

static void take_partition(struct sim_reader *reader,
                           const struct fetch_response_responses_partitions *answer)
{
    int32_t p = answer->partition_index;
    const char *name = reader->options.topic->name;
    if (answer->error_code == ERR_KAFKA_STORAGE_ERROR && reader->history->disk_fails) {
        if (reader->options.gives_up)
            reader->ends[p] = reader->offsets[p];
        return;
    }
    if (answer->error_code == ERR_OFFSET_OUT_OF_RANGE) {
        SIM_CHECK(!sim_history_is_strict(reader->history, reader->options.topic),
                  "%s-%d: %lld is out of range", name, p, (long long)reader->offsets[p]);
        reader->lost[p] = true;
        return;
    }
    SIM_CHECK(answer->error_code == ERR_NONE, "%s-%d: Fetch is answered with error %d", name, p,
              answer->error_code);
    const struct sim_reading reading = {
        .topic = reader->options.topic,
        .partition = p,
        .offset = &reader->offsets[p],
        .whole = reader->options.whole,
    };
    sim_history_read(reader->history, reader->codecs, &reading, answer->records.bytes);
}

static void take_fetched(struct sim_reader *reader, const struct fetch_response *answer)
{
    int32_t taken = 0;
    for (int32_t t = 0; t < answer->responses_count; t++) {
        const struct fetch_response_responses *topic = &answer->responses[t];
        SIM_CHECK(reader->options.version >= FETCH_IDS
                      ? uuid_equal(topic->topic_id, reader->options.topic->id)
                      : slice_is(topic->topic, reader->options.topic->name),
                  "%s: another topic is answered", reader->options.topic->name);
        for (int32_t i = 0; i < topic->partitions_count; i++)
            take_partition(reader, &topic->partitions[i]);
        taken += topic->partitions_count;
    }
    if (taken < reader->options.topic->partition_count)
        reader->deltas++;
}

static void on_fetched(struct sim_request *call, const void *response)
{
    struct sim_reader *reader = CONTAINER_OF(call, struct sim_reader, call);
    const struct fetch_response *answer = (const struct fetch_response *)response;
    if (answer == NULL) {
        if (prng_chance(prng_of(reader), 1, 2))
            forget_session(reader);
        else
            tell_again(reader);
        return;
    }
    reader->fetches++;
    if (answer->error_code == ERR_FETCH_SESSION_ID_NOT_FOUND ||
        answer->error_code == ERR_INVALID_FETCH_SESSION_EPOCH) {
        SIM_CHECK(reader->session_id != 0, "a fetch without a session is refused for its session");
        forget_session(reader);
    } else {
        SIM_CHECK(answer->error_code == ERR_NONE, "Fetch is answered with error %d",
                  answer->error_code);
        take_fetched(reader, answer);
        reader->session_id = answer->session_id;
        reader->session_epoch = answer->session_id != 0 ? reader->session_epoch + 1 : 0;
    }
    go_on(reader);
}

static int32_t size_max(struct sim_reader *reader)
{
    return prng_chance(prng_of(reader), 1, 4) ? 1 + (int32_t)prng_below(prng_of(reader), 2000)
                                              : 1 << 20;
}

/* Those whose wish has changed; all, outside of a session. */
static int32_t name_partitions(struct sim_reader *reader,
                               struct fetch_request_topics_partitions *partitions)
{
    int32_t count = 0;
    for (int32_t p = 0; p < reader->options.topic->partition_count; p++) {
        if (reader->session_id != 0 && reader->told[p] == reader->offsets[p])
            continue;
        partitions[count] = fetch_request_topics_partitions_default;
        partitions[count].partition = p;
        partitions[count].fetch_offset = reader->offsets[p];
        partitions[count].partition_max_bytes = size_max(reader);
        reader->told[p] = reader->offsets[p];
        count++;
    }
    return count;
}

static void fetch(struct sim_reader *reader)
{
    struct fetch_request request = fetch_request_default;
    struct fetch_request_topics topic = fetch_request_topics_default;
    struct fetch_request_topics_partitions partitions[SIM_PARTITIONS_MAX];
    int16_t version = reader->options.version;
    if (version < FETCH_SESSIONS)
        forget_session(reader);
    if (version >= FETCH_IDS)
        topic.topic_id = reader->options.topic->id;
    else
        topic.topic = slice_of_text(reader->options.topic->name);
    topic.partitions_count = name_partitions(reader, partitions);
    topic.partitions = partitions;
    request.max_wait_ms = (int32_t)prng_below(prng_of(reader), WAIT_MS_MAX);
    request.min_bytes = (int32_t)prng_below(prng_of(reader), 2) * 500 + 1;
    request.max_bytes = size_max(reader);
    request.session_id = version < FETCH_SESSIONS ? 0 : reader->session_id;
    request.session_epoch = version < FETCH_SESSIONS ? -1 : reader->session_epoch;
    request.topics = &topic;
    request.topics_count = topic.partitions_count > 0 ? 1 : 0;
    reader->call = (struct sim_request){
        .header = {.api_key = API_FETCH, .api_version = version},
        .on_done = on_fetched,
    };
    sim_channel_call(&reader->channel, &reader->call, &request);
}

/* ---- going on ---- */

static bool knows_ends(const struct sim_reader *reader)
{
    for (int32_t p = 0; p < reader->options.topic->partition_count; p++)
        if (reader->ends[p] < 0)
            return false;
    return true;
}

static bool has_lost(const struct sim_reader *reader)
{
    for (int32_t p = 0; p < reader->options.topic->partition_count; p++)
        if (reader->lost[p])
            return true;
    return false;
}

static void go_on(struct sim_reader *reader)
{
    if (!reader->channel.is_up || sim_reader_is_done(reader))
        return;
    if (has_lost(reader))
        ask_offsets(reader, EARLIEST);
    else if (reader->options.whole && !knows_ends(reader))
        ask_offsets(reader, LATEST);
    else if (!reader->options.whole && prng_below(prng_of(reader), LOOK_ONE_IN) == 0)
        ask_offsets(reader, prng_chance(prng_of(reader), 1, 2) ? LATEST
                            : prng_chance(prng_of(reader), 1, 2)
                                ? EARLIEST
                                : sys_wall_ms() - (int64_t)prng_below(prng_of(reader), 1000));
    else if (reader->history->disk_fails && list_is_empty(&reader->pause.link))
        sim_alarm_set(reader->channel.client, &reader->pause, RETRY_MS);
    else
        fetch(reader);
}

static void on_pause_over(struct sim_alarm *alarm)
{
    struct sim_reader *reader = CONTAINER_OF(alarm, struct sim_reader, pause);
    if (reader->channel.is_up)
        fetch(reader);
}

static void on_up(struct sim_channel *channel)
{
    go_on(CONTAINER_OF(channel, struct sim_reader, channel));
}

static void on_down(struct sim_channel *channel)
{
    sim_alarm_stop(&CONTAINER_OF(channel, struct sim_reader, channel)->pause);
}

void sim_reader_start(struct sim_reader *reader, struct sim_client *client,
                      struct sim_history *history, const struct sim_reader_options *options)
{
    *reader = (struct sim_reader){
        .options = *options,
        .history = history,
        .channel = {.on_up = on_up, .on_down = on_down},
    };
    for (int p = 0; p < SIM_PARTITIONS_MAX; p++)
        reader->ends[p] = -1;
    forget_session(reader);
    sim_alarm_init(&reader->pause, on_pause_over);
    reader->codecs = codec_pool_new();
    SIM_CHECK(reader->codecs != NULL, "no memory");
    if (options->whole)
        sim_history_scan_begin(history, options->topic);
    sim_node_use(client->machine);
    sim_channel_open(&reader->channel, client, "broker", 9092);
}

bool sim_reader_is_done(const struct sim_reader *reader)
{
    if (!reader->options.whole || !knows_ends(reader))
        return false;
    for (int32_t p = 0; p < reader->options.topic->partition_count; p++)
        if (reader->offsets[p] < reader->ends[p])
            return false;
    return true;
}

bool sim_reader_has_all(const struct sim_reader *reader)
{
    for (int32_t p = 0; p < reader->options.topic->partition_count; p++)
        if (acked_end(reader, p) > reader->offsets[p])
            return false;
    return true;
}

void sim_reader_fini(struct sim_reader *reader)
{
    sim_alarm_stop(&reader->pause);
    sim_node_use(reader->channel.client->machine);
    sim_channel_close(&reader->channel);
    codec_pool_free(reader->codecs);
}
