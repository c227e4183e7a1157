/* A load generator that leaves the broker as the bottleneck: prebuilt requests, N connections with
 * K in flight, one thread. Tells requests a second, latencies and what the broker's process spent,
 * as one line of JSON. It works against any broker that speaks the protocol; the topic "bench" must
 * be there.
 *
 * usage: load produce|fetch HOST PORT PID CONNECTIONS IN_FLIGHT SECONDS RECORDS SIZE [PARTITIONS]
 *   produce: batches of RECORDS records of SIZE bytes, acks=1, to partition connection % PARTITIONS
 *   fetch:   RECORDS is ignored, SIZE bytes a request from offset 0 */
#include "base/bytes.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/dir.h"
#include "sys/net.h"
#include "sys/poller.h"
#include "wire/batch_builder.h"
#include "wire/frame.h"
#include "wire/msg/fetch_request.h"
#include "wire/msg/produce_request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PARTITIONS 8
#define PARTITIONS_MAX 64
#define IN_FLIGHT_MAX 64
#define LATENCIES_MAX 4000000
#define READ_SIZE (1 << 20)
#define CONNECTIONS_MAX 1024

struct load {
    bool produces;
    const char *host;
    uint16_t port;
    int pid;
    int connections;
    int in_flight;
    double seconds;
    int records;
    int size;
    int partitions;
    struct chain requests[PARTITIONS_MAX];
    uint32_t *latencies_ns;
    size_t latency_count;
    int64_t answered;
    int64_t bytes;
    uint8_t *scratch;
    struct sys_poller *poller;
    struct link *links;
};

struct link {
    int fd;
    const struct chain *request;
    int64_t sent_at[IN_FLIGHT_MAX];
    unsigned first; /* oldest request under way */
    unsigned count;
    size_t out; /* bytes of the newest request that were sent; 0: none begun */
    uint8_t prefix[4];
    size_t prefix_size;
    size_t left; /* bytes of the answer under way */
};

static void fail(const char *what, int error)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(error < 0 ? -error : error));
    exit(1);
}

static struct slice make_batch(const struct load *load, struct batch_builder *builder)
{
    struct batch_builder_options options = batch_builder_defaults();
    uint8_t *value = malloc((size_t)load->size);
    if (value == NULL)
        fail("memory", ENOMEM);
    for (int i = 0; i < load->size; i++)
        value[i] = (uint8_t)(i * 31 + i / 7);
    batch_builder_begin(builder, &options);
    for (int i = 0; i < load->records; i++)
        batch_builder_add(builder,
                          &(struct batch_record){.timestamp = sys_wall_ms(),
                                                 .value = slice_of(value, (size_t)load->size)});
    free(value);
    return batch_builder_finish(builder, NULL);
}

static void make_produce(struct load *load, int partition, struct slice batch)
{
    struct produce_request_topic_data_partition_data data =
        produce_request_topic_data_partition_data_default;
    struct produce_request_topic_data topic = produce_request_topic_data_default;
    struct produce_request request = produce_request_default;
    data.index = partition;
    data.records.bytes = batch;
    topic.name = slice_of_text("bench");
    topic.partition_data = &data;
    topic.partition_data_count = 1;
    request.acks = 1;
    request.timeout_ms = 30000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    struct frame_header header = {.api_key = 0, .api_version = 9};
    frame_request_begin(&load->requests[partition], &header);
    if (!wire_encode(&wire_produce_request, 9, &request, &load->requests[partition], NULL))
        fail("encoding", EINVAL);
    frame_request_end(&load->requests[partition]);
}

