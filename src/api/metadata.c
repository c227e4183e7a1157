/* Metadata, versions 0 to 13: brokers, topics, leaders; and the place where a client that asks for
 * a topic makes it, where that is allowed. A topic is named or, from version 12 on, given by its
 * id; if one of them has an id, the names count for nothing, as in Kafka. Creating takes a call to
 * the controller; the answer is then made from the image of that later turn. On the request's
 * shard. */
#include "api/cluster.h"
#include "api/forward.h"
#include "api/handlers.h"
#include "api/topic_creation.h"
#include "config/node.h"
#include "wire/msg/metadata_request.h"
#include "wire/msg/metadata_response.h"

#include <stdlib.h>

#define VERSION_NULL_IS_ALL 1
#define VERSION_LISTENER_ERRORS 6
#define VERSION_IDS 12
#define VERSION_ERROR 13

struct metadata {
    struct api_request *request;
    const struct metadata_request *message;
    struct metadata_response response;
    struct topic_creation creation;
};

/* ---- partitions ---- */

/* Version 0 leaves out the replicas that its clients cannot reach; later ones leave that to
 * them. */
static bool fill_replicas(struct metadata *metadata, const struct meta_partition *partition,
                          struct metadata_response_topics_partitions *answer)
{
    struct api_request *request = metadata->request;
    struct cluster_ids replicas;
    struct cluster_ids isr;
    struct cluster_ids offline;
    bool reachable_only = request->header.api_version == 0;
    bool fine = reachable_only ? cluster_reachable_ids(request, partition->replicas, &replicas) &&
                                     cluster_reachable_ids(request, partition->isr, &isr)
                               : cluster_all_ids(request, partition->replicas, &replicas) &&
                                     cluster_all_ids(request, partition->isr, &isr);
    if (!fine || !cluster_offline_replicas(request, partition, &offline))
        return false;
    answer->replica_nodes = replicas.at;
    answer->replica_nodes_count = replicas.count;
    answer->isr_nodes = isr.at;
    answer->isr_nodes_count = isr.count;
    answer->offline_replicas = offline.at;
    answer->offline_replicas_count = offline.count;
    return true;
}

static enum err partition_error(const struct api_request *request,
                                const struct meta_partition *partition,
                                const struct metadata_response_topics_partitions *answer)
{
    enum err err = cluster_leader_error(request, partition);
    if (err == ERR_LISTENER_NOT_FOUND && request->header.api_version < VERSION_LISTENER_ERRORS)
        return ERR_LEADER_NOT_AVAILABLE;
    if (err == ERR_NONE && (answer->replica_nodes_count < partition->replicas.count ||
                            answer->isr_nodes_count < partition->isr.count))
        return ERR_REPLICA_NOT_AVAILABLE;
    return err;
}

static bool fill_partition(struct metadata *metadata, const struct meta_partition *partition,
                           struct metadata_response_topics_partitions *answer)
{
    *answer = metadata_response_topics_partitions_default;
    answer->partition_index = partition->id;
    answer->leader_epoch = partition->leader_epoch;
    if (!fill_replicas(metadata, partition, answer))
        return false;
    enum err err = partition_error(metadata->request, partition, answer);
    answer->error_code = (int16_t)err;
    bool has_leader = err == ERR_NONE || err == ERR_REPLICA_NOT_AVAILABLE;
    answer->leader_id = has_leader ? partition->leader : -1;
    return true;
}

/* ---- topics ---- */

static struct metadata_response_topics *add_topic(struct metadata *metadata)
{
    struct metadata_response_topics *answer =
        &metadata->response.topics[metadata->response.topics_count++];
    *answer = metadata_response_topics_default;
    answer->partitions_count = 0;
    if (metadata->message->include_topic_authorized_operations)
        answer->topic_authorized_operations = CLUSTER_OPERATIONS_OF_TOPIC;
    return answer;
}

static bool add_known(struct metadata *metadata, const struct meta_topic *topic)
{
    struct metadata_response_topics *answer = add_topic(metadata);
    answer->name = topic->name;
    answer->topic_id = topic->id;
    answer->is_internal = cluster_topic_is_internal(topic->name);
    answer->partitions =
        ARENA_ARRAY(&metadata->request->arena, struct metadata_response_topics_partitions,
                    topic->partitions.count + 1);
    if (answer->partitions == NULL)
        return false;
    struct pmap_iterator iterator;
    struct pmap_entry entry;
    pmap_iterate(topic->partitions, slice_of(NULL, 0), &iterator);
    while (pmap_next(&iterator, &entry)) {
        const struct meta_partition *partition = entry.value;
        if (!fill_partition(metadata, partition, &answer->partitions[answer->partitions_count++]))
            return false;
    }
    return true;
}

