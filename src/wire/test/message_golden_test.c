/* Messages whose bytes Apache Kafka's own classes made (golden/messages.txt): JSON is read and
 * encoded to those bytes, and the bytes are decoded and printed as that JSON. */
#include "wire/json.h"
#include "wire/test/message_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LINE_SIZE_MAX 4096
#define TEXT_LIMIT ((size_t)1 << 20)

struct golden {
    const struct wire_message *message;
    int version;
    uint8_t bytes[LINE_SIZE_MAX / 2];
    size_t size;
    const char *json; /* in the line */
};

static uint8_t hex_digit(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Cuts the text at the first `end` and returns what stood before it. */
static const char *cut(char **rest, char end)
{
    char *start = *rest;
    char *at = strchr(start, end);
    assert_non_null(at);
    *at = '\0';
    *rest = at + 1;
    return start;
}

/* Takes a line apart in place. */
static void parse_line(char *line, struct golden *ret_golden)
{
    const char *name = cut(&line, ' ');
    const char *version = cut(&line, ' ');
    const char *hex = cut(&line, ' ');
    const char *json = cut(&line, '\n');
    ret_golden->message = wire_message_named(slice_of_text(name));
    assert_non_null(ret_golden->message);
    ret_golden->version = (int)strtol(version, NULL, 10);
    ret_golden->size = strcmp(hex, "-") == 0 ? 0 : strlen(hex) / 2;
    for (size_t i = 0; i < ret_golden->size; i++)
        ret_golden->bytes[i] = (uint8_t)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
    ret_golden->json = json;
}

static void json_becomes_the_bytes(const struct golden *golden, struct arena *arena)
{
    void *value = arena_take(arena, golden->message->type->size);
    struct wire_json_reading reading = {.arena = arena};
    if (!wire_json_read(golden->message, golden->version, slice_of_text(golden->json), &reading,
                        value))
        fail_msg("%s: %s", golden->message->name, reading.fault);
    struct chain out;
    kit_encode(golden->message, golden->version, value, &out);
    assert_int_equal(out.size, golden->size);
    if (out.size > 0)
        assert_memory_equal(out.data, golden->bytes, out.size);
    chain_fini(&out);
}

static void bytes_become_the_json(const struct golden *golden, struct arena *arena)
{
    void *value = arena_take(arena, golden->message->type->size);
    struct wire_decoded decoded;
    if (!wire_decode(golden->message, golden->version, slice_of(golden->bytes, golden->size), arena,
                     value, &decoded))
        fail_msg("%s: %s", golden->message->name, decoded.fault);
    assert_int_equal(decoded.size, golden->size);
    struct text out;
    text_init(&out, TEXT_LIMIT);
    wire_json_print(golden->message, golden->version, value, &out);
    assert_string_equal(out.data, golden->json);
    text_fini(&out);
}

static void kafkas_bytes_and_ours_are_equal(void **state)
{
    (void)state;
    FILE *file = fopen(TEST_FOLDER "/golden/messages.txt", "r");
    assert_non_null(file);
    char line[LINE_SIZE_MAX];
    int count = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        struct golden golden;
        struct arena arena;
        if (line[0] == '#')
            continue;
        arena_init(&arena, KIT_ARENA_LIMIT);
        parse_line(line, &golden);
        json_becomes_the_bytes(&golden, &arena);
        bytes_become_the_json(&golden, &arena);
        arena_fini(&arena);
        count++;
    }
    assert_true(count > 20);
    assert_int_equal(fclose(file), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kafkas_bytes_and_ours_are_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
