/* See the header. The complication is an answer that never came: a topic may then be there or not,
 * and asking again tells. */
#include "server/test/sim_admin.h"

#include "sys/poller.h"
#include "tbl/apis.h"
#include "tbl/errors.h"
#include "wire/msg/create_topics_request.h"
#include "wire/msg/create_topics_response.h"
#include "wire/msg/delete_topics_request.h"
#include "wire/msg/delete_topics_response.h"
#include "wire/msg/metadata_request.h"
#include "wire/msg/metadata_response.h"

#include <stdlib.h>

#define CREATE_VERSION 7
#define DELETE_VERSION 6
#define METADATA_VERSION 12
#define PAUSE_MS 10

static void go_on_later(struct sim_admin *admin)
{
    sim_alarm_set(admin->channel.client, &admin->pause, PAUSE_MS);
}

static void call(struct sim_admin *admin, struct frame_header header,
                 void (*on_done)(struct sim_request *, const void *), const void *message)
{
    admin->call = (struct sim_request){.header = header, .on_done = on_done};
    sim_channel_call(&admin->channel, &admin->call, message);
}

/* ---- looking ---- */

static const struct metadata_response_topics *find(const struct metadata_response *answer,
                                                   const char *name)
{
    for (int32_t i = 0; i < answer->topics_count; i++)
        if (slice_is(answer->topics[i].name, name))
            return &answer->topics[i];
    return NULL;
}

static void check_partitions(const struct sim_topic *topic,
                             const struct metadata_response_topics *found)
{
    SIM_CHECK(found->partitions_count == topic->partition_count, "%s has %d partitions, not %d",
              topic->name, found->partitions_count, topic->partition_count);
    for (int32_t p = 0; p < found->partitions_count; p++) {
        const struct metadata_response_topics_partitions *at = &found->partitions[p];
        SIM_CHECK(at->error_code == ERR_NONE && at->leader_id == 1 && at->isr_nodes_count == 1,
                  "%s-%d: error %d, leader %d", topic->name, at->partition_index, at->error_code,
                  at->leader_id);
    }
}

static void check_topic(struct sim_topic *topic, const struct metadata_response *answer)
{
    const struct metadata_response_topics *found = find(answer, topic->name);
    SIM_CHECK(found != NULL || !topic->exists || topic->is_doomed, "%s was created, and is gone",
              topic->name);
    SIM_CHECK(found == NULL || !topic->is_gone, "%s was deleted, and is back", topic->name);
    if (found == NULL)
        return;
    SIM_CHECK(found->error_code == ERR_NONE, "%s: error %d", topic->name, found->error_code);
    SIM_CHECK(!topic->exists || uuid_equal(topic->id, found->topic_id), "%s has another id",
              topic->name);
    check_partitions(topic, found);
    topic->id = found->topic_id;
    topic->exists = true;
}

static void on_metadata(struct sim_request *done, const void *response)
{
    struct sim_admin *admin = CONTAINER_OF(done, struct sim_admin, call);
    const struct metadata_response *answer = (const struct metadata_response *)response;
    if (answer == NULL)
        return;
    for (int i = 0; i < admin->history->topic_count; i++)
        check_topic(&admin->history->topics[i], answer);
    admin->wants_check = false;
    admin->checks++;
    go_on_later(admin);
}

static void look(struct sim_admin *admin)
{
    struct metadata_request request = metadata_request_default;
    request.topics = NULL;
    request.topics_count = -1;
    call(admin, (struct frame_header){.api_key = API_METADATA, .api_version = METADATA_VERSION},
         on_metadata, &request);
}

/* ---- creating ---- */

static void on_created(struct sim_request *done, const void *response)
{
    struct sim_admin *admin = CONTAINER_OF(done, struct sim_admin, call);
    const struct create_topics_response *answer = (const struct create_topics_response *)response;
    struct sim_topic *topic = admin->topic;
    if (answer == NULL)
        return;
    int16_t error = answer->topics[0].error_code;
    go_on_later(admin);
    if (error == ERR_TOPIC_ALREADY_EXISTS) {
        SIM_CHECK(!topic->exists, "%s is created twice", topic->name);
        admin->wants_check = true;
        return;
    }
    if (error != ERR_NONE && admin->history->disk_fails) {
        admin->refusals++;
        return;
    }
    SIM_CHECK(error == ERR_NONE, "CreateTopics of %s is answered with error %d", topic->name,
              error);
    topic->id = answer->topics[0].topic_id;
    topic->exists = true;
}

