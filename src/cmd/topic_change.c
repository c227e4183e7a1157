/* ottla topic create and delete. Each names several topics; one that fails does not keep the others
 * from being made or deleted, but the exit code says so. One thread. */
#include "cmd/admin.h"
#include "cmd/topic.h"
#include "tbl/apis.h"
#include "tbl/errors.h"
#include "wire/msg/create_topics_request.h"
#include "wire/msg/create_topics_response.h"
#include "wire/msg/delete_topics_request.h"
#include "wire/msg/delete_topics_response.h"

#include <stdio.h>

const struct command_flag topic_flag_partitions = {
    'p', "partitions", "N", "number of partitions (the broker's num.partitions)"};
const struct command_flag topic_flag_replicas = {
    'r', "replicas", "N", "replicas of each (the broker's default.replication.factor)"};
const struct command_flag topic_flag_config = {'c', "config", "KEY=VALUE",
                                               "a topic configuration; may be repeated"};
const struct command_flag topic_flag_if_not_exists = {0, "if-not-exists", NULL,
                                                      "a topic that is there is no error"};
const struct command_flag topic_flag_if_exists = {0, "if-exists", NULL,
                                                  "a topic that is not there is no error"};
const struct command_flag topic_flag_dry_run = {0, "dry-run", NULL,
                                                "let the broker check, and change nothing"};

static const struct listing_column create_columns[] = {
    {"NAME", LISTING_TEXT},       {"STATUS", LISTING_TEXT}, {"PARTITIONS", LISTING_NUMBER},
    {"REPLICAS", LISTING_NUMBER}, {"ID", LISTING_TEXT},
};

static const struct listing_column delete_columns[] = {
    {"NAME", LISTING_TEXT},
    {"STATUS", LISTING_TEXT},
};

/* ---- create ---- */

/* The repeated -c flags, the same for every topic. */
static bool read_configs(struct admin *admin, struct create_topics_request_topics *topic)
{
    const struct command_call *call = admin->call;
    int count = 0;
    if (!call_pairs_check(call, &topic_flag_config))
        return false;
    while (call_value_at(call, &topic_flag_config, count) != NULL)
        count++;
    topic->configs =
        ARENA_ARRAY(&admin->arena, struct create_topics_request_topics_configs, (size_t)count + 1);
    topic->configs_count = count;
    for (int i = 0; i < count && topic->configs != NULL; i++) {
        const char *pair = call_value_at(call, &topic_flag_config, i);
        const char *equals = strchr(pair, '=');
        topic->configs[i].name = slice_of(pair, (size_t)(equals - pair));
        topic->configs[i].value = slice_of_text(equals + 1);
    }
    return true;
}

static bool read_shape(const struct command_call *call, struct create_topics_request_topics *topic)
{
    int64_t partitions;
    int64_t replicas;
    struct call_number p = {&topic_flag_partitions, -1, INT32_MAX, -1};
    struct call_number r = {&topic_flag_replicas, -1, INT16_MAX, -1};
    if (!call_number(call, p, &partitions) || !call_number(call, r, &replicas))
        return false;
    topic->num_partitions = (int32_t)partitions;
    topic->replication_factor = (int16_t)replicas;
    return true;
}

/* false: the command line is wrong, and was told so. */
static bool build_create(struct admin *admin, struct create_topics_request *ret_ask)
{
    const struct command_call *call = admin->call;
    struct create_topics_request_topics topic = create_topics_request_topics_default;
    *ret_ask = create_topics_request_default;
    if (!read_shape(call, &topic) || !read_configs(admin, &topic))
        return false;
    ret_ask->timeout_ms = (int32_t)admin->timeout_ms;
    ret_ask->validate_only = call_has(call, &topic_flag_dry_run);
    ret_ask->topics = ARENA_ARRAY(&admin->arena, struct create_topics_request_topics,
                                  (size_t)call->argument_count);
    for (int i = 0; i < call->argument_count && ret_ask->topics != NULL; i++) {
        ret_ask->topics[i] = topic;
        ret_ask->topics[i].name = slice_of_text(call->arguments[i]);
    }
    ret_ask->topics_count = call->argument_count;
    return true;
}

static void add_number(struct listing *listing, int64_t number)
{
    if (number < 0)
        listing_add(listing, NULL);
    else
        listing_printf(listing, "%lld", (long long)number);
}

