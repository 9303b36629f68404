"""Rows of instruction data: Alpaca's fields, or a whole conversation under `messages`, its last turn the reference."""

from collections.abc import Sequence

from evalharness.data.sources import Row
from evalharness.records import Message, Mode, Request, Sample


def sample(row: Row) -> Sample:
    """`extra["asked"]` holds what is asked as [role, text] pairs."""
    identity = str(row.get("id", ""))
    if "messages" in row:
        *asked, (_, reference) = [[turn["role"], turn["content"]] for turn in row["messages"]]
        text = "\n\n".join(f"{role}: {said}" for role, said in asked)
        return Sample(id=identity, question=text, answers=(reference,), extra={"asked": asked})
    parts = [row["instruction"], *([row["input"]] if row.get("input") else [])]
    answers = (row["output"],) if row.get("output") else ()
    asked = [["user", part] for part in parts]
    return Sample(id=identity, question="\n\n".join(parts), answers=answers, extra={"asked": asked})


def ask(asked: Sample, shots: Sequence[Sample], mode: Mode, chat: bool) -> Request:
    """The messages as such rows are taught (instruction and input are two); as one text for a base model."""
    said = (Message(role, text) for role, text in asked.extra["asked"])
    return Request(messages=tuple(said) if chat else (Message("user", asked.question + "\n"),), max_tokens=1024)
