/* See the header. A record's value begins with its id; key, headers and the rest of the value are
 * drawn from a generator that the id seeds. */
#include "server/test/sim_history.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "base/prng.h"
#include "server/test/sim_client.h"

#include <stdlib.h>

#define ID_SIZE ((size_t)16)
#define VALUE_SIZE_MAX ((size_t)300 * 1024) /* more than a shard writes itself */
#define KEY_SIZE ((size_t)12)

void sim_history_init(struct sim_history *history, uint64_t seed)
{
    *history = (struct sim_history){.seed = seed, .large = 1};
}

void sim_history_fini(struct sim_history *history)
{
    for (int t = 0; t < history->topic_count; t++)
        for (int p = 0; p < SIM_PARTITIONS_MAX; p++)
            for (int w = 0; w < SIM_WRITERS_MAX; w++)
                free(history->topics[t].facts[p][w].at);
}

struct sim_topic *sim_history_add_topic(struct sim_history *history, const char *name,
                                        int32_t partition_count)
{
    SIM_CHECK(history->topic_count < SIM_TOPICS_MAX, "too many topics");
    SIM_CHECK(partition_count <= SIM_PARTITIONS_MAX, "too many partitions");
    struct sim_topic *topic = &history->topics[history->topic_count++];
    *topic = (struct sim_topic){.partition_count = partition_count};
    size_t size = strlen(name) + 1;
    SIM_CHECK(size <= sizeof topic->name, "a topic's name is too long");
    memcpy(topic->name, name, size);
    return topic;
}

int sim_history_topic_index(const struct sim_history *history, const struct sim_topic *topic)
{
    return (int)(topic - history->topics);
}

bool sim_history_is_strict(const struct sim_history *history, const struct sim_topic *topic)
{
    return topic->syncs || history->cuts == 0;
}

/* ---- records ---- */

static uint8_t value_bytes[VALUE_SIZE_MAX];
static uint8_t key_bytes[KEY_SIZE];
static struct record_header headers[SIM_HEADERS_MAX];

static size_t value_size(const struct sim_history *history, struct prng *prng)
{
    uint64_t kind = prng_below(prng, 128);
    if (kind < history->large)
        return ID_SIZE + prng_below(prng, VALUE_SIZE_MAX - ID_SIZE);
    if (kind == 127)
        return ID_SIZE + prng_below(prng, 48000);
    return ID_SIZE + prng_below(prng, kind >= 112 ? 3000 : 100);
}

/* The record that the id stands for, but for its timestamp. */
static void compose(const struct sim_history *history, struct sim_record_id id,
                    struct batch_record *ret_record)
{
    struct prng prng;
    uint64_t place = (uint64_t)id.topic << 48 | (uint64_t)id.partition << 40 |
                     (uint64_t)id.writer << 32 | id.number;
    prng_init(&prng, hash_u64(history->seed ^ hash_u64(place)));
    size_t size = value_size(history, &prng);
    store_i32(value_bytes, id.topic);
    store_i32(value_bytes + 4, id.partition);
    store_i32(value_bytes + 8, id.writer);
    store_u32(value_bytes + 12, id.number);
    for (size_t i = ID_SIZE; i < size; i++)
        value_bytes[i] = (uint8_t)('a' + (prng_next(&prng) & 15));
    prng_fill(&prng, key_bytes, sizeof key_bytes);
    int32_t header_count = (int32_t)prng_below(&prng, SIM_HEADERS_MAX + 1);
    for (int32_t i = 0; i < header_count; i++)
        headers[i] = (struct record_header){
            .key = slice_of(key_bytes, (size_t)i),
            .value = i == 2 ? (struct slice){0} : slice_of(key_bytes + i, (size_t)i * 2)};
    *ret_record = (struct batch_record){
        .key = prng_chance(&prng, 1, 4) ? (struct slice){0} : slice_of(key_bytes, KEY_SIZE),
        .value = slice_of(value_bytes, size),
        .headers = headers,
        .header_count = header_count,
    };
}

