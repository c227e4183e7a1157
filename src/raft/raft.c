/* The step function; see the header. Special complication: an effect is carried out outside, and a
 * crash may come between any two, so each state follows from what is durable: a voter that voted
 * for itself in an epoch and crashed starts again in a higher one. Pure. */
#include "raft/raft.h"

#include "base/always.h"

const char *raft_role_name(enum raft_role role)
{
#define NAME_(NAME, text) [RAFT_##NAME] = text,
    static const char *const names[] = {RAFT_ROLES(NAME_)};
#undef NAME_
    return names[role];
}

static bool edge_exists(enum raft_role from, enum raft_role to)
{
#define EDGE_(FROM, TO, why) {RAFT_##FROM, RAFT_##TO},
    static const struct {
        enum raft_role from;
        enum raft_role to;
    } edges[] = {RAFT_EDGES(EDGE_)};
#undef EDGE_
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++)
        if (edges[i].from == from && edges[i].to == to)
            return true;
    return false;
}

static void raft_become(struct raft *raft, enum raft_role role, struct raft_update *update)
{
    ALWAYS(edge_exists(raft->role, role), "no way from %s to %s", raft_role_name(raft->role),
           raft_role_name(role));
    raft->role = role;
    update->role_changed = true;
}

/* ---- the start ---- */

static bool voters_fine(const struct raft_start *start, struct text *error)
{
    const struct raft_voters *voters = &start->voters;
    if (voters->known && (voters->count != 1 || voters->id != start->node_id)) {
        text_printf(error,
                    "the log names %d voter(s), the first is node %d, but this version runs a "
                    "quorum of this node (%d) alone",
                    voters->count, voters->count > 0 ? voters->id : RAFT_NOBODY, start->node_id);
        return false;
    }
    if (voters->known && !uuid_equal(voters->directory_id, start->directory_id)) {
        char theirs[UUID_TEXT_SIZE];
        char ours[UUID_TEXT_SIZE];
        uuid_format(voters->directory_id, theirs);
        uuid_format(start->directory_id, ours);
        text_printf(error,
                    "the log names node %d with directory %s as the voter, but this directory is "
                    "%s. Give meta.properties the directory.id it had",
                    start->node_id, theirs, ours);
        return false;
    }
    return true;
}

static bool stored_fine(const struct raft_start *start, struct text *error)
{
    const struct raft_quorum_state *stored = &start->stored;
    if (stored->voter_count > 1 ||
        (stored->voter_count == 1 && stored->voter_id != start->node_id)) {
        text_printf(error,
                    "quorum-state lists %d voter(s), the first is node %d, but this version runs a "
                    "quorum of this node (%d) alone",
                    stored->voter_count, stored->voter_id, start->node_id);
        return false;
    }
    if (stored->leader_epoch == INT32_MAX || start->log_end_epoch == INT32_MAX) {
        text_printf(error, "the quorum is at epoch %d, the last that there can be", INT32_MAX);
        return false;
    }
    return true;
}

bool raft_start_check(const struct raft_start *start, struct text *error)
{
    return voters_fine(start, error) && stored_fine(start, error);
}

void raft_init(struct raft *raft, const struct raft_start *start)
{
    *raft = (struct raft){
        .node_id = start->node_id,
        .directory_id = start->directory_id,
        .stored = start->stored,
        .role = RAFT_UNATTACHED,
        .epoch = start->stored.leader_epoch,
        .is_dynamic = start->is_dynamic,
        .log_end_offset = start->log_end_offset,
        .log_end_epoch = start->log_end_epoch,
        .synced_offset = start->log_end_offset,
        .high_watermark = -1,
        .epoch_start_offset = -1,
    };
}

/* The only voter elects itself in a new epoch, above any that the file or the log has seen. */
static void stand(struct raft *raft, struct raft_update *update)
{
    int32_t seen = raft->epoch > raft->log_end_epoch ? raft->epoch : raft->log_end_epoch;
    raft_become(raft, RAFT_CANDIDATE, update);
    ALWAYS(seen < INT32_MAX, "epochs are used up");
    raft->epoch = seen < 0 ? 1 : seen + 1;
    raft->stored = (struct raft_quorum_state){
        .version = raft->is_dynamic ? 1 : 0,
        .leader_id = raft->node_id,
        .leader_epoch = raft->epoch,
        .voted_id = RAFT_NOBODY,
        .voter_count = raft->is_dynamic ? 0 : 1,
        .voter_id = raft->node_id,
    };
    update->store_quorum_state = true;
}

static void lead(struct raft *raft, struct raft_update *update)
{
    raft_become(raft, RAFT_LEADER, update);
    update->append_leader_change = true;
}

/* The high watermark of an epoch is known once a record of that epoch is durable (Raft, 5.4.2). */
static void commit(struct raft *raft, struct raft_update *update)
{
    if (raft->role != RAFT_LEADER || raft->epoch_start_offset < 0 ||
        raft->synced_offset <= raft->epoch_start_offset ||
        raft->synced_offset <= raft->high_watermark)
        return;
    raft->high_watermark = raft->synced_offset;
    update->commit_moved = true;
}

static void appended(struct raft *raft, int64_t end_offset, struct raft_update *update)
{
    ALWAYS(raft->role == RAFT_LEADER, "a %s appends nothing", raft_role_name(raft->role));
    ALWAYS(end_offset > raft->log_end_offset, "the log does not shrink");
    if (raft->epoch_start_offset < 0)
        raft->epoch_start_offset = raft->log_end_offset;
    raft->log_end_offset = end_offset;
    raft->log_end_epoch = raft->epoch;
    update->sync_log = true;
}

void raft_step(struct raft *raft, const struct raft_event *event, struct raft_update *ret_update)
{
    *ret_update = (struct raft_update){0};
    switch (event->type) {
    case RAFT_EVENT_START:
        stand(raft, ret_update);
        break;
    case RAFT_EVENT_STORED:
        if (raft->role == RAFT_CANDIDATE)
            lead(raft, ret_update);
        break;
    case RAFT_EVENT_APPENDED:
        appended(raft, event->end_offset, ret_update);
        break;
    case RAFT_EVENT_SYNCED:
        ALWAYS(event->end_offset <= raft->log_end_offset, "more was synced than appended");
        if (event->end_offset > raft->synced_offset)
            raft->synced_offset = event->end_offset;
        commit(raft, ret_update);
        break;
    case RAFT_EVENT_STOP:
        if (raft->role == RAFT_LEADER)
            raft_become(raft, RAFT_RESIGNED, ret_update);
        break;
    }
}
