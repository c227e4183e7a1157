/* ottla topic describe: a summary, the configuration and the partitions with their offsets. Offsets
 * come from each leader of a partition: one that cannot be reached leaves gaps in the table and
 * fails the command, but not the rest of it. One thread. */
#include "cmd/admin.h"
#include "cmd/topic.h"
#include "tbl/apis.h"
#include "tbl/errors.h"
#include "wire/msg/describe_configs_request.h"
#include "wire/msg/describe_configs_response.h"
#include "wire/msg/list_offsets_request.h"
#include "wire/msg/list_offsets_response.h"

#include <stdlib.h>

#define RESOURCE_TOPIC 2
#define SOURCE_DEFAULT 5
#define OFFSET_LATEST (-1)
#define OFFSET_EARLIEST (-2)
#define OFFSET_ATTEMPTS 6
#define OFFSET_PAUSE_MS 100

const struct command_flag topic_flag_section = {'s', "section", "NAMES",
                                                "only these of summary,configs,partitions"};
const struct command_flag topic_flag_all = {'a', "all", NULL,
                                            "configurations at their defaults too"};

enum section { SECTION_SUMMARY = 1, SECTION_CONFIGS = 2, SECTION_PARTITIONS = 4 };

static const struct listing_column summary_columns[] = {
    {"NAME", LISTING_TEXT},         {"ID", LISTING_TEXT},         {"INTERNAL", LISTING_BOOLEAN},
    {"PARTITIONS", LISTING_NUMBER}, {"REPLICAS", LISTING_NUMBER},
};
static const struct listing_column config_columns[] = {
    {"KEY", LISTING_TEXT},
    {"VALUE", LISTING_TEXT},
    {"SOURCE", LISTING_TEXT},
};
static const struct listing_column partition_columns[] = {
    {"PARTITION", LISTING_NUMBER},  {"LEADER", LISTING_NUMBER},   {"EPOCH", LISTING_NUMBER},
    {"REPLICAS", LISTING_NUMBERS},  {"IN-SYNC", LISTING_NUMBERS}, {"START-OFFSET", LISTING_NUMBER},
    {"END-OFFSET", LISTING_NUMBER},
};

/* One topic being described. */
struct describe {
    struct admin *admin;
    const struct metadata_response *metadata;
    const struct metadata_response_topics *topic;
    int64_t *starts; /* by partition index's place in the topic; -1: unknown */
    int64_t *ends;
    struct text json;   /* the topics so far */
    bool may_ask_again; /* a leader that does not know yet that it leads is asked again */
    bool must_ask_again;
    unsigned sections;
};

static bool read_sections(const struct command_call *call, unsigned *ret_sections)
{
    static const char *const names[] = {"summary", "configs", "partitions"};
    const char *rest = call_value(call, &topic_flag_section, "summary,configs,partitions");
    *ret_sections = 0;
    while (*rest != '\0') {
        size_t size = strcspn(rest, ",");
        unsigned found = 0;
        for (unsigned i = 0; i < COUNT_OF(names); i++)
            if (slice_is(slice_of(rest, size), names[i]))
                found = 1U << i;
        if (found == 0) {
            console_error(call->console, "--section %.*s: must be summary, configs or partitions",
                          (int)size, rest);
            return false;
        }
        *ret_sections |= found;
        rest += size + (rest[size] == ',');
    }
    return true;
}

/* ---- offsets ---- */

static void keep_offset(struct describe *d, const struct list_offsets_response_topics_partitions *p,
                        int64_t *offsets)
{
    if (d->may_ask_again && err_is_known(p->error_code) &&
        err_is_retriable((enum err)p->error_code)) {
        d->must_ask_again = true;
        return;
    }
    if (p->error_code != ERR_NONE) {
        admin_report(d->admin, &(struct admin_fault){.what = admin_text(d->admin, d->topic->name),
                                                     .code = p->error_code});
        return;
    }
    for (int32_t at = 0; at < d->topic->partitions_count; at++)
        if (d->topic->partitions[at].partition_index == p->partition_index)
            offsets[at] = p->offset;
}

/* One topic was asked for, so one is answered. */
static void keep_offsets(struct describe *d, const struct list_offsets_response *answer,
                         int64_t *offsets)
{
    for (int32_t t = 0; t < answer->topics_count; t++)
        for (int32_t i = 0; i < answer->topics[t].partitions_count; i++)
            keep_offset(d, &answer->topics[t].partitions[i], offsets);
}

