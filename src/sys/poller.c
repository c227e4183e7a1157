/* Edge-triggered epoll with an eventfd for wake-ups. The eventfd is edge-triggered too: every write
 * is an edge, so that it is never read. One thread, but sys_poller_wake. */
#include "sys/poller.h"

#include "base/always.h"
#include "sys/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define EVENT_BATCH 256
#define WAKE_KEY UINT64_MAX

struct sys_poller {
    int epoll_fd;
    int wake_fd;
    bool lacks_nanoseconds; /* a kernel before 5.11: epoll_wait with rounded-up milliseconds */
};

static int add(const struct sys_poller *poller, int fd, uint64_t key, uint32_t interest)
{
    struct epoll_event event = {.events = interest, .data.u64 = key};
    return epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0 ? -errno : 0;
}

int sys_poller_new(struct sys_poller **ret_poller)
{
    struct sys_poller *poller = (struct sys_poller *)calloc(1, sizeof *poller);
    if (poller == NULL)
        return -ENOMEM;
    poller->wake_fd = -1;
    poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int result = poller->epoll_fd < 0 ? -errno : 0;
    if (result == 0) {
        poller->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        result = poller->wake_fd < 0 ? -errno : 0;
    }
    if (result == 0)
        result = add(poller, poller->wake_fd, WAKE_KEY, EPOLLIN | EPOLLET);
    if (result != 0) {
        sys_poller_free(poller);
        return result;
    }
    *ret_poller = poller;
    return 0;
}

void sys_poller_free(struct sys_poller *poller)
{
    if (poller == NULL)
        return;
    if (poller->wake_fd >= 0)
        (void)close(poller->wake_fd);
    if (poller->epoll_fd >= 0)
        (void)close(poller->epoll_fd);
    free(poller);
}

int sys_poller_add(struct sys_poller *poller, int fd, uint64_t key, bool stream)
{
    ALWAYS(key != WAKE_KEY, "the key of all ones is the poller's own");
    uint32_t interest = stream ? EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET : EPOLLIN;
    return add(poller, fd, key, interest);
}

void sys_poller_remove(struct sys_poller *poller, int fd)
{
    int result = epoll_ctl(poller->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    ALWAYS(result == 0, "descriptor %d is not in the poller: errno %d", fd, errno);
}

static int wait_until(struct sys_poller *poller, struct epoll_event *events, int event_max,
                      int64_t deadline_ns)
{
    if (deadline_ns == INT64_MAX)
        return epoll_wait(poller->epoll_fd, events, event_max, -1);
    int64_t left_ns = deadline_ns == 0 ? 0 : deadline_ns - sys_mono_ns();
    if (left_ns <= 0)
        return epoll_wait(poller->epoll_fd, events, event_max, 0);
    if (!poller->lacks_nanoseconds) {
        struct timespec left = {.tv_sec = left_ns / 1000000000, .tv_nsec = left_ns % 1000000000};
        int count = epoll_pwait2(poller->epoll_fd, events, event_max, &left, NULL);
        if (count >= 0 || errno != ENOSYS)
            return count;
        poller->lacks_nanoseconds = true;
    }
    int left_ms = (int)MIN_OF(left_ns / 1000000 + 1, (int64_t)INT32_MAX);
    return epoll_wait(poller->epoll_fd, events, event_max, left_ms);
}

static unsigned readiness(uint32_t events)
{
    unsigned ready = 0;
    if ((events & EPOLLIN) != 0)
        ready |= SYS_READABLE;
    if ((events & EPOLLOUT) != 0)
        ready |= SYS_WRITABLE;
    if ((events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) != 0)
        ready |= SYS_HANGUP | SYS_READABLE;
    return ready;
}

int sys_poller_wait(struct sys_poller *poller, struct sys_event *ret_events, int event_max,
                    int64_t deadline_ns)
{
    struct epoll_event events[EVENT_BATCH];
    int count;
    do {
        count = wait_until(poller, events, MIN_OF(event_max, EVENT_BATCH), deadline_ns);
    } while (count < 0 && errno == EINTR);
    ALWAYS(count >= 0, "the poller cannot wait: errno %d", errno);
    int stored = 0;
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 == WAKE_KEY)
            continue;
        ret_events[stored++] = (struct sys_event){
            .key = events[i].data.u64,
            .ready = readiness(events[i].events),
        };
    }
    return stored;
}

void sys_poller_wake(struct sys_poller *poller)
{
    const uint64_t one = 1;
    ssize_t written;
    do {
        written = write(poller->wake_fd, &one, sizeof one);
    } while (written < 0 && errno == EINTR);
    ALWAYS(written == (ssize_t)sizeof one, "the poller cannot be woken: errno %d", errno);
}
