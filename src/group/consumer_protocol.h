/* What classic clients of the protocol type "consumer" put into the fields that a classic group
 * leaves to them: subscriptions and assignments, behind their version. On the partition's shard. */
#ifndef GROUP_CONSUMER_PROTOCOL_H
#define GROUP_CONSUMER_PROTOCOL_H

#include "group/consumer_int.h"
#include "wire/msg/consumer_protocol_subscription.h"

struct meta_image;

/* false: it is none. What it points to is of the bytes or the arena. */
bool consumer_read_subscription(struct slice bytes, struct arena *,
                                struct consumer_protocol_subscription *ret_subscription);
/* By topic id, without topics that do not exist. No bytes at all are an empty one. false: it is
 * none. *ret_has_data: an assignor of the client's own keeps something in it. */
bool consumer_read_assignment(struct slice bytes, const struct meta_image *, struct arena *,
                              struct consumer_parts *ret_parts, bool *ret_has_data);
/* In the arena, in the version in which the subscription is; null: memory for it is out. */
struct slice consumer_write_assignment(const struct consumer_parts *, const struct meta_image *,
                                       struct slice subscription, struct arena *);
/* What a subscription says that the member has, by topic id. */
struct consumer_parts consumer_owned_of(const struct consumer_protocol_subscription *,
                                        const struct meta_image *, struct arena *);

#endif
