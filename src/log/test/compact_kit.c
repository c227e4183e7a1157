/* See the header. */
#include "log/test/compact_kit.h"

#include "base/always.h"
#include "log/log_int.h"

/* The one that is waited for; a test runs one at a time. */
struct waiting {
    struct compact_kit *compact;
    struct log_kit *kit;
    bool begun;
};

static struct waiting waiting;

static void on_done(void *context, const struct log_compact_result *result)
{
    struct waiting *w = (struct waiting *)context;
    w->compact->result = *result;
    log_kit_finish(w->kit);
}

static void begin(struct log_kit *kit)
{
    role_now_on_shard();
    struct compact_kit *compact = waiting.compact;
    struct log *log = log_kit_log(kit);
    log_cleanable(log,
                  &(struct log_cleanable_query){.cleaned_to = compact->cleaned_to,
                                                .stable_offset = log_first_unstable_offset(log),
                                                .wall_ms = compact->wall_ms,
                                                .end_max = compact->end_max},
                  &compact->range);
    bool due = compact->may_not_be_due ? compact->range.dirty_bytes > 0
                                       : log_cleanable_is_due(log, &compact->range);
    waiting.begun =
        due && log_compact(log, &(struct log_compact_options){
                                    .range = compact->range,
                                    .high_watermark = log_end_offset(log),
                                    .wall_ms = compact->wall_ms,
                                    .map_size = compact->map_size > 0 ? compact->map_size : 1 << 20,
                                    .load_factor = 0.9,
                                    .buffer_size = 4096,
                                    .key = {{3, 4}},
                                    .on_done = on_done,
                                    .context = &waiting,
                                });
    if (!waiting.begun)
        log_kit_finish(kit);
}

bool compact_kit_run(struct log_kit *kit, struct compact_kit *compact)
{
    waiting = (struct waiting){.compact = compact, .kit = kit};
    log_kit_begin(kit, begin);
    log_kit_pause(kit);
    return waiting.begun;
}
