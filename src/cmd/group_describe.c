/* ottla group describe: state, lag and members, of groups of both protocols and of those that only
 * have offsets. The lag is the distance to the high watermark, as kafka-consumer-groups shows it:
 * what a reader of committed records does not see yet counts too. One thread. */
#include "cmd/group.h"
#include "cmd/group_model.h"
#include "wire/msg/list_groups_request.h"

const struct command_flag group_flag_section = {'s', "section", "NAMES",
                                                "only these of summary,topics,lag,members"};
const struct command_flag group_flag_all = {0, "all", NULL, "every group"};
const struct command_flag group_flag_watch = {0, "watch", "SECONDS",
                                              "show it again and again, on a terminal"};

enum section { SECTION_SUMMARY = 1, SECTION_TOPICS = 2, SECTION_LAG = 4, SECTION_MEMBERS = 8 };

#define WATCH_SECONDS_MAX 86400

static const struct listing_column summary_columns[] = {
    {"GROUP", LISTING_TEXT},         {"TYPE", LISTING_TEXT},      {"STATE", LISTING_TEXT},
    {"PROTOCOL-TYPE", LISTING_TEXT}, {"ASSIGNOR", LISTING_TEXT},  {"EPOCH", LISTING_NUMBER},
    {"COORDINATOR", LISTING_NUMBER}, {"MEMBERS", LISTING_NUMBER}, {"PARTITIONS", LISTING_NUMBER},
    {"LAG", LISTING_NUMBER},
};
static const struct listing_column
    topic_columns[] =
        {
            {"GROUP", LISTING_TEXT},         {"TOPIC", LISTING_TEXT},
            {"PARTITIONS", LISTING_NUMBER},  {"LAG", LISTING_NUMBER},
            {"WITHOUT-LAG", LISTING_NUMBER}, /* partitions of which it is not known */
};
static const struct listing_column lag_columns[] = {
    {"GROUP", LISTING_TEXT},
    {"TOPIC", LISTING_TEXT},
    {"PARTITION", LISTING_NUMBER},
    {"CURRENT-OFFSET", LISTING_NUMBER},
    {"LOG-END-OFFSET", LISTING_NUMBER},
    {"LAG", LISTING_NUMBER},
    {"MEMBER", LISTING_TEXT},
    {"HOST", LISTING_TEXT},
    {"CLIENT-ID", LISTING_TEXT},
};
static const struct listing_column member_columns[] = {
    {"GROUP", LISTING_TEXT},        {"MEMBER", LISTING_TEXT},     {"INSTANCE", LISTING_TEXT},
    {"CLIENT-ID", LISTING_TEXT},    {"HOST", LISTING_TEXT},       {"EPOCH", LISTING_NUMBER},
    {"PARTITIONS", LISTING_NUMBER}, {"ASSIGNMENT", LISTING_TEXT},
};

struct describe {
    struct cluster cluster;
    struct admin admin;
    unsigned sections;
    struct text json; /* the groups so far */
};

static bool read_sections(const struct command_call *call, unsigned *ret_sections)
{
    static const char *const names[] = {"summary", "topics", "lag", "members"};
    const char *rest = call_value(call, &group_flag_section, "summary,topics,lag,members");
    *ret_sections = 0;
    while (*rest != '\0') {
        size_t size = strcspn(rest, ",");
        unsigned found = 0;
        for (unsigned i = 0; i < COUNT_OF(names); i++)
            if (slice_is(slice_of(rest, size), names[i]))
                found = 1U << i;
        if (found == 0) {
            console_error(call->console, "--section %.*s: must be summary, topics, lag or members",
                          (int)size, rest);
            return false;
        }
        *ret_sections |= found;
        rest += size + (rest[size] == ',');
    }
    return true;
}

/* ---- cells ---- */

static void add_text(struct describe *d, struct listing *listing, struct slice text)
{
    listing_add(listing, text.size > 0 ? admin_text(&d->admin, text) : NULL);
}

static void add_number(struct listing *listing, int64_t number)
{
    if (number < 0)
        listing_add(listing, NULL);
    else
        listing_printf(listing, "%lld", (long long)number);
}

