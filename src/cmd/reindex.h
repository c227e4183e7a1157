/* ottla log index: makes the index files of segments again from the segments. One thread. */
#ifndef CMD_REINDEX_H
#define CMD_REINDEX_H

#include "cmd/command.h"

extern const struct command_flag reindex_flag_check;
extern const struct command_flag reindex_flag_interval;

enum exit_code reindex_run(const struct command_call *);

#endif