static void make_fetch(struct load *load, int partition)
{
    struct fetch_request_topics_partitions at = fetch_request_topics_partitions_default;
    struct fetch_request_topics topic = fetch_request_topics_default;
    struct fetch_request request = fetch_request_default;
    at.partition = partition;
    at.partition_max_bytes = load->size;
    topic.topic = slice_of_text("bench");
    topic.partitions = &at;
    topic.partitions_count = 1;
    request.replica_id = -1;
    request.max_wait_ms = 500;
    request.min_bytes = 1;
    request.max_bytes = load->size;
    request.topics = &topic;
    request.topics_count = 1;
    struct frame_header header = {.api_key = 1, .api_version = 12};
    frame_request_begin(&load->requests[partition], &header);
    if (!wire_encode(&wire_fetch_request, 12, &request, &load->requests[partition], NULL))
        fail("encoding", EINVAL);
    frame_request_end(&load->requests[partition]);
}

static void make_requests(struct load *load)
{
    struct batch_builder builder;
    batch_builder_init(&builder);
    struct slice batch = load->produces ? make_batch(load, &builder) : (struct slice){0};
    for (int i = 0; i < load->partitions; i++) {
        chain_init(&load->requests[i], 64U << 20);
        if (load->produces)
            make_produce(load, i, batch);
        else
            make_fetch(load, i);
    }
    batch_builder_fini(&builder);
}

/* Keeps the link's requests in flight as far as the socket takes them. */
static void send_more(const struct load *load, struct link *link)
{
    while (link->out > 0 || link->count < (unsigned)load->in_flight) {
        if (link->out == 0) {
            link->sent_at[(link->first + link->count) % IN_FLIGHT_MAX] = sys_mono_ns();
            link->count++;
        }
        struct slice rest =
            slice_of(link->request->data + link->out, link->request->size - link->out);
        int64_t sent = sys_net_send(link->fd, &rest, 1, false);
        if (sent == -EAGAIN) {
            if (link->out == 0)
                link->count--;
            return;
        }
        if (sent < 0)
            fail("sending", (int)sent);
        link->out += (size_t)sent;
        if (link->out == link->request->size)
            link->out = 0;
    }
}

static void answered(struct load *load, struct link *link)
{
    int64_t took = sys_mono_ns() - link->sent_at[link->first];
    link->first = (link->first + 1) % IN_FLIGHT_MAX;
    link->count--;
    load->answered++;
    if (load->latency_count < LATENCIES_MAX)
        load->latencies_ns[load->latency_count++] = (uint32_t)MIN_OF(took, (int64_t)UINT32_MAX);
}

/* Takes received bytes apart into answers, whose contents nobody looks at. */
static void take(struct load *load, struct link *link, struct slice bytes)
{
    while (bytes.size > 0) {
        if (link->left == 0) {
            link->prefix[link->prefix_size++] = bytes.data[0];
            bytes = slice_from(bytes, 1);
            if (link->prefix_size < 4)
                continue;
            link->prefix_size = 0;
            link->left = load_u32(link->prefix);
        }
        size_t part = MIN_OF(bytes.size, link->left);
        bytes = slice_from(bytes, part);
        link->left -= part;
        if (link->left == 0)
            answered(load, link);
    }
}

static void receive(struct load *load, struct link *link)
{
    for (;;) {
        int64_t got = sys_net_recv(link->fd, load->scratch, READ_SIZE);
        if (got == -EAGAIN)
            return;
        if (got <= 0)
            fail("the broker ended the connection", got == 0 ? ECONNRESET : (int)got);
        load->bytes += got;
        take(load, link, slice_of(load->scratch, (size_t)got));
    }
}

