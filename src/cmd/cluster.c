/* Asks brokers. Its complication is that who coordinates or leads may change at any time: answers
 * that say so are asked for again, within limits. One thread. */
#include "cmd/cluster.h"

#include "sys/clock.h"
#include "tbl/apis.h"
#include "tbl/errors.h"
#include "wire/msg/find_coordinator_request.h"
#include "wire/msg/find_coordinator_response.h"
#include "wire/msg/list_offsets_request.h"
#include "wire/msg/list_offsets_response.h"

#include <stdlib.h>

#define PAUSE_MS 100
#define OFFSET_ATTEMPTS 6
/* The last version that asks for a single key. */
#define FIND_ONE_KEY 3

struct cluster_link {
    struct cluster_link *next;
    int32_t node_id;
    bool open; /* else it was tried, and its failure told */
    struct client client;
};

bool cluster_open(struct cluster *cluster, struct admin *admin)
{
    *cluster = (struct cluster){.admin = admin};
    cluster->metadata = admin_metadata(admin, NULL, -1);
    return cluster->metadata != NULL;
}

void cluster_close(struct cluster *cluster)
{
    for (struct cluster_link *link = cluster->links; link != NULL; link = link->next)
        client_close(&link->client);
    cluster->links = NULL;
}

bool cluster_know_topics(struct cluster *cluster, const char *const *names, int count)
{
    const struct metadata_response *metadata =
        admin_metadata(cluster->admin, names, count > 0 ? count : -1);
    if (metadata != NULL)
        cluster->metadata = metadata;
    return metadata != NULL;
}

const struct metadata_response_topics *cluster_topic(const struct cluster *cluster,
                                                     struct slice name)
{
    for (int32_t i = 0; i < cluster->metadata->topics_count; i++)
        if (slice_equal(cluster->metadata->topics[i].name, name))
            return &cluster->metadata->topics[i];
    return NULL;
}

/* ---- connections ---- */

static void tell_link(struct cluster *cluster, const struct cluster_link *link)
{
    admin_tell_client(cluster->admin->call->console, &link->client);
    cluster->admin->failed = true;
}

/* address: NULL: as the metadata has it. NULL: reported, now or before. */
static struct cluster_link *link_to(struct cluster *cluster, int32_t node_id, const char *address)
{
    struct admin *admin = cluster->admin;
    for (struct cluster_link *link = cluster->links; link != NULL; link = link->next)
        if (link->node_id == node_id)
            return link->open ? link : NULL;
    if (address == NULL)
        address = admin_node_address(admin, cluster->metadata, node_id);
    struct cluster_link *link = ARENA_NEW(&admin->arena, struct cluster_link);
    if (address == NULL || link == NULL) {
        console_error(admin->call->console, "there is no broker %d", node_id);
        admin->failed = true;
        return NULL;
    }
    link->node_id = node_id;
    link->next = cluster->links;
    cluster->links = link;
    link->open = client_open(&link->client, address, admin->timeout_ms);
    if (!link->open)
        tell_link(cluster, link);
    return link->open ? link : NULL;
}

static bool ask_link(struct cluster *cluster, struct cluster_link *link,
                     const struct cluster_ask *ask, void *ret_answer)
{
    struct client_request request = {.api_key = ask->message->number,
                                     .version = client_version(&link->client, ask->message->number),
                                     .message = ask->request,
                                     .arena = &cluster->admin->arena,
                                     .keep = true};
    if (ask->version_max > 0)
        request.version = MIN_OF(request.version, ask->version_max);
    if (client_send(&link->client, &request, ret_answer))
        return true;
    tell_link(cluster, link);
    link->open = request.version < 0; /* that it serves no such request harms no other */
    return false;
}

bool cluster_ask_node(struct cluster *cluster, int32_t node_id, const struct cluster_ask *ask,
                      void *ret_answer)
{
    struct cluster_link *link = link_to(cluster, node_id, NULL);
    return link != NULL && ask_link(cluster, link, ask, ret_answer);
}

