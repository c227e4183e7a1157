/* ListGroups, versions 0 to 5: the groups that this node coordinates, of every protocol. States are
 * compared without regard to case or blanks around them, types without regard to case, as Kafka
 * does. On the request's shard; groups are visited on theirs. */
#include "api/coordination.h"
#include "api/handlers.h"
#include "group/groups.h"
#include "wire/msg/list_groups_request.h"
#include "wire/msg/list_groups_response.h"

#include <ctype.h>
#include <strings.h>

struct row {
    struct list link; /* first: the census's */
    struct list_groups_response_groups group;
};

/* ---- on the groups' shard ---- */

static struct slice trimmed(struct slice text)
{
    while (text.size > 0 && text.data[0] <= ' ')
        text = slice_from(text, 1);
    while (text.size > 0 && text.data[text.size - 1] <= ' ')
        text.size--;
    return text;
}

static bool is_text(struct slice said, const char *text)
{
    return said.size == strlen(text) &&
           (said.size == 0 || strncasecmp((const char *)said.data, text, said.size) == 0);
}

static bool is_wanted(const struct list_groups_request *message,
                      const struct group_listing *listing)
{
    bool state = message->states_filter_count <= 0;
    for (int32_t i = 0; !state && i < message->states_filter_count; i++)
        state = is_text(trimmed(message->states_filter[i]), listing->state);
    bool type = message->types_filter_count <= 0;
    for (int32_t i = 0; !type && i < message->types_filter_count; i++)
        type = is_text(message->types_filter[i], listing->type);
    return state && type;
}

static void on_group(void *context, const struct group_listing *listing)
{
    struct census_part *part = context;
    const struct list_groups_request *message =
        API_MESSAGE(part->all->request, list_groups_request);
    if (!is_wanted(message, listing))
        return;
    struct row *row = ARENA_NEW(&part->arena, struct row);
    if (row == NULL)
        return;
    row->group = list_groups_response_groups_default;
    row->group.group_id = arena_copy(&part->arena, listing->id);
    row->group.protocol_type = arena_copy(&part->arena, listing->protocol_type);
    row->group.group_state = slice_of_text(listing->state);
    row->group.group_type = slice_of_text(listing->type);
    list_add_tail(&part->rows, &row->link);
    part->row_count++;
}

static void on_machine(struct census_part *part, struct coord_machine *machine)
{
    groups_list(machine, on_group, part);
}

/* ---- on the request's ---- */

static void on_done(struct census *census)
{
    struct api_request *request = census->request;
    struct list_groups_response response = list_groups_response_default;
    size_t count = 0;
    for (int i = 0; i < census->part_count; i++)
        count += (size_t)census->parts[i].row_count;
    response.groups = ARENA_ARRAY(&request->arena, struct list_groups_response_groups, count + 1);
    if (response.groups == NULL || request->arena.failed) {
        api_request_fail(request, "memory for ListGroups is out");
        return;
    }
    if (census->is_loading)
        response.error_code = ERR_COORDINATOR_LOAD_IN_PROGRESS;
    for (int i = 0; i < census->part_count && !census->is_loading; i++)
        LIST_EACH (&census->parts[i].rows, node)
            response.groups[response.groups_count++] =
                CONTAINER_OF(node, const struct row, link)->group;
    api_request_answer(request, &response);
}

void api_handle_list_groups(struct api_request *request)
{
    role_now_on_shard();
    struct census *census = census_new(request, COORD_GROUPS);
    if (census != NULL)
        census_run(census, on_machine, on_done);
}
