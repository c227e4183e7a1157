/* Overrides of topics and brokers, and what a topic's settings come to with them. That is worked
 * out here, once a change, so that a request finds it ready. The complication: what a broker
 * overrides lies under all topics. On the controller's shard, on an image not yet published. */
#include "meta/effective.h"
#include "meta/image_int.h"

#include "config/node.h"
#include "wire/msg/config_record.h"

#include <stdio.h>
#include <stdlib.h>

struct config_object {
    struct meta_config config;
    uint8_t name[];
};

static void config_free(struct meta_object *object)
{
    struct config_object *self = CONTAINER_OF(object, struct config_object, config.object);
    pmap_unref(&self->config.values);
    free(self);
}

/* With a reference to values; NULL when memory is out. */
static struct config_object *config_new(int8_t type, struct slice name, struct pmap values)
{
    struct config_object *self = calloc(1, sizeof *self + name.size);
    if (self == NULL)
        return NULL;
    if (name.size > 0)
        memcpy(self->name, name.data, name.size);
    self->config = (struct meta_config){
        .object = {.references = 1, .free = config_free},
        .type = type,
        .name = slice_of(self->name, name.size),
        .values = pmap_ref(values),
    };
    return self;
}

/* Takes the reference. */
static bool put_config(struct meta_image *image, struct config_object *self)
{
    struct meta_config *config = &self->config;
    uint8_t buffer[META_CONFIG_KEY_MAX];
    struct slice key = meta_config_key(config->type, config->name, buffer);
    if (config->values.count > 0)
        return pmap_put(&image->configs, key, config);
    meta_objects.unref(config);
    return pmap_remove(&image->configs, key);
}

static void text_free(struct meta_object *object)
{
    free(CONTAINER_OF(object, struct meta_text, object));
}

static bool put_text(struct pmap *map, struct slice key, struct slice text)
{
    struct meta_text *value = calloc(1, sizeof *value + text.size + 1);
    if (value == NULL)
        return false;
    uint8_t *bytes = (uint8_t *)(value + 1);
    if (text.size > 0)
        memcpy(bytes, text.data, text.size);
    *value = (struct meta_text){.object = {.references = 1, .free = text_free},
                                .text = slice_of(bytes, text.size)};
    return pmap_put(map, key, value);
}

/* ---- what topics' settings come to ---- */

static bool settle_topic(struct meta_image *image, struct slice topic)
{
    const struct meta_config *own = meta_config_find(image, META_CONFIG_TOPIC, topic);
    if (own == NULL)
        return true;
    struct config_object *settled = config_new(META_CONFIG_TOPIC, topic, own->values);
    if (settled == NULL)
        return false;
    struct config_pair room[META_OVERRIDES_MAX];
    struct config_pairs pairs = meta_config_pairs(own, room);
    settled->config.topic = image->topic_defaults;
    topic_config_override(&pairs, &settled->config.topic);
    return put_config(image, settled);
}

static bool settle_all(struct meta_image *image)
{
    struct meta_layers layers;
    meta_layers_make(image, image->node, (struct slice){0}, &layers);
    topic_config_make(image->node, &layers.layers, &image->topic_defaults);
    node_dynamic_make(image->node, &layers.layers, &image->node_dynamic);
    struct pmap configs = pmap_ref(image->configs);
    struct pmap_iterator all;
    struct pmap_entry entry;
    bool fine = true;
    pmap_iterate(configs, (struct slice){0}, &all);
    while (fine && pmap_next(&all, &entry)) {
        const struct meta_config *config = entry.value;
        if (config->type == META_CONFIG_TOPIC)
            fine = settle_topic(image, config->name);
    }
    pmap_unref(&configs);
    return fine;
}

static bool concerns_this_broker(const struct meta_image *image, struct slice name)
{
    char id[16];
    (void)snprintf(id, sizeof id, "%d", image->node->node_id);
    return name.size == 0 || slice_is(name, id);
}

const char *meta_apply_config(struct meta_image *image, const struct meta_applied *applied)
{
    const struct config_record *record = applied->record;
    struct slice name = record->resource_name;
    const struct meta_config *before = meta_config_find(image, record->resource_type, name);
    struct pmap none = pmap_empty(&meta_objects);
    struct config_object *self =
        config_new(record->resource_type, name, before != NULL ? before->values : none);
    if (self == NULL)
        return NO_MEMORY;
    struct pmap *values = &self->config.values;
    bool fine = slice_is_null(record->value) ? pmap_remove(values, record->name)
                                             : put_text(values, record->name, record->value);
    if (!fine) {
        meta_objects.unref(&self->config);
        return NO_MEMORY;
    }
    fine = put_config(image, self);
    if (fine && record->resource_type == META_CONFIG_TOPIC)
        fine = settle_topic(image, name);
    else if (fine && record->resource_type == META_CONFIG_BROKER &&
             concerns_this_broker(image, name))
        fine = settle_all(image);
    return fine ? NULL : NO_MEMORY;
}
