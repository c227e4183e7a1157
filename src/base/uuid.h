/* 128-bit ids as Kafka writes them: 16 bytes on the wire, 22 characters of URL-safe base64 in
 * text. The caller hands in randomness. Any thread. */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include "base/slice.h"

struct uuid {
    uint8_t bytes[16];
};

#define UUID_TEXT_SIZE 23 /* 22 characters and the terminator */

extern const struct uuid uuid_zero;

static inline bool uuid_equal(struct uuid a, struct uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

static inline bool uuid_is_zero(struct uuid id)
{
    return uuid_equal(id, uuid_zero);
}

static inline int uuid_compare(struct uuid a, struct uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes);
}

/* Version 4, variant 1; random is 16 bytes of entropy. Like Kafka's, never an id whose text
 * starts with '-', never zero or one (the caller asks again when false is returned). */
bool uuid_from_random(const uint8_t random[16], struct uuid *ret_id);

/* Writes 22 characters and a terminator. */
void uuid_format(struct uuid id, char ret_text[UUID_TEXT_SIZE]);

/* Exactly 22 base64url characters; false leaves *ret_id alone. */
bool uuid_parse(struct slice text, struct uuid *ret_id);

#endif
