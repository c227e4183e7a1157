"""A C file as tidy sees it: tokens, includes, macros, functions, variables, typedefs.

It is a lexer and a walk over matching brackets, not a compiler: exact for C as this project writes
it (no K&R definitions, no macros that open a bracket for another to close).
"""

import re

TOKEN = re.compile(r"""
    (?P<comment>/\*.*?\*/|//[^\n]*)
  | (?P<directive>^[ \t]*\#(?:\\\n|/\*.*?\*/|[^\n])*)
  | (?P<string>(?:u8|[LuU])?"(?:\\.|[^"\\\n])*"|[LuU]?'(?:\\.|[^'\\\n])*')
  | (?P<word>[A-Za-z_]\w*)
  | (?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
  | (?P<mark>->|\+\+|--|<<=?|>>=?|[<>=!]=|&&|\|\||\.\.\.|[-+*/%&|^]=|\#\#|[^\s\w])
""", re.VERBOSE | re.DOTALL | re.MULTILINE)
CLOSING = {"(": ")", "[": "]", "{": "}"}
LOOPS = {"if", "for", "while", "switch"}


class Token:
    __slots__ = ("kind", "text", "line")

    def __init__(self, kind, text, line):
        self.kind, self.text, self.line = kind, text, line

    def __repr__(self):
        return f"{self.text}@{self.line}"


class Function:
    def __init__(self, name, first, last, params, nesting):
        self.name, self.first, self.last = name, first, last
        self.params, self.nesting = params, nesting

    @property
    def lines(self):
        return self.last - self.first + 1


class Macro:
    def __init__(self, name, line, body):
        self.name, self.line, self.body = name, line, body


class Named:
    """A variable or a typedef; `text` is what it was declared with."""

    def __init__(self, name, line, text):
        self.name, self.line, self.text = name, line, text


def lex(text, first_line=1):
    """The tokens without comments; a directive is one token."""
    tokens, line, at = [], first_line, 0
    for match in TOKEN.finditer(text):
        line += text.count("\n", at, match.start())
        at = match.start()
        if match.lastgroup != "comment":
            tokens.append(Token(match.lastgroup, match.group(), line))
    return tokens


def matching(tokens, at):
    """The index of the bracket that closes the one at `at`; the last token where none does."""
    wanted = []
    for index in range(at, len(tokens)):
        text = tokens[index].text
        if tokens[index].kind != "mark":
            continue
        if text in CLOSING:
            wanted.append(CLOSING[text])
        elif wanted and text == wanted[-1]:
            wanted.pop()
            if not wanted:
                return index
    return len(tokens) - 1


def is_attribute(token):
    """A macro or keyword that decorates a declaration: MUST_USE, ON(...), __attribute__((...))."""
    text = token.text
    return token.kind == "word" and (text == "__attribute__" or re.fullmatch(r"[A-Z][A-Z0-9_]*", text)
                                     is not None)


def drop_attributes(tokens):
    kept, index = [], 0
    while index < len(tokens):
        follows = tokens[index + 1].text if index + 1 < len(tokens) else ""
        if is_attribute(tokens[index]) and follows == "(":
            index = matching(tokens, index + 1)
        else:
            kept.append(tokens[index])
        index += 1
    return kept


def count_params(tokens):
    """The parameters between two parentheses; `...` is not one."""
    if not tokens or [token.text for token in tokens] == ["void"]:
        return 0
    count, depth, empty = 0, 0, True
    for token in tokens:
        if token.kind == "mark" and token.text in "([{":
            depth += 1
        elif token.kind == "mark" and token.text in ")]}":
            depth -= 1
        if token.text == "," and depth == 0:
            count, empty = count + (not empty), True
        elif token.text != "...":
            empty = False
    return count + (not empty)


class Nesting:
    """The deepest control statement inside a function's body; an `else if` is no deeper."""

    def __init__(self, body):
        self.tokens, self.at, self.deepest = body, 0, 0
        while self.at < len(self.tokens):
            self.statement(0)

    def peek(self, ahead=0):
        index = self.at + ahead
        return self.tokens[index].text if index < len(self.tokens) else ""

    def skip_group(self):
        self.at = matching(self.tokens, self.at) + 1

    def controlled(self, depth):
        self.deepest = max(self.deepest, depth)
        self.statement(depth)

    def statement(self, depth):
        word = self.peek()
        if word == "{":
            end = matching(self.tokens, self.at)
            self.at += 1
            while self.at < end:
                self.statement(depth)
            self.at = end + 1
        elif word in LOOPS or self.is_loop_macro():
            self.at += 1
            self.skip_group()
            self.controlled(depth + 1)
            self.alternative(depth)
        elif word == "do":
            self.at += 1
            self.controlled(depth + 1)
        elif word in ("case", "default"):
            while self.at < len(self.tokens) and self.peek() != ":":
                self.at += 1
            self.at += 1
        else:
            self.expression()

    def alternative(self, depth):
        if self.peek() != "else":
            return
        self.at += 1
        if self.peek() == "if":
            self.statement(depth)
        else:
            self.controlled(depth + 1)

    def is_loop_macro(self):
        """LIST_EACH(...) { and the like."""
        if self.at >= len(self.tokens) or self.tokens[self.at].kind != "word" \
                or self.peek(1) != "(":
            return False
        end = matching(self.tokens, self.at + 1)
        return end + 1 < len(self.tokens) and self.tokens[end + 1].text == "{"

    def expression(self):
        while self.at < len(self.tokens) and self.peek() != ";":
            if self.tokens[self.at].kind == "mark" and self.peek() in CLOSING:
                self.skip_group()
            else:
                self.at += 1
        self.at += 1


