/* See the header. */
#include "coord/test/coord_kit.h"

#include "base/always.h"
#include "config/node.h"
#include "coord/record.h"
#include "meta/image.h"
#include "wire/json.h"
#include "wire/messages.h"
#include "wire/msg/feature_level_record.h"
#include "wire/msg/partition_record.h"
#include "wire/msg/remove_topic_record.h"
#include "wire/msg/topic_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define STORY_MAX ((size_t)4 * 1024 * 1024)
#define VALUES_MAX 64
#define SETTINGS_MAX 16

/* One thing of the log. */
struct kit_entry {
    struct list link;
    bool is_end;
    struct coord_txn_end end;
    struct slice key; /* in the kit's arena */
    struct slice value;
    int64_t producer_id;
    int16_t producer_epoch;
};

struct kit_value {
    char name[32];
    char text[256];
};
static struct kit_value values[VALUES_MAX];
static int value_count;

static struct coord_kit *kit_of(struct coord_world *world)
{
    return CONTAINER_OF(world, struct coord_kit, world);
}

/* ---- what the machine does ---- */

static void tell_answers(struct coord_kit *kit)
{
    for (struct kit_call *call = kit->calls; call != NULL; call = call->next) {
        bool ready = call->answered && !call->told &&
                     (!kit->holds_commits || call->records <= kit->committed);
        if (!ready)
            continue;
        call->told = true;
        text_printf(&kit->story, "< %s: %s", call->name, err_name(call->call.err));
        const struct wire_message *message = wire_response(call->api_key);
        if (call->call.err == ERR_NONE && message != NULL && call->call.response != NULL) {
            text_add_char(&kit->story, ' ');
            wire_json_print(message, call->call.api_version, call->call.response, &kit->story);
        }
        text_add_char(&kit->story, '\n');
    }
}

static void on_answer(struct coord_world *world, struct coord_call *coord_call)
{
    struct kit_call *call = CONTAINER_OF(coord_call, struct kit_call, call);
    list_remove(&coord_call->link);
    ALWAYS(!call->answered, "%s is answered twice", call->name);
    call->answered = true;
    call->records = kit_of(world)->log_count;
}

static void add_entry(struct coord_kit *kit, const struct kit_entry *entry)
{
    struct kit_entry *copy = malloc(sizeof *copy);
    ALWAYS(copy != NULL, "memory for the test");
    *copy = *entry;
    list_add_tail(&kit->log, &copy->link);
    kit->log_count++;
    if (!kit->holds_commits)
        kit->committed = kit->log_count;
}

static void on_record(struct coord_world *world, const struct coord_record *record)
{
    struct coord_kit *kit = kit_of(world);
    struct chain bytes;
    chain_init(&bytes, INT32_MAX);
    struct coord_record_sizes sizes;
    ALWAYS(coord_record_write(record, &bytes, &sizes), "a record that cannot be written");
    struct kit_entry entry = {
        .key = arena_copy(&kit->arena, slice_of(bytes.data, sizes.key)),
        .producer_id = record->producer_id,
        .producer_epoch = record->producer_epoch,
    };
    if (sizes.value != SIZE_MAX)
        entry.value = arena_copy(&kit->arena, slice_of(bytes.data + sizes.key, sizes.value));
    chain_fini(&bytes);
    add_entry(kit, &entry);
    text_printf(&kit->story, "record ");
    if (record->producer_id >= 0)
        text_printf(&kit->story, "(of producer %lld) ", (long long)record->producer_id);
    wire_json_print(record->key_message, 0, record->key, &kit->story);
    text_add_char(&kit->story, ' ');
    if (record->value_message == NULL)
        text_printf(&kit->story, "null");
    else
        wire_json_print(record->value_message, record->value_version, record->value, &kit->story);
    text_add_char(&kit->story, '\n');
}

static void on_cut(struct coord_world *world)
{
    (void)world;
}

static int64_t on_deletion_ms(const struct coord_world *world)
{
    return world->wall_ms - CONTAINER_OF(world, const struct coord_kit, world)->distrusted_ms;
}

static enum err on_check_producer(const struct coord_world *world, int64_t producer_id,
                                  int16_t producer_epoch)
{
    const struct coord_kit *kit = CONTAINER_OF(world, const struct coord_kit, world);
    bool is_old =
        producer_id == kit->fenced.producer_id && producer_epoch < kit->fenced.producer_epoch;
    return is_old ? ERR_INVALID_PRODUCER_EPOCH : ERR_NONE;
}

