"""LLMBar's results: a judge on pairs whose better answer is known (https://github.com/princeton-nlp/LLMBar)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from evalharness.data.files import json_rows
from evalharness.errors import DataError
from evalharness.judging.imported import (
    ImportedJudgment,
    ImportedJudgments,
    ImportOptions,
    field_of,
    imported_verdict,
    text_of,
)
from evalharness.records import Sample
from evalharness.stats.agreement import cohen


def read_judgments(path: Path, options: ImportOptions) -> ImportedJudgments:
    """`result.json` of https://github.com/princeton-nlp/LLMBar: a judge on pairs whose better answer is known.

    The judge is what is examined: the first output is taken as the judged answer, the label as what people say.
    """
    items, orders, golds = [], [], []
    for n, row in enumerate(json_rows(path), 1):
        where = f"{path}: row {n}"
        given = field_of(row, "results", where)
        question = text_of(row, "input", where)
        first, second = text_of(row, "output_1", where), text_of(row, "output_2", where)
        try:
            said = [dict(given[-1][f"swap = {swap}"]) for swap in (False, True)]
            gold = {"1": 1.0, "2": 0.0}[str(field_of(row, "label", where))]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise DataError(f"{where}: wanted `swap = False`, `swap = True` and a label 1 or 2 ({error})") from error
        # `winner` is already the content's own number in both orders.
        values = [{"1": 1.0, "2": 0.0}.get(str(s.get("winner"))) for s in said]
        verdicts = tuple(
            imported_verdict("llmbar", "pairwise", value, order=order, label=str(s.get("winner")), raw=_completion(s),
                    extra={"chars": [len(first), len(second)]})
            for value, order, s in zip(values, ("AB", "BA"), said, strict=True)
        )  # fmt: skip
        sample = Sample(id=str(n - 1), question=question, answers=(second,), extra={"human": gold})
        items.append(ImportedJudgment(sample=sample, text=first, verdicts=verdicts))
        orders.append(values)
        golds.append(gold)
    return ImportedJudgments(
        benchmark="instructions",
        model="output_1",
        judge="/".join(path.resolve().parts[-3:-1]) or "llmbar",
        score="win_rate",
        items=tuple(items),
        expected=len(items),
        figures=_against_gold(orders, golds),
    )


def _completion(said: Mapping[str, Any]) -> str:
    found = said.get("completion")
    return str(found[0]) if isinstance(found, list) and found else str(found or "")


def _against_gold(orders: Sequence[Sequence[float | None]], golds: Sequence[float]) -> dict[str, Any]:
    """As LLMBar's `statistics.json` counts, in percent; a verdict that could not be read counts as wrong."""
    n = len(golds)
    if not n:
        return {}
    right = [[v == gold for v in values] for values, gold in zip(orders, golds, strict=True)]
    known = [(a, b) for a, b in orders if a is not None and b is not None]
    return {
        "accuracy": 100 * fmean(fmean(map(float, r)) for r in right),
        "right_in_both_orders": 100 * sum(all(r) for r in right) / n,
        "positional_agreement": 100 * sum(a == b for a, b in known) / n,
        "kappa_between_orders": cohen([a for a, _ in known], [b for _, b in known]),
        "unreadable": sum(v is None for values in orders for v in values),
        "n": n,
    }
