"""The part of Go's text/template that our Modelfiles use, and what Ollama gives a template of `.Messages`.

https://pkg.go.dev/text/template; Ollama's template/template.go (`Execute`, `collate`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Body = list[Any]
_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|\$?\.?[A-Za-z_][\w.]*|\$|\.|\d+|[()]|:=|,)')


@dataclass(frozen=True)
class Branch:
    """`if` and its else-ifs: (condition, body) in turn; a condition of None is `else`."""

    cases: list[tuple[str | None, Body]]


@dataclass(frozen=True)
class Range:
    names: tuple[str, str]
    over: str
    body: Body


def parse(source: str) -> Body:
    """Texts (str), expressions ([source]), branches and ranges."""
    parts: list[tuple[str, str]] = []
    at = 0
    for match in re.finditer(r'\{\{(-?)((?:"[^"]*"|[^"}]|\}(?!\}))*?)(-?)\}\}', source):
        assert not match[1] and not match[3], "no trimming: every byte of the text counts"
        parts += [("text", source[at : match.start()]), ("action", match[2].strip())]
        at = match.end()
    parts.append(("text", source[at:]))
    body, rest = _body(parts)
    assert rest == [], f"{rest[0]} without a beginning"
    return body


def _body(parts: list[tuple[str, str]]) -> tuple[Body, list[tuple[str, str]]]:
    found: Body = []
    while parts:
        (kind, text), *rest = parts
        if kind == "text":
            found.append(text)
            parts = rest
        elif text == "end" or text.startswith("else"):
            return found, parts
        elif text.startswith("if "):
            branch, parts = _branch(text.removeprefix("if "), rest)
            found.append(branch)
        elif text.startswith("range "):
            names, _, over = text.removeprefix("range ").partition(":=")
            inner, parts = _body(rest)
            assert parts[0][1] == "end"
            first, second = (name.strip() for name in names.split(","))
            found.append(Range((first, second), over.strip(), inner))
            parts = parts[1:]
        else:
            found.append([text])
            parts = rest
    return found, []


def _branch(condition: str | None, parts: list[tuple[str, str]]) -> tuple[Branch, list[tuple[str, str]]]:
    cases: list[tuple[str | None, Body]] = []
    while True:
        body, parts = _body(parts)
        cases.append((condition, body))
        word = parts[0][1]
        parts = parts[1:]
        if word == "end":
            return Branch(cases), parts
        condition = word.removeprefix("else if ") if word.startswith("else if ") else None


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "eq": lambda a, *b: a in b, "ne": lambda a, b: a != b, "not": lambda a: not a, "len": len,
    "slice": lambda a, low: a[low:], "and": lambda *a: next((x for x in a if not x), a[-1]),
    "or": lambda *a: next((x for x in a if x), a[-1]),
}  # fmt: skip


def evaluate(source: str, dot: Any, names: Mapping[str, Any]) -> Any:
    tokens = [match[1] for match in _TOKEN.finditer(source)]
    value, rest = _call(tokens, dot, names)
    assert rest == [], f"{source}: {rest}"
    return value


def _call(tokens: list[str], dot: Any, names: Mapping[str, Any]) -> tuple[Any, list[str]]:
    if tokens[0] in FUNCTIONS:
        values, rest = [], tokens[1:]
        while rest and rest[0] != ")":
            value, rest = _operand(rest, dot, names)
            values.append(value)
        return FUNCTIONS[tokens[0]](*values), rest
    return _operand(tokens, dot, names)


def _operand(tokens: list[str], dot: Any, names: Mapping[str, Any]) -> tuple[Any, list[str]]:
    token, *rest = tokens
    if token == "(":
        value, rest = _call(rest, dot, names)
        assert rest[0] == ")"
        return value, rest[1:]
    if token.startswith('"'):
        return json.loads(token), rest
    if token.isdigit():
        return int(token), rest
    base, *fields = token.split(".")
    value = names[base] if base.startswith("$") else dot
    for name in fields:
        value = value[name] if name else value
    return value, rest


def execute(body: Body, dot: Any, names: Mapping[str, Any]) -> str:
    made = []
    for part in body:
        if isinstance(part, str):
            made.append(part)
        elif isinstance(part, list):
            made.append(str(evaluate(part[0], dot, names)))
        elif isinstance(part, Branch):
            chosen = (inner for test, inner in part.cases if test is None or evaluate(test, dot, names))
            made.append(execute(next(chosen, []), dot, names))
        else:
            for index, item in enumerate(evaluate(part.over, dot, names)):
                made.append(execute(part.body, item, {**names, part.names[0]: index, part.names[1]: item}))
    return "".join(made)


def ollama(source: str, messages: Sequence[tuple[str, str]]) -> str:
    """What Ollama makes of (role, content) messages: neighbours of one role joined, system texts gathered."""
    joined: list[dict[str, str]] = []
    for role, content in messages:
        if joined and joined[-1]["Role"] == role:
            joined[-1]["Content"] += "\n\n" + content
        else:
            joined.append({"Role": role, "Content": content})
    system = "\n\n".join(content for role, content in messages if role == "system")
    root = {"System": system, "Messages": joined, "Tools": [], "Response": "", "Prompt": ""}
    return execute(parse(source), root, {"$": root})


def without_messages(source: str, system: str, prompt: str) -> str:
    """The same for a program that knows no messages: up to where the response begins."""
    root = {"System": system, "Messages": [], "Tools": [], "Response": "\0", "Prompt": prompt}
    return execute(parse(source), root, {"$": root}).partition("\0")[0]


def commands(modelfile: str) -> dict[str, list[str]]:
    """A Modelfile's commands as Ollama's parser reads them (parser/parser.go): name -> arguments."""
    found: dict[str, list[str]] = {}
    pattern = r'^(FROM|TEMPLATE|PARAMETER stop) (?:"""((?:.|\n)*?)"""|(.*))$'
    left = re.sub(pattern, "", modelfile, flags=re.MULTILINE)
    assert all(not line or line.startswith("#") for line in left.splitlines()), left
    for match in re.finditer(pattern, modelfile, flags=re.MULTILINE):
        value = match[2] if match[2] is not None else match[3]
        found.setdefault(match[1], []).append(json.loads(value) if match[1] == "PARAMETER stop" else value)
    return found
