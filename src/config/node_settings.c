/* Gathers what was set: built-in values of a start without a file, the file, then --set; the later
 * wins. Each known key is checked by its row and treated as the row says; an unknown one is a
 * warning. Its complication is the place that every message names. Any thread. */
#include "base/always.h"
#include "config/nearest.h"
#include "config/node_int.h"
#include "config/properties.h"

#include <stdio.h>
#include <stdlib.h>

#define BUILT_IN_LINE (-1)
#define SETTINGS_MAX 10000

/* A start without a file: a working cluster of one that only this machine can reach. log.dirs
 * comes from the caller. */
static const struct {
    const char *name;
    const char *value;
} built_in[] = {
    {"node.id", "1"},
    {"process.roles", "broker,controller"},
    {"listeners", "PLAINTEXT://127.0.0.1:9092"},
    {"controller.listener.names", "CONTROLLER"},
    {"offsets.topic.replication.factor", "1"},
    {"transaction.state.log.replication.factor", "1"},
    {"transaction.state.log.min.isr", "1"},
    {"share.coordinator.state.topic.replication.factor", "1"},
    {"share.coordinator.state.topic.min.isr", "1"},
    {"group.initial.rebalance.delay.ms", "0"}, /* as in the server.properties that Kafka ships */
};

PRINTF_LIKE(4, 0)
static void note(struct node_loader *loader, const char *severity,
                 const struct node_setting *setting, const char *format, va_list args)
{
    const char *file = loader->input->file;
    text_printf(loader->notes, "%s: ", severity);
    if (setting != NULL && setting->line > 0)
        text_printf(loader->notes, "%s:%d: ", file, setting->line);
    else if (setting != NULL && setting->line == 0)
        text_printf(loader->notes, "--set %s: ", setting->name);
    else if (file != NULL)
        text_printf(loader->notes, "%s: ", file);
    text_vprintf(loader->notes, format, args);
    text_add_char(loader->notes, '\n');
}

void node_loader_error(struct node_loader *loader, const struct node_setting *setting,
                       const char *format, ...)
{
    va_list args;
    va_start(args, format);
    note(loader, "error", setting, format, args);
    va_end(args);
    loader->failed = true;
}

void node_loader_warn(struct node_loader *loader, const struct node_setting *setting,
                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    note(loader, "warning", setting, format, args);
    va_end(args);
}

const char *node_loader_copy(struct node_loader *loader, struct slice s)
{
    char *copy = arena_take(&loader->config->arena, s.size + 1);
    if (copy == NULL)
        return "";
    if (s.size > 0)
        memcpy(copy, s.data, s.size);
    return copy;
}

/* ---- which key a name means ---- */

static const struct config_row *find_row(struct slice name)
{
    const char *text = (const char *)name.data;
    const struct config_row *row = config_row_find(CONFIG_BROKER, text, name.size);
    return row != NULL ? row : config_row_find(CONFIG_OWN, text, name.size);
}

/* listener.name.<listener>.<key> and listener.name.<listener>.<mechanism>.<key>. */
static const struct config_row *find_listener_row(struct slice name)
{
    static const char prefix[] = "listener.name.";
    if (name.size < sizeof prefix || memcmp(name.data, prefix, sizeof prefix - 1) != 0)
        return NULL;
    name = slice_from(name, sizeof prefix - 1);
    for (int part = 0; part < 2; part++) {
        const uint8_t *dot = name.size == 0 ? NULL : memchr(name.data, '.', name.size);
        if (dot == NULL)
            return NULL;
        name = slice_from(name, (size_t)(dot - name.data) + 1);
        const struct config_row *row = find_row(name);
        if (row != NULL)
            return row;
    }
    return NULL;
}