static void on_markers(struct coord_world *world, struct coord_markers *markers)
{
    struct coord_kit *kit = kit_of(world);
    list_add_tail(&kit->markers, &markers->link);
    text_printf(&kit->story, "markers %lld epoch %d %s", (long long)markers->end.producer_id,
                markers->end.producer_epoch, markers->end.commits ? "commit" : "abort");
    for (int i = 0; i < markers->partition_count; i++)
        text_printf(&kit->story, " %.*s-%d", SLICE_ARG(markers->partitions[i].topic),
                    markers->partitions[i].partition);
    text_add_char(&kit->story, '\n');
}

static void on_allocate(struct coord_world *world, struct coord_ids *ids)
{
    struct coord_kit *kit = kit_of(world);
    list_add_tail(&kit->ids, &ids->link);
    text_printf(&kit->story, "wish for an id\n");
}

/* ---- the kit ---- */

static void begin(struct coord_kit *kit)
{
    shard_timers_init(&kit->world.timers, kit->world.now_ms);
    kit->machine = kit->type->make(&kit->world);
    ALWAYS(kit->machine != NULL, "a machine");
    struct arena arena;
    arena_init(&arena, SIZE_MAX / 2);
    LIST_EACH (&kit->log, node) {
        const struct kit_entry *entry = CONTAINER_OF(node, const struct kit_entry, link);
        if (entry->is_end) {
            kit->type->replay_end(kit->machine, &entry->end);
            continue;
        }
        struct coord_raw raw = {
            .family = kit->type->family, .key = entry->key, .value = entry->value};
        struct coord_record record;
        ALWAYS(coord_record_read(&raw, &arena, &record) == COORD_READ_OK, "a record is read");
        record.producer_id = entry->producer_id;
        record.producer_epoch = entry->producer_epoch;
        record.timestamp_ms = kit->world.wall_ms;
        const char *fault = kit->type->replay(kit->machine, &record);
        ALWAYS(fault == NULL, "a record is refused: %s", fault);
    }
    arena_fini(&arena);
    kit->type->begin(kit->machine);
    tell_answers(kit);
}

void coord_kit_init(struct coord_kit *kit, const struct coord_machine_type *type,
                    const char *const *settings)
{
    /* As in a start with a file. */
    const char *all[SETTINGS_MAX + 1] = {"group.initial.rebalance.delay.ms=3000"};
    size_t count = 1;
    for (size_t i = 0; settings != NULL && settings[i] != NULL; i++) {
        ALWAYS(count < SETTINGS_MAX, "room for the settings");
        all[count++] = settings[i];
    }
    struct node_config_input input = {
        .settings = all, .setting_count = count, .default_dir = "/d", .host_name = "box"};
    struct text notes;
    text_init(&notes, 65536);
    *kit =
        (struct coord_kit){.type = type, .next_producer_id = 1000, .fenced = {.producer_id = -1}};
    assert_true(node_config_load(&input, &kit->config, &notes));
    text_fini(&notes);
    kit->image = meta_image_new(kit->config);
    assert_non_null(kit->image);
    text_init(&kit->story, STORY_MAX);
    arena_init(&kit->arena, SIZE_MAX / 2);
    prng_init(&kit->prng, 1);
    list_init(&kit->log);
    list_init(&kit->markers);
    list_init(&kit->ids);
    value_count = 0;
    kit->world = (struct coord_world){
        .now_ms = 1000000,
        .wall_ms = 1700000000000,
        .prng = &kit->prng,
        .config = kit->config,
        .image = kit->image,
        .partition = 0,
        .leader_epoch = 0,
        .batch_size_max = 1048588,
        .record = on_record,
        .cut = on_cut,
        .deletion_ms = on_deletion_ms,
        .check_producer = on_check_producer,
        .answer = on_answer,
        .write_markers = on_markers,
        .allocate_id = on_allocate,
    };
    begin(kit);
}

static void end_machine(struct coord_kit *kit, enum err err)
{
    kit->type->end(kit->machine, err);
    kit->type->free(kit->machine);
    kit->machine = NULL;
    list_init(&kit->markers);
    list_init(&kit->ids);
}

static void cut_log(struct coord_kit *kit, size_t count)
{
    while (kit->log_count > count) {
        struct list *last = kit->log.prev;
        list_remove(last);
        free(CONTAINER_OF(last, struct kit_entry, link));
        kit->log_count--;
    }
}

