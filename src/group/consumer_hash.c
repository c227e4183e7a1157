/* The hash of what a group's topics look like, which its epoch record has: another one means that a
 * topic has come, gone, grown, or stands in other racks. It is Kafka's, byte for byte, since either
 * may read the other's records: XXH3 with 64 bits over little-endian numbers, and texts in UTF-16
 * followed by their length (hash4j's streams). On the partition's shard. */
#include "group/consumer_int.h"

#include "base/always.h"
#include "meta/image.h"
#include "wire/msg/register_broker_record.h"

#include <stdlib.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#define HASH_FORMAT 0 /* the first byte */
#define REPLICAS_MAX 128

static void add_number(XXH3_state_t *state, uint64_t number, size_t size)
{
    (void)XXH3_64bits_update(state, &number, size); /* little-endian, as bytes.h asserts */
}

/* One character of UTF-8; what is none counts as U+FFFD, as Java decodes it. */
static uint32_t next_character(struct slice text, size_t *at)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    uint8_t first = text.data[(*at)++];
    int more = first < 0x80 ? 0 : first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : -1;
    if (more <= 0)
        return more == 0 ? first : 0xfffd;
    uint32_t character = first & (0x3fu >> more);
    for (int i = 0; i < more; i++) {
        if (*at >= text.size || (text.data[*at] & 0xc0) != 0x80)
            return 0xfffd;
        character = character << 6 | (text.data[(*at)++] & 0x3fu);
    }
    return character >= least[more] && character < 0x110000 ? character : 0xfffd;
}

static void add_units(XXH3_state_t *state, uint32_t character, uint32_t *units)
{
    if (character >= 0x10000) {
        add_number(state, 0xd7c0 + (character >> 10), sizeof(uint16_t));
        character = 0xdc00 + (character & 0x3ff);
        (*units)++;
    }
    add_number(state, character, sizeof(uint16_t));
    (*units)++;
}

static uint32_t count_units(struct slice text)
{
    uint32_t units = 0;
    for (size_t at = 0; at < text.size;)
        units += next_character(text, &at) >= 0x10000 ? 2 : 1;
    return units;
}

static void add_text(XXH3_state_t *state, struct slice text)
{
    uint32_t units = 0;
    for (size_t at = 0; at < text.size;)
        add_units(state, next_character(text, &at), &units);
    add_number(state, units, sizeof(int32_t));
}

static int compare_racks(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static void add_racks(XXH3_state_t *state, const struct meta_image *image,
                      const struct meta_partition *partition)
{
    struct slice racks[REPLICAS_MAX];
    size_t count = 0;
    for (int32_t i = 0; i < partition->replicas.count && count < REPLICAS_MAX; i++) {
        const struct meta_broker *broker = meta_broker_find(image, partition->replicas.at[i]);
        if (broker != NULL && !slice_is_null(broker->record->rack))
            racks[count++] = broker->record->rack;
    }
    qsort(racks, count, sizeof *racks, compare_racks);
    for (size_t i = 0; i < count; i++) {
        add_number(state, count_units(racks[i]), sizeof(int32_t));
        add_text(state, racks[i]);
    }
}

static bool has_racks(const struct meta_image *image)
{
    struct pmap_iterator iterator;
    struct pmap_entry entry;
    pmap_iterate(image->brokers, (struct slice){0}, &iterator);
    while (pmap_next(&iterator, &entry))
        if (!slice_is_null(((const struct meta_broker *)entry.value)->record->rack))
            return true;
    return false;
}

/* Java's long of eight bytes. */
static uint64_t half(const uint8_t *bytes)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | bytes[i];
    return number;
}

static int64_t topic_hash(XXH3_state_t *state, const struct meta_image *image,
                          const struct meta_topic *topic, bool with_racks)
{
    (void)XXH3_64bits_reset(state);
    add_number(state, HASH_FORMAT, 1);
    add_number(state, half(topic->id.bytes), sizeof(int64_t));
    add_number(state, half(topic->id.bytes + 8), sizeof(int64_t));
    add_text(state, topic->name);
    int32_t count = (int32_t)topic->partitions.count;
    add_number(state, (uint32_t)count, sizeof(int32_t));
    for (int32_t i = 0; i < count; i++) {
        add_number(state, (uint32_t)i, sizeof(int32_t));
        const struct meta_partition *partition = with_racks ? meta_topic_partition(topic, i) : NULL;
        if (partition != NULL)
            add_racks(state, image, partition);
    }
    return (int64_t)XXH3_64bits_digest(state);
}

int64_t consumer_topic_hash(const struct meta_image *image, const struct meta_topic *topic)
{
    XXH3_state_t state;
    return topic_hash(&state, image, topic, has_racks(image));
}

/* By name, without those that do not exist; of no topic at all: 0. */
int64_t consumer_metadata_hash(const struct consumer_group *consumer, struct arena *arena)
{
    const struct meta_image *image = consumer_world(consumer)->image;
    struct slice *names = CONSUMER_ARRAY(arena, struct slice, consumer->topics.count);
    int count = 0;
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&consumer->topics, node)) != NULL)
        names[count++] = CONTAINER_OF(node, const struct consumer_topic, node)->name;
    count = consumer_names_sort(names, count);
    XXH3_state_t state;
    XXH3_state_t whole;
    (void)XXH3_64bits_reset(&whole);
    bool with_racks = has_racks(image);
    int found = 0;
    for (int i = 0; i < count; i++) {
        const struct meta_topic *topic = meta_topic_named(image, names[i]);
        if (topic == NULL)
            continue;
        found++;
        add_number(&whole, (uint64_t)topic_hash(&state, image, topic, with_racks), sizeof(int64_t));
    }
    return found > 0 ? (int64_t)XXH3_64bits_digest(&whole) : 0;
}
