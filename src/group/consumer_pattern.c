/* See the header. All patterns of a group are looked for at once, in order of topic names, some
 * topics in each turn, by the image of that turn; what has come or gone meanwhile is found by the
 * next time, which the new image asks for. On the partition's shard. */
#include "group/consumer_pattern.h"

#include "config/node.h"
#include "group/consumer_regex.h"
#include "meta/image.h"

#include <stdlib.h>

/* Kafka's: so long the topics of patterns stay as they are at least. */
#define PAUSE_MS 10000
/* Matches of one turn, in bytes of names times those of compiled patterns: some milliseconds. */
#define TURN_COST ((size_t)4 * 1024 * 1024)

struct matcher {
    struct slice text;
    struct consumer_regex *regex; /* NULL: it is none, and matches nothing */
    struct slice *topics;         /* in the arena */
    int topic_count;
    int topic_capacity;
};

struct consumer_resolution {
    struct shard_timer timer;
    struct consumer_group *consumer;
    struct arena arena;
    struct matcher *matchers;
    int matcher_count;
    struct slice next; /* the name to go on from; null: not begun */
    int64_t version;
    int64_t began_at_ms;
};

const char *consumer_pattern_fault(struct slice text, struct arena *arena)
{
    const char *fault = NULL;
    consumer_regex_free(consumer_regex_new(text, arena, &fault));
    return fault;
}

bool consumer_pattern_changed(const struct consumer_member *member, struct slice before,
                              const struct consumer_writer *writer)
{
    const struct consumer_group *consumer = member->group;
    const struct consumer_pattern *old = consumer_pattern_find(consumer, before);
    const struct consumer_pattern *now =
        consumer_pattern_find(consumer, member->profile.subscribed_topic_regex);
    bool is_resolved =
        now != NULL ? now->member_count > 1 && now->is_resolved : !consumer_no_pattern(before);
    if (!consumer_no_pattern(before) && (old == NULL || old->member_count == 0))
        consumer_bury_pattern(writer, before);
    return is_resolved;
}

/* ---- the result ---- */

static bool has_same_topics(const struct consumer_pattern *pattern, const struct matcher *matcher)
{
    return consumer_names_same(pattern->topics, pattern->topic_count, matcher->topics,
                               matcher->topic_count);
}

/* Patterns that nobody has any more are left out. */
static bool record_matches(struct consumer_resolution *resolution,
                           const struct consumer_writer *writer)
{
    bool changed = false;
    for (int i = 0; i < resolution->matcher_count; i++) {
        const struct matcher *matcher = &resolution->matchers[i];
        const struct consumer_pattern *pattern =
            consumer_pattern_find(resolution->consumer, matcher->text);
        if (pattern == NULL || pattern->member_count == 0)
            continue;
        changed = changed || !has_same_topics(pattern, matcher);
        consumer_put_pattern(writer, matcher->text,
                             &(struct consumer_resolved){
                                 .topics = matcher->topics,
                                 .topic_count = matcher->topic_count,
                                 .version = resolution->version,
                                 .at_ms = resolution->began_at_ms,
                             });
    }
    return changed;
}

static void finish(struct consumer_resolution *resolution)
{
    struct consumer_group *consumer = resolution->consumer;
    struct consumer_writer writer = {
        .groups = consumer->group->groups,
        .group_id = consumer->group->id,
        .arena = &resolution->arena,
    };
    bool changed = record_matches(resolution, &writer);
    int64_t hash = consumer_metadata_hash(consumer, &resolution->arena);
    if (changed || hash != consumer->metadata_hash) {
        consumer_put_epoch(&writer, consumer->epoch + 1, hash);
        consumer->topics_version = writer.groups->topics_version;
    }
    consumer_resolution_stop(consumer);
}

/* ---- looking ---- */

static void add_topic(struct consumer_resolution *resolution, struct matcher *matcher,
                      struct slice name)
{
    if (matcher->topic_count == matcher->topic_capacity) {
        int capacity = matcher->topic_capacity * 2 + 8;
        struct slice *topics = CONSUMER_ARRAY(&resolution->arena, struct slice, capacity);
        if (matcher->topic_count > 0)
            memcpy(topics, matcher->topics, (size_t)matcher->topic_count * sizeof *topics);
        matcher->topics = topics;
        matcher->topic_capacity = capacity;
    }
    matcher->topics[matcher->topic_count++] = arena_copy(&resolution->arena, name);
}

