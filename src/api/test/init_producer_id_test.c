/* InitProducerId: ids from blocks that the controller gives, requests that wait for one, what
 * cannot be had, and transactional producers. */
#include "api/test/api_kit.h"
#include "base/always.h"
#include "wire/msg/allocate_producer_ids_request.h"
#include "wire/msg/allocate_producer_ids_response.h"
#include "wire/msg/init_producer_id_request.h"
#include "wire/msg/init_producer_id_response.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MANY 25

static struct allocate_producer_ids_request seen;
static int64_t next_block;
static int32_t block_size;
static int calls_that_fail;

static void allocate(struct api_kit *kit, struct shard *controller, struct peer_call *call)
{
    role_now_on_shard();
    (void)kit;
    ALWAYS(call->api_key == 67 && call->api_version == 0, "API %d", call->api_key);
    const struct allocate_producer_ids_request *request = call->request;
    seen = *request;
    struct allocate_producer_ids_response *response =
        ARENA_NEW(&call->arena, struct allocate_producer_ids_response);
    *response = allocate_producer_ids_response_default;
    if (calls_that_fail > 0) {
        calls_that_fail--;
        response->error_code = ERR_STALE_BROKER_EPOCH;
    } else {
        response->producer_id_start = next_block;
        response->producer_id_len = block_size;
        if (block_size > 0 && next_block < INT64_MAX - block_size)
            next_block += block_size;
    }
    peer_answer(controller, call, ERR_NONE, response);
}

static void unreachable(struct api_kit *kit, struct shard *controller, struct peer_call *call)
{
    role_now_on_shard();
    (void)kit;
    peer_answer(controller, call, ERR_NOT_CONTROLLER, NULL);
}

static void init(struct api_kit *kit)
{
    api_kit_init(kit, NULL);
    api_kit_add_broker(kit->image, &(struct api_kit_broker){.id = 1, .host = "one", .port = 1});
    kit->on_call = allocate;
    next_block = 5000;
    block_size = 10;
    calls_that_fail = 0;
}

static struct init_producer_id_request idempotent(void)
{
    struct init_producer_id_request message = init_producer_id_request_default;
    message.transactional_id = slice_of(NULL, 0);
    message.transaction_timeout_ms = 60000;
    return message;
}

static void a_block_lasts(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit);
    struct init_producer_id_request message = idempotent();
    for (int64_t i = 0; i < 12; i++) {
        const struct init_producer_id_response *response =
            api_kit_ask(&kit, API_INIT_PRODUCER_ID, (int16_t)(i % 6), &message);
        assert_int_equal(response->error_code, ERR_NONE);
        assert_int_equal(response->producer_id, 5000 + i);
        assert_int_equal(response->producer_epoch, 0);
        assert_int_equal(kit.calls, i < 10 ? 1 : 2);
    }
    assert_int_equal(seen.broker_id, 1);
    assert_int_equal(seen.broker_epoch, 5);
    api_kit_fini(&kit);
}

/* More at once than a block has: answered in order, a block after the other, one call at a time. */
static void many_wait(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit);
    struct init_producer_id_request message = idempotent();
    struct api_exchange exchanges[MANY];
    for (int i = 0; i < MANY; i++)
        exchanges[i] =
            (struct api_exchange){.key = API_INIT_PRODUCER_ID, .version = 4, .message = &message};
    api_kit_run(&kit, exchanges, MANY);
    for (int i = 0; i < MANY; i++) {
        const struct init_producer_id_response *response = exchanges[i].response;
        assert_true(exchanges[i].answered);
        assert_int_equal(response->error_code, ERR_NONE);
        assert_int_equal(response->producer_id, 5000 + i);
    }
    assert_int_equal(kit.calls, 3);
    api_kit_fini(&kit);
}

