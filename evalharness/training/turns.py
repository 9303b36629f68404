"""Turns of a conversation as data sets write them -> messages, with tools and thoughts as chat templates read them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from evalharness.data.files import json_value
from evalharness.records import Message, Role


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
_LEARN = ("weight", "train", "training", "trainable", "loss")
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
_REFUSED = ("train_detail", "audio", "images", "image")
_READ = {"role", "from", "content", "value", "name", "tool_call_id", "tool_calls", "function_call", *_LEARN, *_THOUGHTS}


def conversation(turns: Sequence[Any], *, whole: bool = True) -> tuple[Message, ...]:
    """The messages of a conversation; `whole`: up to its last answer, which must be there."""
    messages = [turn if isinstance(turn, Message) else _message(turn) for turn in turns]
    messages = [m for m in messages if m.role != "system" or m.content.strip()]
    while whole and messages and messages[-1].role != "assistant":  # a question that nobody answered teaches nothing
        messages.pop()
    if not any(message.role == "user" for message in messages):
        raise BrokenRowError("no user turn" + " with an assistant turn behind it" * whole)
    return tuple(messages)


def unlearned(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The same messages, read and not learned."""
    return tuple(replace(m, learned=False) if m.role == "assistant" else m for m in messages)


def unused_in_turns(turns: object) -> set[str]:
    """The names of the fields of turns that hold something and are not read."""
    listed = turns if isinstance(turns, list | tuple) else []
    found = ((name, value) for turn in listed if isinstance(turn, Mapping) for name, value in turn.items())
    return {str(name) for name, value in found if name not in _READ and value not in (None, "", [], {})}


def _message(turn: Any) -> Message:
    if not isinstance(turn, Mapping):
        raise BrokenRowError("a turn without fields")
    said = turn.get("role", turn.get("from"))
    role = _ROLES.get(str(said).lower())
    if role is None:
        raise BrokenRowError(f"a turn of role {said!r}")
    for name in _REFUSED:
        if turn.get(name):
            raise BrokenRowError(f"{name!r} in a turn cannot be learned from here")
    content, thoughts = _content(turn.get("content", turn.get("value")), role)
    extra = {name: turn[name] for name in ("name", "tool_call_id") if turn.get(name)}
    extra |= {name: str(turn[name]) for name in _THOUGHTS if turn.get(name)}
    thoughts = next((extra[name] for name in _THOUGHTS if name in extra), thoughts)
    if thoughts.strip():  # by the name that most templates know, too
        extra["reasoning_content"] = thoughts
    calls = turn.get("tool_calls") or ([turn["function_call"]] if turn.get("function_call") else [])
    if str(said).lower() in _CALLS:
        calls, content = from_json_text(content, f"a {said} turn"), ""
    if calls:
        extra["tool_calls"] = [_call(call) for call in (calls if isinstance(calls, list | tuple) else [calls])]
    if not content.strip() and not calls and role != "system":
        raise BrokenRowError(f"an empty turn of {said!r}")
    return Message(role, content, extra, _learned(turn))


def _learned(turn: Mapping[str, Any]) -> bool:
    for name in _LEARN:
        value = turn.get(name)
        if value is None:
            continue
        if value not in (0, 1):  # True and False are these too
            raise BrokenRowError(f"{name!r} of a turn is {value!r}, wanted 0 or 1")
        if not value:
            return False
    return True


def _content(value: Any, role: str) -> tuple[str, str]:
    """Text and thoughts of a turn, whose content is a text, or a list of parts."""
    if value is None:
        return "", ""
    if isinstance(value, str):
        return value, ""
    if isinstance(value, int | float):
        return str(value), ""
    if role == "tool" and not _parts(value):
        return json.dumps(value, ensure_ascii=False), ""
    if not _parts(value):
        raise BrokenRowError(f"a turn whose content is a {type(value).__name__}")
    text, thoughts = "", ""
    for part in value:
        kind = "text" if isinstance(part, str) else str(part.get("type"))
        if kind in ("text", "input_text", "output_text"):
            text += part if isinstance(part, str) else str(part.get("text") or "")
        elif kind == "thinking":
            thoughts += str(part.get("thinking") or "")
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
