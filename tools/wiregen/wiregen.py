#!/usr/bin/env python3
"""Makes C from spec/: a header a message (structs), and messages.c (constant tables).

usage: wiregen.py --spec DIR --out DIR
"""

import argparse
import pathlib

from specfile import load, snake, camel

SCALAR_C = {
    "bool": "bool", "int8": "int8_t", "int16": "int16_t", "uint16": "uint16_t",
    "int32": "int32_t", "uint32": "uint32_t", "int64": "int64_t", "float64": "double",
    "uuid": "struct uuid", "string": "struct slice", "bytes": "struct slice",
    "records": "struct wire_records",
}
RESERVED = {"default", "register", "static", "union", "int", "short", "long", "double"}
TAGS_MAX = 32  # the encoder keeps a struct's set tags in one word
NOTE = "/* Made by tools/wiregen from spec/: not to be edited. */\n"


def c_name(field):
    name = snake(field.name)
    return name + "_" if name in RESERVED else name


def is_pointer(field):
    """A struct that may be null stands behind a pointer."""
    return field.type == "struct" and not field.is_array and field.nullable.low <= field.nullable.high


def c_type(field, path):
    return f"struct {path}" if field.type == "struct" else SCALAR_C[field.type]


def structs_of(fields, path):
    """(name, fields) of every struct, innermost first."""
    for field in fields:
        if field.type == "struct":
            yield from structs_of(field.fields, f"{path}_{c_name(field)}")
    yield path, fields


def declare_struct(path, fields):
    lines = [f"struct {path} {{"]
    for field in fields:
        name = c_name(field)
        kind = c_type(field, f"{path}_{name}")
        if field.is_array:
            lines += [f"    {kind} *{name};", f"    int32_t {name}_count; /* -1: null */"]
        elif is_pointer(field):
            lines.append(f"    {kind} *{name}; /* NULL: null */")
        else:
            lines.append(f"    {kind} {name};")
    if not fields:
        lines.append("    char nothing;")
    return "\n".join(lines + ["};"])


def header_text(message):
    name = snake(message.name)
    guard = f"WIRE_MSG_{name.upper()}_H"
    parts = [NOTE, f"#ifndef {guard}", f"#define {guard}", "", '#include "wire/message.h"', ""]
    names = []
    for path, fields in structs_of(message.fields, name):
        parts += [declare_struct(path, fields), ""]
        names.append(path)
    parts.append("/* Every field at its default: copy before filling in. */")
    parts += [f"extern const struct {path} {path}_default;" for path in names]
    parts += ["", f"extern const struct wire_message wire_{name};", "", "#endif", ""]
    return "\n".join(parts)


def default_text(field, path):
    """The initialiser of a field, or None where zero bytes do."""
    value = field.default
    if field.is_array:
        return f".{c_name(field)}_count = -1" if value == "null" else None
    name = c_name(field)
    if is_pointer(field):
        inner = f"struct {path}_{name}"
        return None if value == "null" else f".{name} = ({inner} *)(uintptr_t)&{path}_{name}_default"
    if field.type == "struct":
        inner = initialiser(field.fields, f"{path}_{name}")
        return f".{name} = {inner}" if inner != "{0}" else None
    if field.type in ("string", "bytes"):
        return None if value == "null" else f'.{name} = SLICE_LIT("{value or ""}")'
    if field.type == "records" or value in (None, "0", "null"):
        return None
    if field.type == "bool":
        return f".{name} = true" if value == "true" else None
    if field.type == "int64":
        return f".{name} = INT64_C({value})"
    if value == "-2147483648":
        return f".{name} = INT32_MIN"
    return f".{name} = {value}"


def initialiser(fields, path):
    entries = [text for text in (default_text(field, path) for field in fields) if text]
    return "{" + ", ".join(entries) + "}" if entries else "{0}"


def range_text(versions):
    return f"{{{versions.low}, {versions.high}}}"


