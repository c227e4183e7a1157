/* The command line as a table: each command's name, flags, help and examples stand in one row, from
 * which parsing, --help and suggestions come. Parsing and help write into texts and touch nothing
 * else, so that tests call them. One thread. */
#ifndef CMD_COMMAND_H
#define CMD_COMMAND_H

#include "base/attr.h"
#include "base/text.h"
#include "cmd/console.h"

enum exit_code {
    EXIT_CODE_OK = 0,
    EXIT_CODE_FAILED = 1, /* at least one item failed */
    EXIT_CODE_USAGE = 2,  /* the command line itself is wrong */
};

struct command_flag {
    char letter;       /* 0: none */
    const char *name;  /* without the dashes */
    const char *value; /* what the help calls its value; NULL: a switch */
    const char *help;
};

struct command_call;
typedef enum exit_code (*command_fn)(const struct command_call *);

#define COMMAND_FLAGS_MAX 16
#define COMMAND_EXAMPLES_MAX 4

struct command {
    const char *name;      /* one word or two: "version", "topic create" */
    const char *arguments; /* "NAME..." ; "" */
    const char *summary;   /* one line */
    const char *details;   /* further lines of help; NULL: none */
    const struct command_flag *flags[COMMAND_FLAGS_MAX];
    const char *examples[COMMAND_EXAMPLES_MAX];
    int argument_min;
    int argument_max;
    command_fn run;
};

/* Ends with a row whose name is NULL. */
extern const struct command commands[];

/* ---- a parsed call ---- */

#define COMMAND_VALUES_MAX 256

struct command_value {
    const struct command_flag *flag;
    const char *text; /* NULL for a switch */
};

struct command_call {
    const struct command *command;
    const char *const *arguments;
    int argument_count;
    struct command_value values[COMMAND_VALUES_MAX];
    int value_count;
    struct console *console;
};

/* What a command line turned out to be. */
enum command_wish {
    COMMAND_RUN,
    COMMAND_HELP,  /* the text is to be shown on standard output */
    COMMAND_WRONG, /* the text is one line of error */
};

/* The words after the program's name. */
struct command_line {
    int count;
    const char *const *words;
    const char **arguments; /* room for as many pointers, used by the call */
};

/* *out gets help or error. */
enum command_wish command_parse(const struct command *table, const struct command_line *,
                                struct command_call *ret_call, struct text *out);

bool call_has(const struct command_call *, const struct command_flag *);
/* The last value given, else fallback. */
const char *call_value(const struct command_call *, const struct command_flag *,
                       const char *fallback);
/* The index-th value of a flag that may be repeated; NULL past the last. */
const char *call_value_at(const struct command_call *, const struct command_flag *, int index);
/* Whether each value of a flag is KEY=VALUE. false: an error line was written to the console. */
MUST_USE bool call_pairs_check(const struct command_call *, const struct command_flag *);
/* A whole number from low to high. false: an error line was written to the console. fallback
 * stands where the flag was not given. */
struct call_number {
    const struct command_flag *flag;
    int64_t low;
    int64_t high;
    int64_t fallback;
};
MUST_USE bool call_number(const struct command_call *, struct call_number, int64_t *ret_number);

/* ---- help ---- */

/* All commands, or those of one group. */
void help_overview(const struct command *table, const char *group, struct text *out);
void help_command(const struct command *, struct text *out);

#endif
