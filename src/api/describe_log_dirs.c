/* DescribeLogDirs, versions 1 to 5: the node's log directories, what room they have, and the
 * partitions in them. Every shard lists its own; the file systems are asked by a worker. On the
 * request's shard, but the listing on each. */
#include "api/gather.h"
#include "api/handlers.h"
#include "replica/set.h"
#include "sys/dir.h"
#include "wire/msg/describe_log_dirs_request.h"
#include "wire/msg/describe_log_dirs_response.h"

#include <stdlib.h>

#define ARENA_MAX (256U * 1024 * 1024)

/* One shard's list. */
struct listing {
    struct api_part part; /* first: api/gather.h */
    const struct describe_log_dirs_request *asked;
    struct arena arena;
    struct replica_place_row *rows;
    int count;
};

struct dirs_state {
    struct api_gather gather;
    struct api_request *request;
    struct listing *listings; /* one a shard */
    int listing_count;
    struct replica_place_row *rows; /* of all */
    int row_count;
    struct shard_job job;
    struct describe_log_dirs_response response;
};

/* ---- the partitions ---- */

static bool is_wanted(const struct describe_log_dirs_request *asked, struct slice topic,
                      int32_t partition)
{
    if (asked->topics_count < 0)
        return true;
    for (int32_t i = 0; i < asked->topics_count; i++) {
        if (!slice_equal(asked->topics[i].topic, topic))
            continue;
        for (int32_t p = 0; p < asked->topics[i].partitions_count; p++)
            if (asked->topics[i].partitions[p] == partition)
                return true;
    }
    return false;
}

static void add_row(struct listing *listing, const struct replica_place_row *row)
{
    if (!is_wanted(listing->asked, row->topic, row->partition))
        return;
    struct replica_place_row *copy = &listing->rows[listing->count];
    *copy = *row;
    copy->topic = arena_copy(&listing->arena, row->topic);
    listing->count += !slice_is_null(copy->topic);
}

static void on_row(void *context, const struct replica_place_row *row)
{
    add_row(context, row);
}

static void run_part(struct api_shard *there, struct api_part *part)
{
    role_now_on_shard();
    struct listing *listing = CONTAINER_OF(part, struct listing, part);
    size_t most = 2 * there->replicas->table.count; /* a partition and where it is moved to */
    listing->rows = ARENA_ARRAY(&listing->arena, struct replica_place_row, most + 1);
    if (listing->rows != NULL)
        replica_set_places(there->replicas, on_row, listing);
    api_part_done(there, part);
}

/* ---- the answer ---- */

static int by_place(const void *a, const void *b)
{
    const struct replica_place_row *left = a;
    const struct replica_place_row *right = b;
    int order = left->dir - right->dir;
    if (order == 0)
        order = slice_compare(left->topic, right->topic);
    return order != 0 ? order
                      : (left->partition > right->partition) - (left->partition < right->partition);
}

/* Takes the rows of all shards over, in order of directory and topic. false: memory is out. */
static bool take_rows(struct dirs_state *state)
{
    struct arena *arena = &state->request->arena;
    size_t count = 0;
    for (int i = 0; i < state->listing_count; i++)
        count += (size_t)state->listings[i].count;
    state->rows = ARENA_ARRAY(arena, struct replica_place_row, count + 1);
    for (int i = 0; i < state->listing_count; i++) {
        struct listing *listing = &state->listings[i];
        for (int at = 0; at < listing->count && state->rows != NULL; at++) {
            struct replica_place_row *row = &state->rows[state->row_count++];
            *row = listing->rows[at];
            row->topic = arena_copy(arena, row->topic);
        }
        arena_fini(&listing->arena);
    }
    if (arena->failed || state->rows == NULL)
        return false;
    qsort(state->rows, count, sizeof *state->rows, by_place);
    return true;
}

/* rows[0 .. count) are of one directory. */
static bool fill_topics(struct arena *arena, const struct replica_place_row *rows, int count,
                        struct describe_log_dirs_response_results *result)
{
    result->topics =
        ARENA_ARRAY(arena, struct describe_log_dirs_response_results_topics, (size_t)count + 1);
    struct describe_log_dirs_response_results_topics_partitions *partitions = ARENA_ARRAY(
        arena, struct describe_log_dirs_response_results_topics_partitions, (size_t)count + 1);
    if (result->topics == NULL || partitions == NULL)
        return false;
    struct describe_log_dirs_response_results_topics *topic = NULL;
    for (int i = 0; i < count; i++) {
        if (topic == NULL || !slice_equal(topic->name, rows[i].topic)) {
            topic = &result->topics[result->topics_count++];
            *topic = (struct describe_log_dirs_response_results_topics){
                .name = rows[i].topic, .partitions = &partitions[i]};
        }
        partitions[i] = (struct describe_log_dirs_response_results_topics_partitions){
            .partition_index = rows[i].partition,
            .partition_size = rows[i].size,
            .offset_lag = rows[i].offset_lag,
            .is_future_key = rows[i].is_future,
        };
        topic->partitions_count++;
    }
    return true;
}