static void list_created(struct admin *admin, const struct create_topics_response_topics *topic,
                         struct listing *listing)
{
    bool there = topic->error_code == ERR_TOPIC_ALREADY_EXISTS &&
                 call_has(admin->call, &topic_flag_if_not_exists);
    const char *name = admin_text(admin, topic->name);
    if (topic->error_code != ERR_NONE && !there) {
        admin_report(admin, &(struct admin_fault){.what = name,
                                                  .code = topic->error_code,
                                                  .message = topic->error_message});
        return;
    }
    bool dry = call_has(admin->call, &topic_flag_dry_run);
    char id[UUID_TEXT_SIZE];
    uuid_format(topic->topic_id, id);
    listing_add(listing, name);
    listing_add(listing, there ? "exists" : dry ? "would be created" : "created");
    add_number(listing, there ? -1 : topic->num_partitions);
    add_number(listing, there ? -1 : topic->replication_factor);
    listing_add(listing, uuid_is_zero(topic->topic_id) ? NULL : id);
}

enum exit_code topic_create(const struct command_call *call)
{
    struct admin admin;
    struct create_topics_request ask;
    struct create_topics_response answer;
    enum exit_code code = admin_open(&admin, call);
    if (code == EXIT_CODE_OK && !build_create(&admin, &ask))
        code = EXIT_CODE_USAGE;
    if (code == EXIT_CODE_OK)
        code = admin_exchange(&admin, API_CREATE_TOPICS, &ask, &answer);
    if (code == EXIT_CODE_OK) {
        struct listing listing;
        listing_init(&listing, "topics", create_columns, COUNT_OF(create_columns));
        for (int32_t i = 0; i < answer.topics_count; i++)
            list_created(&admin, &answer.topics[i], &listing);
        code = admin_finish(&admin, &listing);
    }
    admin_close(&admin);
    return code;
}

/* ---- delete ---- */

static enum exit_code ask_first(const struct command_call *call)
{
    char question[512];
    bool many = call->argument_count > 1;
    (void)snprintf(question, sizeof question, "%s%s and all records in %s will be gone.",
                   call->arguments[0], many ? ", ..." : "", many ? "them" : "it");
    return admin_confirm(call, "deletes", question);
}

static void build_delete(struct admin *admin, struct delete_topics_request *ret_ask)
{
    const struct command_call *call = admin->call;
    size_t count = (size_t)call->argument_count;
    *ret_ask = delete_topics_request_default;
    ret_ask->timeout_ms = (int32_t)admin->timeout_ms;
    ret_ask->topics = ARENA_ARRAY(&admin->arena, struct delete_topics_request_topics, count);
    ret_ask->topic_names = ARENA_ARRAY(&admin->arena, struct slice, count);
    for (size_t i = 0; i < count && !admin->arena.failed; i++) {
        struct slice name = slice_of_text(call->arguments[i]);
        ret_ask->topics[i] = delete_topics_request_topics_default;
        ret_ask->topics[i].name = name;
        ret_ask->topic_names[i] = name;
    }
    /* By name in a list of its own until version 5, among the topics from 6 on. */
    if (client_version(&admin->client, API_DELETE_TOPICS) >= 6)
        ret_ask->topics_count = (int32_t)count;
    else
        ret_ask->topic_names_count = (int32_t)count;
}

static void list_deleted(struct admin *admin, const struct delete_topics_response_responses *topic,
                         struct listing *listing)
{
    bool absent = topic->error_code == ERR_UNKNOWN_TOPIC_OR_PARTITION &&
                  call_has(admin->call, &topic_flag_if_exists);
    const char *name = admin_text(admin, topic->name);
    if (topic->error_code != ERR_NONE && !absent) {
        admin_report(admin, &(struct admin_fault){.what = name,
                                                  .code = topic->error_code,
                                                  .message = topic->error_message});
        return;
    }
    listing_add(listing, name);
    listing_add(listing, absent ? "absent" : "deleted");
}

enum exit_code topic_delete(const struct command_call *call)
{
    struct admin admin;
    struct delete_topics_request ask;
    struct delete_topics_response answer;
    enum exit_code code = ask_first(call);
    if (code != EXIT_CODE_OK)
        return code;
    code = admin_open(&admin, call);
    if (code == EXIT_CODE_OK) {
        build_delete(&admin, &ask);
        code = admin_exchange(&admin, API_DELETE_TOPICS, &ask, &answer);
    }
    if (code == EXIT_CODE_OK) {
        struct listing listing;
        listing_init(&listing, "topics", delete_columns, COUNT_OF(delete_columns));
        for (int32_t i = 0; i < answer.responses_count; i++)
            list_deleted(&admin, &answer.responses[i], &listing);
        code = admin_finish(&admin, &listing);
    }
    admin_close(&admin);
    return code;
}
