/* Which partitions of a request there are, and its answer; see the header. Kafka joins what it says
 * of a topic only where something was refused; else the coordinator's answer stands as it is. */
#include "api/offset_request.h"

#include "meta/image.h"

/* A topic of the answer that has a refused partition; in pieces, as they come. */
struct offset_refusal {
    struct hash_node node;
    struct list link;
    struct slice name;
    struct uuid id;
    struct offset_piece *first;
    struct offset_piece **tail;
    int32_t count;
};
struct offset_piece {
    struct offset_piece *next;
    const struct offset_commit_response_topics_partitions *at;
    int32_t count;
};

static struct arena *arena_of(const struct offset_request *all)
{
    return &all->request->arena;
}

/* ---- refusals ---- */

static struct slice key_of(const struct offset_request *all, const struct offset_refusal *refusal)
{
    return all->by_ids ? slice_of(refusal->id.bytes, sizeof refusal->id.bytes) : refusal->name;
}

struct refusal_key {
    const struct offset_request *all;
    struct slice key;
};

static bool matches(const struct hash_node *node, const void *context)
{
    const struct refusal_key *wanted = context;
    return slice_equal(key_of(wanted->all, CONTAINER_OF(node, const struct offset_refusal, node)),
                       wanted->key);
}

/* Of that name and id, made if there is none; NULL: memory is out. */
static struct offset_refusal *take_refusal(struct offset_request *all, struct slice name,
                                           struct uuid id)
{
    struct offset_refusal wanted = {.name = name, .id = id};
    struct refusal_key key = {.all = all, .key = key_of(all, &wanted)};
    uint64_t hash = slice_hash(key.key, 0);
    struct hash_node *node = hash_table_find(&all->table, hash, matches, &key);
    if (node != NULL)
        return CONTAINER_OF(node, struct offset_refusal, node);
    struct offset_refusal *refusal = ARENA_NEW(arena_of(all), struct offset_refusal);
    if (refusal == NULL || !hash_table_insert(&all->table, &refusal->node, hash)) {
        arena_of(all)->failed = true;
        return NULL;
    }
    refusal->name = name;
    refusal->id = id;
    refusal->tail = &refusal->first;
    list_add_tail(&all->refusals, &refusal->link);
    all->refusal_count++;
    return refusal;
}

static void add_piece(struct offset_request *all, struct offset_refusal *refusal,
                      const struct offset_commit_response_topics_partitions *at, int32_t count)
{
    struct offset_piece *piece =
        refusal != NULL ? ARENA_NEW(arena_of(all), struct offset_piece) : NULL;
    if (piece == NULL)
        return;
    *piece = (struct offset_piece){.at = at, .count = count};
    *refusal->tail = piece;
    refusal->tail = &piece->next;
    refusal->count += count;
}

/* The same code for each partition of the topic. */
static const struct offset_commit_response_topics_partitions *same_code(
    struct offset_request *all, const struct offset_commit_request_topics *topic, enum err err)
{
    struct offset_commit_response_topics_partitions *results =
        ARENA_ARRAY(arena_of(all), struct offset_commit_response_topics_partitions,
                    (size_t)topic->partitions_count);
    for (int32_t i = 0; results != NULL && i < topic->partitions_count; i++) {
        results[i].partition_index = topic->partitions[i].partition_index;
        results[i].error_code = (int16_t)err;
    }
    return results;
}

static void refuse_topic(struct offset_request *all,
                         const struct offset_commit_request_topics *topic, enum err err)
{
    struct uuid id = all->by_ids ? topic->topic_id : uuid_zero;
    struct slice name = all->by_ids ? slice_of("", 0) : topic->name;
    add_piece(all, take_refusal(all, name, id), same_code(all, topic, err),
              topic->partitions_count);
}

/* ---- what there is ---- */

static void sort_partitions(struct offset_request *all, const struct meta_topic *known,
                            const struct offset_commit_request_topics *asked)
{
    struct offset_commit_request_topics *found = &all->found[all->found_count];
    *found = *asked;
    found->name = all->by_ids ? arena_copy(arena_of(all), known->name) : asked->name;
    found->topic_id = known->id;
    found->partitions_count = 0;
    found->partitions = ARENA_ARRAY(arena_of(all), struct offset_commit_request_topics_partitions,
                                    (size_t)asked->partitions_count);
    for (int32_t i = 0; found->partitions != NULL && i < asked->partitions_count; i++) {
        if (meta_topic_partition(known, asked->partitions[i].partition_index) != NULL) {
            found->partitions[found->partitions_count++] = asked->partitions[i];
            continue;
        }
        struct offset_commit_request_topics one = *found;
        one.partitions = &asked->partitions[i];
        one.partitions_count = 1;
        add_piece(all, take_refusal(all, found->name, known->id),
                  same_code(all, &one, ERR_UNKNOWN_TOPIC_OR_PARTITION), 1);
    }
    all->found_count += found->partitions_count > 0;
}

