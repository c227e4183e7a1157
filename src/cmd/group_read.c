/* Asks a coordinator for a group. The newer request knows groups of the consumer protocol alone;
 * the older one knows those of the classic protocol, and the dead. One thread. */
#include "cmd/group_model.h"
#include "tbl/errors.h"
#include "wire/msg/consumer_group_describe_request.h"
#include "wire/msg/consumer_group_describe_response.h"
#include "wire/msg/describe_groups_request.h"
#include "wire/msg/describe_groups_response.h"
#include "wire/msg/offset_fetch_request.h"
#include "wire/msg/offset_fetch_response.h"

/* The last version that asks for one group, by names of topics. */
#define OFFSET_FETCH_ONE_GROUP 7

static void report_group(struct cluster *cluster, const char *id, int code, struct slice message)
{
    const char *hint = code == ERR_GROUP_ID_NOT_FOUND ? "See ottla group list." : NULL;
    admin_report(cluster->admin,
                 &(struct admin_fault){.what = id, .code = code, .message = message, .hint = hint});
}

static bool out_of_memory(struct cluster *cluster)
{
    console_error(cluster->admin->call->console, "out of memory");
    cluster->admin->failed = true;
    return false;
}

/* ---- the consumer protocol ---- */

static int consumer_error(const void *answer)
{
    const struct consumer_group_describe_response *a = answer;
    return a->groups_count > 0 ? a->groups[0].error_code : ERR_NONE;
}

static bool take_assignment(struct cluster *cluster,
                            const struct consumer_group_describe_response_groups_members *from,
                            struct group_member *member)
{
    size_t count = 0;
    for (int32_t t = 0; t < from->assignment.topic_partitions_count; t++)
        count += (size_t)from->assignment.topic_partitions[t].partitions_count;
    member->assigned = ARENA_ARRAY(&cluster->admin->arena, struct group_partition, count + 1);
    if (member->assigned == NULL)
        return out_of_memory(cluster);
    for (int32_t t = 0; t < from->assignment.topic_partitions_count; t++)
        for (int32_t p = 0; p < from->assignment.topic_partitions[t].partitions_count; p++)
            member->assigned[member->assigned_count++] = (struct group_partition){
                .topic = from->assignment.topic_partitions[t].topic_name,
                .partition = from->assignment.topic_partitions[t].partitions[p]};
    group_partitions_sort(member->assigned, member->assigned_count);
    return true;
}

static bool take_consumer(struct cluster *cluster,
                          const struct consumer_group_describe_response_groups *from,
                          struct group *group)
{
    group->type = "consumer";
    group->state = from->group_state;
    group->protocol_type = slice_of_text("consumer");
    group->protocol = from->assignor_name;
    group->epoch = from->group_epoch;
    group->members =
        ARENA_ARRAY(&cluster->admin->arena, struct group_member, (size_t)from->members_count + 1);
    if (group->members == NULL)
        return out_of_memory(cluster);
    for (int32_t i = 0; i < from->members_count; i++) {
        struct group_member *member = &group->members[group->member_count++];
        member->id = from->members[i].member_id;
        member->instance_id = from->members[i].instance_id;
        member->client_id = from->members[i].client_id;
        member->host = from->members[i].client_host;
        member->epoch = from->members[i].member_epoch;
        if (!take_assignment(cluster, &from->members[i], member))
            return false;
    }
    return true;
}

/* *ret_found: it is one of the consumer protocol, and taken. false: reported. */
static bool read_consumer(struct cluster *cluster, const struct cluster_key *key,
                          struct group *group, bool *ret_found)
{
    struct slice name = slice_of_text(key->id);
    struct consumer_group_describe_request ask = consumer_group_describe_request_default;
    struct consumer_group_describe_response answer;
    struct cluster_ask request = {.message = &wire_consumer_group_describe_request,
                                  .request = &ask};
    *ret_found = false;
    if (client_version(&cluster->admin->client, request.message->number) < 0)
        return true;
    ask.group_ids = &name;
    ask.group_ids_count = 1;
    if (!cluster_ask_coordinator(cluster, key, &request, &answer, &group->coordinator))
        return false;
    int error = consumer_error(&answer);
    if (answer.groups_count != 1 || error == ERR_GROUP_ID_NOT_FOUND ||
        error == ERR_UNSUPPORTED_VERSION)
        return true;
    if (error != ERR_NONE) {
        report_group(cluster, key->id, error, answer.groups[0].error_message);
        return false;
    }
    *ret_found = true;
    return take_consumer(cluster, &answer.groups[0], group);
}