def field_row(field, path):
    name = c_name(field)
    inner = f"{path}_{name}"
    flags = [flag for flag, on in (("WIRE_ARRAY", field.is_array),
                                   ("WIRE_IGNORABLE", field.ignorable),
                                   ("WIRE_POINTER", is_pointer(field)),
                                   ("WIRE_NEVER_COMPACT", field.flexible is not None)) if on]
    row = [f'.name = "{camel(field.name)}"', f".type = WIRE_{field.type.upper()}",
           f".flags = {' | '.join(flags) or '0'}", f".offset = offsetof(struct {path}, {name})",
           f".versions = {range_text(field.versions)}",
           f".nullable = {range_text(field.nullable)}"]
    if field.is_array:
        row.append(f".count_offset = offsetof(struct {path}, {name}_count)")
    if field.tag >= 0:
        row += [f".tag = {field.tag}", f".tagged = {range_text(field.tagged)}"]
    else:
        row += [".tag = -1", ".tagged = {1, 0}"]
    if field.type == "struct":
        row.append(f".element = &type_{inner}")
    return "    {" + ", ".join(row) + "},"


def has_tags(fields):
    tags = [field.tag for field in fields if field.tag >= 0]
    if tags and max(tags) >= TAGS_MAX:
        raise SystemExit(f"tag {max(tags)}: the encoder knows only those below {TAGS_MAX}")
    return bool(tags)


def struct_tables(message):
    name = snake(message.name)
    out = []
    for path, fields in structs_of(message.fields, name):
        out.append(f"const struct {path} {path}_default = {initialiser(fields, path)};")
        if fields:
            out.append(f"static const struct wire_field fields_{path}[] = {{")
            out += [field_row(field, path) for field in fields]
            out.append("};")
        table = f"fields_{path}" if fields else "NULL"
        out.append(f"static const struct wire_struct type_{path} = {{.fields = {table}, "
                   f".field_count = {len(fields)}, .size = sizeof(struct {path}), "
                   f".has_tags = {str(has_tags(fields)).lower()}, "
                   f".defaults = &{path}_default}};")
    return out


KINDS = {"request": "WIRE_REQUEST", "response": "WIRE_RESPONSE", "header": "WIRE_HEADER",
         "record": "WIRE_RECORD", "key": "WIRE_KEY", "value": "WIRE_VALUE", "data": "WIRE_DATA"}
LISTENERS = {"broker": "WIRE_ON_BROKER", "controller": "WIRE_ON_CONTROLLER"}


def message_row(message):
    name = snake(message.name)
    listeners = " | ".join(LISTENERS[word] for word in message.listeners) or "0"
    return (f"const struct wire_message wire_{name} = {{.name = \"{message.name}\", "
            f".family = \"{message.folder}\", .kind = {KINDS[message.kind]}, "
            f".number = {message.number}, .listeners = {listeners}, "
            f".versions = {range_text(message.versions)}, "
            f".flexible = {range_text(message.flexible)}, .type = &type_{name}}};")


def source_text(messages):
    out = [NOTE, '#include "wire/messages.h"', "", "#include <stddef.h>", ""]
    out += [f'#include "wire/msg/{snake(message.name)}.h"' for message in messages]
    out.append("")
    for message in messages:
        out += struct_tables(message)
        out += [message_row(message), ""]
    keys = max(message.number for message in messages if message.kind == "request") + 1
    out.append(f"const int wire_api_count = {keys};")
    for kind in ("request", "response"):
        out.append(f"const struct wire_message *const wire_{kind}s[] = {{")
        out += [f"    [{message.number}] = &wire_{snake(message.name)},"
                for message in messages if message.kind == kind]
        out.append("};")
    out.append("const struct wire_message *const wire_messages[] = {")
    out += [f"    &wire_{snake(message.name)}," for message in messages]
    out += ["};", "const size_t wire_message_count = sizeof(wire_messages) / sizeof(wire_messages[0]);", ""]
    return "\n".join(out)


def write(path, text):
    """Leaves an equal file alone, so that nothing is compiled anew for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spec", required=True)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    messages, out = load(options.spec), pathlib.Path(options.out)
    for message in messages:
        write(out / "wire/msg" / f"{snake(message.name)}.h", header_text(message))
    write(out / "wire/messages.c", source_text(messages))
    (out / "wire/messages.c").touch()
    (out / "wiregen.stamp").write_text("")


if __name__ == "__main__":
    main()