def is_mutable(tokens):
    """Whether a declaration up to its initialiser declares something that can be written."""
    stars = [index for index, token in enumerate(tokens) if token.text == "*"]
    behind = tokens[stars[-1]:] if stars else tokens
    return "const" not in [token.text for token in behind]


class Source:
    """One file; `path` is relative to the project's root."""

    def __init__(self, path, text):
        self.path, self.text = path, text
        self.lines = text.split("\n")
        self.includes, self.macros = [], []
        self.functions, self.variables, self.typedefs = [], [], []
        everything = lex(text)
        self.tokens = [token for token in everything if token.kind != "directive"]
        for token in everything:
            if token.kind == "directive":
                self.read_directive(token)
        self.read_declarations()

    def read_directive(self, token):
        plain = re.sub(r"/\*.*?\*/", " ", token.text.replace("\\\n", "\n"), flags=re.DOTALL)
        include = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', plain)
        if include:
            self.includes.append((token.line, include.group(1), include.group(2)))
        define = re.match(r"\s*#\s*define\s+(\w+)(\([^)]*\))?", plain)
        if define:
            body = lex(plain[define.end():], token.line + plain[:define.end()].count("\n"))
            self.macros.append(Macro(define.group(1), token.line, body))

    def read_declarations(self):
        tokens, start, index = self.tokens, 0, 0
        while index < len(tokens):
            text = tokens[index].text if tokens[index].kind == "mark" else ""
            if text == ";":
                self.read_declaration(tokens[start:index])
                start = index + 1
            elif text == "{" and self.opens_function(tokens[start:index]):
                end = matching(tokens, index)
                self.read_function(tokens[start:index], tokens[index:end + 1])
                start, index = end + 1, end
            elif text in CLOSING:
                index = matching(tokens, index)
            index += 1

    @staticmethod
    def opens_function(before):
        return bool(before) and before[-1].text == ")" and "=" not in [t.text for t in before] \
            and before[0].text != "typedef"

    def read_function(self, head, body):
        plain = drop_attributes(head)
        for index in range(len(plain) - 1):
            if plain[index].kind == "word" and plain[index + 1].text == "(":
                end = matching(plain, index + 1)
                self.functions.append(Function(
                    plain[index].text, head[0].line, body[-1].line,
                    count_params(plain[index + 2:end]), Nesting(body[1:-1]).deepest))
                break
        for index, token in enumerate(body):
            if token.text == "static" and token.kind == "word":
                end = index
                while body[end].text not in (";", "=") and end < len(body) - 1:
                    end = matching(body, end) + 1 if body[end].text in CLOSING else end + 1
                self.read_declaration(body[index:end])

    def read_declaration(self, tokens):
        tokens = drop_attributes(tokens)
        words = [token.text for token in tokens]
        if not words or words[0] in ("_Static_assert", "extern") or "extern" in words[:2]:
            return
        if words[0] == "typedef":
            self.read_typedef(tokens)
            return
        plain, index = [], 0
        while index < len(tokens) and tokens[index].text not in ("=", "["):
            if tokens[index].text == "(":
                if tokens[index + 1].text != "*":
                    return  # a function's declaration
                plain += tokens[index + 1:matching(tokens, index)]
                index = matching(tokens, index)
                break
            if tokens[index].text == "{":
                index = matching(tokens, index)
            else:
                plain.append(tokens[index])
            index += 1
        names = [token.text for token in plain]
        if names and names[0] in ("struct", "union", "enum") and len(names) <= 2 \
                and index >= len(tokens):
            return  # a type's declaration
        if names and is_mutable(plain):
            self.variables.append(Named(names[-1], tokens[0].line, " ".join(names)))

    def read_typedef(self, tokens):
        words = [token.text for token in tokens]
        pointer = re.search(r"\( \* (?:const )?(\w+)", " ".join(words))
        function = re.search(r"(\w+) \(", " ".join(words))
        name = pointer or function
        self.typedefs.append(Named(name.group(1) if name else words[-1], tokens[0].line,
                                   " ".join(words[:3])))
