/* ottla group seek: moves committed offsets of a group without members. What it comes to is worked
 * out first, partition by partition, within what there is of each; then all is committed in one
 * request. One thread. */
#include "cmd/group_offsets.h"
#include "sys/clock.h"
#include "tbl/errors.h"
#include "wire/msg/offset_commit_request.h"
#include "wire/msg/offset_commit_response.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

const struct command_flag group_flag_to = {
    0, "to", "OFFSET",
    "start, end, 42, +5 or -5 (from where the group is), @-1h,\n"
    "@2026-02-14, @1771027200000"};
const struct command_flag group_flag_to_group = {0, "to-group", "GROUP", "to where this group is"};
const struct command_flag group_flag_to_file = {
    0, "to-file", "FILE", "lines of topic, partition and offset, also with commas between"};
const struct command_flag group_flag_topics = {'t', "topics", "NAME[:N,N...]",
                                               "only these partitions; may be repeated"};
const struct command_flag group_flag_dry_run = {0, "dry-run", NULL, "only show what it comes to"};

/* The last version that names topics. */
#define COMMIT_BY_NAME 9

static const struct listing_column columns[] = {
    {"GROUP", LISTING_TEXT},        {"TOPIC", LISTING_TEXT},
    {"PARTITION", LISTING_NUMBER},  {"PREVIOUS-OFFSET", LISTING_NUMBER},
    {"NEW-OFFSET", LISTING_NUMBER},
};

/* A partition that is to be moved; by topic and partition. */
struct step {
    struct slice topic;
    int32_t partition;
    int64_t from;  /* -1: none is committed */
    int64_t to;    /* as asked for, then as it can be */
    int16_t error; /* told already */
};

struct seek {
    struct cluster cluster;
    struct admin admin;
    struct group group;
    struct words_target target; /* of --to */
    struct words_topic *topics; /* of --topics */
    int topic_count;
    struct step *steps;
    size_t step_count;
    size_t step_capacity;
};

/* ---- steps ---- */

static bool out_of_memory(struct seek *seek)
{
    console_error(seek->admin.call->console, "out of memory");
    seek->admin.failed = true;
    return false;
}

static bool add_step(struct seek *seek, const struct step *step)
{
    if (seek->step_count == seek->step_capacity) {
        size_t capacity = seek->step_capacity == 0 ? 64 : seek->step_capacity * 2;
        struct step *more = realloc(seek->steps, capacity * sizeof *more);
        if (more == NULL)
            return out_of_memory(seek);
        seek->steps = more;
        seek->step_capacity = capacity;
    }
    seek->steps[seek->step_count++] = *step;
    return true;
}

static int by_place(const void *a, const void *b)
{
    const struct step *left = a;
    const struct step *right = b;
    int order = slice_compare(left->topic, right->topic);
    return order != 0 ? order
                      : (left->partition > right->partition) - (left->partition < right->partition);
}

static bool is_chosen(const struct seek *seek, struct slice topic, int32_t partition)
{
    for (int i = 0; i < seek->topic_count; i++)
        if (words_topic_has(&seek->topics[i], topic, partition))
            return true;
    return seek->topic_count == 0;
}

/* ---- where to ---- */

/* What the group has, of the topics that are asked for. */
static bool add_committed(struct seek *seek)
{
    bool fine = true;
    for (size_t i = 0; i < seek->group.offset_count && fine; i++) {
        const struct group_offset *at = &seek->group.offsets[i];
        if (is_chosen(seek, at->topic, at->partition))
            fine = add_step(seek, &(struct step){.topic = at->topic, .partition = at->partition});
    }
    return fine;
}

static bool add_topic(struct seek *seek, const struct words_topic *words)
{
    bool fine = true;
    for (int i = 0; i < words->partition_count && fine; i++)
        fine = add_step(seek,
                        &(struct step){.topic = words->topic, .partition = words->partitions[i]});
    const struct metadata_response_topics *topic = cluster_topic(&seek->cluster, words->topic);
    if (words->partition_count >= 0 || topic == NULL)
        return fine;
    if (topic->error_code != ERR_NONE)
        admin_report(&seek->admin,
                     &(struct admin_fault){.what = admin_text(&seek->admin, words->topic),
                                           .code = topic->error_code});
    for (int32_t i = 0; i < topic->partitions_count && fine; i++)
        fine = add_step(seek, &(struct step){.topic = words->topic,
                                             .partition = topic->partitions[i].partition_index});
    return fine;
}

/* Topics that are named may be new to the group. */
static bool add_named(struct seek *seek)
{
    const char **names =
        ARENA_ARRAY(&seek->admin.arena, const char *, (size_t)seek->topic_count + 1);
    if (names == NULL)
        return out_of_memory(seek);
    for (int i = 0; i < seek->topic_count; i++)
        names[i] = admin_text(&seek->admin, seek->topics[i].topic);
    bool fine = cluster_know_topics(&seek->cluster, names, seek->topic_count);
    for (int i = 0; i < seek->topic_count && fine; i++)
        fine = add_topic(seek, &seek->topics[i]);
    return fine;
}

