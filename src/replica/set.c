/* Following the image. Only topics whose value changed are looked at, and of those only partitions
 * that changed. Opening, closing and deleting are jobs of workers; a replica is in the table until
 * the last of them is done. On its shard. */
#include "replica/folder.h"
#include "replica/move.h"
#include "replica/replica_int.h"

#include "base/always.h"
#include "meta/effective.h"
#include "meta/record_version.h"
#include "replica/cleaner.h"
#include "sys/dir.h"
#include "sys/entropy.h"
#include "sys/journal.h"
#include "wire/msg/register_broker_record.h"

#include <stdio.h>
#include <stdlib.h>

int replica_shard_of(struct slice topic, int32_t partition, int shard_count)
{
    uint64_t hash = slice_hash(topic, 0);
    return (int)((hash + (uint64_t)(uint32_t)partition) % (uint64_t)shard_count);
}

/* ---- the table ---- */

struct replica_key {
    struct uuid topic_id;
    int32_t partition;
};

static uint64_t key_hash(const struct replica_key *key)
{
    uint64_t hash = slice_hash(slice_of(key->topic_id.bytes, sizeof key->topic_id.bytes), 0);
    return hash_u64(hash + (uint64_t)(uint32_t)key->partition);
}

static bool key_matches(const struct hash_node *node, const void *key)
{
    const struct replica *replica = CONTAINER_OF(node, const struct replica, node);
    const struct replica_key *wanted = key;
    return replica->partition == wanted->partition &&
           uuid_equal(replica->topic_id, wanted->topic_id);
}

struct replica *replica_set_find(const struct replica_set *set, struct uuid topic_id,
                                 int32_t partition)
{
    struct replica_key key = {.topic_id = topic_id, .partition = partition};
    struct hash_node *node = hash_table_find(&set->table, key_hash(&key), key_matches, &key);
    return node != NULL ? CONTAINER_OF(node, struct replica, node) : NULL;
}

bool replica_set_reach(struct replica_set *set, const struct replica_place *place,
                       struct replica_waiter *waiter, struct replica **ret_replica)
{
    struct replica *replica = replica_set_find(set, place->topic_id, place->partition);
    if (replica == NULL && set->image_end < place->image_end && !set->stopping) {
        list_add_tail(&set->waiting_image, &waiter->link);
        return false;
    }
    if (replica != NULL && replica_wait_open(replica, waiter))
        return false;
    *ret_replica = replica;
    return true;
}

void replica_set_init(struct replica_set *set)
{
    list_init(&set->waiting_image);
    set->image_end = -1;
    hash_table_init(&set->table);
    list_init(&set->doomed);
    set->counts.image_end = -1;
    replica_assigner_init(set);
    replica_room_init(set);
    replica_moves_init(set);
    replica_scrubber_init(&set->scrubber);
    replica_openings_init(&set->openings);
    replica_flusher_init(&set->flusher);
    list_init(&set->folders);
    checkpoint_init(&set->forgotten);
    replica_retention_init(set);
}

void replica_set_fini(struct replica_set *set)
{
    ALWAYS(set->table.count == 0, "%zu replicas are still open", set->table.count);
    hash_table_fini(&set->table);
    replica_moves_fini(set);
    checkpoint_fini(&set->forgotten);
    log_files_fini(&set->files);
}

/* Until checkpoints that could not be written are tried again. */
#define STORE_AGAIN_MS 1000
/* Logs of a shard that a stop syncs one by one, some seven syncs each. */
#define SYNC_EACH_MAX 16

static void settle(struct replica_set *set)
{
    if (set->opening_count == 0 && set->closing_count == 0 && set->on_settled != NULL)
        set->on_settled(set);
}

/* What its settings are from now on. */
static void take_configs(struct replica *replica, const struct meta_image *image,
                         const struct meta_topic *topic)
{
    const struct node_dynamic *config = &image->node_dynamic;
    replica->config = *meta_topic_config(image, topic);
    replica->producer_expiration_ms = config->producer_id_expiration_ms;
}

static void submit_opening(struct replica *) ON(on_shard);

