/* The table of groups, the way of records into them, and what is asked of a group whatever its
 * protocol. On the partition's shard. */
#include "group/groups_int.h"

#include "base/always.h"
#include "wire/messages.h"
#include "wire/msg/describe_groups_response.h"

#include <stdlib.h>

/* Numbers of the keys in __consumer_offsets. */
enum {
    KEY_LEGACY_OFFSET = 0,
    KEY_OFFSET = 1,
    KEY_CLASSIC_GROUP = 2,
    KEY_CONSUMER_FIRST = 3,
    KEY_CONSUMER_LAST = 8,
    KEY_CONSUMER_REGEX = 16,
};

/* ---- the table ---- */

static bool matches(const struct hash_node *node, const void *id)
{
    return slice_equal(CONTAINER_OF(node, const struct group, node)->id, *(const struct slice *)id);
}

struct group *groups_find(const struct groups *groups, struct slice id)
{
    struct hash_node *node = hash_table_find(&groups->table, slice_hash(id, 0), matches, &id);
    return node != NULL ? CONTAINER_OF(node, struct group, node) : NULL;
}

static bool make_protocol(struct group *group, enum group_type type)
{
    group->type = type;
    group->kind = type == GROUP_CLASSIC ? &group_kind_classic : &group_kind_consumer;
    return type == GROUP_CLASSIC ? classic_group_new(group) : consumer_group_new(group);
}

struct group *groups_make(struct groups *groups, struct slice id, enum group_type type)
{
    ALWAYS(groups_find(groups, id) == NULL, "the group %.*s is there already", SLICE_ARG(id));
    struct group *group = malloc(sizeof *group + id.size);
    if (group == NULL)
        return NULL;
    *group = (struct group){.groups = groups, .id = slice_of(group + 1, id.size)};
    if (id.size > 0)
        memcpy(group + 1, id.data, id.size);
    hash_table_init(&group->offsets);
    if (!make_protocol(group, type)) {
        free(group);
        return NULL;
    }
    if (hash_table_insert(&groups->table, &group->node, slice_hash(group->id, 0)))
        return group;
    group->kind->end(group, ERR_NONE);
    free(group);
    return NULL;
}

bool groups_convert(struct group *group, enum group_type type)
{
    group->kind->end(group, ERR_REBALANCE_IN_PROGRESS);
    return make_protocol(group, type);
}

static void group_free(struct group *group, enum err err)
{
    group->kind->end(group, err);
    offsets_forget(group);
    hash_table_remove(&group->groups->table, &group->node);
    hash_table_fini(&group->offsets);
    free(group);
}

void groups_consider(struct group *group)
{
    if (group->kind->is_empty(group) && !group->is_stored && group->offsets.count == 0 &&
        group->pending_count == 0)
        group_free(group, ERR_NONE);
}

/* ---- records ---- */

static const char *replay(struct coord_machine *machine, const struct coord_record *record)
{
    struct groups *groups = groups_of(machine);
    int16_t number = record->key_message->number;
    if (number == KEY_LEGACY_OFFSET || number == KEY_OFFSET)
        return offsets_replay(groups, record);
    if (number == KEY_CLASSIC_GROUP)
        return classic_replay(groups, record);
    if ((number >= KEY_CONSUMER_FIRST && number <= KEY_CONSUMER_LAST) ||
        number == KEY_CONSUMER_REGEX)
        return consumer_replay(groups, record);
    return NULL; /* share and streams groups: not served */
}

void groups_put(struct groups *groups, const struct coord_record *record)
{
    const char *fault = replay(&groups->machine, record);
    ALWAYS(fault == NULL, "a record that was just made cannot be applied: %s", fault);
    struct coord_world *world = groups_world(groups);
    world->record(world, record);
}

static void replay_end(struct coord_machine *machine, const struct coord_txn_end *end)
{
    offsets_replay_end(groups_of(machine), end);
}

/* ---- the machine ---- */

static struct coord_machine *make(struct coord_world *world)
{
    struct groups *groups = calloc(1, sizeof *groups);
    if (groups == NULL)
        return NULL;
    groups->machine = (struct coord_machine){.type = &coord_groups_type, .world = world};
    hash_table_init(&groups->table);
    offsets_init(groups);
    return &groups->machine;
}

static void free_groups(struct groups *groups, enum err err)
{
    struct hash_node *node = hash_table_next(&groups->table, NULL);
    while (node != NULL) {
        struct group *group = CONTAINER_OF(node, struct group, node);
        node = hash_table_next(&groups->table, node);
        group_free(group, err);
    }
}

static void machine_free(struct coord_machine *machine)
{
    struct groups *groups = groups_of(machine);
    free_groups(groups, ERR_NOT_COORDINATOR);
    offsets_fini(groups);
    hash_table_fini(&groups->table);
    free(groups);
}

static void begin(struct coord_machine *machine)
{
    struct groups *groups = groups_of(machine);
    groups->leads = true;
    struct hash_node *node = hash_table_next(&groups->table, NULL);
    while (node != NULL) {
        struct group *group = CONTAINER_OF(node, struct group, node);
        node = hash_table_next(&groups->table, node);
        if (group->type == GROUP_CLASSIC)
            classic_begin(group);
        else
            consumer_begin(group);
    }
    offsets_begin(groups);
}

static void end(struct coord_machine *machine, enum err err)
{
    struct groups *groups = groups_of(machine);
    groups->leads = false;
    free_groups(groups, err);
}

static void on_image(struct coord_machine *machine, const struct meta_image *before)
{
    offsets_on_image(groups_of(machine), before);
    consumer_on_image(groups_of(machine), before);
}

const struct coord_machine_type coord_groups_type = {
    .family = "consumer_offsets",
    .base_sequence = 0,
    .make = make,
    .free = machine_free,
    .replay = replay,
    .replay_end = replay_end,
    .begin = begin,
    .end = end,
    .on_image = on_image,
};

/* ---- whatever the protocol ---- */

void groups_delete(struct coord_machine *machine, struct coord_call *call)
{
    struct groups *groups = groups_of(machine);
    struct group *group = groups_find(groups, call->key);
    enum err err = ERR_GROUP_ID_NOT_FOUND;
    if (group != NULL)
        err = group->kind->check_delete(group);
    if (err == ERR_NONE) {
        offsets_bury(group);
        group->kind->bury(group);
        groups_consider(group);
    }
    call->err = err;
    groups_world(groups)->answer(groups_world(groups), call);
}

void groups_list(struct coord_machine *machine, group_listing_fn on_group, void *context)
{
    const struct groups *groups = groups_of(machine);
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&groups->table, node)) != NULL) {
        const struct group *group = CONTAINER_OF(node, const struct group, node);
        on_group(context, &(struct group_listing){
                              .id = group->id,
                              .protocol_type = group->kind->protocol_type(group),
                              .state = group->kind->state_name(group),
                              .type = group->kind->type_name,
                          });
    }
}
