/* Room on the disks: a reserve of each file system is left to what must always be written (the
 * metadata log, checkpoints, indexes, recovery), so records are refused before the disk is full and
 * taken again when there is room. How much is free is asked whenever a part of it was given out,
 * which costs a microsecond and no disk access. Topics of the cluster itself may use half of the
 * reserve: consumers could not say where they are otherwise. On the set's shard. */
#include "replica/replica_int.h"

#include "sys/dir.h"
#include "sys/journal.h"

/* The reserve where it is not configured: a hundredth of the file system, within these. */
#define RESERVE_MAX (1024LL * 1024 * 1024)
#define RESERVE_MIN (4LL * 1024 * 1024)
#define RESERVE_PARTS 100
/* No more than this part of a small file system. */
#define RESERVE_PARTS_SMALL 10

/* What is given out between two looks: of what is free this part, within these. */
#define PART_OF_FREE 4
#define PART_MIN (64LL * 1024)
#define PART_MAX (64LL * 1024 * 1024)

#define LOOK_MS 1000

static int64_t reserve_of(const struct replica_set *set, int64_t total)
{
    int64_t reserve = MIN_OF(MAX_OF(total / RESERVE_PARTS, RESERVE_MIN), RESERVE_MAX);
    int64_t configured = set->config->disk_reserve_bytes;
    return configured >= 0 ? configured : MIN_OF(reserve, total / RESERVE_PARTS_SMALL);
}

/* So much more must be free for writing to go on. */
static int64_t slack_of(int64_t reserve)
{
    return reserve > 0 ? reserve / 4 + 1 : 0;
}

static void say_full(const struct log_dir *dir, int64_t left, int64_t reserve)
{
    journal(JOURNAL_ERROR, "disk_full",
            "directory=%s free_bytes=%lld reserve_bytes=%lld hint=\"%s\"", dir->path,
            (long long)left, (long long)reserve,
            "records for it are refused with KAFKA_STORAGE_ERROR until space returns: delete "
            "topics, lower their retention, move partitions (ottla logdirs --move) or enlarge "
            "the disk; ottla.disk.reserve.bytes sets the reserve");
}

/* Asks the file system. One that cannot be asked is taken to have room: the write will tell. */
static void look(struct replica_set *set, int at) ON(on_shard)
{
    struct log_dir *dir = &set->dirs[at];
    struct replica_room *room = &set->rooms[at];
    int64_t left;
    int64_t total;
    if (log_dir_is_offline(dir) || sys_dir_space(dir->fd, &left, &total) < 0) {
        room->allowance = PART_MAX;
        room->full = false;
        return;
    }
    int64_t reserve = reserve_of(set, total);
    int shards = shard_set_count(shard_siblings(set->shard));
    room->full = left < reserve + (room->full ? slack_of(reserve) : 0);
    room->half_full = left < reserve / 2;
    int64_t free_for_all = MAX_OF(left - reserve, (int64_t)0) / shards / PART_OF_FREE;
    room->allowance = MIN_OF(MAX_OF(free_for_all, PART_MIN), PART_MAX);
    bool was_full = stats_level_swap(&dir->full, room->full) != 0;
    if (room->full && !was_full)
        say_full(dir, left, reserve);
    if (!room->full && was_full)
        journal(JOURNAL_INFO, "disk_has_room", "directory=%s free_bytes=%lld", dir->path,
                (long long)left);
    if (room->full && !shard_timer_is_running(&set->room_timer))
        shard_timer_start(set->shard, &set->room_timer, LOOK_MS);
}

/* While one is full it is looked at now and then, also when nobody writes. */
static void on_look(struct shard *shard, struct shard_timer *timer)
{
    role_now_on_shard();
    (void)shard;
    struct replica_set *set = CONTAINER_OF(timer, struct replica_set, room_timer);
    for (int i = 0; i < set->dir_count; i++)
        if (set->rooms[i].full)
            look(set, i);
}

void replica_room_init(struct replica_set *set)
{
    shard_timer_init(&set->room_timer, on_look);
}

void replica_room_stop(struct replica_set *set)
{
    shard_timer_stop(set->shard, &set->room_timer);
}

bool replica_room_take(struct replica *replica, int64_t size)
{
    struct replica_set *set = replica->set;
    struct replica_room *room = &set->rooms[replica->dir_index];
    room->allowance -= size;
    if (room->allowance < 0)
        look(set, replica->dir_index);
    bool is_internal = replica->name[0] == '_' && replica->name[1] == '_';
    return !(is_internal ? room->half_full : room->full);
}
