/* ottla version. One thread. */
#include "cmd/version.h"

#include "cmd/admin.h"

#ifndef OTTLA_VERSION
#define OTTLA_VERSION "unknown"
#endif

/* Whose protocol and files are spoken. */
#define KAFKA_VERSION "4.4.0"

const char *version_text(void)
{
    return OTTLA_VERSION;
}

enum exit_code version_run(const struct command_call *call)
{
    const char *format = call_value(call, &flag_format, "table");
    enum listing_format chosen;
    if (!listing_format_find(format, &chosen)) {
        console_error(call->console, "--format %s: must be table, json or awk", format);
        return EXIT_CODE_USAGE;
    }
    if (chosen == LISTING_JSON)
        console_printf(call->console,
                       "{\"_command\":\"version\",\"_version\":1,\"version\":\"%s\","
                       "\"kafka\":\"%s\"}\n",
                       version_text(), KAFKA_VERSION);
    else
        console_printf(call->console, "ottla %s, compatible with Apache Kafka %s\n", version_text(),
                       KAFKA_VERSION);
    return EXIT_CODE_OK;
}
