/* See the header. The complication is that a node may die anywhere, also while it starts: what it
 * had allocated then is nobody's any more. */
#include "server/test/sim_broker.h"

#include "server/test/sim_client.h"

#define WITHIN_MS 60000
#define SETTINGS_MAX 32
#define ERROR_SIZE_MAX ((size_t)8192)

/* The leak checker's own, where one is linked. */
extern void __lsan_disable(void) __attribute__((weak));

void sim_broker_expect_deaths(void)
{
    if (__lsan_disable != NULL)
        __lsan_disable();
}

void sim_broker_init(struct sim_broker *broker, struct sim_world *world,
                     const char *const *settings)
{
    const char *all[SETTINGS_MAX] = {
        "log.dirs=/data",
        "listeners=PLAINTEXT://broker:9092",
        "ottla.metrics.listener=",
    };
    size_t count = 3;
    struct text notes;
    for (; *settings != NULL; settings++) {
        SIM_CHECK(count < SETTINGS_MAX, "too many settings");
        all[count++] = *settings;
    }
    struct node_config_input input = {
        .settings = all, .setting_count = count, .default_dir = "/data", .host_name = "broker"};
    *broker = (struct sim_broker){.world = world};
    broker->machine = sim_node_new(world, "broker", "10.0.0.1");
    text_init(&broker->error, ERROR_SIZE_MAX);
    text_init(&notes, ERROR_SIZE_MAX);
    SIM_CHECK(node_config_load(&input, &broker->config, &notes), "%s", notes.data);
    text_fini(&notes);
}

void sim_broker_fini(struct sim_broker *broker)
{
    text_fini(&broker->error);
    node_config_free(broker->config);
}

/* Looks at what the log has gained; a log that has become shorter is looked at whole. */
static bool has_served(struct sim_broker *broker)
{
    static const char event[] = "event=node_started";
    struct slice log = sim_world_journal(broker->world);
    struct slice gained = slice_from(log, broker->log_size <= log.size ? broker->log_size : 0);
    if (gained.size > 0 && memmem(gained.data, gained.size, event, sizeof event - 1) != NULL)
        broker->has_served = true;
    broker->log_size = log.size;
    return broker->has_served;
}

bool sim_broker_runs(const struct sim_broker *broker)
{
    return broker->node != NULL && sim_node_deaths(broker->machine) == broker->deaths &&
           sim_node_runs(broker->machine);
}

static bool has_ended(void *context)
{
    return !sim_broker_runs((const struct sim_broker *)context);
}

static bool serves_or_has_ended(void *context)
{
    return has_ended(context) || has_served((struct sim_broker *)context);
}

static void start_body(void *arg)
{
    struct sim_broker *broker = (struct sim_broker *)arg;
    struct node_options options = {.config = broker->config, .version = "simulated"};
    broker->node = node_start(&options, &broker->error);
}

static void wait_body(void *arg)
{
    struct sim_broker *broker = (struct sim_broker *)arg;
    broker->was_clean = node_wait(broker->node);
}

/* The node's tasks have ended, or it died. */
static enum sim_outcome reap(struct sim_broker *broker)
{
    if (sim_node_deaths(broker->machine) == broker->deaths)
        (void)sim_node_run(broker->machine, wait_body, broker);
    broker->node = NULL;
    if (sim_node_deaths(broker->machine) != broker->deaths)
        return SIM_OUTCOME_DIED;
    sim_node_kill(broker->machine); /* the process exits: nothing of it is left */
    return SIM_OUTCOME_STOPPED;
}

enum sim_outcome sim_broker_start(struct sim_broker *broker)
{
    SIM_CHECK(broker->node == NULL, "the node is started while it runs");
    text_reset(&broker->error);
    broker->deaths = sim_node_deaths(broker->machine);
    broker->log_size = sim_world_journal(broker->world).size;
    broker->has_served = false;
    broker->was_clean = false;
    if (!sim_node_run(broker->machine, start_body, broker)) {
        broker->node = NULL;
        return SIM_OUTCOME_DIED;
    }
    if (broker->node == NULL) {
        sim_node_kill(broker->machine);
        return SIM_OUTCOME_REFUSED;
    }
    if (!sim_world_run_until(broker->world, serves_or_has_ended, broker, WITHIN_MS))
        return SIM_OUTCOME_HANGS;
    return sim_broker_runs(broker) ? SIM_OUTCOME_SERVES : reap(broker);
}

enum sim_outcome sim_broker_stop(struct sim_broker *broker)
{
    SIM_CHECK(broker->node != NULL, "a node is stopped that does not run");
    if (sim_broker_runs(broker))
        sim_node_signal(broker->machine, 15);
    if (!sim_world_run_until(broker->world, has_ended, broker, WITHIN_MS))
        return SIM_OUTCOME_HANGS;
    return reap(broker);
}

void sim_broker_kill(struct sim_broker *broker)
{
    sim_node_kill(broker->machine);
    broker->node = NULL;
}

void sim_broker_cut(struct sim_broker *broker)
{
    sim_node_cut(broker->machine);
    broker->node = NULL;
}
