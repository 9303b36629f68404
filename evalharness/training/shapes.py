"""One entry of instruction data -> one row. The usual shapes are known by their fields:

Alpaca (https://github.com/tatsu-lab/stanford_alpaca) and Dolly, ShareGPT, chat messages, prompt and completion,
preference pairs, unpaired labels; the names are those of https://huggingface.co/docs/trl/dataset_formats and
https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md. A field that changes what is learned is read as its
makers mean it or refused by name; whatever else there is, is named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalharness.records import Message
from evalharness.training.doubtful_fields import is_switch, truth
from evalharness.training.turns import (
    LABEL_FIELDS,
    THOUGHT_FIELDS,
    BrokenRowError,
    Fields,
    conversation,
    empty,
    from_json_text,
    functions_of,
    label_verdict,
    plain_text,
    unlearned,
    unread_names,
    wanted,
)

SHAPES = (
    "instruction+output, conversations, messages, prompt+completion (or response, answer), or "
    "(prompt or instruction)+chosen+rejected"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRow:
    """One conversation to learn from. `number` counts from 1 in the data as read. `rejected` is the worse last answer
    of a preference pair; `good` is what a label says of the last answer, None where there is none. `part` is the split
    that the data itself names, where it does. `template_kwargs` are variables for the chat template: `tools`, and what
    a data set's `chat_template_kwargs` say. `unused` are the names of fields that hold something and were not read."""

    number: int
    messages: tuple[Message, ...]
    rejected: str | None = None
    good: bool | None = None
    part: str = ""
    template_kwargs: Mapping[str, Any] | None = None
    unused: frozenset[str] = frozenset()

    @property
    def prompt(self) -> str:
        """What the user says, all turns: what makes two rows near-duplicates."""
        return "\n".join(message.content for message in self.messages if message.role == "user")

    @property
    def undecided(self) -> bool:
        """Whether both answers of a preference pair are the same."""
        return self.rejected == self.messages[-1].content and not self.messages[-1].extra

    @property
    def learned(self) -> bool:
        """Whether any of its turns is to be learned."""
        return any(message.role == "assistant" and message.learned for message in self.messages)


_QUESTIONS = ("prompt", "question", "query", "problem")
_ANSWERS = ("output", "response", "answer", "completion")
_PAIRS = (
    *(("prompt", name) for name in ("completion", "response", "answer", "output")),
    *(("question", name) for name in ("solution", "answer", "response")),
    *(("query", name) for name in ("response", "answer")),
    ("problem", "solution"),
    ("input", "output"),
    ("inputs", "targets"),
)
_CHATS = ("messages", "conversations", "conversation")
_SYSTEMS = ("system", "system_prompt", "system_message")
_CONTEXTS = ("input", "context", "passage", "paragraph")  # what a question is about
_PERHAPS = (
    "article",
    "document",
    "story",
    "contexts",
    "passages",
    "docs",
    "background",
    "knowledge",
    "evidence",
    "facts",
    "premise",
    "hypothesis",
    "table",
    "schema",
)  # that too, or where it comes from
_REFUSED = (
    "image", "images", "video", "videos", "audio", "audios", "documents", "train_detail", "training_detail",
    "rejected_messages",
)  # fmt: skip
_ABOUT = ("id", "split")  # `datasets` reads the split


def shape_of(fields: object) -> str | None:
    """The name of the shape, by the fields that hold something, else by all that are there; None where it is none."""
    if not isinstance(fields, Mapping):
        return None
    fields = _plainly(fields)
    return _by_keys(fields, {key for key, value in fields.items() if value is not None}) or _by_keys(
        fields, set(fields)
    )


