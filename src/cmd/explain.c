/* What configuration keys mean. One thread. */
#include "cmd/explain.h"

#include "cmd/listing.h"
#include "config/nearest.h"
#include "tbl/configs.h"

#include <math.h>

const struct command_flag explain_flag_scope = {'s', "scope", "SCOPE",
                                                "only keys of broker, topic, group or ottla"};
const struct command_flag explain_flag_format = {
    0, "format", "FORMAT", "text, json, awk (bare lines), or markdown (the page of the docs)"};

static const char *const scope_names[] = {"broker", "topic", "group", "ottla"};
static const char *const type_names[] = {"",     "boolean", "text", "int",   "short",
                                         "long", "double",  "list", "class", "password"};

static const struct listing_column columns[] = {
    {"KEY", LISTING_TEXT},     {"SCOPE", LISTING_TEXT},   {"TYPE", LISTING_TEXT},
    {"DEFAULT", LISTING_TEXT}, {"VALUES", LISTING_TEXT},  {"CHANGE", LISTING_TEXT},
    {"EFFECT", LISTING_TEXT},  {"MEANING", LISTING_TEXT},
};

struct explain {
    const struct command_call *call;
    const char *scope; /* NULL: all */
    struct text values;
};

static const char *effect_of(const struct config_row *row)
{
    switch (row->treatment) {
    case CONFIG_HONOURED:
        return "yes";
    case CONFIG_ACCEPTED:
        return "none in this version";
    case CONFIG_REFUSED:
        return "refuses the start";
    case CONFIG_JVM:
        return "none, concerns Java";
    }
    return "";
}

static const char *change_of(const struct config_row *row)
{
    if (row->scope == CONFIG_TOPIC || row->scope == CONFIG_GROUP)
        return "any time";
    switch (row->update) {
    case CONFIG_READ_ONLY:
        return "at a start";
    case CONFIG_PER_BROKER:
        return "any time, per broker";
    case CONFIG_CLUSTER_WIDE:
        return "any time";
    }
    return "";
}

/* Which values are valid, in words. */
static const char *values_of(struct explain *e, const struct config_row *row)
{
    text_reset(&e->values);
    switch (row->check) {
    case CHECK_RANGE:
        if (isinf(row->max))
            text_printf(&e->values, "at least %.15g", row->min);
        else
            text_printf(&e->values, "%.15g to %.15g", row->min, row->max);
        break;
    case CHECK_RANGE_OR:
        text_printf(&e->values, "%.15g to %.15g, or -1", row->min, row->max);
        break;
    case CHECK_WORDS:
    case CHECK_WORDS_ANY:
        text_printf(&e->values, "%s", row->words);
        break;
    case CHECK_NON_EMPTY:
        text_printf(&e->values, "not empty");
        break;
    case CHECK_THROTTLED:
        text_printf(&e->values, "partition:broker,... or *");
        break;
    case CHECK_OFFSET_RESET:
        text_printf(&e->values, "latest, earliest, by_duration:PnDTnHnMnS");
        break;
    case CHECK_NONE:
        break;
    }
    return e->values.size > 0 ? e->values.data : NULL;
}

static const char *default_of(const struct config_row *row)
{
    return row->required ? "(required)" : row->default_text;
}

static bool is_asked(const struct explain *e, const struct config_row *row)
{
    if (row->internal || (e->scope != NULL && strcmp(e->scope, scope_names[row->scope]) != 0))
        return false;
    for (int i = 0; i < e->call->argument_count; i++)
        if (strstr(row->name, e->call->arguments[i]) != NULL)
            return true;
    return e->call->argument_count == 0;
}

/* ---- the forms ---- */

static void print_text(struct explain *e, const struct config_row *row)
{
    struct console *console = e->call->console;
    const char *values = values_of(e, row);
    const char *fallback = default_of(row);
    console_printf(console, "%s%s%s  (%s, %s)\n", console->color ? "\033[1m" : "", row->name,
                   console->color ? "\033[0m" : "", scope_names[row->scope], type_names[row->type]);
    console_printf(console, "  %s\n", row->doc);
    console_printf(console, "  default %s%s%s; changed %s; effect: %s\n",
                   fallback == NULL      ? "null"
                   : fallback[0] == '\0' ? "empty"
                                         : fallback,
                   values != NULL ? "; " : "", values != NULL ? values : "", change_of(row),
                   effect_of(row));
    for (size_t i = 0; i < CONFIG_SYNONYMS_MAX && row->synonyms[i] != NULL; i++)
        console_printf(console, "%s%s", i == 0 ? "  where unset, the broker's " : ", else ",
                       row->synonyms[i]);
    console_printf(console, "%s", row->synonyms[0] != NULL ? "\n\n" : "\n");
}

