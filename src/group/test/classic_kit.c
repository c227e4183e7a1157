/* See the header. */
#include "group/test/classic_kit.h"

#include "base/always.h"
#include "tbl/errors.h"
#include "wire/msg/heartbeat_request.h"
#include "wire/msg/join_group_request.h"
#include "wire/msg/join_group_response.h"
#include "wire/msg/leave_group_request.h"
#include "wire/msg/sync_group_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define GROUP "g"
/* Version 0, one topic "t", no user data. */
#define SUBSCRIPTION "\0\0\0\0\0\1\0\1t\xff\xff\xff\xff"

#define UUID_SIZE 36
#define UUIDS_MAX 64

static char uuids[UUIDS_MAX][UUID_SIZE + 1];
static int uuid_count;

enum { JOIN_GROUP = 11, HEARTBEAT = 12, LEAVE_GROUP = 13, SYNC_GROUP = 14 };

static void *take(struct coord_kit *kit, size_t size)
{
    void *taken = arena_take(&kit->arena, size);
    ALWAYS(taken != NULL, "memory for the test");
    return taken;
}

const char *classic_text(struct coord_kit *kit, struct slice text)
{
    char *copy = take(kit, text.size + 1);
    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    return copy;
}

const char *classic_id_of(struct coord_kit *kit, const struct kit_call *join)
{
    const struct join_group_response *response = join->call.response;
    ALWAYS(join->answered && response != NULL, "%s has an answer", join->name);
    return classic_text(kit, response->member_id);
}

static void add_protocols(struct coord_kit *kit, const struct classic_join *options,
                          struct join_group_request *request)
{
    struct slice metadata = options->metadata != NULL
                                ? slice_of_text(options->metadata)
                                : slice_of(SUBSCRIPTION, sizeof SUBSCRIPTION - 1);
    request->protocols = take(kit, 4 * sizeof *request->protocols);
    while (request->protocols_count < 4 && options->protocols[request->protocols_count] != NULL) {
        int32_t at = request->protocols_count++;
        request->protocols[at].name = slice_of_text(options->protocols[at]);
        request->protocols[at].metadata = metadata;
    }
    if (request->protocols_count > 0)
        return;
    request->protocols[request->protocols_count++] =
        (struct join_group_request_protocols){.name = slice_of_text("range"), .metadata = metadata};
}

struct kit_call *classic_join(struct coord_kit *kit, const char *name,
                              const struct classic_join *options)
{
    struct join_group_request *request = take(kit, sizeof *request);
    *request = join_group_request_default;
    request->group_id = slice_of_text(GROUP);
    request->session_timeout_ms = options->session_ms != 0 ? options->session_ms : 10000;
    request->rebalance_timeout_ms = options->rebalance_ms != 0 ? options->rebalance_ms : 60000;
    request->member_id = slice_of_text(options->id != NULL ? options->id : "");
    request->group_instance_id = slice_of_text(options->instance_id);
    request->protocol_type = slice_of_text(options->type != NULL ? options->type : "consumer");
    add_protocols(kit, options, request);
    int version = options->version == 0 ? 9 : options->version < 0 ? 0 : options->version;
    return coord_kit_call(kit, groups_join,
                          &(struct kit_call_options){
                              .name = name,
                              .key = GROUP,
                              .client_id = options->client_id != NULL ? options->client_id : name,
                              .api_key = JOIN_GROUP,
                              .version = (int16_t)version,
                              .request = request,
                          });
}

struct kit_call *classic_join_anew(struct coord_kit *kit, const char *name,
                                   const struct classic_join *options)
{
    struct classic_join again = *options;
    again.id = classic_id_of(kit, classic_join(kit, name, options));
    return classic_join(kit, name, &again);
}

struct kit_call *classic_sync(struct coord_kit *kit, const char *name,
                              const struct classic_member_of *member,
                              const char *const *assignments)
{
    struct sync_group_request *request = take(kit, sizeof *request);
    *request = sync_group_request_default;
    request->group_id = slice_of_text(GROUP);
    request->generation_id = member->generation;
    request->member_id = slice_of_text(member->id);
    request->group_instance_id = slice_of_text(member->instance_id);
    request->assignments = take(kit, 64 * sizeof *request->assignments);
    for (int i = 0; assignments != NULL && assignments[i] != NULL; i += 2)
        request->assignments[request->assignments_count++] =
            (struct sync_group_request_assignments){
                .member_id = slice_of_text(assignments[i]),
                .assignment = slice_of_text(assignments[i + 1]),
            };
    return coord_kit_call(
        kit, groups_sync,
        &(struct kit_call_options){
            .name = name, .key = GROUP, .api_key = SYNC_GROUP, .version = 5, .request = request});
}

