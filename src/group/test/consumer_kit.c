/* See the header. */
#include "group/test/consumer_kit.h"

#include "base/always.h"
#include "group/groups.h"
#include "tbl/apis.h"
#include "wire/msg/consumer_group_heartbeat_request.h"

#include <stdio.h>
#include <stdlib.h>

#define API_BEAT 68
#define API_DESCRIBE 69
#define TOPICS_MAX 16

static struct {
    const char *name;
    uint8_t id;
} topics[TOPICS_MAX];
static int topic_count;

void consumer_kit_begin(struct coord_kit *kit, const char *const *settings)
{
    topic_count = 0;
    coord_kit_init(kit, &coord_groups_type, settings);
}

void consumer_kit_topic(struct coord_kit *kit, const char *name, uint8_t id, int32_t partitions)
{
    ALWAYS(topic_count < TOPICS_MAX, "room for a topic");
    topics[topic_count].name = name;
    topics[topic_count++].id = id;
    coord_kit_add_topic(kit, name, id, partitions);
}

static struct slice text_of(const char *text)
{
    return slice_of_text(text);
}

/* Words of a text, one after the other. */
static bool next_word(const char **text, struct slice *ret_word)
{
    *text += strspn(*text, " ");
    size_t size = strcspn(*text, " ");
    *ret_word = slice_of(*text, size);
    *text += size;
    return size > 0;
}

static int32_t number_of(struct slice word)
{
    int32_t number = 0;
    for (size_t i = 0; i < word.size; i++)
        number = number * 10 + (word.data[i] - '0');
    return number;
}

static struct uuid id_of(struct slice name)
{
    for (int i = topic_count - 1; i >= 0; i--)
        if (slice_is(name, topics[i].name))
            return coord_kit_id(topics[i].id);
    ALWAYS(false, "there is no topic %.*s", SLICE_ARG(name));
    return uuid_zero;
}

static void set_topics(struct coord_kit *kit, const char *text,
                       struct consumer_group_heartbeat_request *request)
{
    if (text == NULL)
        return;
    request->subscribed_topic_names = ARENA_ARRAY(&kit->arena, struct slice, 64);
    request->subscribed_topic_names_count = 0;
    struct slice word;
    while (next_word(&text, &word))
        request->subscribed_topic_names[request->subscribed_topic_names_count++] = word;
}

static void set_owned(struct coord_kit *kit, const char *text,
                      struct consumer_group_heartbeat_request *request)
{
    if (text == NULL)
        return;
    request->topic_partitions = ARENA_ARRAY(
        &kit->arena, struct consumer_group_heartbeat_request_topic_partitions, TOPICS_MAX);
    request->topic_partitions_count = 0;
    struct consumer_group_heartbeat_request_topic_partitions *topic = NULL;
    struct slice word;
    while (next_word(&text, &word)) {
        if (word.data[0] >= '0' && word.data[0] <= '9') {
            ALWAYS(topic != NULL, "a topic stands first");
            topic->partitions[topic->partitions_count++] = number_of(word);
            continue;
        }
        topic = &request->topic_partitions[request->topic_partitions_count++];
        topic->topic_id = id_of(word);
        topic->partitions = ARENA_ARRAY(&kit->arena, int32_t, 64);
        topic->partitions_count = 0;
    }
}

struct kit_call *consumer_kit_beat(struct coord_kit *kit, const struct beat *beat)
{
    struct consumer_group_heartbeat_request *request =
        ARENA_NEW(&kit->arena, struct consumer_group_heartbeat_request);
    *request = consumer_group_heartbeat_request_default;
    const char *group = beat->group != NULL ? beat->group : "g";
    request->group_id = text_of(group);
    request->member_id = text_of(beat->member);
    request->member_epoch = beat->epoch;
    request->instance_id = text_of(beat->instance);
    request->rack_id = text_of(beat->rack);
    request->server_assignor = text_of(beat->assignor);
    request->subscribed_topic_regex = text_of(beat->pattern);
    request->rebalance_timeout_ms = beat->rebalance_ms != 0 ? beat->rebalance_ms : -1;
    set_topics(kit, beat->topics, request);
    set_owned(kit, beat->owned, request);
    return coord_kit_call(kit, groups_consumer_heartbeat,
                          &(struct kit_call_options){
                              .name = beat->member[0] != '\0' ? beat->member : "nameless",
                              .key = group,
                              .api_key = API_BEAT,
                              .version = beat->version == 0 ? 1 : 0,
                              .request = request,
                          });
}

struct kit_call *consumer_kit_join(struct coord_kit *kit, struct beat beat)
{
    beat.epoch = 0;
    beat.owned = "";
    if (beat.rebalance_ms == 0)
        beat.rebalance_ms = 60000;
    return consumer_kit_beat(kit, &beat);
}

struct kit_call *consumer_kit_describe(struct coord_kit *kit, const char *group)
{
    return coord_kit_call(
        kit, groups_consumer_describe,
        &(struct kit_call_options){
            .name = "describe", .key = group, .api_key = -1, .version = 1, .request = NULL});
}
