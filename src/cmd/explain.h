/* ottla config explain: what each configuration key means, from the rows of tbl/configs.h; also the
 * reference page docs/config.md. Asks no broker. One thread. */
#ifndef CMD_EXPLAIN_H
#define CMD_EXPLAIN_H

#include "cmd/command.h"

extern const struct command_flag explain_flag_scope;
extern const struct command_flag explain_flag_format;

enum exit_code explain_run(const struct command_call *);

#endif
