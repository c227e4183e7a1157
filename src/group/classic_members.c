/* The members of a classic group: who is in it, what they speak, what they choose. On the
 * partition's shard. */
#include "group/classic_int.h"

#include "base/always.h"
#include "coord/set.h"
#include "wire/msg/join_group_request.h"

#include <stdlib.h>

/* Appends to a block of heap memory; the null slice stays null. */
static struct slice put_text(uint8_t **at, struct slice text)
{
    if (slice_is_null(text))
        return text;
    if (text.size > 0)
        memcpy(*at, text.data, text.size);
    struct slice put = slice_of(*at, text.size);
    *at += text.size;
    return put;
}

/* ---- what is spoken ---- */

struct classic_protocols *classic_protocols_new(const struct join_group_request_protocols *list,
                                                int32_t count)
{
    count = MAX_OF(count, 0);
    struct classic_protocols *protocols = NULL;
    size_t size = sizeof *protocols + (size_t)count * sizeof protocols->at[0];
    for (int32_t i = 0; i < count; i++)
        size += list[i].name.size + list[i].metadata.size;
    protocols = malloc(size);
    if (protocols == NULL)
        return NULL;
    protocols->count = count;
    protocols->size = size;
    uint8_t *at = (uint8_t *)&protocols->at[count];
    for (int32_t i = 0; i < count; i++) {
        protocols->at[i].name = put_text(&at, list[i].name);
        protocols->at[i].metadata = put_text(&at, list[i].metadata);
    }
    return protocols;
}

static bool support_matches(const struct hash_node *node, const void *name)
{
    return slice_equal(CONTAINER_OF(node, const struct classic_support, by_name)->name,
                       *(const struct slice *)name);
}

static struct classic_support *support_find(const struct classic_group *classic, struct slice name)
{
    struct hash_node *node =
        hash_table_find(&classic->support, slice_hash(name, 0), support_matches, &name);
    return node != NULL ? CONTAINER_OF(node, struct classic_support, by_name) : NULL;
}

static bool support_add(struct classic_group *classic, struct slice name)
{
    struct classic_support *support = support_find(classic, name);
    if (support != NULL) {
        support->count++;
        return true;
    }
    support = malloc(sizeof *support + name.size);
    if (support == NULL)
        return false;
    uint8_t *at = (uint8_t *)(support + 1);
    support->count = 1;
    support->name = put_text(&at, name);
    if (hash_table_insert(&classic->support, &support->by_name, slice_hash(name, 0)))
        return true;
    free(support);
    return false;
}

static void support_remove(struct classic_group *classic, struct slice name)
{
    struct classic_support *support = support_find(classic, name);
    ALWAYS(support != NULL, "a protocol that a member speaks is not counted");
    if (--support->count > 0)
        return;
    hash_table_remove(&classic->support, &support->by_name);
    free(support);
}

/* The first so many of the list. */
static void support_drop(struct classic_group *classic, const struct classic_protocols *protocols,
                         int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        support_remove(classic, protocols->at[i].name);
}

static bool support_count(struct classic_group *classic, const struct classic_protocols *protocols)
{
    for (int32_t i = 0; i < protocols->count; i++) {
        if (support_add(classic, protocols->at[i].name))
            continue;
        support_drop(classic, protocols, i);
        return false;
    }
    classic->metadata_size += protocols->size;
    return true;
}

static void stop_speaking(struct classic_member *member)
{
    struct classic_group *classic = member->group->classic;
    if (member->protocols == NULL)
        return;
    support_drop(classic, member->protocols, member->protocols->count);
    classic->metadata_size -= member->protocols->size;
    free(member->protocols);
    member->protocols = NULL;
}

bool classic_member_speak(struct classic_member *member, struct classic_protocols *protocols)
{
    if (!support_count(member->group->classic, protocols))
        return false;
    stop_speaking(member);
    member->protocols = protocols;
    return true;
}

struct slice classic_member_metadata(const struct classic_member *member, struct slice protocol)
{
    for (int32_t i = 0; i < member->protocols->count; i++)
        if (slice_equal(member->protocols->at[i].name, protocol))
            return member->protocols->at[i].metadata;
    return (struct slice){0};
}

static bool all_speak(const struct classic_group *classic, struct slice name)
{
    const struct classic_support *support = support_find(classic, name);
    size_t count = support != NULL ? (size_t)support->count : 0;
    return count == classic_member_count(classic);
}

