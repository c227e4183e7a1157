/* Topic names; see the header. */
#include "meta/topic_name.h"

#define TOPIC_NAME_MAX 249

static bool is_name_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

const char *meta_topic_name_fault(struct slice name, struct arena *arena)
{
    if (name.size == 0)
        return "Topic name is invalid: the empty string is not allowed";
    if (slice_is(name, "."))
        return "Topic name is invalid: '.' is not allowed";
    if (slice_is(name, ".."))
        return "Topic name is invalid: '..' is not allowed";
    if (name.size > TOPIC_NAME_MAX)
        return arena_printf(arena,
                            "Topic name is invalid: the length of '%.*s' is longer than the max "
                            "allowed length %d",
                            SLICE_ARG(name), TOPIC_NAME_MAX);
    for (size_t i = 0; i < name.size; i++)
        if (!is_name_byte(name.data[i]))
            return arena_printf(arena,
                                "Topic name is invalid: '%.*s' contains one or more characters "
                                "other than ASCII alphanumerics, '.', '_' and '-'",
                                SLICE_ARG(name));
    return NULL;
}

bool meta_topic_names_collide(struct slice a, struct slice b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++) {
        uint8_t left = a.data[i] == '.' ? '_' : a.data[i];
        uint8_t right = b.data[i] == '.' ? '_' : b.data[i];
        if (left != right)
            return false;
    }
    return true;
}