struct kit_call *classic_beat_once(struct coord_kit *kit, const char *name,
                                   const struct classic_member_of *member)
{
    struct heartbeat_request *request = take(kit, sizeof *request);
    *request = heartbeat_request_default;
    request->group_id = slice_of_text(GROUP);
    request->generation_id = member->generation;
    request->member_id = slice_of_text(member->id);
    request->group_instance_id = slice_of_text(member->instance_id);
    return coord_kit_call(
        kit, groups_heartbeat,
        &(struct kit_call_options){
            .name = name, .key = GROUP, .api_key = -1, .version = 4, .request = request});
}

struct kit_call *classic_leave(struct coord_kit *kit, const char *name, const char *const *members)
{
    struct leave_group_request *request = take(kit, sizeof *request);
    *request = leave_group_request_default;
    request->group_id = slice_of_text(GROUP);
    request->members = take(kit, 64 * sizeof *request->members);
    for (int i = 0; members[i] != NULL; i += 2) {
        bool is_dynamic = strcmp(members[i + 1], "-") == 0;
        request->members[request->members_count++] = (struct leave_group_request_members){
            .member_id = slice_of_text(members[i]),
            .group_instance_id = slice_of_text(is_dynamic ? NULL : members[i + 1]),
        };
    }
    return coord_kit_call(
        kit, groups_leave,
        &(struct kit_call_options){
            .name = name, .key = GROUP, .api_key = LEAVE_GROUP, .version = 5, .request = request});
}

struct kit_call *classic_describe(struct coord_kit *kit, const char *name)
{
    return coord_kit_call(
        kit, groups_describe,
        &(struct kit_call_options){.name = name, .key = GROUP, .api_key = -1, .version = 6});
}

const char *classic_state(struct coord_kit *kit)
{
    const struct group *group = groups_find(groups_of(kit->machine), slice_of_text(GROUP));
    return group != NULL ? group->kind->state_name(group) : "none";
}

/* ---- the story in short ---- */

void classic_kit_init(struct coord_kit *kit, const char *const *settings)
{
    coord_kit_init(kit, &coord_groups_type, settings);
    uuid_count = 0;
}

/* What goes out of a story, longest first where one begins another. */
static const char *const noise[] = {
    "\"generationId\":-1,\"protocolType\":null,\"protocolName\":null,\"leader\":\"\",",
    "\"throttleTimeMs\":0,",
    "\"skipAssignment\":false,",
    "\"errorCode\":0,",
    ",\"errorCode\":0",
    "\"groupInstanceId\":null,",
    ",\"groupInstanceId\":null",
    ",\"metadata\":\"AAAAAAABAAF0/////w==\"",
    ",\"clientHost\":\"/127.0.0.1\",\"rebalanceTimeout\":60000,\"sessionTimeout\":10000",
    ",\"subscription\":\"AAAAAAABAAF0/////w==\"",
    "\"protocolType\":\"consumer\",",
    "{\"group\":\"g\"} ",
    ",\"members\":[]",
    "\"",
};

static size_t noise_at(const char *at)
{
    for (size_t i = 0; i < COUNT_OF(noise); i++)
        if (strncmp(at, noise[i], strlen(noise[i])) == 0)
            return strlen(noise[i]);
    return 0;
}

static bool is_uuid(const char *at)
{
    for (int i = 0; i < UUID_SIZE; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? at[i] != '-' : strchr("0123456789abcdef", at[i]) == NULL || at[i] == '\0')
            return false;
    }
    return true;
}

static int number_of(const char *uuid)
{
    for (int i = 0; i < uuid_count; i++)
        if (strncmp(uuids[i], uuid, UUID_SIZE) == 0)
            return i + 1;
    ALWAYS(uuid_count < UUIDS_MAX, "room for a UUID");
    memcpy(uuids[uuid_count++], uuid, UUID_SIZE);
    return uuid_count;
}

/* One piece of it; returns how much it was. */
static size_t shorten(const char *at, struct text *out)
{
    static const char code[] = "\"errorCode\":";
    size_t size = noise_at(at);
    bool is_code = strncmp(at, code, sizeof code - 1) == 0;
    if (size > 1 || (size == 1 && !is_code))
        return size;
    if (at[0] == '-' && is_uuid(at + 1)) {
        text_printf(out, "#%d", number_of(at + 1));
        return UUID_SIZE + 1;
    }
    if (is_code) {
        char *end;
        long value = strtol(at + sizeof code - 1, &end, 10);
        text_printf(out, "%s", err_name((enum err)value));
        return (size_t)(end - at);
    }
    text_add_char(out, at[0]);
    return 1;
}

void classic_expect(struct coord_kit *kit, const char *expected)
{
    struct text out;
    text_init(&out, 1 << 20);
    const char *at = kit->story.data != NULL ? kit->story.data : "";
    while (*at != '\0')
        at += shorten(at, &out);
    bool same = strcmp(out.data != NULL ? out.data : "", expected) == 0;
    if (!same)
        (void)fprintf(stderr, "the story:\n%s\n---- expected:\n%s\n", out.data, expected);
    text_fini(&out);
    coord_kit_skip(kit);
    assert_true(same);
}
