/* The group coordinator: all groups of one partition of __consumer_offsets, whatever their
 * protocol, and their committed offsets. Operations take the decoded request of their API (of the
 * form named here) and give its response; what they cannot do as a whole is call->err. On the
 * partition's shard. Sources: KIP-62, KIP-134, KIP-345, KIP-394, KIP-429, KIP-848; Kafka 4.4. */
#ifndef GROUP_GROUPS_H
#define GROUP_GROUPS_H

#include "coord/machine.h"

extern const struct coord_machine_type coord_groups_type;

/* JoinGroup: join_group_request -> join_group_response. Waits for the others of the group. */
void groups_join(struct coord_machine *, struct coord_call *);
/* SyncGroup: sync_group_request -> sync_group_response. Waits for the leader. */
void groups_sync(struct coord_machine *, struct coord_call *);
/* Heartbeat: heartbeat_request -> heartbeat_response. */
void groups_heartbeat(struct coord_machine *, struct coord_call *);
/* LeaveGroup: leave_group_request, versions 0-2 in the form of 3 (one of members) ->
 * leave_group_response. */
void groups_leave(struct coord_machine *, struct coord_call *);
/* DescribeGroups, the group of the call's key; request: NULL -> describe_groups_response_groups. */
void groups_describe(struct coord_machine *, struct coord_call *);
/* DeleteGroups, the group of the call's key; request: NULL -> NULL. */
void groups_delete(struct coord_machine *, struct coord_call *);
/* ConsumerGroupHeartbeat: consumer_group_heartbeat_request -> consumer_group_heartbeat_response. */
void groups_consumer_heartbeat(struct coord_machine *, struct coord_call *);
/* ConsumerGroupDescribe, the group of the call's key; request: NULL ->
 * consumer_group_describe_response_groups. */
void groups_consumer_describe(struct coord_machine *, struct coord_call *);

/* OffsetCommit: offset_commit_request, every topic with its name and id where they are known ->
 * offset_commit_response. */
void groups_commit(struct coord_machine *, struct coord_call *);
/* TxnOffsetCommit in the form of an OffsetCommit: request struct group_txn_commit ->
 * offset_commit_response. The partition of the internal topic is in the transaction already. */
struct offset_commit_request;
struct group_txn_commit {
    const struct offset_commit_request *commit;
    int64_t producer_id;
    int16_t producer_epoch;
};
void groups_commit_in_txn(struct coord_machine *, struct coord_call *);
/* One group of an OffsetFetch in the form of version 8: request struct group_offsets_wish ->
 * offset_fetch_response_groups. */
struct offset_fetch_request_groups;
struct group_offsets_wish {
    const struct offset_fetch_request_groups *group; /* topics_count -1: all */
    bool require_stable;
};
void groups_fetch_offsets(struct coord_machine *, struct coord_call *);
/* OffsetDelete in the form of an OffsetCommit, of which only topics and partitions count:
 * offset_commit_request -> offset_commit_response. */
void groups_delete_offsets(struct coord_machine *, struct coord_call *);

/* ListGroups, the groups of one machine; filters are the API's. Slices last for the turn. */
struct group_listing {
    struct slice id;
    struct slice protocol_type;
    const char *state; /* "Stable" */
    const char *type;  /* "classic", "consumer" */
};
typedef void (*group_listing_fn)(void *context, const struct group_listing *);
void groups_list(struct coord_machine *, group_listing_fn, void *context);

#endif
