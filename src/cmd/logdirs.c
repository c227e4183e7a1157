/* ottla logdirs: the broker's log directories, the partitions in them, and moving partitions from
 * one to another. A move goes on in the broker after the command has ended; the listing of
 * partitions shows how far it is. One thread. */
#include "cmd/logdirs.h"

#include "base/text.h"
#include "cmd/admin.h"
#include "tbl/apis.h"
#include "tbl/errors.h"
#include "wire/msg/alter_replica_log_dirs_request.h"
#include "wire/msg/alter_replica_log_dirs_response.h"
#include "wire/msg/describe_log_dirs_request.h"
#include "wire/msg/describe_log_dirs_response.h"

#include <limits.h>
#include <stdlib.h>

const struct command_flag logdirs_flag_partitions = {'p', "partitions", NULL,
                                                     "list the partitions in each directory"};
const struct command_flag logdirs_flag_move = {'m', "move", "TOPIC:PARTITION",
                                               "move this one; may be repeated"};
const struct command_flag logdirs_flag_to = {0, "to", "DIRECTORY",
                                             "the directory to move to, as it is listed"};

static const struct listing_column dir_columns[] = {
    {"DIRECTORY", LISTING_TEXT},      {"STATUS", LISTING_TEXT},    {"TOTAL-BYTES", LISTING_NUMBER},
    {"USABLE-BYTES", LISTING_NUMBER}, {"TOPICS", LISTING_NUMBER},  {"PARTITIONS", LISTING_NUMBER},
    {"RECORD-BYTES", LISTING_NUMBER}, {"ARRIVING", LISTING_NUMBER}};

static const struct listing_column partition_columns[] = {
    {"DIRECTORY", LISTING_TEXT}, {"TOPIC", LISTING_TEXT},        {"PARTITION", LISTING_NUMBER},
    {"BYTES", LISTING_NUMBER},   {"OFFSET-LAG", LISTING_NUMBER}, {"ARRIVING", LISTING_BOOLEAN}};

static const struct listing_column move_columns[] = {
    {"TOPIC", LISTING_TEXT}, {"PARTITION", LISTING_NUMBER}, {"STATUS", LISTING_TEXT}};

static bool exchange(struct admin *admin, int16_t api_key, const void *ask, void *ret_answer)
{
    struct client_request request = {
        .api_key = api_key, .version = -1, .message = ask, .arena = &admin->arena};
    if (admin->arena.failed) {
        console_error(admin->call->console, "out of memory");
        return false;
    }
    if (client_send(&admin->client, &request, ret_answer))
        return true;
    admin_report_client(admin);
    return false;
}

/* ---- listing ---- */

static int by_path(const void *a, const void *b)
{
    const struct describe_log_dirs_response_results *left = a;
    const struct describe_log_dirs_response_results *right = b;
    return slice_compare(left->log_dir, right->log_dir);
}

static int by_topic(const void *a, const void *b)
{
    const struct describe_log_dirs_response_results_topics *left = a;
    const struct describe_log_dirs_response_results_topics *right = b;
    return slice_compare(left->name, right->name);
}

static int by_partition(const void *a, const void *b)
{
    const struct describe_log_dirs_response_results_topics_partitions *left = a;
    const struct describe_log_dirs_response_results_topics_partitions *right = b;
    return (left->partition_index > right->partition_index) -
           (left->partition_index < right->partition_index);
}

static void add_bytes(struct listing *listing, int64_t bytes)
{
    if (bytes >= 0)
        listing_printf(listing, "%lld", (long long)bytes);
    else
        listing_add(listing, NULL); /* not told */
}

static const char *status_of(const struct describe_log_dirs_response_results *result)
{
    if (result->error_code == ERR_KAFKA_STORAGE_ERROR)
        return "offline";
    if (result->error_code != ERR_NONE)
        return err_name((enum err)result->error_code);
    return result->is_cordoned ? "cordoned" : "online";
}