bool classic_supports(const struct group *group, const struct join_group_request *request)
{
    const struct classic_group *classic = group->classic;
    if (classic->state == CLASSIC_EMPTY)
        return request->protocol_type.size > 0 && request->protocols_count > 0;
    if (slice_is_null(classic->protocol_type) ||
        !slice_equal(classic->protocol_type, request->protocol_type))
        return false;
    for (int32_t i = 0; i < request->protocols_count; i++)
        if (all_speak(classic, request->protocols[i].name))
            return true;
    return false;
}

/* ---- the choice ---- */

/* Names that got votes, as many as there can be for one member each. */
struct ballot {
    struct slice name;
    int32_t votes;
};

static void vote(const struct classic_member *member, struct ballot *ballots, int32_t *count)
{
    const struct classic_group *classic = member->group->classic;
    int32_t i = 0;
    while (i < member->protocols->count && !all_speak(classic, member->protocols->at[i].name))
        i++;
    ALWAYS(i < member->protocols->count, "a member speaks nothing that all speak");
    struct slice name = member->protocols->at[i].name;
    int32_t at = 0;
    while (at < *count && !slice_equal(ballots[at].name, name))
        at++;
    if (at == *count)
        ballots[(*count)++] = (struct ballot){.name = name};
    ballots[at].votes++;
}

/* Kafka lets the first of a Java hash table win a tie: its place there, of 16. */
static uint32_t java_place(struct slice name)
{
    uint32_t hash = coord_java_hash(name);
    return (hash ^ hash >> 16) & 15;
}

static bool wins(const struct ballot *one, const struct ballot *other)
{
    if (one->votes != other->votes)
        return one->votes > other->votes;
    return java_place(one->name) < java_place(other->name);
}

/* What the first member speaks bounds what all can. */
struct slice classic_vote(const struct group *group)
{
    const struct classic_group *classic = group->classic;
    ALWAYS(classic_member_count(classic) > 0, "a group without members votes");
    int32_t most = classic_member_at(classic->members.next)->protocols->count;
    struct ballot *ballots = calloc((size_t)most + 1, sizeof *ballots);
    ALWAYS(ballots != NULL, "memory for a group's vote is out");
    int32_t count = 0;
    LIST_EACH (&classic->members, node)
        vote(classic_member_at(node), ballots, &count);
    const struct ballot *best = &ballots[0];
    for (int32_t i = 1; i < count; i++)
        if (wins(&ballots[i], best))
            best = &ballots[i];
    struct slice name = best->name;
    free(ballots);
    return name;
}

/* ---- members ---- */

static bool id_matches(const struct hash_node *node, const void *id)
{
    return slice_equal(CONTAINER_OF(node, const struct classic_member, by_id)->id,
                       *(const struct slice *)id);
}

static bool instance_matches(const struct hash_node *node, const void *id)
{
    return slice_equal(CONTAINER_OF(node, const struct classic_member, by_instance)->instance_id,
                       *(const struct slice *)id);
}

struct classic_member *classic_member_find(const struct group *group, struct slice id)
{
    struct hash_node *node =
        hash_table_find(&group->classic->by_id, slice_hash(id, 0), id_matches, &id);
    return node != NULL ? CONTAINER_OF(node, struct classic_member, by_id) : NULL;
}

struct classic_member *classic_member_of_instance(const struct group *group, struct slice id)
{
    struct hash_node *node =
        hash_table_find(&group->classic->by_instance, slice_hash(id, 0), instance_matches, &id);
    return node != NULL ? CONTAINER_OF(node, struct classic_member, by_instance) : NULL;
}

enum err classic_member_check(const struct group *group, struct slice id, struct slice instance_id)
{
    if (!slice_is_null(instance_id)) {
        const struct classic_member *member = classic_member_of_instance(group, instance_id);
        if (member == NULL)
            return ERR_UNKNOWN_MEMBER_ID;
        if (!slice_equal(member->id, id))
            return ERR_FENCED_INSTANCE_ID;
    }
    return classic_member_find(group, id) != NULL ? ERR_NONE : ERR_UNKNOWN_MEMBER_ID;
}

static bool identify(struct classic_member *member, const struct classic_identity *identity)
{
    size_t size = identity->id.size + identity->instance_id.size + identity->client_id.size +
                  identity->client_host.size;
    uint8_t *at = malloc(size > 0 ? size : 1);
    if (at == NULL)
        return false;
    uint8_t *before = member->texts;
    member->texts = at;
    member->id = put_text(&at, identity->id);
    member->instance_id = put_text(&at, identity->instance_id);
    member->client_id = put_text(&at, identity->client_id);
    member->client_host = put_text(&at, identity->client_host);
    free(before);
    return true;
}

