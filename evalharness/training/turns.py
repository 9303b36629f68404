"""Turns of a conversation as data sets write them -> messages, with tools and thoughts as chat templates read them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from evalharness.data.files import json_value
from evalharness.records import Message, Role
from evalharness.training.doubtful_fields import doubt_of, shown_value, truth


class BrokenRowError(Exception):
    """A row that is not what its shape promises."""


_ROLES: dict[str, Role] = {
    "system": "system", "developer": "system", "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "chatgpt": "assistant", "bot": "assistant",
    "function_call": "assistant", "tool_call": "assistant",
    "tool": "tool", "function": "tool", "observation": "tool", "ipython": "tool", "tool_response": "tool",
    "function_response": "tool", "function-response": "tool",
}  # fmt: skip
_CALLS = ("function_call", "tool_call")  # roles whose text is a call, as JSON
# Marks that say whether a turn or row is learned, and which way round: OpenAI's `weight`, Axolotl's `training` and
# `train`, XTuner's and ms-swift's `loss`, torchtune's `masked` (true: left out of the loss), and their like.
_MARKS = {
    **dict.fromkeys(
        ("weight", "train", "training", "trainable", "loss", "loss_mask", "loss_weight", "loss_scale", "sample_weight",
         "train_on_turn", "learn"),
        True,
    ),
    "masked": False,
}  # fmt: skip
LABEL_FIELDS = ("label", "kto_tag", "is_correct", "is_desirable", "desirable")  # the first may also be a class
_VERDICTS = {
    **dict.fromkeys(("good", "desirable", "chosen", "accepted", "correct", "right"), True),
    **dict.fromkeys(("bad", "undesirable", "rejected", "incorrect", "wrong"), False),
}
THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking", "thought", "thoughts")
# Among what is not learned from: turns, and what only some chat templates show.
UNANSWERED, SPEAKER = "turns behind the last answer", "name (of a turn)"
_REFUSED = ("train_detail", "training_detail", "audio", "images", "image")


class Fields(Mapping[str, Any]):
    """The fields of a row or turn, which remember those that were read: whatever else holds something must be named,
    and only the reading itself knows what that is."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields
        self._read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        value = self._fields[name]
        self._read.add(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, name: object) -> bool:
        return name in self._fields  # to ask whether it is there is not to read it

    def peek(self, name: str) -> Any:
        """The value, which does not count as read by that."""
        return self._fields.get(name)

    def filled(self, *names: str) -> list[str]:
        """Those of the names that hold something."""
        return [name for name in names if not empty(self._fields.get(name))]

    def one(self, *names: str) -> str | None:
        """The first name that holds something. BrokenRowError where another one holds something else, which would be
        lost."""
        there = self.filled(*names)
        values = [self[name] for name in there]
        for name, value in zip(there, values, strict=True):
            if value != values[0]:
                raise BrokenRowError(f"both {there[0]!r} and {name!r} hold something; keep the one that is meant")
        return there[0] if there else None

    def unread(self) -> set[str]:
        """The names that hold something and were not read."""
        return {str(name) for name, value in self._fields.items() if name not in self._read and not empty(value)}


