"""The house rules. A rule looks at one file, or at the tree, and yields findings."""

import pathlib
import re

LIMITS = {"file": 1000, "function": 70, "line": 100, "params": 5, "nesting": 3}
FORBIDDEN_NAMES = {"core", "common", "util", "utils", "misc", "helper", "helpers"}
BANNED_WORDS = {
    "goto": "return early, with AUTO() where something must be released",
    "alloca": "stack use must be bounded",
    "auto": "it compiles as an implicit int",
}
BANNED_CALLS = {
    "strcpy": "use memcpy with a known size, or struct text", "strcat": "use struct text",
    "stpcpy": "use struct text", "strncpy": "use memcpy with a known size",
    "strncat": "use struct text", "sprintf": "use snprintf or struct text",
    "vsprintf": "use vsnprintf or struct text", "gets": "it cannot be bounded",
    "strtok": "use slices", "strtok_r": "use slices",
    "atoi": "use text_to_int64 and the like, which see errors", "atol": "it hides errors",
    "atoll": "it hides errors", "atof": "it hides errors", "system": "no shells",
    "popen": "no shells", "rand": "use base/prng.h", "srand": "use base/prng.h",
    "random": "use base/prng.h", "sleep": "wait for the event", "usleep": "wait for the event",
    "nanosleep": "wait for the event",
}
# What talks to the world outside: only sys and the command line may.
WORLD_CALLS = {"printf", "fprintf", "vprintf", "vfprintf", "puts", "fputs", "putchar", "fopen",
               "fread", "fwrite", "fgets", "getenv", "setenv", "exit", "_exit", "abort", "perror",
               "fflush"}
WORLD_MODULES = {"sys", "cmd"}
SYSTEM_HEADERS = re.compile(
    r"^(unistd|fcntl|time|pthread|threads|signal|poll|dirent|netdb|sched|dlfcn|syslog|termios"
    r"|ifaddrs|semaphore|spawn|ucontext|sys/.*|net/.*|netinet/.*|arpa/.*|linux/.*)\.h$")
ATOMIC_MODULES = {"sys", "shard"}
MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
UNFINISHED = re.compile(r"\b(not (yet )?implemented|for now|simplified)\b", re.IGNORECASE)
# Where the work is done is no part of the project, and no registry is named.
PRIVATE = re.compile(
    r"/work/|\.\./shared|Co-Authored-By|\b(deb\.debian|repo1?\.maven|proxy\.golang|sum\.golang"
    r"|registry\.npmjs|files\.pythonhosted|pypi)\.(org|apache\.org)\b")


class Finding:
    """`detail` names what an entry of tidy.allow would name; `size` is for tidy.ratchet."""

    def __init__(self, rule, path, line, message, detail="", size=None):
        self.rule, self.path, self.line, self.message = rule, path, line, message
        self.detail, self.size = detail, size

    @property
    def key(self):
        return (self.rule, self.path, self.detail)

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


