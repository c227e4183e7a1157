/* ottla group delete and offset-delete: what a group has committed is forgotten, with the group or
 * for some partitions. Each group's coordinator is asked. One thread. */
#include "cmd/group_offsets.h"
#include "tbl/errors.h"
#include "wire/msg/delete_groups_request.h"
#include "wire/msg/delete_groups_response.h"
#include "wire/msg/offset_delete_request.h"
#include "wire/msg/offset_delete_response.h"

#include <stdio.h>

const struct command_flag group_flag_if_exists = {0, "if-exists", NULL,
                                                  "groups that are not there are no error"};

static const struct listing_column group_columns[] = {
    {"GROUP", LISTING_TEXT},
    {"STATUS", LISTING_TEXT},
};
static const struct listing_column offset_columns[] = {
    {"GROUP", LISTING_TEXT},
    {"TOPIC", LISTING_TEXT},
    {"PARTITION", LISTING_NUMBER},
    {"STATUS", LISTING_TEXT},
};

/* ---- shared ---- */

static bool out_of_memory(struct admin *admin)
{
    console_error(admin->call->console, "out of memory");
    admin->failed = true;
    return false;
}

bool group_topics_read(struct admin *admin, struct words_topic **ret_topics, int *ret_count)
{
    const struct command_call *call = admin->call;
    struct words_topic *topics =
        ARENA_ARRAY(&admin->arena, struct words_topic, (size_t)call->value_count + 1);
    const char *text;
    int count = 0;
    if (topics == NULL)
        return out_of_memory(admin);
    while ((text = call_value_at(call, &group_flag_topics, count)) != NULL) {
        if (!words_topic_parse(text, &admin->arena, &topics[count])) {
            console_error(call->console, "--topics %s: must be NAME, NAME:3 or NAME:0,1,7", text);
            return false;
        }
        count++;
    }
    *ret_topics = topics;
    *ret_count = count;
    return true;
}

int64_t group_committed(const struct group *group, struct slice topic, int32_t partition)
{
    for (size_t i = 0; i < group->offset_count; i++)
        if (group->offsets[i].partition == partition && slice_equal(group->offsets[i].topic, topic))
            return group->offsets[i].committed;
    return -1;
}

void group_report(struct admin *admin, const char *what, int code, struct slice message)
{
    const char *hint = NULL;
    if (code == ERR_NON_EMPTY_GROUP || code == ERR_UNKNOWN_MEMBER_ID ||
        code == ERR_REBALANCE_IN_PROGRESS || code == ERR_STALE_MEMBER_EPOCH)
        hint = "Stop its consumers first; ottla group describe -s members shows them.";
    else if (code == ERR_GROUP_SUBSCRIBED_TO_TOPIC)
        hint = "Members of the group read this topic; stop them first.";
    else if (code == ERR_GROUP_ID_NOT_FOUND)
        hint = "See ottla group list.";
    admin_report(
        admin, &(struct admin_fault){.what = what, .code = code, .message = message, .hint = hint});
}

static enum exit_code ask_first(const struct command_call *call)
{
    char text[512];
    (void)snprintf(text, sizeof text, "Committed offsets of %s%s will be forgotten.",
                   call->arguments[0], call->argument_count > 1 ? ", ..." : "");
    return admin_confirm(call, "deletes", text);
}

/* ---- groups ---- */

static int delete_error(const void *answer)
{
    const struct delete_groups_response *a = answer;
    return a->results_count > 0 ? a->results[0].error_code : ERR_NONE;
}

static void delete_group(struct cluster *cluster, const char *id, struct listing *listing)
{
    struct slice name = slice_of_text(id);
    struct delete_groups_request ask = delete_groups_request_default;
    struct delete_groups_response answer;
    struct cluster_key key = {.kind = CLUSTER_GROUP, .id = id, .error_of = delete_error};
    struct cluster_ask request = {.message = &wire_delete_groups_request, .request = &ask};
    ask.groups_names = &name;
    ask.groups_names_count = 1;
    if (!cluster_ask_coordinator(cluster, &key, &request, &answer, NULL))
        return;
    int error = delete_error(&answer);
    bool missing =
        error == ERR_GROUP_ID_NOT_FOUND && call_has(cluster->admin->call, &group_flag_if_exists);
    if (error != ERR_NONE && !missing) {
        group_report(cluster->admin, id, error, answer.results[0].error_message);
        return;
    }
    listing_add(listing, id);
    listing_add(listing, missing ? "missing" : "deleted");
}

enum exit_code group_delete(const struct command_call *call)
{
    struct admin admin;
    struct cluster cluster = {0};
    enum exit_code code = ask_first(call);
    if (code != EXIT_CODE_OK)
        return code;
    code = admin_open(&admin, call);
    if (code == EXIT_CODE_OK) {
        struct listing listing;
        listing_init(&listing, "groups", group_columns, COUNT_OF(group_columns));
        bool fine = cluster_open(&cluster, &admin);
        for (int i = 0; i < call->argument_count && fine; i++)
            delete_group(&cluster, call->arguments[i], &listing);
        code = admin_finish(&admin, &listing);
    }
    cluster_close(&cluster);
    admin_close(&admin);
    return code;
}

