/* The program: finds the command in the table, runs it, and ends with its code: 0 done, 1 something
 * failed, 2 the command line was wrong. One thread. */
#include "cmd/command.h"

#include <stdlib.h>

static enum exit_code carry_out(struct command_call *call, struct console *console)
{
    call->console = console;
    console->prefix = call->command->name;
    return call->command->run(call);
}

static enum exit_code run(const struct command_line *line, struct console *console)
{
    struct command_call call;
    struct text out;
    enum exit_code code = EXIT_CODE_OK;
    text_init(&out, (size_t)1 << 20);
    switch (command_parse(commands, line, &call, &out)) {
    case COMMAND_RUN:
        code = carry_out(&call, console);
        break;
    case COMMAND_HELP:
        console_add(console, text_slice(&out));
        break;
    case COMMAND_WRONG:
        if (call.command != NULL)
            console->prefix = call.command->name;
        console_error(console, "%s", out.data);
        code = EXIT_CODE_USAGE;
        break;
    }
    text_fini(&out);
    return code;
}

int main(int argc, char **argv)
{
    struct console console;
    const char **arguments = calloc((size_t)argc + 1, sizeof *arguments);
    if (arguments == NULL)
        return EXIT_CODE_FAILED;
    console_init(&console);
    struct command_line line = {.count = argc > 0 ? argc - 1 : 0,
                                .words = (const char *const *)(argv + 1),
                                .arguments = arguments};
    enum exit_code code = run(&line, &console);
    console_flush(&console);
    if (console.failed && code == EXIT_CODE_OK) {
        console_error(&console, "standard output took no more");
        code = EXIT_CODE_FAILED;
    }
    console_fini(&console);
    free(arguments);
    return (int)code;
}
