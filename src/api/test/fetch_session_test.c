/* Fetch sessions: random requests against a naive model of Kafka's rules (KIP-227), then what ends
 * a session, its epochs, and which sessions the cache keeps. */
#include "api/fetch_session.h"
#include "base/prng.h"
#include "wire/msg/fetch_request.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define TOPICS 3
#define PARTITIONS 4
#define ASKED_MAX 6
#define MINUTE_MS 60000
#define SLOTS 2

static const char *const topic_names[TOPICS] = {"a", "bb", "ccc"};

/* ---- requests ---- */

struct asked {
    struct fetch_request message;
    struct fetch_request_topics topics[ASKED_MAX];
    struct fetch_request_topics_partitions parts[ASKED_MAX];
    struct fetch_request_forgotten_topics_data forgotten[ASKED_MAX];
    int32_t forgotten_parts[ASKED_MAX];
};

static void asked_init(struct asked *asked, int32_t session_id, int32_t epoch)
{
    asked->message = fetch_request_default;
    asked->message.session_id = session_id;
    asked->message.session_epoch = epoch;
    asked->message.topics = asked->topics;
    asked->message.topics_count = 0;
    asked->message.forgotten_topics_data = asked->forgotten;
    asked->message.forgotten_topics_data_count = 0;
}

static void ask_for(struct asked *asked, int topic, int32_t partition, int64_t offset)
{
    int32_t at = asked->message.topics_count++;
    asked->parts[at] = fetch_request_topics_partitions_default;
    asked->parts[at].partition = partition;
    asked->parts[at].fetch_offset = offset;
    asked->topics[at] = (struct fetch_request_topics){
        .topic = slice_of_text(topic_names[topic]),
        .partitions = &asked->parts[at],
        .partitions_count = 1,
    };
}

static void forget(struct asked *asked, int topic, int32_t partition)
{
    int32_t at = asked->message.forgotten_topics_data_count++;
    asked->forgotten_parts[at] = partition;
    asked->forgotten[at] = (struct fetch_request_forgotten_topics_data){
        .topic = slice_of_text(topic_names[topic]),
        .partitions = &asked->forgotten_parts[at],
        .partitions_count = 1,
    };
}

static struct fetch_plan plan(struct fetch_session_cache *cache, const struct asked *asked,
                              int64_t now_ms)
{
    struct fetch_plan_input input = {
        .request = &asked->message, .now_ms = now_ms, .random = (uint64_t)now_ms + 12345};
    struct fetch_plan result;
    fetch_session_plan(cache, &input, &result);
    return result;
}

/* Plans a request that must be fine and ends it; the session's id. */
static int32_t planned(struct fetch_session_cache *cache, const struct asked *asked, int64_t now_ms)
{
    struct fetch_plan result = plan(cache, asked, now_ms);
    assert_int_equal(result.error, ERR_NONE);
    int32_t id = result.session->id;
    fetch_session_unref(result.session);
    return id;
}

static enum err refused(struct fetch_session_cache *cache, const struct asked *asked,
                        int64_t now_ms)
{
    struct fetch_plan result = plan(cache, asked, now_ms);
    assert_null(result.session);
    return result.error;
}

static int32_t start(struct fetch_session_cache *cache, int64_t now_ms)
{
    struct asked asked;
    asked_init(&asked, 0, 0);
    ask_for(&asked, 0, 0, 0);
    return planned(cache, &asked, now_ms);
}

/* ---- the model ---- */

/* What one partition is, and what the client was last told of it. */
struct model_part {
    int topic;
    int32_t partition;
    int64_t offset;
    int64_t told_high_watermark; /* -1: nothing, or an error */
    int64_t told_log_start;
};

struct model {
    struct model_part parts[TOPICS * PARTITIONS]; /* in the session's order */
    int count;
};

static int model_find(const struct model *model, int topic, int32_t partition)
{
    for (int i = 0; i < model->count; i++)
        if (model->parts[i].topic == topic && model->parts[i].partition == partition)
            return i;
    return -1;
}

