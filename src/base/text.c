/* The growing text builder and the encodings that JSON writers need. Any failure is sticky: what
 * was written before it stays, nothing is added after. One thread at a time. */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_CAPACITY_MIN ((size_t)64)
#define TEXT_SIZE_MAX (SIZE_MAX / 4)

void text_init(struct text *text, size_t limit_bytes)
{
    *text = (struct text){.limit = limit_bytes};
}

void text_fini(struct text *text)
{
    free(text->data);
    text_init(text, text->limit);
}

void text_reset(struct text *text)
{
    text->size = 0;
    text->failed = false;
    if (text->data != NULL)
        text->data[0] = '\0';
}

/* Room for `more` bytes and the terminator. False: failed, sticky. */
static bool reserve(struct text *text, size_t more)
{
    if (text->failed)
        return false;
    if (more > MIN_OF(text->limit, TEXT_SIZE_MAX) - text->size) {
        text->failed = true;
        return false;
    }
    size_t wanted = text->size + more + 1;
    if (wanted <= text->capacity)
        return true;
    size_t grown = MAX_OF(text->capacity * 2, TEXT_CAPACITY_MIN);
    size_t capacity = MAX_OF(grown, wanted);
    char *data = (char *)realloc(text->data, capacity);
    if (data == NULL) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void text_add(struct text *text, struct slice s)
{
    if (!reserve(text, s.size))
        return;
    if (s.size > 0)
        memcpy(text->data + text->size, s.data, s.size);
    text->size += s.size;
    text->data[text->size] = '\0';
}

void text_add_char(struct text *text, char c)
{
    text_add(text, slice_of(&c, 1));
}

void text_vprintf(struct text *text, const char *format, va_list args)
{
    va_list measured;
    va_copy(measured, args);
    int length = vsnprintf(NULL, 0, format, measured);
    va_end(measured);
    if (length < 0)
        text->failed = true;
    if (length < 0 || !reserve(text, (size_t)length))
        return;
    (void)vsnprintf(text->data + text->size, (size_t)length + 1, format, args);
    text->size += (size_t)length;
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    text_vprintf(text, format, args);
    va_end(args);
}

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Bytes of the well-formed UTF-8 sequence at the start of s (RFC 3629: no overlong form, no
 * surrogate, nothing above U+10FFFF); 0 when there is none. */
static size_t utf8_sequence(struct slice s)
{
    uint8_t lead = s.data[0];
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    size_t size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (s.size < size)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if (!is_continuation(s.data[i]))
            return 0;
    }
    uint8_t second = s.data[1];
    bool refused = (lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
                   (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f);
    return refused ? 0 : size;
}

static void add_escaped(struct text *text, uint8_t c)
{
    static const char short_names[] = "btn\0fr"; /* from 8 on; 11 has none */
    if (c == '"' || c == '\\') {
        text_add_char(text, '\\');
        text_add_char(text, (char)c);
    } else if (c >= 8 && c <= 13 && short_names[c - 8] != '\0') {
        text_add_char(text, '\\');
        text_add_char(text, short_names[c - 8]);
    } else {
        text_printf(text, "\\u%04x", c);
    }
}

static bool needs_escape(uint8_t c)
{
    return c < 0x20 || c == '"' || c == '\\' || c == 0x7f;
}

void text_add_json_string(struct text *text, struct slice s)
{
    text_add_char(text, '"');
    size_t plain = 0; /* start of what is copied as it is */
    size_t at = 0;
    while (at < s.size && !text->failed) {
        size_t size = utf8_sequence(slice_from(s, at));
        if (size != 0 && !needs_escape(s.data[at])) {
            at += size;
            continue;
        }
        text_add(text, slice_first(slice_from(s, plain), at - plain));
        if (size == 0)
            text_add(text, slice_of_text("\xef\xbf\xbd"));
        else
            add_escaped(text, s.data[at]);
        plain = ++at;
    }
    text_add(text, slice_from(s, plain));
    text_add_char(text, '"');
}

void text_add_base64(struct text *text, struct slice s)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < s.size && !text->failed; at += 3) {
        size_t count = MIN_OF(s.size - at, (size_t)3);
        uint8_t bytes[3] = {0};
        memcpy(bytes, s.data + at, count);
        uint32_t bits = (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2];
        char group[4];
        for (size_t i = 0; i < sizeof group; i++)
            group[i] = i <= count ? alphabet[bits >> (18 - 6 * i) & 63] : '=';
        text_add(text, slice_of(group, sizeof group));
    }
}

char *text_take(struct text *text)
{
    if (text->failed || !reserve(text, 0))
        return NULL;
    text->data[text->size] = '\0';
    char *data = TAKE_PTR(text->data);
    text_init(text, text->limit);
    return data;
}
