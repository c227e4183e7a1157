/* Help from the table of commands. Pure. One thread. */
#include "cmd/command.h"

#include <string.h>

#define NAME_WIDTH 20
#define FLAG_WIDTH 26

void help_overview(const struct command *table, const char *group, struct text *out)
{
    size_t size = group != NULL ? strlen(group) : 0;
    text_printf(out, "Usage: ottla %s%sCOMMAND [FLAGS]\n\n", group != NULL ? group : "",
                group != NULL ? " " : "");
    if (group == NULL)
        text_printf(out, "A distributed commit log that speaks Apache Kafka's protocol.\n\n");
    text_printf(out, "Commands:\n");
    for (const struct command *c = table; c->name != NULL; c++) {
        bool shown = group == NULL || (strncmp(c->name, group, size) == 0 && c->name[size] == ' ');
        if (shown)
            text_printf(out, "  %-*s %s\n", NAME_WIDTH, c->name, c->summary);
    }
    text_printf(out, "\nottla COMMAND --help tells more about one.\n");
    if (group == NULL)
        text_printf(out, "\nTo begin:\n"
                         "  ottla start                a broker of your own, on 127.0.0.1:9092\n"
                         "  ottla produce hello        one record a line, from standard input\n"
                         "  ottla consume hello        the same records, to standard output\n");
}

static void help_flag_line(const struct command_flag *flag, struct text *out)
{
    struct text name;
    text_init(&name, 256);
    if (flag->letter != 0)
        text_printf(&name, "-%c, ", flag->letter);
    else
        text_printf(&name, "    ");
    text_printf(&name, "--%s", flag->name);
    if (flag->value != NULL)
        text_printf(&name, " %s", flag->value);
    text_printf(out, "  %-*s ", FLAG_WIDTH, name.data);
    text_fini(&name);
    /* Further lines stand under the first. */
    const char *rest = flag->help;
    for (const char *end = strchr(rest, '\n'); end != NULL; end = strchr(rest, '\n')) {
        text_printf(out, "%.*s\n  %-*s ", (int)(end - rest), rest, FLAG_WIDTH, "");
        rest = end + 1;
    }
    text_printf(out, "%s\n", rest);
}

void help_command(const struct command *command, struct text *out)
{
    text_printf(out, "Usage: ottla %s%s%s [FLAGS]\n\n%s\n", command->name,
                command->arguments[0] != '\0' ? " " : "", command->arguments, command->summary);
    if (command->details != NULL)
        text_printf(out, "\n%s\n", command->details);
    text_printf(out, "\nFlags:\n");
    for (size_t i = 0; i < COMMAND_FLAGS_MAX && command->flags[i] != NULL; i++)
        help_flag_line(command->flags[i], out);
    static const struct command_flag help = {'h', "help", NULL, "show this help"};
    help_flag_line(&help, out);
    if (command->examples[0] != NULL)
        text_printf(out, "\nExamples:\n");
    for (size_t i = 0; i < COMMAND_EXAMPLES_MAX && command->examples[i] != NULL; i++)
        text_printf(out, "  %s\n", command->examples[i]);
}
