/* Consumer groups. */
#include "coord/groups_int.h"

const struct group_kind group_kind_consumer = {.type_name = "consumer"};

bool consumer_group_new(struct group *group)
{
    (void)group;
    return false;
}
const char *consumer_replay(struct groups *groups, const struct coord_record *record)
{
    (void)groups;
    (void)record;
    return NULL;
}
void consumer_begin(struct group *group)
{
    (void)group;
}
void consumer_on_image(struct groups *groups, const struct meta_image *before)
{
    (void)groups;
    (void)before;
}
void consumer_classic_join(struct group *group, struct coord_call *call)
{
    coord_refuse(groups_world(group->groups), call, ERR_INCONSISTENT_GROUP_PROTOCOL);
}
void consumer_classic_sync(struct group *group, struct coord_call *call)
{
    coord_refuse(groups_world(group->groups), call, ERR_UNKNOWN_MEMBER_ID);
}
void consumer_classic_heartbeat(struct group *group, struct coord_call *call)
{
    coord_refuse(groups_world(group->groups), call, ERR_UNKNOWN_MEMBER_ID);
}
void consumer_classic_leave(struct group *group, struct coord_call *call)
{
    coord_refuse(groups_world(group->groups), call, ERR_UNKNOWN_MEMBER_ID);
}
