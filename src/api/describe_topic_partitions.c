/* DescribeTopicPartitions, version 0 (KIP-966): topics in the order of their names, from a cursor
 * on, up to a number of partitions; what is left is named by the next cursor. Topics that were not
 * named are all. On the request's shard. */
#include "api/cluster.h"
#include "api/handlers.h"
#include "config/node.h"
#include "wire/msg/describe_topic_partitions_request.h"
#include "wire/msg/describe_topic_partitions_response.h"

#include <stdlib.h>

struct description {
    struct api_request *request;
    const struct describe_topic_partitions_request *message;
    struct describe_topic_partitions_response response;
    struct slice *names; /* sorted, each once, from the cursor's on */
    size_t name_count;
    int32_t remaining; /* partitions that may still be told */
    struct describe_topic_partitions_response_next_cursor next;
};

/* ---- partitions ---- */

static bool fill_partition(struct api_request *request, const struct meta_partition *partition,
                           struct describe_topic_partitions_response_topics_partitions *answer)
{
    struct cluster_ids ids[5];
    if (!cluster_all_ids(request, partition->replicas, &ids[0]) ||
        !cluster_all_ids(request, partition->isr, &ids[1]) ||
        !cluster_all_ids(request, partition->elr, &ids[2]) ||
        !cluster_all_ids(request, partition->last_known_elr, &ids[3]) ||
        !cluster_offline_replicas(request, partition, &ids[4]))
        return false;
    enum err err = cluster_leader_error(request, partition);
    *answer = (struct describe_topic_partitions_response_topics_partitions){
        .error_code = (int16_t)err,
        .partition_index = partition->id,
        .leader_id = err == ERR_NONE ? partition->leader : -1,
        .leader_epoch = partition->leader_epoch,
        .replica_nodes = ids[0].at,
        .replica_nodes_count = ids[0].count,
        .isr_nodes = ids[1].at,
        .isr_nodes_count = ids[1].count,
        .eligible_leader_replicas = ids[2].at,
        .eligible_leader_replicas_count = ids[2].count,
        .last_known_elr = ids[3].at,
        .last_known_elr_count = ids[3].count,
        .offline_replicas = ids[4].at,
        .offline_replicas_count = ids[4].count,
    };
    return true;
}

/* ---- topics ---- */

static struct describe_topic_partitions_response_topics *add_topic(struct description *description,
                                                                   struct slice name)
{
    struct describe_topic_partitions_response_topics *answer =
        &description->response.topics[description->response.topics_count++];
    *answer = describe_topic_partitions_response_topics_default;
    answer->name = name;
    answer->is_internal = cluster_topic_is_internal(name);
    answer->partitions_count = 0;
    answer->topic_authorized_operations = CLUSTER_OPERATIONS_OF_TOPIC;
    return answer;
}

static void stop_at(struct description *description, struct slice name, int32_t partition)
{
    description->next = (struct describe_topic_partitions_response_next_cursor){
        .topic_name = name,
        .partition_index = partition,
    };
    description->response.next_cursor = &description->next;
}

/* The cursor's partition for its topic, the first one for all others. */
static int32_t first_partition(const struct description *description, struct slice name)
{
    const struct describe_topic_partitions_request_cursor *cursor = description->message->cursor;
    return cursor != NULL && slice_equal(name, cursor->topic_name) ? cursor->partition_index : 0;
}

static bool add_known(struct description *description, const struct meta_topic *topic)
{
    struct api_request *request = description->request;
    struct describe_topic_partitions_response_topics *answer = add_topic(description, topic->name);
    answer->topic_id = topic->id;
    answer->partitions =
        ARENA_ARRAY(&request->arena, struct describe_topic_partitions_response_topics_partitions,
                    MIN_OF(topic->partitions.count, (size_t)description->remaining) + 1);
    if (answer->partitions == NULL)
        return false;
    struct meta_key from = meta_key_of_int(first_partition(description, topic->name));
    struct pmap_iterator iterator;
    struct pmap_entry entry;
    pmap_iterate(topic->partitions, meta_key_slice(&from), &iterator);
    while (pmap_next(&iterator, &entry)) {
        const struct meta_partition *partition = entry.value;
        if (description->remaining == 0) {
            stop_at(description, topic->name, partition->id);
            return true;
        }
        if (!fill_partition(request, partition, &answer->partitions[answer->partitions_count++]))
            return false;
        description->remaining--;
    }
    return true;
}

