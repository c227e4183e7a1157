/* ListTransactions, versions 0 to 2: the transactional ids of all coordinators of this node that
 * pass the filters. They are looked at on the coordinators' shards. On the request's shard. */
#include "api/coordination.h"
#include "api/handlers.h"
#include "base/pattern.h"
#include "tbl/txn_states.h"
#include "txn/txns.h"
#include "wire/msg/list_transactions_request.h"
#include "wire/msg/list_transactions_response.h"

/* An id that passed. */
struct row {
    struct list link; /* first: api/coordination.h */
    struct list_transactions_response_transaction_states told;
};

/* One machine's, while it is listed. */
struct filter {
    struct census_part *part;
    const struct list_transactions_request *asked;
    struct pattern *pattern; /* NULL: any */
    int64_t wall_ms;
};

/* ---- filters ---- */

static bool is_state(struct slice name)
{
#define TXN_STATES_IS_(NAME, number, text) slice_is(name, text) ||
    return TXN_STATES(TXN_STATES_IS_) false;
#undef TXN_STATES_IS_
}

static bool has_state(const struct list_transactions_request *asked, const char *state)
{
    for (int32_t i = 0; i < asked->state_filters_count; i++)
        if (slice_is(asked->state_filters[i], state))
            return true;
    return asked->state_filters_count <= 0;
}

static bool has_producer(const struct list_transactions_request *asked, int64_t producer_id)
{
    for (int32_t i = 0; i < asked->producer_id_filters_count; i++)
        if (asked->producer_id_filters[i] == producer_id)
            return true;
    return asked->producer_id_filters_count <= 0;
}

/* As Kafka: what was never begun lasts since the year 1970. */
static bool lasts(const struct filter *filter, int64_t started_ms)
{
    int64_t longer_than_ms = filter->asked->duration_filter;
    return longer_than_ms < 0 || filter->wall_ms - started_ms > longer_than_ms;
}

static void on_txn(void *context, const struct txn_listing *listing)
{
    const struct filter *filter = context;
    struct census_part *part = filter->part;
    bool passes = has_producer(filter->asked, listing->producer_id) &&
                  has_state(filter->asked, listing->state) && lasts(filter, listing->started_ms) &&
                  (filter->pattern == NULL || pattern_matches(filter->pattern, listing->id));
    struct row *row = passes ? ARENA_NEW(&part->arena, struct row) : NULL;
    if (row == NULL)
        return;
    row->told = (struct list_transactions_response_transaction_states){
        .transactional_id = arena_copy(&part->arena, listing->id),
        .producer_id = listing->producer_id,
        .transaction_state = slice_of_text(listing->state),
    };
    list_init(&row->link);
    list_add_tail(&part->rows, &row->link);
    part->row_count++;
}

static bool has_pattern(const struct list_transactions_request *asked)
{
    return asked->transactional_id_pattern.size > 0;
}

static void on_machine(struct census_part *part, struct coord_machine *machine)
{
    char fault[PATTERN_FAULT_MAX];
    struct filter filter = {
        .part = part,
        .asked = API_MESSAGE(part->all->request, list_transactions_request),
        .wall_ms = machine->world->wall_ms,
    };
    if (has_pattern(filter.asked))
        filter.pattern = pattern_new(filter.asked->transactional_id_pattern, fault);
    if (!has_pattern(filter.asked) || filter.pattern != NULL)
        txns_list(machine, on_txn, &filter);
    pattern_free(filter.pattern);
}

/* ---- the answer ---- */

static void answer_error(struct api_request *request, enum err err)
{
    struct list_transactions_response response = list_transactions_response_default;
    response.error_code = (int16_t)err;
    api_request_answer(request, &response);
}

/* false: memory is out. */
static bool fill_unknown_states(struct api_request *request,
                                struct list_transactions_response *response)
{
    const struct list_transactions_request *asked = API_MESSAGE(request, list_transactions_request);
    size_t count = (size_t)MAX_OF(asked->state_filters_count, (int32_t)0);
    response->unknown_state_filters = ARENA_ARRAY(&request->arena, struct slice, count);
    for (size_t i = 0; i < count && !request->arena.failed; i++)
        if (!is_state(asked->state_filters[i]))
            response->unknown_state_filters[response->unknown_state_filters_count++] =
                asked->state_filters[i];
    return !request->arena.failed;
}

static void on_done(struct census *census)
{
    struct api_request *request = census->request;
    if (census->is_loading) {
        answer_error(request, ERR_COORDINATOR_LOAD_IN_PROGRESS);
        return;
    }
    size_t count = 0;
    for (int i = 0; i < census->part_count; i++)
        count += (size_t)census->parts[i].row_count;
    struct list_transactions_response response = list_transactions_response_default;
    response.unknown_state_filters_count = 0;
    response.transaction_states_count = 0;
    response.transaction_states =
        ARENA_ARRAY(&request->arena, struct list_transactions_response_transaction_states, count);
    if (request->arena.failed || !fill_unknown_states(request, &response)) {
        api_request_fail(request, "memory for ListTransactions is out");
        return;
    }
    for (int i = 0; i < census->part_count; i++)
        LIST_EACH (&census->parts[i].rows, node)
            response.transaction_states[response.transaction_states_count++] =
                CONTAINER_OF(node, struct row, link)->told;
    api_request_answer(request, &response);
}

void api_handle_list_transactions(struct api_request *request)
{
    role_now_on_shard();
    const struct list_transactions_request *asked = API_MESSAGE(request, list_transactions_request);
    char fault[PATTERN_FAULT_MAX];
    struct pattern *pattern =
        has_pattern(asked) ? pattern_new(asked->transactional_id_pattern, fault) : NULL;
    bool bad = has_pattern(asked) && pattern == NULL;
    pattern_free(pattern);
    if (bad) {
        answer_error(request, ERR_INVALID_REGULAR_EXPRESSION);
        return;
    }
    struct census *census = census_new(request, COORD_TXNS);
    if (census != NULL)
        census_run(census, on_machine, on_done);
}
