/* Parsing, checking and printing of one configuration value. Its complication is to say no in the
 * same words as Kafka and to accept what Java's number parsers accept. Must not know any key by
 * name. Any thread. */
#include "config/value.h"

#include "base/always.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct slice config_trim(struct slice s)
{
    while (s.size > 0 && s.data[0] <= ' ')
        s = slice_from(s, 1);
    while (s.size > 0 && s.data[s.size - 1] <= ' ')
        s.size--;
    return s;
}

bool config_list_next(struct slice *rest, struct slice *ret_part)
{
    if (slice_is_null(*rest))
        return false;
    const uint8_t *comma = rest->size == 0 ? NULL : memchr(rest->data, ',', rest->size);
    if (comma == NULL) {
        *ret_part = config_trim(*rest);
        *rest = (struct slice){0};
        return true;
    }
    size_t size = (size_t)(comma - rest->data);
    *ret_part = config_trim(slice_first(*rest, size));
    *rest = slice_from(*rest, size + 1);
    return true;
}

const struct config_pair *config_pairs_find(struct config_pairs pairs, struct slice name)
{
    for (size_t i = pairs.count; i-- > 0;)
        if (slice_equal(pairs.at[i].name, name))
            return &pairs.at[i];
    return NULL;
}

static bool refuse(const struct config_row *row, struct slice value, const char *why,
                   struct text *error)
{
    if (error != NULL)
        text_printf(error, "Invalid value %.*s for configuration %s: %s", SLICE_ARG(value),
                    row->name, why);
    return false;
}

/* ---- numbers ---- */

static const char *type_name(enum config_type type)
{
    switch (type) {
    case CONFIG_INT:
        return "INT";
    case CONFIG_SHORT:
        return "SHORT";
    case CONFIG_LONG:
        return "LONG";
    case CONFIG_DOUBLE:
        return "DOUBLE";
    case CONFIG_BOOLEAN:
    case CONFIG_STRING:
    case CONFIG_LIST:
    case CONFIG_CLASS:
    case CONFIG_PASSWORD:
        break;
    }
    return "STRING";
}

/* An optional sign and decimal digits, within low .. high. */
static bool parse_integer(struct slice s, struct config_value *ret_value, int64_t low, int64_t high)
{
    bool minus = s.size > 0 && s.data[0] == '-';
    if (s.size > 0 && (minus || s.data[0] == '+'))
        s = slice_from(s, 1);
    if (s.size == 0)
        return false;
    int64_t number = 0;
    for (size_t i = 0; i < s.size; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
        int64_t digit = s.data[i] - '0';
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_sub_overflow(number, digit, &number))
            return false;
    }
    /* Gathered below zero, so that the lowest number fits. */
    if (!minus && number == INT64_MIN)
        return false;
    number = minus ? number : -number;
    if (number < low || number > high)
        return false;
    ret_value->number = number;
    return true;
}

/* Decimal forms, an optional type letter at the end, NaN and Infinity: Double.parseDouble's, less
 * its hexadecimal form. */
static bool parse_double(struct slice s, struct config_value *ret_value)
{
    char copy[64];
    if (s.size > 1 && strchr("dDfF", s.data[s.size - 1]) != NULL)
        s.size--;
    if (s.size == 0 || s.size >= sizeof copy)
        return false;
    memcpy(copy, s.data, s.size);
    copy[s.size] = '\0';
    const char *bare = copy[0] == '-' || copy[0] == '+' ? copy + 1 : copy;
    bool words = strcmp(bare, "NaN") == 0 || strcmp(bare, "Infinity") == 0;
    if (!words && (bare[0] == '\0' || bare[strspn(bare, "0123456789.eE+-")] != '\0'))
        return false;
    char *end;
    double real = strtod(copy, &end);
    if (end == copy || *end != '\0')
        return false;
    ret_value->real = real;
    return true;
}

static bool parse_number(const struct config_row *row, struct slice text,
                         struct config_value *ret_value)
{
    switch (row->type) {
    case CONFIG_INT:
        return parse_integer(text, ret_value, INT32_MIN, INT32_MAX);
    case CONFIG_SHORT:
        return parse_integer(text, ret_value, INT16_MIN, INT16_MAX);
    case CONFIG_LONG:
        return parse_integer(text, ret_value, INT64_MIN, INT64_MAX);
    case CONFIG_DOUBLE:
        return parse_double(text, ret_value);
    case CONFIG_BOOLEAN:
    case CONFIG_STRING:
    case CONFIG_LIST:
    case CONFIG_CLASS:
    case CONFIG_PASSWORD:
        break;
    }
    return false;
}

static bool parse_boolean(struct slice s, struct config_value *ret_value)
{
    bool yes = s.size == 4 && strncasecmp((const char *)s.data, "true", 4) == 0;
    bool no = s.size == 5 && strncasecmp((const char *)s.data, "false", 5) == 0;
    ret_value->number = yes;
    return yes || no;
}

/* As Java's Double.toString: shortest digits that read back the same, 1.0E10 from ten million on
 * and below a thousandth. */