/* User and system time of the broker, all threads. */
static double cpu_seconds(int pid)
{
    char path[64];
    char text[1024];
    unsigned long long user = 0;
    unsigned long long system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = sys_file_open(SYS_DIR_CWD, path, SYS_OPEN_READ);
    int64_t got = fd < 0 ? fd : sys_file_read_at(fd, text, sizeof text - 1, 0);
    sys_file_close(fd < 0 ? -1 : fd);
    text[MAX_OF(got, (int64_t)0)] = '\0';
    const char *at = strrchr(text, ')');
    static const char format[] = "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu";
    if (at == NULL || sscanf(at + 2, format, &user, &system) != 2)
        fprintf(stderr, "load: %s cannot be read\n", path);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void connect_links(struct load *load)
{
    struct link *links = load->links;
    for (int i = 0; i < load->connections; i++) {
        links[i] = (struct link){.request = &load->requests[i % load->partitions]};
        links[i].fd = sys_net_connect(load->host, load->port);
        if (links[i].fd < 0)
            fail("connecting", links[i].fd);
        int added = sys_poller_add(load->poller, links[i].fd, (uint64_t)i, true);
        if (added < 0)
            fail("polling", added);
    }
}

static void run(struct load *load, int64_t until_ns)
{
    struct sys_event events[256];
    while (sys_mono_ns() < until_ns) {
        int count = sys_poller_wait(load->poller, events, (int)COUNT_OF(events), until_ns);
        for (int i = 0; i < count; i++) {
            struct link *link = &load->links[events[i].key];
            receive(load, link);
            send_more(load, link);
        }
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

static double percentile_us(const struct load *load, double part)
{
    if (load->latency_count == 0)
        return 0;
    size_t at = (size_t)(part * (double)(load->latency_count - 1));
    return load->latencies_ns[at] / 1000.0;
}

static void report(struct load *load, double seconds, double cpu)
{
    qsort(load->latencies_ns, load->latency_count, sizeof *load->latencies_ns, compare);
    double answered = (double)MAX_OF(load->answered, (int64_t)1);
    double moved = load->produces ? answered * (double)load->requests[0].size : (double)load->bytes;
    printf("{\"requests_per_second\":%.0f,\"mb_per_second\":%.1f,\"cpu_us_per_request\":%.2f,"
           "\"cpu_s_per_gb\":%.3f,\"p50_us\":%.0f,\"p99_us\":%.0f,\"requests\":%lld}\n",
           answered / seconds, moved / seconds / 1e6, cpu * 1e6 / answered, cpu / (moved / 1e9),
           percentile_us(load, 0.5), percentile_us(load, 0.99), (long long)load->answered);
}

int main(int argc, char **argv)
{
    if (argc != 10 && argc != 11) {
        fprintf(stderr, "usage: load produce|fetch HOST PORT PID CONNECTIONS IN_FLIGHT SECONDS "
                        "RECORDS SIZE [PARTITIONS]\n");
        return 2;
    }
    struct load load = {
        .produces = strcmp(argv[1], "produce") == 0,
        .host = argv[2],
        .port = (uint16_t)strtol(argv[3], NULL, 10),
        .pid = (int)strtol(argv[4], NULL, 10),
        .connections = (int)strtol(argv[5], NULL, 10),
        .in_flight = (int)strtol(argv[6], NULL, 10),
        .seconds = strtod(argv[7], NULL),
        .records = (int)strtol(argv[8], NULL, 10),
        .size = (int)strtol(argv[9], NULL, 10),
        .partitions = argc == 11 ? (int)strtol(argv[10], NULL, 10) : PARTITIONS,
        .links = calloc(CONNECTIONS_MAX, sizeof(struct link)),
        .latencies_ns = malloc(LATENCIES_MAX * sizeof(uint32_t)),
        .scratch = malloc(READ_SIZE),
    };
    bool fits = load.connections <= CONNECTIONS_MAX && load.in_flight <= IN_FLIGHT_MAX &&
                load.partitions > 0 && load.partitions <= PARTITIONS_MAX;
    if (load.latencies_ns == NULL || load.scratch == NULL || load.links == NULL || !fits ||
        sys_poller_new(&load.poller) < 0)
        fail("preparing", ENOMEM);
    make_requests(&load);
    connect_links(&load);
    run(&load, sys_mono_ns() + 500000000); /* to warm up */
    load.answered = 0;
    load.bytes = 0;
    load.latency_count = 0;
    double cpu = cpu_seconds(load.pid);
    int64_t begun = sys_mono_ns();
    run(&load, begun + (int64_t)(load.seconds * 1e9));
    double seconds = (double)(sys_mono_ns() - begun) / 1e9;
    report(&load, seconds, cpu_seconds(load.pid) - cpu);
    return 0;
}
