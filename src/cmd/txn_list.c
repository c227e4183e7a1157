/* ottla txn list: every broker tells the transactional ids that it coordinates. One thread. */
#include "cmd/offsets.h"
#include "cmd/txn.h"
#include "cmd/txn_model.h"
#include "cmd/words.h"
#include "sys/clock.h"
#include "tbl/errors.h"
#include "wire/msg/list_transactions_response.h"

#include <stdlib.h>

#define PAUSE_MS 100

const struct command_flag txn_flag_state = {
    0, "state", "STATES", "only those in one of these states, as Ongoing,PrepareAbort"};
const struct command_flag txn_flag_producer_ids = {0, "producer-id", "N,N...",
                                                   "only those of these producers"};
const struct command_flag txn_flag_running_for = {
    0, "running-for", "DURATION", "only transactions that began longer ago, as 5m or 1h30m"};
const struct command_flag txn_flag_id_regex = {0, "id-regex", "REGEX",
                                               "only transactional ids that match it as a whole"};

static const struct listing_column columns[] = {
    {"TRANSACTIONAL-ID", LISTING_TEXT},
    {"COORDINATOR", LISTING_NUMBER},
    {"PRODUCER-ID", LISTING_NUMBER},
    {"STATE", LISTING_TEXT},
};

static const char *const states[] = {
    "Empty",          "Ongoing",       "PrepareCommit",     "PrepareAbort",
    "CompleteCommit", "CompleteAbort", "PrepareEpochFence", "Dead"};
static const struct admin_choice choice_of_states = {
    &txn_flag_state, states, COUNT_OF(states),
    "must be among Empty, Ongoing, PrepareCommit, PrepareAbort, CompleteCommit, CompleteAbort, "
    "PrepareEpochFence and Dead"};

/* ---- finding ---- */

struct finding {
    struct cluster *cluster;
    const struct list_transactions_request *ask;
    struct txn_row *rows;
    size_t count;
};

static bool out_of_memory(struct admin *admin)
{
    console_error(admin->call->console, "out of memory");
    admin->failed = true;
    return false;
}

static bool add_rows(struct finding *finding, const struct list_transactions_response *answer,
                     int32_t node_id)
{
    size_t count = finding->count + (size_t)MAX_OF(answer->transaction_states_count, 0);
    struct txn_row *more = ARENA_ARRAY(&finding->cluster->admin->arena, struct txn_row, count + 1);
    if (more == NULL)
        return out_of_memory(finding->cluster->admin);
    for (size_t i = 0; i < finding->count; i++)
        more[i] = finding->rows[i];
    for (int32_t i = 0; i < answer->transaction_states_count; i++)
        more[finding->count++] =
            (struct txn_row){.id = answer->transaction_states[i].transactional_id,
                             .state = answer->transaction_states[i].transaction_state,
                             .producer_id = answer->transaction_states[i].producer_id,
                             .coordinator = node_id};
    finding->rows = more;
    return true;
}

/* A coordinator that is still loading is waited for. */
static bool find_on(struct finding *finding, int32_t node_id)
{
    struct admin *admin = finding->cluster->admin;
    int64_t deadline_ns = sys_mono_ns() + admin->timeout_ms * 1000000;
    struct list_transactions_response answer;
    struct cluster_ask request = {.message = &wire_list_transactions_request,
                                  .request = finding->ask};
    for (;;) {
        if (!cluster_ask_node(finding->cluster, node_id, &request, &answer))
            return false;
        if (answer.error_code != ERR_COORDINATOR_LOAD_IN_PROGRESS || sys_mono_ns() >= deadline_ns)
            break;
        client_pause(&admin->client, PAUSE_MS);
    }
    if (answer.error_code != ERR_NONE) {
        const char *broker = arena_printf(&admin->arena, "broker %d", node_id);
        const char *hint =
            answer.error_code == ERR_INVALID_REGULAR_EXPRESSION ? "See --id-regex." : NULL;
        admin_report(
            admin, &(struct admin_fault){.what = broker, .code = answer.error_code, .hint = hint});
        return false;
    }
    for (int32_t i = 0; i < answer.unknown_state_filters_count; i++) {
        console_error(admin->call->console, "--state %.*s: broker %d knows no such state",
                      SLICE_ARG(answer.unknown_state_filters[i]), node_id);
        admin->failed = true;
    }
    return add_rows(finding, &answer, node_id);
}