static bool enter(struct classic_group *classic, struct classic_member *member)
{
    if (!hash_table_insert(&classic->by_id, &member->by_id, slice_hash(member->id, 0)))
        return false;
    if (slice_is_null(member->instance_id) ||
        hash_table_insert(&classic->by_instance, &member->by_instance,
                          slice_hash(member->instance_id, 0)))
        return true;
    hash_table_remove(&classic->by_id, &member->by_id);
    return false;
}

static void leave(struct classic_group *classic, struct classic_member *member)
{
    hash_table_remove(&classic->by_id, &member->by_id);
    if (!slice_is_null(member->instance_id))
        hash_table_remove(&classic->by_instance, &member->by_instance);
}

static struct classic_member *member_new(struct group *group,
                                         const struct classic_identity *identity)
{
    struct classic_member *member = calloc(1, sizeof *member);
    if (member == NULL)
        return NULL;
    member->group = group;
    shard_timer_init(&member->session, classic_on_session);
    member->session_timeout_ms = identity->session_timeout_ms;
    member->rebalance_timeout_ms = identity->rebalance_timeout_ms;
    list_add_tail(&group->classic->members, &member->link);
    if (identify(member, identity) && enter(group->classic, member)) {
        if (group->classic->leader == NULL)
            group->classic->leader = member;
        return member;
    }
    list_remove(&member->link);
    free(member->texts);
    free(member);
    return NULL;
}

struct classic_member *classic_member_add(struct group *group,
                                          const struct classic_identity *identity,
                                          struct classic_protocols *protocols)
{
    struct classic_group *classic = group->classic;
    struct classic_member *member = protocols != NULL ? member_new(group, identity) : NULL;
    if (member == NULL || !support_count(classic, protocols)) {
        if (member != NULL)
            classic_member_remove(member);
        free(protocols);
        return NULL;
    }
    member->protocols = protocols;
    return member;
}

void classic_member_remove(struct classic_member *member)
{
    struct classic_group *classic = member->group->classic;
    ALWAYS(member->join == NULL && member->sync == NULL, "a member that waits is removed");
    coord_timer_stop(classic_world(member->group), &member->session);
    classic_mark_synced(member);
    leave(classic, member);
    list_remove(&member->link);
    if (classic->leader == member)
        classic->leader =
            list_is_empty(&classic->members) ? NULL : classic_member_at(classic->members.next);
    stop_speaking(member);
    free((void *)(uintptr_t)member->assignment.data);
    free(member->texts);
    free(member);
}

bool classic_member_rename(struct classic_member *member, struct slice id)
{
    struct classic_group *classic = member->group->classic;
    struct classic_identity identity = {
        .id = id,
        .instance_id = member->instance_id,
        .client_id = member->client_id,
        .client_host = member->client_host,
    };
    leave(classic, member);
    bool done = identify(member, &identity);
    /* A table that had it has room for it. */
    bool entered = enter(classic, member);
    ALWAYS(entered, "a member finds no room in a table that it was in");
    return done;
}

/* ---- those that were told their id ---- */

static bool pending_matches(const struct hash_node *node, const void *id)
{
    return slice_equal(CONTAINER_OF(node, const struct classic_pending, by_id)->id,
                       *(const struct slice *)id);
}

struct classic_pending *classic_pending_find(const struct group *group, struct slice id)
{
    struct hash_node *node =
        hash_table_find(&group->classic->pending, slice_hash(id, 0), pending_matches, &id);
    return node != NULL ? CONTAINER_OF(node, struct classic_pending, by_id) : NULL;
}

bool classic_pending_add(struct group *group, struct slice id, int32_t timeout_ms)
{
    struct classic_pending *pending = malloc(sizeof *pending + id.size);
    if (pending == NULL)
        return false;
    uint8_t *at = (uint8_t *)(pending + 1);
    pending->group = group;
    pending->id = put_text(&at, id);
    shard_timer_init(&pending->patience, classic_on_patience);
    if (!hash_table_insert(&group->classic->pending, &pending->by_id, slice_hash(id, 0))) {
        free(pending);
        return false;
    }
    coord_timer_start(classic_world(group), &pending->patience, timeout_ms);
    return true;
}

void classic_pending_remove(struct classic_pending *pending)
{
    coord_timer_stop(classic_world(pending->group), &pending->patience);
    hash_table_remove(&pending->group->classic->pending, &pending->by_id);
    free(pending);
}
