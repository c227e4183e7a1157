/* What Java's reader of .properties makes of a text, and what ours must make of it. */
#include "config/properties.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct gathered {
    struct text out;
    int stop_after;
};

static bool gather(void *context, struct slice key, struct slice value, int line)
{
    struct gathered *g = context;
    text_printf(&g->out, "%d[%.*s][%.*s]\n", line, SLICE_ARG(key), SLICE_ARG(value));
    return --g->stop_after != 0;
}

static void expect(const char *file, const char *pairs)
{
    struct gathered g = {0};
    struct text error;
    text_init(&g.out, 4096);
    text_init(&error, 4096);
    assert_true(properties_read(slice_of_text(file), gather, &g, &error));
    assert_int_equal(error.size, 0);
    assert_string_equal(g.out.data != NULL ? g.out.data : "", pairs);
    text_fini(&g.out);
    text_fini(&error);
}

static void expect_error(const char *file, const char *message)
{
    struct gathered g = {0};
    struct text error;
    text_init(&g.out, 4096);
    text_init(&error, 4096);
    assert_false(properties_read(slice_of_text(file), gather, &g, &error));
    assert_string_equal(error.data, message);
    text_fini(&g.out);
    text_fini(&error);
}

static void separators(void **state)
{
    (void)state;
    expect("a=1\nb:2\nc 3\nd = 4\ne\t:\t5\nf\n",
           "1[a][1]\n2[b][2]\n3[c][3]\n4[d][4]\n5[e][5]\n6[f][]\n");
    expect("a==1\nb=:2\nc =\n=v\n", "1[a][=1]\n2[b][:2]\n3[c][]\n4[][v]\n");
    expect("a\\=b=c\nx\\ y=z\nk\\:l:m\n", "1[a=b][c]\n2[x y][z]\n3[k:l][m]\n");
    expect("key=trailing blanks stay  \n", "1[key][trailing blanks stay  ]\n");
}

static void comments_and_blank_lines(void **state)
{
    (void)state;
    expect("# one\n! two\n\n   # three\na=1 # not a comment\n", "5[a][1 # not a comment]\n");
    expect("# a comment is not continued \\\na=1\n", "2[a][1]\n");
    expect("", "");
    expect("#", "");
}

static void line_ends(void **state)
{
    (void)state;
    expect("a=1\r\nb=2\rc=3", "1[a][1]\n2[b][2]\n3[c][3]\n");
    expect("a=1\r\n\r\nb=2\r\n", "1[a][1]\n3[b][2]\n");
    expect("\xef\xbb\xbf"
           "a=1\nb=\xef\xbb\xbf\n",
           "1[a][1]\n2[b][\xef\xbb\xbf]\n");
    expect("\xef\xbb\xbf", "");
}

static void continued_lines(void **state)
{
    (void)state;
    expect("a=1,\\\n   2,\\\n\t3\nb=4\n", "1[a][1,2,3]\n4[b][4]\n");
    expect("a=x\\\\\nb=1\n", "1[a][x\\]\n2[b][1]\n");
    expect("a=x\\\\\\\ny\n", "1[a][x\\y]\n");
    expect("a=1\\", "1[a][1]\n");
    expect("a=\\\n# no comment here\n", "1[a][# no comment here]\n");
}

static void escapes(void **state)
{
    (void)state;
    expect("a=\\t\\n\\r\\f\\z\n", "1[a][\t\n\r\fz]\n");
    expect("a=\\u0041\\u00e9\\u20AC\n", "1[a][A\xc3\xa9\xe2\x82\xac]\n");
    expect("a=\\uD83D\\uDE00|\\uD83D|\\uDE00\n",
           "1[a][\xf0\x9f\x98\x80|\xef\xbf\xbd|\xef\xbf\xbd]\n");
    expect("\\u0061=b\n", "1[a][b]\n");
}

static void errors_name_the_line(void **state)
{
    (void)state;
    expect_error("a=1\n\nb=\\u12g4\n", "line 3: malformed \\uXXXX escape");
    expect_error("a=\\\n\\\n\\u12\n", "line 1: malformed \\uXXXX escape");
}

static void the_callback_may_stop(void **state)
{
    (void)state;
    struct gathered g = {.stop_after = 2};
    struct text error;
    text_init(&g.out, 4096);
    text_init(&error, 4096);
    assert_false(properties_read(slice_of_text("a=1\nb=2\nc=3\n"), gather, &g, &error));
    assert_string_equal(g.out.data, "1[a][1]\n2[b][2]\n");
    assert_int_equal(error.size, 0);
    text_fini(&g.out);
    text_fini(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(separators),
        cmocka_unit_test(comments_and_blank_lines),
        cmocka_unit_test(line_ends),
        cmocka_unit_test(continued_lines),
        cmocka_unit_test(escapes),
        cmocka_unit_test(errors_name_the_line),
        cmocka_unit_test(the_callback_may_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