static void add_row(struct explain *e, const struct config_row *row, struct listing *listing)
{
    listing_add(listing, row->name);
    listing_add(listing, scope_names[row->scope]);
    listing_add(listing, type_names[row->type]);
    listing_add(listing, default_of(row));
    listing_add(listing, values_of(e, row));
    listing_add(listing, change_of(row));
    listing_add(listing, effect_of(row));
    listing_add(listing, row->doc);
}

/* A table a scope; honoured keys stand before the others. */
static void print_markdown_rows(struct explain *e, enum config_scope scope, bool honoured)
{
    const struct config_row *row;
    for (size_t i = 0; (row = config_row_at(i)) != NULL; i++) {
        if (row->scope != scope || !is_asked(e, row) ||
            (row->treatment == CONFIG_HONOURED) != honoured)
            continue;
        const char *values = values_of(e, row);
        const char *fallback = default_of(row);
        console_printf(e->call->console, "| `%s` | %s | %s | %s | %s | %s |\n", row->name,
                       type_names[row->type], fallback != NULL ? fallback : "null",
                       values != NULL ? values : "", effect_of(row), row->doc);
    }
}

static void print_markdown(struct explain *e)
{
    static const char *const titles[] = {"Broker keys", "Topic keys", "Group keys",
                                         "Ottla's own keys"};
    console_printf(e->call->console,
                   "# Configuration\n\n"
                   "Made by `ottla config explain --format markdown` from src/tbl/configs*.c; not "
                   "to be edited.\n\n"
                   "Names, defaults and valid values are those of Apache Kafka 4.4.0. *Effect* "
                   "says what setting a key\ndoes in this version: a key without effect is named "
                   "in a warning at the start when it is changed, and\none that would restrict "
                   "access without being enforced refuses the start.\n");
    for (size_t scope = 0; scope < COUNT_OF(titles); scope++) {
        console_printf(e->call->console,
                       "\n## %s\n\n| key | type | default | values | effect | meaning |\n"
                       "|---|---|---|---|---|---|\n",
                       titles[scope]);
        print_markdown_rows(e, (enum config_scope)scope, true);
        print_markdown_rows(e, (enum config_scope)scope, false);
    }
}

/* Nothing matches: which key was meant? */
static enum exit_code report_none(const struct explain *e)
{
    struct nearest nearest;
    const struct config_row *row;
    const char *asked = e->call->argument_count > 0 ? e->call->arguments[0] : "";
    nearest_init(&nearest, slice_of_text(asked));
    for (size_t i = 0; (row = config_row_at(i)) != NULL; i++)
        nearest_offer(&nearest, row->name);
    console_error(e->call->console, "no key has %s in its name%s%s%s", asked,
                  nearest.best != NULL ? "; did you mean " : "",
                  nearest.best != NULL ? nearest.best : "", nearest.best != NULL ? "?" : "");
    return EXIT_CODE_FAILED;
}

static enum exit_code print_rows(struct explain *e, const char *format)
{
    const struct config_row *row;
    struct listing listing;
    bool text = strcmp(format, "text") == 0;
    size_t count = 0;
    listing_init(&listing, "keys", columns, COUNT_OF(columns));
    for (size_t i = 0; (row = config_row_at(i)) != NULL; i++) {
        if (!is_asked(e, row))
            continue;
        count++;
        if (text)
            print_text(e, row);
        else
            add_row(e, row, &listing);
    }
    if (count > 0 && strcmp(format, "json") == 0)
        listing_print_document(&listing, "config explain", e->call->console);
    else if (count > 0 && !text)
        listing_print(&listing, LISTING_AWK, e->call->console);
    listing_fini(&listing);
    return count > 0 ? EXIT_CODE_OK : report_none(e);
}

static bool is_one_of(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

enum exit_code explain_run(const struct command_call *call)
{
    static const char *const formats[] = {"text", "json", "awk", "markdown"};
    const char *format = call_value(call, &explain_flag_format, "text");
    struct explain e = {.call = call, .scope = call_value(call, &explain_flag_scope, NULL)};
    enum exit_code code = EXIT_CODE_OK;
    if (!is_one_of(format, formats, COUNT_OF(formats))) {
        console_error(call->console, "--format %s: must be text, json, awk or markdown", format);
        return EXIT_CODE_USAGE;
    }
    if (e.scope != NULL && !is_one_of(e.scope, scope_names, COUNT_OF(scope_names))) {
        console_error(call->console, "--scope %s: must be broker, topic, group or ottla", e.scope);
        return EXIT_CODE_USAGE;
    }
    text_init(&e.values, 65536);
    if (strcmp(format, "markdown") == 0)
        print_markdown(&e);
    else
        code = print_rows(&e, format);
    text_fini(&e.values);
    return code;
}