static struct model_part model_remove(struct model *model, int at)
{
    struct model_part part = model->parts[at];
    model->count--;
    for (int i = at; i < model->count; i++)
        model->parts[i] = model->parts[i + 1];
    return part;
}

static void model_ask(struct model *model, int topic, int32_t partition, int64_t offset)
{
    int at = model_find(model, topic, partition);
    if (at < 0) {
        at = model->count++;
        model->parts[at] = (struct model_part){topic, partition, 0, -1, -1};
    }
    model->parts[at].offset = offset;
}

static void model_forget(struct model *model, int topic, int32_t partition)
{
    int at = model_find(model, topic, partition);
    if (at >= 0)
        (void)model_remove(model, at);
}

static bool model_answer(struct model_part *part, const struct fetch_answered *answered)
{
    bool same = part->told_high_watermark == answered->high_watermark &&
                part->told_log_start == answered->log_start_offset;
    part->told_high_watermark = answered->has_error ? -1 : answered->high_watermark;
    part->told_log_start = answered->log_start_offset;
    return !same || answered->has_records || answered->has_error || answered->has_diverging_epoch;
}

static void compare(const struct fetch_session *session, const struct model *model)
{
    int at = 0;
    LIST_EACH (&session->interests, node) {
        const struct fetch_interest *interest = CONTAINER_OF(node, struct fetch_interest, link);
        assert_true(at < model->count);
        assert_true(slice_is(interest->topic, topic_names[model->parts[at].topic]));
        assert_int_equal(interest->partition, model->parts[at].partition);
        assert_int_equal(interest->fetch_offset, model->parts[at].offset);
        at++;
    }
    assert_int_equal(at, model->count);
    assert_int_equal(session->table.count, model->count);
}

/* ---- random requests ---- */

static void random_request(struct prng *prng, struct asked *asked, struct model *model)
{
    for (uint64_t i = prng_below(prng, 4); i > 0; i--) {
        int topic = (int)prng_below(prng, TOPICS);
        int32_t partition = (int32_t)prng_below(prng, PARTITIONS);
        int64_t offset = (int64_t)prng_below(prng, 1000);
        ask_for(asked, topic, partition, offset);
        model_ask(model, topic, partition, offset);
    }
    for (uint64_t i = prng_below(prng, 3); i > 0; i--) {
        int topic = (int)prng_below(prng, TOPICS);
        int32_t partition = (int32_t)prng_below(prng, PARTITIONS);
        forget(asked, topic, partition);
        model_forget(model, topic, partition);
    }
}

static struct fetch_answered random_answer(struct prng *prng)
{
    struct fetch_answered answered = {
        .high_watermark = (int64_t)prng_below(prng, 3),
        .log_start_offset = prng_chance(prng, 1, 8) ? 1 : 0,
        .has_records = prng_chance(prng, 1, 4),
        .has_error = prng_chance(prng, 1, 8),
        .has_diverging_epoch = prng_chance(prng, 1, 16),
    };
    answered.goes_last = answered.has_records;
    return answered;
}

/* Answers every partition in the session's order; those with records go behind the others. */
static void answer_all(struct prng *prng, struct fetch_session *session, struct model *model)
{
    struct fetch_interest *interests[TOPICS * PARTITIONS];
    struct model before = *model;
    int count = 0;
    LIST_EACH (&session->interests, node)
        interests[count++] = CONTAINER_OF(node, struct fetch_interest, link);
    for (int i = 0; i < count; i++) {
        struct fetch_answered answered = random_answer(prng);
        int at = model_find(model, before.parts[i].topic, before.parts[i].partition);
        bool expected = model_answer(&model->parts[at], &answered);
        assert_int_equal(fetch_interest_answer(session, interests[i], &answered), expected);
        if (answered.has_records) {
            struct model_part moved = model_remove(model, at);
            model->parts[model->count++] = moved;
        }
    }
}

static int topic_index(struct slice name)
{
    int topic = 0;
    while (!slice_is(name, topic_names[topic]))
        topic++;
    return topic;
}

