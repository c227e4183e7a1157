/* See the header. */
#include "txn/test/txns_story.h"

#include "base/always.h"
#include "txn/txns.h"
#include "wire/msg/add_offsets_to_txn_request.h"
#include "wire/msg/add_partitions_to_txn_request.h"
#include "wire/msg/add_partitions_to_txn_response.h"
#include "wire/msg/end_txn_request.h"
#include "wire/msg/end_txn_response.h"
#include "wire/msg/init_producer_id_request.h"
#include "wire/msg/init_producer_id_response.h"
#include "wire/msg/transaction_log_key.h"
#include "wire/msg/transaction_log_value.h"

#include <stdio.h>
#include <stdlib.h>

#define INIT_PRODUCER_ID 22
#define ADD_OFFSETS_TO_TXN 25
#define END_TXN 26

/* Of the producer's own. */
static struct kit_call *last_call(const struct coord_kit *kit, const struct teller *teller)
{
    size_t size = strlen(teller->name);
    struct kit_call *last = NULL;
    for (struct kit_call *call = kit->calls; call != NULL; call = call->next)
        if (strncmp(call->name, teller->name, size) == 0 && call->name[size] == ' ')
            last = call;
    ALWAYS(last != NULL, "%s has called", teller->name);
    return last;
}

/* What it is about outlives it: in the kit's arena. */
static struct kit_call *call(struct coord_kit *kit, const struct teller *teller, const char *verb,
                             coord_op_fn op, struct kit_call_options options)
{
    options.name = arena_printf(&kit->arena, "%s %s", teller->name, verb);
    options.key = teller->id;
    return coord_kit_call(kit, op, &options);
}

static void init(struct coord_kit *kit, struct teller *teller, int32_t timeout_ms, bool goes_on)
{
    struct init_producer_id_request *request =
        ARENA_NEW(&kit->arena, struct init_producer_id_request);
    *request = init_producer_id_request_default;
    request->transactional_id = slice_of_text(teller->id);
    request->transaction_timeout_ms = timeout_ms;
    if (goes_on) {
        request->producer_id = teller->producer_id;
        request->producer_epoch = teller->epoch;
    }
    (void)call(
        kit, teller, goes_on ? "bumps" : "inits", txns_init_producer,
        (struct kit_call_options){.api_key = INIT_PRODUCER_ID, .version = 5, .request = request});
}

void teller_inits(struct coord_kit *kit, struct teller *teller, int32_t timeout_ms)
{
    init(kit, teller, timeout_ms, false);
}

void teller_bumps(struct coord_kit *kit, struct teller *teller, int32_t timeout_ms)
{
    init(kit, teller, timeout_ms, true);
}

/* Partitions of one topic side by side become one. */
static void parse(struct coord_kit *kit, const char *partitions,
                  struct add_partitions_to_txn_request_transactions *request)
{
    size_t room = strlen(partitions) + 1;
    request->topics =
        ARENA_ARRAY(&kit->arena, struct add_partitions_to_txn_request_transactions_topics, room);
    for (const char *at = partitions; *at != '\0';) {
        const char *dash = strchr(at, '-');
        struct slice name = slice_of(at, (size_t)(dash - at));
        struct add_partitions_to_txn_request_transactions_topics *topic =
            request->topics_count > 0 ? &request->topics[request->topics_count - 1] : NULL;
        if (topic == NULL || !slice_equal(topic->name, name)) {
            topic = &request->topics[request->topics_count++];
            topic->name = name;
            topic->partitions = ARENA_ARRAY(&kit->arena, int32_t, room);
        }
        char *end;
        topic->partitions[topic->partitions_count++] = (int32_t)strtol(dash + 1, &end, 10);
        at = *end == ' ' ? end + 1 : end;
    }
}

static void tell_results(struct coord_kit *kit, const struct kit_call *made)
{
    const struct add_partitions_to_txn_response_results_by_transaction *response =
        made->call.response;
    ALWAYS(made->answered && response != NULL, "partitions are answered at once");
    for (int32_t i = 0; i < response->topic_results_count; i++)
        for (int32_t j = 0; j < response->topic_results[i].results_by_partition_count; j++)
            text_printf(&kit->story, "  %.*s-%d %s\n", SLICE_ARG(response->topic_results[i].name),
                        response->topic_results[i].results_by_partition[j].partition_index,
                        err_name((enum err)response->topic_results[i]
                                     .results_by_partition[j]
                                     .partition_error_code));
}

static void add(struct coord_kit *kit, struct teller *teller, const char *partitions,
                bool verify_only)
{
    struct add_partitions_to_txn_request_transactions *request =
        ARENA_NEW(&kit->arena, struct add_partitions_to_txn_request_transactions);
    request->transactional_id = slice_of_text(teller->id);
    request->producer_id = teller->producer_id;
    request->producer_epoch = teller->epoch;
    request->verify_only = verify_only;
    parse(kit, partitions, request);
    const struct kit_call *made =
        call(kit, teller, verify_only ? "verifies" : "adds", txns_add_partitions,
             (struct kit_call_options){
                 .api_key = -1, .version = teller->end_version >= 5 ? 5 : 3, .request = request});
    tell_results(kit, made);
}

void teller_adds(struct coord_kit *kit, struct teller *teller, const char *partitions)
{
    add(kit, teller, partitions, false);
}

void teller_verifies(struct coord_kit *kit, struct teller *teller, const char *partitions)
{
    add(kit, teller, partitions, true);
}

