/* How the rows of tbl/configs.h are written, and the arrays they stand in. For tbl/configs*.c
 * only. */
#ifndef TBL_CONFIGS_INT_H
#define TBL_CONFIGS_INT_H

#include "tbl/configs.h"

#include <math.h>

#define CONFIG_ROW_(row_name, row_scope, row_type, row_default) \
    .name = (row_name), .scope = (row_scope), .type = CONFIG_##row_type, \
    .default_text = (row_default)
#define BROKER(name, type, def) CONFIG_ROW_(name, CONFIG_BROKER, type, def)
#define TOPIC(name, type, def) CONFIG_ROW_(name, CONFIG_TOPIC, type, def)
#define GROUP(name, type, def) CONFIG_ROW_(name, CONFIG_GROUP, type, def)
#define OWN(name, type, def) CONFIG_ROW_(name, CONFIG_OWN, type, def)

#define AT_LEAST(low) .check = CHECK_RANGE, .min = (low), .max = (double)INFINITY
#define BETWEEN(low, high) .check = CHECK_RANGE, .min = (low), .max = (high)
#define BETWEEN_OR_OFF(low, high) .check = CHECK_RANGE_OR, .min = (low), .max = (high)
#define ONE_OF(list) .check = CHECK_WORDS, .words = (list)
#define ONE_OF_ANY_CASE(list) .check = CHECK_WORDS_ANY, .words = (list)

#define CLUSTER_WIDE .update = CONFIG_CLUSTER_WIDE
#define PER_BROKER .update = CONFIG_PER_BROKER
#define HONOURED .treatment = CONFIG_HONOURED
#define ACCEPTED .treatment = CONFIG_ACCEPTED
#define REFUSED .treatment = CONFIG_REFUSED
#define JVM .treatment = CONFIG_JVM
#define INTERNAL .internal = true
#define REQUIRED .required = true
#define SYNONYMS(...) .synonyms = {__VA_ARGS__}

extern const struct config_row tbl_configs_node[];
extern const struct config_row tbl_configs_log[];
extern const struct config_row tbl_configs_coord[];
extern const struct config_row tbl_configs_security[];
extern const struct config_row tbl_configs_topic[];
extern const struct config_row tbl_configs_group[];
extern const struct config_row tbl_configs_own[];
extern const size_t tbl_configs_node_count;
extern const size_t tbl_configs_log_count;
extern const size_t tbl_configs_coord_count;
extern const size_t tbl_configs_security_count;
extern const size_t tbl_configs_topic_count;
extern const size_t tbl_configs_group_count;
extern const size_t tbl_configs_own_count;

#endif
