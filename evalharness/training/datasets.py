"""Instruction data -> conversations. Five shapes of rows are found by themselves:

Alpaca (https://github.com/tatsu-lab/stanford_alpaca), ShareGPT, chat messages, prompt and completion, preference pairs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalharness.data import files
from evalharness.errors import DataError
from evalharness.records import Message, Role

SHAPES = "instruction+output, conversations, messages, prompt+completion, or (prompt or instruction)+chosen+rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRow:
    """One conversation to learn from. `number` counts from 1 in the file as read. `rejected` is the worse last answer
    of a preference pair. `part` is the split that the data itself names, where it does."""

    number: int
    messages: tuple[Message, ...]
    rejected: str | None = None
    part: str = ""

    @property
    def prompt(self) -> str:
        """What the user says, all turns: what makes two rows near-duplicates."""
        return "\n".join(message.content for message in self.messages if message.role == "user")


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Rows, the shape they had, where they came from, and the sha256 (hex) of what they say."""

    rows: tuple[TrainingRow, ...]
    shape: str
    origin: str
    sha256: str


class _BrokenError(Exception):
    """A row that is not what its shape promises."""


def read_training_data(data: str) -> Data:
    """Rows of a file (.json .jsonl .parquet .csv), a folder of such files, or a hub data set.

    DataError where there is nothing to read, fewer than two rows, or rows with missing or empty fields (their numbers).
    """
    raw, origin = _raw(data)
    if len(raw) < 2:
        raise DataError(f"{origin}: wanted at least 2 rows (one to learn from, one to check on), there are {len(raw)}")
    shape = _shape(raw[0], origin)
    rows, broken = [], []
    for number, entry in enumerate(raw, 1):
        try:
            rows.append(replace(_READ[shape](number, entry), part=_part(entry)))
        except _BrokenError as problem:
            broken.append((number, str(problem)))
    if broken:
        numbers = ", ".join(str(number) for number, _ in broken[:8]) + (", ..." if len(broken) > 8 else "")
        raise DataError(
            f"{origin}: {len(broken)} of {len(raw)} rows cannot be learned from as {shape}: row {numbers} "
            f"({broken[0][1]} in row {broken[0][0]}); mend or delete them"
        )
    return Data(rows=tuple(rows), shape=shape, origin=origin, sha256=fingerprint(rows))


