/* The directories' checkpoint files while the node runs: now and then every shard is asked for its
 * offsets, one after the other, and a worker writes what came together. Each of the three files has
 * an interval of its own; a round writes those that are due. Nothing is written while nothing
 * changes. Who wishes that something be stored at once gets a round of its own, or shares one with
 * others: one that was under way may have asked its shard before. On shard 0, but the asking on
 * each shard. */
#include "server/checkpoints.h"

#include "base/always.h"
#include "log/checkpoint.h"
#include "replica/set.h"
#include "server/node_int.h"
#include "sys/journal.h"

#include <errno.h>
#include <stdlib.h>

enum kind { RECOVERY_POINTS, LOG_STARTS, HIGH_WATERMARKS, KIND_COUNT };

#define NEVER INT64_MAX
/* Until a shard that had no image is asked again. */
#define AGAIN_MS 10

/* One of the files. */
struct schedule {
    int64_t due_ms; /* monotonic; NEVER */
    uint64_t seen;  /* changes of all shards when it was written last */
    bool wanted;    /* in the round under way */
};

struct checkpoints {
    struct shard_timer timer;
    struct schedule schedules[KIND_COUNT];
    struct shard_message message;
    struct shard_job job;
    struct shard *home;
    const struct node_config *config;
    struct log_dir *dirs;
    int dir_count;
    int next_shard; /* that is asked next */
    bool away;      /* a round or a job is under way */
    bool gathers;   /* in this round: the shards were, or need not be, asked what changed */
    bool failed;    /* memory was out in this round */
    bool hurries;   /* another round is due soon after it */
    bool early;     /* in this round, a shard did not have an image yet */
    bool started;
    bool stopped;
    struct list wishes; /* replica_persist that the next round serves */
    struct list served; /* those that this round serves */
    uint64_t changes;   /* of all shards */
    int error;
    const char *error_path;
    struct replica_points *points; /* one a directory */
};

static void clear(struct checkpoints *c)
{
    for (int i = 0; i < c->dir_count; i++) {
        checkpoint_fini(&c->points[i].recovery_points);
        checkpoint_fini(&c->points[i].log_starts);
        checkpoint_fini(&c->points[i].high_watermarks);
        checkpoint_init(&c->points[i].recovery_points);
        checkpoint_init(&c->points[i].log_starts);
        checkpoint_init(&c->points[i].high_watermarks);
    }
}

/* ---- writing ---- */

static int write_kind(const struct checkpoints *c, int dir, enum kind kind) NOT_ON(on_shard)
{
    const struct replica_points *points = &c->points[dir];
    int fd = c->dirs[dir].fd;
    switch (kind) {
    case RECOVERY_POINTS:
        return checkpoint_write(&points->recovery_points, fd, CHECKPOINT_RECOVERY_POINT);
    case LOG_STARTS:
        return checkpoint_write(&points->log_starts, fd, CHECKPOINT_LOG_START);
    case HIGH_WATERMARKS:
    case KIND_COUNT:
        break;
    }
    return checkpoint_write(&points->high_watermarks, fd, CHECKPOINT_HIGH_WATERMARK);
}

/* A directory that cannot be written to is offline; one that is full is written to later. */
static void write_dir(struct checkpoints *c, int dir) NOT_ON(on_shard)
{
    int error = 0;
    for (int kind = 0; kind < KIND_COUNT && error == 0; kind++)
        if (c->schedules[kind].wanted)
            error = write_kind(c, dir, (enum kind)kind);
    if (error == 0)
        return;
    if (!log_error_passes(error))
        log_dir_fail(&c->dirs[dir], &(struct log_dir_fault){.file = "*-checkpoint",
                                                            .why = "it cannot be written",
                                                            .error = error});
    c->error = error;
    c->error_path = c->dirs[dir].path;
}

static void write_run(struct shard_job *job)
{
    role_now_on_worker();
    struct checkpoints *c = CONTAINER_OF(job, struct checkpoints, job);
    c->error = 0;
    for (int i = 0; i < c->dir_count; i++)
        if (!log_dir_is_offline(&c->dirs[i]))
            write_dir(c, i);
}

/* ---- when ---- */

static int64_t interval_of(const struct checkpoints *c, int kind)
{
    const int64_t intervals[KIND_COUNT] = {
        [RECOVERY_POINTS] = c->config->log_flush_offset_checkpoint_interval_ms,
        [LOG_STARTS] = c->config->log_flush_start_offset_checkpoint_interval_ms,
        [HIGH_WATERMARKS] = c->config->replica_high_watermark_checkpoint_interval_ms,
    };
    return intervals[kind];
}

