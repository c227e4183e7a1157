/* ottla topic trim: raises where partitions start. Each leader is asked for its partitions; one
 * that cannot be reached fails the command, but not what others do. One thread. */
#include "base/always.h"
#include "cmd/admin.h"
#include "cmd/offsets.h"
#include "cmd/topic.h"
#include "sys/clock.h"
#include "tbl/apis.h"
#include "tbl/errors.h"
#include "wire/msg/delete_records_request.h"
#include "wire/msg/delete_records_response.h"
#include "wire/msg/list_offsets_request.h"
#include "wire/msg/list_offsets_response.h"

#include <stdio.h>
#include <stdlib.h>

#define TO_HIGH_WATERMARK (-1)
#define ATTEMPTS 6
#define PAUSE_MS 100

const struct command_flag topic_flag_to_offset = {'o', "to", "OFFSET",
                                                  "records in front of this offset"};
const struct command_flag topic_flag_before = {
    0, "before", "TIME", "records in front of the first one at or after this time"};
const struct command_flag topic_flag_all_records = {0, "all", NULL, "every record that is there"};

static const struct listing_column columns[] = {
    {"NAME", LISTING_TEXT},
    {"PARTITION", LISTING_NUMBER},
    {"START-OFFSET", LISTING_NUMBER},
};

/* A partition that is to be trimmed. */
struct target {
    struct slice topic;
    int32_t partition;
    int32_t leader;
    int64_t offset;
    int64_t start; /* as answered; -1: not */
    int16_t error; /* as answered */
    bool is_due;   /* it is to be asked for (again) */
};

struct trim {
    struct admin admin;
    const struct metadata_response *metadata;
    const char **names;  /* of the arguments, without partitions */
    int32_t *partitions; /* of the arguments; -1: all */
    int64_t offset;      /* to which; TO_HIGH_WATERMARK */
    int64_t time_ms;     /* -1: none is asked for */
    struct target *targets;
    int target_count;
};

/* ---- what is wanted ---- */

static bool wrong(const struct command_call *call, const struct command_flag *flag,
                  const char *value, const char *rule)
{
    console_error(call->console, "--%s %s: %s", flag->name, value, rule);
    return false;
}

static bool read_time(struct trim *trim, const struct command_call *call, const char *value)
{
    char text[64];
    struct text error;
    struct offset_range range;
    (void)snprintf(text, sizeof text, "@%s", value);
    text_init(&error, 1024);
    bool fine = strlen(value) < sizeof text - 1 &&
                offset_range_parse(text, sys_wall_ms(), &range, &error) &&
                range.from.kind == OFFSET_AT_TIME && range.until.kind == OFFSET_OPEN;
    text_fini(&error);
    if (!fine)
        return wrong(call, &topic_flag_before, value,
                     "must be a time, such as -7d, 2026-02-14, 2026-02-14T10:00:00Z or "
                     "milliseconds since 1970");
    trim->time_ms = range.from.number;
    return true;
}

/* One of the three flags. */
static bool read_extent(struct trim *trim, const struct command_call *call)
{
    const char *time = call_value(call, &topic_flag_before, NULL);
    bool all = call_has(call, &topic_flag_all_records);
    struct call_number to = {&topic_flag_to_offset, 0, INT64_MAX, TO_HIGH_WATERMARK};
    int count = call_has(call, &topic_flag_to_offset) + (time != NULL) + all;
    trim->time_ms = -1;
    if (count != 1) {
        console_error(call->console, "one of --to OFFSET, --before TIME and --all is needed");
        return false;
    }
    return call_number(call, to, &trim->offset) && (time == NULL || read_time(trim, call, time));
}

/* "orders" or "orders:3"; no topic's name has a colon. */
static bool read_argument(struct trim *trim, const struct command_call *call, int at)
{
    const char *argument = call->arguments[at];
    const char *colon = strchr(argument, ':');
    char *end = NULL;
    trim->names[at] = argument;
    trim->partitions[at] = -1;
    if (colon == NULL)
        return true;
    long partition = strtol(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || partition > INT32_MAX) {
        console_error(call->console, "%s: must be NAME or NAME:PARTITION", argument);
        return false;
    }
    trim->partitions[at] = (int32_t)partition;
    trim->names[at] = admin_text(&trim->admin, slice_of(argument, (size_t)(colon - argument)));
    return trim->names[at] != NULL;
}