/* One of start or end for every partition that the node leads. */
static bool ask_offsets(struct describe *d, struct client *leader, int32_t node_id,
                        int64_t timestamp)
{
    struct arena *arena = &d->admin->arena;
    struct list_offsets_request ask = list_offsets_request_default;
    struct list_offsets_request_topics topic = list_offsets_request_topics_default;
    struct list_offsets_response answer;
    topic.name = d->topic->name;
    topic.partitions = ARENA_ARRAY(arena, struct list_offsets_request_topics_partitions,
                                   (size_t)d->topic->partitions_count);
    if (topic.partitions == NULL)
        return false;
    topic.partitions_count = 0;
    for (int32_t i = 0; i < d->topic->partitions_count; i++) {
        if (d->topic->partitions[i].leader_id != node_id)
            continue;
        struct list_offsets_request_topics_partitions *p =
            &topic.partitions[topic.partitions_count++];
        *p = list_offsets_request_topics_partitions_default;
        p->partition_index = d->topic->partitions[i].partition_index;
        p->timestamp = timestamp;
    }
    ask.replica_id = -1;
    ask.topics = &topic;
    ask.topics_count = 1;
    struct client_request request = {
        .api_key = API_LIST_OFFSETS, .version = -1, .message = &ask, .arena = arena};
    if (!client_send(leader, &request, &answer))
        return false;
    keep_offsets(d, &answer, timestamp == OFFSET_LATEST ? d->ends : d->starts);
    return true;
}

/* Right after a topic was made, its leaders may need a moment. */
static bool ask_until_known(struct describe *d, struct client *leader, int32_t node_id)
{
    for (int attempt = 1; attempt <= OFFSET_ATTEMPTS; attempt++) {
        d->may_ask_again = attempt < OFFSET_ATTEMPTS;
        d->must_ask_again = false;
        if (!ask_offsets(d, leader, node_id, OFFSET_EARLIEST) ||
            !ask_offsets(d, leader, node_id, OFFSET_LATEST))
            return false;
        if (!d->must_ask_again)
            return true;
        client_pause(leader, OFFSET_PAUSE_MS);
    }
    return true;
}

static void ask_leader(struct describe *d, int32_t node_id)
{
    struct admin *admin = d->admin;
    const char *address = admin_node_address(admin, d->metadata, node_id);
    struct client leader;
    if (address == NULL)
        return;
    bool ok =
        client_open(&leader, address, admin->timeout_ms) && ask_until_known(d, &leader, node_id);
    if (!ok) {
        console_error(admin->call->console, "offsets of broker %d: %s", node_id,
                      leader.error.size > 0 ? leader.error.data : "out of memory");
        admin->failed = true;
    }
    client_close(&leader);
}

static bool is_first_of_leader(const struct metadata_response_topics *topic, int32_t at)
{
    for (int32_t i = 0; i < at; i++)
        if (topic->partitions[i].leader_id == topic->partitions[at].leader_id)
            return false;
    return topic->partitions[at].leader_id >= 0;
}

