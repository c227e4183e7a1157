/* ottla log dump: tells files apart by their names and hands each to what reads its kind. One
 * thread. */
#include "cmd/dump_int.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const struct command_flag dump_flag_batches = {'B', "batches", NULL,
                                               "only the batches, not their records"};
const struct command_flag dump_flag_topic = {'t', "topic", "TOPIC",
                                             "read records as those of this (internal) topic;\n"
                                             "by the name of the file's folder otherwise"};
const struct command_flag dump_flag_format = {0, "format", "FORMAT",
                                              "text, or json: an object a line (text)"};

#define WHOLE_SIZE_MAX ((size_t)64 << 20)

struct kind {
    const char *suffix; /* of the name; a whole name where it has no dot in front */
    const char *name;
    void (*run)(struct dump *);
};

static const struct kind kinds[] = {
    {".log", "segment", dump_segment},
    {".checkpoint", "metadata snapshot", dump_segment},
    {".index", "offset index", dump_index},
    {".timeindex", "time index", dump_time_index},
    {".txnindex", "transaction index", dump_txn_index},
    {".snapshot", "producer snapshot", dump_producer_snapshot},
    {"leader-epoch-checkpoint", "leader epochs", dump_epoch_checkpoint},
    {"-checkpoint", "checkpoint", dump_checkpoint},
    {"partition.metadata", "partition metadata", dump_properties},
    {"meta.properties", "directory metadata", dump_properties},
    {"quorum-state", "quorum state", dump_json_file},
    {".kafka_cleanshutdown", "clean shutdown marker", dump_json_file},
};

/* Suffixes of files that wait for their end: ".log.deleted", ".log.cleaned", ".log.swap". */
static const char *const endings[] = {".deleted", ".cleaned", ".swap", ".part"};

void dump_fault(struct dump *dump, const char *format, ...)
{
    char sentence[512];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    console_error(dump->console, "%s: %s", dump->path, sentence);
    dump->failed = true;
}

char *dump_read_whole(struct dump *dump)
{
    char *data;
    size_t size;
    int result = sys_file_read_whole(SYS_DIR_CWD, dump->path, WHOLE_SIZE_MAX, &data, &size);
    if (result == 0)
        return data;
    dump_fault(dump, "%s", strerror(-result));
    return NULL;
}

static bool has_suffix(struct slice name, const char *suffix)
{
    size_t size = strlen(suffix);
    return name.size >= size && memcmp(name.data + name.size - size, suffix, size) == 0;
}

static const struct kind *kind_of(const char *path)
{
    struct slice name = slice_of_text(path);
    for (size_t i = 0; i < COUNT_OF(endings); i++)
        if (has_suffix(name, endings[i]))
            name.size -= strlen(endings[i]);
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (has_suffix(name, kinds[i].suffix))
            return &kinds[i];
    return NULL;
}

static void print_head(struct dump *dump, const struct kind *kind)
{
    struct text head;
    text_init(&head, 65536);
    if (dump->json) {
        text_printf(&head, "{\"_command\":\"log dump\",\"_version\":1,\"file\":");
        text_add_json_string(&head, slice_of_text(dump->path));
        text_printf(&head, ",\"kind\":\"%s\",\"size\":%lld}\n", kind->name, (long long)dump->size);
    } else {
        text_printf(&head, "%s: %s, %lld bytes\n", dump->path, kind->name, (long long)dump->size);
    }
    console_add(dump->console, text_slice(&head));
    text_fini(&head);
}

static void dump_file(struct dump *dump)
{
    const struct kind *kind = kind_of(dump->path);
    if (kind == NULL) {
        dump_fault(dump, "no file of a data directory has such a name; .log, .index, .timeindex, "
                         ".txnindex, .snapshot, .checkpoint and *-checkpoint are known");
        return;
    }
    dump->fd = sys_file_open(SYS_DIR_CWD, dump->path, SYS_OPEN_READ);
    dump->size = dump->fd >= 0 ? sys_file_size(dump->fd) : dump->fd;
    if (dump->size < 0) {
        dump_fault(dump, "%s", strerror((int)-dump->size));
    } else {
        print_head(dump, kind);
        kind->run(dump);
    }
    sys_file_close(dump->fd);
}

enum exit_code dump_run(const struct command_call *call)
{
    const char *format = call_value(call, &dump_flag_format, "text");
    struct dump dump = {.call = call,
                        .console = call->console,
                        .json = strcmp(format, "json") == 0,
                        .batches_only = call_has(call, &dump_flag_batches),
                        .topic = call_value(call, &dump_flag_topic, NULL)};
    if (!dump.json && strcmp(format, "text") != 0) {
        console_error(call->console, "--format %s: must be text or json", format);
        return EXIT_CODE_USAGE;
    }
    dump.pool = codec_pool_new();
    if (dump.pool == NULL) {
        console_error(call->console, "out of memory");
        return EXIT_CODE_FAILED;
    }
    for (int i = 0; i < call->argument_count; i++) {
        dump.path = call->arguments[i];
        dump_file(&dump);
    }
    codec_pool_free(dump.pool);
    return dump.failed ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}