static bool fill(struct dirs_state *state)
{
    struct api_request *request = state->request;
    const struct replica_set *set = request->here->replicas;
    const struct replica_place_row *rows = state->rows;
    bool fine = true;
    int at = 0;
    for (int i = 0, answer = 0; i < set->dir_count && fine; i++) {
        if (set->dirs[i].metadata_only)
            continue;
        struct describe_log_dirs_response_results *result = &state->response.results[answer++];
        int from = at;
        while (at < state->row_count && rows[at].dir == i)
            at++;
        if (result->error_code == ERR_NONE)
            fine = fill_topics(&request->arena, rows + from, at - from, result);
    }
    return fine;
}

static void on_asked(struct shard *shard, struct shard_job *job)
{
    (void)shard;
    struct dirs_state *state = CONTAINER_OF(job, struct dirs_state, job);
    if (fill(state))
        api_request_answer(state->request, &state->response);
    else
        api_request_fail(state->request, "memory is out");
}

/* ---- the file systems ---- */

static void ask_run(struct shard_job *job)
{
    role_now_on_worker();
    struct dirs_state *state = CONTAINER_OF(job, struct dirs_state, job);
    const struct replica_set *set = state->request->here->replicas;
    for (int i = 0, answer = 0; i < set->dir_count; i++) {
        const struct log_dir *dir = &set->dirs[i];
        if (dir->metadata_only)
            continue;
        struct describe_log_dirs_response_results *result = &state->response.results[answer++];
        bool offline = log_dir_is_offline(dir);
        int64_t usable;
        int64_t total;
        result->error_code = offline ? ERR_KAFKA_STORAGE_ERROR : ERR_NONE;
        if (offline || sys_dir_space(dir->fd, &usable, &total) < 0)
            continue;
        result->total_bytes = total;
        result->usable_bytes = usable;
    }
}

static void on_listed(struct api_shard *here, struct api_gather *gather)
{
    role_now_on_shard();
    struct dirs_state *state = CONTAINER_OF(gather, struct dirs_state, gather);
    if (!take_rows(state)) {
        api_request_fail(state->request, "memory is out");
        return;
    }
    state->job = (struct shard_job){.run = ask_run, .on_done = on_asked, .lane = SHARD_LANE_DATA};
    shard_submit(here->shard, &state->job);
}

/* ---- the request ---- */

static bool begin_results(struct dirs_state *state)
{
    const struct replica_set *set = state->request->here->replicas;
    state->response = describe_log_dirs_response_default;
    state->response.results_count = 0;
    state->response.results = ARENA_ARRAY(
        &state->request->arena, struct describe_log_dirs_response_results, (size_t)set->dir_count);
    if (state->response.results == NULL)
        return false;
    for (int i = 0; i < set->dir_count; i++) {
        if (set->dirs[i].metadata_only)
            continue;
        struct describe_log_dirs_response_results *result =
            &state->response.results[state->response.results_count++];
        *result = describe_log_dirs_response_results_default;
        result->topics_count = 0;
        result->log_dir = slice_of_text(set->dirs[i].path);
    }
    return true;
}

static bool begin_listings(struct dirs_state *state)
{
    struct api_request *request = state->request;
    state->listing_count = state->gather.leg_count;
    state->listings = ARENA_ARRAY(&request->arena, struct listing, (size_t)state->listing_count);
    if (state->listings == NULL) {
        state->listing_count = 0;
        return false;
    }
    bool fine = true;
    for (int i = 0; i < state->listing_count; i++) {
        struct listing *listing = &state->listings[i];
        listing->asked = API_MESSAGE(request, describe_log_dirs_request);
        arena_init(&listing->arena, ARENA_MAX);
        fine = fine && api_gather_add(&state->gather, &request->arena, i, &listing->part);
    }
    return fine;
}

void api_handle_describe_log_dirs(struct api_request *request)
{
    struct dirs_state *state = API_NEW(request, struct dirs_state);
    bool fine = state != NULL && api_gather_init(&state->gather, request->here, &request->arena,
                                                 run_part, on_listed);
    if (fine) {
        state->request = request;
        fine = begin_results(state) && begin_listings(state);
    }
    if (fine)
        api_gather_run(&state->gather);
    else
        api_request_fail(request, "memory is out");
}