static void add_dir(struct admin *admin, const struct describe_log_dirs_response_results *result,
                    struct listing *listing)
{
    int64_t partitions = 0;
    int64_t arriving = 0;
    int64_t bytes = 0;
    for (int32_t t = 0; t < result->topics_count; t++)
        for (int32_t p = 0; p < result->topics[t].partitions_count; p++) {
            partitions += !result->topics[t].partitions[p].is_future_key;
            arriving += result->topics[t].partitions[p].is_future_key;
            bytes += result->topics[t].partitions[p].partition_size;
        }
    listing_add(listing, admin_text(admin, result->log_dir));
    listing_add(listing, status_of(result));
    add_bytes(listing, result->total_bytes);
    add_bytes(listing, result->usable_bytes);
    listing_printf(listing, "%d", result->topics_count);
    listing_printf(listing, "%lld", (long long)partitions);
    listing_printf(listing, "%lld", (long long)bytes);
    listing_printf(listing, "%lld", (long long)arriving);
}

static void add_partitions(struct admin *admin,
                           const struct describe_log_dirs_response_results *dir,
                           const struct describe_log_dirs_response_results_topics *topic,
                           struct listing *listing)
{
    qsort(topic->partitions, (size_t)topic->partitions_count, sizeof *topic->partitions,
          by_partition);
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        const struct describe_log_dirs_response_results_topics_partitions *at =
            &topic->partitions[i];
        listing_add(listing, admin_text(admin, dir->log_dir));
        listing_add(listing, admin_text(admin, topic->name));
        listing_printf(listing, "%d", at->partition_index);
        listing_printf(listing, "%lld", (long long)at->partition_size);
        listing_printf(listing, "%lld", (long long)at->offset_lag);
        listing_add(listing, at->is_future_key ? "true" : "false");
    }
}

static void list(struct admin *admin)
{
    bool each = call_has(admin->call, &logdirs_flag_partitions);
    struct describe_log_dirs_request ask = describe_log_dirs_request_default;
    struct describe_log_dirs_response answer;
    struct listing listing;
    ask.topics_count = -1;
    if (!exchange(admin, API_DESCRIBE_LOG_DIRS, &ask, &answer))
        return;
    listing_init(&listing, each ? "partitions" : "directories",
                 each ? partition_columns : dir_columns,
                 each ? COUNT_OF(partition_columns) : COUNT_OF(dir_columns));
    qsort(answer.results, (size_t)MAX_OF(answer.results_count, 0), sizeof *answer.results, by_path);
    if (answer.error_code != ERR_NONE)
        admin_report(admin, &(struct admin_fault){.code = answer.error_code});
    for (int32_t i = 0; i < answer.results_count; i++) {
        const struct describe_log_dirs_response_results *dir = &answer.results[i];
        qsort(dir->topics, (size_t)MAX_OF(dir->topics_count, 0), sizeof *dir->topics, by_topic);
        for (int32_t t = 0; t < dir->topics_count && each; t++)
            add_partitions(admin, dir, &dir->topics[t], &listing);
        if (!each)
            add_dir(admin, dir, &listing);
    }
    admin_print(admin, &listing);
    listing_fini(&listing);
}

/* ---- moving ---- */

/* "topic:0". */
static bool read_partition(const struct command_call *call, const char *text,
                           struct alter_replica_log_dirs_request_dirs_topics *ret_topic,
                           int32_t *ret_partition)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    long number =
        colon != NULL && colon[1] >= '0' && colon[1] <= '9' ? strtol(colon + 1, &end, 10) : -1;
    if (number < 0 || number > INT32_MAX || *end != '\0' || colon == text) {
        console_error(call->console, "--move %s: TOPIC:PARTITION is wanted, as in orders:0", text);
        return false;
    }
    *ret_partition = (int32_t)number;
    ret_topic->name = slice_of(text, (size_t)(colon - text));
    ret_topic->partitions = ret_partition;
    ret_topic->partitions_count = 1;
    return true;
}

