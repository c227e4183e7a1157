/* ottla txn list, describe, producers, abort, find-hanging. One thread. */
#ifndef CMD_TXN_H
#define CMD_TXN_H

#include "cmd/command.h"

extern const struct command_flag txn_flag_state;
extern const struct command_flag txn_flag_producer_ids;
extern const struct command_flag txn_flag_running_for;
extern const struct command_flag txn_flag_id_regex;
extern const struct command_flag txn_flag_broker;
extern const struct command_flag txn_flag_start_offset;
extern const struct command_flag txn_flag_producer_id;
extern const struct command_flag txn_flag_producer_epoch;
extern const struct command_flag txn_flag_coordinator_epoch;
extern const struct command_flag txn_flag_topic;
extern const struct command_flag txn_flag_partition;
extern const struct command_flag txn_flag_max_timeout;

enum exit_code txn_list(const struct command_call *);
enum exit_code txn_describe(const struct command_call *);
enum exit_code txn_producers(const struct command_call *);
enum exit_code txn_abort(const struct command_call *);
enum exit_code txn_find_hanging(const struct command_call *);

#endif
