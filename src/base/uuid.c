/* Kafka's text form of ids: 128 bits as 22 characters of URL-safe base64 without padding.
 * The last character carries four bits only; the two bits below them are ignored when read, as
 * Java's decoder does. Any thread. */
#include "base/uuid.h"

#define UUID_TEXT_LENGTH (UUID_TEXT_SIZE - 1)

const struct uuid uuid_zero = {{0}};

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool uuid_from_random(const uint8_t random[16], struct uuid *ret_id)
{
    struct uuid id;
    memcpy(id.bytes, random, sizeof id.bytes);
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40);
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    /* The version bits make zero and one impossible; '-' is 62, the first six bits. */
    if (id.bytes[0] >> 2 == 62)
        return false;
    *ret_id = id;
    return true;
}

/* Six bits of the id from bit 6 * index on; the end is filled with zeros. */
static unsigned sextet(struct uuid id, unsigned index)
{
    unsigned bit = index * 6;
    unsigned high = id.bytes[bit / 8];
    unsigned low = bit / 8 + 1 < sizeof id.bytes ? id.bytes[bit / 8 + 1] : 0;
    return ((high << 8 | low) >> (10 - bit % 8)) & 63;
}

void uuid_format(struct uuid id, char ret_text[UUID_TEXT_SIZE])
{
    for (unsigned i = 0; i < UUID_TEXT_LENGTH; i++)
        ret_text[i] = alphabet[sextet(id, i)];
    ret_text[UUID_TEXT_LENGTH] = '\0';
}

/* 0 to 63, or 64 for a character outside the alphabet. */
static unsigned digit_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52;
    if (c == '-')
        return 62;
    return c == '_' ? 63 : 64;
}

bool uuid_parse(struct slice text, struct uuid *ret_id)
{
    struct uuid id = uuid_zero;
    if (text.size != UUID_TEXT_LENGTH)
        return false;
    uint32_t bits = 0;
    unsigned bit_count = 0;
    size_t filled = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned digit = digit_of(text.data[i]);
        if (digit == 64)
            return false;
        bits = bits << 6 | digit;
        bit_count += 6;
        if (bit_count < 8)
            continue;
        bit_count -= 8;
        id.bytes[filled++] = (uint8_t)(bits >> bit_count);
    }
    *ret_id = id;
    return true;
}
