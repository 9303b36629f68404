"""JudgeBench's outputs: a judge on pairs of which one answer is right (https://github.com/ScalerLab/JudgeBench)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalharness.data.files import json_rows
from evalharness.errors import DataError
from evalharness.importers._given import as_mapping
from evalharness.judging.imported import (
    ImportedJudgment,
    ImportedJudgments,
    ImportOptions,
    field_of,
    imported_verdict,
    text_of,
)
from evalharness.records import Sample, Verdict

_WORTH = {"A>B": 1.0, "B>A": 0.0, "A=B": 0.5}
_SECTIONS = {
    "mmlu-pro": "knowledge",
    "livebench-reasoning": "reasoning",
    "livebench-math": "math",
    "livecodebench": "coding",
}


def read_judgments(path: Path, options: ImportOptions) -> ImportedJudgments:
    """`outputs/*.jsonl` of https://github.com/ScalerLab/JudgeBench: one or two verdicts for each pair, the second with
    the answers in the other order.

    The judge is what is examined: response A is taken as the judged answer, the label as what is right.
    """
    items, counted = [], []
    judge = options.model or ""
    for n, row in enumerate(json_rows(path), 1):
        where = f"{path}: row {n}"
        label = str(field_of(row, "label", where))
        given = field_of(row, "judgments", where)
        if label not in ("A>B", "B>A"):
            raise DataError(f"{where}: its label is {label!r:.60}, wanted A>B or B>A")
        if not isinstance(given, list) or not 1 <= len(given) <= 2:
            raise DataError(f"{where}: wanted one or two judgments, there is {given!r:.60}")
        verdicts = tuple(_verdict(said, order) for said, order in zip(given, ("AB", "BA"), strict=False))
        judge = judge or verdicts[0].judge
        sample = Sample(
            id=str(field_of(row, "pair_id", where)), question=text_of(row, "question", where),
            answers=(text_of(row, "response_B", where),), group=_section(str(row.get("source", ""))),
            extra={"human": _WORTH[label]},
        )  # fmt: skip
        items.append(ImportedJudgment(sample=sample, text=text_of(row, "response_A", where), verdicts=verdicts))
        counted.append((sample.group, _WORTH[label], [v.value for v in verdicts]))
    return ImportedJudgments(
        benchmark="instructions",
        model="response_A",
        judge=judge or path.stem,
        score="win_rate",
        items=tuple(items),
        expected=len(items),
        against="response_B",
        figures=_figures(counted),
    )


def _verdict(said: Any, order: Any) -> Verdict:
    """A verdict for response A; in the second order the answers stood the other way round."""
    about = as_mapping(as_mapping(said).get("judgment"))
    decision = as_mapping(said).get("decision")
    value = _WORTH.get(str(decision))
    value = 1 - value if value is not None and order == "BA" else value
    judge = str(about.get("judge_model") or as_mapping(said).get("judge_model") or "judgebench")
    return imported_verdict(
        judge, "pairwise", value, order=order, label=str(decision), raw=str(about.get("response") or "")
    )


def _section(source: str) -> str:
    """The part of the benchmark that a source belongs to."""
    return next((name for start, name in _SECTIONS.items() if source.startswith(start)), re.sub(r"-.*", "", source))


def _figures(counted: Sequence[tuple[str, float, Sequence[float | None]]]) -> Mapping[str, Any]:
    """Percent right as its `metrics.py` counts: with two orders an item is right where more verdicts are right than
    wrong, and a tie or a verdict that could not be read is neither."""
    right: dict[str, list[bool]] = {}
    for group, label, values in counted:
        if len(values) == 1:
            outcome = values[0] == label
        else:
            outcome = sum((v == label) - (v == 1 - label) for v in values) > 0
        right.setdefault(group, []).append(outcome)
    every = [one for of in right.values() for one in of]
    return {
        "accuracy": 100 * sum(every) / len(every) if every else None,
        **{f"accuracy_{group}": 100 * sum(of) / len(of) for group, of in sorted(right.items()) if group},
        "right_in_all_orders": sum(all(v == label for v in values) for _, label, values in counted),
        "unreadable": sum(v is None for _, _, values in counted for v in values),
        "n": len(every),
    }