static bool read_arguments(struct trim *trim, const struct command_call *call)
{
    size_t count = (size_t)call->argument_count;
    trim->names = ARENA_ARRAY(&trim->admin.arena, const char *, count);
    trim->partitions = ARENA_ARRAY(&trim->admin.arena, int32_t, count);
    bool fine = trim->names != NULL && trim->partitions != NULL;
    for (int i = 0; i < call->argument_count && fine; i++)
        fine = read_argument(trim, call, i);
    return fine;
}

static void report(struct trim *trim, struct slice topic, int32_t partition, int code)
{
    const char *hint = code == ERR_POLICY_VIOLATION
                           ? "A compacted topic's records go by key; cleanup.policy=compact,delete "
                             "lets them be trimmed too."
                           : NULL;
    const char *name =
        partition < 0 ? admin_text(&trim->admin, topic)
                      : arena_printf(&trim->admin.arena, "%.*s:%d", SLICE_ARG(topic), partition);
    admin_report(&trim->admin, &(struct admin_fault){.what = name, .code = code, .hint = hint});
}

/* ---- the partitions ---- */

static const struct metadata_response_topics *topic_of(const struct trim *trim, const char *name)
{
    for (int32_t i = 0; i < trim->metadata->topics_count; i++)
        if (slice_is(trim->metadata->topics[i].name, name))
            return &trim->metadata->topics[i];
    return NULL;
}

static bool is_target(const struct trim *trim, struct slice topic, int32_t partition)
{
    for (int i = 0; i < trim->target_count; i++)
        if (trim->targets[i].partition == partition && slice_equal(trim->targets[i].topic, topic))
            return true;
    return false;
}

static void add_target(struct trim *trim, struct slice topic,
                       const struct metadata_response_topics_partitions *partition)
{
    if (is_target(trim, topic, partition->partition_index))
        return;
    if (partition->leader_id < 0) {
        report(trim, topic, partition->partition_index, ERR_LEADER_NOT_AVAILABLE);
        return;
    }
    trim->targets[trim->target_count++] = (struct target){.topic = topic,
                                                          .partition = partition->partition_index,
                                                          .leader = partition->leader_id,
                                                          .offset = trim->offset,
                                                          .start = -1,
                                                          .is_due = true};
}

static void add_topic(struct trim *trim, const struct metadata_response_topics *topic,
                      int32_t partition)
{
    bool found = partition < 0;
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        bool wanted = partition < 0 || topic->partitions[i].partition_index == partition;
        if (wanted)
            add_target(trim, topic->name, &topic->partitions[i]);
        found = found || wanted;
    }
    if (!found)
        report(trim, topic->name, partition, ERR_UNKNOWN_TOPIC_OR_PARTITION);
}

static int by_place(const void *a, const void *b)
{
    const struct target *left = a;
    const struct target *right = b;
    int order = slice_compare(left->topic, right->topic);
    return order != 0 ? order
                      : (left->partition > right->partition) - (left->partition < right->partition);
}

/* false: out of memory. */
static bool find_targets(struct trim *trim)
{
    size_t count = 0;
    for (int32_t i = 0; i < trim->metadata->topics_count; i++)
        count += (size_t)MAX_OF(trim->metadata->topics[i].partitions_count, 0);
    trim->targets = ARENA_ARRAY(&trim->admin.arena, struct target, count + 1);
    if (trim->targets == NULL)
        return false;
    for (int i = 0; i < trim->admin.call->argument_count; i++) {
        const struct metadata_response_topics *topic = topic_of(trim, trim->names[i]);
        if (topic != NULL && topic->error_code != ERR_NONE)
            report(trim, topic->name, -1, topic->error_code);
        else if (topic != NULL)
            add_topic(trim, topic, trim->partitions[i]);
    }
    qsort(trim->targets, (size_t)trim->target_count, sizeof trim->targets[0], by_place);
    return true;
}

/* ---- one leader ---- */

