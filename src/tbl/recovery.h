/* What a start does with what it finds in a partition's folder: a matrix, of whose rows exactly one
 * is for each finding, at each place, in each kind of log.
 *
 * What was flushed is never cut. What cannot be read there is contained where the batches around it
 * can still be told apart: the log is served, the damage is reported, and whoever reads it is told;
 * else the log is refused as it is, for somebody to mend. Above the recovery point nothing was
 * promised to survive a power cut, and anything may stand there after one. What is derived from
 * batches is made again from them.
 *
 * Compaction leaves gaps between segments. Ours only leaves them below the recovery point that is
 * stored (replica/cleaner.c); Kafka's may above it, where it tells itself by the cleaner's
 * checkpoint or by gaps within the segment in front. Without either a gap above is a lost tail,
 * but where no recovery point is known: then it may be either, and nothing is cut.
 *
 * FINDINGS:  X(NAME, "what it is")
 * PLACES:    X(NAME, bit, "where it is")
 * DECISIONS: X(NAME, "what is done")
 * ROWS:      X(FINDING, places, logs, DECISION, "why") */
#ifndef TBL_RECOVERY_H
#define TBL_RECOVERY_H

#include <stdint.h>

#define RECOVERY_FINDINGS(X) \
    X(TORN, "a batch is longer than its file") \
    X(HOLE, "what stands there is no batch: zeroes, or anything") \
    X(CHECKSUM, "a batch's checksum is wrong") \
    X(OFFSET, "a batch's offset cannot follow the one before") \
    X(EPOCH_FALLS, "a batch is of an older leader epoch than the one before") \
    X(OLD_FORMAT, "a whole message of format v0 or v1") \
    X(GAP, "a segment begins behind the end of the one before") \
    X(UNTOLD_GAP, "such a gap, in a log of which nothing says up to where it was flushed") \
    X(CLEANED_GAP, "such a gap behind what compaction is known to have written") \
    X(OVERLAP, "a segment begins in front of the end of the one before") \
    X(SHORT, "the log ends before what was flushed") \
    X(NO_SEGMENT, "the folder is this topic's and has no segment") \
    X(NO_METADATA, "partition.metadata is missing") \
    X(OTHER_METADATA, "partition.metadata names another topic") \
    X(INDEX, "an index is missing, or cannot be of its segment") \
    X(TXN_INDEX, "a transaction index cannot be of its segment") \
    X(SNAPSHOT, "a producer snapshot is damaged, or of what is not in the log") \
    X(EPOCHS, "leader-epoch-checkpoint is missing or damaged, or batches contradict it")

/* Relative to the recovery point; after a clean stop all was flushed. */
#define RECOVERY_PLACES(X) \
    X(CLEAN, 1, "anywhere, after a clean stop") \
    X(BELOW, 2, "below the recovery point") \
    X(ABOVE, 4, "above the recovery point")

#define RECOVERY_DECISIONS(X) \
    X(CUT, "the log ends in front of it") \
    X(CONTAIN, "it stays, is reported, and the log is served around it") \
    X(FAULT, "the log is refused, and nothing of it is changed") \
    X(REBUILD, "it is made again from the batches") \
    X(ACCEPT, "it is as it may be") \
    X(SET_ASIDE, "the folder is kept under another name")

/* Of which kind of log: those that compaction leaves gaps in, and others. */
#define RECOVERY_PLAIN 1U
#define RECOVERY_COMPACTED 2U
#define RECOVERY_ANY_LOG (RECOVERY_PLAIN | RECOVERY_COMPACTED)
#define RECOVERY_FLUSHED (RECOVERY_CLEAN | RECOVERY_BELOW)
#define RECOVERY_ANYWHERE (RECOVERY_FLUSHED | RECOVERY_ABOVE)