static void no_block_to_be_had(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit);
    struct init_producer_id_request message = idempotent();
    struct api_exchange exchanges[3];
    for (int i = 0; i < 3; i++)
        exchanges[i] =
            (struct api_exchange){.key = API_INIT_PRODUCER_ID, .version = 5, .message = &message};
    calls_that_fail = 1;
    api_kit_run(&kit, exchanges, 3);
    for (int i = 0; i < 3; i++) {
        const struct init_producer_id_response *response = exchanges[i].response;
        assert_int_equal(response->error_code, ERR_COORDINATOR_LOAD_IN_PROGRESS);
        assert_int_equal(response->producer_id, -1);
        assert_int_equal(response->producer_epoch, -1);
    }
    assert_int_equal(kit.calls, 1);
    kit.on_call = unreachable;
    const struct init_producer_id_response *response =
        api_kit_ask(&kit, API_INIT_PRODUCER_ID, 5, &message);
    assert_int_equal(response->error_code, ERR_COORDINATOR_LOAD_IN_PROGRESS);
    kit.on_call = allocate;
    response = api_kit_ask(&kit, API_INIT_PRODUCER_ID, 5, &message);
    assert_int_equal(response->error_code, ERR_NONE);
    assert_int_equal(response->producer_id, 5000);
    api_kit_fini(&kit);
}

/* Blocks that say nonsense count as none. */
static void senseless_blocks(void **state)
{
    (void)state;
    static const struct {
        int64_t start;
        int32_t size;
    } rows[] = {{-1, 10}, {0, 0}, {0, -5}, {INT64_MAX - 3, 10}};
    struct api_kit kit;
    init(&kit);
    struct init_producer_id_request message = idempotent();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        next_block = rows[i].start;
        block_size = rows[i].size;
        const struct init_producer_id_response *response =
            api_kit_ask(&kit, API_INIT_PRODUCER_ID, 5, &message);
        assert_int_equal(response->error_code, ERR_COORDINATOR_LOAD_IN_PROGRESS);
    }
    api_kit_fini(&kit);
}

/* The connection of the request that holds the call ends: the others still get their ids. */
static void the_caller_is_gone(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit);
    struct init_producer_id_request message = idempotent();
    struct api_exchange exchanges[3];
    for (int i = 0; i < 3; i++)
        exchanges[i] = (struct api_exchange){
            .key = API_INIT_PRODUCER_ID, .version = 5, .message = &message, .abandoned = i == 0};
    api_kit_run(&kit, exchanges, 3);
    assert_false(exchanges[0].answered);
    assert_true(exchanges[1].answered);
    assert_true(exchanges[2].answered);
    const struct init_producer_id_response *last = exchanges[2].response;
    assert_int_equal(last->producer_id, 5002);
    api_kit_fini(&kit);
}

static void checks(void **state)
{
    (void)state;
    static const struct {
        const char *transactional_id;
        int32_t timeout_ms;
        int64_t producer_id;
        int16_t producer_epoch;
        enum err err;
    } rows[] = {
        {NULL, 60000, -1, -1, ERR_NONE},
        {NULL, -1, -1, -1, ERR_NONE},
        {NULL, 60000, 7, 3, ERR_NONE}, /* a new one: ids without transactions are not kept */
        {NULL, 60000, -2, 3, ERR_NONE},
        {NULL, 60000, 7, -1, ERR_INVALID_REQUEST},
        {NULL, 60000, -1, 3, ERR_INVALID_REQUEST},
        {"", 60000, -1, -1, ERR_INVALID_REQUEST},
        {"t", 900001, -1, -1, ERR_INVALID_TRANSACTION_TIMEOUT},
        {"t", 0, -1, -1, ERR_INVALID_TRANSACTION_TIMEOUT},
        {"t", -1, -1, -1, ERR_INVALID_TRANSACTION_TIMEOUT},
        {"t", 60000, 4, -1, ERR_INVALID_REQUEST},
        {"t", 900000, -1, -1, ERR_NOT_COORDINATOR},
        {"t", 60000, 4, 4, ERR_NOT_COORDINATOR},
    };
    struct api_kit kit;
    init(&kit);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct init_producer_id_request message = idempotent();
        message.transactional_id = slice_of_text(rows[i].transactional_id);
        message.transaction_timeout_ms = rows[i].timeout_ms;
        message.producer_id = rows[i].producer_id;
        message.producer_epoch = rows[i].producer_epoch;
        const struct init_producer_id_response *response =
            api_kit_ask(&kit, API_INIT_PRODUCER_ID, 5, &message);
        assert_int_equal(response->error_code, rows[i].err);
        assert_true((response->producer_id == -1) == (rows[i].err != ERR_NONE));
        assert_int_equal(response->producer_epoch, rows[i].err != ERR_NONE ? -1 : 0);
    }
    api_kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_lasts),      cmocka_unit_test(many_wait),
        cmocka_unit_test(no_block_to_be_had), cmocka_unit_test(senseless_blocks),
        cmocka_unit_test(the_caller_is_gone), cmocka_unit_test(checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