void coord_kit_fini(struct coord_kit *kit)
{
    end_machine(kit, ERR_NOT_COORDINATOR);
    cut_log(kit, 0);
    while (kit->calls != NULL) {
        struct kit_call *next = kit->calls->next;
        arena_fini(&kit->calls->arena);
        free(kit->calls);
        kit->calls = next;
    }
    text_fini(&kit->story);
    arena_fini(&kit->arena);
    meta_image_unref(kit->image);
    node_config_free(kit->config);
}

struct uuid coord_kit_id(uint8_t byte)
{
    struct uuid id;
    memset(id.bytes, byte, sizeof id.bytes);
    return id;
}

static void change_image(struct coord_kit *kit, struct meta_image *next)
{
    struct meta_image *before = kit->image;
    next->end_offset = before->end_offset + 1;
    kit->image = next;
    kit->world.image = next;
    if (kit->type->on_image != NULL)
        kit->type->on_image(kit->machine, before);
    meta_image_unref(before);
    tell_answers(kit);
}

static void apply(struct meta_image *image, const char *name, const void *record)
{
    const struct wire_message *message = wire_message_named(slice_of_text(name));
    struct meta_applied applied = {
        .message = message, .version = message->versions.high, .record = record};
    const char *fault = meta_image_apply(image, &applied);
    ALWAYS(fault == NULL, "the image refuses a record: %s", fault);
}

static void add_partitions(struct meta_image *image, struct uuid topic_id, int32_t from, int32_t to)
{
    static int32_t one[] = {1};
    for (int32_t i = from; i < to; i++) {
        struct partition_record partition = partition_record_default;
        partition.partition_id = i;
        partition.topic_id = topic_id;
        partition.leader = 1;
        partition.replicas = one;
        partition.replicas_count = 1;
        partition.isr = one;
        partition.isr_count = 1;
        apply(image, "PartitionRecord", &partition);
    }
}

void coord_kit_add_topic(struct coord_kit *kit, const char *name, uint8_t id, int32_t partitions)
{
    struct meta_image *next = meta_image_begin(kit->image);
    struct topic_record topic = topic_record_default;
    topic.name = slice_of_text(name);
    topic.topic_id = coord_kit_id(id);
    apply(next, "TopicRecord", &topic);
    add_partitions(next, topic.topic_id, 0, partitions);
    change_image(kit, next);
}

void coord_kit_grow_topic(struct coord_kit *kit, const char *name, int32_t partitions)
{
    const struct meta_topic *topic = meta_topic_named(kit->image, slice_of_text(name));
    struct meta_image *next = meta_image_begin(kit->image);
    add_partitions(next, topic->id, (int32_t)topic->partitions.count, partitions);
    change_image(kit, next);
}

void coord_kit_remove_topic(struct coord_kit *kit, const char *name)
{
    struct meta_image *next = meta_image_begin(kit->image);
    struct remove_topic_record record = remove_topic_record_default;
    record.topic_id = meta_topic_named(kit->image, slice_of_text(name))->id;
    apply(next, "RemoveTopicRecord", &record);
    change_image(kit, next);
}

void coord_kit_set_feature(struct coord_kit *kit, const char *name, int16_t level)
{
    struct meta_image *next = meta_image_begin(kit->image);
    struct feature_level_record record = {.name = slice_of_text(name), .feature_level = level};
    apply(next, "FeatureLevelRecord", &record);
    change_image(kit, next);
}

struct kit_call *coord_kit_call(struct coord_kit *kit, coord_op_fn op,
                                const struct kit_call_options *options)
{
    struct kit_call *call = calloc(1, sizeof *call);
    ALWAYS(call != NULL, "memory for the test");
    arena_init(&call->arena, SIZE_MAX / 2);
    call->kit = kit;
    call->name = options->name;
    call->api_key = options->api_key;
    const char *client_id = options->client_id != NULL ? options->client_id : "client";
    call->call = (struct coord_call){
        .key = slice_of_text(options->key),
        .request = options->request,
        .api_version = options->version,
        .client = {.id = slice_of_text(client_id), .host = slice_of_text("/127.0.0.1")},
        .arena = &call->arena,
    };
    list_init(&call->call.link);
    struct kit_call **end = &kit->calls;
    while (*end != NULL)
        end = &(*end)->next;
    *end = call;
    text_printf(&kit->story, "> %s\n", call->name);
    op(kit->machine, &call->call);
    tell_answers(kit);
    return call;
}

void coord_kit_pass(struct coord_kit *kit, int64_t ms)
{
    int64_t end_ms = kit->world.now_ms + ms;
    while (kit->world.now_ms < end_ms) {
        int64_t next_ms = shard_timers_next_ms(&kit->world.timers);
        int64_t to_ms = MIN_OF(end_ms, MAX_OF(next_ms, kit->world.now_ms + 1));
        kit->world.wall_ms += to_ms - kit->world.now_ms;
        kit->world.now_ms = to_ms;
        shard_timers_tick(&kit->world.timers, NULL, to_ms);
        tell_answers(kit);
    }
}

