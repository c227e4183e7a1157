/* See the header. What was written to last is only known by looking at the folders, which a worker
 * does before the first log is opened: until it was opened a replica stays in the set. */
#include "replica/opening.h"

#include "replica/replica_int.h"
#include "sys/journal.h"

#include <stdlib.h>

/* Fewer are opened before anybody could tell the order. */
#define SURVEY_MIN 8
#define PROGRESS_MS 3000

struct replica_survey {
    struct shard_job job;
    struct replica_set *set;
    int count;
    struct surveyed {
        const char *name; /* the replica's: it lives until it was opened */
        struct replica *replica;
        int64_t written_ms;
    } folders[];
};

static void on_progress(struct shard *, struct shard_timer *);

void replica_openings_init(struct replica_openings *openings)
{
    *openings = (struct replica_openings){.starting = true};
    list_init(&openings->pending);
    shard_timer_init(&openings->timer, on_progress);
}

/* ---- telling ---- */

static void tell(const struct replica_set *set, const char *event)
{
    const struct replica_openings *openings = &set->openings;
    int64_t ms = (shard_now_ns(set->shard) - openings->begun_ns) / 1000000;
    journal(JOURNAL_INFO, event,
            "shard=%d opened=%d left=%d offline=%d damaged=%d scanned_bytes=%lld cut_bytes=%lld "
            "seconds=%lld.%03lld",
            shard_index(set->shard), openings->done, openings->total - openings->done,
            openings->offline, openings->damaged, (long long)openings->scanned_bytes,
            (long long)openings->cut_bytes, (long long)(ms / 1000), (long long)(ms % 1000));
}

static void on_progress(struct shard *shard, struct shard_timer *timer)
{
    struct replica_openings *openings = CONTAINER_OF(timer, struct replica_openings, timer);
    const struct replica_set *set = CONTAINER_OF(openings, const struct replica_set, openings);
    role_now_on_shard();
    tell(set, "recovery_progress");
    shard_timer_start(shard, timer, PROGRESS_MS);
}

static void tell_start(struct replica_set *set) ON(on_shard)
{
    struct replica_openings *openings = &set->openings;
    openings->begun_ns = shard_now_ns(set->shard);
    for (int i = 0; i < set->dir_count; i++)
        openings->after_crash = openings->after_crash || !set->dirs[i].was_clean;
    if (openings->after_crash && openings->total > 0)
        journal(JOURNAL_INFO, "recovery_started", "shard=%d partitions=%d why=\"%s\"",
                shard_index(set->shard), openings->total, "the node was not stopped cleanly");
    shard_timer_start(set->shard, &openings->timer, PROGRESS_MS);
}

static void tell_end(struct replica_set *set) ON(on_shard)
{
    struct replica_openings *openings = &set->openings;
    shard_timer_stop(set->shard, &openings->timer);
    openings->starting = false;
    if (openings->after_crash && openings->total > 0)
        tell(set, "recovery_ended");
}

/* ---- order ---- */

static struct replica *of_link(struct list *link)
{
    return CONTAINER_OF(link, struct replica, opening_link);
}

static int compare_written(const void *a, const void *b)
{
    const struct surveyed *left = a;
    const struct surveyed *right = b;
    return (left->written_ms < right->written_ms) - (left->written_ms > right->written_ms);
}

static void survey_run(struct shard_job *job)
{
    role_now_on_worker();
    struct replica_survey *survey = CONTAINER_OF(job, struct replica_survey, job);
    const struct replica_set *set = survey->set; /* its directories do not change */
    for (int i = 0; i < survey->count; i++) {
        struct surveyed *folder = &survey->folders[i];
        for (int d = 0; d < set->dir_count; d++)
            folder->written_ms =
                MAX_OF(folder->written_ms, log_folder_written_ms(set->dirs[d].fd, folder->name));
    }
    qsort(survey->folders, (size_t)survey->count, sizeof survey->folders[0], compare_written);
}

static void dispatch(struct replica_set *) ON(on_shard);

/* Those that wait still go behind those that are wanted, in the survey's order. */
static void survey_done(struct shard *shard, struct shard_job *job)
{
    role_now_on_shard();
    (void)shard;
    struct replica_survey *survey = CONTAINER_OF(job, struct replica_survey, job);
    struct replica_openings *openings = &survey->set->openings;
    for (int i = 0; i < survey->count; i++) {
        struct replica *replica = survey->folders[i].replica;
        if (replica->is_wanted)
            continue;
        list_remove(&replica->opening_link);
        list_add_tail(&openings->pending, &replica->opening_link);
    }
    openings->survey = NULL;
    struct replica_set *set = survey->set;
    free(survey);
    dispatch(set);
}

static void survey(struct replica_set *set) ON(on_shard)
{
    struct replica_openings *openings = &set->openings;
    size_t size = sizeof(struct replica_survey) + (size_t)openings->total * sizeof(struct surveyed);
    struct replica_survey *survey = malloc(size);
    if (survey == NULL)
        return; /* any order will do */
    *survey =
        (struct replica_survey){.job = {.run = survey_run, .on_done = survey_done}, .set = set};
    LIST_EACH (&openings->pending, link) {
        struct replica *replica = of_link(link);
        survey->folders[survey->count++] =
            (struct surveyed){.name = replica->name, .replica = replica};
    }
    openings->survey = survey;
    shard_submit(set->shard, &survey->job);
}

/* ---- the queue ---- */

static void dispatch(struct replica_set *set)
{
    struct replica_openings *openings = &set->openings;
    while (openings->survey == NULL && openings->running < MAX_OF(set->config->workers, 1) &&
           !list_is_empty(&openings->pending)) {
        struct replica *replica = of_link(list_take_first(&openings->pending));
        openings->running++;
        shard_submit(set->shard, &replica->job);
    }
    if (openings->starting && openings->running == 0 && openings->survey == NULL)
        tell_end(set);
}

void replica_openings_add(struct replica *replica)
{
    struct replica_openings *openings = &replica->set->openings;
    list_add_tail(&openings->pending, &replica->opening_link);
    openings->total += openings->starting ? 1 : 0;
    if (openings->begun_ns != 0)
        dispatch(replica->set);
}

void replica_openings_want(struct replica *replica)
{
    if (replica->is_wanted || list_is_empty(&replica->opening_link))
        return;
    replica->is_wanted = true;
    list_remove(&replica->opening_link);
    list_add_head(&replica->set->openings.pending, &replica->opening_link);
}

void replica_openings_begin(struct replica_set *set)
{
    struct replica_openings *openings = &set->openings;
    if (!openings->starting || openings->begun_ns != 0)
        return;
    tell_start(set);
    if (openings->after_crash && openings->total >= SURVEY_MIN)
        survey(set);
    dispatch(set);
}

void replica_openings_done(struct replica_set *set, enum err err, const struct log_recovery *found)
{
    struct replica_openings *openings = &set->openings;
    openings->running--;
    openings->done += openings->starting ? 1 : 0;
    openings->offline += err != ERR_NONE ? 1 : 0;
    openings->damaged += found->damage_count > 0 ? 1 : 0;
    openings->scanned_bytes += found->scanned_bytes;
    openings->cut_bytes += found->cut_bytes;
    dispatch(set);
}