/* What is asked for is all there is: of a full request, and where the session has ended. */
static void model_full(const struct asked *asked, struct model *model)
{
    model->count = 0;
    for (int32_t i = 0; i < asked->message.topics_count; i++)
        model_ask(model, topic_index(asked->topics[i].topic), asked->parts[i].partition,
                  asked->parts[i].fetch_offset);
}

static void one_session(uint64_t seed)
{
    struct prng prng;
    prng_init(&prng, seed);
    struct fetch_session_cache *cache = fetch_session_cache_new(SLOTS);
    assert_non_null(cache);
    int32_t id = 0;
    int32_t epoch = 0;
    struct model model = {.count = 0};
    for (int round = 0; round < 60; round++) {
        struct asked asked;
        asked_init(&asked, id, epoch);
        random_request(&prng, &asked, &model);
        bool ended = epoch > 0 && model.count == 0;
        if (epoch == 0)
            asked.message.forgotten_topics_data_count = 0;
        if (epoch == 0 || ended)
            model_full(&asked, &model);
        struct fetch_plan result = plan(cache, &asked, round);
        assert_int_equal(result.error, ERR_NONE);
        assert_int_equal(result.incremental, epoch > 0 && !ended);
        compare(result.session, &model);
        answer_all(&prng, result.session, &model);
        compare(result.session, &model);
        id = result.session->id;
        fetch_session_unref(result.session);
        /* Without partitions it has ended; now and then a full request starts it anew. */
        assert_int_equal(id != 0, !ended);
        epoch = ended || prng_chance(&prng, 1, 16) ? 0 : epoch + 1;
        assert_int_equal(fetch_session_cache_count(cache), ended ? 0 : 1);
    }
    fetch_session_cache_free(cache);
}

static void random_requests(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++)
        one_session(seed);
}

/* ---- epochs and ends ---- */

static void epochs(void **state)
{
    (void)state;
    struct fetch_session_cache *cache = fetch_session_cache_new(SLOTS);
    struct asked asked;
    int32_t id = start(cache, 0);
    for (int32_t epoch = 1; epoch < 4; epoch++) {
        asked_init(&asked, id, epoch + 1);
        assert_int_equal(refused(cache, &asked, 0), ERR_INVALID_FETCH_SESSION_EPOCH);
        asked_init(&asked, id, -2);
        assert_int_equal(refused(cache, &asked, 0), ERR_INVALID_FETCH_SESSION_EPOCH);
        asked_init(&asked, id, epoch);
        assert_int_equal(planned(cache, &asked, 0), id);
        assert_int_equal(refused(cache, &asked, 0), ERR_INVALID_FETCH_SESSION_EPOCH);
    }
    asked_init(&asked, id == 7 ? 8 : 7, 4);
    assert_int_equal(refused(cache, &asked, 0), ERR_FETCH_SESSION_ID_NOT_FOUND);
    asked_init(&asked, 0, 4);
    assert_int_equal(refused(cache, &asked, 0), ERR_FETCH_SESSION_ID_NOT_FOUND);
    fetch_session_cache_free(cache);
}

/* After the largest epoch comes 1, since 0 starts a session. */
static void epochs_go_round(void **state)
{
    (void)state;
    struct fetch_session_cache *cache = fetch_session_cache_new(SLOTS);
    struct asked asked;
    asked_init(&asked, start(cache, 0), 1);
    struct fetch_plan result = plan(cache, &asked, 0);
    result.session->epoch = INT32_MAX;
    fetch_session_unref(result.session);
    asked.message.session_epoch = INT32_MAX;
    assert_int_not_equal(planned(cache, &asked, 0), 0);
    asked.message.session_epoch = 1;
    assert_int_not_equal(planned(cache, &asked, 0), 0);
    fetch_session_cache_free(cache);
}