def module_of(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "src" and len(parts) > 2 else None


def is_test(path):
    return "/test/" in path


def size_finding(rule, path, line, size, what, detail=""):
    if size > LIMITS[rule]:
        yield Finding(rule, path, line, f"{what}: {size}, at most {LIMITS[rule]}", detail, size)


def check_sizes(source):
    path = source.path
    yield from size_finding("file", path, 1, len(source.lines) - 1, "lines in the file")
    widest, at = 0, 1
    for number, line in enumerate(source.lines, 1):
        if len(line) > widest:
            widest, at = len(line), number
    yield from size_finding("line", path, at, widest, "columns in a line")
    for function in source.functions:
        name, line = function.name, function.first
        yield from size_finding("function", path, line, function.lines, f"lines in {name}", name)
        yield from size_finding("params", path, line, function.params,
                                f"parameters of {name}", name)
        yield from size_finding("nesting", path, line, function.nesting,
                                f"levels of nesting in {name}", name)


def check_whitespace(source):
    for number, line in enumerate(source.lines, 1):
        if "\t" in line:
            yield Finding("blank", source.path, number, "a tab")
        if line != line.rstrip():
            yield Finding("blank", source.path, number, "blanks at the end of the line")
    if source.text and not source.text.endswith("\n"):
        yield Finding("blank", source.path, len(source.lines), "no newline at the end")


def check_opening(source):
    if not source.text.startswith("/*"):
        yield Finding("opening", source.path, 1,
                      "opens with a comment: what it is, what it must not do, its thread")


def calls_of(tokens):
    for index, token in enumerate(tokens[:-1]):
        if token.kind == "word" and tokens[index + 1].text == "(" \
                and (index == 0 or tokens[index - 1].text not in (".", "->")):
            yield token


def check_banned(source):
    module, path = module_of(source.path), source.path
    streams = [source.tokens] + [macro.body for macro in source.macros]
    for tokens in streams:
        for token in tokens:
            if token.kind == "word" and token.text in BANNED_WORDS:
                yield Finding("banned", path, token.line,
                              f"{token.text}: {BANNED_WORDS[token.text]}", token.text)
        for token in calls_of(tokens):
            if token.text in BANNED_CALLS:
                yield Finding("banned", path, token.line,
                              f"{token.text}(): {BANNED_CALLS[token.text]}", token.text)
            if token.text in WORLD_CALLS and module and module not in WORLD_MODULES \
                    and not is_test(path):
                yield Finding("world", path, token.line,
                              f"{token.text}(): the world outside is for sys and cmd", token.text)


def check_system_headers(source):
    module = module_of(source.path)
    if module is None or is_test(source.path):
        return
    for line, mark, name in source.includes:
        if mark != "<":
            continue
        if SYSTEM_HEADERS.match(name) and module != "sys":
            yield Finding("system", source.path, line, f"<{name}>: system calls are in sys", name)
        if name == "stdatomic.h" and module not in ATOMIC_MODULES:
            yield Finding("atomic", source.path, line, "atomics live in shard and sys", name)


def check_globals(source):
    if is_test(source.path):
        return
    for variable in source.variables:
        yield Finding("global", source.path, variable.line,
                      f"mutable for the whole process: {variable.text}", variable.name)


def check_typedefs(source):
    for typedef in source.typedefs:
        if typedef.text.split()[1] in ("struct", "union", "enum") \
                and not typedef.name.endswith("_fn"):
            yield Finding("typedef", source.path, typedef.line,
                          f"{typedef.name}: no typedefs of structs, unions, enums", typedef.name)
        elif not typedef.name.endswith("_fn"):
            yield Finding("typedef", source.path, typedef.line,
                          f"{typedef.name}: only function types, which end in _fn", typedef.name)


def check_macros(source):
    for macro in source.macros:
        jumps = {token.text for token in macro.body} & {"return", "goto", "break", "continue"}
        if jumps:
            yield Finding("macro", source.path, macro.line,
                          f"{macro.name} hides {', '.join(sorted(jumps))}", macro.name)


def check_layers(source, layers, generated):
    """Own folder or a lower line; nobody includes sim but tests in it; x_int.h stays at home."""
    module, path = module_of(source.path), source.path
    if module is None:
        return
    in_world = is_test(path) and (module == "sim" or path.endswith("_sim_test.c")
                                  or "/test/sim_" in path)
    level = layers.get("shard" if in_world and module == "sim" else
                       "sys" if module == "sim" else module)
    if level is None:
        yield Finding("layers", path, 1, f"{module} is not in src/LAYERS")
        return
    for line, mark, name in source.includes:
        if mark == "<":
            continue
        target = name.split("/")[0]
        if name.endswith(".c"):
            yield Finding("layers", path, line, f'"{name}": sources are not included', name)
        elif name not in generated:
            yield Finding("layers", path, line, f'"{name}" is no file of src/: write the path '
                          "from there", name)
        elif target == "sim" and module != "sim":
            if not in_world:
                yield Finding("layers", path, line, "nobody includes sim", name)
        elif target != module and layers.get(target, -1 if target == "sim" else 99) > level:
            yield Finding("layers", path, line, f"{target} stands above {module}", name)
        elif target != module and is_test(path) and name.endswith("_kit.h"):
            continue  # what a lower module lends to the tests of those above it
        elif target != module and (name.endswith("_int.h") or "/test/" in name):
            yield Finding("layers", path, line, f'"{name}" is private to {target}', name)


SOURCE_RULES = (check_sizes, check_whitespace, check_opening, check_banned, check_system_headers,
                check_globals, check_typedefs, check_macros)


# ---- rules on any text file, and on the tree ----

def check_text(path, text):
    """Marks of unfinished work, and words that do not belong into the project."""
    watched = path.split("/")[0] in ("src", "tools", "web", "docs") or path.endswith(".md")
    for number, line in enumerate(text.split("\n"), 1):
        for match in MARKS.finditer(line):
            yield Finding("mark", path, number, f"{match.group()}: do it or file it", match.group())
        for match in UNFINISHED.finditer(line) if watched else ():
            yield Finding("mark", path, number, f'"{match.group()}": finish it or say what holds',
                          match.group())
        for match in PRIVATE.finditer(line):
            yield Finding("private", path, number,
                          f"{match.group()}: project files speak of the project alone",
                          match.group())
    if not path.endswith((".c", ".h")):
        yield from size_finding("file", path, 1, text.count("\n"), "lines in the file")


def check_name(path):
    for part in pathlib.PurePosixPath(path).parts:
        words = re.split(r"[._-]", part.lower())
        for word in sorted(FORBIDDEN_NAMES.intersection(words)):
            yield Finding("name", path, 1, f"'{part}': a name says what a thing is for", word)


def check_readmes(paths, texts):
    modules = {module_of(path) for path in paths if path.endswith((".c", ".h"))}
    for module in sorted(modules - {None}):
        readme = f"src/{module}/README.md"
        if len(texts.get(readme, "").split()) < 20:
            yield Finding("readme", readme, 1,
                          "each module says what it is for, what it never does, where to start")


# ---- configuration keys: what is claimed and what is read ----

CONFIG_ROW = re.compile(
    r'\{(BROKER|TOPIC|GROUP|OWN)\("([^"]+)",.*?\b(HONOURED|ACCEPTED|REFUSED|JVM)\b(.*?)\.doc', re.S)
CONFIG_FIELD = re.compile(r'\bFIELD\((\w+),\s*"([^"]+)"\)')
CONFIG_SYNONYMS = re.compile(r"SYNONYMS\((.*?)\)", re.S)
CONFIG_READ = re.compile(r"config(?:->|\.)(\w+)")
QUOTED = re.compile(r'"([a-z][a-z0-9.]+)"')


def config_claims(texts):
    """(path, line, scope, key, claim, synonyms) of every row of src/tbl/configs*.c."""
    for path, text in texts.items():
        if not re.match(r"src/tbl/configs\w*\.c$", path):
            continue
        for match in CONFIG_ROW.finditer(text):
            told = CONFIG_SYNONYMS.search(match.group(0))
            yield (path, text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2),
                   match.group(3), QUOTED.findall(told.group(1)) if told else [])


