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
    if (!ok)
        admin_tell_client(call->console, &client);
    client_close(&client);
    return ok;
}

/* Of what librdkafka itself refuses; those of the protocol have theirs. */
static const char *hint_of(rd_kafka_resp_err_t error)
{
    if (error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
        return "ottla topic describe shows which there are.";
    if (error == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT)
        return "Can the address that the broker advertises be reached from here?";
    return NULL;
}

void records_report(const struct rdkafka *rk, const struct command_call *call, const char *what,
                    rd_kafka_resp_err_t error, const char *text)
{
    struct admin_fault fault = {.what = what, .code = (int)error, .hint = hint_of(error)};
    if (error < 0 || !err_is_known((int)error)) {
        fault.name = rk->err2name(error);
        fault.message = slice_of_text(text != NULL ? text : rk->err2str(error));
    }
    admin_tell(call->console, admin_brokers(call), &fault);
}
