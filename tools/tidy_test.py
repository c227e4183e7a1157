#!/usr/bin/env python3
"""Tests of tidy: each rule is seen to find what it is for, and to leave alone what is right."""

import importlib.machinery
import importlib.util
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

import tidy_rules as rules  # noqa: E402
from tidy_source import Source  # noqa: E402

LOADER = importlib.machinery.SourceFileLoader("tidy", str(HERE / "tidy"))
tidy = importlib.util.module_from_spec(importlib.util.spec_from_loader("tidy", LOADER))
LOADER.exec_module(tidy)


def source(text, path="src/log/a.c"):
    return Source(path, text)


def names(findings):
    return [(finding.rule, finding.detail) for finding in findings]


class Reading(unittest.TestCase):
    def test_a_function_is_measured(self):
        found = source("/* x */\nstatic int add(int a, int (*b)(int, int),\n    ...)\n{\n"
                       "    return a;\n}\n").functions
        self.assertEqual([(f.name, f.first, f.last, f.lines, f.params) for f in found],
                         [("add", 2, 6, 5, 2)])

    def test_attributes_are_not_the_name(self):
        found = source("MUST_USE PRINTF_LIKE(1, 2) int f(void)\n{\n}\n"
                       "static void g(int a) ON(on_shard)\n{\n}\n"
                       "__attribute__((cold)) static void h(struct x *x, int n)\n{\n}\n").functions
        self.assertEqual([(f.name, f.params) for f in found], [("f", 0), ("g", 1), ("h", 2)])

    def test_brackets_in_strings_and_comments_do_not_count(self):
        found = source('int f(void)\n{\n    call("}{", \'{\'); /* } */ // }\n    return 1;\n}\n'
                       "int g(void)\n{\n}\n").functions
        self.assertEqual([(f.name, f.lines) for f in found], [("f", 5), ("g", 3)])

    def test_directives_and_their_continuations_are_not_code(self):
        found = source("#define OPEN {\\\n    {\nint f(void)\n{\n}\n")
        self.assertEqual([f.name for f in found.functions], ["f"])
        self.assertEqual([(m.name, m.line) for m in found.macros], [("OPEN", 1)])

    def nesting(self, body):
        return source("void f(void)\n{\n" + body + "\n}\n").functions[0].nesting

    def test_nesting(self):
        self.assertEqual(self.nesting("a();"), 0)
        self.assertEqual(self.nesting("{ { a(); } }"), 0)
        self.assertEqual(self.nesting("if (a) b();"), 1)
        self.assertEqual(self.nesting("if (a) b(); else if (c) d(); else if (e) f();"), 1)
        self.assertEqual(self.nesting("for (;;) { if (a) { while (b) c(); } }"), 3)
        self.assertEqual(self.nesting("for (;;) if (a) do { if (x) b(); } while (c);"), 4)
        self.assertEqual(self.nesting("switch (a) { case 1: if (b) c(); break; default: d(); }"), 2)
        self.assertEqual(self.nesting("LIST_EACH (x, y) { if (a) b(); }"), 2)
        self.assertEqual(self.nesting("struct s s = {.a = {1}, .b = {2}}; if (a) b();"), 1)
        self.assertEqual(self.nesting("if (a) { } else { if (b) { } }"), 2)

    def variables(self, text):
        return [variable.name for variable in source(text).variables]

    def test_mutable_variables(self):
        self.assertEqual(self.variables("static int a;\nint b = 1;\nint c[3] = {1};\n"),
                         ["a", "b", "c"])
        self.assertEqual(self.variables("static const char *names[] = {0};\n"), ["names"])
        self.assertEqual(self.variables("static struct { int a; } one;\n"), ["one"])
        self.assertEqual(self.variables("static _Thread_local int t;\n"), ["t"])
        self.assertEqual(self.variables("static int (*hook)(int);\n"), ["hook"])
        self.assertEqual(self.variables("int f(void)\n{\n    static int n;\n    int m;\n}\n"), ["n"])

    def test_constants_types_and_prototypes_are_no_variables(self):
        self.assertEqual(self.variables(
            "static const int a = 1;\nstatic const char *const names[] = {0};\n"
            "extern int b;\nint f(int);\nstruct s;\nstruct s { int a; };\nenum e { A, B };\n"
            "static int (*const hook)(int) = f;\ntypedef int (*x_fn)(int);\n"
            '_Static_assert(sizeof(int) == 4, "x");\nMUST_USE int g(void);\n'
            "int f(void)\n{\n    static const int n = 1;\n}\n"), [])