/* "orders:0,1 payments:3" */
static void add_assignment(struct describe *d, struct listing *listing,
                           const struct group_member *member)
{
    struct text text;
    text_init(&text, (size_t)1 << 24);
    for (size_t i = 0; i < member->assigned_count; i++) {
        const struct group_partition *at = &member->assigned[i];
        if (i > 0 && slice_equal(at->topic, at[-1].topic))
            text_printf(&text, ",%d", at->partition);
        else
            text_printf(&text, "%s%.*s:%d", i > 0 ? " " : "", SLICE_ARG(at->topic), at->partition);
    }
    add_text(d, listing, text_slice(&text));
    text_fini(&text);
}

/* ---- sections ---- */

static void print_section(struct describe *d, struct listing *listing, const char *title)
{
    struct console *console = d->admin.call->console;
    bool table = d->admin.format == LISTING_TABLE;
    if (d->admin.format == LISTING_JSON) {
        text_add_char(&d->json, ',');
        listing_print_json(listing, &d->json);
    } else if (!table || listing_row_count(listing) > 0) {
        console_printf(console, "%s%s", table ? title : "", table ? "\n" : "");
        listing_print(listing, d->admin.format, console);
        console_printf(console, "%s", table ? "\n" : "");
    }
    listing_fini(listing);
}

static void describe_summary(struct describe *d, const struct group *group)
{
    struct listing listing;
    int64_t lag = 0;
    for (size_t at = 0; at < group->offset_count;)
        lag += group_topic_total(group->offsets, group->offset_count, &at).lag;
    listing_init(&listing, "summary", summary_columns, COUNT_OF(summary_columns));
    listing_add(&listing, group->id);
    listing_add(&listing, group->type);
    add_text(d, &listing, group->state);
    add_text(d, &listing, group->protocol_type);
    add_text(d, &listing, group->protocol);
    add_number(&listing, group->epoch);
    listing_printf(&listing, "%d", group->coordinator);
    listing_printf(&listing, "%zu", group->member_count);
    listing_printf(&listing, "%zu", group->offset_count);
    add_number(&listing, lag);
    print_section(d, &listing, "SUMMARY");
}

static void describe_topics(struct describe *d, const struct group *group)
{
    struct listing listing;
    listing_init(&listing, "topics", topic_columns, COUNT_OF(topic_columns));
    for (size_t at = 0; at < group->offset_count;) {
        struct group_total total = group_topic_total(group->offsets, group->offset_count, &at);
        listing_add(&listing, group->id);
        add_text(d, &listing, total.topic);
        listing_printf(&listing, "%d", total.partitions);
        add_number(&listing, total.lag);
        listing_printf(&listing, "%d", total.unknown);
    }
    print_section(d, &listing, "TOPICS");
}

static void describe_lag(struct describe *d, const struct group *group)
{
    struct listing listing;
    listing_init(&listing, "lag", lag_columns, COUNT_OF(lag_columns));
    for (size_t i = 0; i < group->offset_count; i++) {
        const struct group_offset *at = &group->offsets[i];
        static const struct group_member nobody;
        const struct group_member *member = at->member != NULL ? at->member : &nobody;
        int64_t lag;
        listing_add(&listing, group->id);
        add_text(d, &listing, at->topic);
        listing_printf(&listing, "%d", at->partition);
        add_number(&listing, at->committed);
        add_number(&listing, at->end);
        if (group_lag(at, &lag))
            listing_printf(&listing, "%lld", (long long)lag);
        else
            listing_add(&listing, NULL);
        add_text(d, &listing, member->id);
        add_text(d, &listing, member->host);
        add_text(d, &listing, member->client_id);
    }
    print_section(d, &listing, "LAG");
}

static void describe_members(struct describe *d, const struct group *group)
{
    struct listing listing;
    listing_init(&listing, "members", member_columns, COUNT_OF(member_columns));
    for (size_t i = 0; i < group->member_count; i++) {
        const struct group_member *member = &group->members[i];
        listing_add(&listing, group->id);
        add_text(d, &listing, member->id);
        add_text(d, &listing, member->instance_id);
        add_text(d, &listing, member->client_id);
        add_text(d, &listing, member->host);
        add_number(&listing, member->epoch);
        listing_printf(&listing, "%zu", member->assigned_count);
        add_assignment(d, &listing, member);
    }
    print_section(d, &listing, "MEMBERS");
}

