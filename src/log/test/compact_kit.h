/* Compactions of a log_kit's log, waited for. */
#ifndef LOG_TEST_COMPACT_KIT_H
#define LOG_TEST_COMPACT_KIT_H

#include "log/compact.h"
#include "log/test/log_kit.h"

struct compact_kit {
    int64_t cleaned_to; /* -1: none before */
    int64_t wall_ms;
    int64_t end_max;  /* 0: no such bound */
    int64_t map_size; /* 0: a megabyte */
    bool may_not_be_due;
    /* out */
    struct log_cleanable range;
    struct log_compact_result result;
};

/* Cleans what can be cleaned. false: nothing was begun. */
bool compact_kit_run(struct log_kit *, struct compact_kit *);

#endif
