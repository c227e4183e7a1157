/* Formatting of log lines. Civil dates are worked out here, without the C library's time zones:
 * the result depends on the arguments alone. Any thread. */
#include "base/logfmt.h"

#include "base/always.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define DAY_MS 86400000u
#define TIME_MS_MAX 253402300799999LL /* 9999-12-31T23:59:59.999Z */
#define DAYS_TO_1970 719468u          /* from 0000-03-01 */

struct civil_date {
    unsigned year;
    unsigned month;
    unsigned day;
};

/* days since 1970-01-01. A year is counted from March, so that the leap day ends it. */
static struct civil_date date_of_days(uint64_t days)
{
    uint64_t since = days + DAYS_TO_1970;
    uint64_t era = since / 146097; /* 400 years */
    uint64_t day_of_era = since % 146097;
    uint64_t year =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint64_t day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    uint64_t month = (5 * day_of_year + 2) / 153; /* 0 is March */
    return (struct civil_date){
        .year = (unsigned)(year + era * 400 + (month >= 10 ? 1 : 0)),
        .month = (unsigned)(month < 10 ? month + 3 : month - 9),
        .day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1),
    };
}

void logfmt_time(int64_t wall_ms, char ret_text[LOGFMT_TIME_SIZE])
{
    uint64_t ms = wall_ms < 0 ? 0 : (uint64_t)MIN_OF(wall_ms, (int64_t)TIME_MS_MAX);
    struct civil_date date = date_of_days(ms / DAY_MS);
    unsigned of_day = (unsigned)(ms % DAY_MS);
    int length =
        snprintf(ret_text, LOGFMT_TIME_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
                 date.year % 10000, date.month % 100, date.day % 100, of_day / 3600000 % 24,
                 of_day / 60000 % 60, of_day / 1000 % 60, of_day % 1000);
    ALWAYS(length == LOGFMT_TIME_SIZE - 1, "a time took %d characters", length);
}

size_t logfmt_line(char *buffer, size_t size, const struct logfmt_head *head, const char *format,
                   va_list args)
{
    char time[LOGFMT_TIME_SIZE];
    ALWAYS(size >= 64, "a log line's buffer of %zu bytes is too small", size);
    logfmt_time(head->wall_ms, time);
    size_t room = size - 1; /* the line end's place is kept */
    int head_length =
        snprintf(buffer, room, "ts=%s level=%s event=%s", time, head->level, head->event);
    size_t length = head_length < 0 ? 0 : (size_t)head_length;
    if (length + 1 < room && format[0] != '\0') {
        buffer[length++] = ' ';
        int tail_length = vsnprintf(buffer + length, room - length, format, args);
        length += tail_length < 0 ? 0 : (size_t)tail_length;
    }
    if (length >= room) {
        length = room - 1;
        memcpy(buffer + length - 3, "...", 3);
    }
    for (size_t i = 0; i < length; i++) {
        if (buffer[i] == '\n' || buffer[i] == '\r')
            buffer[i] = ' ';
    }
    buffer[length++] = '\n';
    buffer[length] = '\0';
    return length;
}

static bool is_bare(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] <= ' ' || bytes[i] >= 0x7f || bytes[i] == '"' || bytes[i] == '=' ||
            bytes[i] == '\\')
            return false;
    }
    return size > 0;
}

/* Writes one byte's quoted form (1, 2 or 4 characters); returns its size. */
static size_t quote_byte(uint8_t byte, char ret_text[4])
{
    static const char digits[] = "0123456789abcdef";
    if (byte == '"' || byte == '\\') {
        ret_text[0] = '\\';
        ret_text[1] = (char)byte;
        return 2;
    }
    if (byte >= ' ' && byte < 0x7f) {
        ret_text[0] = (char)byte;
        return 1;
    }
    ret_text[0] = '\\';
    ret_text[1] = 'x';
    ret_text[2] = digits[byte >> 4];
    ret_text[3] = digits[byte & 15];
    return 4;
}

const char *logfmt_quote(char *buffer, size_t size, const void *data, size_t data_size)
{
    const uint8_t *bytes = (const uint8_t *)data;
    ALWAYS(size >= 8, "a quoted value's buffer of %zu bytes is too small", size);
    if (data_size < size && is_bare(bytes, data_size)) {
        memcpy(buffer, bytes, data_size);
        buffer[data_size] = '\0';
        return buffer;
    }
    size_t length = 0;
    buffer[length++] = '"';
    for (size_t i = 0; i < data_size; i++) {
        char form[4];
        size_t form_size = quote_byte(bytes[i], form);
        size_t kept = i + 1 < data_size ? sizeof "...\"" : sizeof "\"";
        if (length + form_size + kept > size) {
            memcpy(buffer + length, "...", 3);
            length += 3;
            break;
        }
        memcpy(buffer + length, form, form_size);
        length += form_size;
    }
    buffer[length++] = '"';
    buffer[length] = '\0';
    return buffer;
}
