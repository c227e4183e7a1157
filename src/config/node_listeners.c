/* listeners, advertised.listeners, listener.security.protocol.map, inter.broker.listener.name and
 * controller.listener.names, by Kafka's rules. Its complication is that protocols other than
 * PLAINTEXT are understood only to be refused: they restrict access. Any thread. */
#include "config/node_int.h"

#include <stdlib.h>
#include <strings.h>

#define PROTOCOL_UNKNOWN (-1)

static const char *const protocol_names[] = {"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"};

static int protocol_of(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(protocol_names); i++)
        if (slice_is(name, protocol_names[i]))
            return (int)i;
    return PROTOCOL_UNKNOWN;
}

static const struct node_setting *setting_of(const struct node_loader *loader, const char *name)
{
    return node_setting_find(loader->config, name);
}

static bool same_name(struct slice a, const char *b)
{
    return a.size == strlen(b) && strncasecmp((const char *)a.data, b, a.size) == 0;
}

/* Listener names are kept in upper case. */
static const char *upper_copy(struct node_loader *loader, struct slice name)
{
    char *copy = arena_take(&loader->config->arena, name.size + 1);
    if (copy == NULL)
        return "";
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        copy[i] = (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
    }
    return copy;
}

static bool is_host_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           strchr("-%._:", c) != NULL;
}

bool node_parse_endpoint(struct node_loader *loader, struct slice text, const char **ret_host,
                         uint16_t *ret_port)
{
    size_t colon = text.size;
    while (colon > 0 && text.data[colon - 1] != ':')
        colon--;
    if (colon == 0 || text.size - colon > 5 || text.size == colon)
        return false;
    int64_t port = 0;
    for (size_t i = colon; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        port = port * 10 + (text.data[i] - '0');
    }
    struct slice host = slice_first(text, colon - 1);
    if (host.size >= 2 && host.data[0] == '[' && host.data[host.size - 1] == ']')
        host = slice_of(host.data + 1, host.size - 2);
    for (size_t i = 0; i < host.size; i++)
        if (host.data[i] == 0 || !is_host_char(host.data[i]))
            return false;
    if (port > UINT16_MAX)
        return false;
    *ret_host = node_loader_copy(loader, host);
    *ret_port = (uint16_t)port;
    return true;
}

static bool is_controller_name(const struct node_config *config, struct slice name)
{
    struct slice rest = node_setting_text(config, "controller.listener.names");
    struct slice part;
    while (config_list_next(&rest, &part))
        if (part.size == name.size && part.size > 0 &&
            strncasecmp((const char *)part.data, (const char *)name.data, name.size) == 0)
            return true;
    return false;
}

/* The map's word on a listener; where no map is given, a protocol's own name means itself and a
 * controller's listener is PLAINTEXT. */
static int mapped_protocol(struct node_loader *loader, struct slice name)
{
    struct slice rest = node_setting_text(loader->config, "listener.security.protocol.map");
    struct slice part;
    while (config_list_next(&rest, &part)) {
        const uint8_t *colon = part.size == 0 ? NULL : memchr(part.data, ':', part.size);
        if (colon == NULL)
            continue;
        size_t size = (size_t)(colon - part.data);
        struct slice mapped = config_trim(slice_first(part, size));
        if (mapped.size == name.size &&
            strncasecmp((const char *)mapped.data, (const char *)name.data, name.size) == 0)
            return protocol_of(config_trim(slice_from(part, size + 1)));
    }
    bool is_default = setting_of(loader, "listener.security.protocol.map") == NULL;
    return is_default && is_controller_name(loader->config, name) ? NODE_PLAINTEXT
                                                                  : PROTOCOL_UNKNOWN;
}

static void check_map(struct node_loader *loader)
{
    const struct node_setting *setting = setting_of(loader, "listener.security.protocol.map");
    struct slice rest = node_setting_text(loader->config, "listener.security.protocol.map");
    struct slice part;
    while (config_list_next(&rest, &part)) {
        const uint8_t *colon = part.size == 0 ? NULL : memchr(part.data, ':', part.size);
        size_t size = colon != NULL ? (size_t)(colon - part.data) : part.size;
        struct slice protocol = config_trim(slice_from(part, size + 1));
        if (colon == NULL || protocol_of(protocol) == PROTOCOL_UNKNOWN)
            node_loader_error(loader, setting,
                              "listener.security.protocol.map: %.*s must be NAME:PROTOCOL, with "
                              "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
                              SLICE_ARG(part));
    }
}

