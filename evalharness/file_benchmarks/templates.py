"""Jinja templates over the fields of a row (https://jinja.palletsprojects.com), in its sandbox: data is never code."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from evalharness.data.yaml_lines import YamlDocument, YamlPath
from evalharness.errors import nearest
from evalharness.text.patterns import pattern_of

Render = Callable[[Mapping[str, Any]], Any]


@cache
def _environment() -> Any:
    from evalharness.text import templating

    return templating.strict(filters={"regex_replace": _regex_replace}, keep_trailing_newline=True)


def _regex_replace(text: str, pattern: str, by: str = "", count: int = 0) -> str:
    return pattern_of(pattern).sub(by, text, count)


def template(document: YamlDocument, where: YamlPath, text: str) -> Render:
    """What the template makes of a row. DataError with its line for bad syntax, and for a row that lacks a field."""
    from jinja2 import TemplateError

    from evalharness.text import templating

    try:
        compiled = templating.compiled(_environment(), text)
    except TemplateError as error:
        raise document.error(where, f"not a valid template ({error.message})") from error

    plain = _plain_parts(text)

    def render(row: Mapping[str, Any]) -> Any:
        if plain is not None and (joined := _joined(plain, row)) is not None:
            return joined
        try:
            return templating.rendered(compiled, row)
        except TemplateError as error:
            said = str(error)
            missing = re.search(r"'(\w+)' is undefined", said)
            hint = nearest(missing.group(1), row) if missing else ""
            raise document.error(where, f"{said}{hint}; the fields are {', '.join(map(str, row))}") from error
        except templating.FAILURES as error:
            raise document.error(where, f"the template fails on a row ({type(error).__name__}: {error})") from error

    return render


_FIELD = re.compile(r"\{\{ *([A-Za-z]\w*) *\}\}", re.ASCII)
_WORDS = {"true", "false", "none", "True", "False", "None", "not", "self", "loop", "super"}  # no fields to Jinja
_SHORT = 1 << 16  # characters of a field that is joined without Jinja, which counts them


def _plain_parts(text: str) -> list[tuple[bool, str]] | None:
    """(whether it is a field's name, text) of a template that only joins fields; None for every other one. Most rows
    are asked by such a template, and joining costs a tenth of what a rendering does."""
    parts = [(bool(i % 2), part) for i, part in enumerate(_FIELD.split(text)) if part]
    odd = any("{" in part or "}" in part if not named else part in _WORDS for named, part in parts)
    return None if odd or "\r" in text else parts


def _joined(parts: list[tuple[bool, str]], row: Mapping[str, Any]) -> str | None:
    """What the parts make of a row; None where a field is missing, no text, or long."""
    found = []
    for named, part in parts:
        text = row.get(part) if named else part
        if type(text) is not str or len(text) > _SHORT:
            return None
        found.append(text)
    return "".join(found)


def value(document: YamlDocument, where: YamlPath, said: Any) -> Render:
    """A field of the row where `said` is its name, else what the template in `said` makes of the row.

    A value that is no text stands for itself; a list is made of such values.
    """
    if isinstance(said, list):
        parts = [value(document, (*where, i), one) for i, one in enumerate(said)]
        return lambda row: [part(row) for part in parts]
    if not isinstance(said, str):
        return lambda row: said
    rendered = template(document, where, said)

    def found(row: Mapping[str, Any]) -> Any:
        return row[said] if said in row else rendered(row)

    return found
