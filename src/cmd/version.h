/* ottla version, and the version itself for others. One thread. */
#ifndef CMD_VERSION_H
#define CMD_VERSION_H

#include "cmd/command.h"

enum exit_code version_run(const struct command_call *);
const char *version_text(void);

#endif