void coord_kit_commit(struct coord_kit *kit)
{
    kit->committed = kit->log_count;
    tell_answers(kit);
}

void coord_kit_restart(struct coord_kit *kit)
{
    for (struct kit_call *call = kit->calls; call != NULL; call = call->next)
        if (call->answered && !call->told)
            call->call.err = ERR_NOT_COORDINATOR;
    end_machine(kit, ERR_NOT_COORDINATOR);
    cut_log(kit, kit->committed);
    for (struct kit_call *call = kit->calls; call != NULL; call = call->next)
        call->records = MIN_OF(call->records, kit->committed);
    tell_answers(kit);
    text_printf(&kit->story, "-- restart\n");
    begin(kit);
}

void coord_kit_end_txn(struct coord_kit *kit, const struct coord_txn_end *end)
{
    struct kit_entry entry = {.is_end = true, .end = *end};
    add_entry(kit, &entry);
    text_printf(&kit->story, "marker %lld %s\n", (long long)end->producer_id,
                end->commits ? "commit" : "abort");
    kit->type->replay_end(kit->machine, end);
    tell_answers(kit);
}

void coord_kit_marked(struct coord_kit *kit, enum err err)
{
    struct list *node = list_take_first(&kit->markers);
    ALWAYS(node != NULL, "no markers are wanted");
    struct coord_markers *markers = CONTAINER_OF(node, struct coord_markers, link);
    markers->err = err;
    for (int i = 0; i < markers->partition_count; i++)
        markers->partitions[i].err = err;
    markers->on_done(markers);
    tell_answers(kit);
}

void coord_kit_allocated(struct coord_kit *kit, enum err err)
{
    struct list *node = list_take_first(&kit->ids);
    ALWAYS(node != NULL, "no id is wished for");
    struct coord_ids *ids = CONTAINER_OF(node, struct coord_ids, link);
    ids->err = err;
    ids->producer_id = err == ERR_NONE ? kit->next_producer_id++ : -1;
    ids->on_done(ids);
    tell_answers(kit);
}

/* ---- the story ---- */

static struct kit_value *value_named(const char *name, size_t size)
{
    for (int i = 0; i < value_count; i++)
        if (strlen(values[i].name) == size && memcmp(values[i].name, name, size) == 0)
            return &values[i];
    return NULL;
}

/* Matches one <$name>; NULL: it does not. */
static const char *match_value(const char *name, size_t size, const char *story)
{
    const struct kit_value *known = value_named(name, size);
    if (known != NULL)
        return strncmp(story, known->text, strlen(known->text)) == 0 ? story + strlen(known->text)
                                                                     : NULL;
    ALWAYS(value_count < VALUES_MAX && size < sizeof values[0].name, "room for a value");
    struct kit_value *value = &values[value_count++];
    (void)snprintf(value->name, sizeof value->name, "%.*s", (int)size, name);
    size_t length = strcspn(story, "\"\n, ");
    (void)snprintf(value->text, sizeof value->text, "%.*s", (int)length, story);
    return story + length;
}

/* Where the two part; NULL: nowhere. */
static const char *difference(const char *expected, const char *story)
{
    while (*expected != '\0') {
        if (expected[0] == '<' && expected[1] == '$') {
            const char *name = expected + 2;
            size_t size = strcspn(name, ">");
            const char *after = match_value(name, size, story);
            if (after == NULL)
                return story;
            story = after;
            expected = name + size + 1;
        } else if (*expected++ != *story++) {
            return story - 1;
        }
    }
    return *story == '\0' ? NULL : story;
}

void coord_kit_expect(struct coord_kit *kit, const char *expected)
{
    const char *story = kit->story.data != NULL ? kit->story.data : "";
    const char *at = difference(expected, story);
    if (at != NULL)
        fail_msg("the story parts from what was expected at:\n%.200s\n---- the whole story:\n%s\n"
                 "---- expected:\n%s",
                 at, story, expected);
    text_reset(&kit->story);
}

void coord_kit_skip(struct coord_kit *kit)
{
    text_reset(&kit->story);
}

struct slice coord_kit_value(struct coord_kit *kit, const char *name)
{
    (void)kit;
    const struct kit_value *value = value_named(name, strlen(name));
    ALWAYS(value != NULL, "no value %s", name);
    return slice_of_text(value->text);
}
