/* ottla txn producers: who writes to partitions, and what they have open there. One thread. */
#include "cmd/txn.h"
#include "cmd/txn_model.h"
#include "cmd/words.h"
#include "tbl/errors.h"
#include "wire/msg/describe_producers_request.h"

#include <stdlib.h>

/* As many in one request as Kafka's own tool asks for. */
#define ASKED_AT_ONCE 500

const struct command_flag txn_flag_broker = {0, "broker", "ID",
                                             "ask this broker's replicas (the leaders)"};

static const struct listing_column columns[] = {
    {"TOPIC", LISTING_TEXT},
    {"PARTITION", LISTING_NUMBER},
    {"PRODUCER-ID", LISTING_NUMBER},
    {"PRODUCER-EPOCH", LISTING_NUMBER},
    {"COORDINATOR-EPOCH", LISTING_NUMBER},
    {"LAST-SEQUENCE", LISTING_NUMBER},
    {"LAST-TIMESTAMP", LISTING_NUMBER},
    {"TXN-START-OFFSET", LISTING_NUMBER},
};

static bool out_of_memory(struct admin *admin)
{
    console_error(admin->call->console, "out of memory");
    admin->failed = true;
    return false;
}

static void report(struct cluster *cluster, const struct txn_partition *at, int code,
                   struct slice message)
{
    struct admin *admin = cluster->admin;
    admin_report(admin,
                 &(struct admin_fault){.what = arena_printf(&admin->arena, "%.*s:%d",
                                                            SLICE_ARG(at->topic), at->partition),
                                       .code = code,
                                       .message = message});
}

/* ---- which partitions, at whom ---- */

static bool has_replica(const struct metadata_response_topics_partitions *partition,
                        int32_t broker_id)
{
    for (int32_t i = 0; i < partition->replica_nodes_count; i++)
        if (partition->replica_nodes[i] == broker_id)
            return true;
    return false;
}

static size_t count_partitions(const struct cluster *cluster)
{
    size_t count = 0;
    for (int32_t t = 0; t < cluster->metadata->topics_count; t++)
        count += (size_t)MAX_OF(cluster->metadata->topics[t].partitions_count, 0);
    return count;
}

static bool is_broker(struct cluster *cluster, int32_t broker_id)
{
    if (broker_id == TXN_LEADERS ||
        admin_node_address(cluster->admin, cluster->metadata, broker_id) != NULL)
        return true;
    console_error(cluster->admin->call->console, "there is no broker %d", broker_id);
    cluster->admin->failed = true;
    return false;
}

struct txn_partition *txn_partitions(struct cluster *cluster, int32_t broker_id, size_t *ret_count)
{
    if (!is_broker(cluster, broker_id))
        return NULL;
    struct txn_partition *list =
        ARENA_ARRAY(&cluster->admin->arena, struct txn_partition, count_partitions(cluster) + 1);
    size_t count = 0;
    if (list == NULL)
        (void)out_of_memory(cluster->admin);
    for (int32_t t = 0; t < cluster->metadata->topics_count && list != NULL; t++) {
        const struct metadata_response_topics *topic = &cluster->metadata->topics[t];
        struct txn_partition at = {.topic = topic->name, .partition = 0};
        if (topic->error_code != ERR_NONE)
            admin_report(cluster->admin,
                         &(struct admin_fault){.what = admin_text(cluster->admin, topic->name),
                                               .code = topic->error_code});
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            at.partition = topic->partitions[p].partition_index;
            at.node_id = broker_id == TXN_LEADERS ? topic->partitions[p].leader_id : broker_id;
            if (at.node_id < 0)
                report(cluster, &at, ERR_LEADER_NOT_AVAILABLE, slice_of(NULL, 0));
            else if (broker_id == TXN_LEADERS || has_replica(&topic->partitions[p], broker_id))
                list[count++] = at;
        }
    }
    *ret_count = count;
    return list;
}

/* ---- asking ---- */

static int by_place(const void *a, const void *b)
{
    const struct txn_partition *left = a;
    const struct txn_partition *right = b;
    if (left->node_id != right->node_id)
        return left->node_id < right->node_id ? -1 : 1;
    int order = slice_compare(left->topic, right->topic);
    return order != 0 ? order
                      : (left->partition > right->partition) - (left->partition < right->partition);
}

static void keep_answers(struct cluster *cluster, struct txn_partition *list, size_t count,
                         const struct describe_producers_response *answer)
{
    for (int32_t t = 0; t < answer->topics_count; t++)
        for (int32_t p = 0; p < answer->topics[t].partitions_count; p++) {
            const struct describe_producers_response_topics_partitions *from =
                &answer->topics[t].partitions[p];
            struct txn_partition key = {.topic = answer->topics[t].name,
                                        .partition = from->partition_index,
                                        .node_id = list[0].node_id};
            struct txn_partition *at = bsearch(&key, list, count, sizeof key, by_place);
            if (at != NULL && from->error_code != ERR_NONE)
                report(cluster, at, from->error_code, from->error_message);
            else if (at != NULL)
                at->answer = from;
        }
}

