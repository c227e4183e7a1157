/* ottla txn describe: what the coordinators of transactional ids know of them. One thread. */
#include "cmd/txn.h"
#include "cmd/txn_model.h"
#include "sys/clock.h"
#include "tbl/errors.h"
#include "wire/msg/describe_transactions_request.h"

static const struct listing_column columns[] = {
    {"TRANSACTIONAL-ID", LISTING_TEXT},
    {"COORDINATOR", LISTING_NUMBER},
    {"PRODUCER-ID", LISTING_NUMBER},
    {"PRODUCER-EPOCH", LISTING_NUMBER},
    {"STATE", LISTING_TEXT},
    {"TIMEOUT-MS", LISTING_NUMBER},
    {"START-TIME-MS", LISTING_NUMBER},
    {"DURATION-MS", LISTING_NUMBER},
    {"PARTITIONS", LISTING_TEXT},
};

static int error_of(const void *answer)
{
    const struct describe_transactions_response *a = answer;
    return a->transaction_states_count > 0 ? a->transaction_states[0].error_code : ERR_NONE;
}

bool txn_read(struct cluster *cluster, const char *id,
              struct describe_transactions_response_transaction_states *ret_txn,
              int32_t *ret_coordinator)
{
    struct slice name = slice_of_text(id);
    struct describe_transactions_request ask = describe_transactions_request_default;
    struct describe_transactions_response answer;
    struct cluster_key key = {.kind = CLUSTER_TXN, .id = id, .error_of = error_of};
    struct cluster_ask request = {.message = &wire_describe_transactions_request, .request = &ask};
    ask.transactional_ids = &name;
    ask.transactional_ids_count = 1;
    if (!cluster_ask_coordinator(cluster, &key, &request, &answer, ret_coordinator))
        return false;
    *ret_txn = describe_transactions_response_transaction_states_default;
    ret_txn->error_code = ERR_TRANSACTIONAL_ID_NOT_FOUND;
    if (answer.transaction_states_count > 0)
        *ret_txn = answer.transaction_states[0];
    if (ret_txn->error_code == ERR_NONE || ret_txn->error_code == ERR_TRANSACTIONAL_ID_NOT_FOUND)
        return true;
    admin_report(cluster->admin, &(struct admin_fault){.what = id, .code = ret_txn->error_code});
    return false;
}

/* "orders:0,1 payments:3" */
static void add_partitions(struct admin *admin, struct listing *listing,
                           const struct describe_transactions_response_transaction_states *txn)
{
    struct text text;
    text_init(&text, (size_t)1 << 24);
    for (int32_t t = 0; t < txn->topics_count; t++)
        for (int32_t p = 0; p < txn->topics[t].partitions_count; p++)
            if (p == 0)
                text_printf(&text, "%s%.*s:%d", t > 0 ? " " : "", SLICE_ARG(txn->topics[t].topic),
                            txn->topics[t].partitions[p]);
            else
                text_printf(&text, ",%d", txn->topics[t].partitions[p]);
    listing_add(listing, text.size > 0 ? admin_text(admin, text_slice(&text)) : NULL);
    text_fini(&text);
}

static void describe(struct cluster *cluster, const char *id, struct listing *listing)
{
    struct describe_transactions_response_transaction_states txn;
    int32_t coordinator;
    if (!txn_read(cluster, id, &txn, &coordinator))
        return;
    if (txn.error_code != ERR_NONE) {
        admin_report(cluster->admin, &(struct admin_fault){.what = id,
                                                           .code = txn.error_code,
                                                           .hint = "See ottla txn list."});
        return;
    }
    listing_add(listing, id);
    listing_printf(listing, "%d", coordinator);
    listing_printf(listing, "%lld", (long long)txn.producer_id);
    listing_printf(listing, "%d", txn.producer_epoch);
    listing_add(listing, admin_text(cluster->admin, txn.transaction_state));
    listing_printf(listing, "%d", txn.transaction_timeout_ms);
    if (txn.transaction_start_time_ms >= 0) {
        listing_printf(listing, "%lld", (long long)txn.transaction_start_time_ms);
        listing_printf(listing, "%lld", (long long)(sys_wall_ms() - txn.transaction_start_time_ms));
    } else {
        listing_add(listing, NULL);
        listing_add(listing, NULL);
    }
    add_partitions(cluster->admin, listing, &txn);
}

enum exit_code txn_describe(const struct command_call *call)
{
    struct admin admin;
    struct cluster cluster = {0};
    enum exit_code code = admin_open(&admin, call);
    if (code == EXIT_CODE_OK) {
        struct listing listing;
        listing_init(&listing, "transactions", columns, COUNT_OF(columns));
        bool fine = cluster_open(&cluster, &admin);
        for (int i = 0; i < call->argument_count && fine; i++)
            describe(&cluster, call->arguments[i], &listing);
        code = admin_finish(&admin, &listing);
    }
    cluster_close(&cluster);
    admin_close(&admin);
    return code;
}