def empty(value: object) -> bool:
    """Whether a field holds nothing: what JSON, a CSV file and pandas write where there is no value."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or value in ([], (), {}) or (isinstance(value, float) and math.isnan(value))


def label_verdict(value: object) -> bool | None:
    """What a label says of an answer, as a mark or in the usual words; None for what is no such label."""
    return _VERDICTS.get(str(value).strip().lower(), truth(value))


def plain_text(value: Any, what: str) -> str:
    """The text that a text or number is, '' where there is none. BrokenRowError, which calls it `what`, for all else:
    nobody who writes true or a list means the letters of it."""
    if isinstance(value, str):
        return value
    if empty(value):
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BrokenRowError(f"{what} is a {type(value).__name__}, wanted a text")
    return str(value)


def wanted(fields: Fields, where: str = "") -> bool | None:
    """Whether a row or turn is to be learned, as its own marks say; None where it has none."""
    said = {name: truth(fields[name]) for name in fields.filled(*_MARKS)}
    for name, mark in said.items():
        if mark is None:
            several = "; write what it says of each turn into that turn" if isinstance(fields[name], list) else ""
            raise BrokenRowError(f"{name!r}{where} is {shown_value(fields[name])}, wanted 0 or 1{several}")
    return all(mark == _MARKS[name] for name, mark in said.items()) if said else None


def unread_names(fields: Fields, where: str = "") -> set[str]:
    """The names that hold something and were not read. BrokenRowError for one that may say what is to be learned, for
    one that calls the answer bad, and for a reasoning that may belong to it."""
    names = fields.unread()
    for name in sorted(names.difference(THOUGHT_FIELDS)):
        if doubt := doubt_of(name, fields.peek(name)):
            raise BrokenRowError(f"{name!r}{where} {doubt}")
    return names


def conversation(turns: Sequence[Any], unused: set[str], *, whole: bool = True) -> tuple[Message, ...]:
    """The messages of a conversation; `whole`: up to its last answer, which must be there. Names of fields that are
    not read are added to `unused`."""
    messages = [turn if isinstance(turn, Message) else _message(turn, unused) for turn in turns]
    messages = [m for m in messages if m.role != "system" or m.content.strip()]
    while whole and messages and messages[-1].role != "assistant":  # a question that nobody answered teaches nothing
        messages.pop()
        unused.add(UNANSWERED)
    if not any(message.role == "user" for message in messages):
        raise BrokenRowError("no user turn" + " with an assistant turn behind it" * whole)
    return tuple(messages)


def unlearned(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The same messages, read and not learned."""
    return tuple(replace(m, learned=False) if m.role == "assistant" else m for m in messages)


def _message(fields: Any, unused: set[str]) -> Message:
    if not isinstance(fields, Mapping):
        raise BrokenRowError("a turn without fields")
    turn = Fields(fields)
    said, role = _role(turn)
    _check_readable(turn)
    holder = turn.one("content", "value") or next((name for name in ("content", "value") if name in turn), "content")
    content, thoughts = _content(turn.get(holder), role)
    extra = {name: turn[name] for name in turn.filled("name", "tool_call_id")}
    if "name" in extra and role != "tool":
        unused.add(SPEAKER)
    if named := turn.one(*THOUGHT_FIELDS):
        told = plain_text(turn[named], repr(named))
        if thoughts.strip() not in ("", told.strip()):
            raise BrokenRowError(f"{named!r} and the content of a turn hold different thoughts")
        extra |= dict.fromkeys(turn.filled(*THOUGHT_FIELDS), told)
        thoughts = told
    if thoughts.strip():  # by the name that most templates know, too
        extra["reasoning_content"] = thoughts
    calls = _calls(turn)
    if said in _CALLS and content.strip():
        if calls:
            raise BrokenRowError(f"a {said} turn with other calls beside its text")
        called = from_json_text(content, f"a {said} turn")
        calls, content = [_call(call) for call in (called if isinstance(called, list) else [called])], ""
    if calls:
        extra["tool_calls"] = calls
    if not content.strip() and not calls and role != "system":
        raise BrokenRowError(f"an empty turn of {said!r}")
    learned = wanted(turn, " of a turn")
    if learned and role != "assistant":
        raise BrokenRowError(f"a turn of {said!r} is marked to be learned; the answers alone are: delete its mark")
    unused |= {f"{name} (of a turn)" for name in unread_names(turn, " of a turn")}
    return Message(role, content, extra, learned is not False)


def _check_readable(turn: Fields) -> None:
    for name in turn.filled(*_REFUSED):
        raise BrokenRowError(f"{name!r} in a turn cannot be learned from here")
    for name in turn.filled(*LABEL_FIELDS):
        if label_verdict(turn.peek(name)) is not None:
            raise BrokenRowError(f"{name!r} of a turn: a label speaks of a whole row; say 'weight' 0 or 1 in a turn")


