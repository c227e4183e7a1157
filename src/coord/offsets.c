/* Committed offsets. */
#include "coord/groups_int.h"

void offsets_init(struct groups *groups)
{
    hash_table_init(&groups->pending);
}
void offsets_fini(struct groups *groups)
{
    hash_table_fini(&groups->pending);
}
const char *offsets_replay(struct groups *groups, const struct coord_record *record)
{
    (void)groups;
    (void)record;
    return NULL;
}
void offsets_replay_end(struct groups *groups, const struct coord_txn_end *end)
{
    (void)groups;
    (void)end;
}
void offsets_begin(struct groups *groups)
{
    (void)groups;
}
void offsets_on_image(struct groups *groups, const struct meta_image *before)
{
    (void)groups;
    (void)before;
}
void offsets_bury(struct group *group)
{
    (void)group;
}
void offsets_forget(struct group *group)
{
    (void)group;
}
