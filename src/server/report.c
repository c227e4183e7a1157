/* What the node tells of itself: metrics and health over HTTP, and the lines of its start. The http
 * thread reads statistics and one atomic state only. */
#include "server/node_int.h"

#include "sys/clock.h"
#include "sys/journal.h"
#include "sys/process.h"

static const struct {
    const char *name;
    const char *help;
    enum metric_kind kind;
} rows[] = {
#define ROW_(NAME, kind_, name_, help_) {.name = (name_), .help = (help_), .kind = METRIC_##kind_},
    METRICS(ROW_)
#undef ROW_
};

static void write_process(struct text *text)
{
    struct sys_process_costs costs;
    sys_process_costs(&costs);
    text_printf(text,
                "# HELP process_resident_memory_bytes Resident memory.\n"
                "# TYPE process_resident_memory_bytes gauge\n"
                "process_resident_memory_bytes %lld\n"
                "# HELP process_cpu_seconds_total User and system time.\n"
                "# TYPE process_cpu_seconds_total counter\n"
                "process_cpu_seconds_total %.3f\n"
                "# HELP process_open_fds Open descriptors.\n"
                "# TYPE process_open_fds gauge\n"
                "process_open_fds %lld\n",
                (long long)costs.resident_bytes, (double)costs.cpu_ns / 1e9,
                (long long)costs.open_files);
}

static void write_gauge(struct text *text, const char *name, const char *help, int value)
{
    text_printf(text, "# HELP %s %s\n# TYPE %s gauge\n%s %d\n", name, help, name, name, value);
}

static int full_dirs(const struct node *node)
{
    int count = 0;
    for (int i = 0; i < node->dir_count; i++)
        count += stats_level_get(&node->dirs[i].full);
    return count;
}

static void write_dirs(const struct node *node, struct text *text)
{
    write_gauge(text, "ottla_log_directories", "Log directories that are configured.",
                node->dir_count);
    write_gauge(text, "ottla_log_directories_offline",
                "Log directories that failed and are not served.", node_offline_dirs(node));
    write_gauge(text, "ottla_log_directories_full",
                "Log directories of whose disk only the reserve is left.", full_dirs(node));
}

void node_write_metrics(void *context, struct text *text)
{
    struct node *node = context;
    for (int metric = 0; metric < METRIC_COUNT; metric++) {
        int64_t sum = 0;
        for (int i = 0; i < node->shard_count; i++)
            sum += stats_get(&node->locals[i].api.stats, (enum metric)metric);
        text_printf(text, "# HELP %s %s\n# TYPE %s %s\n%s %lld\n", rows[metric].name,
                    rows[metric].help, rows[metric].name,
                    rows[metric].kind == METRIC_COUNTER ? "counter" : "gauge", rows[metric].name,
                    (long long)sum);
    }
    write_dirs(node, text);
    write_process(text);
}

bool node_write_health(void *context, struct text *text)
{
    static const char *const words[] = {"starting", "starting", "ok",      "stopping",
                                        "stopping", "stopping", "stopping"};
    struct node *node = context;
    int state = stats_level_get(&node->state);
    text_printf(text, "%s\n", words[state]);
    if (node_offline_dirs(node) > 0)
        text_printf(text, "%d of %d log directories are offline\n", node_offline_dirs(node),
                    node->dir_count);
    if (full_dirs(node) > 0)
        text_printf(text, "%d of %d log directories are full\n", full_dirs(node), node->dir_count);
    return state == NODE_RUNNING;
}

static const char *shown_host(const char *host)
{
    return host[0] == '\0' ? "*" : host;
}

void node_banner(const struct node *node)
{
    const struct node_config *config = node->config;
    journal(JOURNAL_INFO, "node_started",
            "version=%s node=%d cluster=%s data=%s shards=%d took_ms=%.1f", node->version,
            config->node_id, node->dirs[node->metadata_dir].identity.cluster_id, node->dirs[0].path,
            node->shard_count, (double)(sys_mono_ns() - node->started_ns) / 1e6);
    for (int i = 0; i < node->listener_count; i++) {
        const struct node_listener *at = &config->listeners.at[i];
        const struct node_listener *told = &config->advertised.at[i];
        journal(JOURNAL_INFO, "listening", "name=%s at=%s:%u advertised=%s:%u", at->name,
                shown_host(at->host), listener_port(node->listeners[i]),
                at->is_controller ? "-" : told->host,
                told->port != 0 ? told->port : listener_port(node->listeners[i]));
    }
    if (config->loopback_by_default)
        journal(JOURNAL_INFO, "loopback_only", "hint=\"%s\"",
                "set listeners and advertised.listeners to serve other machines");
}