/* ---- offsets ---- */

struct forget {
    struct cluster cluster;
    struct admin admin;
    struct group group;
    struct words_topic *topics;
    int topic_count;
};

static int offset_delete_error(const void *answer)
{
    return ((const struct offset_delete_response *)answer)->error_code;
}

/* Without partitions: all that the group has of the topic. */
static bool choose_partitions(struct forget *f, struct words_topic *topic)
{
    if (topic->partition_count >= 0)
        return true;
    topic->partition_count = 0;
    topic->partitions = ARENA_ARRAY(&f->admin.arena, int32_t, f->group.offset_count + 1);
    if (topic->partitions == NULL)
        return out_of_memory(&f->admin);
    for (size_t i = 0; i < f->group.offset_count; i++)
        if (slice_equal(f->group.offsets[i].topic, topic->topic))
            topic->partitions[topic->partition_count++] = f->group.offsets[i].partition;
    if (topic->partition_count > 0)
        return true;
    console_error(f->admin.call->console, "%s has no committed offset of %.*s", f->group.id,
                  SLICE_ARG(topic->topic));
    f->admin.failed = true;
    return true;
}

static bool fill_request(struct forget *f, struct offset_delete_request *ask)
{
    ask->topics = ARENA_ARRAY(&f->admin.arena, struct offset_delete_request_topics,
                              (size_t)f->topic_count + 1);
    if (ask->topics == NULL)
        return out_of_memory(&f->admin);
    for (int i = 0; i < f->topic_count; i++) {
        struct words_topic *from = &f->topics[i];
        if (!choose_partitions(f, from))
            return false;
        if (from->partition_count == 0)
            continue;
        struct offset_delete_request_topics *topic = &ask->topics[ask->topics_count++];
        *topic = offset_delete_request_topics_default;
        topic->name = from->topic;
        topic->partitions =
            ARENA_ARRAY(&f->admin.arena, struct offset_delete_request_topics_partitions,
                        (size_t)from->partition_count);
        if (topic->partitions == NULL)
            return out_of_memory(&f->admin);
        topic->partitions_count = from->partition_count;
        for (int p = 0; p < from->partition_count; p++)
            topic->partitions[p].partition_index = from->partitions[p];
    }
    return true;
}

static void list_answer(struct forget *f, const struct offset_delete_response *answer,
                        struct listing *listing)
{
    for (int32_t t = 0; t < answer->topics_count; t++)
        for (int32_t p = 0; p < answer->topics[t].partitions_count; p++) {
            const char *topic = admin_text(&f->admin, answer->topics[t].name);
            int32_t partition = answer->topics[t].partitions[p].partition_index;
            int error = answer->topics[t].partitions[p].error_code;
            if (error != ERR_NONE) {
                group_report(&f->admin, arena_printf(&f->admin.arena, "%s:%d", topic, partition),
                             error, slice_of(NULL, 0));
                continue;
            }
            listing_add(listing, f->group.id);
            listing_add(listing, topic);
            listing_printf(listing, "%d", partition);
            listing_add(listing, "deleted");
        }
}

static void forget(struct forget *f, struct listing *listing)
{
    struct offset_delete_request ask = offset_delete_request_default;
    struct offset_delete_response answer;
    struct cluster_key key = {
        .kind = CLUSTER_GROUP, .id = f->group.id, .error_of = offset_delete_error};
    struct cluster_ask request = {.message = &wire_offset_delete_request, .request = &ask};
    ask.group_id = slice_of_text(f->group.id);
    if (!cluster_open(&f->cluster, &f->admin) || !group_read_offsets(&f->cluster, &f->group) ||
        !fill_request(f, &ask) || ask.topics_count == 0 ||
        !cluster_ask_coordinator(&f->cluster, &key, &request, &answer, NULL))
        return;
    if (answer.error_code != ERR_NONE)
        group_report(&f->admin, f->group.id, answer.error_code, slice_of(NULL, 0));
    else
        list_answer(f, &answer, listing);
}

enum exit_code group_offset_delete(const struct command_call *call)
{
    struct forget f = {.group = {.id = call->arguments[0]}};
    struct listing listing;
    enum exit_code code = admin_prepare(&f.admin, call);
    if (code == EXIT_CODE_OK && !group_topics_read(&f.admin, &f.topics, &f.topic_count))
        code = EXIT_CODE_USAGE;
    if (code == EXIT_CODE_OK && f.topic_count == 0) {
        console_error(call->console, "--topics NAME[:N,N...] is missing");
        code = EXIT_CODE_USAGE;
    }
    if (code == EXIT_CODE_OK)
        code = ask_first(call);
    if (code == EXIT_CODE_OK)
        code = admin_connect(&f.admin);
    if (code == EXIT_CODE_OK) {
        listing_init(&listing, "offsets", offset_columns, COUNT_OF(offset_columns));
        forget(&f, &listing);
        code = admin_finish(&f.admin, &listing);
    }
    cluster_close(&f.cluster);
    admin_close(&f.admin);
    return code;
}
