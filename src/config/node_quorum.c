/* Who this node is and who its controllers are: process.roles, node.id, log directories and the
 * quorum, which must be this node alone. What names other nodes refuses the start, since records
 * would be acknowledged that the others know nothing of. Any thread. */
#include "config/node_int.h"

#include <limits.h>
#include <strings.h>

static const struct node_setting *setting_of(const struct node_loader *loader, const char *name)
{
    return node_setting_find(loader->config, name);
}

static bool parse_id(struct slice text, int32_t *ret_id)
{
    const struct config_row *row = config_row_find(CONFIG_BROKER, "node.id", 7);
    struct config_value value;
    if (row == NULL || !config_value_parse(row, text, &value, NULL))
        return false;
    *ret_id = (int32_t)value.number;
    return true;
}

/* broker.id is the older name of node.id; both are set by now where one was given. */
static void load_id(struct node_loader *loader)
{
    const struct node_setting *node = setting_of(loader, "node.id");
    const struct node_setting *broker = setting_of(loader, "broker.id");
    int32_t id;
    int32_t other;
    if (node == NULL || broker == NULL || !parse_id(slice_of_text(node->value), &id))
        return; /* told already */
    if (!parse_id(slice_of_text(broker->value), &other) || other != id)
        node_loader_error(loader, broker, "broker.id and node.id must be the same; node.id is %d",
                          id);
    loader->config->node_id = id;
}

void node_load_roles(struct node_loader *loader)
{
    struct node_config *config = loader->config;
    const struct node_setting *setting = setting_of(loader, "process.roles");
    struct slice rest = node_setting_text(config, "process.roles");
    struct slice role;
    while (config_list_next(&rest, &role)) {
        config->is_broker |= slice_is(role, "broker");
        config->is_controller |= slice_is(role, "controller");
    }
    if (setting != NULL && (!config->is_broker || !config->is_controller))
        node_loader_error(loader, setting,
                          "process.roles=%s: this version runs as broker and controller in one; "
                          "process.roles=broker,controller is what it supports",
                          setting->value);
    load_id(loader);
}

/* ---- directories ---- */

static void add_dir(struct node_loader *loader, const struct node_setting *setting,
                    struct slice path)
{
    struct node_config *config = loader->config;
    if (path.size == 0) {
        node_loader_error(loader, setting, "log.dirs: an empty name among the directories");
        return;
    }
    for (size_t i = 0; i < config->log_dir_count; i++) {
        if (slice_is(path, config->log_dirs[i])) {
            node_loader_error(loader, setting, "log.dirs: %.*s is there twice", SLICE_ARG(path));
            return;
        }
    }
    if (config->log_dir_count == NODE_LOG_DIRS_MAX) {
        node_loader_error(loader, setting, "log.dirs: more than %d directories", NODE_LOG_DIRS_MAX);
        return;
    }
    config->log_dirs[config->log_dir_count++] = node_loader_copy(loader, path);
}

static void load_dirs(struct node_loader *loader)
{
    struct node_config *config = loader->config;
    const char *key = setting_of(loader, "log.dirs") != NULL ? "log.dirs" : "log.dir";
    const struct node_setting *setting = setting_of(loader, key);
    struct slice rest = node_setting_text(config, key);
    struct slice path;
    while (config_list_next(&rest, &path))
        add_dir(loader, setting, path);
    struct slice metadata = node_setting_text(config, "metadata.log.dir");
    if (metadata.size > 0)
        config->metadata_log_dir = node_loader_copy(loader, metadata);
    else if (config->log_dir_count > 0)
        config->metadata_log_dir = config->log_dirs[0];
}

/* ---- the quorum ---- */

static bool is_bound(const struct node_config *config)
{
    for (size_t i = 0; i < config->listeners.count; i++)
        if (strcmp(config->listeners.at[i].name, config->controller.name) == 0)
            return true;
    return false;
}

static bool is_local_name(const char *host)
{
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "127.0.0.1") == 0 ||
           strcmp(host, "::1") == 0;
}

/* True when the endpoint can be this node's controller listener. */
static bool is_own_endpoint(const struct node_loader *loader, const char *host, uint16_t port)
{
    const struct node_config *config = loader->config;
    if (!is_bound(config))
        return true; /* it is the only word on where the voter is */
    if (port != config->controller.port)
        return false;
    return is_local_name(host) || strcasecmp(host, config->controller.host) == 0 ||
           strcasecmp(host, loader->input->host_name) == 0 ||
           is_local_name(config->controller.host);
}

static void take_endpoint(struct node_loader *loader, const char *host, uint16_t port)
{
    if (is_bound(loader->config))
        return;
    loader->config->controller.host = host;
    loader->config->controller.port = port;
}

static void refuse_others(struct node_loader *loader, const struct node_setting *setting,
                          struct slice entry)
{
    node_loader_error(loader, setting,
                      "%s names another node, %.*s; this version runs a quorum of this node alone",
                      setting->name, SLICE_ARG(entry));
}

/* id@host:port */
static void load_voter(struct node_loader *loader, const struct node_setting *setting,
                       struct slice entry)
{
    const uint8_t *mark = entry.size == 0 ? NULL : memchr(entry.data, '@', entry.size);
    size_t size = mark != NULL ? (size_t)(mark - entry.data) : 0;
    int32_t id;
    const char *host;
    uint16_t port;
    if (mark == NULL || !parse_id(slice_first(entry, size), &id) ||
        !node_parse_endpoint(loader, slice_from(entry, size + 1), &host, &port) ||
        host[0] == '\0') {
        node_loader_error(loader, setting, "controller.quorum.voters: %.*s must be id@host:port",
                          SLICE_ARG(entry));
        return;
    }
    if (id != loader->config->node_id) {
        refuse_others(loader, setting, entry);
        return;
    }
    loader->config->static_voters = true;
    take_endpoint(loader, host, port);
}

static void load_bootstrap(struct node_loader *loader, const struct node_setting *setting,
                           struct slice entry)
{
    const char *host;
    uint16_t port;
    if (!node_parse_endpoint(loader, entry, &host, &port) || host[0] == '\0') {
        node_loader_error(loader, setting,
                          "controller.quorum.bootstrap.servers: %.*s must be host:port",
                          SLICE_ARG(entry));
        return;
    }
    if (!is_own_endpoint(loader, host, port))
        refuse_others(loader, setting, entry);
    else
        take_endpoint(loader, host, port);
}

typedef void (*quorum_entry_fn)(struct node_loader *, const struct node_setting *, struct slice);

static void each_entry(struct node_loader *loader, const char *key, quorum_entry_fn on_entry)
{
    const struct node_setting *setting = setting_of(loader, key);
    struct slice rest = node_setting_text(loader->config, key);
    struct slice entry;
    size_t count = 0;
    if (setting == NULL || rest.size == 0)
        return;
    while (config_list_next(&rest, &entry)) {
        count++;
        on_entry(loader, setting, entry);
    }
    if (count > 1 && !loader->failed)
        node_loader_error(loader, setting,
                          "%s has %zu entries; this version runs a quorum of this node alone", key,
                          count);
}

void node_load_quorum(struct node_loader *loader)
{
    load_dirs(loader);
    if (loader->config->controller.name == NULL)
        return; /* told already */
    each_entry(loader, "controller.quorum.voters", load_voter);
    each_entry(loader, "controller.quorum.bootstrap.servers", load_bootstrap);
}