class Sizes(unittest.TestCase):
    def test_limits_hold_exactly(self):
        def long_function(lines):
            return "void f(void)\n{\n" + "    a();\n" * (lines - 3) + "}\n"
        self.assertEqual(names(rules.check_sizes(source(long_function(70)))), [])
        self.assertEqual(names(rules.check_sizes(source(long_function(71)))), [("function", "f")])
        self.assertEqual(names(rules.check_sizes(source("x" * 100 + "\n"))), [])
        self.assertEqual(names(rules.check_sizes(source("x" * 101 + "\n"))), [("line", "")])
        self.assertEqual(names(rules.check_sizes(source("\n" * 1000))), [])
        self.assertEqual(names(rules.check_sizes(source("\n" * 1001))), [("file", "")])
        five, six = "int a, int b, int c, int d, int e", "int a, int b, int c, int d, int e, int f"
        self.assertEqual(names(rules.check_sizes(source(f"void f({five})\n{{\n}}\n"))), [])
        self.assertEqual(names(rules.check_sizes(source(f"void f({six})\n{{\n}}\n"))),
                         [("params", "f")])
        deep = "void f(void)\n{\n    if (a) if (b) if (c) if (d) e();\n}\n"
        self.assertEqual(names(rules.check_sizes(source(deep))), [("nesting", "f")])

    def test_blanks(self):
        found = rules.check_whitespace(source("a \n\tb\nc"))
        self.assertEqual([finding.line for finding in found], [1, 2, 3])


class Words(unittest.TestCase):
    def banned(self, text):
        return [finding.detail for finding in rules.check_banned(source(text))
                if finding.rule == "banned"]

    def test_banned(self):
        for word in ("goto", "auto", "alloca"):
            self.assertEqual(self.banned(f"void f(void)\n{{\n    {word} x;\n}}\n"), [word])
        for call in sorted(rules.BANNED_CALLS):
            self.assertEqual(self.banned(f"void f(void)\n{{\n    {call}(a);\n}}\n"), [call])
        self.assertEqual(self.banned("#define COPY(a, b) strcpy(a, b)\n"), ["strcpy"])

    def test_not_banned(self):
        self.assertEqual(self.banned(
            "/* goto strcpy(x) */\nvoid f(void)\n{\n    AUTO(free) int gets = 1;\n"
            '    my_strcpy(a); call("strcpy(a)"); rng.random(a); rng->random(b);\n}\n'), [])

    def world(self, path):
        text = "void f(void)\n{\n    fprintf(stderr, x);\n}\n"
        return names(rules.check_banned(source(text, path)))

    def test_world(self):
        self.assertEqual(self.world("src/log/a.c"), [("world", "fprintf")])
        for path in ("src/sys/a.c", "src/cmd/a.c", "src/log/test/a_test.c", "bench/a.c"):
            self.assertEqual(self.world(path), [])

    def test_system_headers(self):
        for header in ("unistd.h", "sys/socket.h", "fcntl.h", "time.h", "pthread.h", "netinet/in.h"):
            text = f"#include <{header}>\n"
            self.assertEqual(names(rules.check_system_headers(source(text))), [("system", header)])
            self.assertEqual(names(rules.check_system_headers(source(text, "src/sys/a.c"))), [])
            self.assertEqual(names(rules.check_system_headers(source(text, "src/a/test/b.c"))), [])
        right = source('#include <stdio.h>\n#include "sys/file.h"\n')
        self.assertEqual(names(rules.check_system_headers(right)), [])
        atomics = "#include <stdatomic.h>\n"
        self.assertEqual(names(rules.check_system_headers(source(atomics))),
                         [("atomic", "stdatomic.h")])
        self.assertEqual(names(rules.check_system_headers(source(atomics, "src/shard/a.c"))), [])

    def test_typedefs(self):
        wrong = source("typedef struct a b;\ntypedef int number_t;\ntypedef void (*call)(int);\n")
        self.assertEqual([d for _, d in names(rules.check_typedefs(wrong))],
                         ["b", "number_t", "call"])
        right = source("typedef void (*call_fn)(int);\ntypedef struct a (*make_fn)(void);\n")
        self.assertEqual(names(rules.check_typedefs(right)), [])

    def test_macros(self):
        text = "#define A(x) \\\n    if (x) \\\n        return\n#define B(x) call(x, \"return\")\n"
        self.assertEqual(names(rules.check_macros(source(text))), [("macro", "A")])

    def test_globals_are_free_in_tests(self):
        self.assertEqual(names(rules.check_globals(source("static int a;\n"))), [("global", "a")])
        self.assertEqual(names(rules.check_globals(source("static int a;\n", "src/a/test/b.c"))), [])

    def test_opening(self):
        self.assertEqual(names(rules.check_opening(source("int a;\n"))), [("opening", "")])
        self.assertEqual(names(rules.check_opening(source("/* What it is. */\n"))), [])

    def test_text(self):
        for mark in ("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"):
            self.assertEqual(names(rules.check_text("dev", f"# {mark}: x\n")), [("mark", mark)])
        phrase = "for " + "now"
        self.assertEqual(names(rules.check_text("src/a/b.c", phrase)), [("mark", phrase)])
        self.assertEqual(names(rules.check_text("test/a.sh", phrase)), [])
        self.assertEqual(names(rules.check_text("a.c", "mkstemp(XXXXXX)")), [])
        for private in ("/wor" + "k/x", "../sha" + "red", "https://py" + "pi.org/x"):
            self.assertEqual([f.rule for f in rules.check_text("README.md", private)], ["private"])

    def test_names(self):
        self.assertEqual(names(rules.check_name("src/log/core.c")), [("name", "core")])
        self.assertEqual(names(rules.check_name("test/common/a.sh")), [("name", "common")])
        self.assertEqual(names(rules.check_name("src/log/log_util.h")), [("name", "util")])
        self.assertEqual(names(rules.check_name("src/log/score.c")), [])

    def test_subjects(self):
        self.assertEqual(rules.check_subject("log: cut a torn tail"), "")
        for wrong in ("Fix it", "log: Cut", "log:cut", "log: " + "x" * 60, "log: cut."):
            self.assertNotEqual(rules.check_subject(wrong), "")


