/* A coordinator's machine in a world of its own, with virtual time and no threads: what it records
 * and answers becomes a transcript that reads as the story, and is what a restart reads. Failures
 * end the test. One thread. */
#ifndef COORD_TEST_COORD_KIT_H
#define COORD_TEST_COORD_KIT_H

#include "base/text.h"
#include "coord/machine.h"

/* A call that was made; it lives as long as the kit. */
struct kit_call {
    struct coord_call call; /* first; err and response stand when it is answered */
    struct kit_call *next;
    struct coord_kit *kit;
    const char *name; /* for the transcript */
    int16_t api_key;  /* of the API whose response it has; -1: not told in full */
    bool answered;    /* the machine has answered */
    bool told;        /* and the answer left: all in front of it is committed */
    size_t records;   /* made before the answer */
    struct arena arena;
};

struct coord_kit {
    struct coord_world world; /* first */
    struct coord_machine *machine;
    const struct coord_machine_type *type;
    struct node_config *config;
    struct meta_image *image;
    struct prng prng;
    struct text story; /* the transcript since coord_kit_story */
    struct arena arena;
    struct kit_call *calls;
    bool holds_commits; /* answers with records in front of them wait for coord_kit_commit */
    struct list log;    /* what a restart reads: kit_entry */
    size_t log_count;
    size_t committed;
    struct list markers; /* coord_markers that wait for coord_kit_marked */
    struct list ids;     /* coord_ids, likewise */
    int64_t next_producer_id;
    int64_t distrusted_ms;       /* of the wall clock, by what is deleted by time */
    struct coord_txn_end fenced; /* of this producer, epochs below this one are refused */
};

/* settings: as --set has them, with NULL at the end; NULL: none. The clocks stand at 1,000,000 ms
 * and 1,700,000,000,000 ms. The machine leads, with nothing in its log. */
void coord_kit_init(struct coord_kit *, const struct coord_machine_type *,
                    const char *const *settings);
void coord_kit_fini(struct coord_kit *);

/* Topics of the image; an id is made of one repeated byte. The machine is told. */
void coord_kit_add_topic(struct coord_kit *, const char *name, uint8_t id, int32_t partitions);
/* It has so many partitions from here. */
void coord_kit_grow_topic(struct coord_kit *, const char *name, int32_t partitions);
void coord_kit_remove_topic(struct coord_kit *, const char *name);
/* The level of a feature; 0 until then. */
void coord_kit_set_feature(struct coord_kit *, const char *name, int16_t level);
struct uuid coord_kit_id(uint8_t byte);

/* Calls the machine; the answer may come later. name is borrowed, the request too. */
struct kit_call_options {
    const char *name;
    const char *key;
    const char *client_id; /* NULL: "client" */
    int16_t api_key;       /* -1: the answer's response is not shown */
    int16_t version;
    const void *request;
};
struct kit_call *coord_kit_call(struct coord_kit *, coord_op_fn, const struct kit_call_options *);
/* Time passes; timers go off on the way, in their order. */
void coord_kit_pass(struct coord_kit *, int64_t ms);
/* All records so far are committed. */
void coord_kit_commit(struct coord_kit *);
/* An append failed, or the node was killed: what is not committed is gone, who waits is refused,
 * and the machine is made anew from the log. */
void coord_kit_restart(struct coord_kit *);
/* The end of a transaction is appended to the machine's own partition. */
void coord_kit_end_txn(struct coord_kit *, const struct coord_txn_end *);
/* Transactions: the oldest markers wanted are written, with this outcome. */
void coord_kit_marked(struct coord_kit *, enum err);
/* Transactions: the oldest wish for a producer id is granted, or refused. */
void coord_kit_allocated(struct coord_kit *, enum err);

/* The story since the last call of this, as lines; and it must be this:
 *   > join A                          a call
 *   < join A: NONE {"generationId":1, ...}    its answer
 *   record {"group":"g"} {"protocolType":"consumer", ...}
 *   record {"group":"g"} null
 *   marker 5 commit; markers 1000 epoch 0 commit t-0 t-1; wish for an id
 * Text between angle brackets with a dollar in expected, such as <$member>, matches any run of
 * characters without quotes, the same each time. */
void coord_kit_expect(struct coord_kit *, const char *expected);
/* Forgets the story. */
void coord_kit_skip(struct coord_kit *);
/* What a <$name> stood for in the last coord_kit_expect that had it; borrowed from the kit. */
struct slice coord_kit_value(struct coord_kit *, const char *name);

#endif
