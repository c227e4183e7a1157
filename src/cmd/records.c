/* Shared by produce and consume. One thread. */
#include "cmd/records.h"

#include "cmd/admin.h"
#include "tbl/errors.h"

#define PROBE_TIMEOUT_MS 5000

bool records_broker_is_there(const struct command_call *call)
{
    const char *pair;
    for (int i = 0; (pair = call_value_at(call, &flag_property, i)) != NULL; i++)
        if (strncmp(pair, "security.protocol=", 18) == 0 ||
            strncmp(pair, "bootstrap.servers=", 18) == 0 ||
            strncmp(pair, "metadata.broker.list=", 21) == 0)
            return true;
    struct client client;
    bool ok = client_open(&client, admin_brokers(call), PROBE_TIMEOUT_MS);
    if (!ok) {
        bool refused = strstr(client.error.data, "refused") != NULL;
        console_error(call->console, "%s%s", client.error.data,
                      refused ? ". Does a broker run there? ottla start starts one." : "");
    }
    client_close(&client);
    return ok;
}

void records_report(const struct rdkafka *rk, const struct command_call *call, const char *what,
                    rd_kafka_resp_err_t error, const char *text)
{
    bool wire = error >= 0 && err_is_known((int)error);
    console_error(call->console, "%s on %s: %s (%d): %s", what, admin_brokers(call),
                  wire ? err_name((enum err)error) : rk->err2name(error), (int)error,
                  text != NULL ? text : rk->err2str(error));
}