static void replica_free(struct replica *replica)
{
    role_now_on_shard();
    struct replica_set *set = replica->set;
    shard_timer_stop(set->shard, &replica->flush_timer);
    replica_flusher_forget(replica);
    hash_table_remove(&set->table, &replica->node);
    list_remove(&replica->doomed_link);
    replica_scrubber_forget(&set->scrubber, replica);
    list_remove(&replica->retention_link);
    if (replica->successor != NULL)
        submit_opening(replica->successor);
    stats_add(set->stats, METRIC_PARTITIONS, -1);
    if (replica->is_uncleanable)
        stats_add(set->stats, METRIC_PARTITIONS_UNCLEANABLE, -1);
    free(replica->opening);
    free(replica->folder);
    free(replica->name);
    free(replica);
}

/* ---- what the start found of a partition ---- */

/* Checkpoints go by name: once a partition's folder is gone they say nothing of the next one. */
static void forget_found(struct replica *replica)
{
    struct replica_set *set = replica->set;
    if (!checkpoint_put(&set->forgotten, slice_of_text(replica->name), 0))
        journal(JOURNAL_WARN, "memory_out", "partition=%s effect=\"%s\"", replica->name,
                "a topic that is made again under that name may be read from the wrong offset "
                "after a crash; restart the node");
}

static int64_t found(const struct replica *replica, const struct checkpoint *checkpoint,
                     int64_t missing)
{
    struct slice name = slice_of_text(replica->name);
    bool forgotten = checkpoint_get(&replica->set->forgotten, name, -1) >= 0;
    return forgotten ? missing : checkpoint_get(checkpoint, name, missing);
}

static bool was_found(const struct replica *replica)
{
    const struct log_dir *dir = &replica->set->dirs[replica->dir_index];
    return found(replica, &dir->recovery_points, -1) >= 0 ||
           found(replica, &dir->log_starts, -1) >= 0 ||
           found(replica, &dir->high_watermarks, -1) >= 0;
}

/* ---- opening ---- */

static void fill_options(struct replica *, int dir_index) NOT_ON(on_shard);

static void open_run(struct shard_job *job)
{
    role_now_on_worker();
    struct replica *replica = CONTAINER_OF(job, struct replica, job);
    struct replica_opening *opening = replica->opening;
    opening->err = ERR_KAFKA_STORAGE_ERROR;
    opening->recovery.fault = replica_home_find(replica->set, replica->name, &opening->home);
    if (opening->recovery.fault != NULL)
        return;
    fill_options(replica, opening->home.dir);
    opening->fresh = sys_exists(opening->options.dir_fd, opening->options.name) == 0;
    if (opening->home.promoted)
        opening->options.recovery_point = 0;
    opening->err = log_open(&opening->options, &opening->log, &opening->recovery);
    opening->fresh = opening->fresh || opening->recovery.set_aside;
}

static void report(const struct replica *replica, const struct replica_opening *opening)
{
    const struct log_recovery *found = &opening->recovery;
    if (found->set_aside)
        journal(JOURNAL_WARN, "folder_set_aside", "partition=%s why=\"%s\" hint=\"%s\"",
                replica->name, "a deleted topic of the same name left it",
                "its name ends in -stray; remove it when nobody needs it");
    if (found->damage_count > 0)
        journal(
            JOURNAL_ERROR, "partition_damaged",
            "partition=%s file=%020lld.log position=%lld offset=%lld places=%d why=\"%s\" "
            "hint=\"%s\"",
            replica->name, (long long)found->damage.segment, (long long)found->damage.position,
            (long long)found->damage.offset, found->damage_count, found->damage.what,
            "nothing was cut; the rest is served. Restore the file from a copy if there is one");
    if (opening->err != ERR_NONE)
        journal(JOURNAL_ERROR, "partition_offline", "partition=%s why=\"%s\" offset=%lld",
                replica->name, found->fault, (long long)found->fault_offset);
    else if (found->cut_bytes > 0)
        journal(JOURNAL_WARN, "partition_recovered", "partition=%s cut_bytes=%lld why=\"%s\"",
                replica->name, (long long)found->cut_bytes, found->fault);
}

