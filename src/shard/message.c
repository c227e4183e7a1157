/* Messages along their routes. Those for other shards are gathered by target during the turn and
 * handed over in one batch each at its end; those to the own shard never leave it. */
#include "shard/shard_int.h"

#include "base/always.h"

#define ROUTE_STEPS ((int)COUNT_OF(((struct shard_route *)0)->run))

void shard_deliver(struct shard *here, struct shard_message *message)
{
    message->route->run[message->step](here, message);
}

static void dispatch_to(struct shard *here, struct shard *target, struct shard_message *message)
{
    if (target == here) {
        list_add_tail(&here->letters, &message->link);
        return;
    }
    ALWAYS(target->set == here->set, "a message to a shard of another set");
    mailbox_batch_add(&here->outboxes[target->index], message);
    here->has_mail_out = true;
}

void shard_send(struct shard *from, struct shard *to, struct shard_message *message,
                const struct shard_route *route)
{
    ALWAYS(route->run[0] != NULL, "route %s has no first step", route->name);
    message->route = route;
    message->from = from;
    message->to = to;
    message->step = 0;
    dispatch_to(from, to, message);
}

void shard_forward(struct shard *here, struct shard_message *message)
{
    int step = message->step + 1;
    const struct shard_route *route = message->route;
    ALWAYS(step < ROUTE_STEPS && route->run[step] != NULL, "route %s has no step %d", route->name,
           step);
    ALWAYS(message->from != NULL, "route %s was posted from outside: no way back", route->name);
    message->step = step;
    dispatch_to(here, step % 2 == 0 ? message->to : message->from, message);
}

void shard_send_mail(struct shard *shard)
{
    shard->has_mail_out = false;
    for (int i = 0; i < shard->set->total_count; i++) {
        struct mailbox_batch *outbox = &shard->outboxes[i];
        struct shard *target = &shard->set->shards[i];
        if (outbox->newest != NULL && mailbox_put(&target->mailbox, outbox))
            sys_poller_wake(target->poller);
    }
}

void shard_post(struct shard *to, struct shard_message *message, const struct shard_route *route)
{
    struct mailbox_batch batch = {0};
    ALWAYS(route->run[0] != NULL, "route %s has no first step", route->name);
    message->route = route;
    message->from = NULL;
    message->to = to;
    message->step = 0;
    mailbox_batch_add(&batch, message);
    if (mailbox_put(&to->mailbox, &batch))
        sys_poller_wake(to->poller);
}
