/* ottla topic alter and add-partitions. Each names several topics, which all get the same; one that
 * fails does not keep the others from being changed, but the exit code says so. One thread. */
#include "cmd/admin.h"
#include "cmd/topic.h"
#include "config/change.h"
#include "tbl/apis.h"
#include "tbl/errors.h"
#include "wire/msg/create_partitions_request.h"
#include "wire/msg/create_partitions_response.h"
#include "wire/msg/incremental_alter_configs_request.h"
#include "wire/msg/incremental_alter_configs_response.h"

#define RESOURCE_TOPIC 2

const struct command_flag topic_flag_set = {'s', "set", "KEY=VALUE",
                                            "give the key this value; may be repeated"};
const struct command_flag topic_flag_unset = {
    'u', "unset", "KEY", "let the key have what the broker gives it; may be repeated"};
const struct command_flag topic_flag_append = {
    0, "append", "KEY=VALUE", "add to the key's list what it lacks; may be repeated"};
const struct command_flag topic_flag_subtract = {0, "subtract", "KEY=VALUE",
                                                 "take out of the key's list; may be repeated"};
const struct command_flag topic_flag_to = {0, "to", "N", "how many there are to be in all"};

static const struct listing_column alter_columns[] = {
    {"NAME", LISTING_TEXT},
    {"STATUS", LISTING_TEXT},
};

static const struct listing_column grow_columns[] = {
    {"NAME", LISTING_TEXT},
    {"STATUS", LISTING_TEXT},
    {"PARTITIONS", LISTING_NUMBER},
};

/* ---- alter ---- */

/* One change in the making: the flags in the order of operations. */
struct changes {
    struct incremental_alter_configs_request_resources_configs at[COMMAND_VALUES_MAX];
    int32_t count;
};

/* KEY=VALUE, or KEY where there is no value. */
static void add_changes(const struct command_call *call, const struct command_flag *flag,
                        enum config_op op, struct changes *changes)
{
    const char *text;
    for (int i = 0; (text = call_value_at(call, flag, i)) != NULL; i++) {
        const char *equals = op == CONFIG_OP_DELETE ? NULL : strchr(text, '=');
        changes->at[changes->count++] =
            (struct incremental_alter_configs_request_resources_configs){
                .name =
                    equals != NULL ? slice_of(text, (size_t)(equals - text)) : slice_of_text(text),
                .config_operation = (int8_t)op,
                .value = equals != NULL ? slice_of_text(equals + 1) : (struct slice){0}};
    }
}

/* false: the command line is wrong, and was told so. */
static bool read_changes(const struct command_call *call, struct changes *ret_changes)
{
    ret_changes->count = 0;
    if (!call_pairs_check(call, &topic_flag_set) || !call_pairs_check(call, &topic_flag_append) ||
        !call_pairs_check(call, &topic_flag_subtract))
        return false;
    add_changes(call, &topic_flag_set, CONFIG_OP_SET, ret_changes);
    add_changes(call, &topic_flag_unset, CONFIG_OP_DELETE, ret_changes);
    add_changes(call, &topic_flag_append, CONFIG_OP_APPEND, ret_changes);
    add_changes(call, &topic_flag_subtract, CONFIG_OP_SUBTRACT, ret_changes);
    if (ret_changes->count > 0)
        return true;
    console_error(call->console,
                  "nothing to change: give --set KEY=VALUE or --unset KEY. See ottla %s --help.",
                  call->command->name);
    return false;
}

static void build_alter(struct admin *admin, struct changes *changes,
                        struct incremental_alter_configs_request *ret_ask)
{
    const struct command_call *call = admin->call;
    *ret_ask = incremental_alter_configs_request_default;
    ret_ask->validate_only = call_has(call, &topic_flag_dry_run);
    ret_ask->resources =
        ARENA_ARRAY(&admin->arena, struct incremental_alter_configs_request_resources,
                    (size_t)call->argument_count);
    ret_ask->resources_count = call->argument_count;
    for (int i = 0; i < call->argument_count && ret_ask->resources != NULL; i++)
        ret_ask->resources[i] = (struct incremental_alter_configs_request_resources){
            .resource_type = RESOURCE_TOPIC,
            .resource_name = slice_of_text(call->arguments[i]),
            .configs = changes->at,
            .configs_count = changes->count};
}