/* NAME://host:port */
static bool parse_listener(struct node_loader *loader, const char *key, struct slice text,
                           struct node_listener *ret_listener)
{
    const struct node_setting *setting = setting_of(loader, key);
    const uint8_t *colon = text.size == 0 ? NULL : memchr(text.data, ':', text.size);
    struct slice name = slice_first(text, colon != NULL ? (size_t)(colon - text.data) : 0);
    bool marked = slice_equal(slice_first(slice_from(text, name.size), 3), slice_of("://", 3));
    struct node_listener listener = {0};
    if (name.size == 0 || !marked ||
        !node_parse_endpoint(loader, slice_from(text, name.size + 3), &listener.host,
                             &listener.port)) {
        node_loader_error(loader, setting, "%s: Unable to parse %.*s to a broker endpoint", key,
                          SLICE_ARG(text));
        return false;
    }
    int protocol = mapped_protocol(loader, name);
    if (protocol == PROTOCOL_UNKNOWN) {
        node_loader_error(loader, setting,
                          "%s: No security protocol defined for listener %.*s; "
                          "listener.security.protocol.map may name one",
                          key, SLICE_ARG(name));
        return false;
    }
    if (protocol != NODE_PLAINTEXT) {
        node_loader_error(loader, setting,
                          "%s: listener %.*s asks for %s, which this version does not enforce; "
                          "only PLAINTEXT listeners can be opened",
                          key, SLICE_ARG(name), protocol_names[protocol]);
        return false;
    }
    listener.name = upper_copy(loader, name);
    listener.protocol = (enum node_protocol)protocol;
    listener.is_controller = is_controller_name(loader->config, name);
    *ret_listener = listener;
    return true;
}

static void parse_listeners(struct node_loader *loader, const char *key,
                            struct node_listeners *ret_listeners)
{
    struct slice rest = node_setting_text(loader->config, key);
    struct slice part;
    ret_listeners->count = 0;
    while (config_list_next(&rest, &part)) {
        if (ret_listeners->count == NODE_LISTENERS_MAX) {
            node_loader_error(loader, setting_of(loader, key), "%s: more than %d listeners", key,
                              NODE_LISTENERS_MAX);
            return;
        }
        if (parse_listener(loader, key, part, &ret_listeners->at[ret_listeners->count]))
            ret_listeners->count++;
    }
}

static bool is_ipv6(const char *host)
{
    return strchr(host, ':') != NULL;
}

static bool is_ipv4(const char *host)
{
    return host[0] != '\0' && host[strspn(host, "0123456789.")] == '\0';
}

/* One port may serve an IPv4 and an IPv6 address. */
static bool may_share_port(const struct node_listener *a, const struct node_listener *b)
{
    return a->port != b->port || a->port == 0 || (is_ipv4(a->host) && is_ipv6(b->host)) ||
           (is_ipv6(a->host) && is_ipv4(b->host));
}

static void check_distinct(struct node_loader *loader, const char *key,
                           const struct node_listeners *listeners, bool ports)
{
    for (size_t i = 0; i < listeners->count; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct node_listener *a = &listeners->at[j];
            const struct node_listener *b = &listeners->at[i];
            if (strcmp(a->name, b->name) == 0)
                node_loader_error(loader, setting_of(loader, key),
                                  "%s: Each listener must have a different name; %s is there "
                                  "twice",
                                  key, a->name);
            else if (ports && !may_share_port(a, b))
                node_loader_error(loader, setting_of(loader, key),
                                  "%s: Each listener must have a different port; %s and %s "
                                  "share %u",
                                  key, a->name, b->name, (unsigned)a->port);
        }
    }
}

static const struct node_listener *find_listener(const struct node_listeners *listeners,
                                                 const char *name)
{
    for (size_t i = 0; i < listeners->count; i++)
        if (strcmp(listeners->at[i].name, name) == 0)
            return &listeners->at[i];
    return NULL;
}

/* What clients are told of one listener. */
static void advertise(struct node_loader *loader, const char *key, struct node_listener listener)
{
    struct node_config *config = loader->config;
    if (find_listener(&config->listeners, listener.name) == NULL && !listener.is_controller) {
        node_loader_error(loader, setting_of(loader, key),
                          "advertised.listeners: %s is not among listeners", listener.name);
        return;
    }
    if (strcmp(listener.host, "0.0.0.0") == 0 || strcmp(listener.host, "::") == 0) {
        node_loader_error(loader, setting_of(loader, key),
                          "advertised.listeners cannot use the nonroutable meta-address %s. Use a "
                          "routable IP address, for instance advertised.listeners=%s://%s:%u",
                          listener.host, listener.name, loader->input->host_name,
                          (unsigned)listener.port);
        return;
    }
    if (listener.host[0] == '\0')
        listener.host = node_loader_copy(loader, slice_of_text(loader->input->host_name));
    config->advertised.at[config->advertised.count++] = listener;
}