static void ids_and_names_do_not_mix(void **state)
{
    (void)state;
    struct fetch_session_cache *cache = fetch_session_cache_new(SLOTS);
    struct asked asked;
    asked_init(&asked, start(cache, 0), 1);
    struct fetch_plan_input input = {.request = &asked.message, .uses_topic_ids = true};
    struct fetch_plan result;
    fetch_session_plan(cache, &input, &result);
    assert_int_equal(result.error, ERR_FETCH_SESSION_TOPIC_ID_ERROR);
    fetch_session_cache_free(cache);
}

static void ends(void **state)
{
    (void)state;
    struct fetch_session_cache *cache = fetch_session_cache_new(SLOTS);
    struct asked asked;
    int32_t id = start(cache, 0);
    asked_init(&asked, id, FETCH_EPOCH_FINAL);
    ask_for(&asked, 1, 0, 0);
    assert_int_equal(planned(cache, &asked, 0), 0); /* answered, and nobody keeps it */
    assert_int_equal(fetch_session_cache_count(cache), 0);
    id = start(cache, 0);
    asked_init(&asked, id, FETCH_EPOCH_FULL);
    assert_int_not_equal(planned(cache, &asked, 0), 0); /* one without partitions is one too */
    assert_int_equal(fetch_session_cache_count(cache), 1);
    asked_init(&asked, 0, FETCH_EPOCH_FINAL);
    assert_int_equal(planned(cache, &asked, 0), 0);
    assert_int_equal(fetch_session_cache_count(cache), 1);
    fetch_session_cache_free(cache);
}

/* ---- the cache ---- */

/* A full cache gives no session while all of it is in use; what was not used for two minutes gives
 * way, the longest unused first. */
static void what_gives_way(void **state)
{
    (void)state;
    struct fetch_session_cache *cache = fetch_session_cache_new(SLOTS);
    struct asked asked;
    int32_t first = start(cache, 0);
    int32_t second = start(cache, MINUTE_MS);
    assert_int_not_equal(first, second);
    assert_int_equal(start(cache, 2 * MINUTE_MS - 1), 0);
    asked_init(&asked, first, 1);
    assert_int_equal(planned(cache, &asked, 2 * MINUTE_MS - 1), first); /* used again */
    assert_int_equal(start(cache, 3 * MINUTE_MS - 1), 0);
    int32_t third = start(cache, 3 * MINUTE_MS + 1);
    assert_int_not_equal(third, 0);
    assert_int_equal(fetch_session_cache_count(cache), SLOTS);
    asked_init(&asked, second, 1);
    assert_int_equal(refused(cache, &asked, 3 * MINUTE_MS + 1), ERR_FETCH_SESSION_ID_NOT_FOUND);
    asked_init(&asked, first, 2);
    assert_int_equal(planned(cache, &asked, 3 * MINUTE_MS + 1), first);
    fetch_session_cache_free(cache);
}

/* A session that gives way while a request of it waits lives until that is answered. */
static void in_use(void **state)
{
    (void)state;
    struct fetch_session_cache *cache = fetch_session_cache_new(1);
    struct asked asked;
    asked_init(&asked, start(cache, 0), 1);
    struct fetch_plan waiting = plan(cache, &asked, 0);
    asked_init(&asked, waiting.session->id, 2);
    assert_int_equal(refused(cache, &asked, 0), ERR_INVALID_FETCH_SESSION_EPOCH);
    assert_int_not_equal(start(cache, 3 * MINUTE_MS), 0);
    assert_int_equal(waiting.session->id, 0);
    assert_int_equal(waiting.session->table.count, 1);
    fetch_session_unref(waiting.session);
    fetch_session_cache_free(cache);
}

static void no_slots(void **state)
{
    (void)state;
    struct fetch_session_cache *cache = fetch_session_cache_new(0);
    assert_int_equal(start(cache, 0), 0);
    assert_int_equal(fetch_session_cache_count(cache), 0);
    fetch_session_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_requests),
        cmocka_unit_test(epochs),
        cmocka_unit_test(epochs_go_round),
        cmocka_unit_test(ids_and_names_do_not_mix),
        cmocka_unit_test(ends),
        cmocka_unit_test(what_gives_way),
        cmocka_unit_test(in_use),
        cmocka_unit_test(no_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
