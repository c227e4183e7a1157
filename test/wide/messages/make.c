/* Prints random messages of every kind and version, a line each: name, version, bytes in hex, JSON,
 * with tabs between. usage: make COUNT (of messages a version) */
#include "wire/json.h"
#include "wire/test/message_kit.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT_LIMIT ((size_t)16 << 20)

static void print_one(const struct wire_message *message, int version, uint64_t seed)
{
    struct arena arena;
    struct text json;
    struct chain bytes;
    arena_init(&arena, KIT_ARENA_LIMIT);
    text_init(&json, TEXT_LIMIT);
    struct maker maker = {.arena = &arena, .version = version, .utf8 = true};
    prng_init(&maker.prng, seed);
    void *value = maker_message(&maker, message);
    kit_encode(message, version, value, &bytes);
    wire_json_print(message, version, value, &json);
    printf("%s\t%d\t", message->name, version);
    for (size_t i = 0; i < bytes.size; i++)
        printf("%02x", bytes.data[i]);
    printf("\t%s\n", json.data);
    chain_fini(&bytes);
    text_fini(&json);
    arena_fini(&arena);
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
    for (size_t i = 0; i < wire_message_count; i++) {
        const struct wire_message *message = wire_messages[i];
        for (int version = message->versions.low; version <= message->versions.high; version++)
            for (long n = 0; n < count; n++)
                print_one(message, version, (uint64_t)n * 100000 + i * 100 + (uint64_t)version);
    }
    return 0;
}
