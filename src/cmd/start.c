/* ottla start: gathers the configuration from the command line and its file and says what is wrong
 * with it, all at once and by file and line. The main thread. */
#include "cmd/start.h"

#include "base/always.h"
#include "cmd/version.h"
#include "config/node.h"
#include "server/node.h"
#include "sys/dir.h"
#include "sys/file.h"
#include "sys/net.h"
#include "sys/process.h"

#include <stdio.h>
#include <stdlib.h>

const struct command_flag start_flag_config = {'c', "config", "FILE",
                                               "read this server.properties"};
const struct command_flag start_flag_set = {0, "set", "KEY=VALUE",
                                            "a setting over the file's; may be repeated"};
const struct command_flag start_flag_shards = {0, "shards", "N",
                                               "threads that serve connections and partitions (1)"};
const struct command_flag start_flag_check = {0, "check", NULL,
                                              "check the configuration, and do not start"};

#define FILE_SIZE_MAX ((size_t)16 << 20)
#define HOST_NAME_SIZE 256

struct start {
    const struct command_call *call;
    char *file_text;
    const char **settings;
    size_t setting_count;
    int64_t shard_count; /* --shards */
    char shards[64];
    char default_dir[4096];
    char host_name[HOST_NAME_SIZE];
    struct text notes;
};

/* Not in /tmp, where data would be lost, and the same wherever ottla is started from. */
static void choose_dir(struct start *start)
{
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    if (data != NULL && data[0] == '/')
        snprintf(start->default_dir, sizeof start->default_dir, "%s/ottla", data);
    else if (home != NULL && home[0] == '/')
        snprintf(start->default_dir, sizeof start->default_dir, "%s/.local/share/ottla", home);
    else
        snprintf(start->default_dir, sizeof start->default_dir, "ottla-data");
}

static bool read_file(struct start *start, const char *path, struct node_config_input *input)
{
    size_t size;
    int result = sys_file_read_whole(SYS_DIR_CWD, path, FILE_SIZE_MAX, &start->file_text, &size);
    if (result != 0) {
        start->file_text = NULL;
        console_error(start->call->console, "%s: %s", path, strerror(-result));
        return false;
    }
    input->file = path;
    input->file_text = slice_of(start->file_text, size);
    return true;
}

/* --set in their order, then --shards. */
static bool gather_settings(struct start *start)
{
    const struct command_call *call = start->call;
    start->settings = calloc((size_t)call->value_count + 1, sizeof *start->settings);
    if (start->settings == NULL) {
        console_error(call->console, "out of memory");
        return false;
    }
    const char *setting;
    for (int i = 0; (setting = call_value_at(call, &start_flag_set, i)) != NULL; i++)
        start->settings[start->setting_count++] = setting;
    if (call_has(call, &start_flag_shards)) {
        snprintf(start->shards, sizeof start->shards, "ottla.shards=%lld",
                 (long long)start->shard_count);
        start->settings[start->setting_count++] = start->shards;
    }
    return true;
}

static struct node_config *load(struct start *start)
{
    struct node_config *config = NULL;
    struct node_config_input input = {.default_dir = start->default_dir,
                                      .host_name = start->host_name};
    const char *path = call_value(start->call, &start_flag_config, NULL);
    choose_dir(start);
    if (sys_net_host_name(start->host_name, sizeof start->host_name) != 0)
        snprintf(start->host_name, sizeof start->host_name, "localhost");
    if ((path != NULL && !read_file(start, path, &input)) || !gather_settings(start))
        return NULL;
    input.settings = start->settings;
    input.setting_count = start->setting_count;
    bool ok = node_config_load(&input, &config, &start->notes);
    /* One line a note already. */
    if (start->notes.size > 0)
        console_note(start->call->console, "%.*s", (int)start->notes.size - 1, start->notes.data);
    return ok ? config : NULL;
}

static enum exit_code serve(const struct command_call *call, const struct node_config *config)
{
    struct text error;
    text_init(&error, 8192);
    struct node_options options = {.config = config, .version = version_text()};
    sys_process_give_memory_back();
    bool clean = node_run(&options, &error);
    if (error.size > 0)
        console_error(call->console, "%s", error.data);
    text_fini(&error);
    return clean ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

static bool check_usage(struct start *start)
{
    static const char key[] = "ottla.shards";
    const struct config_row *row = config_row_find(CONFIG_OWN, key, sizeof key - 1);
    ALWAYS(row != NULL, "%s is no key", key);
    struct call_number shards = {&start_flag_shards, (int64_t)row->min, (int64_t)row->max, 1};
    return call_pairs_check(start->call, &start_flag_set) &&
           call_number(start->call, shards, &start->shard_count);
}

enum exit_code start_run(const struct command_call *call)
{
    struct start start = {.call = call};
    if (!check_usage(&start))
        return EXIT_CODE_USAGE;
    enum exit_code code = EXIT_CODE_FAILED;
    text_init(&start.notes, (size_t)1 << 20);
    struct node_config *config = load(&start);
    if (config != NULL && call_has(call, &start_flag_check)) {
        console_printf(call->console, "The configuration is valid.\n");
        code = EXIT_CODE_OK;
    } else if (config != NULL) {
        code = serve(call, config);
    }
    node_config_free(config);
    text_fini(&start.notes);
    free(start.settings);
    free(start.file_text);
    return code;
}