/* ---- coordinators ---- */

static bool is_passing(int error)
{
    return error == ERR_COORDINATOR_LOAD_IN_PROGRESS || error == ERR_COORDINATOR_NOT_AVAILABLE ||
           error == ERR_NOT_COORDINATOR;
}

static bool find_once(struct cluster *cluster, const struct cluster_key *key,
                      struct find_coordinator_response *ret_answer)
{
    struct admin *admin = cluster->admin;
    struct find_coordinator_request ask = find_coordinator_request_default;
    ask.key = slice_of_text(key->id);
    ask.key_type = (int8_t)key->kind;
    struct client_request request = {.api_key = API_FIND_COORDINATOR,
                                     .version =
                                         client_version(&admin->client, API_FIND_COORDINATOR),
                                     .message = &ask,
                                     .arena = &admin->arena,
                                     .keep = true};
    request.version = MIN_OF(request.version, FIND_ONE_KEY);
    if (client_send(&admin->client, &request, ret_answer))
        return true;
    admin_report_client(admin);
    return false;
}

/* The coordinator's connection. NULL: reported. */
static struct cluster_link *find_coordinator(struct cluster *cluster, const struct cluster_key *key,
                                             int64_t deadline_ns)
{
    struct admin *admin = cluster->admin;
    struct find_coordinator_response answer;
    for (;;) {
        if (!find_once(cluster, key, &answer))
            return NULL;
        if (!is_passing(answer.error_code) || sys_mono_ns() >= deadline_ns)
            break;
        client_pause(&admin->client, PAUSE_MS);
    }
    if (answer.error_code != ERR_NONE) {
        admin_report(admin, &(struct admin_fault){.what = key->id,
                                                  .code = answer.error_code,
                                                  .message = answer.error_message});
        return NULL;
    }
    bool v6 = memchr(answer.host.data, ':', answer.host.size) != NULL;
    return link_to(cluster, answer.node_id,
                   arena_printf(&admin->arena, v6 ? "[%.*s]:%d" : "%.*s:%d", SLICE_ARG(answer.host),
                                answer.port));
}

bool cluster_ask_coordinator(struct cluster *cluster, const struct cluster_key *key,
                             const struct cluster_ask *ask, void *ret_answer, int32_t *ret_node)
{
    int64_t deadline_ns = sys_mono_ns() + cluster->admin->timeout_ms * 1000000;
    for (;;) {
        struct cluster_link *link = find_coordinator(cluster, key, deadline_ns);
        if (link == NULL || !ask_link(cluster, link, ask, ret_answer))
            return false;
        if (ret_node != NULL)
            *ret_node = link->node_id;
        if (!is_passing(key->error_of(ret_answer)) || sys_mono_ns() >= deadline_ns)
            return true;
        client_pause(&link->client, PAUSE_MS);
    }
}

/* ---- offsets of partitions ---- */

static int by_place(const void *a, const void *b)
{
    const struct cluster_offset *left = a;
    const struct cluster_offset *right = b;
    int order = slice_compare(left->topic, right->topic);
    return order != 0 ? order
                      : (left->partition > right->partition) - (left->partition < right->partition);
}

/* The leader's number; what has one counts as not available until it has answered. */
static int32_t leader_of(const struct cluster *cluster, struct cluster_offset *at)
{
    const struct metadata_response_topics *topic = cluster_topic(cluster, at->topic);
    at->error = ERR_UNKNOWN_TOPIC_OR_PARTITION;
    if (topic == NULL)
        return -1;
    if (topic->error_code != ERR_NONE)
        at->error = topic->error_code;
    for (int32_t i = 0; i < topic->partitions_count; i++)
        if (topic->partitions[i].partition_index == at->partition) {
            at->error = ERR_LEADER_NOT_AVAILABLE;
            return topic->partitions[i].leader_id;
        }
    return -1;
}

