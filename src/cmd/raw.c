/* ottla raw. One request from the arguments and the whole input, or a request a line; a line that
 * fails does not end the others, and a connection that the broker ended is opened again for the
 * next. One thread. */
#include "cmd/raw.h"

#include "cmd/admin.h"
#include "wire/json.h"
#include "tbl/apis.h"
#include "wire/messages.h"
#include "wire/msg/produce_request.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

const struct command_flag raw_flag_template = {
    0, "template", NULL, "show the request with its defaults instead of sending it"};

#define MESSAGE_LIMIT ((size_t)1 << 30)
#define REQUEST_SUFFIX "Request"

struct raw {
    const struct command_call *call;
    struct client client;
    bool connected;
    int64_t timeout_ms;
    struct arena arena;
    struct text out;
    bool failed;
};

/* One request as it was asked for. */
struct raw_request {
    const struct wire_message *message;
    const struct wire_message *answer;
    int version;
};

/* ---- which API, which version ---- */

static size_t bare_size(const char *name)
{
    size_t size = strlen(name);
    size_t suffix = sizeof REQUEST_SUFFIX - 1;
    bool has = size > suffix && strcasecmp(name + size - suffix, REQUEST_SUFFIX) == 0;
    return has ? size - suffix : size;
}

/* "Metadata", "metadata", "MetadataRequest" or "3". */
static const struct wire_message *find_request(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);
    if (*text != '\0' && *end == '\0')
        return number >= 0 && number <= INT16_MAX ? wire_request((int16_t)number) : NULL;
    size_t size = bare_size(text);
    for (size_t i = 0; i < wire_message_count; i++) {
        const struct wire_message *message = wire_messages[i];
        if (message->kind == WIRE_REQUEST && bare_size(message->name) == size &&
            strncasecmp(message->name, text, size) == 0)
            return message;
    }
    return NULL;
}

/* false: *error has one sentence. */
static bool read_request(const char *api, const char *version, struct raw_request *ret_request,
                         struct text *error)
{
    const struct wire_message *message = find_request(api);
    const struct wire_message *answer = message != NULL ? wire_response(message->number) : NULL;
    if (answer == NULL) {
        text_printf(error, "no API is called %s", api);
        return false;
    }
    char *end;
    long number = strcmp(version, "max") == 0 ? message->versions.high : strtol(version, &end, 10);
    bool ok = strcmp(version, "max") == 0 || (*version != '\0' && *end == '\0');
    if (!ok || number < INT16_MIN || number > INT16_MAX ||
        !wire_versions_have(message->versions, (int)number)) {
        text_printf(error, "%s has the versions %d to %d, not %s", message->name,
                    message->versions.low, message->versions.high, version);
        return false;
    }
    *ret_request =
        (struct raw_request){.message = message, .answer = answer, .version = (int)number};
    return true;
}

/* ---- one request ---- */

static bool connect_again(struct raw *raw, struct text *error)
{
    if (raw->connected)
        return true;
    raw->connected = client_open(&raw->client, admin_brokers(raw->call), raw->timeout_ms);
    if (raw->connected)
        return true;
    text_printf(error, "%s", raw->client.error.data);
    client_close(&raw->client);
    return false;
}

static bool has_no_answer(int16_t api_key, const void *message)
{
    const struct produce_request *produce = message;
    return api_key == API_PRODUCE && produce->acks == 0;
}

/* Sends and prints the answer's body to raw->out. false: *error has one sentence. */
static bool send_one(struct raw *raw, const struct raw_request *request, const json_t *body,
                     struct text *error)
{
    void *ask = arena_take(&raw->arena, request->message->type->size);
    void *got = arena_take(&raw->arena, request->answer->type->size);
    struct wire_json_reading reading = {.arena = &raw->arena};
    if (ask == NULL || got == NULL) {
        text_printf(error, "out of memory");
        return false;
    }
    if (!wire_json_read_value(request->message, request->version, body, &reading, ask)) {
        text_printf(error, "%s", reading.fault);
        return false;
    }
    if (!connect_again(raw, error))
        return false;
    struct client_request sent = {.api_key = request->message->number,
                                  .version = request->version,
                                  .message = ask,
                                  .arena = &raw->arena};
    bool unanswered = has_no_answer(request->message->number, ask);
    if (unanswered ? !client_send_unanswered(&raw->client, &sent)
                   : !client_send(&raw->client, &sent, got)) {
        text_printf(error, "%s", raw->client.error.data);
        client_close(&raw->client);
        raw->connected = false;
        return false;
    }
    if (!unanswered) {
        wire_json_print(request->answer, request->version, got, &raw->out);
        return true;
    }
    text_printf(&raw->out, "null");
    console_note(raw->call->console, "Produce with acks 0 has no answer; the broker has taken it");
    return true;
}

/* ---- the forms of the command ---- */

