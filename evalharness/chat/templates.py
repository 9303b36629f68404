"""Jinja chat templates, rendered as transformers renders them, within the limits of `templating`.

https://huggingface.co/docs/transformers/chat_templating
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

import jinja2
import jinja2.ext
import jinja2.nodes

from evalharness.errors import UserError
from evalharness.records import Message
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
    source: str, messages: Sequence[Message], prompt: bool, tokens: tuple[str, str], *, marked: bool = False
) -> str:
    """The text of `messages`, with `prompt` up to where the next answer begins. `tokens` are BOS and EOS as text.

    `marked` puts OPEN and CLOSE around what the template marks with generation tags. UserError for a template that
    cannot be read or cannot write these messages.
    """
    template = _compile(source, _Marked if marked else _Generation)
    if isinstance(template, str):
        raise UserError(f"the chat template cannot be read: {template}")
    try:
        said = [{"role": message.role, "content": message.content} for message in messages]
        values = {"messages": said, "add_generation_prompt": prompt, "tools": None, "documents": None}
        return templating.rendered(template, values | {"bos_token": tokens[0], "eos_token": tokens[1]})
    except templating.FAILURES as error:
        raise UserError(f"the chat template cannot write these messages: {' '.join(str(error).split())}") from error