static void on_told(struct replica *replica, enum err err)
{
    journal(JOURNAL_DEBUG, "directory_told", "partition=%s directory=%s error=%s", replica->name,
            replica->set->dirs[replica->dir_index].path, err_name(err));
}

/* Where the disks say something else than the controller knows, it is told. */
static void consider_assigning(struct replica *replica, const struct replica_home *home)
{
    role_now_on_shard();
    struct replica_set *set = replica->set;
    struct uuid id = set->dirs[home->dir].identity.directory_id;
    bool told = uuid_equal(home->recorded_id, id);
    if (set->tells_dirs && !set->stopping && !replica->doomed && !told &&
        !replica_assign(replica, id, on_told))
        journal(JOURNAL_WARN, "directory_not_told", "partition=%s", replica->name);
}

static void go_offline(struct replica *replica)
{
    if (replica->state == REPLICA_OFFLINE)
        return;
    replica->state = REPLICA_OFFLINE;
    stats_add(replica->set->stats, METRIC_PARTITIONS_OFFLINE, 1);
}

/* Not again after a move. The checkpoint goes by name: of an empty log it says nothing. */
static void find_cleaned_to(struct replica *replica)
{
    const struct log_dir *dir = &replica->set->dirs[replica->dir_index];
    bool is_empty = log_end_offset(replica->log) == 0;
    if (replica->cleaned_to == REPLICA_CLEANED_UNKNOWN)
        replica->cleaned_to =
            is_empty ? -1 : checkpoint_get(&dir->cleaner_offsets, slice_of_text(replica->name), -1);
}

static void attach_opened(struct replica *replica, struct replica_opening *opening)
{
    role_now_on_shard();
    struct replica_set *set = replica->set;
    replica->log = opening->log;
    replica->lasting_start = log_start_offset(replica->log);
    log_attach(replica->log, set->shard, &set->files);
    replica_configure(replica); /* it may have changed since the opening began */
    find_cleaned_to(replica);
}

static void enter(struct replica *replica, const struct replica_opening *opening)
{
    role_now_on_shard();
    if (log_is_offline(replica->log))
        go_offline(replica);
    else if (opening->leads && !replica->doomed && !replica->set->stopping)
        replica_lead(replica, opening->leader_epoch);
    else
        replica->state = REPLICA_IDLE;
    consider_assigning(replica, &opening->home);
}

static void begin_moves(struct replica *replica)
{
    role_now_on_shard();
    bool first = replica->is_first;
    replica->is_first = false;
    if (replica->log == NULL)
        return;
    if (first)
        replica_move_first(replica);
    else
        replica_move_resume(replica);
}

static void open_end(struct replica *replica) ON(on_shard)
{
    struct replica_set *set = replica->set;
    struct replica_opening *opening = replica->opening;
    replica->opening = NULL;
    set->opening_count--;
    if (opening->err != ERR_NONE)
        go_offline(replica);
    else
        enter(replica, opening);
    free(opening);
    set->changes++;
    replica_wake_all(replica);
    begin_moves(replica);
    replica_close_if_idle(replica);
    settle(set);
}

static void store_without_found(struct replica *) ON(on_shard);

static void on_store_again(struct shard *shard, struct shard_timer *timer)
{
    role_now_on_shard();
    (void)shard;
    store_without_found(CONTAINER_OF(timer, struct replica, flush_timer));
}

static void on_stored(struct replica_persist *persist)
{
    role_now_on_shard();
    struct replica *replica = CONTAINER_OF(persist, const struct replica_opening, persist)->replica;
    if (persist->error == 0 || replica->set->stopping) {
        open_end(replica);
        return;
    }
    replica->flush_timer.on_expired = on_store_again;
    shard_timer_start(replica->set->shard, &replica->flush_timer, STORE_AGAIN_MS);
}

/* The log is new, and what the checkpoints say of its name is of an old one: were it there after a
 * crash, the new one's records would be taken for what is below its start. */
static void store_without_found(struct replica *replica)
{
    struct replica_opening *opening = replica->opening;
    opening->persist = (struct replica_persist){.everything = true, .on_done = on_stored};
    replica_persist(replica->set, &opening->persist);
}

