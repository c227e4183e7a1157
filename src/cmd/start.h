/* ottla start: reads the configuration and runs the node until it is told to stop. */
#ifndef CMD_START_H
#define CMD_START_H

#include "cmd/command.h"

extern const struct command_flag start_flag_config;
extern const struct command_flag start_flag_set;
extern const struct command_flag start_flag_shards;
extern const struct command_flag start_flag_check;

enum exit_code start_run(const struct command_call *);

#endif
