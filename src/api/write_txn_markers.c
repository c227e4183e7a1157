/* WriteTxnMarkers, versions 1 and 2: ends of transactions into partitions that this node leads, as
 * a coordinator elsewhere or kafka-transactions.sh asks for them. On the request's shard. */
#include "api/handlers.h"
#include "api/markers.h"
#include "wire/msg/write_txn_markers_request.h"
#include "wire/msg/write_txn_markers_response.h"

struct writing {
    struct marking marking;
    struct api_request *request;
    struct write_txn_markers_response response;
    struct marker_part *parts; /* in the order of the response's partitions */
};

static void on_marked(struct marking *marking)
{
    struct writing *writing = CONTAINER_OF(marking, struct writing, marking);
    const struct marker_part *part = writing->parts;
    for (int32_t i = 0; i < writing->response.markers_count; i++)
        for (int32_t j = 0; j < writing->response.markers[i].topics_count; j++) {
            struct write_txn_markers_response_markers_topics *topic =
                &writing->response.markers[i].topics[j];
            for (int32_t k = 0; k < topic->partitions_count; k++)
                topic->partitions[k].error_code = (int16_t)(part++)->err;
        }
    api_request_answer(writing->request, &writing->response);
}

static size_t count_partitions(const struct write_txn_markers_request *message)
{
    size_t count = 1;
    for (int32_t i = 0; i < message->markers_count; i++)
        for (int32_t j = 0; j < message->markers[i].topics_count; j++)
            count +=
                (size_t)MAX_OF(message->markers[i].topics[j].partition_indexes_count, (int32_t)0);
    return count;
}

static void add_topic(struct writing *writing, const struct marker_part *common,
                      const struct write_txn_markers_request_markers_topics *asked,
                      struct write_txn_markers_response_markers_topics *topic)
{
    role_now_on_shard();
    struct arena *arena = &writing->request->arena;
    int32_t count = MAX_OF(asked->partition_indexes_count, (int32_t)0);
    topic->name = asked->name;
    topic->partitions = ARENA_ARRAY(
        arena, struct write_txn_markers_response_markers_topics_partitions, (size_t)count);
    topic->partitions_count = count;
    for (int32_t i = 0; i < count && !arena->failed; i++) {
        topic->partitions[i].partition_index = asked->partition_indexes[i];
        struct marker_part *part = writing->parts++;
        *part = *common;
        part->topic = asked->name;
        part->partition = asked->partition_indexes[i];
        marking_add(&writing->marking, part);
    }
}

static void add_marker(struct writing *writing,
                       const struct write_txn_markers_request_markers *asked,
                       struct write_txn_markers_response_markers *marker)
{
    struct arena *arena = &writing->request->arena;
    int32_t count = MAX_OF(asked->topics_count, (int32_t)0);
    struct coord_txn_end *end = ARENA_NEW(arena, struct coord_txn_end);
    marker->topics =
        ARENA_ARRAY(arena, struct write_txn_markers_response_markers_topics, (size_t)count);
    if (arena->failed)
        return;
    *end = (struct coord_txn_end){
        .producer_id = asked->producer_id,
        .producer_epoch = asked->producer_epoch,
        .coordinator_epoch = asked->coordinator_epoch,
        .commits = asked->transaction_result,
    };
    struct marker_part common = {.end = end, .transaction_version = asked->transaction_version};
    marker->producer_id = asked->producer_id;
    marker->topics_count = count;
    for (int32_t i = 0; i < count && !arena->failed; i++)
        add_topic(writing, &common, &asked->topics[i], &marker->topics[i]);
}

static bool prepare(struct writing *writing, const struct write_txn_markers_request *message)
{
    struct arena *arena = &writing->request->arena;
    size_t count = (size_t)MAX_OF(message->markers_count, (int32_t)0);
    writing->response = write_txn_markers_response_default;
    writing->response.markers =
        ARENA_ARRAY(arena, struct write_txn_markers_response_markers, count);
    writing->response.markers_count = (int32_t)count;
    struct marker_part *first = ARENA_ARRAY(arena, struct marker_part, count_partitions(message));
    if (arena->failed || !marking_init(&writing->marking, writing->request->here, arena, on_marked))
        return false;
    writing->parts = first;
    for (size_t i = 0; i < count && !arena->failed; i++)
        add_marker(writing, &message->markers[i], &writing->response.markers[i]);
    writing->parts = first;
    return !arena->failed;
}

void api_handle_write_txn_markers(struct api_request *request)
{
    role_now_on_shard();
    struct writing *writing = API_NEW(request, struct writing);
    if (writing != NULL)
        writing->request = request;
    if (writing == NULL || !prepare(writing, API_MESSAGE(request, write_txn_markers_request)))
        api_request_fail(request, "memory for WriteTxnMarkers is out");
    else
        marking_run(&writing->marking);
}
