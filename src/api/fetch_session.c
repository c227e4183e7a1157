/* Fetch sessions; see the header. A session is held by the cache and by each request under way, so
 * an eviction or a closing FINAL request never pulls it from under a parked fetch. On its shard. */
#include "api/fetch_session.h"

#include "base/always.h"
#include "wire/msg/fetch_request.h"

#include <stdlib.h>

/* A session used within this time is not evicted for a new one. */
#define EVICTION_MS 120000

struct fetch_session_cache {
    struct hash_table by_id;
    struct list by_use; /* least recently used first */
    int slot_count;
    int count;
};

struct fetch_session_cache *fetch_session_cache_new(int slot_count)
{
    struct fetch_session_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL)
        return NULL;
    cache->slot_count = slot_count;
    hash_table_init(&cache->by_id);
    list_init(&cache->by_use);
    return cache;
}

int fetch_session_cache_count(const struct fetch_session_cache *cache)
{
    return cache->count;
}

/* ---- interests ---- */

struct interest_key {
    struct slice topic;
    struct uuid topic_id;
    int32_t partition;
};

static uint64_t key_hash(const struct interest_key *key)
{
    uint64_t hash = slice_hash(key->topic, 0);
    hash ^= slice_hash(slice_of(key->topic_id.bytes, sizeof key->topic_id.bytes), 1);
    return hash_u64(hash + (uint64_t)(uint32_t)key->partition);
}

static bool key_matches(const struct hash_node *node, const void *wanted)
{
    const struct fetch_interest *interest = CONTAINER_OF(node, const struct fetch_interest, node);
    const struct interest_key *key = wanted;
    return interest->partition == key->partition && uuid_equal(interest->topic_id, key->topic_id) &&
           slice_equal(interest->topic, key->topic);
}

static struct fetch_interest *interest_find(const struct fetch_session *session,
                                            const struct interest_key *key)
{
    struct hash_node *node = hash_table_find(&session->table, key_hash(key), key_matches, key);
    return node != NULL ? CONTAINER_OF(node, struct fetch_interest, node) : NULL;
}

static struct fetch_interest *interest_add(struct fetch_session *session,
                                           const struct interest_key *key)
{
    struct fetch_interest *interest = calloc(1, sizeof *interest + key->topic.size + 1);
    if (interest == NULL)
        return NULL;
    uint8_t *name = (uint8_t *)(interest + 1);
    if (key->topic.size > 0)
        memcpy(name, key->topic.data, key->topic.size);
    interest->topic = slice_of(name, key->topic.size);
    interest->topic_id = key->topic_id;
    interest->partition = key->partition;
    interest->answered_high_watermark = -1;
    interest->answered_log_start_offset = -1;
    if (!hash_table_insert(&session->table, &interest->node, key_hash(key))) {
        free(interest);
        return NULL;
    }
    list_add_tail(&session->interests, &interest->link);
    return interest;
}

static void interest_drop(struct fetch_session *session, struct fetch_interest *interest)
{
    hash_table_remove(&session->table, &interest->node);
    list_remove(&interest->link);
    free(interest);
}

/* ---- sessions ---- */

static struct fetch_session *session_new(bool uses_topic_ids)
{
    struct fetch_session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return NULL;
    session->references = 1;
    session->uses_topic_ids = uses_topic_ids;
    hash_table_init(&session->table);
    list_init(&session->interests);
    list_init(&session->by_use);
    return session;
}

void fetch_session_unref(struct fetch_session *session)
{
    if (session == NULL || --session->references > 0)
        return;
    LIST_EACH_SAFE (&session->interests, node, after)
        interest_drop(session, CONTAINER_OF(node, struct fetch_interest, link));
    hash_table_fini(&session->table);
    free(session);
}

static bool id_matches(const struct hash_node *node, const void *id)
{
    return CONTAINER_OF(node, const struct fetch_session, node)->id == *(const int32_t *)id;
}

static struct fetch_session *session_find(const struct fetch_session_cache *cache, int32_t id)
{
    struct hash_node *node =
        hash_table_find(&cache->by_id, hash_u64((uint32_t)id), id_matches, &id);
    return node != NULL ? CONTAINER_OF(node, struct fetch_session, node) : NULL;
}

static void session_forget(struct fetch_session_cache *cache, struct fetch_session *session)
{
    hash_table_remove(&cache->by_id, &session->node);
    list_remove(&session->by_use);
    cache->count--;
    session->id = FETCH_SESSION_NONE;
    fetch_session_unref(session);
}

void fetch_session_cache_free(struct fetch_session_cache *cache)
{
    if (cache == NULL)
        return;
    LIST_EACH_SAFE (&cache->by_use, node, after)
        session_forget(cache, CONTAINER_OF(node, struct fetch_session, by_use));
    hash_table_fini(&cache->by_id);
    free(cache);
}

/* Keeps the session under a fresh id, when there is room or something old to give way. */
static void session_keep(struct fetch_session_cache *cache, struct fetch_session *session,
                         const struct fetch_plan_input *input)
{
    if (cache->count >= cache->slot_count) {
        if (list_is_empty(&cache->by_use))
            return;
        struct fetch_session *oldest =
            CONTAINER_OF(cache->by_use.next, struct fetch_session, by_use);
        if (input->now_ms - oldest->used_ms < EVICTION_MS)
            return;
        session_forget(cache, oldest);
    }
    int32_t id = (int32_t)(input->random & INT32_MAX);
    while (id == FETCH_SESSION_NONE || session_find(cache, id) != NULL)
        id = id == INT32_MAX ? 1 : id + 1;
    session->id = id;
    session->epoch = 1;
    session->used_ms = input->now_ms;
    if (!hash_table_insert(&cache->by_id, &session->node, hash_u64((uint32_t)id))) {
        session->id = FETCH_SESSION_NONE;
        return;
    }
    session->references++;
    list_add_tail(&cache->by_use, &session->by_use);
    cache->count++;
}

