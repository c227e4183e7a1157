/* ottla txn find-hanging: what partitions have open for longer than any transaction may take is
 * held against what coordinators know of those producers (KIP-664). Where a coordinator does not
 * answer, nothing is said to hang. One thread. */
#include "cmd/hanging.h"
#include "cmd/offsets.h"
#include "cmd/txn.h"
#include "cmd/txn_model.h"
#include "sys/clock.h"
#include "tbl/errors.h"

#include <stdlib.h>

const struct command_flag txn_flag_topic = {'t', "topic", "NAME", "search this topic alone"};
const struct command_flag txn_flag_partition = {'p', "partition", "N",
                                                "search this partition of --topic alone"};
const struct command_flag txn_flag_max_timeout = {
    0, "max-transaction-timeout", "DURATION",
    "how long transactions may take (15m), as the brokers'\n"
    "transaction.max.timeout.ms; open for less is not looked at"};

#define MAX_TIMEOUT_MS_DEFAULT 900000

static const struct listing_column columns[] = {
    {"TOPIC", LISTING_TEXT},
    {"PARTITION", LISTING_NUMBER},
    {"PRODUCER-ID", LISTING_NUMBER},
    {"PRODUCER-EPOCH", LISTING_NUMBER},
    {"COORDINATOR-EPOCH", LISTING_NUMBER},
    {"START-OFFSET", LISTING_NUMBER},
    {"LAST-TIMESTAMP", LISTING_NUMBER},
    {"DURATION-MS", LISTING_NUMBER},
};

struct search {
    struct cluster cluster;
    struct admin admin;
    int64_t broker_id; /* TXN_LEADERS: none is asked for */
    int64_t partition; /* -1: all */
    int64_t timeout_ms_max;
    int64_t now_ms;
    struct hanging_open *open;
    size_t open_count;
    struct hanging_expected *expected;
    size_t expected_count;
};

static bool out_of_memory(struct search *search)
{
    console_error(search->admin.call->console, "out of memory");
    search->admin.failed = true;
    return false;
}

/* ---- what is open ---- */

static void keep_open(struct search *search, const struct txn_partition *at)
{
    for (int32_t i = 0; at->answer != NULL && i < at->answer->active_producers_count; i++) {
        const struct describe_producers_response_topics_partitions_active_producers *producer =
            &at->answer->active_producers[i];
        struct hanging_open open = {.topic = at->topic,
                                    .partition = at->partition,
                                    .producer_id = producer->producer_id,
                                    .producer_epoch = producer->producer_epoch,
                                    .coordinator_epoch = producer->coordinator_epoch,
                                    .start_offset = producer->current_txn_start_offset,
                                    .last_ms = producer->last_timestamp};
        if (hanging_is_candidate(&open, search->now_ms, search->timeout_ms_max))
            search->open[search->open_count++] = open;
    }
}

static bool keep_candidates(struct search *search, const struct txn_partition *list, size_t count)
{
    size_t producers = 0;
    for (size_t i = 0; i < count; i++)
        if (list[i].answer != NULL)
            producers += (size_t)MAX_OF(list[i].answer->active_producers_count, 0);
    search->open = ARENA_ARRAY(&search->admin.arena, struct hanging_open, producers + 1);
    if (search->open == NULL)
        return out_of_memory(search);
    search->now_ms = sys_wall_ms();
    for (size_t i = 0; i < count; i++)
        keep_open(search, &list[i]);
    return true;
}