static void report(struct raw *raw, const struct text *error)
{
    console_error(raw->call->console, "%s", error->data);
    raw->failed = true;
}

static enum exit_code print_template(struct raw *raw, const struct raw_request *request)
{
    wire_json_print(request->message, request->version, request->message->type->defaults,
                    &raw->out);
    text_add_char(&raw->out, '\n');
    console_add(raw->call->console, text_slice(&raw->out));
    return EXIT_CODE_OK;
}

/* The whole input is one body. */
static enum exit_code run_one(struct raw *raw, const struct raw_request *request)
{
    struct text error;
    json_error_t problem;
    text_init(&error, 4096);
    json_t *body = json_loadf(stdin, JSON_ALLOW_NUL, &problem);
    if (body == NULL) {
        text_printf(&error, "standard input, line %d: %s", problem.line, problem.text);
        report(raw, &error);
    } else if (!send_one(raw, request, body, &error)) {
        report(raw, &error);
    } else {
        text_add_char(&raw->out, '\n');
        console_add(raw->call->console, text_slice(&raw->out));
    }
    json_decref(body);
    text_fini(&error);
    return raw->failed ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

/* "api" and "version" may be text or numbers. */
static const char *text_member(struct raw *raw, const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    if (json_is_string(value))
        return arena_printf(&raw->arena, "%s", json_string_value(value));
    if (json_is_integer(value))
        return arena_printf(&raw->arena, "%lld", (long long)json_integer_value(value));
    return NULL;
}

static bool run_object(struct raw *raw, const json_t *object, struct text *error)
{
    const char *api = text_member(raw, object, "api");
    const char *version = text_member(raw, object, "version");
    const json_t *body = json_object_get(object, "body");
    struct raw_request request;
    if (api == NULL || version == NULL || !json_is_object(body)) {
        text_printf(error, "a line must be {\"api\":...,\"version\":...,\"body\":{...}}");
        return false;
    }
    if (!read_request(api, version, &request, error))
        return false;
    text_printf(&raw->out,
                "{\"api\":\"%.*s\",\"version\":%d,\"body\":", (int)bare_size(request.message->name),
                request.message->name, request.version);
    return send_one(raw, &request, body, error);
}

static void run_line(struct raw *raw, const char *line)
{
    struct text error;
    json_error_t problem;
    text_init(&error, 4096);
    arena_reset(&raw->arena);
    text_reset(&raw->out);
    json_t *object = json_loads(line, JSON_ALLOW_NUL, &problem);
    bool ok = false;
    if (object == NULL)
        text_printf(&error, "%s", problem.text);
    else
        ok = run_object(raw, object, &error);
    if (!ok) {
        text_reset(&raw->out);
        text_printf(&raw->out, "{\"error\":");
        text_add_json_string(&raw->out, text_slice(&error));
        raw->failed = true;
    }
    text_printf(&raw->out, "}\n");
    console_add(raw->call->console, text_slice(&raw->out));
    console_flush(raw->call->console);
    json_decref(object);
    text_fini(&error);
}

static enum exit_code run_lines(struct raw *raw)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    while ((size = getline(&line, &capacity, stdin)) > 0) {
        bool blank = strspn(line, " \t\r\n") == (size_t)size;
        if (!blank && line[0] != '#')
            run_line(raw, line);
    }
    free(line);
    if (ferror(stdin)) {
        console_error(raw->call->console, "standard input: %s", strerror(errno));
        raw->failed = true;
    }
    return raw->failed ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

static enum exit_code run(struct raw *raw)
{
    const struct command_call *call = raw->call;
    struct raw_request request;
    struct text error;
    if (call->argument_count == 0 && !call_has(call, &raw_flag_template))
        return run_lines(raw);
    text_init(&error, 4096);
    bool ok = call->argument_count == 2;
    if (!ok)
        text_printf(&error, "both API and VERSION, or neither");
    else
        ok = read_request(call->arguments[0], call->arguments[1], &request, &error);
    if (!ok)
        report(raw, &error);
    text_fini(&error);
    if (!ok)
        return EXIT_CODE_USAGE;
    return call_has(call, &raw_flag_template) ? print_template(raw, &request)
                                              : run_one(raw, &request);
}

enum exit_code raw_run(const struct command_call *call)
{
    struct raw raw = {.call = call};
    struct call_number timeout = {&flag_timeout, 1, INT32_MAX, 10000};
    if (!call_number(call, timeout, &raw.timeout_ms))
        return EXIT_CODE_USAGE;
    arena_init(&raw.arena, MESSAGE_LIMIT);
    text_init(&raw.out, MESSAGE_LIMIT);
    enum exit_code code = run(&raw);
    if (raw.connected)
        client_close(&raw.client);
    text_fini(&raw.out);
    arena_fini(&raw.arena);
    return code;
}
