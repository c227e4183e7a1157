/* Crash states of a log: a story of operations is told to a log on a simulated disk, and before
 * every change that it makes there, many of the disks that a power cut may leave at that moment are
 * drawn (all of them, where they are few), and the one that a kill leaves. The log is opened from
 * each and held against what was appended and promised; opened twice; and opened again from what a
 * second cut leaves of each change of that recovery.
 *
 * An operation is a function that drives story->kit, notes what it appends (states_append does) and
 * keeps story->promise true at every moment: raised only after the log's word, lowered before a
 * change may happen. */
#ifndef LOG_TEST_SIM_STATES_H
#define LOG_TEST_SIM_STATES_H

#include "log/test/log_kit.h"
#include "log/txn.h"
#include "sim/world.h"

#define STATES_FOLDER "/data"
#define STATES_LOG "t-0"
#define STATES_PRODUCERS 5
#define STATES_KEYS 6
#define STATES_TRANSACTIONAL 3 /* the first producer whose batches are in transactions */

/* Which bytes the batches of sealed segments have. */
enum states_form {
    STATES_AS_THEY_WERE,
    STATES_EITHER, /* each segment's as they were, or as the cleaning under way leaves them */
    STATES_CLEANED,
};

/* What the log has promised by now. */
struct states_promise {
    int64_t flushed_end;  /* survives a power cut */
    int64_t acked_end;    /* survives a kill */
    int64_t start_offset; /* all from here on: no trim went, or was about to go, beyond */
    uint8_t topic;        /* that the folder must be opened as */
    enum states_form form;
};

/* One batch. */
struct states_batch {
    struct batch_header header; /* as it was appended */
    enum txn_marker marker;     /* where it ends a transaction */
    uint8_t *bytes;             /* as it stands in the file; NULL: a cleaning removed it */
    size_t size;
    /* As the cleaning under way, if there is one, leaves it. */
    uint8_t *cleaned;
    size_t cleaned_size;
    bool is_aborted;
    bool was_leaving; /* a cleaning that was cut off had begun to remove its segment's files */
    /* What the opening that was last found of it. */
    bool was_cleaned;
    bool was_lost; /* with the power, from the end of a segment that others follow */
};

struct states_point;
struct states_seen;

struct states {
    uint64_t seed;
    struct prng prng;
    struct sim_world *world;
    struct sim_node *node;   /* where the story happens */
    struct sim_node *mirror; /* where states are opened */
    struct log_kit *kit;
    struct topic_config config;
    struct states_promise promise;
    struct states_batch *batches; /* in order of offset, without gaps */
    int batch_count;
    int batch_capacity;
    int64_t cleaned_to; /* -1: there was no cleaning */
    int32_t leader_epoch;
    int32_t sequences[STATES_PRODUCERS]; /* the next one of each */
    struct states_point *points;         /* since the operation began */
    int point_count;
    int point_capacity;
    struct states_seen *seen;
    uint64_t state_count; /* distinct ones that were opened */
    /* for whoever reads of a failure */
    int step;
    const char *operation;
    int point;
    uint64_t draw;
    bool second;
    struct log_kit_open how; /* the log was opened last */
};

/* An operation, and how often it is drawn beside the others. */
struct states_operation {
    const char *name;
    int weight;
    void (*run)(struct states *);
};

/* Tells a story of up to `steps` operations from a seed; the number of states that were opened. */
uint64_t states_tell(uint64_t seed, const struct states_operation *, int operation_count,
                     int steps);

/* ---- for operations ---- */

/* Appends one to `count_max` batches of any kind in one turn; they are acknowledged. */
void states_append(struct states *, int count_max);
/* The same, but most of them are markers that end transactions, or would, of either kind. */
void states_end_transactions(struct states *, int count_max);
/* A sync by the log, after which all that was acknowledged is promised. */
void states_flush(struct states *);
int64_t states_end(const struct states *);
/* Writes the directory's checkpoint files as they would be now. */
struct states_checkpoint {
    int64_t recovery_point;
    int64_t log_start_offset;
};
void states_checkpoint(struct states *, struct states_checkpoint);
/* Opens the log as a start does, by what the directory says. */
void states_open(struct states *);
/* Looks at all states since the operation began. To be called before what was appended is forgotten
 * or the node dies; the end of an operation does. */
void states_look(struct states *);
/* The power fails; the log is opened from what is left. */
void states_cut(struct states *);
/* The same as if it had failed at one of the moments since the operation began, drawn here. */
void states_cut_within(struct states *);
/* What was appended from the offset on is gone. */
void states_forget(struct states *, int64_t from_offset);

#define HOLDS(story, cond, ...) \
    do { \
        if (!(cond)) \
            states_broken(story, #cond, __VA_ARGS__); \
    } while (0)
NORETURN void states_broken(const struct states *, const char *condition, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* ---- sim_states_compact.c ---- */

/* Cleans the log, and holds what that leaves against what was appended; then promise.form is
 * STATES_CLEANED, and states_cleaned is due when all moments were looked at. false: there was
 * nothing to clean. */
bool states_compact(struct states *);
/* From now on the batches are as the cleaning left them. found: where the last opening found them
 * so. */
void states_cleaned(struct states *, bool found);
/* Whether the log may have nothing of the batch. */
bool states_may_lack(const struct states_batch *, enum states_form);

/* ---- sim_states_txn.c ---- */

/* Holds what the log knows of transactions against its batches of the story, and its transaction
 * indexes against that. */
struct states_part {
    int from;
    int to;
    enum states_form form;
};
void states_check_transactions(struct states *, const struct log *, struct states_part);

/* ---- sim_states_check.c ---- */

/* What was found when a log was opened. */
struct states_found {
    enum err err;
    int64_t start_offset;
    int64_t end_offset;
    uint64_t hash; /* of all segments' names and bytes */
};

/* Opens the log of the disk in use as a start does, compares it with what was appended, and leaves
 * it as a kill does. */
struct states_found states_examine(struct states *, const struct states_promise *);
/* How a start opens the log: what the directory's own files say, which are then as a start leaves
 * them. */
struct log_kit_open states_start(struct states *, uint8_t topic);

#endif