void teller_adds_offsets(struct coord_kit *kit, struct teller *teller, const char *group)
{
    struct add_offsets_to_txn_request *request =
        ARENA_NEW(&kit->arena, struct add_offsets_to_txn_request);
    request->transactional_id = slice_of_text(teller->id);
    request->producer_id = teller->producer_id;
    request->producer_epoch = teller->epoch;
    request->group_id = slice_of_text(group);
    (void)call(
        kit, teller, "adds offsets", txns_add_offsets,
        (struct kit_call_options){.api_key = ADD_OFFSETS_TO_TXN, .version = 3, .request = request});
}

void teller_ends(struct coord_kit *kit, struct teller *teller, bool commits)
{
    struct end_txn_request *request = ARENA_NEW(&kit->arena, struct end_txn_request);
    request->transactional_id = slice_of_text(teller->id);
    request->producer_id = teller->producer_id;
    request->producer_epoch = teller->epoch;
    request->committed = commits;
    (void)call(kit, teller, commits ? "commits" : "aborts", txns_end,
               (struct kit_call_options){
                   .api_key = END_TXN, .version = teller->end_version, .request = request});
}

void teller_takes(struct coord_kit *kit, struct teller *teller)
{
    const struct kit_call *made = last_call(kit, teller);
    ALWAYS(made->answered && made->call.err == ERR_NONE && made->call.response != NULL,
           "%s is answered", made->name);
    if (made->api_key == INIT_PRODUCER_ID) {
        const struct init_producer_id_response *response = made->call.response;
        teller->producer_id = response->producer_id;
        teller->epoch = response->producer_epoch;
    } else if (teller->end_version >= 5) {
        const struct end_txn_response *response = made->call.response;
        teller->producer_id = response->producer_id;
        teller->epoch = response->producer_epoch;
    }
}

void teller_is_at(struct coord_kit *kit, struct teller *teller, int16_t epoch)
{
    struct transaction_log_key key = {.transactional_id = slice_of_text(teller->id)};
    struct transaction_log_value value = transaction_log_value_default;
    value.producer_id = teller->producer_id;
    value.previous_producer_id = teller->producer_id;
    value.producer_epoch = epoch;
    value.transaction_timeout_ms = 60000;
    value.transaction_partitions_count = -1;
    value.transaction_last_update_timestamp_ms = kit->world.wall_ms;
    value.transaction_start_timestamp_ms = -1;
    struct coord_record record = {.key_message = &wire_transaction_log_key,
                                  .key = &key,
                                  .value_message = &wire_transaction_log_value,
                                  .value = &value,
                                  .value_version = 1};
    const char *fault = kit->type->replay(kit->machine, &record);
    ALWAYS(fault == NULL, "a record is refused: %s", fault);
    teller->epoch = epoch;
}

/* ---- the story in short ---- */

static int64_t number_in(const char *line, const char *name, int64_t absent)
{
    char key[64];
    (void)snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(line, key);
    return at != NULL ? strtoll(at + strlen(key), NULL, 10) : absent;
}

static void tell_moment(struct text *text, const char *what, int64_t ms)
{
    if (ms >= 0)
        text_printf(text, "%s+%lld", what, (long long)(ms - 1700000000000));
}

static void tell_partitions(struct text *text, const char *line)
{
    const char *at = strstr(line, "\"transactionPartitions\":[");
    const char *topic = at != NULL ? strstr(at, "{\"topic\":\"") : NULL;
    if (topic != NULL)
        text_add_char(text, ':');
    for (; topic != NULL; topic = strstr(topic + 1, "{\"topic\":\"")) {
        const char *name = topic + strlen("{\"topic\":\"");
        int size = (int)strcspn(name, "\"");
        const char *ids = strchr(name, '[');
        while (*ids == '[' || *ids == ',') {
            char *end;
            long id = strtol(ids + 1, &end, 10);
            if (end == ids + 1)
                break;
            text_printf(text, " %.*s-%ld", size, name, id);
            ids = end;
        }
    }
}

static void tell_record(struct text *text, const char *line)
{
    static const char *const states[] = {"Empty",        "Ongoing",        "PrepareCommit",
                                         "PrepareAbort", "CompleteCommit", "CompleteAbort"};
    const char *id = line + strlen("record {\"transactionalId\":\"");
    text_printf(text, "%.*s: ", (int)strcspn(id, "\""), id);
    int64_t state = number_in(line, "transactionStatus", -1);
    if (state < 0) {
        text_printf(text, "gone\n");
        return;
    }
    text_printf(text, "%s %lld/%lld", states[state], (long long)number_in(line, "producerId", -1),
                (long long)number_in(line, "producerEpoch", -1));
    text_printf(text, " was %lld", (long long)number_in(line, "previousProducerId", -1));
    int64_t next = number_in(line, "nextProducerId", -1);
    if (next >= 0)
        text_printf(text, " then %lld", (long long)next);
    text_printf(text, " v%lld for %lld ms,",
                (long long)number_in(line, "clientTransactionVersion", 0),
                (long long)number_in(line, "transactionTimeoutMs", -1));
    tell_moment(text, " at ", number_in(line, "transactionLastUpdateTimestampMs", -1));
    tell_moment(text, " since ", number_in(line, "transactionStartTimestampMs", -1));
    tell_partitions(text, line);
    text_add_char(text, '\n');
}

void story_is(struct coord_kit *kit, const char *expected)
{
    struct text brief;
    text_init(&brief, 1024 * 1024);
    char *story = kit->story.size > 0 ? kit->story.data : NULL;
    for (char *line = story; line != NULL && *line != '\0';) {
        char *end = strchr(line, '\n');
        *end = '\0';
        if (strncmp(line, "record {\"transactionalId\"", 25) == 0)
            tell_record(&brief, line);
        else
            text_printf(&brief, "%s\n", line);
        line = end + 1;
    }
    text_fini(&kit->story);
    kit->story = brief;
    coord_kit_expect(kit, expected);
}