/* As Kafka's scheduler: without an interval a file is written once. */
static void set_next(struct checkpoints *c, int kind)
{
    int64_t interval = interval_of(c, kind);
    int64_t now = shard_now_ms(c->home);
    bool some = interval > 0 && interval < NEVER - now;
    c->schedules[kind].due_ms = some ? now + interval : NEVER;
}

static void await_next(struct checkpoints *c)
{
    role_now_on_shard();
    int64_t now_ms = shard_now_ms(c->home);
    int64_t due = list_is_empty(&c->wishes) ? NEVER : now_ms + (c->early ? AGAIN_MS : 0);
    for (int kind = 0; kind < KIND_COUNT && !c->stopped; kind++)
        due = MIN_OF(due, c->schedules[kind].due_ms);
    if (due != NEVER)
        shard_timer_start(c->home, &c->timer, MAX_OF(due - now_ms, 0));
}

/* Each goes back to its shard; or, where a shard could not tell yet, waits for another round. */
static void answer_wishes(struct checkpoints *c) ON(on_shard)
{
    struct list *link;
    if (c->early) {
        list_move_all(&c->served, &c->wishes);
        return;
    }
    while ((link = list_take_first(&c->served)) != NULL) {
        struct replica_persist *wish = CONTAINER_OF(link, struct replica_persist, link);
        wish->error = c->failed ? -ENOMEM : c->error;
        if (c->stopped && wish->everything && wish->error == 0)
            wish->error = -ECANCELED; /* of recovery points nothing was written */
        shard_forward(c->home, &wish->message);
    }
}

static void end_round(struct checkpoints *c)
{
    role_now_on_shard();
    for (int kind = 0; kind < KIND_COUNT; kind++)
        if (c->schedules[kind].wanted)
            set_next(c, kind);
    c->away = false;
    if (c->hurries)
        checkpoints_hurry(c);
    clear(c);
    answer_wishes(c);
    await_next(c);
}

static void write_done(struct shard *shard, struct shard_job *job)
{
    (void)shard;
    struct checkpoints *c = CONTAINER_OF(job, struct checkpoints, job);
    if (c->error < 0)
        journal(JOURNAL_WARN, "checkpoint_failed", "directory=%s error=\"%s\" effect=\"%s\"",
                c->error_path, strerror(-c->error), "the start after a crash reads more");
    else
        for (int kind = 0; kind < KIND_COUNT; kind++)
            if (c->schedules[kind].wanted)
                c->schedules[kind].seen = c->changes;
    end_round(c);
}

/* ---- asking ---- */

static void ask(struct shard *there, struct shard_message *message)
{
    role_now_on_shard();
    struct checkpoints *c = CONTAINER_OF(message, struct checkpoints, message);
    const struct replica_set *set = server_shard_of(there)->api.replicas;
    c->changes += set->changes;
    c->early = c->early || set->image_end < 0;
    for (int i = 0; i < c->dir_count && c->gathers && !c->failed; i++)
        c->failed = !replica_set_points(set, i, &c->points[i]);
    shard_forward(there, message);
}

static void answered(struct shard *home, struct shard_message *message);

static const struct shard_route route_ask = {.name = "checkpoints", .run = {ask, answered}};

static bool is_news(const struct checkpoints *c)
{
    for (int kind = 0; kind < KIND_COUNT; kind++)
        if (c->schedules[kind].wanted && c->schedules[kind].seen != c->changes)
            return true;
    return false;
}

static void ask_shard(struct checkpoints *c)
{
    role_now_on_shard();
    struct shard_set *set = shard_siblings(c->home);
    shard_send(c->home, shard_set_at(set, c->next_shard++), &c->message, &route_ask);
}

static void ask_first(struct checkpoints *c, bool gathers)
{
    c->gathers = gathers;
    c->changes = 0;
    c->next_shard = 0;
    ask_shard(c);
}

/* With many partitions their offsets are some work: they are gathered when there is news. */
static void ask_next(struct checkpoints *c)
{
    role_now_on_shard();
    if (c->next_shard < shard_set_count(shard_siblings(c->home))) {
        ask_shard(c);
        return;
    }
    bool wished = !list_is_empty(&c->served);
    if (c->failed || c->early || (!wished && (!is_news(c) || c->stopped))) {
        end_round(c);
        return;
    }
    if (!c->gathers) {
        ask_first(c, true);
        return;
    }
    c->job = (struct shard_job){.run = write_run, .on_done = write_done};
    shard_submit(c->home, &c->job);
}

