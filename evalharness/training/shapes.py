"""One entry of instruction data -> one row. The usual shapes are known by their fields:

Alpaca (https://github.com/tatsu-lab/stanford_alpaca) and Dolly, ShareGPT, chat messages, prompt and completion,
preference pairs, unpaired labels; the names are those of https://huggingface.co/docs/trl/dataset_formats and
https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md. A field that changes what is learned is read as its
makers mean it or refused by name; whatever else there is, is named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalharness.records import Message
from evalharness.training.row_files import part_of
from evalharness.training.turns import BrokenRowError, conversation, from_json_text, functions_of, unlearned

SHAPES = (
    "instruction+output, conversations, messages, prompt+completion (or response, answer), or "
    "(prompt or instruction)+chosen+rejected"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRow:
    """One conversation to learn from. `number` counts from 1 in the data as read. `rejected` is the worse last answer
    of a preference pair. `part` is the split that the data itself names, where it does. `template_kwargs` are variables
    for the chat template: `tools`, and what a data set's `chat_template_kwargs` say."""

    number: int
    messages: tuple[Message, ...]
    rejected: str | None = None
    part: str = ""
    template_kwargs: Mapping[str, Any] | None = None

    @property
    def prompt(self) -> str:
        """What the user says, all turns: what makes two rows near-duplicates."""
        return "\n".join(message.content for message in self.messages if message.role == "user")

    @property
    def learned(self) -> bool:
        """Whether any of its turns is to be learned."""
        return any(message.role == "assistant" and message.learned for message in self.messages)


_ANSWERS = ("output", "response", "answer", "completion")
_PAIRS = (
    *(("prompt", name) for name in ("completion", "response", "answer", "output")),
    *(("question", name) for name in ("answer", "response")),
    *(("query", name) for name in ("response", "answer")),
    ("problem", "solution"),
    ("input", "output"),
)
_CHATS = ("messages", "conversations", "conversation")
_SYSTEMS = ("system", "system_prompt")
_LABELS = ("label", "kto_tag")
_REFUSED = ("image", "images", "video", "videos", "audio", "audios", "documents", "train_detail")
# Read for every shape, where they are there.
_COMMON = {*_SYSTEMS, *_LABELS, "tools", "functions", "chat_template_kwargs", "split", "weight", "train", "id"}
_USED = {
    "alpaca": {"instruction", "input", "context", "history", "reasoning_content", *_ANSWERS},
    "prompt": {"context", "history", "reasoning_content", *(name for pair in _PAIRS for name in pair)},
    "messages": set(_CHATS),
    "sharegpt": set(_CHATS),
    "preference": {"instruction", "prompt", "question", "input", "context", "chosen", "rejected", *_CHATS},
}


def shape_of(fields: object) -> str | None:
    """The name of the shape, by the fields that hold something, else by all that are there; None where it is none."""
    if not isinstance(fields, Mapping):
        return None
    return _by_keys(fields, {key for key, value in fields.items() if value is not None}) or _by_keys(
        fields, set(fields)
    )


def _by_keys(fields: Mapping[str, Any], keys: set[str]) -> str | None:
    if {"chosen", "rejected"} <= keys:
        return "preference"
    if any(name in keys for name in _CHATS):
        turns = next((fields[name] for name in _CHATS if fields.get(name) is not None), None)
        said = isinstance(turns, Sequence) and turns and isinstance(turns[0], Mapping) and "from" in turns[0]
        return "sharegpt" if said else "messages"
    if "instruction" in keys and keys.intersection(_ANSWERS):
        return "alpaca"
    return "prompt" if _pair(keys) else None


