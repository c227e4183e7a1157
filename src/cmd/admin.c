/* Shared by the admin commands. One thread. */
#include "cmd/admin.h"

#include "cmd/words.h"
#include "sys/process.h"
#include "tbl/apis.h"
#include "tbl/errors.h"
#include "wire/msg/metadata_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define ARENA_LIMIT ((size_t)1 << 30)

const struct command_flag flag_brokers = {
    'b', "brokers", "HOST:PORT",
    "brokers to ask, with commas between; the first that answers is\n"
    "taken (OTTLA_BROKERS, else localhost:9092)"};
const struct command_flag flag_timeout = {0, "timeout", "MS", "longest wait for an answer (10000)"};
const struct command_flag flag_format = {0, "format", "FORMAT",
                                         "table (as people read it), json, or awk (bare lines)"};
const struct command_flag flag_yes = {'y', "yes", NULL, "do it without asking"};

/* What helps most often. */
static const struct {
    int code;
    const char *hint;
} hints[] = {
    {ERR_UNKNOWN_TOPIC_OR_PARTITION, "See ottla topic list."},
    {ERR_OFFSET_OUT_OF_RANGE, "ottla topic describe shows the first and last offsets."},
    {ERR_INVALID_TOPIC_EXCEPTION,
     "Names have 1 to 249 letters, digits, '.', '_' and '-', and are not '.' or '..'."},
    {ERR_MESSAGE_TOO_LARGE,
     "max.message.bytes of the topic and -X message.max.bytes=N let larger ones pass."},
    {ERR_TOPIC_ALREADY_EXISTS, "With --if-not-exists that is no error."},
    {ERR_INVALID_PARTITIONS, "Try -p 1."},
    {ERR_INVALID_REPLICATION_FACTOR, "Try -r 1."},
    {ERR_INVALID_CONFIG, "ottla topic describe -a shows the keys and their values."},
    {ERR_TOPIC_DELETION_DISABLED, "delete.topic.enable=true on the brokers allows it."},
    {ERR_NOT_CONTROLLER, "Try again, or ask another broker with -b."},
    {ERR_LEADER_NOT_AVAILABLE, "Try again in a moment."},
    {ERR_NOT_LEADER_OR_FOLLOWER, "Try again in a moment."},
    {ERR_REQUEST_TIMED_OUT, "Try a longer --timeout."},
};

const char *admin_brokers(const struct command_call *call)
{
    const char *brokers = getenv("OTTLA_BROKERS");
    if (brokers == NULL || brokers[0] == '\0')
        brokers = "localhost:9092";
    return call_value(call, &flag_brokers, brokers);
}

enum exit_code admin_prepare(struct admin *admin, const struct command_call *call)
{
    *admin = (struct admin){.call = call, .client = {.fd = -1}};
    arena_init(&admin->arena, ARENA_LIMIT);
    const char *format = call_value(call, &flag_format, "table");
    if (!listing_format_find(format, &admin->format)) {
        console_error(call->console, "--format %s: must be table, json or awk", format);
        return EXIT_CODE_USAGE;
    }
    struct call_number timeout = {
        .flag = &flag_timeout, .low = 1, .high = INT32_MAX, .fallback = 10000};
    return call_number(call, timeout, &admin->timeout_ms) ? EXIT_CODE_OK : EXIT_CODE_USAGE;
}

enum exit_code admin_connect(struct admin *admin)
{
    if (client_open(&admin->client, admin_brokers(admin->call), admin->timeout_ms))
        return EXIT_CODE_OK;
    admin_report_client(admin);
    return EXIT_CODE_FAILED;
}

enum exit_code admin_open(struct admin *admin, const struct command_call *call)
{
    enum exit_code code = admin_prepare(admin, call);
    return code == EXIT_CODE_OK ? admin_connect(admin) : code;
}

void admin_close(struct admin *admin)
{
    client_close(&admin->client);
    arena_fini(&admin->arena);
}