static struct sim_facts *facts_of(struct sim_history *history, struct sim_record_id id)
{
    return &history->topics[id.topic].facts[id.partition][id.writer];
}

uint32_t sim_history_make(struct sim_history *history, struct sim_record_id id, uint32_t session,
                          int64_t timestamp, struct batch_record *ret_record)
{
    struct sim_facts *facts = facts_of(history, id);
    if (facts->count == facts->capacity) {
        facts->capacity = facts->capacity * 2 + 64;
        facts->at = (struct sim_fact *)realloc(facts->at, facts->capacity * sizeof *facts->at);
        SIM_CHECK(facts->at != NULL, "no memory");
    }
    id.number = facts->count++;
    facts->at[id.number] = (struct sim_fact){
        .timestamp = timestamp,
        .acked_offset = -1,
        .seen_offset = -1,
        .found_offset = -1,
        .session = session,
    };
    compose(history, id, ret_record);
    ret_record->timestamp = timestamp;
    return id.number;
}

void sim_history_ack(struct sim_history *history, struct sim_record_id id, int64_t offset,
                     uint32_t cuts)
{
    const struct sim_topic *topic = &history->topics[id.topic];
    struct sim_fact *fact = &facts_of(history, id)->at[id.number];
    SIM_CHECK(fact->acked_offset < 0, "%s-%d: record %u of writer %d is acknowledged twice",
              topic->name, id.partition, id.number, id.writer);
    fact->acked_offset = offset;
    fact->acked_cuts = cuts;
    history->acked++;
}

/* ---- reading ---- */

static struct sim_record_id id_of(const struct sim_history *history, struct slice value,
                                  const char *where)
{
    SIM_CHECK(value.size >= ID_SIZE, "%s: a record of %zu bytes that nobody made", where,
              value.size);
    struct sim_record_id id = {
        .topic = load_i32(value.data),
        .partition = load_i32(value.data + 4),
        .writer = load_i32(value.data + 8),
        .number = load_u32(value.data + 12),
    };
    SIM_CHECK(id.topic >= 0 && id.topic < history->topic_count && id.partition >= 0 &&
                  id.partition < SIM_PARTITIONS_MAX && id.writer >= 0 &&
                  id.writer < SIM_WRITERS_MAX,
              "%s: a record that nobody made", where);
    return id;
}

static bool same_headers(const struct record *record, const struct batch_record *made)
{
    struct slice rest = record->headers;
    struct record_header header;
    if (record->header_count != made->header_count)
        return false;
    for (int32_t i = 0; i < made->header_count; i++) {
        const struct record_header *wanted = &made->headers[i];
        if (!record_header_next(&rest, &header) || !slice_equal(header.key, wanted->key) ||
            !slice_equal(header.value, wanted->value) ||
            slice_is_null(header.value) != slice_is_null(wanted->value))
            return false;
    }
    return true;
}

/* The record's bytes are those that were sent; returns what is known of it. */
static struct sim_fact *check_record(struct sim_history *history, const struct sim_reading *reading,
                                     const struct record *record, struct sim_record_id *ret_id)
{
    const struct sim_topic *topic = reading->topic;
    struct batch_record made;
    struct sim_record_id id = id_of(history, record->value, topic->name);
    SIM_CHECK(id.topic == sim_history_topic_index(history, topic) &&
                  id.partition == reading->partition,
              "%s-%d: a record of another partition", topic->name, reading->partition);
    struct sim_facts *facts = facts_of(history, id);
    SIM_CHECK(id.number < facts->count, "%s-%d: record %u of writer %d was never made", topic->name,
              id.partition, id.number, id.writer);
    compose(history, id, &made);
    SIM_CHECK(slice_equal(record->value, made.value) && slice_equal(record->key, made.key) &&
                  slice_is_null(record->key) == slice_is_null(made.key) &&
                  same_headers(record, &made),
              "%s-%d: record %u of writer %d has other bytes than were sent", topic->name,
              id.partition, id.number, id.writer);
    *ret_id = id;
    return &facts->at[id.number];
}

