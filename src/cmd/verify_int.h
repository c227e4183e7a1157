/* What cmd/verify*.c share. */
#ifndef CMD_VERIFY_INT_H
#define CMD_VERIFY_INT_H

#include "cmd/verify.h"
#include "log/checkpoint.h"
#include "log/epoch.h"
#include "wire/codec.h"

struct verify {
    const struct command_call *call;
    struct console *console;
    bool json;
    struct codec_pool *pool;
    bool is_running; /* a node has the directory */
    bool was_clean;  /* the last stop of who had it was clean: nothing may be half there */
    struct checkpoint recovery_points; /* of the directory */

    int64_t files;
    int64_t batches;
    int64_t records;
    int64_t bytes;
    int64_t faults;
    int64_t faults_of_file;
    const char *file; /* under way */
    int64_t shown_ns; /* when progress was shown */
    bool has_progress;
};

/* Where something is wrong; -1: nowhere in particular. */
struct verify_place {
    int64_t position;
    int64_t offset;
};

/* Another file is looked at. */
void verify_begin(struct verify *, const char *path);
/* One line about the file; more than some of one file are counted only. */
void verify_fault(struct verify *, struct verify_place, const char *format, ...) PRINTF_LIKE(3, 4);
/* The same about what is no fault. */
void verify_note(struct verify *, struct verify_place, const char *format, ...) PRINTF_LIKE(3, 4);
/* So many bytes more were looked at; shows it from time to time. */
void verify_progress(struct verify *, int64_t bytes);

/* One segment with its indexes. */
struct verify_segment {
    const char *stem; /* the path without ".log" */
    int64_t base_offset;
    bool in_flux;    /* written after the last known flush, with no clean stop since */
    bool has_folder; /* it stands among its neighbours, and its indexes must be there */
    const struct log_epochs *epochs; /* NULL: not known */
    int64_t next_offset;             /* in: where it may begin, -1: anywhere; out: its end */
};
void verify_segment(struct verify *, struct verify_segment *);

/* verify_index.c: indexes as they are met by a walk through their segment. */
struct verify_indexes {
    struct verify *verify;
    const struct verify_segment *segment;
    char *offset_path;
    char *time_path;
    char *txn_path;
    uint8_t *offsets; /* as in the file, without the zeroes at the end */
    uint8_t *times;
    uint8_t *txns;
    size_t offset_count;
    size_t time_count;
    size_t txn_count;
    size_t next_offset;
    size_t next_time;
    size_t next_txn;
    int64_t max_timestamp; /* of the batches so far */
    int64_t last_offset;   /* of the batch before */
};
struct batch_header;
void verify_indexes_open(struct verify_indexes *, struct verify *, const struct verify_segment *);
/* A batch at the position; aborts: it ends a transaction as aborted. */
void verify_indexes_meet(struct verify_indexes *, const struct batch_header *, int64_t position,
                         bool aborts);
/* is_whole: the walk came to the segment's end. */
void verify_indexes_close(struct verify_indexes *, bool is_whole);

/* verify_files.c: what is read as a whole. */
void verify_producer_snapshot(struct verify *, const char *path);
void verify_partition_metadata(struct verify *, const char *path);
void verify_properties(struct verify *, const char *path);
/* *ret_epochs is begun in any case. false: they are not known; told. */
bool verify_epochs(struct verify *, const char *path, struct log_epochs *ret_epochs);
/* ends: of the partitions that are there, by folder; NULL: not known. */
void verify_checkpoint(struct verify *, const char *path, const struct checkpoint *ends);
void verify_metadata_snapshot(struct verify *, const char *path);

/* The two together, on the heap; ends the process where memory is out. */
char *verify_path(const char *stem, const char *suffix);

#endif
