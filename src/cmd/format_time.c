/* Timestamps as dates: UTC in the Gregorian calendar, without the system's time zones and locales.
 * Pure. One thread. */
#include "cmd/format_int.h"

#define DAY_MS INT64_C(86400000)

struct date {
    int64_t year;
    int month;       /* 1 .. 12 */
    int day;         /* 1 .. 31 */
    int day_of_year; /* 1 .. 366 */
    int hour;
    int minute;
    int second;
    int ms;
    int64_t seconds; /* since 1970 */
};

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* From days since 1970-01-01; years run from March, so that February's end is the year's. */
static void set_day(struct date *date, int64_t days)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t of_era = z - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    date->day = (int)(of_year - (153 * month + 2) / 5 + 1);
    date->month = (int)(month < 10 ? month + 3 : month - 9);
    date->year = year + era * 400 + (date->month <= 2);
    int before_march = 59 + is_leap(date->year);
    date->day_of_year = (int)(of_year >= 306 ? of_year - 305 : of_year + before_march + 1);
}

static struct date date_of(int64_t ms)
{
    struct date date = {0};
    int64_t days = ms / DAY_MS - (ms % DAY_MS < 0);
    int of_day = (int)(ms - days * DAY_MS);
    set_day(&date, days);
    date.hour = of_day / 3600000;
    date.minute = of_day / 60000 % 60;
    date.second = of_day / 1000 % 60;
    date.ms = of_day % 1000;
    date.seconds = ms / 1000 - (ms % 1000 < 0);
    return date;
}

static bool add_conversion(char letter, const struct date *d, struct text *out)
{
    switch (letter) {
    case 'Y':
        text_printf(out, "%lld", (long long)d->year);
        return true;
    case 'y':
        text_printf(out, "%02d", (int)(d->year % 100));
        return true;
    case 'm':
        text_printf(out, "%02d", d->month);
        return true;
    case 'd':
        text_printf(out, "%02d", d->day);
        return true;
    case 'e':
        text_printf(out, "%2d", d->day);
        return true;
    case 'j':
        text_printf(out, "%03d", d->day_of_year);
        return true;
    case 'H':
        text_printf(out, "%02d", d->hour);
        return true;
    case 'M':
        text_printf(out, "%02d", d->minute);
        return true;
    case 'S':
        text_printf(out, "%02d", d->second);
        return true;
    case 'L':
        text_printf(out, "%03d", d->ms);
        return true;
    case 's':
        text_printf(out, "%lld", (long long)d->seconds);
        return true;
    case 'F':
        text_printf(out, "%lld-%02d-%02d", (long long)d->year, d->month, d->day);
        return true;
    case 'T':
        text_printf(out, "%02d:%02d:%02d", d->hour, d->minute, d->second);
        return true;
    case 'z':
        text_printf(out, "+0000");
        return true;
    case '%':
        text_add_char(out, '%');
        return true;
    default:
        return false;
    }
}

void format_time(struct slice pattern, int64_t ms, struct text *out)
{
    struct date date = date_of(ms);
    for (size_t i = 0; i < pattern.size; i++) {
        char c = (char)pattern.data[i];
        bool conversion = c == '%' && i + 1 < pattern.size &&
                          add_conversion((char)pattern.data[i + 1], &date, out);
        if (conversion)
            i++;
        else
            text_add_char(out, c);
    }
}