/* ---- the classic protocol ---- */

static int classic_error(const void *answer)
{
    const struct describe_groups_response *a = answer;
    return a->groups_count > 0 ? a->groups[0].error_code : ERR_NONE;
}

static bool take_classic(struct cluster *cluster,
                         const struct describe_groups_response_groups *from, struct group *group)
{
    group->type = "classic";
    group->state = from->group_state;
    group->protocol_type = from->protocol_type;
    group->protocol = from->protocol_data;
    group->epoch = -1;
    group->members =
        ARENA_ARRAY(&cluster->admin->arena, struct group_member, (size_t)from->members_count + 1);
    if (group->members == NULL)
        return out_of_memory(cluster);
    for (int32_t i = 0; i < from->members_count; i++) {
        struct group_member *member = &group->members[group->member_count++];
        member->id = from->members[i].member_id;
        member->instance_id = from->members[i].group_instance_id;
        member->client_id = from->members[i].client_id;
        member->host = from->members[i].client_host;
        member->epoch = -1;
        /* What another protocol type assigned cannot be read, and what cannot is left out. */
        if (slice_is(from->protocol_type, "consumer") &&
            !group_assignment_parse(from->members[i].member_assignment, &cluster->admin->arena,
                                    member))
            member->assigned_count = 0;
    }
    return true;
}

/* *ret_found: there is such a group. false: reported. */
static bool read_classic(struct cluster *cluster, const struct cluster_key *key,
                         struct group *group, bool *ret_found)
{
    struct slice name = slice_of_text(key->id);
    struct describe_groups_request ask = describe_groups_request_default;
    struct describe_groups_response answer;
    struct cluster_ask request = {.message = &wire_describe_groups_request, .request = &ask};
    ask.groups = &name;
    ask.groups_count = 1;
    if (!cluster_ask_coordinator(cluster, key, &request, &answer, &group->coordinator))
        return false;
    int error = classic_error(&answer);
    /* Before version 6 what is not there is called dead. */
    bool dead = answer.groups_count != 1 || slice_is(answer.groups[0].group_state, "Dead");
    *ret_found = error != ERR_GROUP_ID_NOT_FOUND && (error != ERR_NONE || !dead);
    if (!*ret_found)
        return true;
    if (error != ERR_NONE) {
        report_group(cluster, key->id, error, answer.groups[0].error_message);
        return false;
    }
    return take_classic(cluster, &answer.groups[0], group);
}

static bool read_any(struct cluster *cluster, const char *id, struct group *group, bool *ret_found)
{
    struct cluster_key key = {.kind = CLUSTER_GROUP, .id = id, .error_of = consumer_error};
    *group = (struct group){.id = id, .epoch = -1};
    if (!read_consumer(cluster, &key, group, ret_found))
        return false;
    key.error_of = classic_error;
    return *ret_found || read_classic(cluster, &key, group, ret_found);
}

bool group_read(struct cluster *cluster, const char *id, struct group *ret_group)
{
    bool found;
    if (!read_any(cluster, id, ret_group, &found))
        return false;
    if (!found)
        report_group(cluster, id, ERR_GROUP_ID_NOT_FOUND, slice_of(NULL, 0));
    return found;
}

bool group_read_or_new(struct cluster *cluster, const char *id, struct group *ret_group)
{
    bool found;
    return read_any(cluster, id, ret_group, &found);
}

/* ---- offsets ---- */

static int fetch_error(const void *answer)
{
    const struct offset_fetch_response *a = answer;
    if (a->error_code != ERR_NONE || a->topics_count <= 0 || a->topics[0].partitions_count <= 0)
        return a->error_code;
    return a->topics[0].partitions[0].error_code; /* in the first versions */
}

static size_t assigned_count(const struct group *group)
{
    size_t count = 0;
    for (size_t i = 0; i < group->member_count; i++)
        count += group->members[i].assigned_count;
    return count;
}

