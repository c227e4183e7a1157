/* Where other threads leave messages for a shard. One atomic word holds what waits and whether the
 * shard sleeps, so that leaving a message and learning that a wake-up is due are one step. Any
 * thread puts; the shard alone takes and dozes. */
#ifndef SHARD_MAILBOX_H
#define SHARD_MAILBOX_H

#include "shard/shard.h"

#include <stdatomic.h>

struct mailbox {
    /* Newest message (older ones hang on link.next, the oldest's is NULL), NULL: awake and empty,
     * or the mailbox's own `asleep`. */
    _Atomic(struct list *) head;
    struct list asleep; /* only its address is used */
    struct list *rest;  /* what an emptied mailbox holds: NULL or &asleep */
};

/* Messages gathered for one target; newest first, as the mailbox wants them. */
struct mailbox_batch {
    struct list *newest;
    struct list *oldest;
};

/* keeps_awake: senders know whether the shard sleeps and save the wake-up when it does not. Else
 * the first message after an emptying always wakes, and a shard that gets none pays nothing. */
void mailbox_init(struct mailbox *, bool keeps_awake);
void mailbox_batch_add(struct mailbox_batch *, struct shard_message *);
/* Leaves the batch, which is empty after. True: the caller must wake the target's poller. */
MUST_USE bool mailbox_put(struct mailbox *, struct mailbox_batch *);
/* The shard is about to wait. False: messages are here, it must not. */
MUST_USE bool mailbox_doze(struct mailbox *);
/* True when there is nothing to take. */
bool mailbox_is_empty(const struct mailbox *);
/* The shard is awake: moves all messages to the end of the list, oldest first. */
void mailbox_take(struct mailbox *, struct list *messages);

#endif
