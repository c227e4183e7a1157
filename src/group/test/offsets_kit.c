/* See the header. */
#include "group/test/offsets_kit.h"

#include "base/always.h"
#include "group/groups.h"
#include "wire/msg/offset_commit_request.h"
#include "wire/msg/offset_commit_response.h"
#include "wire/msg/offset_fetch_request.h"
#include "wire/msg/offset_fetch_response.h"

static void *take(struct coord_kit *kit, size_t size)
{
    void *taken = arena_take(&kit->arena, size);
    ALWAYS(taken != NULL, "memory for the test");
    return taken;
}

static struct uuid id_of(uint8_t byte)
{
    return byte != 0 ? coord_kit_id(byte) : uuid_zero;
}

static const char *or_else(const char *text, const char *otherwise)
{
    return text != NULL ? text : otherwise;
}

static struct offset_commit_request *request_of(struct coord_kit *kit,
                                                const struct offsets_wish *wish)
{
    struct offset_commit_request *request = take(kit, sizeof *request);
    *request = offset_commit_request_default;
    request->group_id = slice_of_text(or_else(wish->group, "g"));
    request->member_id = slice_of_text(or_else(wish->member, ""));
    request->group_instance_id = slice_of_text(wish->instance);
    request->generation_id_or_member_epoch = wish->generation != 0 ? wish->generation : -1;
    if (wish->retention_ms != 0)
        request->retention_time_ms = wish->retention_ms;
    request->topics = take(kit, sizeof *request->topics);
    request->topics_count = 1;
    struct offset_commit_request_topics *topic = &request->topics[0];
    topic->name = slice_of_text(or_else(wish->topic, "t"));
    topic->topic_id = id_of(wish->id);
    topic->partitions_count = wish->count > 0 ? wish->count : 1;
    topic->partitions = take(kit, (size_t)topic->partitions_count * sizeof *topic->partitions);
    for (int32_t i = 0; i < topic->partitions_count; i++)
        topic->partitions[i] = (struct offset_commit_request_topics_partitions){
            .partition_index = wish->at[i].partition,
            .committed_offset = wish->at[i].offset,
            .committed_leader_epoch = wish->at[i].leader_epoch != 0 ? wish->at[i].leader_epoch : -1,
            .committed_metadata = slice_of_text(wish->at[i].metadata),
        };
    return request;
}

static void tell_codes(struct coord_kit *kit, const struct offset_commit_response *response)
{
    for (int32_t i = 0; i < response->topics_count; i++) {
        const struct offset_commit_response_topics *topic = &response->topics[i];
        for (int32_t j = 0; j < topic->partitions_count; j++)
            text_printf(&kit->story, " %.*s-%d %s", SLICE_ARG(topic->name),
                        topic->partitions[j].partition_index,
                        err_name((enum err)topic->partitions[j].error_code));
    }
    text_add_char(&kit->story, '\n');
}

static struct kit_call *call(struct coord_kit *kit, const char *name, coord_op_fn op,
                             const struct offsets_wish *wish, const void *request)
{
    struct kit_call *made = coord_kit_call(kit, op,
                                           &(struct kit_call_options){
                                               .name = name,
                                               .key = or_else(wish->group, "g"),
                                               .api_key = -1,
                                               .version = wish->version != 0 ? wish->version : 9,
                                               .request = request,
                                           });
    if (made->told && made->call.err == ERR_NONE)
        tell_codes(kit, made->call.response);
    return made;
}

struct kit_call *offsets_commit(struct coord_kit *kit, const char *name,
                                const struct offsets_wish *wish)
{
    struct offset_commit_request *request = request_of(kit, wish);
    if (wish->producer_id == 0)
        return call(kit, name, groups_commit, wish, request);
    struct group_txn_commit *in_txn = take(kit, sizeof *in_txn);
    *in_txn = (struct group_txn_commit){.commit = request,
                                        .producer_id = wish->producer_id,
                                        .producer_epoch = wish->producer_epoch};
    return call(kit, name, groups_commit_in_txn, wish, in_txn);
}

struct kit_call *offsets_delete(struct coord_kit *kit, const char *name,
                                const struct offsets_wish *wish)
{
    return call(kit, name, groups_delete_offsets, wish, request_of(kit, wish));
}

static void tell(struct coord_kit *kit, const struct offset_fetch_response_groups *response)
{
    for (int32_t i = 0; i < response->topics_count; i++) {
        const struct offset_fetch_response_groups_topics *topic = &response->topics[i];
        for (int32_t j = 0; j < topic->partitions_count; j++) {
            const struct offset_fetch_response_groups_topics_partitions *at = &topic->partitions[j];
            text_printf(&kit->story, " %.*s-%d", SLICE_ARG(topic->name), at->partition_index);
            if (at->error_code != ERR_NONE)
                text_printf(&kit->story, " %s", err_name((enum err)at->error_code));
            else if (at->committed_offset < 0)
                text_printf(&kit->story, " none");
            else
                text_printf(&kit->story, " %lld", (long long)at->committed_offset);
            if (at->committed_leader_epoch >= 0)
                text_printf(&kit->story, " epoch %d", at->committed_leader_epoch);
            if (at->metadata.size > 0)
                text_printf(&kit->story, " '%.*s'", SLICE_ARG(at->metadata));
        }
    }
    text_add_char(&kit->story, '\n');
}

void offsets_fetch(struct coord_kit *kit, const char *name, const struct offsets_look *look)
{
    struct offset_fetch_request_groups *group = take(kit, sizeof *group);
    struct offset_fetch_request_groups_topics *topic = take(kit, sizeof *topic);
    struct group_offsets_wish *wish = take(kit, sizeof *wish);
    *group = offset_fetch_request_groups_default;
    group->group_id = slice_of_text(or_else(look->group, "g"));
    group->member_id = slice_of_text(look->member);
    group->member_epoch = look->epoch != 0 ? look->epoch : -1;
    group->topics = topic;
    group->topics_count = look->count > 0 ? 1 : -1;
    topic->name = slice_of_text(or_else(look->topic, "t"));
    topic->topic_id = id_of(look->id);
    topic->partition_indexes_count = look->count;
    topic->partition_indexes = take(kit, sizeof(int32_t) * ((size_t)look->count + 1));
    for (int32_t i = 0; i < look->count; i++)
        topic->partition_indexes[i] = i;
    *wish = (struct group_offsets_wish){.group = group, .require_stable = look->stable};
    const struct kit_call *made =
        coord_kit_call(kit, groups_fetch_offsets,
                       &(struct kit_call_options){
                           .name = name,
                           .key = or_else(look->group, "g"),
                           .api_key = -1,
                           .version = look->version != 0 ? look->version : 9,
                           .request = wish,
                       });
    if (made->told && made->call.err == ERR_NONE)
        tell(kit, made->call.response);
}

static void list_one(void *context, const struct group_listing *group)
{
    struct coord_kit *kit = context;
    text_printf(&kit->story, "  %.*s %s %s '%.*s'\n", SLICE_ARG(group->id), group->state,
                group->type, SLICE_ARG(group->protocol_type));
}

void offsets_list(struct coord_kit *kit)
{
    groups_list(kit->machine, list_one, kit);
}