static void describe_group(struct describe *d, const char *id)
{
    struct group group;
    bool offsets = (d->sections & ~(unsigned)SECTION_MEMBERS) != 0;
    if (!group_read(&d->cluster, id, &group))
        return;
    if (offsets && !group_read_offsets(&d->cluster, &group))
        return;
    if (offsets)
        group_read_ends(&d->cluster, &group);
    text_printf(&d->json, "%s{\"group\":", d->json.size > 0 ? "," : "");
    text_add_json_string(&d->json, slice_of_text(id));
    if ((d->sections & SECTION_SUMMARY) != 0)
        describe_summary(d, &group);
    if ((d->sections & SECTION_TOPICS) != 0)
        describe_topics(d, &group);
    if ((d->sections & SECTION_LAG) != 0)
        describe_lag(d, &group);
    if ((d->sections & SECTION_MEMBERS) != 0)
        describe_members(d, &group);
    text_printf(&d->json, "}");
}

/* ---- the command ---- */

/* Share and streams groups are described otherwise. */
static void describe_all(struct describe *d)
{
    struct group_row *rows;
    size_t count;
    group_find(&d->cluster, &list_groups_request_default, &rows, &count);
    for (size_t i = 0; i < count; i++)
        if (rows[i].type.size == 0 || slice_is(rows[i].type, "classic") ||
            slice_is(rows[i].type, "consumer"))
            describe_group(d, admin_text(&d->admin, rows[i].id));
}

static void describe_each(struct describe *d, const struct command_call *call)
{
    text_init(&d->json, (size_t)1 << 30);
    if (call_has(call, &group_flag_all))
        describe_all(d);
    for (int i = 0; i < call->argument_count; i++)
        describe_group(d, call->arguments[i]);
    if (d->admin.format == LISTING_JSON)
        console_printf(call->console,
                       "{\"_command\":\"group describe\",\"_version\":1,\"groups\":[%s]}\n",
                       d->json.data != NULL ? d->json.data : "");
    text_fini(&d->json);
}

/* pause_ms: how long to wait after; 0: not at all. */
static enum exit_code describe_once(const struct command_call *call, unsigned sections,
                                    int64_t pause_ms)
{
    struct describe d = {.sections = sections};
    enum exit_code code = admin_open(&d.admin, call);
    if (code == EXIT_CODE_OK) {
        if (cluster_open(&d.cluster, &d.admin))
            describe_each(&d, call);
        code = admin_result(&d.admin);
    }
    console_flush(call->console);
    if (pause_ms > 0 && d.admin.client.poller != NULL)
        client_pause(&d.admin.client, pause_ms);
    cluster_close(&d.cluster);
    admin_close(&d.admin);
    return code;
}

static bool read_arguments(const struct command_call *call, unsigned *ret_sections,
                           int64_t *ret_watch_s)
{
    struct call_number watch = {&group_flag_watch, 1, WATCH_SECONDS_MAX, 0};
    if (!read_sections(call, ret_sections) || !call_number(call, watch, ret_watch_s))
        return false;
    if (call_has(call, &group_flag_all) == (call->argument_count > 0)) {
        console_error(call->console, "either groups are named or --all is given");
        return false;
    }
    bool table = strcmp(call_value(call, &flag_format, "table"), "table") == 0;
    if (*ret_watch_s > 0 && (!call->console->out_is_terminal || !table)) {
        console_error(call->console, "--watch draws a table on a terminal; without one, ask again "
                                     "for --format json as often as wanted");
        return false;
    }
    return true;
}

enum exit_code group_describe(const struct command_call *call)
{
    unsigned sections;
    int64_t watch_s;
    if (!read_arguments(call, &sections, &watch_s))
        return EXIT_CODE_USAGE;
    enum exit_code code;
    do {
        /* Home, and nothing below: redrawn without a flicker. Ctrl-C ends it. */
        if (watch_s > 0)
            console_printf(call->console, "\033[H\033[J");
        code = describe_once(call, sections, watch_s * 1000);
    } while (watch_s > 0 && code != EXIT_CODE_USAGE && !call->console->failed);
    return code;
}
