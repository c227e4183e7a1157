/* The leader epoch checkpoint; see the header. The file: "0", the count, then "epoch offset"
 * lines. */
#include "log/epoch.h"

#include "log/checkpoint.h"

#include <stdlib.h>

void log_epochs_init(struct log_epochs *epochs)
{
    *epochs = (struct log_epochs){0};
}

void log_epochs_fini(struct log_epochs *epochs)
{
    free(epochs->entries);
    *epochs = (struct log_epochs){0};
}

bool log_epochs_assign(struct log_epochs *epochs, struct log_epoch entry)
{
    if (entry.epoch < 0)
        return true;
    if (epochs->count > 0 && epochs->entries[epochs->count - 1].epoch == entry.epoch)
        return true;
    while (epochs->count > 0 &&
           (epochs->entries[epochs->count - 1].epoch >= entry.epoch ||
            epochs->entries[epochs->count - 1].start_offset >= entry.start_offset))
        epochs->count--;
    if (epochs->count == epochs->capacity) {
        int capacity = epochs->capacity > 0 ? epochs->capacity * 2 : 4;
        struct log_epoch *entries = realloc(epochs->entries, (size_t)capacity * sizeof *entries);
        if (entries == NULL)
            return false;
        epochs->entries = entries;
        epochs->capacity = capacity;
    }
    epochs->entries[epochs->count++] = entry;
    epochs->changed = true;
    return true;
}

void log_epochs_cut(struct log_epochs *epochs, int64_t end_offset)
{
    while (epochs->count > 0 && epochs->entries[epochs->count - 1].start_offset >= end_offset) {
        epochs->count--;
        epochs->changed = true;
    }
}

void log_epochs_cut_start(struct log_epochs *epochs, int64_t start_offset)
{
    int gone = 0;
    while (gone + 1 < epochs->count && epochs->entries[gone + 1].start_offset <= start_offset)
        gone++;
    if (epochs->count == 0 || epochs->entries[0].start_offset >= start_offset)
        return;
    epochs->count -= gone;
    memmove(epochs->entries, epochs->entries + gone,
            (size_t)epochs->count * sizeof epochs->entries[0]);
    epochs->entries[0].start_offset = start_offset;
    epochs->changed = true;
}

int32_t log_epochs_latest(const struct log_epochs *epochs)
{
    return epochs->count > 0 ? epochs->entries[epochs->count - 1].epoch : -1;
}

int32_t log_epochs_at(const struct log_epochs *epochs, int64_t offset)
{
    for (int i = epochs->count - 1; i >= 0; i--)
        if (epochs->entries[i].start_offset <= offset)
            return epochs->entries[i].epoch;
    return -1;
}

struct log_epoch log_epochs_end(const struct log_epochs *epochs, int32_t epoch, int64_t end_offset)
{
    int32_t latest = log_epochs_latest(epochs);
    if (epoch == -1 || latest < 0 || epoch > latest)
        return (struct log_epoch){.epoch = -1, .start_offset = -1};
    if (epoch == latest)
        return (struct log_epoch){.epoch = epoch, .start_offset = end_offset};
    for (int i = epochs->count - 1; i >= 0; i--) {
        const struct log_epoch *entry = &epochs->entries[i];
        if (entry->epoch <= epoch)
            return (struct log_epoch){.epoch = entry->epoch,
                                      .start_offset = epochs->entries[i + 1].start_offset};
    }
    /* Older than all we have: it ended where ours begin. */
    return (struct log_epoch){.epoch = epoch, .start_offset = epochs->entries[0].start_offset};
}

void log_epochs_write(const struct log_epochs *epochs, struct text *text)
{
    text_printf(text, "0\n%d\n", epochs->count);
    for (int i = 0; i < epochs->count; i++)
        text_printf(text, "%d %lld\n", epochs->entries[i].epoch,
                    (long long)epochs->entries[i].start_offset);
}

bool log_epochs_read(struct log_epochs *epochs, struct slice text)
{
    struct slice rest = text;
    int64_t version;
    int64_t count;
    if (!checkpoint_number(&rest, &version) || version != 0 || !checkpoint_number(&rest, &count) ||
        count < 0)
        return false;
    for (int64_t i = 0; i < count; i++) {
        int64_t epoch;
        int64_t offset;
        if (!checkpoint_number(&rest, &epoch) || !checkpoint_number(&rest, &offset) || epoch < 0 ||
            epoch > INT32_MAX || offset < 0)
            return false;
        struct log_epoch entry = {.epoch = (int32_t)epoch, .start_offset = offset};
        if (!log_epochs_assign(epochs, entry))
            return false;
    }
    epochs->changed = false;
    struct slice more;
    return !checkpoint_word(&rest, &more);
}
