/* A log on a shard of its own, driven from a test's thread: each call waits until the shard is
 * done. */
#ifndef LOG_TEST_LOG_KIT_H
#define LOG_TEST_LOG_KIT_H

#include "base/text.h"
#include "log/log.h"

struct log_kit;

/* Makes an empty directory in /tmp and starts a shard with one worker. */
struct log_kit *log_kit_new(void);
/* The same in a directory that may hold what a kit before left. */
struct log_kit *log_kit_new_at(const char *path);
/* Ends all and removes the directory. */
void log_kit_free(struct log_kit *);
/* Ends all and leaves what is in it to another kit. */
void log_kit_leave(struct log_kit *);
/* Of the logs that are opened from then on, workers do every write, not only large ones. */
void log_kit_write_by_worker(struct log_kit *);
int log_kit_dir(const struct log_kit *);
struct topic_config *log_kit_config(struct log_kit *);
struct log *log_kit_log(const struct log_kit *);
/* Where the test's thread waits for the shard; it outlives the shard. */
struct sys_park *log_kit_park(const struct log_kit *);

/* Calls `run` on the shard and waits until log_kit_finish was called there. */
void log_kit_begin(struct log_kit *, void (*run)(struct log_kit *));
void log_kit_finish(struct log_kit *);

/* Opens "t-0"; clean as after a clean stop. */
struct log_kit_open {
    bool clean;
    int64_t recovery_point;
    int64_t log_start_offset;
    int64_t cleaned_to;
    uint8_t topic;       /* last byte of the topic's id; 0: {1} */
    struct log_dir *dir; /* that goes offline with it; NULL: nobody's */
};
enum err log_kit_open(struct log_kit *, struct log_kit_open, struct log_recovery *ret_recovery);
/* As a clean stop does. */
void log_kit_close(struct log_kit *);
int log_kit_try_close(struct log_kit *); /* 0 or -errno */
/* As kill -9 does: nothing is written any more. */
void log_kit_drop(struct log_kit *);

/* One batch of `count` records; producer_id -1: none. */
struct log_kit_batch {
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t sequence;
    int count;
    int value_size;
    int64_t timestamp;
    int32_t leader_epoch;
    bool transactional;
    bool ends;         /* a marker that ends the producer's transaction, instead of records */
    bool commits;      /* such a marker: not an abort */
    const char *key;   /* of all its records; NULL: none */
    const char *value; /* instead of zeroes; NULL: of value_size */
    bool tombstone;    /* no value at all */
};
struct log_kit_appended {
    enum err err;
    int64_t base_offset;
    int64_t last_offset;
    bool duplicate;
    int64_t end_offset; /* the log's when it was told: behind all of its write */
};
struct log_kit_appended log_kit_append(struct log_kit *, const struct log_kit_batch *);
/* Returns when the shard has ended what it did after it answered: the log can be looked into. */
void log_kit_pause(struct log_kit *);
/* Several that are submitted in one turn; checks that they complete in their order. */
#define LOG_KIT_MANY 160
void log_kit_append_all(struct log_kit *, const struct log_kit_batch *, int count,
                        struct log_kit_appended *ret_appended);
/* The same with batches as they are, of which copies are stamped. */
void log_kit_append_bytes(struct log_kit *, const struct slice *batches, int count,
                          int32_t leader_epoch, struct log_kit_appended *ret_appended);
/* Calls back on the shard. */
void log_kit_run(struct log_kit *, void (*call)(struct log *, void *context), void *context);
/* Deletes the log and its folder. 0 or -errno. */
int log_kit_delete(struct log_kit *);
/* One that is not done yet when the stop begins. */
struct log_kit_appended log_kit_append_and_close(struct log_kit *, const struct log_kit_batch *);
/* One with whose answer the stop begins. */
struct log_kit_appended log_kit_append_then_close(struct log_kit *, const struct log_kit_batch *);
/* One that is appended while a flush is under way, with whose end the stop begins. */
struct log_kit_appended log_kit_flush_and_close(struct log_kit *, const struct log_kit_batch *);
enum err log_kit_flush(struct log_kit *);

/* Bytes of the range that starts with the batch of the offset, heap memory; size 0: nothing
 * there. */
struct log_kit_bytes {
    enum err err;
    uint8_t *data;
    size_t size;
};
struct log_kit_bytes log_kit_read(struct log_kit *, int64_t offset, int64_t size_max);
/* The record with the largest timestamp. */
struct log_find log_kit_find_largest(struct log_kit *);

#endif