struct offsets {
    struct cluster *cluster;
    struct cluster_offset *list; /* by topic and partition */
    size_t count;
    int64_t time_ms;
};

static bool keep_answer(struct offsets *o, const struct list_offsets_response *answer)
{
    bool again = false;
    for (int32_t t = 0; t < answer->topics_count; t++)
        for (int32_t p = 0; p < answer->topics[t].partitions_count; p++) {
            const struct list_offsets_response_topics_partitions *from =
                &answer->topics[t].partitions[p];
            struct cluster_offset key = {.topic = answer->topics[t].name,
                                         .partition = from->partition_index};
            struct cluster_offset *at = bsearch(&key, o->list, o->count, sizeof key, by_place);
            if (at == NULL)
                continue;
            at->error = from->error_code;
            at->offset = from->offset;
            again = again || (err_is_known(at->error) && err_is_retriable((enum err)at->error));
        }
    return again;
}

static void add_partition(struct offsets *o, const struct cluster_offset *at,
                          struct list_offsets_request *ask,
                          struct list_offsets_request_topics_partitions *partition)
{
    bool same =
        ask->topics_count > 0 && slice_equal(ask->topics[ask->topics_count - 1].name, at->topic);
    if (!same) {
        struct list_offsets_request_topics *topic = &ask->topics[ask->topics_count++];
        *topic = list_offsets_request_topics_default;
        topic->name = at->topic;
        topic->partitions = partition;
    }
    ask->topics[ask->topics_count - 1].partitions_count++;
    *partition = list_offsets_request_topics_partitions_default;
    partition->partition_index = at->partition;
    partition->timestamp = o->time_ms;
}

static bool ask_leader_once(struct offsets *o, int32_t leader, bool *ret_again)
{
    struct arena *arena = &o->cluster->admin->arena;
    struct list_offsets_request ask = list_offsets_request_default;
    struct list_offsets_response answer;
    struct cluster_ask request = {.message = &wire_list_offsets_request, .request = &ask};
    size_t asked = 0;
    ask.replica_id = -1;
    ask.topics = ARENA_ARRAY(arena, struct list_offsets_request_topics, o->count);
    struct list_offsets_request_topics_partitions *partitions =
        ARENA_ARRAY(arena, struct list_offsets_request_topics_partitions, o->count);
    if (ask.topics == NULL || partitions == NULL)
        return false;
    for (size_t i = 0; i < o->count; i++)
        if (o->list[i].leader == leader && o->list[i].error != ERR_NONE)
            add_partition(o, &o->list[i], &ask, &partitions[asked++]);
    if (!cluster_ask_node(o->cluster, leader, &request, &answer))
        return false;
    *ret_again = keep_answer(o, &answer);
    return true;
}

/* Right after a topic was made, its leaders may need a moment. */
static void ask_leader(struct offsets *o, int32_t leader)
{
    bool again = true;
    for (int attempt = 1; attempt <= OFFSET_ATTEMPTS && again; attempt++) {
        if (attempt > 1)
            client_pause(&o->cluster->admin->client, PAUSE_MS);
        if (!ask_leader_once(o, leader, &again))
            return;
    }
}

void cluster_offsets(struct cluster *cluster, struct cluster_offset *list, size_t count,
                     int64_t time_ms)
{
    struct offsets o = {.cluster = cluster, .list = list, .count = count, .time_ms = time_ms};
    if (count > 0)
        qsort(list, count, sizeof *list, by_place);
    for (size_t i = 0; i < count; i++) {
        list[i].offset = -1;
        list[i].leader = leader_of(cluster, &list[i]);
    }
    for (int32_t b = 0; b < cluster->metadata->brokers_count; b++) {
        int32_t broker = cluster->metadata->brokers[b].node_id;
        bool leads = false;
        for (size_t i = 0; i < count && !leads; i++)
            leads = list[i].leader == broker;
        if (leads)
            ask_leader(&o, broker);
    }
}
