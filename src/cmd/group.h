/* ottla group list, describe, seek, delete, offset-delete. One thread. */
#ifndef CMD_GROUP_H
#define CMD_GROUP_H

#include "cmd/command.h"

extern const struct command_flag group_flag_state;
extern const struct command_flag group_flag_type;
extern const struct command_flag group_flag_section;
extern const struct command_flag group_flag_all;
extern const struct command_flag group_flag_watch;
extern const struct command_flag group_flag_topics;
extern const struct command_flag group_flag_to;
extern const struct command_flag group_flag_to_group;
extern const struct command_flag group_flag_to_file;
extern const struct command_flag group_flag_dry_run;
extern const struct command_flag group_flag_if_exists;

enum exit_code group_list(const struct command_call *);
enum exit_code group_describe(const struct command_call *);
enum exit_code group_seek(const struct command_call *);
enum exit_code group_delete(const struct command_call *);
enum exit_code group_offset_delete(const struct command_call *);

#endif
