/* ottla log verify: whether the files of a data directory are what they must be. Reads only. One
 * thread. */
#ifndef CMD_VERIFY_H
#define CMD_VERIFY_H

#include "cmd/command.h"

extern const struct command_flag verify_flag_format;

enum exit_code verify_run(const struct command_call *);

#endif