static bool read_offsets(struct describe *d)
{
    size_t count = (size_t)d->topic->partitions_count;
    d->starts = ARENA_ARRAY(&d->admin->arena, int64_t, count + 1);
    d->ends = ARENA_ARRAY(&d->admin->arena, int64_t, count + 1);
    if (d->starts == NULL || d->ends == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        d->starts[i] = d->ends[i] = -1;
    for (int32_t i = 0; i < d->topic->partitions_count; i++)
        if (is_first_of_leader(d->topic, i))
            ask_leader(d, d->topic->partitions[i].leader_id);
    return true;
}

/* ---- sections ---- */

static void print_section(struct describe *d, const struct listing *listing, const char *title)
{
    struct console *console = d->admin->call->console;
    if (d->admin->format == LISTING_JSON) {
        text_add_char(&d->json, ',');
        listing_print_json(listing, &d->json);
        return;
    }
    if (d->admin->format == LISTING_TABLE)
        console_printf(console, "%s\n", title);
    listing_print(listing, d->admin->format, console);
    if (d->admin->format == LISTING_TABLE)
        console_printf(console, "\n");
}

static void describe_summary(struct describe *d)
{
    const struct metadata_response_topics *topic = d->topic;
    struct listing listing;
    char id[UUID_TEXT_SIZE];
    uuid_format(topic->topic_id, id);
    listing_init(&listing, "summary", summary_columns, COUNT_OF(summary_columns));
    listing_add(&listing, admin_text(d->admin, topic->name));
    listing_add(&listing, uuid_is_zero(topic->topic_id) ? NULL : id);
    listing_add(&listing, topic->is_internal ? "true" : "false");
    listing_printf(&listing, "%d", topic->partitions_count);
    listing_printf(&listing, "%d",
                   topic->partitions_count > 0 ? topic->partitions[0].replica_nodes_count : 0);
    print_section(d, &listing, "SUMMARY");
    listing_fini(&listing);
}

static const char *source_name(int source)
{
    static const char *const names[] = {"unknown", "topic",         "broker",
                                        "cluster", "broker's file", "default"};
    return source >= 0 && source < (int)COUNT_OF(names) ? names[source] : names[0];
}

static void list_configs(struct describe *d, const struct describe_configs_response_results *result,
                         struct listing *listing)
{
    bool all = call_has(d->admin->call, &topic_flag_all);
    for (int32_t i = 0; i < result->configs_count; i++) {
        const struct describe_configs_response_results_configs *config = &result->configs[i];
        if (config->config_source == SOURCE_DEFAULT && !all)
            continue;
        listing_add(listing, admin_text(d->admin, config->name));
        listing_add(listing,
                    slice_is_null(config->value) ? NULL : admin_text(d->admin, config->value));
        listing_add(listing, source_name(config->config_source));
    }
}

static int compare_configs(const void *a, const void *b)
{
    const struct describe_configs_response_results_configs *left = a;
    const struct describe_configs_response_results_configs *right = b;
    return slice_compare(left->name, right->name);
}

static void describe_configs(struct describe *d)
{
    struct describe_configs_request ask = describe_configs_request_default;
    struct describe_configs_request_resources resource = describe_configs_request_resources_default;
    struct describe_configs_response answer;
    struct listing listing;
    resource.resource_type = RESOURCE_TOPIC;
    resource.resource_name = d->topic->name;
    resource.configuration_keys_count = -1;
    ask.resources = &resource;
    ask.resources_count = 1;
    struct client_request request = {
        .api_key = API_DESCRIBE_CONFIGS, .version = -1, .message = &ask, .arena = &d->admin->arena};
    if (!client_send(&d->admin->client, &request, &answer)) {
        admin_report_client(d->admin);
        return;
    }
    listing_init(&listing, "configs", config_columns, COUNT_OF(config_columns));
    for (int32_t i = 0; i < answer.results_count; i++) {
        struct describe_configs_response_results *result = &answer.results[i];
        if (result->error_code != ERR_NONE) {
            admin_report(d->admin,
                         &(struct admin_fault){.what = admin_text(d->admin, result->resource_name),
                                               .code = result->error_code,
                                               .message = result->error_message});
            continue;
        }
        if (result->configs_count > 0)
            qsort(result->configs, (size_t)result->configs_count, sizeof *result->configs,
                  compare_configs);
        list_configs(d, result, &listing);
    }
    print_section(d, &listing, "CONFIGS");
    listing_fini(&listing);
}

static void add_offset(struct listing *listing, int64_t offset)
{
    if (offset < 0)
        listing_add(listing, NULL);
    else
        listing_printf(listing, "%lld", (long long)offset);
}

static void describe_partitions(struct describe *d)
{
    struct listing listing;
    if (!read_offsets(d))
        return;
    listing_init(&listing, "partitions", partition_columns, COUNT_OF(partition_columns));
    for (int32_t i = 0; i < d->topic->partitions_count; i++) {
        const struct metadata_response_topics_partitions *p = &d->topic->partitions[i];
        listing_printf(&listing, "%d", p->partition_index);
        add_offset(&listing, p->leader_id);
        add_offset(&listing, p->leader_epoch);
        listing_add(&listing, admin_ids(d->admin, p->replica_nodes, p->replica_nodes_count));
        listing_add(&listing, admin_ids(d->admin, p->isr_nodes, p->isr_nodes_count));
        add_offset(&listing, d->starts[i]);
        add_offset(&listing, d->ends[i]);
    }
    print_section(d, &listing, "PARTITIONS");
    listing_fini(&listing);
}

static int compare_partitions(const void *a, const void *b)
{
    const struct metadata_response_topics_partitions *left = a;
    const struct metadata_response_topics_partitions *right = b;
    return left->partition_index < right->partition_index
               ? -1
               : left->partition_index > right->partition_index;
}

static void describe_topic(struct describe *d)
{
    const char *name = admin_text(d->admin, d->topic->name);
    if (d->topic->error_code != ERR_NONE) {
        admin_report(d->admin, &(struct admin_fault){.what = name, .code = d->topic->error_code});
        return;
    }
    if (d->topic->partitions_count > 0)
        qsort(d->topic->partitions, (size_t)d->topic->partitions_count,
              sizeof *d->topic->partitions, compare_partitions);
    text_printf(&d->json, "%s{\"name\":", d->json.size > 0 ? "," : "");
    text_add_json_string(&d->json, d->topic->name);
    if ((d->sections & SECTION_SUMMARY) != 0)
        describe_summary(d);
    if ((d->sections & SECTION_CONFIGS) != 0)
        describe_configs(d);
    if ((d->sections & SECTION_PARTITIONS) != 0)
        describe_partitions(d);
    text_printf(&d->json, "}");
}

enum exit_code topic_describe(const struct command_call *call)
{
    struct admin admin;
    struct describe d = {.admin = &admin};
    if (!read_sections(call, &d.sections))
        return EXIT_CODE_USAGE;
    enum exit_code code = admin_open(&admin, call);
    if (code == EXIT_CODE_OK)
        d.metadata = admin_metadata(&admin, call->arguments, call->argument_count);
    if (d.metadata != NULL) {
        text_init(&d.json, (size_t)1 << 30);
        for (int32_t i = 0; i < d.metadata->topics_count; i++) {
            d.topic = &d.metadata->topics[i];
            describe_topic(&d);
        }
        if (admin.format == LISTING_JSON)
            console_printf(call->console,
                           "{\"_command\":\"topic describe\",\"_version\":1,\"topics\":[%s]}\n",
                           d.json.data != NULL ? d.json.data : "");
        text_fini(&d.json);
    }
    if (code == EXIT_CODE_OK)
        code = admin_result(&admin);
    admin_close(&admin);
    return code;
}
