/* Loads librdkafka and sets up its clients. One thread. */
#include "cmd/rdkafka.h"

#include "base/always.h"
#include "cmd/admin.h"

#include <dlfcn.h>

#define LIBRARY "librdkafka.so.1"

const struct command_flag flag_property = {'X', "property", "KEY=VALUE",
                                           "a property of librdkafka; may be repeated"};

static bool take(void *library, const char *name, void *ret_function)
{
    void *function = dlsym(library, name);
    memcpy(ret_function, &function, sizeof function);
    return function != NULL;
}

bool rdkafka_load(struct rdkafka *rk, struct console *console)
{
    *rk = (struct rdkafka){.library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL)};
    if (rk->library == NULL) {
        console_error(console,
                      "records are sent and read through librdkafka, which cannot be "
                      "loaded: %s. On Debian: apt install librdkafka1",
                      dlerror());
        return false;
    }
    bool ok = true;
#define RDKAFKA_TAKE_(name) ok = take(rk->library, "rd_kafka_" #name, (void *)&rk->name) && ok;
    RDKAFKA_FUNCTIONS(RDKAFKA_TAKE_)
#undef RDKAFKA_TAKE_
    if (!ok)
        console_error(console, "the librdkafka on this machine is too old; 1.9 or newer is needed");
    return ok;
}

void rdkafka_set(const struct rdkafka *rk, rd_kafka_conf_t *conf, const char *key,
                 const char *value)
{
    char error[256];
    rd_kafka_conf_res_t result = rk->conf_set(conf, key, value, error, sizeof error);
    ALWAYS(result == RD_KAFKA_CONF_OK, "librdkafka refuses %s=%s: %s", key, value, error);
}

static bool set_property(const struct rdkafka *rk, rd_kafka_conf_t *conf, const char *pair,
                         struct console *console)
{
    char key[128];
    char error[256];
    const char *equals = strchr(pair, '=');
    snprintf(key, sizeof key, "%.*s", (int)(equals - pair), pair);
    if (rk->conf_set(conf, key, equals + 1, error, sizeof error) == RD_KAFKA_CONF_OK)
        return true;
    console_error(console, "-X %s: %s", pair, error);
    return false;
}

/* What librdkafka would print itself. */
static void drop_log(const rd_kafka_t *rk, int level, const char *facility, const char *line)
{
    (void)rk;
    (void)level;
    (void)facility;
    (void)line;
}

rd_kafka_conf_t *rdkafka_conf(const struct rdkafka *rk, const struct command_call *call,
                              const struct rdkafka_property *defaults)
{
    char error[256];
    const char *pair;
    bool debug = false;
    if (!call_pairs_check(call, &flag_property))
        return NULL;
    rd_kafka_conf_t *conf = rk->conf_new();
    bool ok = rk->conf_set(conf, "bootstrap.servers", admin_brokers(call), error, sizeof error) ==
              RD_KAFKA_CONF_OK;
    if (!ok)
        console_error(call->console, "-b %s: %s", admin_brokers(call), error);
    rdkafka_set(rk, conf, "client.id", "ottla");
    for (const struct rdkafka_property *d = defaults; d->key != NULL; d++)
        rdkafka_set(rk, conf, d->key, d->value);
    for (int i = 0; ok && (pair = call_value_at(call, &flag_property, i)) != NULL; i++) {
        debug |= strncmp(pair, "debug=", 6) == 0;
        ok = set_property(rk, conf, pair, call->console);
    }
    if (!debug)
        rk->conf_set_log_cb(conf, drop_log);
    if (ok)
        return conf;
    rk->conf_destroy(conf);
    return NULL;
}