class Layers(unittest.TestCase):
    LAYERS = {"tbl": 0, "base": 1, "sys": 2, "shard": 3, "log": 4, "api": 5}
    KNOWN = {"base/a.h", "sys/file.h", "sim/world.h", "log/log.h", "log/log_int.h", "api/api.h",
             "log/test/kit.h", "log/test/log_kit.h", "shard/shard.h"}

    def check(self, path, include):
        found = rules.check_layers(source(f'#include "{include}"\n', path), self.LAYERS, self.KNOWN)
        return [finding.message for finding in found]

    def test_right(self):
        for path, include in (("src/log/a.c", "base/a.h"), ("src/log/a.c", "log/log_int.h"),
                              ("src/log/test/a_test.c", "log/test/kit.h"),
                              ("src/api/test/a_test.c", "log/test/log_kit.h"),
                              ("src/sim/a.c", "sys/file.h"), ("src/sim/a.c", "sim/world.h"),
                              ("src/sim/test/a_test.c", "shard/shard.h"),
                              ("src/log/test/a_sim_test.c", "sim/world.h"),
                              ("src/log/test/sim_kit.h", "sim/world.h"),
                              ("bench/a.c", "api/api.h")):
            self.assertEqual(self.check(path, include), [], (path, include))

    def test_wrong(self):
        for path, include in (("src/log/a.c", "api/api.h"), ("src/base/a.c", "sys/file.h"),
                              ("src/log/a.c", "sim/world.h"), ("src/log/test/a_test.c", "sim/world.h"),
                              ("src/api/a.c", "log/log_int.h"), ("src/api/test/a_test.c",
                                                                 "log/test/kit.h"),
                              ("src/api/a.c", "log/test/log_kit.h"),
                              ("src/sim/a.c", "log/log.h"), ("src/log/a.c", "log.h"),
                              ("src/other/a.c", "base/a.h"), ("src/log/a.c", "log/a.c")):
            self.assertEqual(len(self.check(path, include)), 1, (path, include))


class Exceptions(unittest.TestCase):
    def size(self, size):
        return rules.Finding("function", "src/a.c", 1, "lines in f", "f", size)

    def test_the_ratchet_holds_and_shrinks(self):
        entry = tidy.read_ratchet("# note\nfunction src/a.c:f 90\n")
        self.assertEqual(tidy.judge([self.size(90)], entry, {}), [])
        self.assertEqual([f.rule for f in tidy.judge([self.size(91)], entry, {})], ["function"])
        self.assertEqual([f.rule for f in tidy.judge([self.size(80)], entry, {})], ["ratchet"])
        self.assertEqual([f.rule for f in tidy.judge([], entry, {})], ["ratchet"])
        text = "# note\nfunction src/a.c:f 90\nline src/b.c 120\n"
        self.assertEqual(tidy.shrink(text, [self.size(80)]), "# note\nfunction src/a.c:f 80\n")
        self.assertEqual(tidy.shrink(text, [self.size(99)]), "# note\nfunction src/a.c:f 90\n")

    def test_what_is_allowed_has_a_reason_and_a_need(self):
        finding = rules.Finding("global", "src/a.c", 1, "x", "level")
        allow = tidy.read_allow("global src/a.c level set once when the program starts\n")
        self.assertEqual(tidy.judge([finding], {}, allow), [])
        self.assertEqual([f.rule for f in tidy.judge([], {}, allow)], ["allow"])
        bare = tidy.read_allow("global src/a.c level\n")
        self.assertEqual([f.rule for f in tidy.judge([finding], {}, bare)], ["allow"])

    def test_a_size_cannot_be_allowed(self):
        allow = tidy.read_allow("function src/a.c f because it is so nicely long\n")
        self.assertIn("function", [f.rule for f in tidy.judge([self.size(90)], {}, allow)])