static void list_altered(struct admin *admin,
                         const struct incremental_alter_configs_response_responses *topic,
                         struct listing *listing)
{
    const char *name = admin_text(admin, topic->resource_name);
    if (topic->error_code != ERR_NONE) {
        admin_report(admin, &(struct admin_fault){.what = name,
                                                  .code = topic->error_code,
                                                  .message = topic->error_message});
        return;
    }
    listing_add(listing, name);
    listing_add(listing,
                call_has(admin->call, &topic_flag_dry_run) ? "would be altered" : "altered");
}

enum exit_code topic_alter(const struct command_call *call)
{
    struct admin admin;
    struct changes changes;
    struct incremental_alter_configs_request ask;
    struct incremental_alter_configs_response answer;
    if (!read_changes(call, &changes))
        return EXIT_CODE_USAGE;
    enum exit_code code = admin_open(&admin, call);
    if (code == EXIT_CODE_OK) {
        build_alter(&admin, &changes, &ask);
        code = admin_exchange(&admin, API_INCREMENTAL_ALTER_CONFIGS, &ask, &answer);
    }
    if (code == EXIT_CODE_OK) {
        struct listing listing;
        listing_init(&listing, "topics", alter_columns, COUNT_OF(alter_columns));
        for (int32_t i = 0; i < answer.responses_count; i++)
            list_altered(&admin, &answer.responses[i], &listing);
        code = admin_finish(&admin, &listing);
    }
    admin_close(&admin);
    return code;
}

/* ---- add-partitions ---- */

/* false: the command line is wrong, and was told so. */
static bool read_count(const struct command_call *call, int32_t *ret_count)
{
    int64_t count;
    struct call_number to = {&topic_flag_to, 1, INT32_MAX, 0};
    if (!call_number(call, to, &count))
        return false;
    if (count == 0) {
        console_error(call->console, "--to N is missing: how many partitions there are to be. "
                                     "ottla topic list shows how many there are.");
        return false;
    }
    *ret_count = (int32_t)count;
    return true;
}

static void build_grow(struct admin *admin, int32_t count,
                       struct create_partitions_request *ret_ask)
{
    const struct command_call *call = admin->call;
    *ret_ask = create_partitions_request_default;
    ret_ask->timeout_ms = (int32_t)admin->timeout_ms;
    ret_ask->validate_only = call_has(call, &topic_flag_dry_run);
    ret_ask->topics = ARENA_ARRAY(&admin->arena, struct create_partitions_request_topics,
                                  (size_t)call->argument_count);
    ret_ask->topics_count = call->argument_count;
    for (int i = 0; i < call->argument_count && ret_ask->topics != NULL; i++)
        ret_ask->topics[i] = (struct create_partitions_request_topics){
            .name = slice_of_text(call->arguments[i]), .count = count, .assignments_count = -1};
}

static void list_grown(struct admin *admin, const struct create_partitions_response_results *topic,
                       int32_t count, struct listing *listing)
{
    const char *name = admin_text(admin, topic->name);
    if (topic->error_code != ERR_NONE) {
        bool too_few = topic->error_code == ERR_INVALID_PARTITIONS;
        admin_report(admin, &(struct admin_fault){.what = name,
                                                  .code = topic->error_code,
                                                  .message = topic->error_message,
                                                  .hint = too_few ? "Try a higher --to." : NULL});
        return;
    }
    listing_add(listing, name);
    listing_add(listing, call_has(admin->call, &topic_flag_dry_run) ? "would be added" : "added");
    listing_printf(listing, "%d", count);
}

enum exit_code topic_add_partitions(const struct command_call *call)
{
    struct admin admin;
    struct create_partitions_request ask;
    struct create_partitions_response answer;
    int32_t count;
    if (!read_count(call, &count))
        return EXIT_CODE_USAGE;
    enum exit_code code = admin_open(&admin, call);
    if (code == EXIT_CODE_OK) {
        build_grow(&admin, count, &ask);
        code = admin_exchange(&admin, API_CREATE_PARTITIONS, &ask, &answer);
    }
    if (code == EXIT_CODE_OK) {
        struct listing listing;
        listing_init(&listing, "topics", grow_columns, COUNT_OF(grow_columns));
        for (int32_t i = 0; i < answer.results_count; i++)
            list_grown(&admin, &answer.results[i], count, &listing);
        code = admin_finish(&admin, &listing);
    }
    admin_close(&admin);
    return code;
}