/* A stop does not wait until the checkpoints are tried again: the log is as empty as they say. */
static bool gives_up_storing(struct replica *replica)
{
    role_now_on_shard();
    if (replica->opening == NULL || !shard_timer_is_running(&replica->flush_timer))
        return false;
    shard_timer_stop(replica->set->shard, &replica->flush_timer);
    return true;
}

void replica_opened(struct replica *replica)
{
    struct replica_opening *opening = replica->opening;
    replica->dir_index = opening->home.dir;
    report(replica, opening);
    if (opening->err == ERR_NONE)
        attach_opened(replica, opening);
    if (opening->fresh && was_found(replica)) {
        forget_found(replica);
        store_without_found(replica);
        return;
    }
    open_end(replica);
}

static void open_done(struct shard *shard, struct shard_job *job)
{
    role_now_on_shard();
    (void)shard;
    struct replica *replica = CONTAINER_OF(job, struct replica, job);
    if (replica->opening->err == ERR_NONE)
        replica->is_first = true;
    replica_openings_done(replica->set, replica->opening->err, &replica->opening->recovery);
    replica_opened(replica);
}

/* The rest of what the shard left in the options: what the directory's files say. */
static void fill_options(struct replica *replica, int dir_index)
{
    const struct replica_set *set = replica->set;
    struct log_dir *dir = &set->dirs[dir_index];
    struct slice name = slice_of_text(replica->name);
    struct log_options *options = &replica->opening->options;
    options->dir_fd = dir->fd;
    options->dir = dir;
    if (!replica->opening->is_forgotten) {
        options->recovery_point = checkpoint_get(&dir->recovery_points, name, 0);
        options->log_start_offset = checkpoint_get(&dir->log_starts, name, 0);
        options->cleaned_to = checkpoint_get(&dir->cleaner_offsets, name, 0);
    }
    options->clean = dir->was_clean;
}

static void begin_options(const struct replica *replica, struct log_options *options)
{
    const struct replica_set *set = replica->set;
    *options = (struct log_options){
        .name = replica->name,
        .topic_id = replica->topic_id,
        .config = replica->config,
        .offsets_by_name = true,
        .wall_ms = shard_wall_ms(set->shard),
        .producer_expiration_ms = replica->producer_expiration_ms,
        .producer_check_interval_ms = set->config->producer_id_expiration_check_interval_ms,
    };
}

struct replica_opening *replica_opening_new(struct replica *replica)
{
    struct replica_opening *opening = calloc(1, sizeof *opening);
    if (opening == NULL)
        return NULL;
    opening->replica = replica;
    begin_options(replica, &opening->options);
    return opening;
}

static struct replica *replica_new(struct replica_set *set, const struct meta_topic *topic,
                                   const struct meta_partition *partition)
{
    struct replica *replica = calloc(1, sizeof *replica);
    struct replica_opening *opening = calloc(1, sizeof *opening);
    char name[288];
    (void)snprintf(name, sizeof name, "%.*s-%d", SLICE_ARG(topic->name), partition->id);
    char *copy = strdup(name);
    if (replica == NULL || opening == NULL || copy == NULL) {
        free(replica);
        free(opening);
        free(copy);
        return NULL;
    }
    replica->set = set;
    replica->topic_id = topic->id;
    replica->partition = partition->id;
    replica->name = copy;
    replica->opening = opening;
    replica->dir_index = -1;
    replica->next_dir = -1;
    replica->cleaned_to = REPLICA_CLEANED_UNKNOWN;
    list_init(&replica->doomed_link);
    list_init(&replica->assign_link);
    list_init(&replica->scrub_link);
    list_init(&replica->opening_link);
    list_init(&replica->unflushed_link);
    opening->replica = replica;
    list_init(&replica->retention_link);
    replica_init_waiting(replica);
    shard_timer_init(&replica->flush_timer, NULL);
    struct replica_key key = {.topic_id = topic->id, .partition = partition->id};
    if (!hash_table_insert(&set->table, &replica->node, key_hash(&key))) {
        free(opening);
        free(copy);
        free(replica);
        return NULL;
    }
    stats_add(set->stats, METRIC_PARTITIONS, 1);
    return replica;
}