class Tree(unittest.TestCase):
    """The program itself on a small project."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        subprocess.run(["git", "init", "-q", folder.name], check=True)
        self.write("src/LAYERS", "base\nlog\n")
        for module in ("base", "log"):
            self.write(f"src/{module}/README.md", "word " * 30)
        self.write("src/base/a.h", "/* A. */\n#ifndef A\n#define A\nint a(void);\n#endif\n")
        self.write("src/log/b.c", '/* B. */\n#include "base/a.h"\nint b(void)\n{\n'
                                  "    return a();\n}\n")

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run_tidy(self, *options):
        run = subprocess.run([sys.executable, str(HERE / "tidy"), "--root", str(self.root), *options],
                             capture_output=True, text=True)
        return run.returncode, run.stdout + run.stderr

    def test_clean(self):
        code, out = self.run_tidy()
        self.assertEqual((code, "clean" in out), (0, True), out)

    def expect(self, rule, path):
        code, out = self.run_tidy()
        self.assertEqual(code, 1, out)
        self.assertIn(f": {rule}: ", out)
        self.assertTrue(out.startswith(path), out)
        self.assertIn("1 findings", out)

    def test_a_header_that_needs_another(self):
        self.write("src/base/b.h", "/* B. */\n#ifndef B\n#define B\nuint8_t b(void);\n#endif\n")
        self.expect("alone", "src/base/b.h")

    def test_a_header_without_a_guard(self):
        self.write("src/base/b.h", "/* B. */\nstruct b { int a; };\n")
        self.expect("alone", "src/base/b.h")

    def test_a_layer_upward(self):
        self.write("src/log/b.h", "/* B. */\n#ifndef B\n#define B\n#endif\n")
        self.write("src/base/c.c", '/* C. */\n#include "log/b.h"\n')
        self.expect("layers", "src/base/c.c")

    def test_a_module_without_a_readme(self):
        (self.root / "src/log/README.md").unlink()
        self.expect("readme", "src/log/README.md")

    def write_configs(self, claim, reader):
        self.write("src/LAYERS", "base\nlog\nconfig\n")
        self.write("src/config/README.md", "word " * 30)
        self.write("src/log/c.c", "/* C. */\nint c(const struct node_config *config)\n{\n"
                                  f"    return config->{reader};\n}}\n")
        self.write("src/config/node_fields.c", '/* F. */\nstatic const struct f f[] = {\n'
                                               '    FIELD(a_ms,\n          "a.ms"),\n};\n')
        self.write("src/config/topic.c", '/* T. */\nstatic const char *const t = "t.type";\n')
        self.write("src/tbl/configs_x.c", "/* X. */\nconst struct row r[] = {\n"
                   f'    {{BROKER("a.ms", INT, "1"), AT_LEAST(1),\n     {claim}, .doc = "A."}},\n'
                   '    {BROKER("lent.ms", INT, "1"), HONOURED, .doc = "L."},\n'
                   '    {TOPIC("t.type", STRING, "x"), HONOURED, SYNONYMS("lent.ms"),\n'
                   '     .doc = "T."},\n};\n')
        self.write("src/LAYERS", "base\nlog\nconfig\ntbl\n")
        self.write("src/tbl/README.md", "word " * 30)

    def test_a_key_that_is_honoured_is_read(self):
        self.write_configs("HONOURED", "a_ms")
        code, out = self.run_tidy("--quick")
        self.assertEqual(code, 0, out)

    def test_a_key_that_is_honoured_and_not_read(self):
        self.write_configs("HONOURED", "b_ms")
        self.expect("config", "src/tbl/configs_x.c")

    def test_a_key_without_effect_that_is_read(self):
        self.write_configs("ACCEPTED", "a_ms")
        self.expect("config", "src/tbl/configs_x.c")

    def test_a_key_without_effect_and_not_read(self):
        self.write_configs("ACCEPTED", "b_ms")
        code, out = self.run_tidy("--quick")
        self.assertEqual(code, 0, out)

    def test_shrink_writes_the_ratchet(self):
        self.write("src/log/c.c", "/* C. */\n" + "void f(void)\n{\n" + "    a();\n" * 70 + "}\n")
        self.write("tools/tidy.ratchet", "function src/log/c.c:f 99\n")
        self.expect("ratchet", "src/log/c.c")
        code, out = self.run_tidy("--shrink")
        self.assertEqual(code, 0, out)
        self.assertEqual((self.root / "tools/tidy.ratchet").read_text(),
                         "function src/log/c.c:f 73\n")


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=1).result
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed", flush=True)
    sys.exit(1 if bad else 0)
