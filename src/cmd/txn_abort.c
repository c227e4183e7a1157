/* ottla txn abort: ends a hanging transaction in one partition with a marker of its own. The
 * coordinator of the transaction is not asked: it has forgotten this partition, which is why the
 * transaction hangs there. One thread. */
#include "cmd/txn.h"
#include "cmd/txn_model.h"
#include "cmd/words.h"
#include "tbl/errors.h"
#include "wire/msg/write_txn_markers_request.h"
#include "wire/msg/write_txn_markers_response.h"

#include <stdio.h>

const struct command_flag txn_flag_start_offset = {0, "start-offset", "OFFSET",
                                                   "the transaction that begins at this offset"};
const struct command_flag txn_flag_producer_id = {
    0, "producer-id", "N", "the producer's, with both epochs, instead of an offset"};
const struct command_flag txn_flag_producer_epoch = {0, "producer-epoch", "N",
                                                     "of the open transaction"};
const struct command_flag txn_flag_coordinator_epoch = {
    0, "coordinator-epoch", "N", "as ottla txn producers shows it; 0 where that is -"};

#define MOVED_ATTEMPTS 20
#define PAUSE_MS 100

static const struct listing_column columns[] = {
    {"TOPIC", LISTING_TEXT},         {"PARTITION", LISTING_NUMBER},
    {"PRODUCER-ID", LISTING_NUMBER}, {"PRODUCER-EPOCH", LISTING_NUMBER},
    {"STATUS", LISTING_TEXT},
};

struct txn_end {
    struct cluster cluster;
    struct admin admin;
    struct slice topic;
    int32_t partition;
    int64_t start_offset; /* -1: by the producer */
    int64_t producer_id;
    int64_t producer_epoch;
    int64_t coordinator_epoch;
};

static void report(struct txn_end *end, int code)
{
    const char *hint = code == ERR_INVALID_PRODUCER_EPOCH
                           ? "ottla txn producers shows the epochs of who writes there."
                           : NULL;
    admin_report(
        &end->admin,
        &(struct admin_fault){.what = end->admin.call->arguments[0], .code = code, .hint = hint});
}

/* ---- which transaction ---- */

static bool find_open(struct txn_end *end, const struct txn_partition *at)
{
    for (int32_t i = 0; at->answer != NULL && i < at->answer->active_producers_count; i++) {
        const struct describe_producers_response_topics_partitions_active_producers *producer =
            &at->answer->active_producers[i];
        if (producer->current_txn_start_offset != end->start_offset)
            continue;
        end->producer_id = producer->producer_id;
        end->producer_epoch = producer->producer_epoch;
        /* Without a marker by a coordinator so far: lower than any that there may be. */
        end->coordinator_epoch = MAX_OF(producer->coordinator_epoch, 0);
        return true;
    }
    if (at->answer != NULL) {
        console_error(end->admin.call->console,
                      "%s: no open transaction begins at %lld; ottla txn producers shows those "
                      "that are open",
                      end->admin.call->arguments[0], (long long)end->start_offset);
        end->admin.failed = true;
    }
    return false;
}

/* The partition's leader by the newest metadata. false: reported. */
static bool find_leader(struct txn_end *end, struct txn_partition *ret_at)
{
    const char *name = admin_text(&end->admin, end->topic);
    size_t count;
    if (!cluster_know_topics(&end->cluster, &name, 1))
        return false;
    struct txn_partition *list = txn_partitions(&end->cluster, TXN_LEADERS, &count);
    for (size_t i = 0; i < count && list != NULL; i++)
        if (list[i].partition == end->partition) {
            *ret_at = list[i];
            return true;
        }
    if (!end->admin.failed)
        report(end, ERR_UNKNOWN_TOPIC_OR_PARTITION);
    return false;
}

/* ---- ending it ---- */

static bool is_passing(int error)
{
    return error == ERR_NOT_LEADER_OR_FOLLOWER || error == ERR_REPLICA_NOT_AVAILABLE ||
           error == ERR_BROKER_NOT_AVAILABLE || error == ERR_UNKNOWN_TOPIC_OR_PARTITION;
}

/* What the leader says to the marker. false: reported. */
static bool write_marker(struct txn_end *end, int32_t leader, int *ret_error)
{
    struct write_txn_markers_request ask = write_txn_markers_request_default;
    struct write_txn_markers_request_markers marker = write_txn_markers_request_markers_default;
    struct write_txn_markers_request_markers_topics topic =
        write_txn_markers_request_markers_topics_default;
    struct write_txn_markers_response answer;
    struct cluster_ask request = {.message = &wire_write_txn_markers_request, .request = &ask};
    topic.name = end->topic;
    topic.partition_indexes = &end->partition;
    topic.partition_indexes_count = 1;
    marker.producer_id = end->producer_id;
    marker.producer_epoch = (int16_t)end->producer_epoch;
    marker.coordinator_epoch = (int32_t)end->coordinator_epoch;
    marker.topics = &topic;
    marker.topics_count = 1;
    ask.markers = &marker;
    ask.markers_count = 1;
    if (!cluster_ask_node(&end->cluster, leader, &request, &answer))
        return false;
    *ret_error = ERR_UNKNOWN_SERVER_ERROR; /* an answer about something else */
    if (answer.markers_count == 1 && answer.markers[0].topics_count == 1 &&
        answer.markers[0].topics[0].partitions_count == 1)
        *ret_error = answer.markers[0].topics[0].partitions[0].error_code;
    return true;
}