def make_row(number: int, fields: Any, shape: str) -> TrainingRow:
    """The row that an entry of a shape says. BrokenRowError for one that is not what the shape promises."""
    if not isinstance(fields, Mapping):
        raise BrokenRowError(f"it is {type(fields).__name__}, not fields")
    for name in _REFUSED:
        if fields.get(name):
            raise BrokenRowError(f"{name!r} cannot be learned from here")
    row = _READ[shape](number, fields)
    given = from_json_text(fields.get("chat_template_kwargs") or {}, "'chat_template_kwargs'")
    if not isinstance(given, Mapping):
        raise BrokenRowError("'chat_template_kwargs' is no object")
    given = dict(given)
    if tools := functions_of(fields.get("tools") or fields.get("functions")):
        given["tools"] = tools
    messages = _with_system(row.messages, fields)
    if not _wanted(fields):
        messages = unlearned(messages)
    split = fields.get("split")
    part = part_of(split) if isinstance(split, str) else ""
    return replace(row, messages=messages, template_kwargs=given or None, part=part)


def unused(fields: Mapping[str, Any], shape: str) -> set[str]:
    """The names of the fields that hold something and are not read."""
    own = _USED[shape] | _COMMON
    found = {str(name) for name, value in fields.items() if name not in own and not _empty(value)}
    return found | {name for name in _LABELS if _label(fields.get(name)) is None and not _empty(fields.get(name))}


def _wanted(fields: Mapping[str, Any]) -> bool:
    """Whether the row is to be learned: not where it is labelled bad or has no weight."""
    if any(_label(fields.get(name)) is False for name in _LABELS):
        return False
    weight, train = fields.get("weight"), fields.get("train")
    if not _empty(weight) and str(weight) not in ("0", "1", "0.0", "1.0"):
        raise BrokenRowError(f"'weight' is {weight!r}, wanted 0 or 1")
    return train is not False and str(weight) not in ("0", "0.0")


def _label(value: object) -> bool | None:
    """What an unpaired label says; None for what is no such label."""
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).strip().lower())


def _empty(value: object) -> bool:
    return value is None or value in ("", [], {}) or (isinstance(value, float) and math.isnan(value))


def _with_system(messages: tuple[Message, ...], fields: Mapping[str, Any]) -> tuple[Message, ...]:
    said = next((fields[name] for name in _SYSTEMS if not _empty(fields.get(name))), "")
    if not isinstance(said, str):
        raise BrokenRowError(f"the system message is a {type(said).__name__}, wanted a text")
    if not said.strip() or Message("system", said) in messages[:1]:
        return messages
    if messages[0].role == "system":
        raise BrokenRowError("two system messages, in a field of its own and in the conversation")
    return (Message("system", said), *messages)


def _pair(keys: set[str]) -> tuple[str, str] | None:
    return next((pair for pair in _PAIRS if set(pair) <= keys), None)


def _text(entry: Mapping[str, Any], *names: str) -> str:
    """The text or number in the first of the fields that has one."""
    for name in names:
        value = entry.get(name)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, int | float) and not isinstance(value, bool) and not _empty(value):
            return str(value)
    there = next((name for name in names if name in entry), None)
    if there is None:
        raise BrokenRowError(f"{names[0]!r} is missing")
    value = entry[there]
    blank = _empty(value) or isinstance(value, str)
    raise BrokenRowError(f"{there!r} is empty" if blank else f"{there!r} is a {type(value).__name__}, wanted a text")


def _given(entry: Mapping[str, Any]) -> list[Message]:
    """What stands beside an instruction or question: its input, or its context."""
    there = [name for name in ("input", "context") if not _empty(entry.get(name)) and str(entry[name]).strip()]
    if len(there) > 1:
        raise BrokenRowError("both 'input' and 'context' hold something; one of them is the input")
    return [Message("user", _text(entry, there[0]))] if there else []


def _history(entry: Mapping[str, Any]) -> list[Message]:
    found: list[Message] = []
    history = entry.get("history")
    for pair in [] if _empty(history) else history or []:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(s, str) and s for s in pair):
            raise BrokenRowError("'history' is no list of pairs of question and answer")
        found += [Message("user", pair[0]), Message("assistant", pair[1])]
    return found


