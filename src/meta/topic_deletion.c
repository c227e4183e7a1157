/* DeleteTopics decided as Kafka's controller does: topics are named or given by id, and whatever is
 * given twice, in either way, is refused and stays. Work grows as n log n with the request. On the
 * controller's shard. */
#include "meta/meta_int.h"
#include "wire/msg/delete_topics_request.h"
#include "wire/msg/delete_topics_response.h"
#include "wire/msg/remove_topic_record.h"

#include <stdlib.h>

#define VERSION_DISABLED_ERROR 3 /* since then deletion that is switched off has its own code */

struct deletion {
    struct meta *meta;
    struct arena *arena;
    struct meta_records records;
    struct slice *names; /* sorted */
    size_t name_count;
    struct uuid *ids; /* sorted */
    size_t id_count;
    struct delete_topics_response_responses *answers;
    int32_t answer_count;
};

static void answer(struct deletion *deletion, struct slice name, struct uuid id, enum err err,
                   const char *text)
{
    struct delete_topics_response_responses *one = &deletion->answers[deletion->answer_count++];
    *one = delete_topics_response_responses_default;
    one->name = name;
    one->topic_id = id;
    one->error_code = (int16_t)err;
    one->error_message = slice_of_text(text);
}

static void refuse(struct deletion *deletion, struct slice name, struct uuid id, const char *text)
{
    answer(deletion, name, id, ERR_INVALID_REQUEST, text);
}

/* ---- what is asked for ---- */

static int by_name(const void *a, const void *b)
{
    const struct slice *left = a;
    const struct slice *right = b;
    return slice_compare(*left, *right);
}

static int by_id(const void *a, const void *b)
{
    const struct uuid *left = a;
    const struct uuid *right = b;
    return uuid_compare(*left, *right);
}

/* How many elements from `first` on equal it. */
static size_t run_of_names(const struct deletion *deletion, size_t first)
{
    size_t end = first + 1;
    while (end < deletion->name_count && slice_equal(deletion->names[end], deletion->names[first]))
        end++;
    return end - first;
}

static size_t run_of_ids(const struct deletion *deletion, size_t first)
{
    size_t end = first + 1;
    while (end < deletion->id_count && uuid_equal(deletion->ids[end], deletion->ids[first]))
        end++;
    return end - first;
}

static bool id_was_given(const struct deletion *deletion, struct uuid id)
{
    return deletion->id_count > 0 &&
           bsearch(&id, deletion->ids, deletion->id_count, sizeof id, by_id) != NULL;
}

/* Given by name, once. */
static bool name_was_given(const struct deletion *deletion, struct slice name)
{
    if (deletion->name_count == 0)
        return false;
    const struct slice *found =
        bsearch(&name, deletion->names, deletion->name_count, sizeof name, by_name);
    if (found == NULL)
        return false;
    size_t at = (size_t)(found - deletion->names);
    bool before = at > 0 && slice_equal(deletion->names[at - 1], name);
    return !before && run_of_names(deletion, at) == 1;
}

static void take_topic(struct deletion *deletion, const struct delete_topics_request_topics *topic)
{
    bool has_name = !slice_is_null(topic->name);
    bool has_id = !uuid_is_zero(topic->topic_id);
    if (has_name && has_id)
        refuse(deletion, topic->name, topic->topic_id,
               "You may not specify both topic name and topic id.");
    else if (has_name)
        deletion->names[deletion->name_count++] = topic->name;
    else if (has_id)
        deletion->ids[deletion->id_count++] = topic->topic_id;
    else
        refuse(deletion, topic->name, topic->topic_id, "Neither topic name nor id were specified.");
}

/* ---- deciding ---- */

static void remove_topic(struct deletion *deletion, const struct meta_topic *topic)
{
    struct remove_topic_record *record = ARENA_NEW(deletion->arena, struct remove_topic_record);
    if (record != NULL)
        record->topic_id = topic->id;
    meta_records_add(&deletion->records, &wire_remove_topic_record, 0, record);
    answer(deletion, arena_copy(deletion->arena, topic->name), topic->id, ERR_NONE, NULL);
}

