/* The control records of the metadata log and its snapshots: who leads, which voters there are,
 * where a snapshot begins and ends. One thread at a time. */
#ifndef META_CONTROL_H
#define META_CONTROL_H

#include "base/uuid.h"
#include "config/node.h"
#include "wire/batch_builder.h"

/* What the control records of a log or snapshot said of the quorum. */
struct meta_quorum {
    bool has_version;
    int16_t kraft_version;
    bool has_voters;
    int voter_count;
    int32_t voter_id;               /* of the first one */
    struct uuid voter_directory_id; /* of the first one */
    bool snapshot_begun;            /* its header was read */
    bool snapshot_ended;            /* its footer was read */
    int64_t snapshot_timestamp_ms;  /* of the newest record in it, as its header says */
};

/* The one voter. */
struct meta_voter {
    int32_t id;
    struct uuid directory_id;
    const struct node_listener *endpoint;
};

/* Adds to a builder begun with `control`. false: memory is out. */
bool meta_control_add_leader_change(struct batch_builder *, int64_t timestamp_ms,
                                    int32_t leader_id);
bool meta_control_add_version(struct batch_builder *, int64_t timestamp_ms, int16_t kraft_version);
bool meta_control_add_voters(struct batch_builder *, int64_t timestamp_ms,
                             const struct meta_voter *);
bool meta_control_add_snapshot_header(struct batch_builder *, int64_t timestamp_ms,
                                      int64_t last_contained_ms);
bool meta_control_add_snapshot_footer(struct batch_builder *, int64_t timestamp_ms);

/* Takes note of a control batch's records. NULL, or what is wrong. */
const char *meta_control_note(struct meta_quorum *, const struct batch_view *);

#endif
