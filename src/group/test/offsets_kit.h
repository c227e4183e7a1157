/* Commits and fetches of offsets for transcripts; requests live as long as the kit. One thread. */
#ifndef GROUP_TEST_OFFSETS_KIT_H
#define GROUP_TEST_OFFSETS_KIT_H

#include "coord/test/coord_kit.h"

#define OFFSETS_KIT_MAX 4

/* What differs from an ordinary commit of the group "g", which nobody is a member of, in version 9;
 * of the topic "t", whose id is not known. Where the answer comes at once it is a line of the
 * story: " t-0 NONE". */
struct offsets_wish {
    const char *group;
    const char *topic;
    uint8_t id;
    const char *member;
    const char *instance;
    int32_t generation; /* 0: none */
    int16_t version;
    int64_t retention_ms; /* 0: none */
    int64_t producer_id;  /* 0: of no transaction */
    int16_t producer_epoch;
    int count; /* 0: one */
    struct {
        int32_t partition;
        int64_t offset;
        int32_t leader_epoch; /* 0: none */
        const char *metadata; /* NULL: null */
    } at[OFFSETS_KIT_MAX];
};
struct kit_call *offsets_commit(struct coord_kit *, const char *name, const struct offsets_wish *);
/* Only the partitions count. */
struct kit_call *offsets_delete(struct coord_kit *, const char *name, const struct offsets_wish *);

/* Its answer is a line of the story: "  t-0 5 t-1 none". */
struct offsets_look {
    const char *group;
    const char *topic;
    uint8_t id;
    const char *member;
    int32_t epoch; /* 0: none */
    int16_t version;
    bool stable;
    int count; /* partitions 0 to count - 1; 0: all that there is */
};
void offsets_fetch(struct coord_kit *, const char *name, const struct offsets_look *);
/* "  g Empty classic" a group, in the order of the table. */
void offsets_list(struct coord_kit *);

#endif
