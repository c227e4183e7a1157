/* Parses what flags say. Pure. Any thread. */
#include "cmd/words.h"

#include "cmd/offsets.h"

#include <stdlib.h>

static bool parse_number(struct slice s, int64_t high, int64_t *ret_number)
{
    int64_t number = 0;
    if (s.size == 0)
        return false;
    for (size_t i = 0; i < s.size; i++) {
        int digit = s.data[i] - '0';
        if (digit < 0 || digit > 9 || number > (high - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return true;
}

/* The part in front of a character, which is taken off with it. */
static struct slice take_part(struct slice *rest, char end)
{
    const uint8_t *at = rest->size > 0 ? memchr(rest->data, end, rest->size) : NULL;
    size_t size = at != NULL ? (size_t)(at - rest->data) : rest->size;
    struct slice part = slice_first(*rest, size);
    *rest = slice_from(*rest, size + 1);
    return part;
}

bool words_split(struct slice text, struct arena *arena, struct slice **ret_words, int *ret_count)
{
    struct slice *words = ARENA_ARRAY(arena, struct slice, text.size + 1);
    int count = 0;
    if (words == NULL)
        return false;
    while (text.size > 0) {
        struct slice part = take_part(&text, ',');
        if (part.size > 0)
            words[count++] = part;
    }
    *ret_words = words;
    *ret_count = count;
    return true;
}

bool words_numbers_parse(const char *text, struct arena *arena, int64_t **ret_numbers,
                         int32_t *ret_count)
{
    struct slice rest = slice_of_text(text);
    int64_t *numbers = ARENA_ARRAY(arena, int64_t, rest.size + 1);
    int32_t count = 0;
    if (numbers == NULL || (rest.size > 0 && rest.data[rest.size - 1] == ','))
        return false;
    while (rest.size > 0)
        if (!parse_number(take_part(&rest, ','), INT64_MAX, &numbers[count++]))
            return false;
    *ret_numbers = numbers;
    *ret_count = count;
    return true;
}

/* ---- topics ---- */

static int by_number(const void *a, const void *b)
{
    const int32_t *left = a;
    const int32_t *right = b;
    return (*left > *right) - (*left < *right);
}

static int drop_twins(int32_t *numbers, int count)
{
    int kept = 0;
    qsort(numbers, (size_t)count, sizeof *numbers, by_number);
    for (int i = 0; i < count; i++)
        if (i == 0 || numbers[i] != numbers[i - 1])
            numbers[kept++] = numbers[i];
    return kept;
}

bool words_topic_parse(const char *text, struct arena *arena, struct words_topic *ret_topic)
{
    struct slice rest = slice_of_text(text);
    bool all = strchr(text, ':') == NULL;
    struct slice topic = take_part(&rest, ':');
    size_t size = rest.size;
    int count = 0;
    if (topic.size == 0 || (!all && (size == 0 || rest.data[size - 1] == ',')))
        return false;
    ret_topic->topic = topic;
    ret_topic->partition_count = -1;
    ret_topic->partitions = ARENA_ARRAY(arena, int32_t, size + 1);
    if (ret_topic->partitions == NULL || all)
        return ret_topic->partitions != NULL;
    while (rest.size > 0) {
        int64_t number;
        if (!parse_number(take_part(&rest, ','), INT32_MAX, &number))
            return false;
        ret_topic->partitions[count++] = (int32_t)number;
    }
    ret_topic->partition_count = drop_twins(ret_topic->partitions, count);
    return true;
}

bool words_topic_has(const struct words_topic *words, struct slice topic, int32_t partition)
{
    if (!slice_equal(words->topic, topic))
        return false;
    return words->partition_count < 0 ||
           bsearch(&partition, words->partitions, (size_t)words->partition_count,
                   sizeof *words->partitions, by_number) != NULL;
}

/* ---- files of offsets ---- */

static bool is_between(uint8_t c)
{
    return c == ' ' || c == '\t' || c == ',' || c == '\r';
}

static struct slice take_word(struct slice *rest)
{
    size_t from = 0;
    while (from < rest->size && is_between(rest->data[from]))
        from++;
    size_t to = from;
    while (to < rest->size && !is_between(rest->data[to]))
        to++;
    struct slice word = slice_first(slice_from(*rest, from), to - from);
    *rest = slice_from(*rest, to);
    return word;
}

enum words_line words_offset_parse(struct slice line, struct words_offset *ret_offset)
{
    int64_t partition;
    struct words_offset offset = {.topic = take_word(&line)};
    if (offset.topic.size == 0 || offset.topic.data[0] == '#')
        return WORDS_LINE_EMPTY;
    struct slice number = take_word(&line);
    struct slice word = take_word(&line);
    bool none = slice_is(word, "-");
    if (!parse_number(number, INT32_MAX, &partition) ||
        (!none && !parse_number(word, INT64_MAX, &offset.offset)) || take_word(&line).size > 0)
        return WORDS_LINE_WRONG;
    if (none)
        return WORDS_LINE_EMPTY;
    offset.partition = (int32_t)partition;
    *ret_offset = offset;
    return WORDS_LINE_OFFSET;
}

/* ---- targets ---- */

static bool parse_time(const char *text, int64_t now_ms, int64_t *ret_ms)
{
    struct offset_range range;
    struct text error;
    text_init(&error, 1024);
    bool fine = offset_range_parse(text, now_ms, &range, &error) &&
                range.from.kind == OFFSET_AT_TIME && range.until.kind == OFFSET_OPEN;
    text_fini(&error);
    if (fine)
        *ret_ms = range.from.number;
    return fine;
}

bool words_target_parse(const char *text, int64_t now_ms, struct words_target *ret_target)
{
    struct words_target target = {.place = WORDS_OFFSET};
    struct slice s = slice_of_text(text);
    bool fine = true;
    if (slice_is(s, "start") || slice_is(s, "beginning") || slice_is(s, "earliest")) {
        target.place = WORDS_START;
    } else if (slice_is(s, "end") || slice_is(s, "latest")) {
        target.place = WORDS_END;
    } else if (text[0] == '@') {
        target.place = WORDS_TIME;
        fine = parse_time(text, now_ms, &target.number);
    } else if (text[0] == '+' || text[0] == '-') {
        target.place = WORDS_SHIFT;
        fine = parse_number(slice_from(s, 1), INT64_MAX, &target.number);
        target.number = text[0] == '-' ? -target.number : target.number;
    } else {
        fine = parse_number(s, INT64_MAX, &target.number);
    }
    if (fine)
        *ret_target = target;
    return fine;
}

/* Without a step over the edge of numbers. */
static int64_t add_within(int64_t a, int64_t b)
{
    int64_t sum;
    if (!__builtin_add_overflow(a, b, &sum))
        return sum;
    return b > 0 ? INT64_MAX : INT64_MIN;
}

bool words_target_resolve(struct words_target target, const struct words_bounds *bounds,
                          int64_t *ret_offset, bool *ret_clamped)
{
    int64_t offset = bounds->high;
    switch (target.place) {
    case WORDS_START:
        offset = bounds->low;
        break;
    case WORDS_END:
        break;
    case WORDS_OFFSET:
        offset = target.number;
        break;
    case WORDS_SHIFT:
        if (bounds->committed < 0)
            return false;
        offset = add_within(bounds->committed, target.number);
        break;
    case WORDS_TIME:
        offset = bounds->of_time >= 0 ? bounds->of_time : bounds->high;
        break;
    }
    *ret_clamped = offset < bounds->low || offset > bounds->high;
    *ret_offset = MIN_OF(MAX_OF(offset, bounds->low), bounds->high);
    return true;
}
