"""Recorded battles of two models, as Chatbot Arena publishes them (https://huggingface.co/datasets/lmarena-ai).

JSONL (or a JSON list) of objects with `model_a`, `model_b` and `winner`: model_a, model_b, tie, or tie (bothbad); or
with `winner_model_a`, `winner_model_b`, `winner_tie` as 0 and 1; or with `score` between 0 and 1 for model_a.
`item` (or `question_id`, `id`) says which battles belong together. Style is read from the answers: `conversation_a`
(messages) or `answer_a` (or `response_a`), and the same of b.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalharness.arena.ratings import Battle, style, style_difference
from evalharness.data.files import numbered_rows, parse_json, read_text
from evalharness.errors import DataError

WINNERS = {
    "model_a": 1.0, "a": 1.0, "model_b": 0.0, "b": 0.0, "tie": 0.5, "tie (bothbad)": 0.5, "both_bad": 0.5,
    "bothbad": 0.5,
}  # fmt: skip
FLAGS = {"winner_model_a": 1.0, "winner_model_b": 0.0, "winner_tie": 0.5}
ITEMS = ("item", "question_id", "id")


def read_battles(path: Path, with_style: bool = False) -> list[Battle]:
    """The battles of a file. DataError names the line that is none, or that has no answers to read style from."""
    if not path.is_file():
        raise DataError(f"{path}: there is no such file; wanted battles, a JSON object a line")
    return [_battle(row, where, with_style) for where, row in _rows(path)]


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    text = read_text(path)
    if not text.lstrip().startswith("["):
        yield from ((f"{path}:{number}", row) for number, row in numbered_rows(path))
        return
    for number, row in enumerate(parse_json(text, path), 1):
        if not isinstance(row, dict):
            raise DataError(f"{path}: entry {number}: wanted an object, there is {type(row).__name__}")
        yield f"{path}: entry {number}", row


def _battle(row: Mapping[str, Any], where: str, with_style: bool) -> Battle:
    a, b = row.get("model_a"), row.get("model_b")
    if not isinstance(a, str) or not isinstance(b, str) or not a or not b:
        raise DataError(f"{where}: wanted the names model_a and model_b; there is {', '.join(row) or 'nothing'}")
    if a == b:
        raise DataError(f"{where}: {a} fights itself; leave such battles out")
    item = next((str(row[name]) for name in ITEMS if row.get(name) is not None), None)
    difference = style_difference(style(_text(row, "a", where)), style(_text(row, "b", where))) if with_style else ()
    named = item is not None
    return Battle(a=a, b=b, score=_score(row, where), item=item or where, style=difference, named=named)


def _score(row: Mapping[str, Any], where: str) -> float:
    score, winner = row.get("score"), row.get("winner")
    if winner is None and isinstance(score, int | float) and not isinstance(score, bool) and 0 <= score <= 1:
        return float(score)
    if winner is None:
        raised = [worth for flag, worth in FLAGS.items() if row.get(flag)]
        if len(raised) == 1:
            return raised[0]
    found = WINNERS.get(str(winner).strip().lower())
    if found is None:
        raise DataError(f"{where}: wanted winner model_a, model_b, tie or tie (bothbad); there is {winner!r}")
    return found


def _text(row: Mapping[str, Any], side: str, where: str) -> str:
    """What one side said: the assistant's turns joined."""
    turns = row.get(f"conversation_{side}")
    if isinstance(turns, list):
        return "\n".join(str(t.get("content", "")) for t in turns if isinstance(t, dict) and t.get("role") != "user")
    text = row.get(f"answer_{side}", row.get(f"response_{side}"))
    if not isinstance(text, str):
        raise DataError(f"{where}: style control wants the answers (conversation_{side} or answer_{side}); none there")
    return text
