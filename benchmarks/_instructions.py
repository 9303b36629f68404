"""Rows of instruction data: Alpaca's fields, or a whole conversation under `messages`, its last turn the reference."""

from collections.abc import Mapping, Sequence
from typing import Any

from evalharness.data.rows import Row
from evalharness.records import Message, Mode, Request, Sample


def sample(row: Row) -> Sample:
    """`extra["asked"]` holds what is asked as [role, text] pairs, with what else a chat template reads behind them."""
    identity = str(row.get("id", ""))
    if "messages" in row:
        *asked, (_, reference, *_) = map(_turn, row["messages"])
        text = "\n\n".join(f"{role}: {said}" for role, said, *_ in asked)
        given = {"template_kwargs": row["template_kwargs"]} if row.get("template_kwargs") else {}
        return Sample(id=identity, question=text, answers=(reference,), extra={"asked": asked, **given})
    parts = [row["instruction"], *([row["input"]] if row.get("input") else [])]
    answers = (row["output"],) if row.get("output") else ()
    asked = [["user", part] for part in parts]
    return Sample(id=identity, question="\n\n".join(parts), answers=answers, extra={"asked": asked})


def _turn(turn: Mapping[str, Any]) -> list[Any]:
    more = {name: value for name, value in turn.items() if name not in ("role", "content")}
    return [turn["role"], turn["content"], *([more] if more else [])]


def ask(asked: Sample, shots: Sequence[Sample], mode: Mode, chat: bool) -> Request:
    """The messages as such rows are taught (instruction and input are two); as one text for a base model."""
    said = tuple(Message(*turn) for turn in asked.extra["asked"]) if chat else (Message("user", asked.question + "\n"),)
    return Request(messages=said, max_tokens=1024, template_kwargs=asked.extra.get("template_kwargs", {}))