static bool is_asked(const struct target *target, int32_t leader)
{
    return target->is_due && target->leader == leader;
}

static struct target *target_of(struct trim *trim, struct slice topic, int32_t partition)
{
    for (int i = 0; i < trim->target_count; i++)
        if (trim->targets[i].partition == partition && slice_equal(trim->targets[i].topic, topic))
            return &trim->targets[i];
    return NULL;
}

static bool send(struct trim *trim, struct client *client, int16_t api_key, const void *ask,
                 void *ret_answer)
{
    struct client_request request = {
        .api_key = api_key, .version = -1, .message = ask, .arena = &trim->admin.arena};
    return !trim->admin.arena.failed && client_send(client, &request, ret_answer);
}

static void take_offset(struct trim *trim, struct slice topic,
                        const struct list_offsets_response_topics_partitions *part)
{
    struct target *target = target_of(trim, topic, part->partition_index);
    if (target == NULL)
        return;
    target->offset = part->offset >= 0 ? part->offset : TO_HIGH_WATERMARK;
    target->error = part->error_code;
}

/* How far each is to be trimmed: up to the first record of the time, or all. */
static bool find_offsets(struct trim *trim, struct client *client, int32_t leader)
{
    struct arena *arena = &trim->admin.arena;
    struct list_offsets_request ask = list_offsets_request_default;
    struct list_offsets_response answer;
    size_t count = (size_t)trim->target_count;
    ask.topics = ARENA_ARRAY(arena, struct list_offsets_request_topics, count);
    struct list_offsets_request_topics_partitions *parts =
        ARENA_ARRAY(arena, struct list_offsets_request_topics_partitions, count);
    ask.replica_id = -1;
    ask.topics_count = 0;
    for (size_t i = 0; i < count && !arena->failed; i++) {
        if (!is_asked(&trim->targets[i], leader))
            continue;
        parts[i] = list_offsets_request_topics_partitions_default;
        parts[i].partition_index = trim->targets[i].partition;
        parts[i].timestamp = trim->time_ms;
        ask.topics[ask.topics_count++] = (struct list_offsets_request_topics){
            .name = trim->targets[i].topic, .partitions = &parts[i], .partitions_count = 1};
    }
    if (!send(trim, client, API_LIST_OFFSETS, &ask, &answer))
        return false;
    for (int32_t i = 0; i < answer.topics_count; i++)
        for (int32_t j = 0; j < answer.topics[i].partitions_count; j++)
            take_offset(trim, answer.topics[i].name, &answer.topics[i].partitions[j]);
    return true;
}

static void take_start(struct trim *trim, struct slice topic,
                       const struct delete_records_response_topics_partitions *part)
{
    struct target *target = target_of(trim, topic, part->partition_index);
    if (target == NULL)
        return;
    target->start = part->low_watermark;
    target->error = part->error_code;
}

static bool delete_records(struct trim *trim, struct client *client, int32_t leader)
{
    struct arena *arena = &trim->admin.arena;
    struct delete_records_request ask = delete_records_request_default;
    struct delete_records_response answer;
    size_t count = (size_t)trim->target_count;
    ask.topics = ARENA_ARRAY(arena, struct delete_records_request_topics, count);
    struct delete_records_request_topics_partitions *parts =
        ARENA_ARRAY(arena, struct delete_records_request_topics_partitions, count);
    ask.timeout_ms = (int32_t)trim->admin.timeout_ms;
    ask.topics_count = 0;
    for (size_t i = 0; i < count && !arena->failed; i++) {
        const struct target *target = &trim->targets[i];
        if (!is_asked(target, leader) || target->error != ERR_NONE)
            continue;
        parts[i] = (struct delete_records_request_topics_partitions){
            .partition_index = target->partition, .offset = target->offset};
        ask.topics[ask.topics_count++] = (struct delete_records_request_topics){
            .name = target->topic, .partitions = &parts[i], .partitions_count = 1};
    }
    if (!send(trim, client, API_DELETE_RECORDS, &ask, &answer))
        return false;
    for (int32_t i = 0; i < answer.topics_count; i++)
        for (int32_t j = 0; j < answer.topics[i].partitions_count; j++)
            take_start(trim, answer.topics[i].name, &answer.topics[i].partitions[j]);
    return true;
}

