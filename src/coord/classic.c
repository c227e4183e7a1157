/* Classic groups. */
#include "coord/groups_int.h"

const struct group_kind group_kind_classic = {.type_name = "classic"};

bool classic_group_new(struct group *group)
{
    (void)group;
    return false;
}
const char *classic_replay(struct groups *groups, const struct coord_record *record)
{
    (void)groups;
    (void)record;
    return NULL;
}
void classic_begin(struct group *group)
{
    (void)group;
}
void classic_rebalance(struct group *group)
{
    (void)group;
}
