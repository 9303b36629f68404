"""Twins: runs that agree far more than two models can, such as the same weights under two names, or a copied file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from evalharness.errors import UserError, option_name
from evalharness.evidence.item_table import ItemTable, item_tables, open_runs
from evalharness.stats.disagreement import disagreement
from evalharness.stats.paired import holm


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedPair:
    """Two runs of one benchmark: on how many of n items they differ, and on how many two models would. `p` is Holm's
    over all pairs; `same_text` the share of the items with the very same answer; `others`: by how many further runs the
    items' difficulty is known; `twins` is what the p value says at the error rate asked for."""

    benchmark: str
    first: str
    second: str
    n: int
    differ: int
    expected: float
    others: int
    difficulty_known: bool
    same_text: float
    p: float
    twins: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinSearch:
    """All pairs, the most alike first, and what could not be compared."""

    alpha: float
    pairs: tuple[ComparedPair, ...]
    notes: tuple[str, ...] = ()


def find_twins(names: Sequence[str], *, runs: Path = Path("runs"), alpha: float = 0.01) -> TwinSearch:
    """Compare every two runs on each benchmark that both have. UserError for fewer than two runs, or where no two of
    them were asked the same questions."""
    if not 0 < alpha < 0.5:
        raise UserError(f"{option_name('alpha')} wants an error rate above 0 and below 0.5; there is {alpha:g}")
    opened = open_runs(names, runs, 2, "twins")
    found = [pair for table in item_tables(opened) for pair in _pairs(table)]
    if not found:
        raise UserError("no two of these runs were asked the same questions, so none can be held against another")
    adjusted = holm([pair.p for pair in found])
    made = [replace(pair, p=p, twins=p <= alpha) for pair, p in zip(found, adjusted, strict=True)]
    made.sort(key=lambda pair: (pair.p, pair.differ / max(pair.expected, 1e-12)))
    return TwinSearch(alpha=alpha, pairs=tuple(made), notes=tuple(_notes(made, {run.name: 0 for run in opened})))


def _pairs(table: ItemTable) -> list[ComparedPair]:
    import numpy as np

    right = np.where(np.isnan(table.worth), np.nan, (table.worth >= 0.5).astype(float))
    found = []
    for first, second in combinations(range(len(table.runs)), 2):
        known = ~np.isnan(right[:, [first, second]]).any(1)
        if not known.any():
            continue
        others = [place for place in range(len(table.runs)) if place not in (first, second)]
        made = disagreement(right[known][:, [first, second]], right[known][:, others], table.groups[known])
        same = table.texts[known, first] == table.texts[known, second]
        found.append(
            ComparedPair(
                benchmark=table.benchmark, first=table.runs[first], second=table.runs[second], n=made.n,
                differ=made.differ, expected=made.expected, others=made.others, difficulty_known=made.known,
                same_text=float(same.mean()), p=made.p,
            )
        )  # fmt: skip
    return found


def _notes(pairs: Sequence[ComparedPair], runs: Mapping[str, int]) -> list[str]:
    """What a reader must know besides the table."""
    said = []
    if any(not pair.difficulty_known for pair in pairs):
        said.append(
            "fewer than two further runs say how hard the items are, so only a pair that differs on less than a tenth "
            "of what its accuracies would give is named; more runs of the benchmark make the test sharper"
        )
    compared = {name for pair in pairs for name in (pair.first, pair.second)}
    if alone := sorted(set(runs) - compared):
        said.append(f"asked other questions than all others: {', '.join(alone)}")
    return said