static bool add_named(struct metadata *metadata, struct slice name)
{
    const struct meta_topic *topic = meta_topic_named(metadata->request->here->image, name);
    if (topic != NULL)
        return add_known(metadata, topic);
    struct metadata_response_topics *answer = add_topic(metadata);
    answer->name = name;
    answer->is_internal = cluster_topic_is_internal(name);
    answer->error_code = cluster_topic_name_is_valid(name) ? ERR_UNKNOWN_TOPIC_OR_PARTITION
                                                           : ERR_INVALID_TOPIC_EXCEPTION;
    return true;
}

static bool add_by_id(struct metadata *metadata, struct uuid id)
{
    const struct meta_topic *topic = meta_topic_by_id(metadata->request->here->image, id);
    if (topic != NULL)
        return add_known(metadata, topic);
    struct metadata_response_topics *answer = add_topic(metadata);
    answer->name = slice_of(NULL, 0);
    answer->topic_id = id;
    answer->error_code = ERR_UNKNOWN_TOPIC_ID;
    answer->topic_authorized_operations =
        metadata_response_topics_default.topic_authorized_operations;
    return true;
}

static bool add_all(struct metadata *metadata)
{
    struct pmap_iterator iterator;
    struct pmap_entry entry;
    pmap_iterate(metadata->request->here->image->topics_by_name, slice_of(NULL, 0), &iterator);
    while (pmap_next(&iterator, &entry))
        if (!add_known(metadata, entry.value))
            return false;
    return true;
}

/* ---- what was asked for ---- */

static bool asks_for_all(const struct metadata *metadata)
{
    if (metadata->request->header.api_version < VERSION_NULL_IS_ALL)
        return metadata->message->topics_count <= 0;
    return metadata->message->topics_count < 0;
}

static int by_id(const void *a, const void *b)
{
    const struct metadata_request_topics *left = a;
    const struct metadata_request_topics *right = b;
    int order = uuid_compare(left->topic_id, right->topic_id);
    return order != 0 ? order : slice_compare(left->name, right->name);
}

/* The topics asked for, each once: sorts the array that stands in the request's arena. */
static void sort_out(struct metadata_request *message)
{
    int32_t kept = 0;
    if (message->topics_count <= 0)
        return;
    qsort(message->topics, (size_t)message->topics_count, sizeof message->topics[0], by_id);
    bool ids = !uuid_is_zero(message->topics[message->topics_count - 1].topic_id);
    for (int32_t i = 0; i < message->topics_count; i++) {
        struct metadata_request_topics topic = message->topics[i];
        if (ids && uuid_is_zero(topic.topic_id))
            continue;
        if (ids)
            topic.name = slice_of(NULL, 0);
        if (kept == 0 || by_id(&message->topics[kept - 1], &topic) != 0)
            message->topics[kept++] = topic;
    }
    message->topics_count = kept;
}

static bool add_topics(struct metadata *metadata)
{
    const struct metadata_request *message = metadata->message;
    bool all = asks_for_all(metadata);
    size_t count =
        all ? metadata->request->here->image->topics_by_name.count : (size_t)message->topics_count;
    metadata->response.topics_count = 0;
    metadata->response.topics =
        ARENA_ARRAY(&metadata->request->arena, struct metadata_response_topics, count + 1);
    if (metadata->response.topics == NULL)
        return false;
    if (all)
        return add_all(metadata);
    for (int32_t i = 0; i < message->topics_count; i++) {
        const struct metadata_request_topics *topic = &message->topics[i];
        bool fine = uuid_is_zero(topic->topic_id) ? add_named(metadata, topic->name)
                                                  : add_by_id(metadata, topic->topic_id);
        if (!fine)
            return false;
    }
    return true;
}

/* ---- the whole ---- */

static bool add_brokers(struct metadata *metadata)
{
    struct api_request *request = metadata->request;
    const struct meta_image *image = request->here->image;
    struct metadata_response *response = &metadata->response;
    response->brokers =
        ARENA_ARRAY(&request->arena, struct metadata_response_brokers, image->brokers.count + 1);
    if (response->brokers == NULL)
        return false;
    response->brokers_count = 0;
    struct pmap_iterator iterator;
    struct pmap_entry entry;
    pmap_iterate(image->brokers, slice_of(NULL, 0), &iterator);
    while (pmap_next(&iterator, &entry)) {
        const struct meta_broker *broker = entry.value;
        struct cluster_endpoint endpoint;
        if (broker->fenced ||
            !cluster_broker_endpoint(broker, cluster_listener_name(request), &endpoint))
            continue;
        response->brokers[response->brokers_count++] = (struct metadata_response_brokers){
            .node_id = endpoint.node_id,
            .host = endpoint.host,
            .port = endpoint.port,
            .rack = endpoint.rack,
        };
    }
    return true;
}

