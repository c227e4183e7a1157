/* Loads the node's configuration: gathers the settings, then makes each part of struct node_config
 * from them. All errors are told at once, so that a file is mended in one go. Reads no file itself.
 * Any thread. */
#include "config/node_int.h"

#include <stdlib.h>

#define ARENA_LIMIT ((size_t)16 << 20)

bool node_config_load(const struct node_config_input *input, struct node_config **ret_config,
                      struct text *notes)
{
    struct node_config *config = calloc(1, sizeof *config);
    if (config == NULL) {
        text_printf(notes, "error: out of memory\n");
        return false;
    }
    arena_init(&config->arena, ARENA_LIMIT);
    struct node_loader loader = {.input = input, .config = config, .notes = notes};
    if (input->file != NULL)
        config->file = node_loader_copy(&loader, slice_of_text(input->file));
    node_load_settings(&loader);
    node_load_fields(&loader);
    node_load_roles(&loader);
    node_load_listeners(&loader);
    node_load_quorum(&loader);
    if (config->arena.failed)
        node_loader_error(&loader, NULL, "the configuration is larger than memory allows");
    if (loader.failed) {
        node_config_free(config);
        return false;
    }
    *ret_config = config;
    return true;
}

void node_config_free(struct node_config *config)
{
    if (config == NULL)
        return;
    arena_fini(&config->arena);
    free(config);
}

const char *node_config_setting(const struct node_config *config, const char *name)
{
    const struct node_setting *setting = node_setting_find(config, name);
    return setting != NULL ? setting->value : NULL;
}
