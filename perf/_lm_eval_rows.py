"""Rows made for a task of lm-evaluation-harness out of its own fields, without its data set: what templates and code
name, with values of the kinds that they can work with, found by trying."""

from __future__ import annotations

import ast
import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from evalharness.data.yaml_lines import Function, YamlDocument

COUNT = 8  # rows of a split
_WORDS = (
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "islet", "jetty", "knoll", "ledge",
    "marsh", "north", "ochre", "plain",
)  # fmt: skip
Kind = Callable[[str, int], Any]  # (field, number of the row) -> a value


def _text(name: str, i: int) -> str:
    return f"{_WORDS[(i * 3 + len(name)) % 16]} {name.lower()} {_WORDS[(i + 5) % 16]} {i}"


def _choices(name: str, i: int) -> list[str]:
    return [f"{_WORDS[(i + k) % 16]} {k}" for k in range(4)]


KINDS: Mapping[str, Kind] = {
    "text": _text,
    "place": lambda name, i: i % 2,
    "one_based": lambda name, i: i % 2 + 1,
    "letter": lambda name, i: "AB"[i % 2],
    "digit": lambda name, i: str(i % 2 + 1),
    "choices": _choices,
    "labelled": lambda name, i: {"text": _choices(name, i), "label": ["A", "B", "C", "D"]},
    "records": lambda name, i: [{"text": t, "label": "ABCD"[k]} for k, t in enumerate(_choices(name, i))],
    "number": lambda name, i: i + 0.5,
    "flag": lambda name, i: i % 2 == 0,
    "choice": lambda name, i: _choices(name, i)[i % 2],
    "literal": lambda name, i: repr(_choices(name, i)),
    "places": lambda name, i: [i % 2],
    "nested": lambda name, i: [_choices(name, i), _choices(name, i + 1)],
    "targets": lambda name, i: {"choices": _choices(name, i), "labels": [int(k == i % 2) for k in range(4)]},
    "answers": lambda name, i: {"text": [_text(name, i)], "answer_start": [0]},
    "json": lambda name, i: '{"a": ["b", "c"]}',
    "sentence": lambda name, i: f"The {_WORDS[i % 16]} and the _ saw {_WORDS[(i + 1) % 16]}. It was #### {i}",
    "yes": lambda name, i: ("yes", "no")[i % 2],
    "scores": lambda name, i: {letter: int(k == i % 2) for k, letter in enumerate("ABCD")},
    "languages": lambda name, i: {code: _text(code, i) for code in ("en", "fr", "de")},
    "lettered": lambda name, i: {letter: f"{_WORDS[(i + k) % 16]} {k}" for k, letter in enumerate("ABCD")},
    "infos": lambda name, i: {f"ans{k}": [text, "unknown"] for k, text in enumerate(_choices(name, i)[:3])},
    "integers": lambda name, i: [1, 0, 2, 3],
    "false": lambda name, i: False,
    "date": lambda name, i: f"2024-0{i % 8 + 1}-11",
}
_BY_NAME = (
    (r"answer_info", ("infos",)),
    (r"choices|options|endings|candidates|distractors|opt$", ("choices", "labelled", "records", "literal")),
    (r"label|gold|correct|idx|index|^y$|target_idx|class", ("place", "letter", "digit", "text", "choice")),
    (r"answer|target|solution|ans$|key", ("text", "place", "letter", "digit", "choice", "choices")),
    (r"score|rate|num|count|length|id$", ("number", "place", "text")),
)  # fmt: skip
_SKIPPED = {
    "loop",
    "range",
    "self",
    "super",
    "namespace",
    "dict",
    "lipsum",
    "cycler",
    "joiner",
    "true",
    "false",
    "none",
}


def fields_of(document: YamlDocument, files: tuple[Path, ...]) -> list[str]:
    """Names that templates and code read."""
    found: dict[str, None] = {}
    for text in _texts(document.value):
        found |= dict.fromkeys(_template_names(text))
    for file in files:
        found |= dict.fromkeys(_code_names(file))
    for key in ("doc_to_text", "doc_to_target", "doc_to_choice"):
        said = document.value.get(key)
        if isinstance(said, str) and not isinstance(said, Function) and re.fullmatch(r"[A-Za-z_]\w*", said):
            found[said] = None
    return [name for name in found if name not in _SKIPPED]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str) and not isinstance(value, Function):
        yield value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            if key not in ("filter_list", "metric_list", "generation_kwargs", "dataset_kwargs", "metadata"):
                yield from _texts(one)


def _template_names(text: str) -> set[str]:
    from jinja2 import Environment, TemplateError, meta

    try:
        return meta.find_undeclared_variables(Environment().parse(text)) if "{" in text else set()
    except TemplateError:
        return set()


def _code_names(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_bytes())):
        key: ast.AST | None = None
        if isinstance(node, ast.Subscript):
            key = node.slice
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
            key = node.args[0] if node.args else None
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield key.value


def constants_of(file: Path, name: str) -> tuple[list[str], list[str]]:
    """(texts that a function is about, fields that are compared): a task may keep the rows of one subject only."""
    tree = ast.parse(file.read_bytes())
    own = [
        node
        for node in tree.body
        if getattr(node, "name", "") == name
        or (isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets))
    ]
    found = dict.fromkeys(text for node in own for text in _constants(node))
    others = dict.fromkeys(text for node in tree.body for text in _constants(node))
    compared = dict.fromkeys(
        side.slice.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        for side in (node.left, *node.comparators)
        if isinstance(side, ast.Subscript)
        and isinstance(side.slice, ast.Constant)
        and isinstance(side.slice.value, str)
    )
    prefixes = [
        node.values[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr) and len(node.values) == 2 and isinstance(node.values[0], ast.Constant)
    ]
    prefixed = [f"{prefix}{text}" for prefix in dict.fromkeys(prefixes) for text in found]
    return [*prefixed, *list({**found, **others})[:120]], list(compared)


