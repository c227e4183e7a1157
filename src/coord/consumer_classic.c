/* Classic clients in groups of the consumer protocol: none are let in. On the partition's shard. */
#include "coord/consumer_int.h"

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