static bool add_of_group(struct seek *seek, const char *id)
{
    struct group other;
    if (!group_read(&seek->cluster, id, &other) || !group_read_offsets(&seek->cluster, &other))
        return false;
    bool fine = true;
    for (size_t i = 0; i < other.offset_count && fine; i++) {
        const struct group_offset *at = &other.offsets[i];
        if (at->committed >= 0 && is_chosen(seek, at->topic, at->partition))
            fine = add_step(seek, &(struct step){.topic = at->topic,
                                                 .partition = at->partition,
                                                 .to = at->committed});
    }
    return fine;
}

static bool add_line(struct seek *seek, const char *path, int number, struct slice line)
{
    struct words_offset offset;
    switch (words_offset_parse(line, &offset)) {
    case WORDS_LINE_EMPTY:
        return true;
    case WORDS_LINE_WRONG:
        console_error(seek->admin.call->console,
                      "%s:%d: a topic, a partition and an offset are wanted, as in orders 0 12",
                      path, number);
        seek->admin.failed = true;
        return false;
    case WORDS_LINE_OFFSET:
        break;
    }
    if (!is_chosen(seek, offset.topic, offset.partition))
        return true;
    return add_step(seek, &(struct step){.topic = arena_copy(&seek->admin.arena, offset.topic),
                                         .partition = offset.partition,
                                         .to = offset.offset});
}

static bool add_of_file(struct seek *seek, const char *path)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t capacity = 0;
    int number = 0;
    bool fine = file != NULL;
    if (!fine) {
        console_error(seek->admin.call->console, "%s: %s", path, strerror(errno));
        seek->admin.failed = true;
        return false;
    }
    while (fine) {
        ssize_t size = getline(&line, &capacity, file);
        if (size < 0)
            break;
        size -= size > 0 && line[size - 1] == '\n';
        fine = add_line(seek, path, ++number, slice_of(line, (size_t)size));
    }
    if (fine && ferror(file) != 0) {
        console_error(seek->admin.call->console, "%s: %s", path, strerror(errno));
        seek->admin.failed = true;
        fine = false;
    }
    free(line);
    (void)fclose(file);
    return fine;
}

/* Each partition once; what names one with two offsets is no instruction. */
static bool drop_twins(struct seek *seek)
{
    size_t kept = 0;
    if (seek->step_count > 1)
        qsort(seek->steps, seek->step_count, sizeof *seek->steps, by_place);
    for (size_t i = 0; i < seek->step_count; i++) {
        const struct step *before = kept > 0 ? &seek->steps[kept - 1] : NULL;
        bool twin = before != NULL && by_place(before, &seek->steps[i]) == 0;
        if (twin && before->to != seek->steps[i].to) {
            console_error(seek->admin.call->console, "%.*s:%d is named twice, with %lld and %lld",
                          SLICE_ARG(before->topic), before->partition, (long long)before->to,
                          (long long)seek->steps[i].to);
            seek->admin.failed = true;
            return false;
        }
        if (!twin)
            seek->steps[kept++] = seek->steps[i];
    }
    seek->step_count = kept;
    return true;
}

static bool add_steps(struct seek *seek)
{
    const char *group = call_value(seek->admin.call, &group_flag_to_group, NULL);
    const char *file = call_value(seek->admin.call, &group_flag_to_file, NULL);
    bool fine = group != NULL           ? add_of_group(seek, group)
                : file != NULL          ? add_of_file(seek, file)
                : seek->topic_count > 0 ? add_named(seek)
                                        : add_committed(seek);
    if (fine && seek->step_count == 0 && !seek->admin.failed) {
        console_error(seek->admin.call->console,
                      "%s: there is nothing to move: no offset is committed. --topics says which "
                      "partitions are meant",
                      seek->group.id);
        seek->admin.failed = true;
    }
    return fine && seek->step_count > 0 && drop_twins(seek);
}

/* ---- within the partitions ---- */

static bool know_topics(struct seek *seek)
{
    const char **names = ARENA_ARRAY(&seek->admin.arena, const char *, seek->step_count + 1);
    int count = 0;
    if (names == NULL)
        return out_of_memory(seek);
    for (size_t i = 0; i < seek->step_count; i++)
        if (i == 0 || !slice_equal(seek->steps[i].topic, seek->steps[i - 1].topic))
            names[count++] = admin_text(&seek->admin, seek->steps[i].topic);
    return cluster_know_topics(&seek->cluster, names, count);
}