def _plainly(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """OpenAI's rows for preference training (https://platform.openai.com/docs/guides/direct-preference-optimization),
    which keep the question a level deeper, as other preference rows are."""
    asked = fields.get("input")
    if not isinstance(asked, Mapping) or not {"preferred_output", "non_preferred_output"} <= fields.keys():
        return fields
    rest = {key: value for key, value in fields.items() if key not in ("input", *_OPENAI)}
    return {**rest, **asked, **{ours: fields[theirs] for theirs, ours in _OPENAI.items()}}


_OPENAI = {"preferred_output": "chosen", "non_preferred_output": "rejected"}


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


def labels_of(entries: Iterable[object]) -> frozenset[str]:
    """The fields that are labels of unpaired answers in these data: in some row they say that it is good or bad. A
    `label` may be a class; the others are nothing else."""
    marked = (
        name
        for fields in entries
        if isinstance(fields, Mapping)
        for name in LABEL_FIELDS
        if not empty(fields.get(name)) and label_verdict(fields[name]) is not None
    )
    return frozenset([*LABEL_FIELDS[1:], *marked])


def make_row(number: int, fields: Any, shape: str, labels: Collection[str]) -> TrainingRow:
    """The row that an entry of a shape says; `labels` as `labels_of` finds them in all of them. BrokenRowError for one
    that is not what the shape promises."""
    if not isinstance(fields, Mapping):
        raise BrokenRowError(f"it is {type(fields).__name__}, not fields")
    entry = Fields(_plainly(fields))
    for name in entry.filled(*_REFUSED):
        raise BrokenRowError(f"{name!r} cannot be learned from here")
    unused: set[str] = set()
    row = _READ[shape](number, entry, unused)
    named = entry.one("chat_template_kwargs")
    given = from_json_text(entry[named], f"{named!r}") if named else {}
    if not isinstance(given, Mapping):
        raise BrokenRowError("'chat_template_kwargs' is no object")
    given = dict(given)
    if (named := entry.one("tools", "functions")) and (tools := functions_of(entry[named])):
        given["tools"] = tools
    messages = _with_system(row.messages, entry)
    rejected = row.rejected
    if worse := entry.one("rejected_response"):  # ms-swift's, beside a row of any shape
        if rejected is not None:
            raise BrokenRowError(f"both 'rejected' and {worse!r} hold something; keep the one that is meant")
        messages, rejected = (*unlearned(messages[:-1]), messages[-1]), _text(entry, worse)
    good = _good(entry, labels, messages[-1].content)
    if wanted(entry) is False:
        messages = unlearned(messages)
    unused |= _unread(entry) - set(_ABOUT)
    return replace(
        row, messages=messages, rejected=rejected, good=good, template_kwargs=given or None, unused=frozenset(unused)
    )


def _unread(entry: Fields) -> set[str]:
    names = unread_names(entry)
    for name in (name for name in THOUGHT_FIELDS if name in names and not is_switch(entry.peek(name))):
        raise BrokenRowError(
            f"{name!r} stands beside turns or two answers: put it into the turn that it belongs to, as "
            "'reasoning_content', or delete it"
        )
    return names


def last_alone(row: TrainingRow) -> TrainingRow:
    """The row with its last answer to be learned alone, as a label of the whole row speaks of it."""
    return replace(row, messages=(*unlearned(row.messages[:-1]), *row.messages[-1:]))


def _good(entry: Fields, labels: Collection[str], answer: str) -> bool | None:
    """Whether labels call the row good, bad where one of them does; None where there is none. A label that cannot be
    read, among others that can, might; one that is the answer itself is a class, or is it?"""
    good: bool | None = None
    for name in entry.filled(*LABEL_FIELDS):
        if name not in labels:
            continue  # a class of texts, which is named with the fields that are not read
        said = label_verdict(entry[name])
        if said is None:
            raise BrokenRowError(f"{name!r} is {entry[name]!r}, wanted true or false (1 or 0)")
        if truth(entry[name]) is None and str(entry[name]).strip().lower() == answer.strip().lower():
            raise BrokenRowError(
                f"{name!r} is {entry[name]!r}, and so is the answer: rename it where it is a class, write true or "
                "false where it says whether the answer is good"
            )
        good = said and good is not False
    return good


def _with_system(messages: tuple[Message, ...], entry: Fields) -> tuple[Message, ...]:
    named = entry.one(*_SYSTEMS)
    if named is None:
        return messages
    said = plain_text(entry[named], "the system message")
    if Message("system", said) in messages[:1]:
        return messages
    if messages[0].role == "system":
        raise BrokenRowError("two system messages, in a field of its own and in the conversation")
    return (Message("system", said), *messages)


def _pair(keys: set[str]) -> tuple[str, str] | None:
    return next((pair for pair in _PAIRS if set(pair) <= keys), None)


def _text(entry: Fields, *names: str) -> str:
    """The text or number in the one of the fields that has one."""
    name = entry.one(*names) or next((name for name in names if name in entry), None)
    if name is None:
        raise BrokenRowError(f"{names[0]!r} is missing")
    text = plain_text(entry[name], repr(name))
    if not text.strip():
        raise BrokenRowError(f"{name!r} is empty")
    return text


def _history(entry: Fields) -> list[Message]:
    found: list[Message] = []
    for pair in entry["history"] if entry.filled("history") else []:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(s, str) and s for s in pair):
            raise BrokenRowError("'history' is no list of pairs of question and answer")
        found += [Message("user", pair[0]), Message("assistant", pair[1])]
    return found


