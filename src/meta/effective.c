/* A topic's effective configuration out of the image's dynamic layers. Any shard with the image. */
#include "meta/effective.h"

#include <stdio.h>

void meta_topic_config(const struct meta_image *image, const struct node_config *config,
                       const struct meta_topic *topic, struct topic_config *ret_config)
{
    struct config_pair pairs[3][64];
    struct config_pairs lists[3];
    char id[16];
    (void)snprintf(id, sizeof id, "%d", config->node_id);
    const struct meta_config *resources[3] = {
        meta_config_find(image, META_CONFIG_TOPIC, topic->name),
        meta_config_find(image, META_CONFIG_BROKER, slice_of_text(id)),
        meta_config_find(image, META_CONFIG_BROKER, slice_of("", 0)),
    };
    for (int i = 0; i < 3; i++) {
        size_t count = 0;
        struct pmap_iterator values;
        struct pmap_entry entry;
        if (resources[i] != NULL) {
            pmap_iterate(resources[i]->values, (struct slice){0}, &values);
            while (count < COUNT_OF(pairs[i]) && pmap_next(&values, &entry))
                pairs[i][count++] = (struct config_pair){
                    .name = entry.key, .value = ((const struct meta_text *)entry.value)->text};
        }
        lists[i] = (struct config_pairs){.at = pairs[i], .count = count};
    }
    struct config_layers layers = {
        .topic = lists[0], .broker = lists[1], .default_broker = lists[2]};
    topic_config_make(config, &layers, ret_config);
}