static size_t take_offsets(struct cluster *cluster, const char *id,
                           const struct offset_fetch_response_topics *topic,
                           struct group_offset *offsets)
{
    size_t count = 0;
    for (int32_t p = 0; p < topic->partitions_count; p++) {
        const struct offset_fetch_response_topics_partitions *from = &topic->partitions[p];
        if (from->error_code != ERR_NONE)
            report_group(cluster,
                         arena_printf(&cluster->admin->arena, "%s: %.*s:%d", id,
                                      SLICE_ARG(topic->name), from->partition_index),
                         from->error_code, slice_of(NULL, 0));
        else if (from->committed_offset >= 0)
            offsets[count++] = (struct group_offset){.topic = topic->name,
                                                     .partition = from->partition_index,
                                                     .committed = from->committed_offset,
                                                     .end = -1};
    }
    return count;
}

bool group_read_offsets(struct cluster *cluster, struct group *group)
{
    struct cluster_key key = {.kind = CLUSTER_GROUP, .id = group->id, .error_of = fetch_error};
    struct offset_fetch_request ask = offset_fetch_request_default;
    struct offset_fetch_response answer;
    struct cluster_ask request = {.message = &wire_offset_fetch_request,
                                  .version_max = OFFSET_FETCH_ONE_GROUP,
                                  .request = &ask};
    size_t committed = 0;
    size_t count = 0;
    ask.group_id = slice_of_text(group->id);
    ask.topics_count = -1;
    if (!cluster_ask_coordinator(cluster, &key, &request, &answer, &group->coordinator))
        return false;
    if (answer.error_code != ERR_NONE) {
        report_group(cluster, group->id, answer.error_code, slice_of(NULL, 0));
        return false;
    }
    for (int32_t t = 0; t < answer.topics_count; t++)
        count += (size_t)answer.topics[t].partitions_count;
    group->offsets =
        ARENA_ARRAY(&cluster->admin->arena, struct group_offset, count + assigned_count(group) + 1);
    if (group->offsets == NULL)
        return out_of_memory(cluster);
    for (int32_t t = 0; t < answer.topics_count; t++)
        committed +=
            take_offsets(cluster, group->id, &answer.topics[t], &group->offsets[committed]);
    group->offset_count =
        group_join(group->offsets, committed, group->members, group->member_count);
    return true;
}

/* The names of the topics, each once. */
static bool know_topics(struct cluster *cluster, const struct group *group)
{
    const char **names = ARENA_ARRAY(&cluster->admin->arena, const char *, group->offset_count + 1);
    int count = 0;
    if (names == NULL)
        return out_of_memory(cluster);
    for (size_t i = 0; i < group->offset_count; i++)
        if (i == 0 || !slice_equal(group->offsets[i].topic, group->offsets[i - 1].topic))
            names[count++] = admin_text(cluster->admin, group->offsets[i].topic);
    return cluster_know_topics(cluster, names, count);
}

void group_read_ends(struct cluster *cluster, struct group *group)
{
    struct cluster_offset *ends =
        ARENA_ARRAY(&cluster->admin->arena, struct cluster_offset, group->offset_count + 1);
    if (ends == NULL || !know_topics(cluster, group))
        return;
    for (size_t i = 0; i < group->offset_count; i++)
        ends[i] = (struct cluster_offset){.topic = group->offsets[i].topic,
                                          .partition = group->offsets[i].partition};
    cluster_offsets(cluster, ends, group->offset_count, CLUSTER_LATEST);
    /* Both are in order of topic and partition. */
    for (size_t i = 0; i < group->offset_count; i++) {
        group->offsets[i].end = ends[i].error == ERR_NONE ? ends[i].offset : -1;
        /* A topic that was deleted has no end, and that is no failure. */
        if (ends[i].error != ERR_NONE && ends[i].error != ERR_UNKNOWN_TOPIC_OR_PARTITION)
            report_group(cluster,
                         arena_printf(&cluster->admin->arena, "%.*s:%d", SLICE_ARG(ends[i].topic),
                                      ends[i].partition),
                         ends[i].error, slice_of(NULL, 0));
    }
}