def _answer(entry: Fields, *names: str) -> Message:
    thoughts = entry.one(*(name for name in THOUGHT_FIELDS if not is_switch(entry.peek(name))))
    extra = {"reasoning_content": _text(entry, thoughts)} if thoughts else {}
    said = _text(entry, *names)
    _check_options(entry, said)
    return Message("assistant", said, extra)


def _check_options(entry: Fields, answer: str) -> None:
    """BrokenRowError where the answer is the letter or number of an option, and the options are not in the question."""
    if _OPTION.fullmatch(answer.strip()) is None:
        return
    for name in (name for name in entry.filled(*entry) if _OPTIONS.fullmatch(name)):
        raise BrokenRowError(
            f"the answer is {answer!r} and its options stand in {name!r}: write them into the question"
        )


_OPTION = re.compile(r"\(?(?:[A-Ja-j]|\d)\)?\.?")
_OPTIONS = re.compile(
    r"options?|choices?|candidates|alternatives|endings|[A-E]|(?:option|choice|opt?|sol)[_ ]?[a-eA-E1-5]"
)


def _alpaca(number: int, entry: Fields, unused: set[str]) -> TrainingRow:
    instruction = str(entry.peek("instruction") or "").strip()
    for other in entry.filled(*_QUESTIONS):
        if instruction and instruction not in str(
            entry.peek(other)
        ):  # often it is the same again with a frame around it
            raise BrokenRowError(f"both 'instruction' and {other!r} hold something; keep the one that is meant")
    asked = _asked(entry, "instruction", unused)
    return TrainingRow(number=number, messages=(*_history(entry), *asked, _answer(entry, *_ANSWERS)))


def _prompt(number: int, entry: Fields, unused: set[str]) -> TrainingRow:
    pair = _pair({name for name in entry if entry.peek(name) is not None}) or _pair(set(entry))
    if pair is None:
        raise BrokenRowError("'prompt' or 'completion' is missing")
    asked = _asked(entry, entry.one(*_QUESTIONS) or pair[0], unused)
    # What stands beside the solution of a problem as its `answer` is the result alone.
    answers = ("solution", "completion", "response", "output") if pair[1] == "solution" else _ANSWERS
    answered = entry.one(*answers) or pair[1]
    if isinstance(entry[answered], list | dict) and entry[answered]:
        messages = conversation([*asked, *_listed(entry[answered])], unused)
        return TrainingRow(number=number, messages=messages)
    return TrainingRow(number=number, messages=(*_history(entry), *asked, _answer(entry, answered)))


def _listed(turns: Any) -> list[Any]:
    return [turns] if isinstance(turns, Mapping) else list(turns)


