/* From an argument vector to a call: finds the command by its one or two words, then its flags in
 * any order among the arguments: --name value, --name=value, -x value, -xvalue, -abc for switches,
 * "--" before arguments that look like flags. Pure. One thread. */
#include "cmd/command.h"
#include "config/nearest.h"
#include "config/value.h"

#include <stdio.h>
#include <string.h>

static const struct command_flag help_flag = {'h', "help", NULL, "show this help"};

struct parser {
    const char *const *argv;
    int argc;
    int at; /* next word */
    const char **arguments;
    struct command_call *call;
    struct text *out;
};

/* ---- which command ---- */

static size_t first_word_size(const char *name)
{
    return strcspn(name, " ");
}

static bool is_group(const struct command *table, const char *word)
{
    for (const struct command *c = table; c->name != NULL; c++) {
        size_t size = first_word_size(c->name);
        if (c->name[size] == ' ' && strlen(word) == size && memcmp(c->name, word, size) == 0)
            return true;
    }
    return false;
}

static const struct command *find_command(const struct command *table, const char *first,
                                          const char *second)
{
    char name[64];
    snprintf(name, sizeof name, "%s%s%s", first, second != NULL ? " " : "",
             second != NULL ? second : "");
    for (const struct command *c = table; c->name != NULL; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

static void suggest(const struct command *table, const char *group, const char *word,
                    struct text *out)
{
    struct nearest nearest;
    char words[64][32];
    size_t count = 0;
    nearest_init(&nearest, slice_of_text(word));
    for (const struct command *c = table; c->name != NULL && count < COUNT_OF(words); c++) {
        size_t size = first_word_size(c->name);
        bool inside = group != NULL && strlen(group) == size && memcmp(c->name, group, size) == 0;
        if (group != NULL && (!inside || c->name[size] == '\0'))
            continue;
        const char *part = group != NULL ? c->name + size + 1 : c->name;
        snprintf(words[count], sizeof words[count], "%.*s", (int)first_word_size(part), part);
        nearest_offer(&nearest, words[count++]);
    }
    if (nearest.best != NULL)
        text_printf(out, "; did you mean %s%s%s?", group != NULL ? group : "",
                    group != NULL ? " " : "", nearest.best);
    else
        text_printf(out, ". See ottla %s%s--help.", group != NULL ? group : "",
                    group != NULL ? " " : "");
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* ---- flags ---- */

static enum command_wish wrong(const struct parser *p)
{
    bool asked = p->out->size > 0 && p->out->data[p->out->size - 1] == '?';
    text_printf(p->out, "%s See ottla %s --help.", asked ? "" : ".", p->call->command->name);
    return COMMAND_WRONG;
}

static bool add_value(struct parser *p, const struct command_flag *flag, const char *text)
{
    struct command_call *call = p->call;
    if (call->value_count == COMMAND_VALUES_MAX) {
        text_printf(p->out, "more than %d flags", COMMAND_VALUES_MAX);
        return false;
    }
    call->values[call->value_count++] = (struct command_value){.flag = flag, .text = text};
    return true;
}

static const struct command_flag *find_long(const struct command *command, struct slice name)
{
    for (size_t i = 0; i < COMMAND_FLAGS_MAX && command->flags[i] != NULL; i++)
        if (slice_is(name, command->flags[i]->name))
            return command->flags[i];
    return slice_is(name, "help") ? &help_flag : NULL;
}

static const struct command_flag *find_letter(const struct command *command, char letter)
{
    for (size_t i = 0; i < COMMAND_FLAGS_MAX && command->flags[i] != NULL; i++)
        if (command->flags[i]->letter == letter)
            return command->flags[i];
    return letter == 'h' ? &help_flag : NULL;
}

static void unknown_long(struct parser *p, struct slice name)
{
    struct nearest nearest;
    nearest_init(&nearest, name);
    const struct command *command = p->call->command;
    for (size_t i = 0; i < COMMAND_FLAGS_MAX && command->flags[i] != NULL; i++)
        nearest_offer(&nearest, command->flags[i]->name);
    text_printf(p->out, "unknown flag --%.*s", SLICE_ARG(name));
    if (nearest.best != NULL)
        text_printf(p->out, "; did you mean --%s?", nearest.best);
}

/* The next word as the flag's value. */
static bool take_value(struct parser *p, const struct command_flag *flag, const char *attached)
{
    if (attached == NULL && p->at == p->argc) {
        text_printf(p->out, "--%s needs a value, %s", flag->name, flag->value);
        return false;
    }
    return add_value(p, flag, attached != NULL ? attached : p->argv[p->at++]);
}

static bool parse_long(struct parser *p, const char *word)
{
    const char *equals = strchr(word, '=');
    struct slice name = slice_of(word, equals != NULL ? (size_t)(equals - word) : strlen(word));
    const struct command_flag *flag = find_long(p->call->command, name);
    if (flag == NULL) {
        unknown_long(p, name);
        return false;
    }
    if (flag->value != NULL)
        return take_value(p, flag, equals != NULL ? equals + 1 : NULL);
    if (equals != NULL) {
        text_printf(p->out, "--%s takes no value", flag->name);
        return false;
    }
    return add_value(p, flag, NULL);
}

static bool parse_letters(struct parser *p, const char *letters)
{
    for (; *letters != '\0'; letters++) {
        const struct command_flag *flag = find_letter(p->call->command, *letters);
        if (flag == NULL) {
            text_printf(p->out, "unknown flag -%c", *letters);
            return false;
        }
        if (flag->value != NULL)
            return take_value(p, flag, letters[1] != '\0' ? letters + 1 : NULL);
        if (!add_value(p, flag, NULL))
            return false;
    }
    return true;
}

static bool parse_words(struct parser *p)
{
    bool only_arguments = false;
    while (p->at < p->argc) {
        const char *word = p->argv[p->at++];
        bool ok = true;
        if (only_arguments || word[0] != '-' || word[1] == '\0')
            p->arguments[p->call->argument_count++] = word;
        else if (strcmp(word, "--") == 0)
            only_arguments = true;
        else if (word[1] == '-')
            ok = parse_long(p, word + 2);
        else
            ok = parse_letters(p, word + 1);
        if (!ok)
            return false;
    }
    return true;
}

static enum command_wish parse_call(struct parser *p)
{
    const struct command *command = p->call->command;
    p->call->arguments = p->arguments;
    if (!parse_words(p))
        return wrong(p);
    if (call_has(p->call, &help_flag)) {
        help_command(command, p->out);
        return COMMAND_HELP;
    }
    if (p->call->argument_count < command->argument_min) {
        text_printf(p->out, "%s is missing", command->arguments);
        return wrong(p);
    }
    if (p->call->argument_count > command->argument_max) {
        text_printf(p->out, "unexpected argument %s", p->arguments[command->argument_max]);
        return wrong(p);
    }
    return COMMAND_RUN;
}

/* "help", "help topic", "help topic create". */
static enum command_wish parse_help(const struct command *table, struct parser *p)
{
    const char *first = p->argc > 1 ? p->argv[1] : NULL;
    const char *second = p->argc > 2 ? p->argv[2] : NULL;
    if (first == NULL || is_help(first)) {
        help_overview(table, NULL, p->out);
        return COMMAND_HELP;
    }
    const struct command *command = find_command(table, first, second);
    if (command != NULL)
        help_command(command, p->out);
    else if (second == NULL && is_group(table, first))
        help_overview(table, first, p->out);
    else {
        text_printf(p->out, "no such command: %s%s%s", first, second != NULL ? " " : "",
                    second != NULL ? second : "");
        bool inside = second != NULL && is_group(table, first);
        suggest(table, inside ? first : NULL, inside ? second : first, p->out);
        return COMMAND_WRONG;
    }
    return COMMAND_HELP;
}

static enum command_wish parse_group(const struct command *table, struct parser *p)
{
    const char *group = p->argv[0];
    if (p->argc < 2 || is_help(p->argv[1])) {
        help_overview(table, group, p->out);
        return COMMAND_HELP;
    }
    p->call->command = find_command(table, group, p->argv[1]);
    if (p->call->command != NULL) {
        p->at = 2;
        return parse_call(p);
    }
    text_printf(p->out, "no such command: %s %s", group, p->argv[1]);
    suggest(table, group, p->argv[1], p->out);
    return COMMAND_WRONG;
}

enum command_wish command_parse(const struct command *table, const struct command_line *line,
                                struct command_call *ret_call, struct text *out)
{
    const char *const *argv = line->words;
    struct parser p = {.argv = argv,
                       .argc = line->count,
                       .arguments = line->arguments,
                       .call = ret_call,
                       .out = out};
    *ret_call = (struct command_call){.command = NULL};
    if (line->count == 0 || is_help(argv[0])) {
        help_overview(table, NULL, out);
        return COMMAND_HELP;
    }
    if (strcmp(argv[0], "help") == 0)
        return parse_help(table, &p);
    bool version = strcmp(argv[0], "--version") == 0;
    ret_call->command = find_command(table, version ? "version" : argv[0], NULL);
    if (ret_call->command != NULL) {
        p.at = 1;
        return parse_call(&p);
    }
    if (is_group(table, argv[0]))
        return parse_group(table, &p);
    text_printf(out, "no such command: %s", argv[0]);
    suggest(table, NULL, argv[0], out);
    return COMMAND_WRONG;
}

/* ---- values ---- */

bool call_has(const struct command_call *call, const struct command_flag *flag)
{
    for (int i = 0; i < call->value_count; i++)
        if (call->values[i].flag == flag)
            return true;
    return false;
}

const char *call_value(const struct command_call *call, const struct command_flag *flag,
                       const char *fallback)
{
    for (int i = call->value_count; i-- > 0;)
        if (call->values[i].flag == flag)
            return call->values[i].text;
    return fallback;
}

const char *call_value_at(const struct command_call *call, const struct command_flag *flag,
                          int index)
{
    for (int i = 0; i < call->value_count; i++)
        if (call->values[i].flag == flag && index-- == 0)
            return call->values[i].text;
    return NULL;
}

bool call_pairs_check(const struct command_call *call, const struct command_flag *flag)
{
    const char *pair;
    for (int i = 0; (pair = call_value_at(call, flag, i)) != NULL; i++) {
        const char *equals = strchr(pair, '=');
        if (equals != NULL && equals != pair)
            continue;
        console_error(call->console, "--%s %s: must be key=value. See ottla %s --help.", flag->name,
                      pair, call->command->name);
        return false;
    }
    return true;
}

bool call_number(const struct command_call *call, struct call_number wanted, int64_t *ret_number)
{
    static const struct config_row any = {.name = "", .type = CONFIG_LONG};
    const char *text = call_value(call, wanted.flag, NULL);
    struct config_value value = {.number = wanted.fallback};
    bool ok = text == NULL || config_value_parse(&any, slice_of_text(text), &value, NULL);
    if (!ok || (text != NULL && (value.number < wanted.low || value.number > wanted.high))) {
        console_error(call->console, "--%s %s: must be a number from %lld to %lld",
                      wanted.flag->name, text, (long long)wanted.low, (long long)wanted.high);
        return false;
    }
    *ret_number = value.number;
    return true;
}