static void answered(struct shard *home, struct shard_message *message)
{
    (void)home;
    ask_next(CONTAINER_OF(message, struct checkpoints, message));
}

/* While logs are being closed their recovery points are in between: only the starts are whole. */
static void begin_round(struct checkpoints *c)
{
    int64_t now_ms = shard_now_ms(c->home);
    bool everything = false;
    list_move_all(&c->wishes, &c->served);
    LIST_EACH (&c->served, link)
        everything = CONTAINER_OF(link, struct replica_persist, link)->everything || everything;
    for (int kind = 0; kind < KIND_COUNT; kind++)
        c->schedules[kind].wanted =
            !c->stopped && (everything || c->schedules[kind].due_ms <= now_ms);
    if (!list_is_empty(&c->served))
        c->schedules[LOG_STARTS].wanted = true;
    c->away = true;
    c->failed = false;
    c->early = false;
    c->error = 0;
    ask_first(c, !list_is_empty(&c->served));
}

static void on_due(struct shard *shard, struct shard_timer *timer)
{
    role_now_on_shard();
    (void)shard;
    begin_round(CONTAINER_OF(timer, struct checkpoints, timer));
}

/* ---- wishes ---- */

static void on_wish(struct shard *home, struct shard_message *message)
{
    role_now_on_shard();
    struct replica_persist *wish = CONTAINER_OF(message, struct replica_persist, message);
    struct checkpoints *c = server_shard_of(home)->node->checkpoints;
    list_add_tail(&c->wishes, &wish->link);
    if (c->away || !c->started)
        return;
    shard_timer_stop(home, &c->timer);
    begin_round(c);
}

static void on_wish_served(struct shard *there, struct shard_message *message)
{
    (void)there;
    struct replica_persist *wish = CONTAINER_OF(message, struct replica_persist, message);
    wish->on_done(wish);
}

static const struct shard_route route_wish = {.name = "checkpoint_wish",
                                              .run = {on_wish, on_wish_served}};

void checkpoints_persist(struct replica_set *set, struct replica_persist *wish)
{
    struct shard *home = server_shard_of(set->shard)->node->checkpoints->home;
    shard_send(set->shard, home, &wish->message, &route_wish);
}

/* ---- life ---- */

struct checkpoints *checkpoints_new(const struct node_config *config, struct log_dir *dirs,
                                    int dir_count, struct shard *home)
{
    struct checkpoints *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->points = calloc((size_t)dir_count, sizeof *c->points);
    if (c->points == NULL) {
        free(c);
        return NULL;
    }
    c->config = config;
    c->dirs = dirs;
    c->dir_count = dir_count;
    c->home = home;
    list_init(&c->wishes);
    list_init(&c->served);
    for (int i = 0; i < dir_count; i++) {
        checkpoint_init(&c->points[i].recovery_points);
        checkpoint_init(&c->points[i].log_starts);
        checkpoint_init(&c->points[i].high_watermarks);
    }
    shard_timer_init(&c->timer, on_due);
    return c;
}

void checkpoints_start(struct checkpoints *c)
{
    c->started = true;
    for (int kind = 0; kind < KIND_COUNT; kind++)
        c->schedules[kind].due_ms =
            shard_now_ms(c->home) + MIN_OF(c->config->log_initial_task_delay_ms, INT32_MAX);
    await_next(c);
}

/* Not more often than this. */
#define HURRY_MS 1000

void checkpoints_hurry(struct checkpoints *c)
{
    static const enum kind hurried[] = {RECOVERY_POINTS, LOG_STARTS};
    if (c->home == NULL || c->stopped)
        return;
    c->hurries = c->away; /* the round under way may have asked too early */
    for (size_t i = 0; i < COUNT_OF(hurried); i++) {
        struct schedule *schedule = &c->schedules[hurried[i]];
        schedule->due_ms = MIN_OF(schedule->due_ms, shard_now_ms(c->home) + HURRY_MS);
    }
    if (!c->away)
        await_next(c);
}

void checkpoints_stop(struct checkpoints *c)
{
    c->stopped = true;
    shard_timer_stop(c->home, &c->timer);
    if (!c->away)
        await_next(c);
}

void checkpoints_free(struct checkpoints *c)
{
    if (c == NULL)
        return;
    clear(c);
    for (int i = 0; i < c->dir_count; i++) {
        checkpoint_fini(&c->points[i].recovery_points);
        checkpoint_fini(&c->points[i].log_starts);
        checkpoint_fini(&c->points[i].high_watermarks);
    }
    free(c->points);
    free(c);
}
