/* ottla log dump: what the files of a data directory hold, for people or as JSON lines. Reads only.
 * One thread. */
#ifndef CMD_DUMP_H
#define CMD_DUMP_H

#include "cmd/command.h"

extern const struct command_flag dump_flag_batches;
extern const struct command_flag dump_flag_topic;
extern const struct command_flag dump_flag_format;

enum exit_code dump_run(const struct command_call *);

#endif