/* Asks once for those of the leader that are due; *ret_again when it may answer otherwise soon. */
static bool ask_once(struct trim *trim, struct client *client, int32_t leader, bool *ret_again)
{
    *ret_again = false;
    for (int i = 0; i < trim->target_count; i++)
        if (is_asked(&trim->targets[i], leader))
            trim->targets[i].error = ERR_NONE;
    if (trim->time_ms >= 0 && !find_offsets(trim, client, leader))
        return false;
    if (!delete_records(trim, client, leader))
        return false;
    for (int i = 0; i < trim->target_count; i++) {
        struct target *target = &trim->targets[i];
        if (!is_asked(target, leader))
            continue;
        target->is_due = target->error != ERR_NONE && err_is_known(target->error) &&
                         err_is_retriable((enum err)target->error);
        *ret_again = *ret_again || target->is_due;
    }
    return true;
}

/* Right after a topic was made, its leaders may need a moment. */
static void ask_leader(struct trim *trim, int32_t leader)
{
    struct admin *admin = &trim->admin;
    const char *address = admin_node_address(admin, trim->metadata, leader);
    struct client client;
    if (address == NULL)
        return;
    bool fine = client_open(&client, address, admin->timeout_ms);
    bool again = fine;
    for (int attempt = 1; attempt <= ATTEMPTS && fine && again; attempt++) {
        if (attempt > 1)
            client_pause(&client, PAUSE_MS);
        fine = ask_once(trim, &client, leader, &again);
    }
    if (!fine) {
        console_error(admin->call->console, "broker %d: %s", leader,
                      client.error.size > 0 ? client.error.data : "out of memory");
        admin->failed = true;
    }
    client_close(&client);
}

static void ask_leaders(struct trim *trim)
{
    for (int i = 0; i < trim->target_count; i++) {
        bool first = true;
        for (int j = 0; j < i; j++)
            first = first && trim->targets[j].leader != trim->targets[i].leader;
        if (first)
            ask_leader(trim, trim->targets[i].leader);
    }
}

/* ---- the command ---- */

static void list_targets(struct trim *trim, struct listing *listing)
{
    for (int i = 0; i < trim->target_count; i++) {
        const struct target *target = &trim->targets[i];
        if (target->error != ERR_NONE) {
            report(trim, target->topic, target->partition, target->error);
        } else if (target->start >= 0) {
            listing_add(listing, admin_text(&trim->admin, target->topic));
            listing_printf(listing, "%d", target->partition);
            listing_printf(listing, "%lld", (long long)target->start);
        }
    }
}

static enum exit_code ask_first(const struct command_call *call)
{
    char question[512];
    (void)snprintf(question, sizeof question, "%s records of %s%s will be gone.",
                   call_has(call, &topic_flag_all_records) ? "All" : "The oldest",
                   call->arguments[0], call->argument_count > 1 ? ", ..." : "");
    return admin_confirm(call, "deletes", question);
}

static void trim_all(struct trim *trim)
{
    struct listing listing;
    trim->metadata = admin_metadata(&trim->admin, trim->names, trim->admin.call->argument_count);
    if (trim->metadata == NULL)
        return;
    if (!find_targets(trim)) {
        console_error(trim->admin.call->console, "out of memory");
        trim->admin.failed = true;
        return;
    }
    ask_leaders(trim);
    listing_init(&listing, "partitions", columns, COUNT_OF(columns));
    list_targets(trim, &listing);
    admin_print(&trim->admin, &listing);
    listing_fini(&listing);
}

enum exit_code topic_trim(const struct command_call *call)
{
    struct trim trim = {0};
    if (!read_extent(&trim, call))
        return EXIT_CODE_USAGE;
    enum exit_code code = ask_first(call);
    if (code != EXIT_CODE_OK)
        return code;
    code = admin_open(&trim.admin, call);
    if (code == EXIT_CODE_OK && !read_arguments(&trim, call))
        code = EXIT_CODE_USAGE;
    if (code == EXIT_CODE_OK) {
        trim_all(&trim);
        code = admin_result(&trim.admin);
    }
    admin_close(&trim.admin);
    return code;
}