def _constants(node: ast.AST) -> Iterator[str]:
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and 0 < len(one.value) < 80:
            yield one.value
        elif isinstance(one, ast.keyword) and isinstance(one.value, ast.Constant):
            yield str(one.value.value)


def first_kinds(names: list[str]) -> dict[str, str]:
    """A kind for each field by what it is called."""
    return {name: _likely(name)[0] for name in names}


def _likely(name: str) -> tuple[str, ...]:
    for pattern, kinds in _BY_NAME:
        if re.search(pattern, name, re.IGNORECASE):
            return kinds
    return ("text",)


_MISSING = re.compile(r"KeyError: '([^']+)'|'([\w .-]+)' is undefined|Column (?:name )?'?\[?'([\w .-]+)'")


# What an error says of the kind that is wanted: the fields that it may be about by their names, and that kind.
_HINTS = (
    ("malformed node or string", "choices|options", "literal"),
    ("is not in list", "answer|label|gold|correct|target", "digit"),
    ("is not in list", "answer|label|gold|correct|target", "letter"),
    ("gives no list of choices", "choices|options|targets", "choices"),
    ("for -: 'str' and 'int'", "answer|label|gold|correct|target", "one_based"),
    ("for +: 'int' and 'str'", "ctx|text|question|activity", "text"),
    ("has no attribute 'text'", "choices|options|question", "labelled"),
    ("has no attribute 'label'", "choices|options|question", "labelled"),
    ("no attribute 'keys'", "translation|target_scores|scores", "languages"),
    ("has no attribute 'A'", "choice|options", "lettered"),
    ("string indices must be integers", "answers?$", "answers"),
    ('can only concatenate str (not "dict")', "ctx|text|question|title", "text"),
    ("no documents are left", "answer|label|gold", "place"),
    ("'list object' has no attribute", "^answer$|label|gold", "place"),
)


def line_constants(error: str, files: list[Path]) -> list[str]:
    """Texts on the line of code that an error names, and in the mappings and lists that the line names."""
    found = re.search(r"\((\S+\.py):(\d+)\)", error)
    texts: dict[str, None] = {}
    for file in files if found else ():
        if found is None or file.name != found[1]:
            continue
        tree, line = ast.parse(file.read_bytes()), int(found[2])
        there = [node for node in ast.walk(tree) if getattr(node, "lineno", -1) == line]
        names = {node.id for node in there if isinstance(node, ast.Name)}
        named = [
            n for n in ast.walk(tree) if isinstance(n, ast.Assign) and names & {getattr(t, "id", "") for t in n.targets}
        ]
        keys = [
            k.value for n in named if isinstance(n.value, ast.Dict) for k in n.value.keys if isinstance(k, ast.Constant)
        ]
        texts |= dict.fromkeys(keys or (text for node in (*there, *named) for text in _constants(node)))
    return list(texts)


def other_kinds(
    kinds: dict[str, str], error: str, attempt: int, chance: random.Random, about: list[str], lookups: list[str]
) -> dict[str, str]:
    """The kinds of another try: a field that was missed is added, one or two of the others are of another kind, or one
    of the texts that the task is `about`, or that its code looks up where it failed."""
    changed = dict(kinds)
    missed = next((name for match in [_MISSING.search(error)] if match for name in match.groups() if name), "")
    said = set(re.findall(r"'([^']+)'", error))
    looked_up = [
        name for name, kind in changed.items() if kind.startswith(CONSTANT) and said & set(json.loads(kind[9:]))
    ]
    if missed and missed not in changed and not looked_up and not re.search(r" \d+$", missed):
        changed[missed] = _likely(missed)[0]
        return changed
    words = re.findall(r"(\w+) (\w+) \w+ \d", error)  # the text of a value has its field in it
    mentioned = {word for pair in words for word in pair} | {name.lower() for name in looked_up}
    for sign, pattern, kind in _HINTS:
        hinted = [name for name in changed if re.search(pattern, name, re.IGNORECASE) and changed[name] != kind]
        if sign in error and hinted and chance.random() < 0.5:
            changed[chance.choice(hinted)] = kind
            return changed
    names = [name for name in changed if name.lower() in mentioned] or list(changed)
    if lookups and chance.random() < 0.6:
        changed[chance.choice(names)] = CONSTANT + json.dumps([chance.choice(lookups)])
        return changed
    for name in chance.sample(names, min(len(names), 1 + attempt % 3)):
        likely = _likely(name)
        if about and chance.random() < 0.25:
            changed[name] = CONSTANT + json.dumps(about)
        else:
            changed[name] = chance.choice(likely if chance.random() < 0.5 else list(KINDS))
    return changed


CONSTANT = "constant:"  # a kind of this beginning: the texts of a task's code, one for each row


def rows_of(kinds: Mapping[str, str], count: int = COUNT, first: int = 0) -> list[dict[str, Any]]:
    """Rows of these kinds; as many more as there are constants."""
    listed = {
        name: json.loads(kind.removeprefix(CONSTANT)) for name, kind in kinds.items() if kind.startswith(CONSTANT)
    }
    count = max([count, *(6 * len(texts) for texts in listed.values())])

    def value(name: str, kind: str, i: int) -> Any:
        return listed[name][i // 6 % len(listed[name])] if name in listed else KINDS[kind](name, i)

    return [{name: value(name, kind, i) for name, kind in kinds.items()} for i in range(first, first + count)]
