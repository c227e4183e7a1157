/* See the header. RE2/J has no references and looks neither ahead nor behind: PCRE2 could, so these
 * are refused. */
#include "base/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

/* Calls of the matcher for one text, and kilobytes that it may take. */
#define MATCH_LIMIT 20000
#define HEAP_LIMIT_KB 256
#define EXPRESSION_MAX 32768

struct pattern {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *context;
};

/* What would be a reference or a look around; behind a backslash nothing opens. */
static const char *foreign(struct slice expression)
{
    for (size_t i = 0; i + 1 < expression.size; i++) {
        uint8_t next = expression.data[i + 1];
        if (expression.data[i] == '\\') {
            if ((next >= '1' && next <= '9') || next == 'k' || next == 'g')
                return "invalid escape sequence";
            i++;
        } else if (expression.data[i] == '(' && next == '?' && i + 2 < expression.size) {
            uint8_t kind = expression.data[i + 2];
            bool named =
                kind == 'P' || (kind == '<' && i + 3 < expression.size &&
                                expression.data[i + 3] != '=' && expression.data[i + 3] != '!');
            bool flags = kind == ':' || kind == 'i' || kind == 'm' || kind == 's' || kind == 'U' ||
                         kind == '-';
            if (!named && !flags)
                return "invalid or unsupported Perl syntax";
        }
    }
    return NULL;
}

void pattern_free(struct pattern *pattern)
{
    if (pattern == NULL)
        return;
    pcre2_match_context_free(pattern->context);
    pcre2_match_data_free(pattern->data);
    pcre2_code_free(pattern->code);
    free(pattern);
}

static struct pattern *compile(struct slice expression, char *ret_fault)
{
    struct pattern *pattern = calloc(1, sizeof *pattern);
    int code = 0;
    PCRE2_SIZE at = 0;
    if (pattern != NULL)
        pattern->code = pcre2_compile(expression.data, expression.size,
                                      PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF |
                                          PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_POSSESS,
                                      &code, &at, NULL);
    if (pattern != NULL && pattern->code != NULL) {
        pattern->data = pcre2_match_data_create(1, NULL);
        pattern->context = pcre2_match_context_create(NULL);
    }
    if (pattern != NULL && pattern->data != NULL && pattern->context != NULL)
        return pattern;
    PCRE2_UCHAR text[PATTERN_FAULT_MAX / 2] = "memory is out";
    if (code != 0)
        (void)pcre2_get_error_message(code, text, sizeof text);
    (void)snprintf(ret_fault, PATTERN_FAULT_MAX, "%s at position %zu", (const char *)text,
                   (size_t)at);
    pattern_free(pattern);
    return NULL;
}

struct pattern *pattern_new(struct slice expression, char *ret_fault)
{
    const char *fault =
        expression.size > EXPRESSION_MAX ? "expression too large" : foreign(expression);
    if (fault != NULL) {
        (void)snprintf(ret_fault, PATTERN_FAULT_MAX, "%s", fault);
        return NULL;
    }
    struct pattern *pattern = compile(expression, ret_fault);
    if (pattern == NULL)
        return NULL;
    (void)pcre2_set_match_limit(pattern->context, MATCH_LIMIT);
    (void)pcre2_set_heap_limit(pattern->context, HEAP_LIMIT_KB);
    return pattern;
}

bool pattern_matches(const struct pattern *pattern, struct slice text)
{
    const uint8_t *data = text.size > 0 ? text.data : (const uint8_t *)"";
    return pcre2_match(pattern->code, data, text.size, 0, 0, pattern->data, pattern->context) >= 0;
}
