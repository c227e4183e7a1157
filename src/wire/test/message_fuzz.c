/* Fuzz target: decodes every message of spec/ in every version. The first three bytes choose them,
 * the rest is the message. What decodes must encode, come back the same, print as JSON and be read
 * from it. The same bytes are also tried as a request's and a response's header. */
#include "base/always.h"
#include "wire/frame.h"
#include "wire/json.h"
#include "wire/messages.h"

#define MEMORY_LIMIT ((size_t)256 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct choice {
    const struct wire_message *message;
    int version;
    struct slice bytes;
};

static struct choice choose(const uint8_t *data, size_t size)
{
    size_t index = ((size_t)data[0] << 8 | data[1]) % wire_message_count;
    const struct wire_message *message = wire_messages[index];
    int span = message->versions.high - message->versions.low + 1;
    return (struct choice){.message = message,
                           .version = message->versions.low + data[2] % span,
                           .bytes = slice_of(data + 3, size - 3)};
}

static void encode(const struct choice *choice, const void *value, struct chain *out)
{
    chain_init(out, MEMORY_LIMIT);
    bool fine = wire_encode(choice->message, choice->version, value, out, NULL);
    ALWAYS(fine, "%s v%d was decoded but is not encoded", choice->message->name, choice->version);
}

/* The encoded bytes give a message that encodes to themselves. */
static void check_again(const struct choice *choice, const struct chain *first, struct arena *arena)
{
    struct wire_decoded decoded;
    struct chain second;
    void *value = arena_take(arena, choice->message->type->size);
    ALWAYS(value != NULL, "no memory for %s", choice->message->name);
    bool fine = wire_decode(choice->message, choice->version, slice_of(first->data, first->size),
                            arena, value, &decoded);
    ALWAYS(fine && decoded.size == first->size, "%s v%d: own bytes are refused: %s",
           choice->message->name, choice->version, decoded.fault);
    encode(choice, value, &second);
    ALWAYS(slice_equal(slice_of(first->data, first->size), slice_of(second.data, second.size)),
           "%s v%d comes back as something else", choice->message->name, choice->version);
    chain_fini(&second);
}

/* Text that is not UTF-8 is replaced when printed and may then be too long: only such a string may
 * fail to be read. */
static void check_json(const struct choice *choice, const void *value, struct arena *arena)
{
    struct text json;
    text_init(&json, MEMORY_LIMIT);
    wire_json_print(choice->message, choice->version, value, &json);
    void *back = arena_take(arena, choice->message->type->size);
    struct wire_json_reading reading = {.arena = arena};
    if (!json.failed && back != NULL &&
        !wire_json_read(choice->message, choice->version, text_slice(&json), &reading, back))
        ALWAYS(strstr(reading.fault, "is longer than") != NULL, "%s v%d: own JSON is refused: %s",
               choice->message->name, choice->version, reading.fault);
    text_fini(&json);
}

static void try_message(const struct choice *choice)
{
    struct arena arena;
    struct wire_decoded decoded;
    arena_init(&arena, MEMORY_LIMIT);
    void *value = arena_take(&arena, choice->message->type->size);
    size_t before = arena.used;
    bool fine = value != NULL && wire_decode(choice->message, choice->version, choice->bytes,
                                             &arena, value, &decoded);
    ALWAYS(arena.used - before <= WIRE_MEMORY_RATIO_MAX * choice->bytes.size,
           "%s v%d took %zu bytes for %zu", choice->message->name, choice->version,
           arena.used - before, choice->bytes.size);
    if (fine) {
        struct chain out;
        encode(choice, value, &out);
        check_again(choice, &out, &arena);
        check_json(choice, value, &arena);
        chain_fini(&out);
    }
    arena_fini(&arena);
}

static void try_headers(struct slice bytes)
{
    struct frame_header header;
    struct slice body;
    int32_t correlation_id;
    if (frame_header_parse(bytes, &header, &body) != NULL)
        return;
    ALWAYS(body.size <= bytes.size, "a body is larger than its frame");
    if (frame_response_parse(bytes, &header, &correlation_id, &body) == NULL)
        ALWAYS(body.size <= bytes.size, "a body is larger than its frame");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct choice choice = choose(data, size);
    try_message(&choice);
    try_headers(choice.bytes);
    return 0;
}
