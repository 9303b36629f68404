"""What other programs' records give. A value of another kind than the one that is looked for counts as not there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalharness.records import Message, Response, Result, Status
from evalharness.runs.imported import ForeignFigure, mean_figures

_LARGEST = 1e100  # nothing that is measured comes near


def as_mapping(value: object) -> Mapping[str, Any]:
    """The value where it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def finite(value: object) -> float | None:
    """A number that is neither a truth value nor NaN nor so large that its square is infinite."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST
    return float(value) if known else None  # type: ignore[arg-type]  # a number by now


def graded(value: object) -> float | None:
    """A score: a finite number, or a truth value as 1 and 0."""
    return float(value) if isinstance(value, bool) else finite(value)


def whole(value: object) -> int | None:
    """A whole number."""
    return value if type(value) is int else None


def token_count(value: object) -> int:
    """A number of tokens, 0 where none is said."""
    return value if type(value) is int and value >= 0 else 0


def texts_of(value: object) -> tuple[str, ...]:
    """The texts of a list, or the one text; numbers count as their texts."""
    listed = value if isinstance(value, list | tuple) else (value,)
    return tuple(str(one) for one in listed if isinstance(one, str | int | float) and str(one))


def content_of(value: object) -> str:
    """A message's content: a text, or its parts that are texts."""
    if isinstance(value, list):
        return "".join(str(part.get("text", "")) for part in value if as_mapping(part).get("type", "text") == "text")
    return value if isinstance(value, str) else ""


def messages_of(value: object) -> tuple[Message, ...]:
    """The turns of a conversation, or one turn of the user's where the value is a text."""
    if isinstance(value, str):
        return (Message("user", value),)
    found = []
    for turn in value if isinstance(value, list) else ():
        role = as_mapping(turn).get("role")
        if role in ("system", "user", "assistant", "tool"):
            found.append(Message(role, content_of(turn.get("content"))))
    return tuple(found)


def asked_of(turns: Sequence[Message]) -> str:
    """The question in a conversation: what the user says last."""
    return next((turn.content for turn in reversed(turns) if turn.role == "user"), "")


def gold_places(choices: Sequence[str], right: Sequence[str]) -> tuple[int, ...]:
    """The positions of the right choices, by their texts."""
    return tuple(choices.index(one) for one in right if one in choices)


def with_accuracy(scores: Mapping[str, float]) -> dict[str, float]:
    """The scores; the first of them that is from 0 to 1 is the accuracy too."""
    head = next(iter(scores), None)
    if head is None or "accuracy" in scores or not 0 <= scores[head] <= 1:
        return dict(scores)
    return {"accuracy": scores[head], **scores}


def status_of(scores: Mapping[str, float], response: Response, *, unread: bool = False) -> Status:
    """What an answer counts as by its first score; `unread` where the other program says that it could not read it."""
    if response.error or not scores:
        return "error"
    head = next(iter(scores.values()))
    if head == 1.0:
        return "correct"
    return "unparsed" if unread else "wrong" if head == 0.0 else "scored"


def published_figures(
    results: Sequence[Result], published: Mapping[str, float], stderrs: Mapping[str, float] | None = None
) -> Iterator[ForeignFigure]:
    """The means of the answers' scores; a figure that was published and is none of them stands beside them as it is."""
    own = {one.name: one for one in mean_figures(results)}
    yield from own.values()
    for name, value in published.items():
        if name in own and is_mean(results, name, value):
            continue
        label = f"{name} (theirs)" if name in own else name
        yield ForeignFigure(name=label, value=value, stderr=(stderrs or {}).get(name), n=len(results))


def is_mean(results: Sequence[Result], name: str, value: float) -> bool:
    """Whether a published figure is the mean of the answers' scores, as far as four rounded digits tell."""
    found = [result.scores[name] for result in results if name in result.scores]
    return bool(found) and math.isclose(math.fsum(found) / len(found), value, rel_tol=1e-4, abs_tol=1e-6)
