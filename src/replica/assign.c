/* Telling the controller which directory a replica is in (KIP-858): calls that gather what there is
 * to tell, one under way at a time, again after a while where the controller does not take it. On
 * the set's shard. */
#include "replica/replica_int.h"

#include "base/always.h"
#include "wire/msg/assign_replicas_to_dirs_request.h"
#include "wire/msg/assign_replicas_to_dirs_response.h"

#define ASSIGN_REPLICAS_TO_DIRS 73
/* Kafka's bound of one request. */
#define PARTITIONS_MAX 2250
#define CALL_ARENA_MAX (16U * 1024 * 1024)
#define RETRY_MS_MIN 100
#define RETRY_MS_MAX 10000

static void finish(struct replica *replica, enum err err)
{
    role_now_on_shard();
    void (*on_assigned)(struct replica *, enum err) = replica->on_assigned;
    list_remove(&replica->assign_link);
    replica->on_assigned = NULL;
    if (on_assigned != NULL)
        on_assigned(replica, err);
    replica_end(replica);
}

static void finish_all(struct list *replicas, enum err err)
{
    while (!list_is_empty(replicas))
        finish(CONTAINER_OF(replicas->next, struct replica, assign_link), err);
}

/* ---- one call ---- */

/* The entry of a directory in the request, with room for `count` topics. */
static struct assign_replicas_to_dirs_request_directories *directory_of(
    struct assign_replicas_to_dirs_request *request, struct arena *arena, struct uuid id,
    size_t count)
{
    for (int32_t i = 0; i < request->directories_count; i++)
        if (uuid_equal(request->directories[i].id, id))
            return &request->directories[i];
    struct assign_replicas_to_dirs_request_directories *directory =
        &request->directories[request->directories_count++];
    *directory = (struct assign_replicas_to_dirs_request_directories){
        .id = id,
        .topics =
            ARENA_ARRAY(arena, struct assign_replicas_to_dirs_request_directories_topics, count)};
    return directory;
}

static void add(struct assign_replicas_to_dirs_request *request, struct arena *arena,
                const struct replica *replica, size_t count)
{
    struct assign_replicas_to_dirs_request_directories *directory =
        directory_of(request, arena, replica->assign_id, count);
    struct assign_replicas_to_dirs_request_directories_topics_partitions *partition =
        ARENA_NEW(arena, struct assign_replicas_to_dirs_request_directories_topics_partitions);
    if (directory->topics == NULL || partition == NULL)
        return;
    partition->partition_index = replica->partition;
    directory->topics[directory->topics_count++] =
        (struct assign_replicas_to_dirs_request_directories_topics){
            .topic_id = replica->topic_id, .partitions = partition, .partitions_count = 1};
}

/* NULL: memory is out. */
static struct assign_replicas_to_dirs_request *make_request(struct replica_assigner *assigner)
{
    struct arena *arena = &assigner->call.arena;
    struct assign_replicas_to_dirs_request *request =
        ARENA_NEW(arena, struct assign_replicas_to_dirs_request);
    size_t count = 0;
    LIST_EACH (&assigner->sent, node)
        count++;
    if (request == NULL)
        return NULL;
    *request = assign_replicas_to_dirs_request_default;
    request->broker_id = assigner->set->config->node_id;
    request->broker_epoch = assigner->set->broker_epoch;
    request->directories = ARENA_ARRAY(arena, struct assign_replicas_to_dirs_request_directories,
                                       (size_t)assigner->set->dir_count);
    if (request->directories == NULL)
        return NULL;
    LIST_EACH (&assigner->sent, node)
        add(request, arena, CONTAINER_OF(node, struct replica, assign_link), count);
    return arena->failed ? NULL : request;
}

/* ---- its answer ---- */

static void note_topic(const struct replica_assigner *assigner,
                       const struct assign_replicas_to_dirs_response_directories_topics *topic)
{
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        struct replica *replica =
            replica_set_find(assigner->set, topic->topic_id, topic->partitions[i].partition_index);
        if (replica != NULL && !list_is_empty(&replica->assign_link))
            finish(replica, (enum err)topic->partitions[i].error_code);
    }
}