def _asked(entry: Fields, name: str, unused: set[str]) -> list[Message]:
    """What is asked, a text with its input or context behind it, or turns: what an assistant says in those is no part
    of the completion, and not learned."""
    if isinstance(entry.get(name), list | dict):
        return list(unlearned(conversation(_listed(entry[name]), unused, whole=False)))
    for other in _PERHAPS:
        if entry.filled(other):
            raise BrokenRowError(
                f"{other!r} beside a question: call it 'context' where the question is about it, or delete it"
            )
    beside = entry.one(*(other for other in _CONTEXTS if other != name))
    given = [Message("user", _text(entry, beside))] if beside else []
    if beside == "input" and name in entry and not entry.filled(name):  # the whole question stands there
        return given
    return [Message("user", _text(entry, name)), *given]


def _turns(entry: Fields) -> Any:
    named = entry.one(*_CHATS)
    found = entry[named] if named else None
    if isinstance(found, str) and found.lstrip().startswith("["):  # a table's cell
        found = from_json_text(found, "the list of turns")
    return _turn_by_turn(found) if isinstance(found, list | tuple) else found


def _turn_by_turn(turns: Sequence[Any]) -> Sequence[Any]:
    """Turns as texts, the user's first (LIMA), or an exchange at a time (Capybara), as turns with roles."""
    if turns and all(isinstance(turn, str) for turn in turns):
        return [{"role": "assistant" if at % 2 else "user", "content": text} for at, text in enumerate(turns)]
    if not all(isinstance(turn, Mapping) and {"input", "output"} <= turn.keys() for turn in turns):
        return turns
    apart = []
    for turn in turns:
        rest = {key: value for key, value in turn.items() if key not in ("input", "output")}
        asked, said = ({"content": turn[name]} for name in ("input", "output"))
        apart += [{"role": "user", **asked}, {"role": "assistant", **rest, **said}]
    return apart


def _chat(number: int, entry: Fields, unused: set[str]) -> TrainingRow:
    turns = _turns(entry)
    if not isinstance(turns, Sequence) or isinstance(turns, str) or not turns:
        raise BrokenRowError("no list of turns")
    return TrainingRow(number=number, messages=conversation(turns, unused))


def _preference(number: int, entry: Fields, unused: set[str]) -> TrainingRow:
    """The last answer alone is what is better or worse."""
    chosen, rejected = (
        [{"role": "assistant", "content": _text(entry, name)}] if not isinstance(entry[name], list | dict)
        else _listed(entry[name])
        for name in ("chosen", "rejected")
    )  # fmt: skip
    if len(chosen) == len(rejected) == 1 and not entry.filled("instruction", *_QUESTIONS, "input", *_CHATS):
        raise BrokenRowError(
            "'prompt' is missing; a question that stands in both texts has to be in a field of its own, or both be "
            "lists of messages"
        )
    asked: list[Message] = []
    if len(chosen) == len(rejected) == 1:
        named = entry.one("instruction", *_QUESTIONS)
        turns = None if named else _turns(entry)
        named = named or entry.one("input")
        asked = list(conversation(turns, unused, whole=False)) if turns else _asked(entry, named or "prompt", unused)
    good, bad = conversation([*asked, *chosen], unused), conversation([*asked, *rejected], unused)
    if good[:-1] != bad[:-1]:
        raise BrokenRowError("'chosen' and 'rejected' differ before the last turn")
    if bad[-1].extra:
        raise BrokenRowError(f"{', '.join(bad[-1].extra)} in 'rejected' cannot be compared")
    return TrainingRow(number=number, messages=(*unlearned(good[:-1]), good[-1]), rejected=bad[-1].content)


_READ: dict[str, Callable[[int, Fields, set[str]], TrainingRow]] = {
    "alpaca": _alpaca, "prompt": _prompt, "messages": _chat, "sharegpt": _chat, "preference": _preference,
}  # fmt: skip