/* Partitions of one broker, by topic. */
static void ask_some(struct cluster *cluster, struct txn_partition *list, size_t count)
{
    struct arena *arena = &cluster->admin->arena;
    struct describe_producers_request ask = describe_producers_request_default;
    struct describe_producers_response answer;
    struct cluster_ask request = {.message = &wire_describe_producers_request, .request = &ask};
    int32_t *indexes = ARENA_ARRAY(arena, int32_t, count);
    ask.topics = ARENA_ARRAY(arena, struct describe_producers_request_topics, count);
    if (ask.topics == NULL || indexes == NULL) {
        (void)out_of_memory(cluster->admin);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        indexes[i] = list[i].partition;
        if (i == 0 || !slice_equal(list[i].topic, list[i - 1].topic))
            ask.topics[ask.topics_count++] = (struct describe_producers_request_topics){
                .name = list[i].topic, .partition_indexes = &indexes[i]};
        ask.topics[ask.topics_count - 1].partition_indexes_count++;
    }
    if (cluster_ask_node(cluster, list[0].node_id, &request, &answer))
        keep_answers(cluster, list, count, &answer);
}

void txn_ask_producers(struct cluster *cluster, struct txn_partition *list, size_t count)
{
    if (count > 1)
        qsort(list, count, sizeof *list, by_place);
    for (size_t from = 0; from < count;) {
        size_t to = from;
        while (to < count && to - from < ASKED_AT_ONCE && list[to].node_id == list[from].node_id)
            to++;
        ask_some(cluster, &list[from], to - from);
        from = to;
    }
}

/* ---- the command ---- */

static void add_number(struct listing *listing, int64_t number)
{
    if (number < 0)
        listing_add(listing, NULL);
    else
        listing_printf(listing, "%lld", (long long)number);
}

static void add_producers(struct admin *admin, const struct txn_partition *at,
                          struct listing *listing)
{
    for (int32_t i = 0; at->answer != NULL && i < at->answer->active_producers_count; i++) {
        const struct describe_producers_response_topics_partitions_active_producers *producer =
            &at->answer->active_producers[i];
        listing_add(listing, admin_text(admin, at->topic));
        listing_printf(listing, "%d", at->partition);
        listing_printf(listing, "%lld", (long long)producer->producer_id);
        listing_printf(listing, "%d", producer->producer_epoch);
        add_number(listing, producer->coordinator_epoch);
        add_number(listing, producer->last_sequence);
        add_number(listing, producer->last_timestamp);
        add_number(listing, producer->current_txn_start_offset);
    }
}

struct wish {
    struct words_topic *topics;
    int count;
    int64_t broker_id;
};

static bool is_wished(const struct wish *wish, const struct txn_partition *at)
{
    for (int i = 0; i < wish->count; i++)
        if (words_topic_has(&wish->topics[i], at->topic, at->partition))
            return true;
    return false;
}

/* What was named and is not among the partitions. */
static void report_missing(struct cluster *cluster, const struct wish *wish,
                           const struct txn_partition *list, size_t count)
{
    for (int t = 0; t < wish->count; t++)
        for (int p = 0; p < wish->topics[t].partition_count; p++) {
            struct txn_partition at = {.topic = wish->topics[t].topic,
                                       .partition = wish->topics[t].partitions[p]};
            bool found = false;
            for (size_t i = 0; i < count && !found; i++)
                found = list[i].partition == at.partition && slice_equal(list[i].topic, at.topic);
            if (!found)
                report(cluster, &at, ERR_UNKNOWN_TOPIC_OR_PARTITION, slice_of(NULL, 0));
        }
}

static void list_producers(struct cluster *cluster, const struct wish *wish,
                           struct listing *listing)
{
    struct admin *admin = cluster->admin;
    size_t count;
    size_t kept = 0;
    const char **names = ARENA_ARRAY(&admin->arena, const char *, (size_t)wish->count + 1);
    if (names == NULL) {
        (void)out_of_memory(admin);
        return;
    }
    for (int i = 0; i < wish->count; i++)
        names[i] = admin_text(admin, wish->topics[i].topic);
    if (!cluster_know_topics(cluster, names, wish->count))
        return;
    struct txn_partition *list = txn_partitions(cluster, (int32_t)wish->broker_id, &count);
    if (list == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        if (is_wished(wish, &list[i]))
            list[kept++] = list[i];
    report_missing(cluster, wish, list, kept);
    txn_ask_producers(cluster, list, kept);
    for (size_t i = 0; i < kept; i++)
        add_producers(admin, &list[i], listing);
}

static bool read_arguments(struct admin *admin, struct wish *wish)
{
    const struct command_call *call = admin->call;
    struct call_number broker = {&txn_flag_broker, 0, INT32_MAX, TXN_LEADERS};
    wish->count = call->argument_count;
    wish->topics = ARENA_ARRAY(&admin->arena, struct words_topic, (size_t)wish->count);
    if (wish->topics == NULL)
        return out_of_memory(admin);
    for (int i = 0; i < wish->count; i++)
        if (!words_topic_parse(call->arguments[i], &admin->arena, &wish->topics[i])) {
            console_error(call->console, "%s: must be NAME, NAME:3 or NAME:0,1,7",
                          call->arguments[i]);
            return false;
        }
    return call_number(call, broker, &wish->broker_id);
}

enum exit_code txn_producers(const struct command_call *call)
{
    struct admin admin;
    struct cluster cluster = {0};
    struct wish wish;
    enum exit_code code = admin_prepare(&admin, call);
    if (code == EXIT_CODE_OK && !read_arguments(&admin, &wish))
        code = EXIT_CODE_USAGE;
    if (code == EXIT_CODE_OK)
        code = admin_connect(&admin);
    if (code == EXIT_CODE_OK) {
        struct listing listing;
        listing_init(&listing, "producers", columns, COUNT_OF(columns));
        if (cluster_open(&cluster, &admin))
            list_producers(&cluster, &wish, &listing);
        code = admin_finish(&admin, &listing);
    }
    cluster_close(&cluster);
    admin_close(&admin);
    return code;
}