/* ---- what a request says ---- */

static bool take_partition(struct fetch_session *session, const struct fetch_request_topics *topic,
                           const struct fetch_request_topics_partitions *asked)
{
    struct interest_key key = {.topic = session->uses_topic_ids ? slice_of("", 0) : topic->topic,
                               .topic_id = topic->topic_id,
                               .partition = asked->partition};
    struct fetch_interest *interest = interest_find(session, &key);
    if (interest == NULL)
        interest = interest_add(session, &key);
    if (interest == NULL)
        return false;
    interest->current_leader_epoch = asked->current_leader_epoch;
    interest->last_fetched_epoch = asked->last_fetched_epoch;
    interest->fetch_offset = asked->fetch_offset;
    interest->size_max = asked->partition_max_bytes;
    return true;
}

static bool take_request(struct fetch_session *session, const struct fetch_request *request)
{
    for (int32_t i = 0; i < request->topics_count; i++)
        for (int32_t j = 0; j < request->topics[i].partitions_count; j++)
            if (!take_partition(session, &request->topics[i], &request->topics[i].partitions[j]))
                return false;
    return true;
}

static void take_forgotten(struct fetch_session *session, const struct fetch_request *request)
{
    for (int32_t i = 0; i < request->forgotten_topics_data_count; i++) {
        const struct fetch_request_forgotten_topics_data *topic =
            &request->forgotten_topics_data[i];
        for (int32_t j = 0; j < topic->partitions_count; j++) {
            struct interest_key key = {.topic =
                                           session->uses_topic_ids ? slice_of("", 0) : topic->topic,
                                       .topic_id = topic->topic_id,
                                       .partition = topic->partitions[j]};
            struct fetch_interest *interest = interest_find(session, &key);
            if (interest != NULL)
                interest_drop(session, interest);
        }
    }
}

/* ---- planning ---- */

static void plan_full(struct fetch_session_cache *cache, const struct fetch_plan_input *input,
                      struct fetch_plan *plan)
{
    const struct fetch_request *request = input->request;
    struct fetch_session *named = session_find(cache, request->session_id);
    if (named != NULL)
        session_forget(cache, named);
    plan->session = session_new(input->uses_topic_ids);
    if (plan->session == NULL || !take_request(plan->session, request)) {
        fetch_session_unref(plan->session);
        *plan = (struct fetch_plan){.error = ERR_UNKNOWN_SERVER_ERROR};
        return;
    }
    if (request->session_epoch == FETCH_EPOCH_FULL)
        session_keep(cache, plan->session, input);
}

static enum err check_session(const struct fetch_session *session,
                              const struct fetch_plan_input *input)
{
    if (session == NULL)
        return ERR_FETCH_SESSION_ID_NOT_FOUND;
    /* A request of the session that is under way looks at its partitions. */
    if (session->epoch != input->request->session_epoch || session->references > 1)
        return ERR_INVALID_FETCH_SESSION_EPOCH;
    if (session->uses_topic_ids != input->uses_topic_ids)
        return ERR_FETCH_SESSION_TOPIC_ID_ERROR;
    return ERR_NONE;
}

static void plan_incremental(struct fetch_session_cache *cache,
                             const struct fetch_plan_input *input, struct fetch_plan *plan)
{
    struct fetch_session *session = session_find(cache, input->request->session_id);
    plan->error = check_session(session, input);
    if (plan->error != ERR_NONE)
        return;
    if (!take_request(session, input->request)) {
        plan->error = ERR_UNKNOWN_SERVER_ERROR;
        return;
    }
    take_forgotten(session, input->request);
    if (list_is_empty(&session->interests)) {
        /* What was asked for is answered all the same, without a session. */
        session_forget(cache, session);
        plan_full(cache, input, plan);
        return;
    }
    session->references++;
    plan->session = session;
    plan->incremental = true;
    session->epoch = session->epoch == INT32_MAX ? 1 : session->epoch + 1;
    session->used_ms = input->now_ms;
    list_remove(&session->by_use);
    list_add_tail(&cache->by_use, &session->by_use);
}

void fetch_session_plan(struct fetch_session_cache *cache, const struct fetch_plan_input *input,
                        struct fetch_plan *ret_plan)
{
    int32_t epoch = input->request->session_epoch;
    *ret_plan = (struct fetch_plan){.error = ERR_NONE};
    if (epoch == FETCH_EPOCH_FULL || epoch == FETCH_EPOCH_FINAL)
        plan_full(cache, input, ret_plan);
    else
        plan_incremental(cache, input, ret_plan);
}

bool fetch_interest_answer(struct fetch_session *session, struct fetch_interest *interest,
                           const struct fetch_answered *answered)
{
    bool must = answered->has_records || answered->has_error || answered->has_diverging_epoch ||
                interest->answered_high_watermark != answered->high_watermark ||
                interest->answered_log_start_offset != answered->log_start_offset;
    interest->answered_high_watermark = answered->has_error ? -1 : answered->high_watermark;
    interest->answered_log_start_offset = answered->log_start_offset;
    if (answered->goes_last) {
        list_remove(&interest->link);
        list_add_tail(&session->interests, &interest->link);
    }
    return must;
}
