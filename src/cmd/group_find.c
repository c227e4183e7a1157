/* Which groups there are: each broker tells those that it coordinates. One thread. */
#include "cmd/group_model.h"
#include "tbl/errors.h"
#include "wire/msg/list_groups_request.h"
#include "wire/msg/list_groups_response.h"

#include <stdlib.h>

struct finding {
    struct cluster *cluster;
    const struct list_groups_request *ask;
    struct group_row *rows;
    size_t count;
};

static bool add_rows(struct finding *finding, const struct list_groups_response *answer,
                     int32_t node_id)
{
    size_t count = finding->count + (size_t)MAX_OF(answer->groups_count, 0);
    struct group_row *more =
        ARENA_ARRAY(&finding->cluster->admin->arena, struct group_row, count + 1);
    if (more == NULL)
        return false;
    for (size_t i = 0; i < finding->count; i++)
        more[i] = finding->rows[i];
    for (int32_t i = 0; i < answer->groups_count; i++)
        more[finding->count++] =
            (struct group_row){.id = answer->groups[i].group_id,
                               .type = answer->groups[i].group_type,
                               .state = answer->groups[i].group_state,
                               .protocol_type = answer->groups[i].protocol_type,
                               .coordinator = node_id};
    finding->rows = more;
    return true;
}

static void find_on(struct finding *finding, int32_t node_id)
{
    struct admin *admin = finding->cluster->admin;
    struct list_groups_response answer;
    struct cluster_ask request = {.message = &wire_list_groups_request, .request = finding->ask};
    if (!cluster_ask_node(finding->cluster, node_id, &request, &answer))
        return;
    if (answer.error_code != ERR_NONE)
        admin_report(
            admin, &(struct admin_fault){.what = arena_printf(&admin->arena, "broker %d", node_id),
                                         .code = answer.error_code});
    if (!add_rows(finding, &answer, node_id)) {
        console_error(admin->call->console, "out of memory");
        admin->failed = true;
    }
}

static int by_name(const void *a, const void *b)
{
    const struct group_row *left = a;
    const struct group_row *right = b;
    return slice_compare(left->id, right->id);
}

void group_find(struct cluster *cluster, const struct list_groups_request *ask,
                struct group_row **ret_rows, size_t *ret_count)
{
    struct finding finding = {.cluster = cluster, .ask = ask};
    for (int32_t i = 0; i < cluster->metadata->brokers_count; i++)
        find_on(&finding, cluster->metadata->brokers[i].node_id);
    if (finding.count > 0)
        qsort(finding.rows, finding.count, sizeof *finding.rows, by_name);
    *ret_rows = finding.rows;
    *ret_count = finding.count;
}
