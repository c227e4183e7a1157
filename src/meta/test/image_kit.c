/* Printing images; see the header. */
#include "meta/test/image_kit.h"

#include "base/always.h"
#include "base/text.h"
#include "config/node.h"
#include "wire/messages.h"
#include "wire/msg/register_broker_record.h"
#include "wire/msg/register_controller_record.h"

#include <stdlib.h>

#define FEATURES_MAX 32

struct meta_image *image_new(void)
{
    static struct node_config *node; /* one for all images of a test */
    struct node_config_input input = {.default_dir = "/d", .host_name = "box"};
    struct text notes;
    text_init(&notes, 65536);
    ALWAYS(node != NULL || node_config_load(&input, &node, &notes), "no configuration");
    text_fini(&notes);
    return meta_image_new(node);
}

/* ---- as text ---- */

struct printer {
    struct text text;
};

static void hex(struct printer *printer, struct slice bytes)
{
    if (slice_is_null(bytes))
        text_printf(&printer->text, " null");
    else
        text_printf(&printer->text, " '");
    for (size_t i = 0; i < bytes.size; i++)
        text_printf(&printer->text, "%02x", bytes.data[i]);
}

static void encoded(struct printer *printer, const struct wire_message *message, int version,
                    const void *record)
{
    struct chain chain;
    chain_init(&chain, 1 << 24);
    ALWAYS(wire_encode(message, version, record, &chain, NULL), "%s does not encode",
           message->name);
    hex(printer, slice_of(chain.data, chain.size));
    chain_fini(&chain);
}

static void ids(struct printer *printer, const char *name, struct meta_ids list)
{
    text_printf(&printer->text, " %s", name);
    for (int32_t i = 0; i < list.count; i++)
        text_printf(&printer->text, ",%d", list.at[i]);
}

static void uuids(struct printer *printer, const char *name, int32_t count, const struct uuid *list)
{
    text_printf(&printer->text, " %s %d", name, count);
    for (int32_t i = 0; i < count; i++)
        hex(printer, slice_of(list[i].bytes, sizeof list[i].bytes));
}

static void print_partition(struct printer *printer, const void *value)
{
    const struct meta_partition *p = value;
    text_printf(&printer->text, "\n  partition %d leader %d %d epoch %d recovery %d", p->id,
                p->leader, p->leader_epoch, p->partition_epoch, p->leader_recovery_state);
    ids(printer, "replicas", p->replicas);
    ids(printer, "isr", p->isr);
    ids(printer, "adding", p->adding);
    ids(printer, "removing", p->removing);
    ids(printer, "elr", p->elr);
    ids(printer, "last", p->last_known_elr);
    uuids(printer, "directories", p->directory_count, p->directories);
}

typedef void (*print_fn)(struct printer *, const void *value);

static void each(struct printer *printer, struct pmap map, const char *what, print_fn print)
{
    struct pmap_iterator iterator;
    struct pmap_entry entry;
    pmap_iterate(map, (struct slice){0}, &iterator);
    while (pmap_next(&iterator, &entry)) {
        text_printf(&printer->text, "\n%s", what);
        hex(printer, entry.key);
        print(printer, entry.value);
    }
}

static void print_topic(struct printer *printer, const void *value)
{
    const struct meta_topic *topic = value;
    hex(printer, topic->name);
    hex(printer, slice_of(topic->id.bytes, sizeof topic->id.bytes));
    each(printer, topic->partitions, " of", print_partition);
}

static int by_feature(const void *a, const void *b)
{
    const struct register_broker_record_features *left = a;
    const struct register_broker_record_features *right = b;
    return slice_compare(left->name, right->name);
}

/* Features are a map, which comes in any order. */
static void sort_features(struct register_broker_record *record,
                          struct register_broker_record_features *sorted)
{
    size_t count = (size_t)record->features_count;
    ALWAYS(count <= FEATURES_MAX, "%zu features", count);
    if (count == 0)
        return;
    memcpy(sorted, record->features, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_feature);
    record->features = sorted;
}

/* The registration, but for what the broker's state says better. */
static void print_broker(struct printer *printer, const void *value)
{
    const struct meta_broker *broker = value;
    struct register_broker_record record = *broker->record;
    record.fenced = broker->fenced;
    record.in_controlled_shutdown = broker->in_controlled_shutdown;
    record.cordoned_log_dirs_count = -1;
    struct register_broker_record_features sorted[FEATURES_MAX];
    sort_features(&record, sorted);
    text_printf(&printer->text, " fenced %d leaves %d", broker->fenced,
                broker->in_controlled_shutdown);
    uuids(printer, "cordoned", broker->cordoned_count, broker->cordoned);
    encoded(printer, &wire_register_broker_record, wire_register_broker_record.versions.high,
            &record);
}

static void print_controller(struct printer *printer, const void *value)
{
    encoded(printer, &wire_register_controller_record, 0,
            ((const struct meta_controller *)value)->record);
}

static void print_text(struct printer *printer, const void *value)
{
    hex(printer, ((const struct meta_text *)value)->text);
}

static void print_number(struct printer *printer, const void *value)
{
    text_printf(&printer->text, " %lld", (long long)((const struct meta_number *)value)->number);
}

static void print_config(struct printer *printer, const void *value)
{
    const struct meta_config *config = value;
    text_printf(&printer->text, " type %d", config->type);
    hex(printer, config->name);
    each(printer, config->values, " set", print_text);
}

static void print_kept(struct printer *printer, const void *value)
{
    const struct meta_kept *kept = value;
    const struct wire_message *message =
        wire_record(&(struct wire_record_name){"cluster_metadata", WIRE_RECORD, kept->type});
    text_printf(&printer->text, " %s %d", message->name, kept->version);
    encoded(printer, message, kept->version, kept->record);
}

char *image_text(const struct meta_image *image)
{
    struct printer printer;
    text_init(&printer.text, SIZE_MAX / 2);
    text_printf(&printer.text, "%lld partitions, producer ids from %lld",
                (long long)image->partition_count, (long long)image->next_producer_id);
    each(&printer, image->brokers, "broker", print_broker);
    each(&printer, image->controllers, "controller", print_controller);
    each(&printer, image->topics_by_name, "topic", print_topic);
    each(&printer, image->topics_by_id, "id", print_topic);
    each(&printer, image->configs, "config", print_config);
    each(&printer, image->features, "feature", print_number);
    each(&printer, image->kept, "kept", print_kept);
    return text_take(&printer.text);
}
