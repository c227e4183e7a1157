/* What IncrementalAlterConfigs does to one key's text. Any thread. */
#ifndef CONFIG_CHANGE_H
#define CONFIG_CHANGE_H

#include "base/arena.h"
#include "config/value.h"

/* The operation's number on the wire. */
enum config_op {
    CONFIG_OP_SET = 0,
    CONFIG_OP_DELETE = 1,
    CONFIG_OP_APPEND = 2,
    CONFIG_OP_SUBTRACT = 3,
};

static inline bool config_op_is_known(int8_t op)
{
    return op >= CONFIG_OP_SET && op <= CONFIG_OP_SUBTRACT;
}

struct config_change {
    enum config_op op;
    struct slice before; /* null: not set; then a list begins with its row's default */
    struct slice value;  /* of the operation */
};

/* The key's text afterwards, in the arena or borrowed; null: not set, or memory is out. A list is
 * changed as Kafka does it, part by part and without looking at what the parts are; its row must be
 * of that type. Work grows as n log n with the texts. */
struct slice config_change_apply(const struct config_row *, const struct config_change *,
                                 struct arena *);

#endif