static bool find_open(struct search *search)
{
    const char *topic = call_value(search->admin.call, &txn_flag_topic, NULL);
    size_t count;
    size_t kept = 0;
    search->cluster.metadata = admin_metadata(&search->admin, &topic, topic != NULL);
    if (search->cluster.metadata == NULL)
        return false;
    struct txn_partition *list =
        txn_partitions(&search->cluster, (int32_t)search->broker_id, &count);
    if (list == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        if (search->partition < 0 || search->partition == list[i].partition)
            list[kept++] = list[i];
    if (kept == 0 && search->partition >= 0 && !search->admin.failed) {
        console_error(search->admin.call->console, "%s has no partition %lld there", topic,
                      (long long)search->partition);
        search->admin.failed = true;
    }
    txn_ask_producers(&search->cluster, list, kept);
    return keep_candidates(search, list, kept);
}

/* ---- what is expected to end ---- */

static bool expect(struct search *search, int64_t producer_id,
                   const struct describe_transactions_response_transaction_states *txn)
{
    size_t count = search->expected_count;
    for (int32_t t = 0; t < txn->topics_count; t++)
        count += (size_t)MAX_OF(txn->topics[t].partitions_count, 0);
    struct hanging_expected *more =
        ARENA_ARRAY(&search->admin.arena, struct hanging_expected, count + 1);
    if (more == NULL)
        return out_of_memory(search);
    for (size_t i = 0; i < search->expected_count; i++)
        more[i] = search->expected[i];
    for (int32_t t = 0; t < txn->topics_count; t++)
        for (int32_t p = 0; p < txn->topics[t].partitions_count; p++)
            more[search->expected_count++] =
                (struct hanging_expected){.producer_id = producer_id,
                                          .topic = txn->topics[t].topic,
                                          .partition = txn->topics[t].partitions[p]};
    search->expected = more;
    return true;
}

/* The transactional ids of the producers, and the partitions that each still has to end. */
static bool find_expected(struct search *search)
{
    struct list_transactions_request ask = list_transactions_request_default;
    struct txn_row *rows;
    size_t count;
    ask.producer_id_filters = ARENA_ARRAY(&search->admin.arena, int64_t, search->open_count);
    if (ask.producer_id_filters == NULL)
        return out_of_memory(search);
    for (size_t i = 0; i < search->open_count; i++)
        ask.producer_id_filters[ask.producer_id_filters_count++] = search->open[i].producer_id;
    if (!txn_find(&search->cluster, &ask, &rows, &count))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct describe_transactions_response_transaction_states txn;
        const char *id = admin_text(&search->admin, rows[i].id);
        if (!txn_read(&search->cluster, id, &txn, NULL))
            return false;
        if (txn.error_code == ERR_NONE && !expect(search, rows[i].producer_id, &txn))
            return false;
    }
    return true;
}

/* ---- the command ---- */

static void list_hanging(struct search *search, struct listing *listing)
{
    for (size_t i = 0; i < search->open_count; i++) {
        const struct hanging_open *at = &search->open[i];
        listing_add(listing, admin_text(&search->admin, at->topic));
        listing_printf(listing, "%d", at->partition);
        listing_printf(listing, "%lld", (long long)at->producer_id);
        listing_printf(listing, "%d", at->producer_epoch);
        if (at->coordinator_epoch >= 0)
            listing_printf(listing, "%d", at->coordinator_epoch);
        else
            listing_add(listing, NULL);
        listing_printf(listing, "%lld", (long long)at->start_offset);
        listing_printf(listing, "%lld", (long long)at->last_ms);
        listing_printf(listing, "%lld", (long long)(search->now_ms - at->last_ms));
    }
}

static void run(struct search *search, struct listing *listing)
{
    if (!cluster_open(&search->cluster, &search->admin) || !find_open(search))
        return;
    if (search->open_count > 0 && !find_expected(search)) {
        search->admin.failed = true;
        return;
    }
    search->open_count =
        hanging_keep(search->open, search->open_count, search->expected, search->expected_count);
    list_hanging(search, listing);
}

static bool read_arguments(struct search *search)
{
    const struct command_call *call = search->admin.call;
    const char *longest = call_value(call, &txn_flag_max_timeout, NULL);
    struct call_number broker = {&txn_flag_broker, 0, INT32_MAX, TXN_LEADERS};
    struct call_number partition = {&txn_flag_partition, 0, INT32_MAX, -1};
    search->timeout_ms_max = MAX_TIMEOUT_MS_DEFAULT;
    if (longest != NULL &&
        !offset_duration_parse(slice_of_text(longest), &search->timeout_ms_max)) {
        console_error(call->console,
                      "--max-transaction-timeout %s: must be a duration, such as 15m or 1h",
                      longest);
        return false;
    }
    if (call_has(call, &txn_flag_partition) && !call_has(call, &txn_flag_topic)) {
        console_error(call->console, "--partition is one of a --topic");
        return false;
    }
    return call_number(call, broker, &search->broker_id) &&
           call_number(call, partition, &search->partition);
}

enum exit_code txn_find_hanging(const struct command_call *call)
{
    struct search search = {0};
    struct listing listing;
    enum exit_code code = admin_prepare(&search.admin, call);
    if (code == EXIT_CODE_OK && !read_arguments(&search))
        code = EXIT_CODE_USAGE;
    if (code == EXIT_CODE_OK)
        code = admin_connect(&search.admin);
    if (code == EXIT_CODE_OK) {
        listing_init(&listing, "transactions", columns, COUNT_OF(columns));
        run(&search, &listing);
        code = admin_finish(&search.admin, &listing);
    }
    cluster_close(&search.cluster);
    admin_close(&search.admin);
    return code;
}
