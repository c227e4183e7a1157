/* Microbenchmark of the message tables: what decoding and encoding a request or an answer costs.
 * Prints a line a case: nanoseconds a message and megabytes a second, of the bytes that the tables
 * walk (record bytes are passed by reference and not counted). Single thread, fixed content. */
#include "base/always.h"
#include "wire/messages.h"
#include "wire/msg/fetch_request.h"
#include "wire/msg/fetch_response.h"
#include "wire/msg/metadata_request.h"
#include "wire/msg/metadata_response.h"
#include "wire/msg/produce_request.h"
#include "wire/msg/produce_response.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RUN_NS 300000000LL
#define ARENA_LIMIT ((size_t)64 << 20)

static const struct uuid topic_id = {{0x5a, 0x11, 0x17}};
static const struct slice topic_name = SLICE_LIT("orders-by-region");
static const uint8_t record_bytes[1024] = {1};

static long long now_ns(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

struct shape {
    const char *name;
    const struct wire_message *message;
    int version;
    int topics;
    int partitions; /* of each topic */
    void *(*make)(struct arena *, const struct shape *);
};

static void *make_produce(struct arena *arena, const struct shape *shape)
{
    struct produce_request *request = ARENA_NEW(arena, struct produce_request);
    *request = produce_request_default;
    request->acks = -1;
    request->timeout_ms = 30000;
    request->topic_data =
        ARENA_ARRAY(arena, struct produce_request_topic_data, (size_t)shape->topics);
    request->topic_data_count = shape->topics;
    for (int t = 0; t < shape->topics; t++) {
        struct produce_request_topic_data *topic = &request->topic_data[t];
        *topic = produce_request_topic_data_default;
        topic->name = topic_name;
        topic->topic_id = topic_id;
        topic->partition_data = ARENA_ARRAY(arena, struct produce_request_topic_data_partition_data,
                                            (size_t)shape->partitions);
        topic->partition_data_count = shape->partitions;
        for (int p = 0; p < shape->partitions; p++) {
            topic->partition_data[p].index = p;
            topic->partition_data[p].records.bytes = slice_of(record_bytes, sizeof record_bytes);
        }
    }
    return request;
}

static void *make_produce_response(struct arena *arena, const struct shape *shape)
{
    struct produce_response *response = ARENA_NEW(arena, struct produce_response);
    *response = produce_response_default;
    response->responses =
        ARENA_ARRAY(arena, struct produce_response_responses, (size_t)shape->topics);
    response->responses_count = shape->topics;
    for (int t = 0; t < shape->topics; t++) {
        struct produce_response_responses *topic = &response->responses[t];
        *topic = produce_response_responses_default;
        topic->name = topic_name;
        topic->topic_id = topic_id;
        topic->partition_responses =
            ARENA_ARRAY(arena, struct produce_response_responses_partition_responses,
                        (size_t)shape->partitions);
        topic->partition_responses_count = shape->partitions;
        for (int p = 0; p < shape->partitions; p++) {
            topic->partition_responses[p] = produce_response_responses_partition_responses_default;
            topic->partition_responses[p].index = p;
            topic->partition_responses[p].base_offset = 1000000 + p;
        }
    }
    return response;
}

static void *make_fetch(struct arena *arena, const struct shape *shape)
{
    struct fetch_request *request = ARENA_NEW(arena, struct fetch_request);
    *request = fetch_request_default;
    request->max_wait_ms = 500;
    request->min_bytes = 1;
    request->topics = ARENA_ARRAY(arena, struct fetch_request_topics, (size_t)shape->topics);
    request->topics_count = shape->topics;
    for (int t = 0; t < shape->topics; t++) {
        struct fetch_request_topics *topic = &request->topics[t];
        *topic = fetch_request_topics_default;
        topic->topic = topic_name;
        topic->topic_id = topic_id;
        topic->partitions =
            ARENA_ARRAY(arena, struct fetch_request_topics_partitions, (size_t)shape->partitions);
        topic->partitions_count = shape->partitions;
        for (int p = 0; p < shape->partitions; p++) {
            topic->partitions[p] = fetch_request_topics_partitions_default;
            topic->partitions[p].partition = p;
            topic->partitions[p].fetch_offset = 5000000 + p;
            topic->partitions[p].partition_max_bytes = 1 << 20;
        }
    }
    return request;
}

static void *make_fetch_response(struct arena *arena, const struct shape *shape)
{
    struct fetch_response *response = ARENA_NEW(arena, struct fetch_response);
    *response = fetch_response_default;
    response->responses =
        ARENA_ARRAY(arena, struct fetch_response_responses, (size_t)shape->topics);
    response->responses_count = shape->topics;
    for (int t = 0; t < shape->topics; t++) {
        struct fetch_response_responses *topic = &response->responses[t];
        *topic = fetch_response_responses_default;
        topic->topic = topic_name;
        topic->topic_id = topic_id;
        topic->partitions = ARENA_ARRAY(arena, struct fetch_response_responses_partitions,
                                        (size_t)shape->partitions);
        topic->partitions_count = shape->partitions;
        for (int p = 0; p < shape->partitions; p++) {
            topic->partitions[p] = fetch_response_responses_partitions_default;
            topic->partitions[p].partition_index = p;
            topic->partitions[p].high_watermark = 6000000;
            topic->partitions[p].records.bytes = slice_of(record_bytes, 100);
        }
    }
    return response;
}

static void *make_metadata(struct arena *arena, const struct shape *shape)
{
    struct metadata_request *request = ARENA_NEW(arena, struct metadata_request);
    *request = metadata_request_default;
    request->topics = ARENA_ARRAY(arena, struct metadata_request_topics, (size_t)shape->topics);
    request->topics_count = shape->topics;
    for (int t = 0; t < shape->topics; t++) {
        request->topics[t] = metadata_request_topics_default;
        request->topics[t].name = topic_name;
    }
    return request;
}

static void *make_metadata_response(struct arena *arena, const struct shape *shape)
{
    int32_t *replicas = ARENA_ARRAY(arena, int32_t, 3);
    for (int32_t i = 0; i < 3; i++)
        replicas[i] = 1 + i;
    struct metadata_response *response = ARENA_NEW(arena, struct metadata_response);
    *response = metadata_response_default;
    response->topics = ARENA_ARRAY(arena, struct metadata_response_topics, (size_t)shape->topics);
    response->topics_count = shape->topics;
    for (int t = 0; t < shape->topics; t++) {
        struct metadata_response_topics *topic = &response->topics[t];
        *topic = metadata_response_topics_default;
        topic->name = topic_name;
        topic->topic_id = topic_id;
        topic->partitions = ARENA_ARRAY(arena, struct metadata_response_topics_partitions,
                                        (size_t)shape->partitions);
        topic->partitions_count = shape->partitions;
        for (int p = 0; p < shape->partitions; p++) {
            topic->partitions[p] = metadata_response_topics_partitions_default;
            topic->partitions[p].partition_index = p;
            topic->partitions[p].leader_id = 1 + p % 3;
            topic->partitions[p].replica_nodes = replicas;
            topic->partitions[p].replica_nodes_count = 3;
            topic->partitions[p].isr_nodes = replicas;
            topic->partitions[p].isr_nodes_count = 3;
        }
    }
    return response;
}

static const struct shape shapes[] = {
    {"Produce v11, 1 partition", &wire_produce_request, 11, 1, 1, make_produce},
    {"Produce v7, 1 partition", &wire_produce_request, 7, 1, 1, make_produce},
    {"Produce v13, 10 x 10", &wire_produce_request, 13, 10, 10, make_produce},
    {"Produce answer v11, 1", &wire_produce_response, 11, 1, 1, make_produce_response},
    {"Produce answer v13, 10 x 10", &wire_produce_response, 13, 10, 10, make_produce_response},
    {"Fetch v17, no partition", &wire_fetch_request, 17, 0, 0, make_fetch},
    {"Fetch v17, 10 x 10", &wire_fetch_request, 17, 10, 10, make_fetch},
    {"Fetch answer v17, 1", &wire_fetch_response, 17, 1, 1, make_fetch_response},
    {"Fetch answer v17, 10 x 10", &wire_fetch_response, 17, 10, 10, make_fetch_response},
    {"Metadata v13, 1 topic", &wire_metadata_request, 13, 1, 0, make_metadata},
    {"Metadata answer v13, 1 x 3", &wire_metadata_response, 13, 1, 3, make_metadata_response},
    {"Metadata answer v13, 100 x 12", &wire_metadata_response, 13, 100, 12, make_metadata_response},
};

static double per_message_ns(long long started, long long rounds)
{
    return (double)(now_ns() - started) / (double)rounds;
}

static double bench_encode(const struct shape *shape, const void *message, struct chain *out)
{
    long long rounds = 0;
    long long started = now_ns();
    do {
        for (int i = 0; i < 64; i++, rounds++) {
            chain_reset(out, SIZE_MAX);
            bool fine = wire_encode(shape->message, shape->version, message, out, NULL);
            ALWAYS(fine, "%s cannot be encoded", shape->name);
        }
    } while (now_ns() - started < RUN_NS);
    return per_message_ns(started, rounds);
}

static double bench_decode(const struct shape *shape, struct slice in, struct arena *arena)
{
    long long rounds = 0;
    long long started = now_ns();
    do {
        for (int i = 0; i < 64; i++, rounds++) {
            struct wire_decoded decoded;
            arena_reset(arena);
            void *message = arena_take(arena, shape->message->type->size);
            bool fine = wire_decode(shape->message, shape->version, in, arena, message, &decoded);
            ALWAYS(fine, "%s cannot be decoded: %s", shape->name, decoded.fault);
        }
    } while (now_ns() - started < RUN_NS);
    return per_message_ns(started, rounds);
}

static size_t walked_bytes(const struct shape *shape, const struct chain *out)
{
    size_t records = shape->message == &wire_produce_request ? sizeof record_bytes : 0;
    return out->size - (size_t)(shape->topics * shape->partitions) * records;
}

static void bench(const struct shape *shape)
{
    struct arena source;
    struct arena scratch;
    struct chain out;
    arena_init(&source, ARENA_LIMIT);
    arena_init(&scratch, ARENA_LIMIT);
    chain_init(&out, ARENA_LIMIT);
    const void *message = shape->make(&source, shape);
    double encode_ns = bench_encode(shape, message, &out);
    double decode_ns = bench_decode(shape, slice_of(out.data, out.size), &scratch);
    double kilobytes = (double)walked_bytes(shape, &out) * 1000;
    printf("%-30s %8zu B   decode %9.0f ns %6.0f MB/s   encode %9.0f ns %6.0f MB/s\n", shape->name,
           walked_bytes(shape, &out), decode_ns, kilobytes / decode_ns, encode_ns,
           kilobytes / encode_ns);
    chain_fini(&out);
    arena_fini(&scratch);
    arena_fini(&source);
}

int main(void)
{
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        bench(&shapes[i]);
    return 0;
}
