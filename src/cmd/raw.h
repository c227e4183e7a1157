/* ottla raw: any request as JSON to a broker, its answer as JSON. One thread. */
#ifndef CMD_RAW_H
#define CMD_RAW_H

#include "cmd/command.h"

extern const struct command_flag raw_flag_template;

enum exit_code raw_run(const struct command_call *);

#endif
