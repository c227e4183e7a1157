"""Reads spec/**/*.msg: every message of the protocol in our notation (spec/README.md)."""

import pathlib
import re
from dataclasses import dataclass, field

ANY = 32767  # the open end of a version range
SCALARS = ("bool", "int8", "int16", "uint16", "int32", "uint32", "int64", "float64", "uuid",
           "string", "bytes", "records")


class SpecError(Exception):
    """A line of a spec file that cannot be read; says where and why."""


@dataclass(frozen=True)
class Versions:
    """An inclusive range; the empty range has low > high."""
    low: int
    high: int

    def __contains__(self, version):
        return self.low <= version <= self.high

    @staticmethod
    def parse(text):
        if text == "none":
            return Versions(1, 0)
        low, plus = (text[:-1], True) if text.endswith("+") else (text, False)
        if plus:
            return Versions(int(low), ANY)
        if "-" in low:
            first, last = low.split("-")
            return Versions(int(first), int(last))
        return Versions(int(low), int(low))


NEVER = Versions(1, 0)


@dataclass
class Field:
    name: str
    type: str  # a word of SCALARS, or "struct"
    is_array: bool
    versions: Versions
    nullable: Versions = NEVER
    tagged: Versions = NEVER
    tag: int = -1
    default: str = None  # as written; None where the type's own (0, "", empty) holds
    ignorable: bool = False
    flexible: Versions = None  # of this field alone, where it differs from the message's
    fields: list = field(default_factory=list)


@dataclass
class Message:
    name: str
    kind: str  # request, response, header, record, key, value, data
    number: int  # API key or record type; -1 where there is none
    versions: Versions
    flexible: Versions
    listeners: list
    latest_unstable: bool
    folder: str
    fields: list = field(default_factory=list)


def snake(name):
    """ClusterId -> cluster_id."""
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name).lower()


def camel(name):
    """ClusterId -> clusterId, as Kafka's own JSON has it."""
    return name[0].lower() + name[1:]


def parse_head(words, folder):
    number = -1
    name, kind, rest = words[0], words[1], words[2:]
    if rest and re.fullmatch(r"\d+", rest[0]):
        number, rest = int(rest[0]), rest[1:]
    message = Message(name, kind, number, NEVER, NEVER, [], False, folder)
    while rest:
        if rest[0] == "latest-unstable":
            message.latest_unstable, rest = True, rest[1:]
            continue
        word, value, rest = rest[0], rest[1], rest[2:]
        if word == "versions":
            message.versions = Versions.parse(value)
        elif word == "flexible":
            message.flexible = Versions.parse(value)
        elif word == "on":
            message.listeners = value.split(",")
        else:
            raise ValueError("unknown word " + word)
    return message


def parse_attribute(target, word):
    key, _, value = word.partition("=")
    if key == "null":
        target.nullable = Versions.parse(value)
    elif key == "default":
        target.default = "" if value == '""' else value
    elif key == "tag":
        tag, _, versions = value.partition("@")
        target.tag, target.tagged = int(tag), Versions.parse(versions)
    elif key == "flexible":
        target.flexible = Versions.parse(value)
    elif word == "ignorable":
        target.ignorable = True
    else:
        raise ValueError("unknown word " + word)


def parse_field(words):
    name, kind, versions = words[:3]
    is_array = kind.startswith("[]")
    kind = kind[2:] if is_array else kind
    if kind != "struct" and kind not in SCALARS:
        raise ValueError("unknown type " + kind)
    result = Field(name, kind, is_array, Versions.parse(versions))
    for word in words[3:]:
        parse_attribute(result, word)
    return result


def parse_file(path):
    message, open_lists = None, []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = line.split("#")[0].rstrip()
        if not text:
            continue
        depth = (len(text) - len(text.lstrip())) // 2
        try:
            if message is None:
                message = parse_head(text.split(), path.parent.name)
                open_lists = [message.fields]
                continue
            entry = parse_field(text.split())
            if depth < 1 or depth > len(open_lists):
                raise ValueError("indented too far")
            del open_lists[depth:]
            open_lists[depth - 1].append(entry)
            if entry.type == "struct":
                open_lists.append(entry.fields)
        except (ValueError, IndexError) as error:
            raise SpecError(f"{path}:{number}: {error}") from error
    return message


def load(folder):
    """All messages below the folder, in the order of their names."""
    paths = sorted(pathlib.Path(folder).rglob("*.msg"))
    return sorted((parse_file(path) for path in paths), key=lambda message: message.name)
