/* What members of a consumer group say of themselves: copies in one piece of memory, and what has
 * changed. One thread. */
#include "group/consumer_int.h"

#include <stdlib.h>

/* One piece of memory that a profile's texts and arrays are put into. */
struct packer {
    uint8_t *at; /* NULL: only counts */
    size_t size;
};

static void *pack(struct packer *packer, const void *data, size_t size)
{
    uint8_t *place = packer->at != NULL ? packer->at + packer->size : NULL;
    if (place != NULL && size > 0)
        memcpy(place, data, size);
    packer->size += (size + 7) / 8 * 8;
    return place;
}

static struct slice pack_text(struct packer *packer, struct slice text)
{
    if (slice_is_null(text))
        return text;
    return slice_of(pack(packer, text.data, text.size), text.size);
}

static int compare_texts(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

int consumer_names_sort(struct slice *names, int count)
{
    if (count == 0)
        return 0;
    qsort(names, (size_t)count, sizeof *names, compare_texts);
    int kept = 0;
    for (int i = 0; i < count; i++)
        if (kept == 0 || !slice_equal(names[kept - 1], names[i]))
            names[kept++] = names[i];
    return kept;
}

static void pack_classic(struct packer *packer, struct consumer_group_member_metadata_value *copy)
{
    struct consumer_group_member_metadata_value_classic_member_metadata *classic =
        copy->classic_member_metadata;
    if (classic == NULL)
        return;
    int count = classic->supported_protocols_count;
    struct consumer_group_member_metadata_value_classic_member_metadata_supported_protocols
        *protocols = classic->supported_protocols,
        *place = pack(packer, protocols, (size_t)count * sizeof *protocols);
    for (int i = 0; i < count; i++) {
        struct slice name = pack_text(packer, protocols[i].name);
        struct slice metadata = pack_text(packer, protocols[i].metadata);
        if (place == NULL)
            continue;
        place[i].name = name;
        place[i].metadata = metadata;
    }
    classic = pack(packer, classic, sizeof *classic);
    if (classic == NULL)
        return;
    classic->supported_protocols = place;
    copy->classic_member_metadata = classic;
}

static void pack_profile(struct packer *packer, struct consumer_group_member_metadata_value *copy)
{
    int count = copy->subscribed_topic_names_count;
    struct slice *names = copy->subscribed_topic_names,
                 *place = pack(packer, names, (size_t)count * sizeof *names);
    for (int i = 0; i < count; i++) {
        struct slice name = pack_text(packer, names[i]);
        if (place != NULL)
            place[i] = name;
    }
    copy->instance_id = pack_text(packer, copy->instance_id);
    copy->rack_id = pack_text(packer, copy->rack_id);
    copy->client_id = pack_text(packer, copy->client_id);
    copy->client_host = pack_text(packer, copy->client_host);
    copy->subscribed_topic_regex = pack_text(packer, copy->subscribed_topic_regex);
    copy->server_assignor = pack_text(packer, copy->server_assignor);
    pack_classic(packer, copy);
    copy->subscribed_topic_names = place;
}

void *consumer_profile_copy(const struct consumer_group_member_metadata_value *value,
                            struct arena *arena,
                            struct consumer_group_member_metadata_value *ret_copy)
{
    struct packer packer = {0};
    struct consumer_group_member_metadata_value copy = *value;
    pack_profile(&packer, &copy);
    void *memory = arena != NULL ? consumer_take(arena, packer.size, 1) : malloc(packer.size + 1);
    if (memory == NULL)
        return NULL;
    packer = (struct packer){.at = memory};
    copy = *value;
    pack_profile(&packer, &copy);
    copy.subscribed_topic_names_count =
        consumer_names_sort(copy.subscribed_topic_names, copy.subscribed_topic_names_count);
    *ret_copy = copy;
    return memory;
}

struct slice *consumer_names_copy(const struct slice *names, int count)
{
    struct packer packer = {0};
    for (int i = 0; i < count; i++)
        (void)pack_text(&packer, names[i]);
    size_t table = (size_t)count * sizeof *names;
    struct slice *copy = malloc(table + packer.size + 1);
    if (copy == NULL)
        return NULL;
    packer = (struct packer){.at = (uint8_t *)copy + table};
    for (int i = 0; i < count; i++)
        copy[i] = pack_text(&packer, names[i]);
    return copy;
}

/* ---- comparing ---- */

bool consumer_names_same(const struct slice *a, int a_count, const struct slice *b, int b_count)
{
    if (a_count != b_count)
        return false;
    for (int i = 0; i < a_count; i++)
        if (!slice_equal(a[i], b[i]))
            return false;
    return true;
}

static bool classic_same(
    const struct consumer_group_member_metadata_value_classic_member_metadata *a,
    const struct consumer_group_member_metadata_value_classic_member_metadata *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    if (a->session_timeout_ms != b->session_timeout_ms ||
        a->supported_protocols_count != b->supported_protocols_count)
        return false;
    for (int i = 0; i < a->supported_protocols_count; i++)
        if (!slice_equal(a->supported_protocols[i].name, b->supported_protocols[i].name) ||
            !slice_equal(a->supported_protocols[i].metadata, b->supported_protocols[i].metadata))
            return false;
    return true;
}

bool consumer_profile_same(const struct consumer_group_member_metadata_value *a,
                           const struct consumer_group_member_metadata_value *b)
{
    return a->rebalance_timeout_ms == b->rebalance_timeout_ms &&
           consumer_text_same(a->client_id, b->client_id) &&
           consumer_text_same(a->client_host, b->client_host) &&
           consumer_text_same(a->instance_id, b->instance_id) &&
           consumer_text_same(a->rack_id, b->rack_id) &&
           consumer_text_same(a->subscribed_topic_regex, b->subscribed_topic_regex) &&
           consumer_text_same(a->server_assignor, b->server_assignor) &&
           consumer_names_same(a->subscribed_topic_names, a->subscribed_topic_names_count,
                               b->subscribed_topic_names, b->subscribed_topic_names_count) &&
           classic_same(a->classic_member_metadata, b->classic_member_metadata);
}

struct consumer_group_member_metadata_value consumer_profile_blank(void)
{
    struct consumer_group_member_metadata_value blank =
        consumer_group_member_metadata_value_default;
    blank.instance_id = (struct slice){0};
    blank.rack_id = (struct slice){0};
    blank.server_assignor = (struct slice){0};
    blank.client_id = slice_of_text("");
    blank.client_host = slice_of_text("");
    blank.subscribed_topic_names_count = 0;
    blank.subscribed_topic_regex = slice_of_text("");
    blank.rebalance_timeout_ms = -1;
    blank.classic_member_metadata = NULL;
    return blank;
}