static void warn_unknown(struct node_loader *loader, const struct node_setting *setting)
{
    struct nearest nearest;
    nearest_init(&nearest, slice_of_text(setting->name));
    for (size_t i = 0; i < config_row_count(); i++) {
        const struct config_row *row = config_row_at(i);
        if (row->scope == CONFIG_BROKER || row->scope == CONFIG_OWN)
            nearest_offer(&nearest, row->name);
    }
    if (nearest.best != NULL)
        node_loader_warn(loader, setting, "unknown key %s is ignored; did you mean %s?",
                         setting->name, nearest.best);
    else
        node_loader_warn(loader, setting, "unknown key %s is ignored", setting->name);
}

/* ---- gathering ---- */

static bool has_room(struct node_loader *loader)
{
    if (loader->count < loader->capacity)
        return true;
    size_t capacity = loader->capacity == 0 ? 64 : loader->capacity * 2;
    struct node_setting *bigger =
        ARENA_ARRAY(&loader->config->arena, struct node_setting, capacity);
    if (bigger == NULL || capacity > SETTINGS_MAX) {
        if (!loader->failed)
            node_loader_error(loader, NULL, "more than %d settings", SETTINGS_MAX);
        return false;
    }
    if (loader->count > 0)
        memcpy(bigger, loader->settings, loader->count * sizeof *bigger);
    loader->settings = bigger;
    loader->capacity = capacity;
    return true;
}

static bool add_setting(struct node_loader *loader, struct slice name, struct slice value, int line)
{
    const char *name_copy = node_loader_copy(loader, name);
    for (size_t i = 0; i < loader->count; i++) {
        if (strcmp(loader->settings[i].name, name_copy) != 0)
            continue;
        loader->settings[i].value = node_loader_copy(loader, value);
        loader->settings[i].line = line;
        return true;
    }
    if (!has_room(loader))
        return false;
    const struct config_row *row = find_row(name);
    loader->settings[loader->count++] = (struct node_setting){
        .name = name_copy,
        .value = node_loader_copy(loader, value),
        .row = row != NULL ? row : find_listener_row(name),
        .line = line,
    };
    return true;
}

static bool on_file_pair(void *context, struct slice key, struct slice value, int line)
{
    return add_setting(context, key, value, line);
}

static void gather_file(struct node_loader *loader)
{
    struct text error;
    text_init(&error, 256);
    if (!properties_read(loader->input->file_text, on_file_pair, loader, &error) && error.size > 0)
        node_loader_error(loader, NULL, "%s", error.data);
    text_fini(&error);
}

static void gather_overrides(struct node_loader *loader)
{
    for (size_t i = 0; i < loader->input->setting_count; i++) {
        const char *given = loader->input->settings[i];
        const char *equals = strchr(given, '=');
        ALWAYS(equals != NULL, "the setting %s is no key=value", given);
        struct slice name = slice_of(given, (size_t)(equals - given));
        if (!add_setting(loader, config_trim(name), slice_of_text(equals + 1), 0))
            return;
    }
}

static void gather_built_in(struct node_loader *loader)
{
    for (size_t i = 0; i < COUNT_OF(built_in); i++)
        add_setting(loader, slice_of_text(built_in[i].name), slice_of_text(built_in[i].value),
                    BUILT_IN_LINE);
}

static const struct node_setting *given(const struct node_loader *loader, const char *name)
{
    for (size_t i = 0; i < loader->count; i++)
        if (strcmp(loader->settings[i].name, name) == 0)
            return &loader->settings[i];
    return NULL;
}

static void repeat(struct node_loader *loader, const char *name, const struct node_setting *of)
{
    struct node_setting copy = *of; /* adding may move them */
    add_setting(loader, slice_of_text(name), slice_of_text(copy.value), copy.line);
}

/* Each stands for the other where only one is given. */
static void gather_ids(struct node_loader *loader)
{
    const struct node_setting *node = given(loader, "node.id");
    const struct node_setting *broker = given(loader, "broker.id");
    if (broker != NULL && (node == NULL || node->line == BUILT_IN_LINE))
        repeat(loader, "node.id", broker);
    else if (node != NULL && broker == NULL)
        repeat(loader, "broker.id", node);
}