static size_t match_topic(struct consumer_resolution *resolution, struct slice name)
{
    size_t cost = 0;
    for (int i = 0; i < resolution->matcher_count; i++) {
        struct matcher *matcher = &resolution->matchers[i];
        if (matcher->regex == NULL)
            continue;
        cost += consumer_regex_cost(matcher->regex) * (name.size + 1);
        if (consumer_regex_matches(matcher->regex, name))
            add_topic(resolution, matcher, name);
    }
    return cost + 1;
}

static void on_turn(struct shard *shard, struct shard_timer *timer)
{
    (void)shard;
    struct consumer_resolution *resolution = CONTAINER_OF(timer, struct consumer_resolution, timer);
    struct coord_world *world = consumer_world(resolution->consumer);
    struct pmap_iterator iterator;
    struct pmap_entry entry;
    size_t cost = 0;
    pmap_iterate(world->image->topics_by_name, resolution->next, &iterator);
    while (pmap_next(&iterator, &entry)) {
        if (cost >= TURN_COST) {
            resolution->next = arena_copy(&resolution->arena, entry.key);
            coord_timer_start(world, timer, 0);
            return;
        }
        cost += match_topic(resolution, entry.key);
    }
    finish(resolution);
}

static void begin(struct consumer_group *consumer)
{
    struct coord_world *world = consumer_world(consumer);
    struct consumer_resolution *resolution = calloc(1, sizeof *resolution);
    if (resolution == NULL)
        return; /* the next heartbeat tries again */
    arena_init(&resolution->arena, SIZE_MAX / 2);
    resolution->consumer = consumer;
    resolution->version = world->image->end_offset - 1;
    resolution->began_at_ms = world->wall_ms;
    resolution->matchers =
        CONSUMER_ARRAY(&resolution->arena, struct matcher, consumer->pattern_count);
    LIST_EACH (&consumer->patterns, node) {
        const struct consumer_pattern *pattern =
            CONTAINER_OF(node, const struct consumer_pattern, link);
        if (pattern->member_count == 0)
            continue;
        struct matcher *matcher = &resolution->matchers[resolution->matcher_count++];
        const char *fault;
        matcher->text = arena_copy(&resolution->arena, pattern->text);
        matcher->regex = consumer_regex_new(pattern->text, &resolution->arena, &fault);
    }
    shard_timer_init(&resolution->timer, on_turn);
    consumer->resolution = resolution;
    coord_timer_start(world, &resolution->timer, 0);
}

void consumer_resolution_stop(struct consumer_group *consumer)
{
    struct consumer_resolution *resolution = consumer->resolution;
    if (resolution == NULL)
        return;
    coord_timer_stop(consumer_world(consumer), &resolution->timer);
    for (int i = 0; i < resolution->matcher_count; i++)
        consumer_regex_free(resolution->matchers[i].regex);
    arena_fini(&resolution->arena);
    free(resolution);
    consumer->resolution = NULL;
}

/* One that is resolved; they are all of the same time. */
static const struct consumer_pattern *any_resolved(const struct consumer_group *consumer)
{
    LIST_EACH (&consumer->patterns, node) {
        const struct consumer_pattern *pattern =
            CONTAINER_OF(node, const struct consumer_pattern, link);
        if (pattern->is_resolved)
            return pattern;
    }
    return NULL;
}

void consumer_patterns_consider(struct consumer_group *consumer)
{
    if (consumer->pattern_count == 0 || consumer->resolution != NULL)
        return;
    const struct consumer_pattern *last = any_resolved(consumer);
    const struct coord_world *world = consumer_world(consumer);
    int64_t age_ms = last != NULL ? world->wall_ms - last->resolved_at_ms : INT64_MAX;
    if (age_ms >= 0 && age_ms <= PAUSE_MS)
        return;
    bool is_due = consumer->pattern_count != consumer->resolved_count || last == NULL ||
                  last->version < consumer->group->groups->new_topic_version || age_ms < 0 ||
                  age_ms > world->config->group_consumer_regex_refresh_interval_ms;
    if (is_due)
        begin(consumer);
}
