/* The binary files beside a segment: offset, time and transaction index, producer snapshot. Entries
 * of zeroes after the last are room that was taken in advance. One thread. */
#include "base/bytes.h"
#include "base/crc32c.h"
#include "cmd/dump_int.h"
#include "sys/file.h"

#include <stdlib.h>

#define INDEX_ENTRY_SIZE 8
#define TIME_ENTRY_SIZE 12
#define TXN_ENTRY_SIZE 34
#define SNAPSHOT_HEAD_SIZE 10
#define SNAPSHOT_ENTRY_SIZE 46
#define ENTRIES_AT_ONCE 1024

/* The number a file is called by: "00000000000000000042.index" is 42. */
static int64_t base_of(const char *path)
{
    const char *name = strrchr(path, '/');
    return strtoll(name != NULL ? name + 1 : path, NULL, 10);
}

typedef bool (*entry_fn)(struct dump *, const uint8_t *entry, int64_t number);

/* Calls on_entry for each whole entry from `position` on, until it returns false. */
static void each_entry(struct dump *dump, int64_t position, size_t entry_size, entry_fn on_entry)
{
    uint8_t bytes[ENTRIES_AT_ONCE * SNAPSHOT_ENTRY_SIZE];
    size_t whole = sizeof bytes / entry_size * entry_size;
    int64_t number = 0;
    for (;;) {
        int64_t got = sys_file_read_at(dump->fd, bytes, whole, position);
        if (got < 0) {
            dump_fault(dump, "%s", strerror((int)-got));
            return;
        }
        size_t count = (size_t)got / entry_size;
        for (size_t i = 0; i < count; i++)
            if (!on_entry(dump, bytes + i * entry_size, number++))
                return;
        if ((size_t)got < whole) {
            if ((size_t)got % entry_size != 0)
                dump_fault(dump, "%zu bytes after the last entry", (size_t)got % entry_size);
            return;
        }
        position += got;
    }
}

static bool on_index_entry(struct dump *dump, const uint8_t *entry, int64_t number)
{
    int64_t offset = base_of(dump->path) + load_u32(entry);
    uint32_t position = load_u32(entry + 4);
    if (number > 0 && position == 0 && load_u32(entry) == 0)
        return false;
    console_printf(dump->console,
                   dump->json ? "{\"offset\":%lld,\"position\":%u}\n" : "offset=%lld position=%u\n",
                   (long long)offset, position);
    return true;
}

void dump_index(struct dump *dump)
{
    each_entry(dump, 0, INDEX_ENTRY_SIZE, on_index_entry);
}

static bool on_time_entry(struct dump *dump, const uint8_t *entry, int64_t number)
{
    int64_t timestamp = load_i64(entry);
    int64_t offset = base_of(dump->path) + load_u32(entry + 8);
    if (number > 0 && timestamp == 0 && load_u32(entry + 8) == 0)
        return false;
    console_printf(dump->console,
                   dump->json ? "{\"timestamp\":%lld,\"offset\":%lld}\n"
                              : "timestamp=%lld offset=%lld\n",
                   (long long)timestamp, (long long)offset);
    return true;
}

void dump_time_index(struct dump *dump)
{
    each_entry(dump, 0, TIME_ENTRY_SIZE, on_time_entry);
}

static bool on_txn_entry(struct dump *dump, const uint8_t *entry, int64_t number)
{
    (void)number;
    if (load_i16(entry) != 0) {
        dump_fault(dump, "entry version %d is not known", load_i16(entry));
        return false;
    }
    console_printf(dump->console,
                   dump->json ? "{\"producer_id\":%lld,\"first_offset\":%lld,"
                                "\"last_offset\":%lld,\"last_stable_offset\":%lld}\n"
                              : "producer=%lld first_offset=%lld last_offset=%lld "
                                "last_stable_offset=%lld\n",
                   (long long)load_i64(entry + 2), (long long)load_i64(entry + 10),
                   (long long)load_i64(entry + 18), (long long)load_i64(entry + 26));
    return true;
}

void dump_txn_index(struct dump *dump)
{
    each_entry(dump, 0, TXN_ENTRY_SIZE, on_txn_entry);
}

static void print_producer(struct dump *dump, const uint8_t *entry)
{
    console_printf(dump->console,
                   dump->json ? "{\"producer_id\":%lld,\"producer_epoch\":%d,\"last_sequence\":%d,"
                                "\"last_offset\":%lld,\"offset_delta\":%d,\"timestamp\":%lld,"
                                "\"coordinator_epoch\":%d,\"current_txn_first_offset\":%lld}\n"
                              : "producer=%lld epoch=%d last_sequence=%d last_offset=%lld "
                                "offset_delta=%d timestamp=%lld coordinator_epoch=%d "
                                "current_txn_first_offset=%lld\n",
                   (long long)load_i64(entry), load_i16(entry + 8), load_i32(entry + 10),
                   (long long)load_i64(entry + 14), load_i32(entry + 22),
                   (long long)load_i64(entry + 26), load_i32(entry + 34),
                   (long long)load_i64(entry + 38));
}

void dump_producer_snapshot(struct dump *dump)
{
    uint8_t *bytes = (uint8_t *)dump_read_whole(dump);
    if (bytes == NULL)
        return;
    int64_t count = dump->size >= SNAPSHOT_HEAD_SIZE ? load_i32(bytes + 6) : -1;
    if (count < 0 || load_i16(bytes) != 1 ||
        dump->size < SNAPSHOT_HEAD_SIZE + count * SNAPSHOT_ENTRY_SIZE) {
        dump_fault(dump, "not a producer snapshot of version 1");
        free(bytes);
        return;
    }
    for (int64_t i = 0; i < count; i++)
        print_producer(dump, bytes + SNAPSHOT_HEAD_SIZE + i * SNAPSHOT_ENTRY_SIZE);
    if (crc32c(0, bytes + 6, (size_t)dump->size - 6) != load_u32(bytes + 2))
        dump_fault(dump, "the checksum does not match");
    free(bytes);
}