/* Offsets at one time, in the order of the steps. NULL: out of memory. */
static struct cluster_offset *offsets_at(struct seek *seek, int64_t time_ms)
{
    struct cluster_offset *list =
        ARENA_ARRAY(&seek->admin.arena, struct cluster_offset, seek->step_count + 1);
    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < seek->step_count; i++)
        list[i] = (struct cluster_offset){.topic = seek->steps[i].topic,
                                          .partition = seek->steps[i].partition};
    cluster_offsets(&seek->cluster, list, seek->step_count, time_ms);
    return list;
}

static const char *name_of(struct seek *seek, const struct step *step)
{
    return arena_printf(&seek->admin.arena, "%.*s:%d", SLICE_ARG(step->topic), step->partition);
}

static void resolve_step(struct seek *seek, struct step *step, const struct words_bounds *bounds)
{
    bool given = !call_has(seek->admin.call, &group_flag_to);
    struct words_target target =
        given ? (struct words_target){.place = WORDS_OFFSET, .number = step->to} : seek->target;
    struct console *console = seek->admin.call->console;
    bool clamped;
    if (!words_target_resolve(target, bounds, &step->to, &clamped)) {
        console_error(console, "%s has no committed offset to count from; --to 42 sets one",
                      name_of(seek, step));
        seek->admin.failed = true;
        step->error = ERR_OFFSET_NOT_AVAILABLE;
        return;
    }
    if (clamped)
        console_note(console, "%s has the offsets %lld to %lld: %lld is taken", name_of(seek, step),
                     (long long)bounds->low, (long long)bounds->high, (long long)step->to);
}

static bool resolve_steps(struct seek *seek)
{
    bool timed = call_has(seek->admin.call, &group_flag_to) && seek->target.place == WORDS_TIME;
    if (!know_topics(seek))
        return false;
    struct cluster_offset *lows = offsets_at(seek, CLUSTER_EARLIEST);
    struct cluster_offset *highs = offsets_at(seek, CLUSTER_LATEST);
    struct cluster_offset *times = timed ? offsets_at(seek, seek->target.number) : highs;
    if (lows == NULL || highs == NULL || times == NULL)
        return out_of_memory(seek);
    for (size_t i = 0; i < seek->step_count; i++) {
        struct step *step = &seek->steps[i];
        int error = lows[i].error != ERR_NONE ? lows[i].error : highs[i].error;
        step->error = (int16_t)(error != ERR_NONE ? error : times[i].error);
        step->from = group_committed(&seek->group, step->topic, step->partition);
        struct words_bounds bounds = {.low = lows[i].offset,
                                      .high = highs[i].offset,
                                      .committed = step->from,
                                      .of_time = times[i].offset};
        if (step->error == ERR_NONE)
            resolve_step(seek, step, &bounds);
        else
            admin_report(&seek->admin,
                         &(struct admin_fault){.what = name_of(seek, step), .code = step->error});
    }
    return true;
}

/* ---- committing ---- */

static int commit_error(const void *answer)
{
    const struct offset_commit_response *a = answer;
    if (a->topics_count <= 0 || a->topics[0].partitions_count <= 0)
        return ERR_NONE;
    return a->topics[0].partitions[0].error_code;
}

static bool fill_request(struct seek *seek, struct offset_commit_request *ask)
{
    struct arena *arena = &seek->admin.arena;
    ask->topics = ARENA_ARRAY(arena, struct offset_commit_request_topics, seek->step_count);
    struct offset_commit_request_topics_partitions *partition =
        ARENA_ARRAY(arena, struct offset_commit_request_topics_partitions, seek->step_count);
    if (ask->topics == NULL || partition == NULL)
        return out_of_memory(seek);
    for (size_t i = 0; i < seek->step_count; i++) {
        const struct step *step = &seek->steps[i];
        if (step->error != ERR_NONE)
            continue;
        struct offset_commit_request_topics *topic =
            ask->topics_count > 0 ? &ask->topics[ask->topics_count - 1] : NULL;
        if (topic == NULL || !slice_equal(topic->name, step->topic)) {
            topic = &ask->topics[ask->topics_count++];
            *topic = offset_commit_request_topics_default;
            topic->name = step->topic;
            topic->partitions = partition;
        }
        topic->partitions_count++;
        *partition = offset_commit_request_topics_partitions_default;
        partition->partition_index = step->partition;
        partition->committed_offset = step->to;
        partition->committed_metadata = slice_of_text("");
        partition++;
    }
    return true;
}

static void keep_error(struct seek *seek, struct slice topic, int32_t index, int16_t error)
{
    struct step key = {.topic = topic, .partition = index};
    struct step *step = bsearch(&key, seek->steps, seek->step_count, sizeof key, by_place);
    if (step == NULL || error == ERR_NONE)
        return;
    step->error = error;
    group_report(&seek->admin, name_of(seek, step), error, slice_of(NULL, 0));
}

