/* What concerns the whole process on Linux. Any thread. */
#include "sys/process.h"

#include "sys/dir.h"
#include "sys/file.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

int sys_signal_open(void)
{
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    int result = pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (result != 0)
        return -result;
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return -errno;
    int fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int sys_signal_take(int signal_fd)
{
    struct signalfd_siginfo info;
    ssize_t got;
    do {
        got = read(signal_fd, &info, sizeof info);
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

/* Second field of /proc/self/statm, in bytes. */
static int64_t resident_bytes(void)
{
    AUTO(file_close) int fd = sys_file_open(SYS_DIR_CWD, "/proc/self/statm", SYS_OPEN_READ);
    char text[128];
    if (fd < 0)
        return 0;
    ssize_t got = read(fd, text, sizeof text - 1);
    if (got <= 0)
        return 0;
    text[got] = '\0';
    const char *space = strchr(text, ' ');
    if (space == NULL)
        return 0;
    return strtoll(space, NULL, 10) * sysconf(_SC_PAGESIZE);
}

static int count_entry(void *context, const char *name, bool is_directory)
{
    (void)name;
    (void)is_directory;
    ++*(int64_t *)context;
    return 0;
}

static int64_t open_files(void)
{
    int64_t count = 0;
    AUTO(file_close) int fd = sys_dir_open(SYS_DIR_CWD, "/proc/self/fd");
    if (fd < 0 || sys_dir_list(fd, count_entry, &count) != 0)
        return 0;
    return count > 2 ? count - 2 : 0; /* the two that the listing opened itself */
}

static int64_t timeval_ns(struct timeval time)
{
    return (int64_t)time.tv_sec * 1000000000 + (int64_t)time.tv_usec * 1000;
}

void sys_process_costs(struct sys_process_costs *ret_costs)
{
    struct rusage usage;
    int64_t cpu_ns = 0;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        cpu_ns = timeval_ns(usage.ru_utime) + timeval_ns(usage.ru_stime);
    *ret_costs = (struct sys_process_costs){
        .resident_bytes = resident_bytes(),
        .cpu_ns = cpu_ns,
        .open_files = open_files(),
    };
}

int64_t sys_process_files_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    if (limit.rlim_cur < limit.rlim_max && setrlimit(RLIMIT_NOFILE, &raised) == 0)
        limit = raised;
    return limit.rlim_cur > INT64_MAX ? INT64_MAX : (int64_t)limit.rlim_cur;
}

int64_t sys_process_id(void)
{
    return getpid();
}

int sys_process_cores(void)
{
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof cpus, &cpus) == 0)
        return MAX_OF(CPU_COUNT(&cpus), 1);
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more of them than the set above can name */
    return online > 0 ? (int)online : 1;
}

void sys_process_exit(int code)
{
    _exit(code);
}

void sys_process_write(int stream, struct slice bytes)
{
    while (bytes.size > 0) {
        ssize_t written = write(stream, bytes.data, bytes.size);
        if (written >= 0) {
            bytes = slice_from(bytes, (size_t)written);
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return; /* nobody is left to tell */
        struct pollfd writable = {.fd = stream, .events = POLLOUT};
        (void)poll(&writable, 1, -1); /* a stream that somebody else made non-blocking */
    }
}

bool sys_process_is_terminal(int stream)
{
    return isatty(stream) == 1;
}

/* Without these, glibc raises both with each large block that is freed, up to 32 and 64 MB. */
#define OWN_MAPPING_SIZE (4 * 1024 * 1024)
#define KEPT_SIZE (8 * 1024 * 1024)

void sys_process_give_memory_back(void)
{
#ifdef M_MMAP_THRESHOLD
    (void)mallopt(M_MMAP_THRESHOLD, OWN_MAPPING_SIZE);
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_SIZE);
#endif
}