static int by_id(const void *a, const void *b)
{
    const struct txn_row *left = a;
    const struct txn_row *right = b;
    return slice_compare(left->id, right->id);
}

bool txn_find(struct cluster *cluster, const struct list_transactions_request *ask,
              struct txn_row **ret_rows, size_t *ret_count)
{
    struct finding finding = {.cluster = cluster, .ask = ask};
    bool fine = true;
    for (int32_t i = 0; i < cluster->metadata->brokers_count; i++)
        fine = find_on(&finding, cluster->metadata->brokers[i].node_id) && fine;
    if (finding.count > 0)
        qsort(finding.rows, finding.count, sizeof *finding.rows, by_id);
    *ret_rows = finding.rows;
    *ret_count = finding.count;
    return fine;
}

/* ---- the command ---- */

static bool read_producer_ids(struct admin *admin, struct list_transactions_request *ask)
{
    const char *text = call_value(admin->call, &txn_flag_producer_ids, "");
    if (!words_numbers_parse(text, &admin->arena, &ask->producer_id_filters,
                             &ask->producer_id_filters_count)) {
        console_error(admin->call->console, "--producer-id %s: must be numbers with commas between",
                      text);
        return false;
    }
    return true;
}

static bool read_arguments(struct admin *admin, struct list_transactions_request *ask)
{
    const char *running = call_value(admin->call, &txn_flag_running_for, NULL);
    ask->transactional_id_pattern =
        slice_of_text(call_value(admin->call, &txn_flag_id_regex, NULL));
    if (running != NULL && !offset_duration_parse(slice_of_text(running), &ask->duration_filter)) {
        console_error(admin->call->console,
                      "--running-for %s: must be a duration, such as 90s, 5m or 1h30m", running);
        return false;
    }
    return read_producer_ids(admin, ask) &&
           admin_choose(admin, &choice_of_states, &ask->state_filters, &ask->state_filters_count);
}

static void list(struct cluster *cluster, const struct list_transactions_request *ask)
{
    struct admin *admin = cluster->admin;
    struct listing listing;
    struct txn_row *rows;
    size_t count;
    if (!txn_find(cluster, ask, &rows, &count))
        admin->failed = true;
    listing_init(&listing, "transactions", columns, COUNT_OF(columns));
    for (size_t i = 0; i < count; i++) {
        listing_add(&listing, admin_text(admin, rows[i].id));
        listing_printf(&listing, "%d", rows[i].coordinator);
        listing_printf(&listing, "%lld", (long long)rows[i].producer_id);
        listing_add(&listing, admin_text(admin, rows[i].state));
    }
    admin_print(admin, &listing);
    listing_fini(&listing);
}

enum exit_code txn_list(const struct command_call *call)
{
    struct admin admin;
    struct cluster cluster = {0};
    struct list_transactions_request ask = list_transactions_request_default;
    enum exit_code code = admin_prepare(&admin, call);
    if (code == EXIT_CODE_OK && !read_arguments(&admin, &ask))
        code = EXIT_CODE_USAGE;
    if (code == EXIT_CODE_OK)
        code = admin_connect(&admin);
    if (code == EXIT_CODE_OK) {
        if (cluster_open(&cluster, &admin))
            list(&cluster, &ask);
        code = admin_result(&admin);
    }
    cluster_close(&cluster);
    admin_close(&admin);
    return code;
}
