/* DeleteGroups, versions 0 to 3: groups that nobody is in, with their offsets. A group that is
 * named twice is answered once. On the request's shard. */
#include "api/coordination.h"
#include "api/handlers.h"
#include "group/groups.h"
#include "wire/msg/delete_groups_request.h"
#include "wire/msg/delete_groups_response.h"

static void on_done(struct coordination *all)
{
    struct api_request *request = all->request;
    struct delete_groups_response response = delete_groups_response_default;
    response.results =
        ARENA_ARRAY(&request->arena, struct delete_groups_response_results, (size_t)all->count + 1);
    if (response.results == NULL) {
        api_request_fail(request, "memory for DeleteGroups is out");
        return;
    }
    for (int i = 0; i < all->count; i++) {
        const struct coord_call *call = &all->parts[i].call;
        response.results[i] = delete_groups_response_results_default;
        response.results[i].group_id = call->key;
        response.results[i].error_code = (int16_t)call->err;
    }
    response.results_count = all->count;
    api_request_answer(request, &response);
}

struct seen {
    struct hash_node node;
    struct slice id;
};

static bool matches(const struct hash_node *node, const void *id)
{
    return slice_equal(CONTAINER_OF(node, const struct seen, node)->id, *(const struct slice *)id);
}

/* false: seen before, or memory is out. */
static bool is_first(struct hash_table *table, struct seen *seen, struct slice id)
{
    uint64_t hash = slice_hash(id, 0);
    seen->id = id;
    return hash_table_find(table, hash, matches, &id) == NULL &&
           hash_table_insert(table, &seen->node, hash);
}

void api_handle_delete_groups(struct api_request *request)
{
    role_now_on_shard();
    const struct delete_groups_request *message = API_MESSAGE(request, delete_groups_request);
    int count = MAX_OF(message->groups_names_count, 0);
    struct coordination *all = coordination_new(request, COORD_GROUPS, count);
    if (all == NULL)
        return;
    struct seen *seen = ARENA_ARRAY(&request->arena, struct seen, (size_t)count + 1);
    if (seen == NULL) {
        api_request_fail(request, "memory for DeleteGroups is out");
        return;
    }
    struct hash_table table;
    hash_table_init(&table);
    for (int i = 0; i < count; i++)
        if (is_first(&table, &seen[i], message->groups_names[i]))
            (void)coordination_add(all, message->groups_names[i], groups_delete, NULL);
    hash_table_fini(&table);
    coordination_run(all, on_done);
}