static void take_partition(struct replica *replica, const struct meta_partition *partition)
{
    replica->isr_count = partition->isr.count;
    replica->replica_count = partition->replicas.count;
}

static void submit_opening(struct replica *replica)
{
    struct slice name = slice_of_text(replica->name);
    replica->opening->is_forgotten = checkpoint_get(&replica->set->forgotten, name, -1) >= 0;
    replica->job = (struct shard_job){.run = open_run, .on_done = open_done};
    replica_openings_add(replica);
}

/* The last doomed one of that name: its folder is in the way. NULL: there is none. */
static struct replica *find_predecessor(const struct replica_set *set, const char *name)
{
    LIST_EACH (&set->doomed, node) {
        struct replica *doomed = CONTAINER_OF(node, struct replica, doomed_link);
        if (doomed->successor == NULL && strcmp(doomed->name, name) == 0)
            return doomed;
    }
    return NULL;
}

static void open_replica(struct replica_set *set, const struct meta_image *image,
                         const struct meta_topic *topic, const struct meta_partition *partition)
{
    role_now_on_shard();
    struct replica *replica = replica_new(set, topic, partition);
    if (replica == NULL) {
        journal(JOURNAL_ERROR, "partition_offline", "partition=%.*s-%d why=\"memory is out\"",
                SLICE_ARG(topic->name), partition->id);
        return;
    }
    take_configs(replica, image, topic);
    take_partition(replica, partition);
    replica_home_init(set, image, partition, &replica->opening->home);
    replica->opening->leads = partition->leader == set->config->node_id;
    replica->opening->leader_epoch = partition->leader_epoch;
    begin_options(replica, &replica->opening->options);
    replica->state = REPLICA_OPENING;
    set->opening_count++;
    struct replica *before = find_predecessor(set, replica->name);
    if (before != NULL)
        before->successor = replica;
    else
        submit_opening(replica);
}

/* ---- following ---- */

static void change_replica(struct replica *replica, const struct meta_image *image,
                           const struct meta_topic *topic, const struct meta_partition *partition)
{
    role_now_on_shard();
    bool leads = partition->leader == replica->set->config->node_id;
    take_partition(replica, partition);
    take_configs(replica, image, topic);
    if (replica->state == REPLICA_OPENING) {
        replica->opening->leads = leads;
        replica->opening->leader_epoch = partition->leader_epoch;
        return;
    }
    if (replica->log == NULL || replica->state == REPLICA_CLOSING)
        return;
    replica_configure(replica);
    if (replica->state == REPLICA_OFFLINE)
        return;
    if (leads) {
        replica_lead(replica, partition->leader_epoch);
        return;
    }
    replica->state = REPLICA_IDLE;
    replica_wake_all(replica);
}

/* Nothing that its partitions' logs follow. */
static bool is_unchanged(const struct meta_image *before, const struct meta_image *now,
                         const struct meta_topic *topic)
{
    if (pmap_find(before->topics_by_id, slice_of(topic->id.bytes, sizeof topic->id.bytes)) != topic)
        return false;
    if (before->configs.root == now->configs.root)
        return true;
    return meta_broker_configs_are_same(before, now) &&
           meta_config_find(before, META_CONFIG_TOPIC, topic->name) ==
               meta_config_find(now, META_CONFIG_TOPIC, topic->name);
}

static bool is_ours(const struct replica_set *set, const struct meta_partition *partition,
                    struct slice topic)
{
    int shards = shard_set_count(shard_siblings(set->shard));
    if (replica_shard_of(topic, partition->id, shards) != shard_index(set->shard))
        return false;
    for (int32_t i = 0; i < partition->replicas.count; i++)
        if (partition->replicas.at[i] == set->config->node_id)
            return true;
    return false;
}

static void follow_topic(struct replica_set *set, const struct meta_image *image,
                         const struct meta_topic *topic)
{
    struct pmap_iterator partitions;
    struct pmap_entry entry;
    pmap_iterate(topic->partitions, (struct slice){0}, &partitions);
    while (pmap_next(&partitions, &entry)) {
        const struct meta_partition *partition = entry.value;
        if (!is_ours(set, partition, topic->name))
            continue;
        struct replica *replica = replica_set_find(set, topic->id, partition->id);
        if (replica == NULL)
            open_replica(set, image, topic, partition);
        else
            change_replica(replica, image, topic, partition);
    }
}

