/* The mailbox: a stack that senders push whole batches on and the shard takes whole.
 *
 * Why no wake-up is lost. The word is changed by read-modify-writes only, which all threads see in
 * one order. Between a doze that succeeded (the word says asleep) and the next take, the first put
 * replaces `asleep` and so is told to wake; later puts find that put's message and are not, but the
 * wake-up it gives outlasts any race with the wait: the poller keeps it until a wait returns. If a
 * put came before the doze, the doze finds a message instead of NULL and the shard does not wait.
 * A take that empties the word to `rest` starts this over.
 *
 * Why the stack is sound. Senders only push: a compare-and-swap that finds the head it expects may
 * link to it whatever happened in between, as that pointer is then the head. Only the shard takes,
 * and takes everything in one exchange. Order: a batch is newest first, a later batch of the same
 * sender lies above it, and the taker turns the whole over. */
#include "shard/mailbox.h"

#include "base/always.h"

void mailbox_init(struct mailbox *mailbox, bool keeps_awake)
{
    list_init(&mailbox->asleep);
    mailbox->rest = keeps_awake ? NULL : &mailbox->asleep;
    atomic_init(&mailbox->head, mailbox->rest);
}

void mailbox_batch_add(struct mailbox_batch *batch, struct shard_message *message)
{
    message->link.next = batch->newest;
    batch->newest = &message->link;
    if (batch->oldest == NULL)
        batch->oldest = &message->link;
}

bool mailbox_put(struct mailbox *mailbox, struct mailbox_batch *batch)
{
    ALWAYS(batch->newest != NULL, "an empty batch is put into a mailbox");
    struct list *head = atomic_load_explicit(&mailbox->head, memory_order_relaxed);
    do {
        batch->oldest->next = head == &mailbox->asleep ? NULL : head;
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->head, &head, batch->newest,
                                                    memory_order_release, memory_order_relaxed));
    *batch = (struct mailbox_batch){0};
    return head == &mailbox->asleep;
}

bool mailbox_doze(struct mailbox *mailbox)
{
    struct list *head = NULL;
    if (mailbox->rest != NULL)
        return mailbox_is_empty(mailbox);
    if (atomic_compare_exchange_strong(&mailbox->head, &head, &mailbox->asleep))
        return true;
    return head == &mailbox->asleep; /* it never woke since the last time */
}

bool mailbox_is_empty(const struct mailbox *mailbox)
{
    const struct list *head = atomic_load_explicit(&mailbox->head, memory_order_relaxed);
    return head == NULL || head == &mailbox->asleep;
}

void mailbox_take(struct mailbox *mailbox, struct list *messages)
{
    if (atomic_load_explicit(&mailbox->head, memory_order_relaxed) == mailbox->rest)
        return; /* awake or not to be told apart, and empty */
    struct list *at = atomic_exchange(&mailbox->head, mailbox->rest);
    struct list *last = messages->prev;
    while (at != NULL && at != &mailbox->asleep) {
        struct list *older = at->next;
        list_add_head(last, at);
        at = older;
    }
}
