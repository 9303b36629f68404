"""Verdicts on pairs of answers in a plain table: JSONL, a JSON list or CSV with a row for each verdict.

Read are `winner` (A, B, tie and their spellings) or `score` (0 to 1 for A); `question`, `answer_a`, `answer_b`, `id`,
`model_a`, `model_b`, `judge`, `order` (AB or BA), `human` (who is really better) where they are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from evalharness.arena.votes import WINNERS
from evalharness.data.files import csv_rows, json_rows
from evalharness.data.rows import Row
from evalharness.errors import DataError
from evalharness.judging.imported import (
    ImportedJudgment,
    ImportedJudgments,
    ImportOptions,
    imported_verdict,
    number_of,
    one_of,
)
from evalharness.records import Sample, Verdict

_WORTH = {**WINNERS, "a>b": 1.0, "b>a": 0.0, "a=b": 0.5, "1": 1.0, "2": 0.0, "0": 0.5, "answer_a": 1.0,
          "answer_b": 0.0, "response_a": 1.0, "response_b": 0.0, "equal": 0.5, "draw": 0.5, "[[a]]": 1.0, "[[b]]": 0.0,
          "[[c]]": 0.5}  # fmt: skip
_NAMES: Mapping[str, tuple[str, ...]] = {
    "winner": ("winner", "verdict", "preference", "label", "decision"),
    "question": ("question", "instruction", "prompt", "input"),
    "answer_a": ("answer_a", "response_a", "output_a", "output_1", "response_1", "answer_1"),
    "answer_b": ("answer_b", "response_b", "output_b", "output_2", "response_2", "answer_2"),
    "model_a": ("model_a", "generator_1", "model_1"), "model_b": ("model_b", "generator_2", "model_2"),
    "judge": ("judge", "annotator", "judge_model"), "id": ("id", "question_id", "pair_id", "item"),
    "group": ("group", "category", "subset"), "order": ("order",), "human": ("human", "gold"), "score": ("score",),
}  # fmt: skip


def read_judgments(path: Path, options: ImportOptions) -> ImportedJudgments:
    """A table of verdicts. Several rows of one id are several verdicts on its pair. DataError names the row."""
    rows = [({key: _found(row, key) for key in _NAMES}, where) for where, row in _rows(path)]
    if not rows:
        raise DataError(f"{path}: it holds no rows")
    model, against = _models([row for row, _ in rows], options, path)
    items: dict[str, ImportedJudgment] = {}
    for n, (row, where) in enumerate(rows):
        turned = row["model_a"] is not None and str(row["model_a"]) != model
        if turned and str(row["model_b"]) != model:
            continue  # a battle of two others
        first, second = ("answer_b", "answer_a") if turned else ("answer_a", "answer_b")
        name = str(row["id"] if row["id"] is not None else n)
        verdict = _verdict(row, where, turned=turned)
        human = None if row["human"] is None else _worth(row["human"], where, turned=turned)
        sample = Sample(
            id=name, question=str(row["question"] or f"pair {name}"), answers=(str(row[second] or ""),),
            group=str(row["group"] or ""), extra={} if human is None else {"human": human},
        )  # fmt: skip
        before = items.get(name)
        verdicts = (*(before.verdicts if before else ()), verdict)
        items[name] = ImportedJudgment(sample=sample, text=str(row[first] or ""), verdicts=verdicts)
    judges = dict.fromkeys(v.judge for item in items.values() for v in item.verdicts)
    values = [
        fmean(known) for item in items.values() if (known := [v.value for v in item.verdicts if v.value is not None])
    ]
    return ImportedJudgments(
        benchmark="instructions",
        model=model,
        judge="/".join(judges)[:100] or "pairs",
        score="win_rate",
        items=tuple(items.values()),
        expected=len(items),
        against=against,
        figures={"win_rate": 100 * fmean(values) if values else None, "n": len(items), "verdicts": len(rows)},
    )


def _rows(path: Path) -> Iterator[tuple[str, Row]]:
    """(where, row) of every row."""
    table = csv_rows(path) if path.suffix.lower() == ".csv" else json_rows(path)
    return ((f"{path}: row {n}", row) for n, row in enumerate(table, 1))


def _found(row: Row, key: str) -> Any:
    """A field by the first of its names that the row has; None where it has none, or an empty one."""
    lower = {str(name).lower(): value for name, value in row.items()}
    return next((lower[name] for name in _NAMES[key] if lower.get(name) not in (None, "")), None)


def _models(rows: list[dict[str, Any]], options: ImportOptions, path: Path) -> tuple[str, str]:
    """The judged model and the one that it is compared with. UserError where there are several."""
    firsts = list(dict.fromkeys(str(row["model_a"]) for row in rows if row["model_a"] is not None))
    if not firsts:
        return options.model or "answer_a", options.against or "answer_b"
    seconds = list(dict.fromkeys(str(row["model_b"]) for row in rows if row["model_b"] is not None))
    known = list(dict.fromkeys([*firsts, *seconds]))
    model = one_of(known if options.model or len(known) > 2 else firsts[:1], options.model, "model", path)
    others = [name for name in known if name != model]
    return model, one_of(others, options.against, "against", path) if options.against else "/".join(others)[:60]


def _verdict(row: Mapping[str, Any], where: str, *, turned: bool) -> Verdict:
    """The verdict of a row for the judged model; an empty one is null."""
    said = row["winner"] if row["winner"] is not None else row["score"]
    if row["winner"] is None and row["score"] is not None:
        value = number_of(row["score"], where, "score")
        if value is not None and not 0 <= value <= 1:
            raise DataError(f"{where}: its score is {value:g}, wanted 0 to 1 for answer A")
        value = 1 - value if turned and value is not None else value
    else:
        value = None if said is None else _worth(said, where, turned=turned)
    order = str(row["order"] or "").upper()
    if order not in ("", "AB", "BA"):
        raise DataError(f"{where}: its order is {order!r:.60}, wanted AB or BA")
    judge = str(row["judge"] or "pairs")
    seat = {"seat": judge} if row["judge"] is not None else {}
    return imported_verdict(judge, "pairwise", value, order=order, label=str(said), extra=seat)


def _worth(said: Any, where: str, *, turned: bool) -> float:
    """What a verdict is worth to the judged answer."""
    found = _WORTH.get(str(said).strip().lower())
    if found is None:
        raise DataError(f"{where}: its winner is {said!r:.60}, wanted A, B or tie")
    return 1 - found if turned else found