static const char *hint_of(int code)
{
    switch (code) {
    case ERR_LOG_DIR_NOT_FOUND:
        return "ottla logdirs lists the directories; name one as it stands there";
    case ERR_UNKNOWN_TOPIC_OR_PARTITION:
    case ERR_REPLICA_NOT_AVAILABLE:
        return "there is no such partition yet; it will be made in that directory";
    case ERR_KAFKA_STORAGE_ERROR:
        return "a directory is offline; nothing is moved until all are back";
    default:
        return NULL;
    }
}

static void tell_moves(struct admin *admin, const struct alter_replica_log_dirs_response *answer)
{
    struct listing listing;
    listing_init(&listing, "moves", move_columns, COUNT_OF(move_columns));
    for (int32_t i = 0; i < answer->results_count; i++)
        for (int32_t p = 0; p < answer->results[i].partitions_count; p++) {
            int code = answer->results[i].partitions[p].error_code;
            int32_t number = answer->results[i].partitions[p].partition_index;
            const char *topic = admin_text(admin, answer->results[i].topic_name);
            if (code != ERR_NONE)
                admin_report(admin, &(struct admin_fault){
                                        .what = arena_printf(&admin->arena, "%s:%d", topic, number),
                                        .code = code,
                                        .hint = hint_of(code)});
            listing_add(&listing, topic);
            listing_printf(&listing, "%d", number);
            listing_add(&listing, code == ERR_NONE ? "moving" : err_name((enum err)code));
        }
    admin_print(admin, &listing);
    listing_fini(&listing);
}

/* EXIT_CODE_OK, or the code to end with, after an error line. */
static enum exit_code read_moves(const struct command_call *call, struct arena *arena,
                                 struct alter_replica_log_dirs_request_dirs *dir)
{
    size_t count = 0;
    const char *to = call_value(call, &logdirs_flag_to, NULL);
    while (call_value_at(call, &logdirs_flag_move, (int)count) != NULL)
        count++;
    if ((to == NULL) != (count == 0)) {
        console_error(call->console, "--move TOPIC:PARTITION and --to DIRECTORY go together");
        return EXIT_CODE_USAGE;
    }
    dir->path = slice_of_text(to);
    dir->topics = ARENA_ARRAY(arena, struct alter_replica_log_dirs_request_dirs_topics, count + 1);
    int32_t *partitions = ARENA_ARRAY(arena, int32_t, count + 1);
    if (dir->topics == NULL || partitions == NULL) {
        console_error(call->console, "out of memory");
        return EXIT_CODE_FAILED;
    }
    for (size_t i = 0; i < count; i++)
        if (!read_partition(call, call_value_at(call, &logdirs_flag_move, (int)i), &dir->topics[i],
                            &partitions[i]))
            return EXIT_CODE_USAGE;
    dir->topics_count = (int32_t)count;
    return EXIT_CODE_OK;
}

static void move(struct admin *admin, struct alter_replica_log_dirs_request_dirs *dir)
{
    struct alter_replica_log_dirs_request ask = alter_replica_log_dirs_request_default;
    struct alter_replica_log_dirs_response answer;
    ask.dirs = dir;
    ask.dirs_count = 1;
    if (exchange(admin, API_ALTER_REPLICA_LOG_DIRS, &ask, &answer))
        tell_moves(admin, &answer);
}

enum exit_code logdirs_run(const struct command_call *call)
{
    struct admin admin;
    struct arena arena;
    struct alter_replica_log_dirs_request_dirs dir = {0};
    arena_init(&arena, SIZE_MAX / 2);
    enum exit_code code = read_moves(call, &arena, &dir);
    if (code == EXIT_CODE_OK) {
        code = admin_open(&admin, call);
        if (code == EXIT_CODE_OK && dir.topics_count > 0)
            move(&admin, &dir);
        else if (code == EXIT_CODE_OK)
            list(&admin);
        if (code == EXIT_CODE_OK)
            code = admin_result(&admin);
        admin_close(&admin);
    }
    arena_fini(&arena);
    return code;
}