static void decide_id(struct deletion *deletion, struct uuid id)
{
    const struct meta_topic *topic = meta_topic_by_id(deletion->meta->latest, id);
    if (topic == NULL)
        answer(deletion, (struct slice){0}, id, ERR_UNKNOWN_TOPIC_ID,
               "This server does not host this topic ID.");
    else if (!name_was_given(deletion, topic->name))
        remove_topic(deletion, topic);
}

static void decide_name(struct deletion *deletion, struct slice name)
{
    const struct meta_topic *topic = meta_topic_named(deletion->meta->latest, name);
    if (topic == NULL)
        answer(deletion, name, uuid_zero, ERR_UNKNOWN_TOPIC_OR_PARTITION,
               "This server does not host this topic-partition.");
    else if (id_was_given(deletion, topic->id))
        refuse(deletion, name, topic->id,
               "The provided topic name maps to an ID that was already supplied.");
    else
        remove_topic(deletion, topic);
}

static void decide(struct deletion *deletion)
{
    size_t run;
    for (size_t i = 0; i < deletion->id_count; i += run) {
        run = run_of_ids(deletion, i);
        if (run > 1)
            refuse(deletion, (struct slice){0}, deletion->ids[i], "Duplicate topic id.");
        else
            decide_id(deletion, deletion->ids[i]);
    }
    for (size_t i = 0; i < deletion->name_count; i += run) {
        run = run_of_names(deletion, i);
        if (run > 1)
            refuse(deletion, deletion->names[i], uuid_zero, "Duplicate topic name.");
        else
            decide_name(deletion, deletion->names[i]);
    }
}

static void refuse_all(struct deletion *deletion, const struct delete_topics_request *request,
                       enum err err)
{
    for (int32_t i = 0; i < request->topic_names_count; i++)
        answer(deletion, request->topic_names[i], uuid_zero, err, NULL);
    for (int32_t i = 0; i < request->topics_count; i++)
        answer(deletion, request->topics[i].name, request->topics[i].topic_id, err, NULL);
}

static void take_all(struct deletion *deletion, const struct delete_topics_request *request)
{
    for (int32_t i = 0; i < request->topic_names_count; i++)
        deletion->names[deletion->name_count++] = request->topic_names[i];
    for (int32_t i = 0; i < request->topics_count; i++)
        take_topic(deletion, &request->topics[i]);
    qsort(deletion->names, deletion->name_count, sizeof deletion->names[0], by_name);
    qsort(deletion->ids, deletion->id_count, sizeof deletion->ids[0], by_id);
}

void meta_delete_topics(struct meta *meta, struct peer_call *call)
{
    const struct delete_topics_request *request = call->request;
    struct arena *arena = &call->arena;
    struct deletion deletion = {.meta = meta, .arena = arena};
    size_t asked =
        (size_t)MAX_OF(request->topics_count, 0) + (size_t)MAX_OF(request->topic_names_count, 0);
    meta_records_init(&deletion.records, arena);
    struct delete_topics_response *response = ARENA_NEW(arena, struct delete_topics_response);
    deletion.names = ARENA_ARRAY(arena, struct slice, asked + 1);
    deletion.ids = ARENA_ARRAY(arena, struct uuid, asked + 1);
    deletion.answers = ARENA_ARRAY(arena, struct delete_topics_response_responses, asked + 1);
    if (response == NULL || deletion.names == NULL || deletion.ids == NULL ||
        deletion.answers == NULL) {
        peer_answer(meta->shard, call, ERR_UNKNOWN_SERVER_ERROR, NULL);
        return;
    }
    if (!meta->config->delete_topic_enable) {
        bool has_code = call->api_version >= VERSION_DISABLED_ERROR;
        refuse_all(&deletion, request,
                   has_code ? ERR_TOPIC_DELETION_DISABLED : ERR_INVALID_REQUEST);
    } else {
        take_all(&deletion, request);
        decide(&deletion);
    }
    *response = delete_topics_response_default;
    response->responses = deletion.answers;
    response->responses_count = deletion.answer_count;
    meta_commit(meta, &deletion.records, call, response);
}