static void doom(struct replica *replica)
{
    role_now_on_shard();
    replica->doomed = true;
    if (replica->cleaned_to >= 0)
        cleaners_forget(replica->set->cleaners, replica);
    list_add_tail(&replica->set->doomed, &replica->doomed_link);
    if (replica->state == REPLICA_LEADER)
        replica->state = REPLICA_IDLE;
    if (replica->state != REPLICA_OPENING)
        replica_wake_all(replica);
    replica_close_if_idle(replica);
}

static void forget_topic(struct replica_set *set, const struct meta_topic *topic)
{
    struct pmap_iterator partitions;
    struct pmap_entry entry;
    pmap_iterate(topic->partitions, (struct slice){0}, &partitions);
    while (pmap_next(&partitions, &entry)) {
        const struct meta_partition *partition = entry.value;
        struct replica *replica = replica_set_find(set, topic->id, partition->id);
        if (replica != NULL)
            doom(replica);
    }
}

/* As whom this node speaks to the controller. */
static void note_broker(struct replica_set *set, const struct meta_image *now) ON(on_shard)
{
    const struct meta_broker *broker = meta_broker_find(now, set->config->node_id);
    int64_t epoch = broker != NULL ? broker->record->broker_epoch : -1;
    bool is_new = epoch != set->broker_epoch;
    set->broker_epoch = epoch;
    if (is_new)
        replica_assigner_go(set);
    set->tells_dirs = meta_level_has(now, META_LEVEL_DIRECTORIES);
}

void replica_set_follow(struct replica_set *set, const struct meta_image *before,
                        const struct meta_image *now)
{
    struct pmap_iterator topics;
    struct pmap_entry entry;
    if (set->stopping)
        return;
    note_broker(set, now);
    set->folder_delay_ms = now->topic_defaults.file_delete_delay_ms;
    replica_retention_begin(set);
    if (before != NULL) {
        pmap_iterate(before->topics_by_id, (struct slice){0}, &topics);
        while (pmap_next(&topics, &entry))
            if (pmap_find(now->topics_by_id, entry.key) == NULL)
                forget_topic(set, entry.value);
    }
    pmap_iterate(now->topics_by_id, (struct slice){0}, &topics);
    while (pmap_next(&topics, &entry))
        if (before == NULL || !is_unchanged(before, now, entry.value))
            follow_topic(set, now, entry.value);
    replica_openings_begin(set);
    set->image_end = now->end_offset;
    replica_scrubber_start(set);
    replica_wake(&set->waiting_image);
}

/* ---- closing ---- */

static void close_run(struct shard_job *job)
{
    role_now_on_worker();
    struct replica *replica = CONTAINER_OF(job, struct replica, job);
    int error;
    if (replica->doomed) {
        uint8_t random[16];
        struct uuid id;
        do
            sys_entropy(random, sizeof random);
        while (!uuid_from_random(random, &id));
        char name[LOG_FOLDER_NAME_SIZE]; /* without memory the next start removes it */
        error = log_delete(replica->closing, id,
                           replica->folder != NULL ? replica->folder->name : name);
    } else {
        error = replica->set->leaves_sync ? log_close_unsynced(replica->closing)
                                          : log_close(replica->closing, true);
    }
    replica->close_error = error;
    if (error < 0)
        journal(JOURNAL_WARN,
                replica->doomed ? "partition_delete_failed" : "partition_close_failed",
                "partition=%s error=\"%s\"", replica->name, strerror(-error));
}

void replica_set_closed_one(struct replica_set *set)
{
    set->closing_count--;
    settle(set);
}

void replica_closed(struct replica *replica)
{
    struct replica_set *set = replica->set;
    replica_free(replica);
    replica_set_closed_one(set);
}