def fingerprint(rows: Iterable[TrainingRow]) -> str:
    """sha256 (hex) of what the rows say, in their order."""
    digest = hashlib.sha256()
    for row in rows:
        for message in row.messages:
            digest.update(f"{message.role}\x00{message.content}\x01".encode("utf-8", "surrogatepass"))
        digest.update(f"\x02{row.rejected}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _raw(data: str) -> tuple[list[Mapping[str, Any]], str]:
    path = Path(data).expanduser()
    if path.is_dir():
        files = sorted(f for f in path.rglob("*") if f.suffix in _FILES and not f.name.startswith("."))
        if not files:
            raise DataError(f"{path}: wanted {', '.join(_FILES)} files in the folder, there are none")
        return [row for file in files for row in _FILES[file.suffix](file)], str(path)
    if path.is_file():
        if path.suffix not in _FILES:
            raise DataError(f"{path}: wanted a {', '.join(_FILES)} file, there is {path.suffix or 'no ending'}")
        return list(_FILES[path.suffix](path)), str(path)
    if data.count("/") != 1 or data.startswith((".", "~", "/")):
        raise DataError(f"{data}: there is no such file or folder, and it is no hub data set (OWNER/NAME)")
    return _from_hub(data), f"hub {data}"


def _json(path: Path) -> list[Any]:
    text = files.read_text(path)
    if not text.strip():
        return []
    found = files.parse_json(text, path)
    if isinstance(found, Mapping):  # {"data": [...]}, {"train": [...]}
        lists = [value for value in found.values() if isinstance(value, list)]
        found = lists[0] if len(lists) == 1 else found
    if not isinstance(found, list):
        raise DataError(f"{path}: wanted a list of rows, there is {type(found).__name__}")
    return found


_FILES: dict[str, Callable[[Path], Iterable[Any]]] = {
    ".json": _json, ".jsonl": files.jsonl, ".parquet": files.parquet, ".csv": files.csv_rows,
}  # fmt: skip


def _from_hub(name: str) -> list[Mapping[str, Any]]:
    import datasets

    datasets.disable_progress_bars()
    try:
        return [dict(row) for row in datasets.load_dataset(name, split="train")]
    except Exception as error:  # datasets and the hub client raise a dozen unrelated types when the hub is out of reach
        first = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise DataError(f"the hub data set {name} cannot be read ({first}); name a file or folder instead") from error


def _shape(entry: object, origin: str) -> str:
    if not isinstance(entry, Mapping):
        raise DataError(f"{origin}: wanted rows with fields, the first is {type(entry).__name__}")
    keys = set(entry)
    if {"chosen", "rejected"} <= keys:
        return "preference"
    if "messages" in keys or "conversations" in keys or "conversation" in keys:
        turns = _turns(entry)
        said = isinstance(turns, Sequence) and turns and isinstance(turns[0], Mapping) and "from" in turns[0]
        return "sharegpt" if said else "messages"
    if "instruction" in keys and keys & {"output", "response"}:
        return "alpaca"
    if _pair(keys):
        return "prompt"
    raise DataError(f"{origin}: the fields {', '.join(sorted(map(str, keys))[:8])} are no shape known; wanted {SHAPES}")


def _pair(keys: set[str]) -> tuple[str, str] | None:
    for pair in (("prompt", "completion"), ("prompt", "response"), ("question", "answer"), ("input", "output")):
        if set(pair) <= keys:
            return pair
    return None


def _text(entry: Mapping[str, Any], *names: str) -> str:
    for name in names:
        if isinstance(entry.get(name), str) and entry[name].strip():
            return str(entry[name])
        if isinstance(entry.get(name), int | float) and not isinstance(entry.get(name), bool):
            return str(entry[name])
    state = "is empty" if any(name in entry for name in names) else "is missing"
    raise _BrokenError(f"{names[0]!r} {state}")


def _alpaca(number: int, entry: object) -> TrainingRow:
    entry = _fields(entry)
    asked = [Message("user", _text(entry, "instruction"))]
    given = entry.get("input")
    if given not in (None, "") and not isinstance(given, str):
        raise _BrokenError("'input' is no text")
    if given:
        asked.append(Message("user", given))
    if isinstance(entry.get("system"), str) and entry["system"]:
        asked.insert(0, Message("system", entry["system"]))
    return TrainingRow(number=number, messages=(*asked, Message("assistant", _text(entry, "output", "response"))))


def _prompt(number: int, entry: object) -> TrainingRow:
    entry = _fields(entry)
    pair = _pair(set(entry))
    if pair is None:
        raise _BrokenError("'prompt' or 'completion' is missing")
    asked, answer = (Message(role, _text(entry, name)) for role, name in zip(_BOTH, pair, strict=True))
    return TrainingRow(number=number, messages=(asked, answer))


_BOTH: tuple[Role, Role] = ("user", "assistant")
_ROLES: dict[str, Role] = {
    "system": "system", "developer": "system", "user": "user", "human": "user", "assistant": "assistant",
    "gpt": "assistant", "model": "assistant", "chatgpt": "assistant", "bot": "assistant",
}  # fmt: skip


def _turns(entry: Mapping[str, Any]) -> Any:
    return next((entry[name] for name in ("messages", "conversations", "conversation") if name in entry), None)


def _chat(number: int, entry: object) -> TrainingRow:
    turns = _turns(_fields(entry))
    if not isinstance(turns, Sequence) or isinstance(turns, str) or not turns:
        raise _BrokenError("no list of turns")
    return TrainingRow(number=number, messages=_conversation(turns))


def _conversation(turns: Sequence[Any]) -> tuple[Message, ...]:
    messages = []
    for turn in turns:
        if not isinstance(turn, Mapping):
            raise _BrokenError("a turn without fields")
        role, text = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
        if role not in _ROLES:
            raise _BrokenError(f"a turn of role {role!r}")
        if not isinstance(text, str) or not text.strip():
            raise _BrokenError(f"an empty turn of {role!r}")
        messages.append(Message(_ROLES[str(role)], text))
    while messages and messages[-1].role != "assistant":  # a question that nobody answered teaches nothing
        messages.pop()
    if not any(message.role == "user" for message in messages):
        raise _BrokenError("no user turn with an assistant turn behind it")
    return tuple(messages)


def _preference(number: int, entry: object) -> TrainingRow:
    entry = _fields(entry)
    chosen, rejected = entry.get("chosen"), entry.get("rejected")
    if isinstance(chosen, list) and isinstance(rejected, list):  # whole conversations that differ in the last turn
        good, bad = _conversation(chosen), _conversation(rejected)
        if good[:-1] != bad[:-1]:
            raise _BrokenError("'chosen' and 'rejected' differ before the last turn")
        return TrainingRow(number=number, messages=good, rejected=bad[-1].content)
    answer, worse = _text(entry, "chosen"), _text(entry, "rejected")
    if isinstance(entry.get("prompt"), list):
        asked = list(_conversation([*entry["prompt"], {"role": "assistant", "content": answer}])[:-1])
    else:
        asked = [Message("user", _text(entry, "instruction", "prompt", "question"))]
        if isinstance(entry.get("input"), str) and entry["input"]:
            asked.append(Message("user", entry["input"]))
    return TrainingRow(number=number, messages=(*asked, Message("assistant", answer)), rejected=worse)


_PARTS = {"train": "train", "validation": "validation", "valid": "validation", "val": "validation", "test": "test"}


def _part(entry: Mapping[str, Any]) -> str:
    named = entry.get("split")
    return _PARTS.get(named, "") if isinstance(named, str) else ""


def _fields(entry: object) -> Mapping[str, Any]:
    if not isinstance(entry, Mapping):
        raise _BrokenError(f"it is {type(entry).__name__}, not fields")
    return entry


_READ: dict[str, Callable[[int, object], TrainingRow]] = {
    "alpaca": _alpaca, "prompt": _prompt, "messages": _chat, "sharegpt": _chat, "preference": _preference,
}  # fmt: skip
