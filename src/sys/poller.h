/* Readiness: edge-triggered epoll behind six functions. A key is the caller's 64-bit word (pack
 * a generation into it); events that arrive for a key removed earlier in the same batch are the
 * caller's to recognise by that generation. One thread, but sys_poller_wake from any. */
#ifndef SYS_POLLER_H
#define SYS_POLLER_H

#include "base/attr.h"
#include "base/slice.h"

struct sys_poller;

enum sys_ready {
    SYS_READABLE = 1,
    SYS_WRITABLE = 2,
    SYS_HANGUP = 4, /* the peer sends no more, or error: read on to the end to learn which */
};

struct sys_event {
    uint64_t key;
    unsigned ready; /* enum sys_ready */
};

MUST_USE int sys_poller_new(struct sys_poller **ret_poller);
void sys_poller_free(struct sys_poller *);
/* Edge-triggered for both directions when `stream`; level-triggered reads for listeners. The key of
 * all ones is the poller's own. */
MUST_USE int sys_poller_add(struct sys_poller *, int fd, uint64_t key, bool stream);
void sys_poller_remove(struct sys_poller *, int fd);
/* Waits until an event, a wake-up or the deadline (monotonic ns; 0: do not wait; INT64_MAX: no
 * deadline). Returns the events stored. A wake-up stores none. */
int sys_poller_wait(struct sys_poller *, struct sys_event *ret_events, int event_max,
                    int64_t deadline_ns);
/* Any thread: the wait under way, or the next one, returns at once. */
void sys_poller_wake(struct sys_poller *);

#endif
