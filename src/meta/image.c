/* Images: counting, finding, copying. Applying records is in replay.c, writing them in write.c. */
#include "meta/image_int.h"

#include "base/always.h"
#include "base/bytes.h"

#include <stdlib.h>

static void object_ref(void *value)
{
    struct meta_object *object = value;
    object->references++;
}

static void object_unref(void *value)
{
    struct meta_object *object = value;
    ALWAYS(object->references > 0, "a value of an image was given back too often");
    if (--object->references == 0)
        object->free(object);
}

const struct pmap_type meta_objects = {.ref = object_ref, .unref = object_unref};

struct meta_key meta_key_of_int(int32_t number)
{
    struct meta_key key = {.size = 4};
    store_u32(key.bytes, (uint32_t)number ^ 0x80000000u);
    return key;
}

struct meta_image *meta_image_new(const struct node_config *node)
{
    struct meta_image *image = calloc(1, sizeof *image);
    if (image == NULL)
        return NULL;
    *image = (struct meta_image){
        .references = 1,
        .node = node,
        .epoch = -1,
        .brokers = pmap_empty(&meta_objects),
        .controllers = pmap_empty(&meta_objects),
        .topics_by_name = pmap_empty(&meta_objects),
        .topics_by_id = pmap_empty(&meta_objects),
        .configs = pmap_empty(&meta_objects),
        .features = pmap_empty(&meta_objects),
        .kept = pmap_empty(&meta_objects),
    };
    topic_config_make(node, &(struct config_layers){0}, &image->topic_defaults);
    node_dynamic_make(node, &(struct config_layers){0}, &image->node_dynamic);
    return image;
}

struct meta_image *meta_image_begin(const struct meta_image *from)
{
    struct meta_image *image = malloc(sizeof *image);
    if (image == NULL)
        return NULL;
    *image = *from;
    image->references = 1;
    image->brokers = pmap_ref(from->brokers);
    image->controllers = pmap_ref(from->controllers);
    image->topics_by_name = pmap_ref(from->topics_by_name);
    image->topics_by_id = pmap_ref(from->topics_by_id);
    image->configs = pmap_ref(from->configs);
    image->features = pmap_ref(from->features);
    image->kept = pmap_ref(from->kept);
    return image;
}

struct meta_image *meta_image_ref(struct meta_image *image)
{
    image->references++;
    return image;
}

void meta_image_unref(struct meta_image *image)
{
    if (image == NULL || --image->references > 0)
        return;
    pmap_unref(&image->brokers);
    pmap_unref(&image->controllers);
    pmap_unref(&image->topics_by_name);
    pmap_unref(&image->topics_by_id);
    pmap_unref(&image->configs);
    pmap_unref(&image->features);
    pmap_unref(&image->kept);
    free(image);
}

void meta_image_release(const struct meta_image *image)
{
    struct meta_image *ours;
    memcpy(&ours, &image, sizeof ours);
    meta_image_unref(ours);
}

/* ---- looking up ---- */

const struct meta_topic *meta_topic_named(const struct meta_image *image, struct slice name)
{
    return pmap_find(image->topics_by_name, name);
}

const struct meta_topic *meta_topic_by_id(const struct meta_image *image, struct uuid id)
{
    return pmap_find(image->topics_by_id, slice_of(id.bytes, sizeof id.bytes));
}

const struct meta_partition *meta_topic_partition(const struct meta_topic *topic, int32_t partition)
{
    struct meta_key key = meta_key_of_int(partition);
    return pmap_find(topic->partitions, meta_key_slice(&key));
}

const struct meta_broker *meta_broker_find(const struct meta_image *image, int32_t id)
{
    struct meta_key key = meta_key_of_int(id);
    return pmap_find(image->brokers, meta_key_slice(&key));
}

struct slice meta_config_key(int8_t type, struct slice name, uint8_t buffer[META_CONFIG_KEY_MAX])
{
    ALWAYS(name.size < META_CONFIG_KEY_MAX, "a name of %zu bytes is in no record", name.size);
    buffer[0] = (uint8_t)type;
    if (name.size > 0)
        memcpy(buffer + 1, name.data, name.size);
    return slice_of(buffer, name.size + 1);
}

const struct meta_config *meta_config_find(const struct meta_image *image, int8_t type,
                                           struct slice name)
{
    uint8_t buffer[META_CONFIG_KEY_MAX];
    return pmap_find(image->configs, meta_config_key(type, name, buffer));
}

struct slice meta_config_value(const struct meta_image *image, int8_t type, struct slice name,
                               const char *key)
{
    const struct meta_config *config = meta_config_find(image, type, name);
    const struct meta_text *text =
        config != NULL ? pmap_find(config->values, slice_of_text(key)) : NULL;
    return text != NULL ? text->text : (struct slice){0};
}

int64_t meta_feature(const struct meta_image *image, const char *name)
{
    const struct meta_number *feature = pmap_find(image->features, slice_of_text(name));
    return feature != NULL ? feature->number : 0;
}