static void print_double(double real, struct text *out)
{
    if (isnan(real) || isinf(real)) {
        text_printf(out, "%s", isnan(real) ? "NaN" : real > 0 ? "Infinity" : "-Infinity");
        return;
    }
    char digits[40];
    for (int precision = 0; precision < 18; precision++) {
        snprintf(digits, sizeof digits, "%.*e", precision, real);
        if (strtod(digits, NULL) == real) /* exact: both come from the same bits */
            break;
    }
    char *e = strchr(digits, 'e');
    ALWAYS(e != NULL, "%%e printed %s", digits);
    int exponent = (int)strtol(e + 1, NULL, 10);
    *e = '\0';
    const char *point = strchr(digits, '.');
    double size = fabs(real);
    if (size != 0 && (size < 1e-3 || size >= 1e7)) {
        text_printf(out, "%s%sE%d", digits, point != NULL ? "" : ".0", exponent);
        return;
    }
    int places = (point != NULL ? (int)strlen(point + 1) : 0) - exponent;
    text_printf(out, "%.*f", places > 1 ? places : 1, real);
}

/* ---- checks ---- */

/* Bounds are whole numbers but for ratios. */
static void print_bound(double bound, char *ret_text, size_t size)
{
    snprintf(ret_text, size, "%.15g", bound);
}

static bool check_range(const struct config_row *row, const struct config_value *value,
                        struct text *error)
{
    double number = row->type == CONFIG_DOUBLE ? value->real : (double)value->number;
    bool off = row->check == CHECK_RANGE_OR && value->number == -1;
    if (off || !(number < row->min || number > row->max)) /* NaN passes, as in Java */
        return true;
    char why[128];
    char low[32];
    char high[32];
    print_bound(row->min, low, sizeof low);
    print_bound(row->max, high, sizeof high);
    if (row->check == CHECK_RANGE_OR)
        snprintf(why, sizeof why, "Value must be between %s and %s or equal to -1", low, high);
    else if (number < row->min)
        snprintf(why, sizeof why, "Value must be at least %s", low);
    else
        snprintf(why, sizeof why, "Value must be no more than %s", high);
    char shown[48];
    struct text printed;
    text_init(&printed, sizeof shown);
    config_value_print(row, value, &printed);
    bool ok = refuse(row, text_slice(&printed), why, error);
    text_fini(&printed);
    return ok;
}

static bool is_word(const struct config_row *row, struct slice word)
{
    struct slice rest = slice_of_text(row->words);
    struct slice candidate;
    while (config_list_next(&rest, &candidate)) {
        if (slice_equal(candidate, word))
            return true;
        if (row->check == CHECK_WORDS_ANY && candidate.size == word.size &&
            strncasecmp((const char *)candidate.data, (const char *)word.data, word.size) == 0)
            return true;
    }
    return false;
}

static bool check_word(const struct config_row *row, struct slice word, struct text *error)
{
    if (is_word(row, word))
        return true;
    char why[256];
    snprintf(why, sizeof why, "String must be one of%s: %s",
             row->check == CHECK_WORDS_ANY ? " (case insensitive)" : "", row->words);
    return refuse(row, word, why, error);
}

static bool check_list_parts(const struct config_row *row, struct slice list, struct text *error)
{
    struct slice rest = list;
    struct slice part;
    if (list.size == 0)
        return true;
    while (config_list_next(&rest, &part)) {
        if (part.size == 0) {
            if (error != NULL)
                text_printf(error, "Configuration '%s' values must not be empty.", row->name);
            return false;
        }
        if (row->check == CHECK_WORDS && !check_word(row, part, error))
            return false;
    }
    return true;
}

static size_t digits_of(struct slice s)
{
    size_t n = 0;
    while (n < s.size && s.data[n] >= '0' && s.data[n] <= '9')
        n++;
    return n;
}

static bool is_throttled_pair(struct slice pair)
{
    size_t partition = digits_of(pair);
    struct slice broker = slice_from(pair, partition + 1);
    return partition > 0 && partition < pair.size && pair.data[partition] == ':' &&
           broker.size > 0 && digits_of(broker) == broker.size;
}

/* True when the list has the part before that place already. */
static bool is_repeated(struct slice list, struct slice part)
{
    struct slice candidate;
    while (config_list_next(&list, &candidate) && candidate.data < part.data)
        if (slice_equal(candidate, part))
            return true;
    return false;
}

/* Lists of words name each once, as Kafka keeps them. */
static void print_list(const struct config_row *row, struct slice list, const char *separator,
                       struct text *out)
{
    struct slice rest = list;
    struct slice part;
    const char *before = "";
    while (config_list_next(&rest, &part)) {
        if (row->check == CHECK_WORDS && is_repeated(list, part))
            continue;
        text_printf(out, "%s", before);
        text_add(out, part);
        before = separator;
    }
}

/* Kafka shows the list as Java prints one. */
static bool refuse_throttled(const struct config_row *row, struct slice list, struct text *error)
{
    if (error == NULL)
        return false;
    text_printf(error, "Invalid value [");
    print_list(row, list, ", ", error);
    text_printf(error,
                "] for configuration %s: %s must be the literal '*' or a list of replicas in the "
                "following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
                row->name, row->name);
    return false;
}

