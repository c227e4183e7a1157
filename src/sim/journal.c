/* The log of all nodes, kept for the test to read and mixed into the trace: a line that differs
 * between two runs of one seed is a difference of the runs. */
#include "sys/journal.h"

#include "base/logfmt.h"
#include "sim/sim_int.h"
#include "sys/clock.h"

#include <stdarg.h>
#include <stdio.h>

#define LINE_SIZE_MAX 4096

static const char *const level_names[] = {
    [JOURNAL_DEBUG] = "debug",
    [JOURNAL_INFO] = "info",
    [JOURNAL_WARN] = "warn",
    [JOURNAL_ERROR] = "error",
};

/* The older half goes when the journal is full. */
static void keep(struct sim_world *world, struct slice line)
{
    if (world->journal.size + line.size > world->journal.limit) {
        struct text kept;
        text_init(&kept, world->journal.limit);
        text_add(&kept, slice_from(text_slice(&world->journal), world->journal.size / 2));
        text_fini(&world->journal);
        world->journal = kept;
    }
    text_add(&world->journal, line);
}

void journal(enum journal_level level, const char *event, const char *format, ...)
{
    struct sim_world *world = sim_here();
    if ((int)level < world->journal_level)
        return;
    char line[LINE_SIZE_MAX];
    const struct logfmt_head head = {
        .wall_ms = sys_wall_ms(),
        .level = level_names[level],
        .event = event,
    };
    va_list args;
    va_start(args, format);
    size_t size = logfmt_line(line, sizeof line, &head, format, args);
    va_end(args);
    struct slice bytes = slice_of(line, size);
    sim_trace("journal", (uint64_t)level, slice_hash(bytes, 0));
    keep(world, bytes);
    if (world->verbose)
        (void)fprintf(stderr, "%s", line);
}

void journal_set_level(enum journal_level level)
{
    sim_here()->journal_level = (int)level;
}
