/* Segment files by counted handles: the file is open while somebody holds a reference, and stays
 * open after, until the table's bound asks for its descriptor back. So a hundred thousand idle
 * partitions cost no descriptors. A table and its handles belong to one shard (or to one worker
 * while a log is being opened). */
#ifndef LOG_HANDLE_H
#define LOG_HANDLE_H

#include "base/attr.h"
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct stats;

/* The open files of one shard, and what it keeps of their indexes. */
struct log_files {
    struct list idle; /* open, without references, least recently used first */
    int open_count;
    int open_max;
    int flush_count;         /* flush jobs under way, which hold files: log/flush.c */
    struct list flush_queue; /* logs that wait for one of them to end */
    bool write_out_busy;     /* one of them is being written out: log/write_out.c */
    struct list indexes;     /* of sealed segments, least recently used first: log/sealed_index.c */
    int64_t index_bytes;
    int64_t index_bytes_max; /* one is kept however large it is */
    struct stats *stats;     /* the shard's, or NULL */
};

struct log_handle {
    struct list idle; /* in log_files when open and idle */
    struct log_files *files;
    int dir_fd; /* the log directory, which outlives the handle */
    char *path; /* below it: "topic-0/00000000000000000000.log" */
    int fd;     /* -1: not open */
    int references;
    bool forgotten; /* its segment is gone: freed with the last reference */
};

void log_files_init(struct log_files *, int open_max);
/* Every handle must be gone. */
void log_files_fini(struct log_files *);

/* A closed handle without references. NULL when memory is out. */
struct log_handle *log_handle_new(struct log_files *, int dir_fd, const char *path);
/* Creates the file, which must not exist, and leaves it open. 0 or -errno. */
MUST_USE int log_handle_create(struct log_handle *);
/* Takes an open descriptor of the file, with a reference: it stays open until that is given back,
 * whatever the file is called meanwhile. */
void log_handle_adopt(struct log_handle *, int fd);
/* Opens the file if need be and takes a reference: handle->fd is valid until it is given back.
 * Others without references are closed where the bound, or the process's limit, asks for it. */
MUST_USE int log_handle_ref(struct log_handle *);
/* The same for those who may keep the file for long and can do without: -EMFILE where the bound is
 * reached by files in use, of which some are left to others. */
MUST_USE int log_handle_ref_spare(struct log_handle *);
/* Whether the bound is not reached by files in use. */
bool log_files_have_room(const struct log_files *);
void log_handle_unref(struct log_handle *);
/* No further log_handle_ref; freed when nobody holds a reference. NULL is fine. */
void log_handle_forget(struct log_handle *);
/* Moves a handle to another table. One in use stays with its users, in its table, as if forgotten,
 * and a new one is returned in its stead; NULL when there is no memory for that. */
MUST_USE struct log_handle *log_handle_move(struct log_handle *, struct log_files *to);

#endif
