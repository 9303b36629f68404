"""Jinja chat templates, rendered as transformers renders them, within the limits of `templating`.

https://huggingface.co/docs/transformers/chat_templating
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Any

import jinja2
import jinja2.ext
import jinja2.nodes

from evalharness.errors import UserError
from evalharness.records import Message, message_fields
from evalharness.text import templating

OPEN, CLOSE = "\ufdd0", "\ufdd1"  # not characters: no text has them


class _Generation(jinja2.ext.Extension):
    """`{% generation %}...{% endgeneration %}`: what transformers marks as the assistant's."""

    tags = {"generation"}  # noqa: RUF012  jinja2's own way to declare tags

    def parse(self, parser: Any) -> jinja2.nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_mark"), [], [], body).set_lineno(line)

    def _mark(self, caller: Any) -> str:
        return str(caller())


class _Marked(_Generation):
    """The same, with marks around what the tags hold."""

    def _mark(self, caller: Any) -> str:
        return f"{OPEN}{caller()}{CLOSE}"


def _raise(message: str) -> None:
    raise jinja2.TemplateError(message)


def _to_json(value: object, ensure_ascii: bool = False, indent: int | None = None, **rest: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **rest)


@cache
def _compile(source: str, generation: type[_Generation] = _Generation) -> jinja2.Template | str:
    """The compiled template, or why there is none."""
    environment = templating.Environment(
        trim_blocks=True, lstrip_blocks=True, extensions=[generation, jinja2.ext.loopcontrols],
        filters={"tojson": _to_json},
    )  # fmt: skip
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    try:
        return templating.compiled(environment, source)
    except jinja2.TemplateError as error:
        return str(error)


def render(
    source: str, messages: Sequence[Message], prompt: bool, tokens: tuple[str, str], *,
    given: Mapping[str, Any] = MappingProxyType({}), marked: bool = False,
) -> str:  # fmt: skip
    """The text of `messages`, with `prompt` up to where the next answer begins. `tokens` are BOS and EOS as text.

    `given` are further variables, such as `tools`. `marked` puts OPEN and CLOSE around what the template
    marks with generation tags. UserError for a template that cannot be read or cannot write these messages.
    """
    template = _compile(source, _Marked if marked else _Generation)
    if isinstance(template, str):
        raise UserError(f"the chat template cannot be read: {template}")
    try:
        said = [message_fields(message) for message in messages]
        values = {"tools": None, "documents": None, **given, "messages": said, "add_generation_prompt": prompt}
        return templating.rendered(template, values | {"bos_token": tokens[0], "eos_token": tokens[1]})
    except templating.FAILURES as error:
        raise UserError(f"the chat template cannot write these messages: {' '.join(str(error).split())}") from error


def marked_spans(
    source: str, messages: Sequence[Message], tokens: tuple[str, str], given: Mapping[str, Any]
) -> list[tuple[int, int]]:
    """What a template marks with generation tags, as character positions of the text without marks."""
    marked = render(source, messages, False, tokens, given=given, marked=True)
    spans: list[tuple[int, int]] = []
    opened, removed = 0, 0
    for at, letter in enumerate(marked):
        if letter in (OPEN, CLOSE):
            if letter == OPEN:
                opened = at - removed
            else:
                spans.append((opened, at - removed))
            removed += 1
    return spans
