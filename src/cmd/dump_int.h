/* What cmd/dump*.c share. */
#ifndef CMD_DUMP_INT_H
#define CMD_DUMP_INT_H

#include "cmd/dump.h"
#include "wire/batch.h"

struct dump {
    const struct command_call *call;
    struct console *console;
    bool json;
    bool batches_only;
    const char *topic; /* whose records they are; NULL: by the file's folder */
    bool failed;

    /* the file under way */
    const char *path;
    int fd;
    int64_t size;
    struct codec_pool *pool;
};

/* "path: sentence" as an error; the command will fail. */
void dump_fault(struct dump *, const char *format, ...) PRINTF_LIKE(2, 3);
/* The whole file, at most 64 MiB, NUL-terminated (free it). NULL: told. */
char *dump_read_whole(struct dump *);

void dump_segment(struct dump *);
void dump_index(struct dump *);
void dump_time_index(struct dump *);
void dump_txn_index(struct dump *);
void dump_producer_snapshot(struct dump *);
void dump_checkpoint(struct dump *);
void dump_epoch_checkpoint(struct dump *);
void dump_properties(struct dump *);
void dump_json_file(struct dump *);

/* A record as one JSON object. false: an internal record that cannot be read; told. */
struct dump_record {
    const char *topic; /* internal topics' records are decoded */
    bool control;
    int64_t offset;
    int64_t timestamp;
};
struct record;
bool dump_record_json(struct dump *, const struct dump_record *, const struct record *,
                      struct text *out);

#endif