static void load_advertised(struct node_loader *loader)
{
    struct node_config *config = loader->config;
    bool given = setting_of(loader, "advertised.listeners") != NULL;
    const char *key = given ? "advertised.listeners" : "listeners";
    struct node_listeners listeners = config->listeners;
    if (given) {
        parse_listeners(loader, key, &listeners);
        check_distinct(loader, key, &listeners, false);
    }
    for (size_t i = 0; i < listeners.count; i++) {
        if (listeners.at[i].is_controller) {
            if (given)
                config->controller = listeners.at[i];
            continue;
        }
        advertise(loader, key, listeners.at[i]);
    }
    if (config->advertised.count == 0 && !loader->failed)
        node_loader_error(loader, setting_of(loader, key),
                          "%s: there must be at least one listener for clients", key);
}

static void load_inter_broker(struct node_loader *loader)
{
    struct node_config *config = loader->config;
    struct slice name = node_setting_text(config, "inter.broker.listener.name");
    const struct node_setting *setting = setting_of(loader, "inter.broker.listener.name");
    if (setting != NULL && setting_of(loader, "security.inter.broker.protocol") != NULL)
        node_loader_error(loader, setting,
                          "Only one of inter.broker.listener.name and "
                          "security.inter.broker.protocol should be set.");
    if (slice_is_null(name))
        name = slice_of_text("PLAINTEXT");
    config->inter_broker_listener_name = upper_copy(loader, name);
    if (is_controller_name(config, name)) {
        node_loader_error(loader, setting,
                          "controller.listener.names must not contain the listener that brokers "
                          "use, %s",
                          config->inter_broker_listener_name);
        return;
    }
    if (find_listener(&config->advertised, config->inter_broker_listener_name) == NULL)
        node_loader_error(loader, setting,
                          "inter.broker.listener.name must be a listener name defined in "
                          "advertised.listeners; %s is not",
                          config->inter_broker_listener_name);
}

/* Brokers' listeners first, in their order. */
static void sort_listeners(struct node_listeners *listeners)
{
    struct node_listeners sorted = {.count = 0};
    for (int controllers = 0; controllers < 2; controllers++)
        for (size_t i = 0; i < listeners->count; i++)
            if (listeners->at[i].is_controller == (controllers != 0))
                sorted.at[sorted.count++] = listeners->at[i];
    *listeners = sorted;
}

/* The voter's endpoint: what is advertised of it, else what is bound, else loopback:9093. */
static void load_controller(struct node_loader *loader)
{
    struct node_config *config = loader->config;
    struct slice names = node_setting_text(config, "controller.listener.names");
    struct slice first = {0};
    if (!config_list_next(&names, &first) || first.size == 0) {
        const struct node_setting *setting = setting_of(loader, "controller.listener.names");
        if (setting != NULL) /* that it is missing was told already */
            node_loader_error(loader, setting,
                              "controller.listener.names must contain at least one value");
        return;
    }
    if (config->controller.name != NULL)
        return;
    for (size_t i = 0; i < config->listeners.count; i++) {
        struct node_listener listener = config->listeners.at[i];
        if (!listener.is_controller || !same_name(first, listener.name))
            continue;
        bool everywhere = listener.host[0] == '\0' || strcmp(listener.host, "0.0.0.0") == 0 ||
                          strcmp(listener.host, "::") == 0;
        if (everywhere)
            listener.host = node_loader_copy(loader, slice_of_text(loader->input->host_name));
        config->controller = listener;
        return;
    }
    config->controller = (struct node_listener){.name = upper_copy(loader, first),
                                                .host = "127.0.0.1",
                                                .port = 9093,
                                                .is_controller = true};
}

static void load_metrics(struct node_loader *loader)
{
    struct node_config *config = loader->config;
    struct slice text = node_setting_text(config, "ottla.metrics.listener");
    if (text.size == 0)
        return;
    if (!node_parse_endpoint(loader, text, &config->metrics_host, &config->metrics_port))
        node_loader_error(loader, setting_of(loader, "ottla.metrics.listener"),
                          "ottla.metrics.listener: %.*s is not host:port", SLICE_ARG(text));
}

void node_load_listeners(struct node_loader *loader)
{
    struct node_config *config = loader->config;
    const struct node_setting *setting = setting_of(loader, "listeners");
    check_map(loader);
    parse_listeners(loader, "listeners", &config->listeners);
    check_distinct(loader, "listeners", &config->listeners, true);
    sort_listeners(&config->listeners);
    config->loopback_by_default = setting != NULL && setting->line < 0;
    load_advertised(loader);
    load_controller(loader);
    if (!loader->failed)
        load_inter_broker(loader);
    load_metrics(loader);
}