static void close_done(struct shard *shard, struct shard_job *job)
{
    role_now_on_shard();
    (void)shard;
    struct replica *replica = CONTAINER_OF(job, struct replica, job);
    struct replica_set *set = replica->set;
    if (set->points != NULL && replica->close_error < 0 && !replica->doomed)
        set->points[replica->dir_index].close_failed = true;
    struct replica_folder *folder = replica->folder;
    if (replica->doomed)
        forget_found(replica);
    if (folder != NULL && replica->close_error == 0) {
        replica->folder = NULL;
        replica_folder_wait(folder);
        return;
    }
    replica_closed(replica);
}

static bool keep_point(const struct replica *replica, const struct checkpoint *from,
                       struct checkpoint *to)
{
    int64_t offset = found(replica, from, -1);
    return offset < 0 || checkpoint_put(to, slice_of_text(replica->name), offset);
}

/* A log that is not open, or could not be opened, is as far as the start found it: without its
 * recovery point the next start would take flushed records for a torn tail. false: memory is
 * out. */
static bool keep_points(const struct replica *replica, int dir_index, struct replica_points *points)
{
    const struct log_dir *dir = &replica->set->dirs[dir_index];
    return keep_point(replica, &dir->recovery_points, &points->recovery_points) &&
           keep_point(replica, &dir->log_starts, &points->log_starts) &&
           keep_point(replica, &dir->high_watermarks, &points->high_watermarks);
}

/* The stop is then no clean one: the next start has to look at what this one could not open. */
static void note_unopened(struct replica *replica)
{
    struct replica_set *set = replica->set;
    if (set->points == NULL || replica->doomed)
        return;
    for (int i = 0; i < set->dir_count; i++) {
        if (replica->dir_index >= 0 && replica->dir_index != i)
            continue;
        /* Where no directory has it none is left unclean. */
        set->points[i].left_unopened = set->points[i].left_unopened || replica->dir_index == i;
        if (!keep_points(replica, i, &set->points[i]))
            set->points[i].close_failed = true;
    }
}

void replica_close_if_idle(struct replica *replica)
{
    struct replica_set *set = replica->set;
    replica_move_consider(replica);
    bool wanted = replica->doomed || set->stopping;
    if (!wanted || replica->operations > 0 || replica->state == REPLICA_OPENING ||
        replica->state == REPLICA_CLOSING)
        return;
    replica->state = REPLICA_CLOSING;
    list_remove(&replica->retention_link);
    set->closing_count++;
    shard_timer_stop(set->shard, &replica->flush_timer);
    if (replica->log == NULL) {
        note_unopened(replica);
        replica->job = (struct shard_job){.on_done = close_done};
        close_done(set->shard, &replica->job);
        return;
    }
    log_when_idle(replica->log, replica_log_idle, replica);
}

/* Closing flushes, so its end will be its recovery point. */
static void note_closing(struct replica *replica)
{
    struct replica_points *points = &replica->set->points[replica->dir_index];
    struct slice name = slice_of_text(replica->name);
    int64_t start = log_start_offset(replica->log);
    bool fine = checkpoint_put(&points->recovery_points, name, log_end_offset(replica->log)) &&
                checkpoint_put(&points->high_watermarks, name, replica->high_watermark) &&
                (start == 0 || checkpoint_put(&points->log_starts, name, start));
    points->close_failed = points->close_failed || !fine;
}

void replica_log_idle(void *context)
{
    role_now_on_shard();
    struct replica *replica = context;
    if (replica->set->points != NULL && !replica->doomed)
        note_closing(replica);
    log_detach(replica->log);
    replica->closing = replica->log; /* the worker's: who comes late finds none */
    replica->log = NULL;
    replica->folder = replica->doomed ? replica_folder_new(replica) : NULL;
    replica->job = (struct shard_job){.run = close_run, .on_done = close_done};
    shard_submit(replica->set->shard, &replica->job);
}

/* A sync of everything waits for what others have written to that disk, too. */
static void choose_sync(struct replica_set *set)
{
    set->leaves_sync = set->points != NULL && set->table.count > SYNC_EACH_MAX;
    for (int i = 0; i < set->dir_count && set->leaves_sync; i++)
        set->points[i].unsynced = true;
}

