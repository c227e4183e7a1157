/* The dynamic layers of the configuration out of an image. Any shard that holds the image. */
#include "meta/effective.h"

#include <stdio.h>

struct config_pairs meta_config_pairs(const struct meta_config *config, struct config_pair *pairs)
{
    size_t count = 0;
    struct pmap_iterator values;
    struct pmap_entry entry;
    if (config == NULL)
        return (struct config_pairs){.at = pairs};
    pmap_iterate(config->values, (struct slice){0}, &values);
    while (count < META_OVERRIDES_MAX && pmap_next(&values, &entry))
        pairs[count++] = (struct config_pair){
            .name = entry.key, .value = ((const struct meta_text *)entry.value)->text};
    return (struct config_pairs){.at = pairs, .count = count};
}

bool meta_broker_configs_are_same(const struct meta_image *a, const struct meta_image *b)
{
    char id[16];
    (void)snprintf(id, sizeof id, "%d", a->node->node_id);
    const struct slice names[] = {slice_of("", 0), slice_of_text(id)};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (meta_config_find(a, META_CONFIG_BROKER, names[i]) !=
            meta_config_find(b, META_CONFIG_BROKER, names[i]))
            return false;
    return true;
}

void meta_layers_make(const struct meta_image *image, const struct node_config *config,
                      struct slice topic, struct meta_layers *ret_layers)
{
    char id[16];
    (void)snprintf(id, sizeof id, "%d", config->node_id);
    const struct meta_config *own = NULL;
    if (!slice_is_null(topic))
        own = meta_config_find(image, META_CONFIG_TOPIC, topic);
    const struct meta_config *broker =
        meta_config_find(image, META_CONFIG_BROKER, slice_of_text(id));
    const struct meta_config *brokers =
        meta_config_find(image, META_CONFIG_BROKER, slice_of("", 0));
    ret_layers->layers = (struct config_layers){
        .topic = meta_config_pairs(own, ret_layers->pairs[0]),
        .broker = meta_config_pairs(broker, ret_layers->pairs[1]),
        .default_broker = meta_config_pairs(brokers, ret_layers->pairs[2]),
    };
}

const struct topic_config *meta_topic_config(const struct meta_image *image,
                                             const struct meta_topic *topic)
{
    const struct meta_config *own = meta_config_find(image, META_CONFIG_TOPIC, topic->name);
    return own != NULL ? &own->topic : &image->topic_defaults;
}