/* ---- checks ---- */

static bool is_changed(const struct config_row *row, const struct config_value *value)
{
    struct config_value standard = config_value_default(row);
    if (standard.is_null)
        return true;
    struct text a;
    struct text b;
    text_init(&a, 65536);
    text_init(&b, 65536);
    config_value_print(row, &standard, &a);
    config_value_print(row, value, &b);
    bool same = slice_equal(text_slice(&a), text_slice(&b));
    text_fini(&a);
    text_fini(&b);
    return !same;
}

static void treat(struct node_loader *loader, const struct node_setting *setting)
{
    const struct config_row *row = setting->row;
    switch (row->treatment) {
    case CONFIG_HONOURED:
        break;
    case CONFIG_ACCEPTED:
        node_loader_warn(loader, setting, "%s has no effect in this version", setting->name);
        break;
    case CONFIG_REFUSED:
        node_loader_error(loader, setting,
                          "%s=%s restricts access, which this version does not enforce; remove it "
                          "to start without that protection",
                          setting->name, setting->value);
        break;
    case CONFIG_JVM:
        node_loader_warn(loader, setting, "%s concerns the Java machine and is ignored",
                         setting->name);
        break;
    }
}

static void check_setting(struct node_loader *loader, const struct node_setting *setting)
{
    if (setting->row == NULL) {
        warn_unknown(loader, setting);
        return;
    }
    struct config_value value;
    struct text error;
    text_init(&error, 1024);
    if (!config_value_parse(setting->row, slice_of_text(setting->value), &value, &error)) {
        bool hide = config_row_is_sensitive(setting->row);
        node_loader_error(loader, setting, "%s", hide ? "invalid value" : error.data);
    } else if (is_changed(setting->row, &value)) {
        treat(loader, setting);
    }
    text_fini(&error);
}

static void check_required(struct node_loader *loader)
{
    for (size_t i = 0; i < config_row_count(); i++) {
        const struct config_row *row = config_row_at(i);
        if (row->required && node_setting_find(loader->config, row->name) == NULL)
            node_loader_error(loader, NULL,
                              "Missing required configuration \"%s\" which has no default value.",
                              row->name);
    }
}

static int compare_settings(const void *a, const void *b)
{
    const struct node_setting *left = a;
    const struct node_setting *right = b;
    return strcmp(left->name, right->name);
}

void node_load_settings(struct node_loader *loader)
{
    if (loader->input->file == NULL)
        gather_built_in(loader);
    else
        gather_file(loader);
    gather_overrides(loader);
    gather_ids(loader);
    if (given(loader, "log.dirs") == NULL && given(loader, "log.dir") == NULL)
        add_setting(loader, slice_of_text("log.dirs"), slice_of_text(loader->input->default_dir),
                    BUILT_IN_LINE);
    for (size_t i = 0; i < loader->count; i++)
        check_setting(loader, &loader->settings[i]);
    if (loader->count > 0)
        qsort(loader->settings, loader->count, sizeof *loader->settings, compare_settings);
    loader->config->settings = loader->settings;
    loader->config->setting_count = loader->count;
    check_required(loader);
}

const struct node_setting *node_setting_find(const struct node_config *config, const char *name)
{
    struct node_setting wanted = {.name = name};
    if (config->setting_count == 0)
        return NULL;
    return bsearch(&wanted, config->settings, config->setting_count, sizeof wanted,
                   compare_settings);
}

struct slice node_setting_text(const struct node_config *config, const char *name)
{
    const struct node_setting *setting = node_setting_find(config, name);
    if (setting != NULL)
        return config_trim(slice_of_text(setting->value));
    const struct config_row *row = find_row(slice_of_text(name));
    return slice_of_text(row != NULL ? row->default_text : NULL);
}