void replica_set_stop(struct replica_set *set)
{
    set->stopping = true;
    choose_sync(set);
    replica_assigner_stop(set);
    replica_room_stop(set);
    replica_moves_stop(set);
    replica_scrubber_stop(set);
    replica_retention_stop(set);
    replica_folders_forget(set);
    struct hash_node *node = hash_table_next(&set->table, NULL);
    while (node != NULL) {
        struct replica *replica = CONTAINER_OF(node, struct replica, node);
        node = hash_table_next(&set->table, node);
        if (gives_up_storing(replica)) {
            open_end(replica); /* which closes it */
            continue;
        }
        if (replica->state == REPLICA_LEADER)
            replica->state = REPLICA_IDLE;
        if (replica->state != REPLICA_OPENING)
            replica_wake_all(replica);
        replica_close_if_idle(replica);
    }
    replica_wake(&set->waiting_image);
    settle(set);
}

/* ---- a directory that failed ---- */

void replica_set_dir_failed(struct replica_set *set, int dir_index)
{
    for (struct hash_node *node = hash_table_next(&set->table, NULL); node != NULL;
         node = hash_table_next(&set->table, node)) {
        struct replica *replica = CONTAINER_OF(node, struct replica, node);
        bool open = replica->state == REPLICA_LEADER || replica->state == REPLICA_IDLE;
        if (replica->dir_index != dir_index || !open)
            continue;
        go_offline(replica);
        replica_refuse_all(replica, ERR_KAFKA_STORAGE_ERROR);
    }
}

/* ---- checkpoints ---- */

bool replica_set_points(const struct replica_set *set, int dir_index, struct replica_points *points)
{
    /* Of those that a stop has closed, the starts count already. */
    bool fine = set->points == NULL ||
                checkpoint_add(&points->log_starts, &set->points[dir_index].log_starts);
    for (struct hash_node *node = hash_table_next(&set->table, NULL); node != NULL && fine;
         node = hash_table_next(&set->table, node)) {
        const struct replica *replica = CONTAINER_OF(node, struct replica, node);
        bool elsewhere = replica->dir_index >= 0 && replica->dir_index != dir_index;
        bool closed = replica->state == REPLICA_CLOSING && replica->log == NULL;
        if (elsewhere || closed || replica->doomed)
            continue;
        struct slice name = slice_of_text(replica->name);
        if (replica->log == NULL) {
            fine = keep_points(replica, dir_index, points);
            continue;
        }
        fine = checkpoint_put(&points->recovery_points, name, log_recovery_point(replica->log)) &&
               checkpoint_put(&points->high_watermarks, name, replica->high_watermark) &&
               (log_start_offset(replica->log) == 0 ||
                checkpoint_put(&points->log_starts, name, log_start_offset(replica->log)));
    }
    return fine;
}

/* ---- places ---- */

/* false: it has no files that could be told of now. */
static bool fill_place(const struct replica *replica, struct replica_place_row *ret_row)
{
    int64_t size = replica->log != NULL ? log_size(replica->log) : replica_move_size(replica);
    int64_t lag = replica->log != NULL ? replica->high_watermark - log_end_offset(replica->log) : 0;
    if (size < 0 || replica->doomed || log_dir_is_offline(&replica->set->dirs[replica->dir_index]))
        return false;
    *ret_row = (struct replica_place_row){
        .dir = replica->dir_index,
        .topic = slice_of(replica->name, (size_t)(strrchr(replica->name, '-') - replica->name)),
        .partition = replica->partition,
        .size = size,
        .offset_lag = MAX_OF(lag, (int64_t)0),
    };
    return true;
}

void replica_set_places(const struct replica_set *set,
                        void (*on_row)(void *, const struct replica_place_row *), void *context)
{
    for (struct hash_node *node = hash_table_next(&set->table, NULL); node != NULL;
         node = hash_table_next(&set->table, node)) {
        const struct replica *replica = CONTAINER_OF(node, struct replica, node);
        struct replica_place_row row;
        if (!fill_place(replica, &row))
            continue;
        on_row(context, &row);
        if (replica_move_place(replica, &row))
            on_row(context, &row);
    }
}