def _answer(entry: Mapping[str, Any], *names: str) -> Message:
    thoughts = entry.get("reasoning_content")
    extra = {} if _empty(thoughts) else {"reasoning_content": _text(entry, "reasoning_content")}
    return Message("assistant", _text(entry, *names), extra)


def _alpaca(number: int, entry: Mapping[str, Any]) -> TrainingRow:
    given = _given(entry)
    asked = [] if given and not str(entry["instruction"]).strip() else [Message("user", _text(entry, "instruction"))]
    return TrainingRow(number=number, messages=(*_history(entry), *asked, *given, _answer(entry, *_ANSWERS)))


def _prompt(number: int, entry: Mapping[str, Any]) -> TrainingRow:
    pair = _pair({key for key, value in entry.items() if value is not None}) or _pair(set(entry))
    if pair is None:
        raise BrokenRowError("'prompt' or 'completion' is missing")
    asked = _asked(entry, pair[0], () if pair[0] == "input" else ("context",))
    if isinstance(entry[pair[1]], list | dict) and entry[pair[1]]:
        return TrainingRow(number=number, messages=conversation([*asked, *_listed(entry[pair[1]])]))
    return TrainingRow(number=number, messages=(*_history(entry), *asked, _answer(entry, pair[1])))


def _listed(turns: Any) -> list[Any]:
    return [turns] if isinstance(turns, Mapping) else list(turns)


def _asked(entry: Mapping[str, Any], name: str, beside: Sequence[str]) -> list[Message]:
    """The prompt, a text or turns: what an assistant says in it is no part of the completion, and not learned."""
    if isinstance(entry.get(name), list | dict):
        return list(unlearned(conversation(_listed(entry[name]), whole=False)))
    return [Message("user", _text(entry, name)), *_given({key: entry.get(key) for key in beside})]


def _turns(entry: Mapping[str, Any]) -> Any:
    found = next((entry[name] for name in _CHATS if entry.get(name) is not None), None)
    if isinstance(found, str) and found.lstrip().startswith("["):  # a table's cell
        return from_json_text(found, "the list of turns")
    return found


def _chat(number: int, entry: Mapping[str, Any]) -> TrainingRow:
    turns = _turns(entry)
    if not isinstance(turns, Sequence) or isinstance(turns, str) or not turns:
        raise BrokenRowError("no list of turns")
    return TrainingRow(number=number, messages=conversation(turns))


def _preference(number: int, entry: Mapping[str, Any]) -> TrainingRow:
    """The last answer alone is what is better or worse."""
    chosen, rejected = (
        [{"role": "assistant", "content": _text(entry, name)}] if not isinstance(entry[name], list | dict)
        else _listed(entry[name])
        for name in ("chosen", "rejected")
    )  # fmt: skip
    asked: list[Message] = []
    if len(chosen) == len(rejected) == 1:
        named = next((n for n in ("prompt", "instruction", "question") if not _empty(entry.get(n))), "")
        turns = _turns(entry)
        asked = list(conversation(turns, whole=False)) if not named and turns else []
        asked = asked or _asked(entry, named or "prompt", ("input", "context"))
    good, bad = conversation([*asked, *chosen]), conversation([*asked, *rejected])
    if good[:-1] != bad[:-1]:
        raise BrokenRowError("'chosen' and 'rejected' differ before the last turn")
    if bad[-1].extra:
        raise BrokenRowError(f"{', '.join(bad[-1].extra)} in 'rejected' cannot be compared")
    return TrainingRow(number=number, messages=(*unlearned(good[:-1]), good[-1]), rejected=bad[-1].content)


_READ: dict[str, Callable[[int, Mapping[str, Any]], TrainingRow]] = {
    "alpaca": _alpaca, "prompt": _prompt, "messages": _chat, "sharegpt": _chat, "preference": _preference,
}  # fmt: skip