static bool check_throttled(const struct config_row *row, struct slice list, struct text *error)
{
    struct slice rest = list;
    struct slice part;
    if (list.size == 0 || slice_is(list, "*"))
        return true;
    while (config_list_next(&rest, &part)) {
        bool trailing = part.size == 0 && slice_is_null(rest);
        if (!trailing && !is_throttled_pair(part))
            return refuse_throttled(row, list, error);
    }
    return true;
}

/* PnDTnHnMn.nS, as far as its letters and their order go. */
static bool is_duration(struct slice s)
{
    if (s.size < 3 || (s.data[0] != 'P' && s.data[0] != 'p'))
        return false;
    static const char units[] = "DTHMS";
    const char *next = units;
    for (size_t i = 1; i < s.size; i++) {
        size_t digits = 0;
        while (i < s.size && strchr("0123456789.-+", s.data[i]) != NULL) {
            digits++;
            i++;
        }
        if (i == s.size)
            return false;
        char unit = (char)(s.data[i] & ~0x20);
        const char *at = strchr(next, unit);
        if (at == NULL || (unit == 'T') != (digits == 0))
            return false;
        next = at + 1;
    }
    return (s.data[s.size - 1] & ~0x20) != 'T';
}

static bool check_offset_reset(const struct config_row *row, struct slice s, struct text *error)
{
    static const char by[] = "by_duration:";
    bool duration = s.size > sizeof by - 1 && memcmp(s.data, by, sizeof by - 1) == 0 &&
                    is_duration(slice_from(s, sizeof by - 1));
    if (duration || slice_is(s, "latest") || slice_is(s, "earliest"))
        return true;
    return refuse(row, s, "Value must be one of: latest, earliest, or by_duration:PnDTnHnMn.nS",
                  error);
}

static bool check_text(const struct config_row *row, struct slice text, struct text *error)
{
    switch (row->check) {
    case CHECK_WORDS:
    case CHECK_WORDS_ANY:
        return row->type == CONFIG_LIST ? check_list_parts(row, text, error)
                                        : check_word(row, text, error);
    case CHECK_NON_EMPTY:
        if (text.size == 0)
            return refuse(row, text, "String must be non-empty", error);
        return row->type != CONFIG_LIST || check_list_parts(row, text, error);
    case CHECK_THROTTLED:
        return check_throttled(row, text, error);
    case CHECK_OFFSET_RESET:
        return check_offset_reset(row, text, error);
    case CHECK_NONE:
    case CHECK_RANGE:
    case CHECK_RANGE_OR:
        break;
    }
    return true;
}

/* ---- the public face ---- */

/* By type alone. */
static bool parse_typed(const struct config_row *row, struct slice text,
                        struct config_value *ret_value, struct text *error)
{
    *ret_value = (struct config_value){.text = config_trim(text)};
    switch (row->type) {
    case CONFIG_BOOLEAN:
        return parse_boolean(ret_value->text, ret_value) ||
               refuse(row, text, "Expected value to be either true or false", error);
    case CONFIG_INT:
    case CONFIG_SHORT:
    case CONFIG_LONG:
    case CONFIG_DOUBLE: {
        char why[40];
        snprintf(why, sizeof why, "Not a number of type %s", type_name(row->type));
        return parse_number(row, ret_value->text, ret_value) || refuse(row, text, why, error);
    }
    case CONFIG_STRING:
    case CONFIG_LIST:
    case CONFIG_CLASS:
    case CONFIG_PASSWORD:
        break;
    }
    return true;
}

bool config_value_parse(const struct config_row *row, struct slice text,
                        struct config_value *ret_value, struct text *error)
{
    struct config_value value;
    if (!parse_typed(row, text, &value, error))
        return false;
    bool number = row->check == CHECK_RANGE || row->check == CHECK_RANGE_OR;
    if (number ? !check_range(row, &value, error) : !check_text(row, value.text, error))
        return false;
    *ret_value = value;
    return true;
}

struct config_value config_value_default(const struct config_row *row)
{
    struct config_value value = {.is_null = true};
    if (row->default_text == NULL)
        return value;
    bool ok = parse_typed(row, slice_of_text(row->default_text), &value, NULL);
    ALWAYS(ok, "the default of %s is not of its type", row->name);
    return value;
}

void config_value_print(const struct config_row *row, const struct config_value *value,
                        struct text *out)
{
    if (value->is_null)
        return;
    switch (row->type) {
    case CONFIG_BOOLEAN:
        text_printf(out, "%s", value->number != 0 ? "true" : "false");
        break;
    case CONFIG_INT:
    case CONFIG_SHORT:
    case CONFIG_LONG:
        text_printf(out, "%lld", (long long)value->number);
        break;
    case CONFIG_DOUBLE:
        print_double(value->real, out);
        break;
    case CONFIG_LIST:
        print_list(row, value->text, ",", out);
        break;
    case CONFIG_STRING:
    case CONFIG_CLASS:
    case CONFIG_PASSWORD:
        text_add(out, value->text);
        break;
    }
}