static void note_answer(const struct replica_assigner *assigner,
                        const struct assign_replicas_to_dirs_response *response)
{
    for (int32_t i = 0; i < response->directories_count; i++)
        for (int32_t t = 0; t < response->directories[i].topics_count; t++)
            note_topic(assigner, &response->directories[i].topics[t]);
}

static void send_next(struct replica_assigner *assigner) ON(on_shard);

static void on_retry(struct shard *shard, struct shard_timer *timer)
{
    role_now_on_shard();
    (void)shard;
    send_next(CONTAINER_OF(timer, struct replica_assigner, retry));
}

static void retry_later(struct replica_assigner *assigner)
{
    role_now_on_shard();
    list_move_all(&assigner->sent, &assigner->waiting);
    assigner->retry_ms = MIN_OF(MAX_OF(assigner->retry_ms * 2, RETRY_MS_MIN), RETRY_MS_MAX);
    shard_timer_start(assigner->set->shard, &assigner->retry, assigner->retry_ms);
}

static void on_answered(struct shard *shard, struct peer_call *call)
{
    role_now_on_shard();
    (void)shard;
    struct replica_assigner *assigner = CONTAINER_OF(call, struct replica_assigner, call);
    const struct assign_replicas_to_dirs_response *response = call->response;
    enum err err = response != NULL ? (enum err)response->error_code : call->transport;
    struct arena arena = call->arena;
    assigner->away = false;
    if (err == ERR_NONE) {
        assigner->retry_ms = 0;
        struct replica_set *set = assigner->set;
        note_answer(assigner, response);
        finish_all(&assigner->sent, ERR_UNKNOWN_SERVER_ERROR); /* that it does not speak of */
        if (!set->stopping)
            send_next(assigner);
    } else if (assigner->set->stopping || err == ERR_UNSUPPORTED_VERSION) {
        finish_all(&assigner->sent, err);
    } else {
        retry_later(assigner);
    }
    arena_fini(&arena);
}

static void send_next(struct replica_assigner *assigner)
{
    struct replica_set *set = assigner->set;
    if (assigner->away || shard_timer_is_running(&assigner->retry))
        return;
    struct list *first = NULL;
    for (int i = 0; i < PARTITIONS_MAX; i++) {
        first = list_take_first(&assigner->waiting);
        if (first == NULL)
            break;
        list_add_tail(&assigner->sent, first);
    }
    if (list_is_empty(&assigner->sent))
        return;
    assigner->call = (struct peer_call){.own_node_id = set->config->node_id,
                                        .api_key = ASSIGN_REPLICAS_TO_DIRS,
                                        .on_done = on_answered};
    arena_init(&assigner->call.arena, CALL_ARENA_MAX);
    assigner->call.request = make_request(assigner);
    if (assigner->call.request == NULL) {
        arena_fini(&assigner->call.arena);
        retry_later(assigner);
        return;
    }
    assigner->away = true;
    peer_call(set->shard, set->config->node_id, &assigner->call);
}

/* ---- for the others ---- */

void replica_assigner_init(struct replica_set *set)
{
    struct replica_assigner *assigner = &set->assigner;
    *assigner = (struct replica_assigner){.set = set};
    list_init(&assigner->waiting);
    list_init(&assigner->sent);
    shard_timer_init(&assigner->retry, on_retry);
}

bool replica_assign(struct replica *replica, struct uuid directory_id,
                    void (*on_done)(struct replica *, enum err))
{
    struct replica_assigner *assigner = &replica->set->assigner;
    if (!list_is_empty(&replica->assign_link))
        return false;
    replica->assign_id = directory_id;
    replica->on_assigned = on_done;
    replica_begin(replica);
    list_add_tail(&assigner->waiting, &replica->assign_link);
    send_next(assigner);
    return true;
}

void replica_assigner_go(struct replica_set *set)
{
    shard_timer_stop(set->shard, &set->assigner.retry);
    send_next(&set->assigner);
}

void replica_assigner_stop(struct replica_set *set)
{
    struct replica_assigner *assigner = &set->assigner;
    shard_timer_stop(set->shard, &assigner->retry);
    finish_all(&assigner->waiting, ERR_COORDINATOR_NOT_AVAILABLE);
}
