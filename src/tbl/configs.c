/* The arrays of configuration rows as one table. Constant data: any thread. */
#include "tbl/configs_int.h"

#include <string.h>

struct part {
    const struct config_row *rows;
    const size_t *count;
};

static const struct part parts[] = {
    {tbl_configs_node, &tbl_configs_node_count},
    {tbl_configs_log, &tbl_configs_log_count},
    {tbl_configs_coord, &tbl_configs_coord_count},
    {tbl_configs_security, &tbl_configs_security_count},
    {tbl_configs_topic, &tbl_configs_topic_count},
    {tbl_configs_group, &tbl_configs_group_count},
    {tbl_configs_own, &tbl_configs_own_count},
};

#define PART_COUNT (sizeof parts / sizeof parts[0])

size_t config_row_count(void)
{
    size_t count = 0;
    for (size_t i = 0; i < PART_COUNT; i++)
        count += *parts[i].count;
    return count;
}

const struct config_row *config_row_at(size_t index)
{
    for (size_t i = 0; i < PART_COUNT; i++) {
        if (index < *parts[i].count)
            return &parts[i].rows[index];
        index -= *parts[i].count;
    }
    return NULL;
}

static const struct config_row *find_in(const struct part *part, const char *name, size_t size)
{
    for (size_t i = 0; i < *part->count; i++) {
        const char *candidate = part->rows[i].name;
        if (strncmp(candidate, name, size) == 0 && candidate[size] == '\0')
            return &part->rows[i];
    }
    return NULL;
}

const struct config_row *config_row_find(enum config_scope scope, const char *name, size_t size)
{
    for (size_t i = 0; i < PART_COUNT; i++) {
        if (parts[i].rows[0].scope != scope)
            continue;
        const struct config_row *row = find_in(&parts[i], name, size);
        if (row != NULL)
            return row;
    }
    return NULL;
}