static bool end_it(struct txn_end *end, struct txn_partition *at)
{
    int error = ERR_NONE;
    for (int attempt = 1; attempt <= MOVED_ATTEMPTS; attempt++) {
        if (!write_marker(end, at->node_id, &error))
            return false;
        if (!is_passing(error))
            break;
        client_pause(&end->admin.client, PAUSE_MS);
        if (!find_leader(end, at))
            return false;
    }
    if (error != ERR_NONE)
        report(end, error);
    return error == ERR_NONE;
}

/* ---- the command ---- */

static void abort_txn(struct txn_end *end, struct listing *listing)
{
    struct txn_partition at;
    if (!cluster_open(&end->cluster, &end->admin) || !find_leader(end, &at))
        return;
    if (end->start_offset >= 0) {
        txn_ask_producers(&end->cluster, &at, 1);
        if (!find_open(end, &at))
            return;
    }
    if (!end_it(end, &at))
        return;
    listing_add(listing, admin_text(&end->admin, end->topic));
    listing_printf(listing, "%d", end->partition);
    listing_printf(listing, "%lld", (long long)end->producer_id);
    listing_printf(listing, "%lld", (long long)end->producer_epoch);
    listing_add(listing, "aborted");
}

static bool read_place(struct txn_end *end, const char *text)
{
    struct words_topic words;
    if (!words_topic_parse(text, &end->admin.arena, &words) || words.partition_count != 1) {
        console_error(end->admin.call->console, "%s: TOPIC:PARTITION is wanted, as in orders:0",
                      text);
        return false;
    }
    end->topic = words.topic;
    end->partition = words.partitions[0];
    return true;
}

static bool read_arguments(struct txn_end *end)
{
    const struct command_call *call = end->admin.call;
    struct call_number start = {&txn_flag_start_offset, 0, INT64_MAX, -1};
    struct call_number id = {&txn_flag_producer_id, 0, INT64_MAX, -1};
    struct call_number epoch = {&txn_flag_producer_epoch, 0, INT16_MAX, -1};
    struct call_number coordinator = {&txn_flag_coordinator_epoch, -1, INT32_MAX, 0};
    if (!call_number(call, start, &end->start_offset) ||
        !call_number(call, id, &end->producer_id) ||
        !call_number(call, epoch, &end->producer_epoch) ||
        !call_number(call, coordinator, &end->coordinator_epoch))
        return false;
    bool by_offset = call_has(call, &txn_flag_start_offset);
    bool some = call_has(call, &txn_flag_producer_id) || call_has(call, &txn_flag_producer_epoch) ||
                call_has(call, &txn_flag_coordinator_epoch);
    bool all = call_has(call, &txn_flag_producer_id) && call_has(call, &txn_flag_producer_epoch) &&
               call_has(call, &txn_flag_coordinator_epoch);
    if (by_offset == some || some != all) {
        console_error(call->console,
                      "which transaction? Either --start-offset, or --producer-id with "
                      "--producer-epoch and --coordinator-epoch");
        return false;
    }
    end->coordinator_epoch = MAX_OF(end->coordinator_epoch, 0);
    return read_place(end, call->arguments[0]);
}

static enum exit_code ask_first(const struct command_call *call)
{
    char question[512];
    (void)snprintf(question, sizeof question,
                   "What the transaction wrote to %s will not be seen by readers of committed "
                   "records.",
                   call->arguments[0]);
    return admin_confirm(call, "aborts it", question);
}

enum exit_code txn_abort(const struct command_call *call)
{
    struct txn_end end = {0};
    struct listing listing;
    enum exit_code code = admin_prepare(&end.admin, call);
    if (code == EXIT_CODE_OK && !read_arguments(&end))
        code = EXIT_CODE_USAGE;
    if (code == EXIT_CODE_OK)
        code = ask_first(call);
    if (code == EXIT_CODE_OK)
        code = admin_connect(&end.admin);
    if (code == EXIT_CODE_OK) {
        listing_init(&listing, "transactions", columns, COUNT_OF(columns));
        abort_txn(&end, &listing);
        code = admin_finish(&end.admin, &listing);
    }
    cluster_close(&end.cluster);
    admin_close(&end.admin);
    return code;
}
