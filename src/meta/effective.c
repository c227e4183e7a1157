/* The dynamic layers of the configuration out of an image. Any shard that holds the image. */
#include "meta/effective.h"

#include <stdio.h>

static struct config_pairs pairs_of(const struct meta_config *config, struct config_pair *pairs)
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

void meta_layers_make(const struct meta_image *image, const struct node_config *config,
                      struct slice topic, struct meta_layers *ret_layers)
{
    char id[16];
    (void)snprintf(id, sizeof id, "%d", config->node_id);
    const struct meta_config *own = NULL;
    if (!slice_is_null(topic))
        own = meta_config_find(image, META_CONFIG_TOPIC, topic);
    ret_layers->layers = (struct config_layers){
        .topic = pairs_of(own, ret_layers->pairs[0]),
        .broker = pairs_of(meta_config_find(image, META_CONFIG_BROKER, slice_of_text(id)),
                           ret_layers->pairs[1]),
        .default_broker = pairs_of(meta_config_find(image, META_CONFIG_BROKER, slice_of("", 0)),
                                   ret_layers->pairs[2]),
    };
}

void meta_topic_config(const struct meta_image *image, const struct node_config *config,
                       const struct meta_topic *topic, struct topic_config *ret_config)
{
    struct meta_layers layers;
    meta_layers_make(image, config, topic->name, &layers);
    topic_config_make(config, &layers.layers, ret_config);
}
