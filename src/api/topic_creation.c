/* Topics made on demand; see the header. On the request's shard. */
#include "api/topic_creation.h"

#include "api/forward.h"
#include "config/node.h"

#include <inttypes.h>

#define VERSION_OF_THE_CALL 7
#define TIMEOUT_MS 30000
#define CONFIGS_MAX 5

/* ---- the topics that the cluster keeps for itself ---- */

struct internal_topic {
    int32_t partitions;
    int16_t replication_factor;
    struct create_topics_request_topics_configs configs[CONFIGS_MAX];
    int32_t config_count;
};

static void set(struct internal_topic *topic, const char *key, const char *value)
{
    topic->configs[topic->config_count++] = (struct create_topics_request_topics_configs){
        .name = slice_of_text(key),
        .value = slice_of_text(value),
    };
}

static void set_number(struct internal_topic *topic, struct arena *arena, const char *key,
                       int32_t value)
{
    set(topic, key, arena_printf(arena, "%" PRId32, value));
}

static void consumer_offsets(const struct node_config *config, struct arena *arena,
                             struct internal_topic *topic)
{
    topic->partitions = config->offsets_topic_num_partitions;
    topic->replication_factor = config->offsets_topic_replication_factor;
    set(topic, "cleanup.policy", "compact");
    set(topic, "compression.type", "producer");
    set_number(topic, arena, "segment.bytes", config->offsets_topic_segment_bytes);
}

static void transaction_state(const struct node_config *config, struct arena *arena,
                              struct internal_topic *topic)
{
    topic->partitions = config->transaction_state_log_num_partitions;
    topic->replication_factor = config->transaction_state_log_replication_factor;
    set(topic, "unclean.leader.election.enable", "false");
    set(topic, "compression.type", "uncompressed");
    set(topic, "cleanup.policy", "compact");
    set_number(topic, arena, "min.insync.replicas", config->transaction_state_log_min_isr);
    set_number(topic, arena, "segment.bytes", config->transaction_state_log_segment_bytes);
}

static void share_group_state(const struct node_config *config, struct arena *arena,
                              struct internal_topic *topic)
{
    topic->partitions = config->share_coordinator_state_topic_num_partitions;
    topic->replication_factor = config->share_coordinator_state_topic_replication_factor;
    set(topic, "cleanup.policy", "delete");
    set(topic, "compression.type", "producer");
    set(topic, "retention.ms", "-1");
    set_number(topic, arena, "min.insync.replicas", config->share_coordinator_state_topic_min_isr);
    set_number(topic, arena, "segment.bytes", config->share_coordinator_state_topic_segment_bytes);
}

struct internal_row {
    const char *name;
    void (*fill)(const struct node_config *, struct arena *, struct internal_topic *);
};

static const struct internal_row internal_rows[] = {
    {"__consumer_offsets", consumer_offsets},
    {"__transaction_state", transaction_state},
    {"__share_group_state", share_group_state},
};

/* NULL: an ordinary topic, or the arena is exhausted (which shows). */
static struct internal_topic *internal_of(struct api_request *request, struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(internal_rows); i++) {
        if (!slice_is(name, internal_rows[i].name))
            continue;
        struct internal_topic *topic = API_NEW(request, struct internal_topic);
        if (topic != NULL)
            internal_rows[i].fill(request->here->config, &request->arena, topic);
        return topic;
    }
    return NULL;
}

/* ---- the call ---- */

void topic_creation_init(struct topic_creation *creation, struct api_request *request, size_t count)
{
    *creation = (struct topic_creation){
        .request = request,
        .message = create_topics_request_default,
        .capacity = count,
    };
    creation->message.timeout_ms = TIMEOUT_MS;
    creation->message.topics_count = 0;
    creation->message.topics =
        ARENA_ARRAY(&request->arena, struct create_topics_request_topics, count);
}

void topic_creation_add(struct topic_creation *creation, struct slice name)
{
    struct create_topics_request *message = &creation->message;
    if (message->topics == NULL || (size_t)message->topics_count >= creation->capacity)
        return;
    struct create_topics_request_topics *topic = &message->topics[message->topics_count++];
    *topic = create_topics_request_topics_default;
    topic->name = name;
    topic->num_partitions = -1;
    topic->replication_factor = -1;
    topic->assignments_count = 0;
    topic->configs_count = 0;
    struct internal_topic *internal = internal_of(creation->request, name);
    if (internal == NULL)
        return;
    topic->num_partitions = internal->partitions;
    topic->replication_factor = internal->replication_factor;
    topic->configs = internal->configs;
    topic->configs_count = internal->config_count;
}

/* What could not be made stays unknown: the answer is made from the image either way. */
static void on_created(struct shard *shard, struct peer_call *call)
{
    (void)shard;
    struct topic_creation *creation = CONTAINER_OF(call, struct topic_creation, call);
    arena_fini(&call->arena);
    creation->on_done(creation->request);
}

bool topic_creation_run(struct topic_creation *creation, void (*on_done)(struct api_request *))
{
    struct api_request *request = creation->request;
    if (creation->message.topics_count == 0 || request->arena.failed)
        return false;
    creation->on_done = on_done;
    api_call_init(&creation->call, request->here);
    creation->call.api_key = API_CREATE_TOPICS;
    creation->call.api_version = VERSION_OF_THE_CALL;
    creation->call.request = &creation->message;
    creation->call.on_done = on_created;
    peer_call(request->here->shard, request->here->config->node_id, &creation->call);
    return true;
}