static void answer(struct metadata *metadata)
{
    struct api_request *request = metadata->request;
    struct metadata_response *response = &metadata->response;
    *response = metadata_response_default;
    response->cluster_id = slice_of_text(request->here->cluster_id);
    response->controller_id = cluster_contact_id(request);
    if (metadata->message->include_cluster_authorized_operations)
        response->cluster_authorized_operations = CLUSTER_OPERATIONS_OF_CLUSTER;
    if (!add_brokers(metadata) || !add_topics(metadata)) {
        api_request_fail(request, "memory for Metadata is out");
        return;
    }
    api_request_answer(request, response);
}

/* As Kafka answers a request that makes no sense: the error on each topic, and nothing else. */
static void answer_error(struct metadata *metadata, enum err err)
{
    struct api_request *request = metadata->request;
    struct metadata_response *response = &metadata->response;
    const struct metadata_request *message = metadata->message;
    *response = metadata_response_default;
    response->topics_count = 0;
    response->topics = ARENA_ARRAY(&request->arena, struct metadata_response_topics,
                                   (size_t)message->topics_count + 1);
    if (response->topics == NULL) {
        api_request_fail(request, "memory for Metadata is out");
        return;
    }
    for (int32_t i = 0; i < message->topics_count; i++) {
        struct metadata_response_topics *topic = &response->topics[response->topics_count++];
        *topic = metadata_response_topics_default;
        topic->partitions_count = 0;
        topic->error_code = (int16_t)err;
        topic->topic_id = message->topics[i].topic_id;
        topic->name = message->topics[i].name;
        if (slice_is_null(topic->name))
            topic->name = slice_of_text("");
    }
    if (request->header.api_version >= VERSION_ERROR)
        response->error_code = (int16_t)err;
    api_request_answer(request, response);
}

/* Versions 10 and 11 have the fields but not their meaning; from 12 on a topic without a name must
 * have an id, or another one must. */
static enum err check(const struct api_request *request, const struct metadata_request *message)
{
    bool any_id = false;
    bool any_nothing = false;
    for (int32_t i = 0; i < message->topics_count; i++) {
        bool has_id = !uuid_is_zero(message->topics[i].topic_id);
        bool has_name = !slice_is_null(message->topics[i].name);
        any_id = any_id || has_id;
        any_nothing = any_nothing || (!has_id && !has_name);
        if (request->header.api_version < VERSION_IDS && (has_id || !has_name))
            return ERR_INVALID_REQUEST;
    }
    return any_nothing && !any_id ? ERR_INVALID_REQUEST : ERR_NONE;
}

static void on_created(struct api_request *request)
{
    answer(request->state_of_api);
}

/* false: nothing is to be made. */
static bool create_missing(struct metadata *metadata)
{
    role_now_on_shard();
    struct api_request *request = metadata->request;
    const struct metadata_request *message = metadata->message;
    if (!message->allow_auto_topic_creation || !request->here->config->auto_create_topics_enable ||
        asks_for_all(metadata))
        return false;
    topic_creation_init(&metadata->creation, request, (size_t)message->topics_count);
    for (int32_t i = 0; i < message->topics_count; i++) {
        const struct metadata_request_topics *topic = &message->topics[i];
        if (uuid_is_zero(topic->topic_id) && cluster_topic_name_is_valid(topic->name) &&
            meta_topic_named(request->here->image, topic->name) == NULL)
            topic_creation_add(&metadata->creation, topic->name);
    }
    return topic_creation_run(&metadata->creation, on_created);
}

void api_handle_metadata(struct api_request *request)
{
    role_now_on_shard();
    struct metadata *metadata = API_NEW(request, struct metadata);
    if (metadata == NULL) {
        api_request_fail(request, "memory for Metadata is out");
        return;
    }
    struct metadata_request *message = request->message;
    metadata->request = request;
    metadata->message = message;
    request->state_of_api = metadata;
    enum err err = check(request, message);
    if (err != ERR_NONE) {
        answer_error(metadata, err);
        return;
    }
    sort_out(message);
    if (!create_missing(metadata))
        answer(metadata);
}
