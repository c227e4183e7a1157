/* See the header. Only a group without members changes its protocol here. */
#include "coord/consumer_migrate.h"

const char *consumer_upgrade_fault(struct group *group, struct arena *arena)
{
    if (group->kind->is_empty(group))
        return NULL;
    return arena_printf(arena, "Group %.*s is not a consumer group.", SLICE_ARG(group->id));
}

int consumer_upgrade_size(const struct group *group)
{
    (void)group;
    return 0;
}

bool consumer_upgrade_has(const struct group *group, struct slice member_id,
                          struct slice instance_id)
{
    (void)group;
    (void)member_id;
    (void)instance_id;
    return false;
}

void consumer_upgrade(const struct consumer_writer *writer)
{
    struct group *group = groups_find(writer->groups, writer->group_id);
    group->kind->bury(group);
}
