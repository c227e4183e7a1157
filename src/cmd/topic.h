/* ottla topic create, list, describe, alter, add-partitions, trim, delete. One thread. */
#ifndef CMD_TOPIC_H
#define CMD_TOPIC_H

#include "cmd/command.h"

extern const struct command_flag topic_flag_partitions;
extern const struct command_flag topic_flag_replicas;
extern const struct command_flag topic_flag_config;
extern const struct command_flag topic_flag_if_not_exists;
extern const struct command_flag topic_flag_if_exists;
extern const struct command_flag topic_flag_dry_run;
extern const struct command_flag topic_flag_internal;
extern const struct command_flag topic_flag_section;
extern const struct command_flag topic_flag_all;
extern const struct command_flag topic_flag_set;
extern const struct command_flag topic_flag_unset;
extern const struct command_flag topic_flag_append;
extern const struct command_flag topic_flag_subtract;
extern const struct command_flag topic_flag_to;
extern const struct command_flag topic_flag_to_offset;
extern const struct command_flag topic_flag_before;
extern const struct command_flag topic_flag_all_records;

enum exit_code topic_create(const struct command_call *);
enum exit_code topic_alter(const struct command_call *);
enum exit_code topic_add_partitions(const struct command_call *);
enum exit_code topic_delete(const struct command_call *);
enum exit_code topic_list(const struct command_call *);
enum exit_code topic_describe(const struct command_call *);
enum exit_code topic_trim(const struct command_call *);

#endif