static bool add_named(struct description *description, struct slice name)
{
    const struct meta_topic *topic = meta_topic_named(description->request->here->image, name);
    if (topic != NULL)
        return add_known(description, topic);
    struct describe_topic_partitions_response_topics *answer = add_topic(description, name);
    answer->error_code = cluster_topic_name_is_valid(name) ? ERR_UNKNOWN_TOPIC_OR_PARTITION
                                                           : ERR_INVALID_TOPIC_EXCEPTION;
    return true;
}

static bool add_topics(struct description *description)
{
    description->response.topics =
        ARENA_ARRAY(&description->request->arena, struct describe_topic_partitions_response_topics,
                    description->name_count + 1);
    description->response.topics_count = 0;
    if (description->response.topics == NULL)
        return false;
    for (size_t i = 0; i < description->name_count; i++) {
        if (description->remaining == 0) {
            stop_at(description, description->names[i], 0);
            return true;
        }
        if (!add_named(description, description->names[i]))
            return false;
        if (description->response.next_cursor != NULL)
            return true;
    }
    return true;
}

/* ---- which topics ---- */

static struct slice start_of(const struct description *description)
{
    const struct describe_topic_partitions_request_cursor *cursor = description->message->cursor;
    return cursor != NULL ? cursor->topic_name : slice_of_text("");
}

/* No more names than the answer can use: one a partition, the cursor's topic, of which no partition
 * may be left, and the one that the next cursor names. */
static bool gather_all(struct description *description)
{
    const struct meta_image *image = description->request->here->image;
    size_t count = MIN_OF(image->topics_by_name.count, (size_t)description->remaining + 2);
    description->names = ARENA_ARRAY(&description->request->arena, struct slice, count + 1);
    if (description->names == NULL)
        return false;
    struct pmap_iterator iterator;
    struct pmap_entry entry;
    pmap_iterate(image->topics_by_name, start_of(description), &iterator);
    while (description->name_count < count && pmap_next(&iterator, &entry)) {
        const struct meta_topic *topic = entry.value;
        description->names[description->name_count++] = topic->name;
    }
    return true;
}

static int by_name(const void *a, const void *b)
{
    const struct slice *left = a;
    const struct slice *right = b;
    return slice_compare(*left, *right);
}

static bool gather_named(struct description *description)
{
    const struct describe_topic_partitions_request *message = description->message;
    struct slice *names =
        ARENA_ARRAY(&description->request->arena, struct slice, (size_t)message->topics_count);
    if (names == NULL)
        return false;
    size_t count = 0;
    for (int32_t i = 0; i < message->topics_count; i++)
        if (slice_compare(message->topics[i].name, start_of(description)) >= 0)
            names[count++] = message->topics[i].name;
    qsort(names, count, sizeof names[0], by_name);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || !slice_equal(names[i], names[i - 1]))
            names[description->name_count++] = names[i];
    description->names = names;
    return true;
}

/* The cursor points to a partition number, of a topic that was named where any is. */
static bool cursor_is_valid(const struct description *description)
{
    const struct describe_topic_partitions_request *message = description->message;
    if (message->cursor == NULL)
        return true;
    if (message->cursor->partition_index < 0)
        return false;
    return message->topics_count <= 0 ||
           (description->name_count > 0 &&
            slice_equal(description->names[0], message->cursor->topic_name));
}

static bool add_errors(struct description *description)
{
    const struct describe_topic_partitions_request *message = description->message;
    size_t count = message->topics_count > 0 ? (size_t)message->topics_count : 0;
    description->response.topics = ARENA_ARRAY(
        &description->request->arena, struct describe_topic_partitions_response_topics, count + 1);
    if (description->response.topics == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct describe_topic_partitions_response_topics *answer = &description->response.topics[i];
        *answer = describe_topic_partitions_response_topics_default;
        answer->name = message->topics[i].name;
        answer->partitions_count = 0;
        answer->error_code = ERR_INVALID_REQUEST;
    }
    description->response.topics_count = (int32_t)count;
    return true;
}

static bool describe(struct description *description)
{
    bool named = description->message->topics_count > 0;
    if (!(named ? gather_named(description) : gather_all(description)))
        return false;
    return cursor_is_valid(description) ? add_topics(description) : add_errors(description);
}

void api_handle_describe_topic_partitions(struct api_request *request)
{
    const struct describe_topic_partitions_request *message =
        API_MESSAGE(request, describe_topic_partitions_request);
    int32_t limit = MIN_OF(message->response_partition_limit,
                           request->here->config->max_request_partition_size_limit);
    struct description description = {
        .request = request,
        .message = message,
        .response = describe_topic_partitions_response_default,
        .remaining = MAX_OF(limit, 1),
    };
    if (!describe(&description)) {
        api_request_fail(request, "memory for DescribeTopicPartitions is out");
        return;
    }
    api_request_answer(request, &description.response);
}