def _role(turn: Fields) -> tuple[str, Role]:
    """The role of a turn as it stands there, in small letters, and as it is meant."""
    name = "role" if turn.filled("role") else "from"
    said = str(turn.get(name)).lower()
    role = _ROLES.get(said)
    if role is None:
        raise BrokenRowError(f"a turn of role {turn.get(name)!r}")
    other = _ROLES.get(str(turn.peek("from")).lower(), role)  # a name that is no role may say who wrote it
    if other != role:
        raise BrokenRowError(f"a turn of role {said!r} and from {turn.get('from')!r}")
    if str(turn.peek("from")).lower() in _ROLES:
        turn.get("from")
    return said, role


def _calls(turn: Fields) -> list[dict[str, Any]]:
    """The calls of a turn, as OpenAI writes them now or wrote the one call of a turn before."""
    found = []
    for name in turn.filled("tool_calls", "function_call"):
        calls = turn[name]
        found.append([_call(call) for call in (calls if isinstance(calls, list | tuple) else [calls])])
    if len(found) > 1 and [c["function"] for c in found[0]] != [c["function"] for c in found[1]]:
        raise BrokenRowError("both 'tool_calls' and 'function_call' hold something; keep the one that is meant")
    return found[0] if found else []


def _content(value: Any, role: str) -> tuple[str, str]:
    """Text and thoughts of a turn, whose content is a text, or a list of parts."""
    if role == "tool" and isinstance(value, list | dict) and not _parts(value):
        return json.dumps(value, ensure_ascii=False), ""
    if not _parts(value):
        return plain_text(value, "the content of a turn"), ""
    text, thoughts = "", ""
    for part in value:
        kind = "text" if isinstance(part, str) else str(part.get("type"))
        if kind in ("text", "input_text", "output_text"):
            text += part if isinstance(part, str) else plain_text(part.get("text"), "the text of a part")
        elif kind == "thinking":
            thoughts += plain_text(part.get("thinking"), "the thinking of a part")
        else:
            raise BrokenRowError(f"a part of type {kind}: only text can be learned")
    return text, thoughts


def _parts(value: Any) -> bool:
    part = lambda p: isinstance(p, str) or (isinstance(p, Mapping) and "type" in p)
    return isinstance(value, list) and all(map(part, value))


def from_json_text(value: Any, what: str) -> Any:
    """The value of a JSON text; whatever is no text stays. BrokenRowError, which calls it `what`, where it is none."""
    if not isinstance(value, str):
        return value
    try:
        return json_value(value)
    except ValueError as error:
        raise BrokenRowError(f"{what} is not valid JSON ({error})") from error


def _call(call: Any) -> dict[str, Any]:
    """A call as templates read it: its arguments an object, not JSON in a text."""
    call = from_json_text(call, "a tool call")
    function = call.get("function", call) if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise BrokenRowError("a tool call without the name of a function")
    arguments = function.get("arguments", function.get("parameters"))
    if isinstance(arguments, str):
        with suppress(ValueError):  # a template that takes a text gets it as it is
            arguments = json_value(arguments or "{}")
    named = {"name": function["name"], "arguments": {} if arguments is None else arguments}
    found = {"type": "function", "function": named}
    return {"id": call["id"], **found} if call.get("id") else found


def functions_of(tools: Any) -> list[Any]:
    """The tools of a row, as JSON or a list, in OpenAI's layout or as functions alone."""
    listed = from_json_text(tools, "'tools'") if tools else []
    listed = [listed] if isinstance(listed, Mapping) else listed
    if not isinstance(listed, list | tuple) or not all(isinstance(tool, Mapping) for tool in listed):
        raise BrokenRowError("'tools' is no list of functions")
    return [dict(tool) if "function" in tool else {"type": "function", "function": dict(tool)} for tool in listed]