/* In a scan: each record comes once. Those of a session come in their order, none left out before
 * one that is there. What has no session, or is of one that its writer has given up, may be
 * overtaken: it was sent on another connection, which was slow. */
static void note_found(struct sim_history *history, const struct sim_reading *reading,
                       struct sim_record_id id, struct sim_fact *fact)
{
    const struct sim_topic *topic = reading->topic;
    struct sim_scan *scan = &reading->topic->scans[reading->partition];
    struct sim_found *last = &scan->last[id.writer];
    SIM_CHECK(fact->found_offset < 0, "%s-%d: record %u of writer %d is at %lld and at %lld",
              topic->name, id.partition, id.number, id.writer, (long long)fact->found_offset,
              (long long)*reading->offset);
    fact->found_offset = *reading->offset;
    if (fact->session == 0 || fact->session < last->session)
        return;
    bool same = fact->session == last->session;
    SIM_CHECK(!same || id.number > last->number, "%s-%d: record %u of writer %d after its %u",
              topic->name, id.partition, id.number, id.writer, last->number);
    bool begins = id.number == 0 || (fact - 1)->session != fact->session;
    bool follows = same ? id.number == last->number + 1 : begins;
    SIM_CHECK(follows || !sim_history_is_strict(history, topic),
              "%s-%d: record %u of writer %d after its %u: the ones between are lost", topic->name,
              id.partition, id.number, id.writer, last->number);
    *last = (struct sim_found){.session = fact->session, .number = id.number};
}

static void take_record(struct sim_history *history, const struct sim_reading *reading,
                        const struct batch_header *header, const struct record *record)
{
    struct sim_record_id id;
    const struct sim_topic *topic = reading->topic;
    int64_t offset = header->base_offset + record->offset_delta;
    struct sim_fact *fact = check_record(history, reading, record, &id);
    if (offset < *reading->offset)
        return; /* the batch begins below what was asked for */
    SIM_CHECK(offset == *reading->offset, "%s-%d: offset %lld follows %lld", topic->name,
              id.partition, (long long)offset, (long long)*reading->offset - 1);
    int64_t timestamp = batch_record_timestamp(header, record->timestamp_delta);
    SIM_CHECK(topic->stamps ? timestamp >= fact->timestamp : timestamp == fact->timestamp,
              "%s-%d: the timestamp at %lld is %lld, not %lld", topic->name, id.partition,
              (long long)offset, (long long)timestamp, (long long)fact->timestamp);
    SIM_CHECK(!sim_history_is_strict(history, topic) || fact->acked_offset < 0 ||
                  fact->acked_offset == offset,
              "%s-%d: what was acknowledged at %lld is at %lld", topic->name, id.partition,
              (long long)fact->acked_offset, (long long)offset);
    SIM_CHECK(!sim_history_is_strict(history, topic) || fact->seen_offset < 0 ||
                  fact->seen_offset == offset,
              "%s-%d: what was read at %lld is at %lld", topic->name, id.partition,
              (long long)fact->seen_offset, (long long)offset);
    fact->seen_offset = offset;
    history->seen++;
    if (reading->whole)
        note_found(history, reading, id, fact);
    ++*reading->offset;
}

static void read_batch(struct sim_history *history, struct codec_pool *pool,
                       const struct sim_reading *reading, const struct batch_view *view)
{
    struct record_reader reader;
    struct record record;
    const char *name = reading->topic->name;
    SIM_CHECK(batch_crc_ok(view->bytes), "%s-%d: the batch at %lld has a wrong checksum", name,
              reading->partition, (long long)view->header.base_offset);
    struct record_source source = {.header = &view->header, .batch = view->bytes};
    record_reader_open(&reader, pool, source);
    while (record_read(&reader, &record))
        take_record(history, reading, &view->header, &record);
    SIM_CHECK(reader.fault == CODEC_FINE, "%s-%d: the batch at %lld: %s", name, reading->partition,
              (long long)view->header.base_offset, reader.text);
    record_reader_close(&reader);
}

