/* ottla logdirs. One thread. */
#ifndef CMD_LOGDIRS_H
#define CMD_LOGDIRS_H

#include "cmd/command.h"

extern const struct command_flag logdirs_flag_partitions;
extern const struct command_flag logdirs_flag_move;
extern const struct command_flag logdirs_flag_to;

enum exit_code logdirs_run(const struct command_call *);

#endif
