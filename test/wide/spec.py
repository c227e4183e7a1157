#!/usr/bin/env python3
"""Compares spec/ with the definitions inside Kafka's jars, field by field: name, type, versions,
nullability, tag, default, and what a version may drop. Both sides are brought to one flat form, a
row a field; every row must be on both sides. Prints the differences; exit code 1 when there is one.

usage: spec.py --spec DIR --jars DIR
"""

import argparse
import json
import pathlib
import re
import sys
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools/wiregen"))
import specfile  # noqa: E402

JARS = ("kafka-clients", "kafka-metadata", "kafka-group-coordinator", "kafka-transaction-coordinator",
        "kafka-share-coordinator", "kafka-raft", "kafka-storage")
VERSION = "4.4.0"
# What a definition may say and spec/ leaves out, since it does not change a byte.
NO_FACTS = {"about", "entityType", "mapKey", "zeroCopy"}
FIELD_KEYS = {"name", "type", "versions", "nullableVersions", "taggedVersions", "tag", "default",
              "ignorable", "flexibleVersions", "fields"}
MESSAGE_KEYS = {"apiKey", "type", "name", "validVersions", "flexibleVersions", "listeners", "fields",
                "commonStructs", "latestVersionUnstable"}
# Definitions that only say what a name's numbers are, not what stands in bytes.
NO_MESSAGES = set()
KINDS = {"request": "request", "response": "response", "header": "header", "data": "data",
         "metadata": "record", "coordinator-key": "key", "coordinator-value": "value"}


def read_json(text):
    """Kafka's definitions are JSON with line comments; none stands inside of a text."""
    return json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))


def load_jars(folder):
    """(jar, definition) of every message."""
    for prefix in JARS:
        path = pathlib.Path(folder) / f"{prefix}-{VERSION}.jar"
        with zipfile.ZipFile(path) as jar:
            names = [n for n in jar.namelist() if re.fullmatch(r"(common/)?(message|metadata)/\w+\.json", n)]
            if not names:
                raise SystemExit(f"{path} holds no definition")
            for name in names:
                yield prefix, read_json(jar.read(name).decode())


def versions(text, empty="none"):
    """A range as (low, high), the empty one as None."""
    parsed = specfile.Versions.parse(empty if text is None else text)
    return (parsed.low, parsed.high) if parsed.low <= parsed.high else None


def default_of(kind, is_array, value):
    """A default as the value it is; the type's own where none is written."""
    if is_array or kind == "struct":
        return None if value == "null" else "empty"
    if kind in ("string", "bytes", "records"):
        return None if value == "null" else (value or "")
    if kind == "bool":
        return str(value).lower() == "true"
    if kind == "uuid":
        return value or "0"
    if kind == "float64":
        return float(value or 0)
    return int(str(value or 0), 0)


def unknown_keys(where, found, known):
    extra = set(found) - known - NO_FACTS
    if extra:
        raise SystemExit(f"{where} says something new: {', '.join(sorted(extra))}")


def jar_rows(fields, structs, path):
    """The rows of a definition's fields, in order, with those of structs behind each."""
    for field in fields:
        where = f"{path}.{field['name']}"
        unknown_keys(where, field, FIELD_KEYS)
        kind = field["type"]
        is_array = kind.startswith("[]")
        kind = kind[2:] if is_array else kind
        inner = field.get("fields") or structs.get(kind)
        kind = kind if kind in specfile.SCALARS else "struct"
        yield {
            "path": where,
            "type": ("[]" if is_array else "") + kind,
            "versions": versions(field.get("versions", field.get("taggedVersions"))),
            "null": versions(field.get("nullableVersions")),
            "tag": field.get("tag", -1),
            "tagged": versions(field.get("taggedVersions")),
            "default": default_of(kind, is_array, field.get("default")),
            "ignorable": field.get("ignorable", False),
            "flexible": versions(field["flexibleVersions"]) if "flexibleVersions" in field else "",
        }
        if kind == "struct":
            yield from jar_rows(inner, structs, where)


def spec_rows(fields, path):
    """The same of spec/."""
    for field in fields:
        where = f"{path}.{field.name}"
        span = [(r.low, r.high) if r is not None and r.low <= r.high else None
                for r in (field.versions, field.nullable, field.tagged, field.flexible)]
        yield {
            "path": where,
            "type": ("[]" if field.is_array else "") + field.type,
            "versions": span[0],
            "null": span[1],
            "tag": field.tag,
            "tagged": span[2],
            "default": default_of(field.type, field.is_array, field.default),
            "ignorable": field.ignorable,
            "flexible": "" if field.flexible is None else span[3],
        }
        if field.type == "struct":
            yield from spec_rows(field.fields, where)


def jar_head(definition):
    unknown_keys(definition["name"], definition, MESSAGE_KEYS)
    return {
        "kind": KINDS[definition["type"]],
        "number": definition.get("apiKey", -1),
        "versions": versions(definition["validVersions"]),
        "flexible": versions(definition.get("flexibleVersions")),
        "listeners": sorted(definition.get("listeners", [])),
        "latest unstable": definition.get("latestVersionUnstable", False),
    }


def spec_head(message):
    return {
        "kind": message.kind,
        "number": message.number,
        "versions": (message.versions.low, message.versions.high),
        "flexible": (message.flexible.low, message.flexible.high)
        if message.flexible.low <= message.flexible.high else None,
        "listeners": sorted(message.listeners),
        "latest unstable": message.latest_unstable,
    }


def differences(name, theirs, ours):
    return [f"{name}: {key} is {ours[key]}, Kafka's {theirs[key]}"
            for key in theirs if key != "path" and theirs[key] != ours[key]]


def compare(definition, message):
    """All differences, and the number of fields held against each other."""
    name = definition["name"]
    structs = {s["name"]: s["fields"] for s in definition.get("commonStructs", [])}
    theirs = list(jar_rows(definition["fields"], structs, name))
    ours = list(spec_rows(message.fields, name))
    found = differences(name, jar_head(definition), spec_head(message))
    if [row["path"] for row in theirs] != [row["path"] for row in ours]:
        for row in set(r["path"] for r in theirs) ^ set(r["path"] for r in ours):
            found.append(f"{row}: only on one side")
        return found or [f"{name}: its fields stand in another order"], len(theirs)
    for their, our in zip(theirs, ours):
        found += differences(their["path"], their, our)
    return found, len(theirs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spec", required=True)
    parser.add_argument("--jars", required=True)
    options = parser.parse_args()
    messages = {message.name: message for message in specfile.load(options.spec)}
    seen, fields, found = set(), 0, []
    for jar, definition in load_jars(options.jars):
        name = definition["name"]
        if definition["validVersions"] == "none" or name in NO_MESSAGES:
            if name in messages:
                found.append(f"{name}: {jar} has no version of it")
            continue
        seen.add(name)
        if name not in messages:
            found.append(f"{name} ({jar}): spec/ lacks it")
            continue
        more, count = compare(definition, messages[name])
        found += more
        fields += count
    found += [f"{name}: no jar has it" for name in sorted(set(messages) - seen)]
    print("\n".join(found + [f"{len(seen)} messages, {fields} fields were compared"]))
    print(f"{len(seen) + fields - min(len(found), fields)} passed, {len(found)} failed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