void sim_history_read(struct sim_history *history, struct codec_pool *pool,
                      const struct sim_reading *reading, struct slice run)
{
    struct batch_iterator batches = batch_iterate(run);
    struct batch_view view;
    while (batch_next(&batches, &view))
        read_batch(history, pool, reading, &view);
    SIM_CHECK(batches.stopped == BATCH_END || batches.stopped == BATCH_INCOMPLETE,
              "%s-%d: no batch where one is due: %s", reading->topic->name, reading->partition,
              batch_outcome_text(batches.stopped));
}

/* ---- the whole log ---- */

void sim_history_scan_begin(struct sim_history *history, struct sim_topic *topic)
{
    (void)history;
    for (int p = 0; p < topic->partition_count; p++) {
        topic->scans[p].start_offset = 0;
        for (int w = 0; w < SIM_WRITERS_MAX; w++) {
            topic->scans[p].last[w] = (struct sim_found){0};
            for (uint32_t i = 0; i < topic->facts[p][w].count; i++)
                topic->facts[p][w].at[i].found_offset = -1;
        }
    }
}

/* What was acknowledged and is gone, where something acknowledged in the same time stands behind
 * it: a power cut takes the end of a log only. */
static void check_loss(struct sim_topic *topic, int32_t partition, const struct sim_fact *lost)
{
    for (int w = 0; w < SIM_WRITERS_MAX; w++) {
        const struct sim_facts *facts = &topic->facts[partition][w];
        for (uint32_t i = 0; i < facts->count; i++) {
            const struct sim_fact *other = &facts->at[i];
            SIM_CHECK(other->found_offset < 0 || other->acked_offset < 0 ||
                          other->acked_cuts != lost->acked_cuts ||
                          other->acked_offset < lost->acked_offset,
                      "%s-%d: offset %lld was lost from before offset %lld", topic->name, partition,
                      (long long)lost->acked_offset, (long long)other->acked_offset);
        }
    }
}

static void check_fact(struct sim_history *history, struct sim_topic *topic, int32_t partition,
                       const struct sim_fact *fact)
{
    bool strict = sim_history_is_strict(history, topic) || fact->acked_cuts == history->cuts;
    if (fact->acked_offset >= 0 && fact->found_offset >= 0)
        SIM_CHECK(fact->acked_offset == fact->found_offset,
                  "%s-%d: what was acknowledged at %lld is at %lld", topic->name, partition,
                  (long long)fact->acked_offset, (long long)fact->found_offset);
    if (fact->acked_offset >= 0 && fact->found_offset < 0) {
        SIM_CHECK(!strict, "%s-%d: what was acknowledged at %lld is missing", topic->name,
                  partition, (long long)fact->acked_offset);
        if (fact->acked_offset >= topic->scans[partition].start_offset)
            check_loss(topic, partition, fact);
    }
    SIM_CHECK(!sim_history_is_strict(history, topic) || fact->seen_offset < 0 ||
                  fact->seen_offset == fact->found_offset,
              "%s-%d: what was read at %lld is missing", topic->name, partition,
              (long long)fact->seen_offset);
}

void sim_history_scan_check(struct sim_history *history, struct sim_topic *topic)
{
    for (int p = 0; p < topic->partition_count; p++)
        for (int w = 0; w < SIM_WRITERS_MAX; w++)
            for (uint32_t i = 0; i < topic->facts[p][w].count; i++)
                check_fact(history, topic, p, &topic->facts[p][w].at[i]);
}
