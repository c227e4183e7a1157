/* The metadata quorum as a pure step: an event goes in, what to do about it comes out. No I/O, no
 * clock, no allocation: the caller stores the quorum's state, appends and syncs the log, and tells
 * of it by further events. The quorum this node can take part in today is itself alone; a log or
 * configuration that names other voters is refused with a reason. Sources: KIP-595, KIP-853. */
#ifndef RAFT_RAFT_H
#define RAFT_RAFT_H

#include "base/attr.h"
#include "base/text.h"
#include "base/uuid.h"
#include "tbl/raft_roles.h"

#define RAFT_NOBODY (-1)

/* What quorum-state holds. version 0: a static quorum, 1: with directory ids. */
struct raft_quorum_state {
    int version;
    int32_t leader_id;
    int32_t leader_epoch;
    int32_t voted_id;
    struct uuid voted_directory_id;
    int voter_count;  /* version 0 lists the voters; version 1: 0 */
    int32_t voter_id; /* of the first one */
};

/* The voters that the log and its snapshots name last. */
struct raft_voters {
    bool known; /* false: no record names any */
    int count;
    int32_t id; /* of the first one */
    struct uuid directory_id;
};

struct raft {
    /* fixed */
    int32_t node_id;
    struct uuid directory_id;
    /* as stored */
    struct raft_quorum_state stored;
    /* volatile */
    enum raft_role role;
    int32_t epoch;
    bool is_dynamic;        /* kraft.version 1 */
    int64_t log_end_offset; /* appended */
    int32_t log_end_epoch;
    int64_t synced_offset;      /* durable up to */
    int64_t high_watermark;     /* committed up to; -1: not known in this epoch */
    int64_t epoch_start_offset; /* of the LeaderChange record; -1: not appended yet */
};

enum raft_event_type {
    RAFT_EVENT_START,    /* log and quorum-state were read */
    RAFT_EVENT_STORED,   /* the quorum-state of the last update is durable */
    RAFT_EVENT_APPENDED, /* records stand in the log, not synced */
    RAFT_EVENT_SYNCED,   /* the log is durable up to an offset */
    RAFT_EVENT_STOP,
};

struct raft_event {
    enum raft_event_type type;
    int64_t end_offset; /* APPENDED, SYNCED */
};

/* What the caller must do, in this order. */
struct raft_update {
    bool store_quorum_state;   /* raft.stored, durably, then RAFT_EVENT_STORED */
    bool append_leader_change; /* of raft.epoch, then RAFT_EVENT_APPENDED */
    bool sync_log;             /* then RAFT_EVENT_SYNCED */
    bool commit_moved;         /* raft.high_watermark rose */
    bool role_changed;
};

struct raft_start {
    int32_t node_id;
    struct uuid directory_id;
    struct raft_quorum_state stored;
    struct raft_voters voters;
    bool is_dynamic;
    int64_t log_end_offset;
    int32_t log_end_epoch;
};

/* Whether this node may lead alone what it found. false: *error has the sentence. */
MUST_USE bool raft_start_check(const struct raft_start *, struct text *error);
/* What passed the check. */
void raft_init(struct raft *, const struct raft_start *);
void raft_step(struct raft *, const struct raft_event *, struct raft_update *ret_update);
const char *raft_role_name(enum raft_role);

#endif