static void sort_topic(struct offset_request *all, const struct offset_commit_request_topics *asked)
{
    const struct meta_image *image = all->request->here->image;
    const struct meta_topic *known = all->by_ids ? meta_topic_by_id(image, asked->topic_id)
                                                 : meta_topic_named(image, asked->name);
    if (known != NULL)
        sort_partitions(all, known, asked);
    else
        refuse_topic(all, asked,
                     all->by_ids ? ERR_UNKNOWN_TOPIC_ID : ERR_UNKNOWN_TOPIC_OR_PARTITION);
}

struct offset_request *offset_request_new(struct api_request *request, bool by_ids,
                                          const struct offset_commit_request_topics *asked,
                                          int32_t asked_count)
{
    struct offset_request *all = API_NEW(request, struct offset_request);
    struct offset_commit_request_topics *found =
        ARENA_ARRAY(&request->arena, struct offset_commit_request_topics, (size_t)asked_count + 1);
    if (all != NULL && found != NULL) {
        *all = (struct offset_request){.request = request, .by_ids = by_ids, .found = found};
        hash_table_init(&all->table);
        list_init(&all->refusals);
        for (int32_t i = 0; i < asked_count && !request->arena.failed; i++)
            sort_topic(all, &asked[i]);
        hash_table_fini(&all->table);
        if (!request->arena.failed)
            return all;
    }
    api_request_fail(request, "memory for offsets is out");
    return NULL;
}

/* ---- the answer ---- */

static void add_results(struct offset_request *all, const struct offset_outcome *outcome)
{
    int32_t count = outcome->results != NULL ? outcome->results->topics_count : 0;
    for (int32_t i = 0; i < count; i++) {
        const struct offset_commit_response_topics *topic = &outcome->results->topics[i];
        add_piece(all, take_refusal(all, topic->name, topic->topic_id), topic->partitions,
                  topic->partitions_count);
    }
    if (outcome->err == ERR_NONE)
        return;
    for (int32_t i = 0; i < all->found_count; i++) {
        const struct offset_commit_request_topics *topic = &all->found[i];
        add_piece(all, take_refusal(all, topic->name, topic->topic_id),
                  same_code(all, topic, outcome->err), topic->partitions_count);
    }
}

static void join_pieces(struct offset_request *all, const struct offset_refusal *refusal,
                        struct offset_commit_response_topics *ret_topic)
{
    struct offset_commit_response_topics_partitions *partitions = ARENA_ARRAY(
        arena_of(all), struct offset_commit_response_topics_partitions, (size_t)refusal->count);
    int32_t count = 0;
    for (const struct offset_piece *piece = refusal->first; piece != NULL; piece = piece->next)
        for (int32_t i = 0; partitions != NULL && i < piece->count; i++)
            partitions[count++] = piece->at[i];
    *ret_topic = (struct offset_commit_response_topics){.name = refusal->name,
                                                        .topic_id = refusal->id,
                                                        .partitions = partitions,
                                                        .partitions_count = count};
}

/* The table's memory is no arena's: it is there only while it is used. */
static void find_refusals_again(struct offset_request *all)
{
    hash_table_init(&all->table);
    LIST_EACH (&all->refusals, node) {
        struct offset_refusal *refusal = CONTAINER_OF(node, struct offset_refusal, link);
        if (!hash_table_insert(&all->table, &refusal->node, slice_hash(key_of(all, refusal), 0)))
            arena_of(all)->failed = true;
    }
}

static struct offset_commit_response *join(struct offset_request *all,
                                           const struct offset_outcome *outcome)
{
    struct offset_commit_response *response =
        ARENA_NEW(arena_of(all), struct offset_commit_response);
    if (response == NULL)
        return NULL;
    *response = offset_commit_response_default;
    find_refusals_again(all);
    add_results(all, outcome);
    hash_table_fini(&all->table);
    response->topics = ARENA_ARRAY(arena_of(all), struct offset_commit_response_topics,
                                   (size_t)all->refusal_count);
    if (arena_of(all)->failed)
        return NULL;
    LIST_EACH (&all->refusals, node)
        join_pieces(all, CONTAINER_OF(node, const struct offset_refusal, link),
                    &response->topics[response->topics_count++]);
    return response;
}

const struct offset_commit_response *offset_request_end(struct offset_request *all,
                                                        const struct offset_outcome *outcome)
{
    bool stands = all->refusal_count == 0 && outcome->err == ERR_NONE && outcome->results != NULL;
    const struct offset_commit_response *response = stands ? outcome->results : join(all, outcome);
    if (response == NULL || arena_of(all)->failed) {
        api_request_fail(all->request, "memory for offsets is out");
        return NULL;
    }
    return response;
}