def config_reads(texts):
    """Members of configurations that are read where they take effect: outside config, no test."""
    reads = set()
    for path, text in texts.items():
        if path.startswith("src/") and path.endswith((".c", ".h")) and not is_test(path) \
                and module_of(path) != "config":
            reads.update(CONFIG_READ.findall(text))
    return reads


def check_configs(texts):
    """A key that is honoured is read by somebody; one without effect is not."""
    own = {path: text for path, text in texts.items()
           if module_of(path) == "config" and path.endswith(".c") and not is_test(path)}
    fields = {}
    for path, text in own.items():
        scope = "TOPIC" if path.endswith("/topic.c") else "BROKER"
        fields.update({(scope, key): member for member, key in CONFIG_FIELD.findall(text)})
    handled = {key for text in own.values()
               for key in QUOTED.findall(CONFIG_FIELD.sub("", text))}
    reads, claims = config_reads(texts), list(config_claims(texts))
    lent = {name for _, _, _, _, claim, synonyms in claims if claim == "HONOURED"
            for name in synonyms}
    for path, line, scope, key, claim, _ in claims:
        member = fields.get(("TOPIC" if scope == "TOPIC" else "BROKER", key))
        if claim == "HONOURED" and not (member in reads if member else key in handled or key in lent):
            yield Finding("config", path, line, f"{key} is said to be honoured, and nothing reads it",
                          key)
        if claim == "ACCEPTED" and member in reads:
            yield Finding("config", path, line, f"{key} is said to have no effect, and "
                          f"config->{member} is read", key)


def check_subject(subject):
    """The first line of a commit message; an empty text where it is right."""
    if len(subject) > 60:
        return f"{len(subject)} characters, at most 60"
    if not re.match(r"^[a-z][a-z0-9/., _-]*: [^A-Z\s]", subject):
        return "module: imperative"
    return "" if not subject.endswith(".") else "no full stop"
