/* Reading committed offsets. A group that nobody knows has none, which is no error. On the
 * partition's shard. */
#include "group/offsets_int.h"

#include "wire/msg/offset_fetch_request.h"
#include "wire/msg/offset_fetch_response.h"

#include <stdlib.h>

struct fetch {
    struct group *group; /* NULL: nobody knows it */
    const struct group_offsets_wish *wish;
    struct arena *arena;
    struct offset_fetch_response_groups *response;
};

/* entry: NULL: nothing is committed. */
static struct offset_fetch_response_groups_topics_partitions answer_of(
    const struct fetch *fetch, const struct offset_place *place, const struct offset_entry *entry)
{
    struct offset_fetch_response_groups_topics_partitions answer = {
        .partition_index = place->partition,
        .committed_offset = OFFSET_NONE,
        .committed_leader_epoch = -1,
        .metadata = slice_of("", 0),
    };
    if (fetch->wish->require_stable && fetch->group != NULL &&
        offsets_is_pending(fetch->group, place)) {
        answer.error_code = ERR_UNSTABLE_OFFSET_COMMIT;
    } else if (entry != NULL) {
        answer.committed_offset = entry->offset;
        answer.committed_leader_epoch = entry->leader_epoch;
        answer.metadata = arena_copy(fetch->arena, offset_metadata(entry));
    }
    return answer;
}

/* ---- those that are named ---- */

static bool is_of_other_topic(const struct offset_entry *entry, struct uuid wanted)
{
    return !uuid_is_zero(entry->topic_id) && !uuid_is_zero(wanted) &&
           !uuid_equal(entry->topic_id, wanted);
}

static void fetch_topic(struct fetch *fetch, const struct offset_fetch_request_groups_topics *topic,
                        struct offset_fetch_response_groups_topics *answer)
{
    for (int32_t i = 0; i < topic->partition_indexes_count; i++) {
        struct offset_place place = {topic->name, topic->partition_indexes[i]};
        const struct offset_entry *entry =
            fetch->group != NULL ? offsets_find(fetch->group, &place) : NULL;
        if (entry != NULL && is_of_other_topic(entry, topic->topic_id))
            entry = NULL;
        answer->partitions[i] = answer_of(fetch, &place, entry);
    }
}

static bool take_topics(struct fetch *fetch, int32_t count)
{
    fetch->response->topics =
        ARENA_ARRAY(fetch->arena, struct offset_fetch_response_groups_topics, (size_t)count + 1);
    return fetch->response->topics != NULL;
}

static bool take_partitions(struct fetch *fetch, struct offset_fetch_response_groups_topics *topic,
                            int32_t count)
{
    topic->partitions = ARENA_ARRAY(
        fetch->arena, struct offset_fetch_response_groups_topics_partitions, (size_t)count + 1);
    return topic->partitions != NULL;
}

static void fetch_named(struct fetch *fetch)
{
    const struct offset_fetch_request_groups *asked = fetch->wish->group;
    bool fine = take_topics(fetch, asked->topics_count);
    for (int32_t i = 0; fine && i < asked->topics_count; i++) {
        const struct offset_fetch_request_groups_topics *topic = &asked->topics[i];
        struct offset_fetch_response_groups_topics *answer = &fetch->response->topics[i];
        answer->name = topic->name;
        answer->topic_id = topic->topic_id;
        answer->partitions_count = topic->partition_indexes_count;
        fine = take_partitions(fetch, answer, answer->partitions_count);
        if (fine)
            fetch_topic(fetch, topic, answer);
    }
    fetch->response->topics_count = asked->topics_count;
}

/* ---- all ---- */

static int compare(const void *left, const void *right)
{
    const struct offset_entry *a = *(const struct offset_entry *const *)left;
    const struct offset_entry *b = *(const struct offset_entry *const *)right;
    if (a->topic != b->topic)
        return slice_compare(a->topic->name, b->topic->name);
    return a->partition < b->partition ? -1 : a->partition > b->partition;
}

/* What is committed, by topic and partition. */
static const struct offset_entry **sorted_entries(struct fetch *fetch, int32_t *ret_count)
{
    const struct hash_table *table = &fetch->group->offsets;
    const struct offset_entry **entries =
        ARENA_ARRAY(fetch->arena, const struct offset_entry *, table->count + 1);
    if (entries == NULL)
        return NULL;
    int32_t count = 0;
    struct hash_node *node = NULL;
    while ((node = hash_table_next(table, node)) != NULL)
        if (offset_entry_of(node)->txn == NULL)
            entries[count++] = offset_entry_of(node);
    qsort((void *)entries, (size_t)count, sizeof(*entries), compare);
    *ret_count = count;
    return entries;
}

static int32_t count_topics(const struct offset_entry *const *entries, int32_t count)
{
    int32_t topics = 0;
    for (int32_t i = 0; i < count; i++)
        topics += i == 0 || entries[i]->topic != entries[i - 1]->topic;
    return topics;
}

/* Adds the topic of the first entry and returns how many entries it has; 0: memory is out. */
static int32_t add_topic(struct fetch *fetch, const struct offset_entry *const *entries,
                         int32_t count)
{
    struct offset_fetch_response_groups *response = fetch->response;
    struct offset_fetch_response_groups_topics *topic = &response->topics[response->topics_count];
    int32_t partitions = 1;
    while (partitions < count && entries[partitions]->topic == entries[0]->topic)
        partitions++;
    topic->name = arena_copy(fetch->arena, entries[0]->topic->name);
    if (!take_partitions(fetch, topic, partitions))
        return 0;
    topic->partitions_count = partitions;
    for (int32_t i = 0; i < partitions; i++) {
        struct offset_place place = {entries[0]->topic->name, entries[i]->partition};
        topic->partitions[i] = answer_of(fetch, &place, entries[i]);
    }
    response->topics_count++;
    return partitions;
}

static void fetch_all(struct fetch *fetch)
{
    if (fetch->group == NULL)
        return;
    int32_t count = 0;
    const struct offset_entry **entries = sorted_entries(fetch, &count);
    if (entries == NULL || !take_topics(fetch, count_topics(entries, count)))
        return;
    int32_t added = 1;
    for (int32_t i = 0; i < count && added > 0; i += added)
        added = add_topic(fetch, &entries[i], count - i);
}

static enum err check(const struct fetch *fetch, const struct coord_call *call)
{
    const struct offset_fetch_request_groups *asked = fetch->wish->group;
    struct group_caller caller = {.member_id = asked->member_id,
                                  .generation = asked->member_epoch,
                                  .api_version = call->api_version};
    return fetch->group->kind->check_fetch(fetch->group, &caller);
}

void groups_fetch_offsets(struct coord_machine *machine, struct coord_call *call)
{
    struct fetch fetch = {
        .group = groups_find(groups_of(machine), call->key),
        .wish = call->request,
        .arena = call->arena,
        .response = ARENA_NEW(call->arena, struct offset_fetch_response_groups),
    };
    enum err err = fetch.group != NULL ? check(&fetch, call) : ERR_NONE;
    if (err == ERR_GROUP_ID_NOT_FOUND) {
        fetch.group = NULL;
        err = ERR_NONE;
    }
    if (err != ERR_NONE) {
        coord_refuse(machine->world, call, err);
        return;
    }
    if (fetch.response != NULL) {
        *fetch.response = offset_fetch_response_groups_default;
        fetch.response->group_id = call->key;
        if (fetch.wish->group->topics_count < 0)
            fetch_all(&fetch);
        else
            fetch_named(&fetch);
    }
    coord_answer(machine->world, call, fetch.arena->failed ? NULL : fetch.response);
}