#define RECOVERY_ROWS(X) \
    X(TORN, RECOVERY_ABOVE, RECOVERY_ANY_LOG, CUT, "the node died while it was written") \
    X(TORN, RECOVERY_FLUSHED, RECOVERY_ANY_LOG, FAULT, "where the next one begins is not known") \
    X(HOLE, RECOVERY_ABOVE, RECOVERY_ANY_LOG, CUT, "the power failed before it was written") \
    X(HOLE, RECOVERY_FLUSHED, RECOVERY_ANY_LOG, FAULT, "where the next one begins is not known") \
    X(CHECKSUM, RECOVERY_ABOVE, RECOVERY_ANY_LOG, CUT, "a part of it was written") \
    X(CHECKSUM, RECOVERY_FLUSHED, RECOVERY_ANY_LOG, CONTAIN, "the medium damaged it") \
    X(OFFSET, RECOVERY_ABOVE, RECOVERY_ANY_LOG, CUT, "an older write came to light again") \
    X(OFFSET, RECOVERY_FLUSHED, RECOVERY_ANY_LOG, CONTAIN, "no checksum covers the offset") \
    X(EPOCH_FALLS, RECOVERY_ANYWHERE, RECOVERY_ANY_LOG, ACCEPT, "no checksum covers the epoch") \
    X(OLD_FORMAT, RECOVERY_ANYWHERE, RECOVERY_ANY_LOG, FAULT, "it is somebody's, and not torn") \
    X(GAP, RECOVERY_ABOVE, RECOVERY_ANY_LOG, CUT, "the tail between was lost with the power") \
    X(GAP, RECOVERY_FLUSHED, RECOVERY_PLAIN, CONTAIN, "files were lost; the rest is good") \
    X(GAP, RECOVERY_FLUSHED, RECOVERY_COMPACTED, ACCEPT, "compaction leaves such gaps") \
    X(UNTOLD_GAP, RECOVERY_ANYWHERE, RECOVERY_ANY_LOG, CONTAIN, "it may be compaction's") \
    X(CLEANED_GAP, RECOVERY_ANYWHERE, RECOVERY_ANY_LOG, ACCEPT, "what is cleaned was synced") \
    X(OVERLAP, RECOVERY_ABOVE, RECOVERY_ANY_LOG, CUT, "a segment that was cut off came back") \
    X(OVERLAP, RECOVERY_FLUSHED, RECOVERY_ANY_LOG, FAULT, "which of the two holds is not known") \
    X(SHORT, RECOVERY_FLUSHED, RECOVERY_ANY_LOG, CONTAIN, "batches were lost; the rest is good") \
    X(SHORT, RECOVERY_ABOVE, RECOVERY_ANY_LOG, ACCEPT, "nothing of it was flushed") \
    X(NO_SEGMENT, RECOVERY_FLUSHED, RECOVERY_ANY_LOG, FAULT, "its files were lost") \
    X(NO_SEGMENT, RECOVERY_ABOVE, RECOVERY_ANY_LOG, REBUILD, "the node died while it was made") \
    X(NO_METADATA, RECOVERY_ANYWHERE, RECOVERY_ANY_LOG, REBUILD, "the folder is a new one") \
    X(OTHER_METADATA, RECOVERY_ANYWHERE, RECOVERY_ANY_LOG, SET_ASIDE, "a deletion was cut off") \
    X(INDEX, RECOVERY_ANYWHERE, RECOVERY_ANY_LOG, REBUILD, "it follows from the batches") \
    X(TXN_INDEX, RECOVERY_ANYWHERE, RECOVERY_ANY_LOG, REBUILD, "it follows from the batches") \
    X(SNAPSHOT, RECOVERY_ANYWHERE, RECOVERY_ANY_LOG, REBUILD, "it follows from the batches") \
    X(EPOCHS, RECOVERY_ANYWHERE, RECOVERY_ANY_LOG, REBUILD, "it follows from the batches")

#define RECOVERY_FINDINGS_ID_(NAME, ...) RECOVERY_##NAME,
enum recovery_finding { RECOVERY_FINDINGS(RECOVERY_FINDINGS_ID_) RECOVERY_FINDING_COUNT };
#undef RECOVERY_FINDINGS_ID_

#define RECOVERY_PLACES_ID_(NAME, bit, ...) RECOVERY_##NAME = (bit),
enum recovery_place { RECOVERY_PLACES(RECOVERY_PLACES_ID_) };
#undef RECOVERY_PLACES_ID_

#define RECOVERY_DECISIONS_ID_(NAME, ...) RECOVERY_##NAME,
enum recovery_decision { RECOVERY_DECISIONS(RECOVERY_DECISIONS_ID_) RECOVERY_DECISION_COUNT };
#undef RECOVERY_DECISIONS_ID_

/* One row. */
struct recovery_row {
    enum recovery_finding finding;
    unsigned places; /* enum recovery_place */
    unsigned logs;   /* RECOVERY_PLAIN, RECOVERY_COMPACTED */
    enum recovery_decision decision;
    const char *why;
};

#endif
