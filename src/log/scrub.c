/* Piece by piece through a log; see the header. Segments come and go in between, so a place is the
 * base offset of a segment and a position in it. On the owning shard. */
#include "log/scrub.h"

#include "log/check.h"
#include "sys/journal.h"

static void on_checked(struct log_check_waiter *waiter, int error)
{
    struct log_scrub *scrub = CONTAINER_OF(waiter, struct log_scrub, waiter);
    if (waiter->from == scrub->position && waiter->reached > scrub->position) {
        scrub->size = waiter->reached - scrub->position;
        scrub->position = waiter->reached;
    }
    if (error < 0) {
        journal(JOURNAL_ERROR, "scrub_failed",
                "log=%s segment=%020lld position=%lld error=\"%s\" hint=\"%s\"", scrub->log->name,
                (long long)scrub->segment_base, (long long)scrub->position, strerror(-error),
                "the rest of this segment is passed over; look at the disk");
        scrub->position = INT64_MAX;
    }
    scrub->on_step(scrub);
}

/* Where the segment is to be looked at next; its size: nowhere. */
static int64_t next_position(const struct log_scrub *scrub, const struct log_segment *segment)
{
    if (scrub->position >= segment->size)
        return segment->size;
    return scrub->again ? scrub->position : log_checked_end(segment, scrub->position);
}

bool log_scrub_step(struct log *log, struct log_scrub *scrub, int64_t size)
{
    scrub->log = log;
    scrub->size = 0;
    scrub->waiter.on_ready = on_checked;
    list_init(&scrub->waiter.link);
    for (int at = log_segment_at(log, scrub->segment_base); at < log->segment_count; at++) {
        struct log_segment *segment = log->segments[at];
        if (segment->base_offset != scrub->segment_base) {
            scrub->segment_base = segment->base_offset;
            scrub->position = 0;
        }
        scrub->position = next_position(scrub, segment);
        struct log_piece piece = {.position = scrub->position,
                                  .until = scrub->position + size,
                                  .is_boundary = true,
                                  .leaves_no_traces = true};
        if (scrub->position < segment->size &&
            log_check_piece(log, segment, &piece, &scrub->waiter) == 0)
            return true;
    }
    return false;
}