static void create(struct sim_admin *admin, struct sim_topic *topic)
{
    struct create_topics_request request = create_topics_request_default;
    struct create_topics_request_topics wanted = create_topics_request_topics_default;
    struct create_topics_request_topics_configs configs[] = {
        {.name = SLICE_LIT("flush.messages"), .value = SLICE_LIT("1")},
        {.name = SLICE_LIT("message.timestamp.type"), .value = SLICE_LIT("LogAppendTime")},
    };
    if (!topic->syncs)
        configs[0].value = slice_of_text("1000");
    if (!topic->stamps)
        configs[1].value = slice_of_text("CreateTime");
    wanted.name = slice_of_text(topic->name);
    wanted.num_partitions = topic->partition_count;
    wanted.replication_factor = 1;
    wanted.configs = configs;
    wanted.configs_count = COUNT_OF(configs);
    request.topics = &wanted;
    request.topics_count = 1;
    request.timeout_ms = 30000;
    admin->topic = topic;
    call(admin, (struct frame_header){.api_key = API_CREATE_TOPICS, .api_version = CREATE_VERSION},
         on_created, &request);
}

/* ---- deleting ---- */

static void on_deleted(struct sim_request *done, const void *response)
{
    struct sim_admin *admin = CONTAINER_OF(done, struct sim_admin, call);
    const struct delete_topics_response *answer = (const struct delete_topics_response *)response;
    struct sim_topic *topic = admin->topic;
    if (answer == NULL)
        return;
    int16_t error = answer->responses[0].error_code;
    go_on_later(admin);
    SIM_CHECK(error == ERR_NONE || error == ERR_UNKNOWN_TOPIC_ID || admin->history->disk_fails,
              "DeleteTopics of %s is answered with error %d", topic->name, error);
    if (error == ERR_NONE || error == ERR_UNKNOWN_TOPIC_ID)
        topic->is_gone = true;
    else
        admin->refusals++;
}

static void delete (struct sim_admin *admin, struct sim_topic *topic)
{
    struct delete_topics_request request = delete_topics_request_default;
    struct delete_topics_request_topics wanted = delete_topics_request_topics_default;
    wanted.name = (struct slice){0};
    wanted.topic_id = topic->id;
    request.topics = &wanted;
    request.topics_count = 1;
    request.timeout_ms = 30000;
    admin->topic = topic;
    call(admin, (struct frame_header){.api_key = API_DELETE_TOPICS, .api_version = DELETE_VERSION},
         on_deleted, &request);
}

/* ---- what comes next ---- */

static struct sim_topic *topic_to_create(const struct sim_admin *admin)
{
    for (int i = 0; i < admin->history->topic_count; i++)
        if (!admin->history->topics[i].exists)
            return &admin->history->topics[i];
    return NULL;
}

static struct sim_topic *topic_to_delete(const struct sim_admin *admin)
{
    for (int i = 0; i < admin->history->topic_count; i++)
        if (admin->history->topics[i].is_doomed && !admin->history->topics[i].is_gone)
            return &admin->history->topics[i];
    return NULL;
}

static void go_on(struct sim_admin *admin)
{
    struct sim_topic *missing = topic_to_create(admin);
    struct sim_topic *doomed = topic_to_delete(admin);
    if (!admin->channel.is_up || !list_is_empty(&admin->channel.calls))
        return;
    if (admin->wants_check)
        look(admin);
    else if (missing != NULL)
        create(admin, missing);
    else if (doomed != NULL)
        delete (admin, doomed);
}

static void on_pause_over(struct sim_alarm *alarm)
{
    go_on(CONTAINER_OF(alarm, struct sim_admin, pause));
}

static void on_up(struct sim_channel *channel)
{
    go_on(CONTAINER_OF(channel, struct sim_admin, channel));
}

void sim_admin_start(struct sim_admin *admin, struct sim_client *client,
                     struct sim_history *history)
{
    *admin = (struct sim_admin){.history = history, .channel = {.on_up = on_up}};
    sim_alarm_init(&admin->pause, on_pause_over);
    sim_node_use(client->machine);
    sim_channel_open(&admin->channel, client, "broker", 9092);
}

bool sim_admin_is_done(const struct sim_admin *admin)
{
    return !admin->wants_check && topic_to_create(admin) == NULL && topic_to_delete(admin) == NULL;
}

void sim_admin_look(struct sim_admin *admin)
{
    sim_node_use(admin->channel.client->machine);
    admin->wants_check = true;
    go_on_later(admin);
    sys_poller_wake(admin->channel.client->poller);
}

void sim_admin_fini(struct sim_admin *admin)
{
    sim_alarm_stop(&admin->pause);
    sim_node_use(admin->channel.client->machine);
    sim_channel_close(&admin->channel);
}