enum exit_code admin_result(const struct admin *admin)
{
    return admin->failed ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

void admin_tell(struct console *console, const char *brokers, const struct admin_fault *fault)
{
    const char *hint = fault->hint;
    for (size_t i = 0; i < COUNT_OF(hints) && hint == NULL; i++)
        if (hints[i].code == fault->code)
            hint = hints[i].hint;
    bool known = err_is_known(fault->code);
    const char *name = fault->name != NULL ? fault->name
                       : known             ? err_name((enum err)fault->code)
                                           : "UNKNOWN";
    struct slice words = fault->message;
    if (slice_is_null(words) || words.size == 0)
        words = slice_of_text(known ? err_text((enum err)fault->code) : "an error of its own");
    bool stopped = words.data[words.size - 1] == '.';
    console_error(console, "%s%s%s: %s (%d): %.*s%s%s%s", fault->what != NULL ? fault->what : "",
                  fault->what != NULL ? " on " : "on ", brokers, name, fault->code,
                  SLICE_ARG(words), stopped || hint == NULL ? "" : ".", hint != NULL ? " " : "",
                  hint != NULL ? hint : "");
}

void admin_report(struct admin *admin, const struct admin_fault *fault)
{
    admin_tell(admin->call->console, admin->client.broker.data, fault);
    admin->failed = true;
}

void admin_tell_client(struct console *console, const struct client *client)
{
    const char *error = client->error.data;
    bool refused = strstr(error, "refused") != NULL;
    console_error(console, "%s%s", error,
                  refused ? ". Does a broker run there? ottla start starts one." : "");
}

void admin_report_client(struct admin *admin)
{
    admin_tell_client(admin->call->console, &admin->client);
    admin->failed = true;
}

enum exit_code admin_exchange(struct admin *admin, int16_t api_key, const void *ask,
                              void *ret_answer)
{
    struct client_request request = {
        .api_key = api_key, .version = -1, .message = ask, .arena = &admin->arena};
    if (admin->arena.failed) {
        console_error(admin->call->console, "out of memory");
        return EXIT_CODE_FAILED;
    }
    if (client_send(&admin->client, &request, ret_answer))
        return EXIT_CODE_OK;
    admin_report_client(admin);
    return EXIT_CODE_FAILED;
}

/* Answers point into the client's frame, which further calls overwrite. */
static void keep_names(struct admin *admin, struct metadata_response *answer)
{
    for (int32_t i = 0; i < answer->brokers_count; i++)
        answer->brokers[i].host = arena_copy(&admin->arena, answer->brokers[i].host);
    for (int32_t i = 0; i < answer->topics_count; i++)
        answer->topics[i].name = arena_copy(&admin->arena, answer->topics[i].name);
}

const struct metadata_response *admin_metadata(struct admin *admin, const char *const *names,
                                               int count)
{
    struct metadata_request ask = metadata_request_default;
    struct metadata_response *answer = ARENA_NEW(&admin->arena, struct metadata_response);
    ask.topics_count = count < 0 ? 0 : -1;
    ask.allow_auto_topic_creation = client_version(&admin->client, API_METADATA) < 4; /* no field */
    if (count > 0) {
        ask.topics = ARENA_ARRAY(&admin->arena, struct metadata_request_topics, (size_t)count);
        ask.topics_count = count;
        for (int i = 0; i < count && ask.topics != NULL; i++) {
            ask.topics[i] = metadata_request_topics_default;
            ask.topics[i].name = slice_of_text(names[i]);
        }
    }
    if (admin->arena.failed || answer == NULL) {
        console_error(admin->call->console, "out of memory");
        admin->failed = true;
        return NULL;
    }
    struct client_request request = {
        .api_key = API_METADATA, .version = -1, .message = &ask, .arena = &admin->arena};
    if (!client_send(&admin->client, &request, answer)) {
        admin_report_client(admin);
        return NULL;
    }
    keep_names(admin, answer);
    return answer;
}

const char *admin_node_address(struct admin *admin, const struct metadata_response *metadata,
                               int32_t node_id)
{
    for (int32_t i = 0; i < metadata->brokers_count; i++) {
        const struct metadata_response_brokers *broker = &metadata->brokers[i];
        if (broker->node_id != node_id)
            continue;
        bool v6 = memchr(broker->host.data, ':', broker->host.size) != NULL;
        return arena_printf(&admin->arena, v6 ? "[%.*s]:%d" : "%.*s:%d", SLICE_ARG(broker->host),
                            broker->port);
    }
    return NULL;
}

enum exit_code admin_confirm(const struct command_call *call, const char *doing,
                             const char *question)
{
    char answer[16] = "";
    if (call_has(call, &flag_yes))
        return EXIT_CODE_OK;
    if (!sys_process_is_terminal(0) || !call->console->err_is_terminal) {
        console_error(call->console, "nobody can be asked here; --yes %s without asking", doing);
        return EXIT_CODE_USAGE;
    }
    console_note(call->console, "%s Type yes to go on:", question);
    if (fgets(answer, sizeof answer, stdin) != NULL && strcmp(answer, "yes\n") == 0)
        return EXIT_CODE_OK;
    console_note(call->console, "Nothing was changed.");
    return EXIT_CODE_FAILED;
}

bool admin_choose(struct admin *admin, const struct admin_choice *choice, struct slice **ret_words,
                  int32_t *ret_count)
{
    const char *text = call_value(admin->call, choice->flag, "");
    int count;
    if (!words_split(slice_of_text(text), &admin->arena, ret_words, &count)) {
        console_error(admin->call->console, "out of memory");
        return false;
    }
    for (int i = 0; i < count; i++) {
        struct slice word = (*ret_words)[i];
        size_t at = 0;
        while (at < choice->name_count &&
               (word.size != strlen(choice->names[at]) ||
                strncasecmp((const char *)word.data, choice->names[at], word.size) != 0))
            at++;
        if (at == choice->name_count) {
            console_error(admin->call->console, "--%s %.*s: %s", choice->flag->name,
                          SLICE_ARG(word), choice->rule);
            return false;
        }
        (*ret_words)[i] = slice_of_text(choice->names[at]);
    }
    *ret_count = count;
    return true;
}

const char *admin_ids(struct admin *admin, const int32_t *ids, int32_t count)
{
    const char *list = "";
    for (int32_t i = 0; i < count; i++)
        list = arena_printf(&admin->arena, "%s%s%d", list, i > 0 ? "," : "", ids[i]);
    return list;
}

const char *admin_text(struct admin *admin, struct slice s)
{
    return arena_printf(&admin->arena, "%.*s", SLICE_ARG(s));
}

void admin_print(struct admin *admin, const struct listing *listing)
{
    if (admin->format == LISTING_JSON)
        listing_print_document(listing, admin->call->command->name, admin->call->console);
    else if (listing_row_count(listing) > 0 || !admin->failed)
        listing_print(listing, admin->format, admin->call->console);
}

enum exit_code admin_finish(struct admin *admin, struct listing *listing)
{
    admin_print(admin, listing);
    listing_fini(listing);
    return admin_result(admin);
}