static void commit(struct seek *seek)
{
    struct offset_commit_request ask = offset_commit_request_default;
    struct offset_commit_response answer;
    struct cluster_key key = {
        .kind = CLUSTER_GROUP, .id = seek->group.id, .error_of = commit_error};
    struct cluster_ask request = {
        .message = &wire_offset_commit_request, .version_max = COMMIT_BY_NAME, .request = &ask};
    ask.group_id = slice_of_text(seek->group.id);
    ask.generation_id_or_member_epoch = -1;
    bool fine = fill_request(seek, &ask);
    if (fine && ask.topics_count == 0)
        return;
    fine = fine && cluster_ask_coordinator(&seek->cluster, &key, &request, &answer, NULL);
    for (size_t i = 0; i < seek->step_count && !fine; i++)
        seek->steps[i].error = ERR_UNKNOWN_SERVER_ERROR; /* told */
    for (int32_t t = 0; fine && t < answer.topics_count; t++)
        for (int32_t p = 0; p < answer.topics[t].partitions_count; p++)
            keep_error(seek, answer.topics[t].name, answer.topics[t].partitions[p].partition_index,
                       answer.topics[t].partitions[p].error_code);
}

/* ---- the command ---- */

static void list_steps(struct seek *seek)
{
    struct listing listing;
    listing_init(&listing, "offsets", columns, COUNT_OF(columns));
    for (size_t i = 0; i < seek->step_count; i++) {
        const struct step *step = &seek->steps[i];
        if (step->error != ERR_NONE)
            continue;
        listing_add(&listing, seek->group.id);
        listing_add(&listing, admin_text(&seek->admin, step->topic));
        listing_printf(&listing, "%d", step->partition);
        if (step->from >= 0)
            listing_printf(&listing, "%lld", (long long)step->from);
        else
            listing_add(&listing, NULL);
        listing_printf(&listing, "%lld", (long long)step->to);
    }
    admin_print(&seek->admin, &listing);
    listing_fini(&listing);
}

static bool has_no_members(struct seek *seek)
{
    if (seek->group.member_count == 0)
        return true;
    console_error(seek->admin.call->console,
                  "%s has members (%zu, %.*s), who would go on from where they are. Stop them "
                  "first; ottla group describe %s -s members shows them.",
                  seek->group.id, seek->group.member_count, SLICE_ARG(seek->group.state),
                  seek->group.id);
    seek->admin.failed = true;
    return false;
}

static void seek_all(struct seek *seek)
{
    const struct command_call *call = seek->admin.call;
    if (!cluster_open(&seek->cluster, &seek->admin) ||
        !group_read_or_new(&seek->cluster, call->arguments[0], &seek->group) ||
        !has_no_members(seek) || !group_read_offsets(&seek->cluster, &seek->group) ||
        !add_steps(seek) || !resolve_steps(seek))
        return;
    if (!call_has(call, &group_flag_dry_run))
        commit(seek);
    list_steps(seek);
}

static bool read_arguments(struct seek *seek, const struct command_call *call)
{
    const char *to = call_value(call, &group_flag_to, NULL);
    int count =
        (to != NULL) + call_has(call, &group_flag_to_group) + call_has(call, &group_flag_to_file);
    if (count != 1) {
        console_error(call->console, "one of --to, --to-group and --to-file is needed");
        return false;
    }
    if (to != NULL && !words_target_parse(to, sys_wall_ms(), &seek->target)) {
        console_error(call->console,
                      "--to %s: must be start, end, an offset, +N, -N or a time such as @-1h", to);
        return false;
    }
    return group_topics_read(&seek->admin, &seek->topics, &seek->topic_count);
}

static enum exit_code ask_first(const struct command_call *call)
{
    char question[512];
    if (call_has(call, &group_flag_dry_run))
        return EXIT_CODE_OK;
    (void)snprintf(question, sizeof question,
                   "Committed offsets of %s will be moved; --dry-run shows where to.",
                   call->arguments[0]);
    return admin_confirm(call, "moves them", question);
}

enum exit_code group_seek(const struct command_call *call)
{
    struct seek seek = {0};
    enum exit_code code = admin_prepare(&seek.admin, call);
    if (code == EXIT_CODE_OK && !read_arguments(&seek, call))
        code = EXIT_CODE_USAGE;
    if (code == EXIT_CODE_OK)
        code = ask_first(call);
    if (code == EXIT_CODE_OK)
        code = admin_connect(&seek.admin);
    if (code == EXIT_CODE_OK) {
        seek_all(&seek);
        code = admin_result(&seek.admin);
    }
    cluster_close(&seek.cluster);
    admin_close(&seek.admin);
    free(seek.steps);
    return code;
}
