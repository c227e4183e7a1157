/* The parts of node_config_load: settings gathered from three places, then listeners, quorum and
 * fields made from them. For config/node*.c and config/topic.c only. */
#ifndef CONFIG_NODE_INT_H
#define CONFIG_NODE_INT_H

#include "config/node.h"

struct node_loader {
    const struct node_config_input *input;
    struct node_config *config;
    struct node_setting *settings; /* in the arena, in order of arrival */
    size_t count;
    size_t capacity;
    struct text *notes;
    bool failed;
};

/* Adds "error: PLACE: ..." and marks the load as failed; the place is that of the setting, or of
 * the whole configuration where it is NULL. */
void node_loader_error(struct node_loader *, const struct node_setting *, const char *format, ...)
    PRINTF_LIKE(3, 4);
void node_loader_warn(struct node_loader *, const struct node_setting *, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* A NUL-terminated copy in the configuration's arena; "" when memory is out. */
const char *node_loader_copy(struct node_loader *, struct slice);

/* Below, config->settings is complete. */
const struct node_setting *node_setting_find(const struct node_config *, const char *name);
/* The effective text of a key: its setting, else its row's default; null where it is null. */
struct slice node_setting_text(const struct node_config *, const char *name);

/* node_settings.c: gathers built-in settings, the file and --set; checks each. */
void node_load_settings(struct node_loader *);
/* node_fields.c: copies plain values into the struct. */
void node_load_fields(struct node_loader *);
/* node_listeners.c */
void node_load_listeners(struct node_loader *);
/* host:port, with brackets around IPv6; a port of 0 to 65535. false: neither. */
bool node_parse_endpoint(struct node_loader *, struct slice text, const char **ret_host,
                         uint16_t *ret_port);
/* node_quorum.c: roles and voters; needs the listeners. */
void node_load_roles(struct node_loader *);
void node_load_quorum(struct node_loader *);

#endif
