/* What concerns the whole process: signals as a descriptor, limits, its own costs, the standard
 * streams. Any thread. */
#ifndef SYS_PROCESS_H
#define SYS_PROCESS_H

#include "base/attr.h"
#include "base/slice.h"

/* SIGTERM, SIGINT (and SIGHUP) no longer end the process: they make the returned descriptor
 * readable; sys_signal_take returns the number, 0 when none waits. SIGPIPE is ignored. */
enum sys_signal { SYS_SIGNAL_HANGUP = 1, SYS_SIGNAL_INTERRUPT = 2, SYS_SIGNAL_TERMINATE = 15 };
MUST_USE int sys_signal_open(void);
int sys_signal_take(int signal_fd);

struct sys_process_costs {
    int64_t resident_bytes;
    int64_t cpu_ns; /* user and system, all threads */
    int64_t open_files;
};
void sys_process_costs(struct sys_process_costs *ret_costs);
/* Raises the soft limit of open files to the hard one; returns what holds now. */
int64_t sys_process_files_max(void);
int64_t sys_process_id(void);
int sys_process_cores(void);

/* Ends the process where it is, nothing flushed and nothing freed: for one that cannot keep its
 * word any more. */
NORETURN void sys_process_exit(int code);

/* Writes all bytes to standard error (2) or output (1), in one call where it fits. */
void sys_process_write(int stream, struct slice bytes);
bool sys_process_is_terminal(int stream);

/* Memory that was freed goes back to the kernel when it was much: large blocks are mapped on their
 * own, at a threshold that does not rise with use, and little is kept above what is used. Once,
 * before threads start; nothing where the C library knows no such thresholds. */
void sys_process_give_memory_back(void);

#endif
