"""One benchmark over time: every run and baseline of some folders in the order of their dates, and where it changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from evalharness.comparison.align import align_scores as _align
from evalharness.comparison.align import has_range, mismatches
from evalharness.comparison.baseline import SUFFIX
from evalharness.comparison.inputs import Side, from_baseline, from_run
from evalharness.comparison.scores import Scores
from evalharness.errors import UserError, nearest, option_name
from evalharness.runs.figures import KeptEstimate
from evalharness.runs.store import MANIFEST, Run
from evalharness.stats.change_points import ChangePoint, change_points

_LEAST_SHARED = 0.98  # of the items: with fewer values in common a run starts a series of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPoint:
    """One run or baseline. `series` counts on where the run before was asked in another way (`reason`: how); `change`
    is there where the figure surely changed with this run."""

    name: str
    model: str
    created: str
    commit: str | None
    figure: KeptEstimate
    series: int
    reason: str = ""
    change: ChangePoint | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A benchmark over time, the oldest first; `alpha` is the chance of any false mark in all of it."""

    benchmark: str
    metric: str
    alpha: float
    points: tuple[HistoryPoint, ...]
    notes: tuple[str, ...] = ()


def benchmark_history(
    benchmark: str, folders: Sequence[Path], *, model: str | None = None, alpha: float = 0.05
) -> History:
    """The history of a benchmark. UserError where no folder has a run of it, or a number makes no sense.

    Runs that are not finished or damaged are named and left out.
    """
    if not 0 < alpha < 0.5:
        raise UserError(f"{option_name('alpha')} wants an error rate above 0 and below 0.5; there is {alpha:g}")
    notes: list[str] = []
    there = list(_opened(folders, notes))
    sides = [side for side in there if benchmark in side.facts and model in (None, side.manifest.model.name)]
    if not sides:
        names = {name for side in there for name in side.facts}
        of = "" if model is None else f" by the model {model!r}"
        places = ", ".join(map(str, folders))
        raise UserError(f"no finished run or baseline of {benchmark!r}{nearest(benchmark, names)}{of} in {places}")
    sides.sort(key=lambda side: (side.manifest.created or "", side.name))
    metric = _metric(benchmark, sides)
    known = [(side, scores) for side in sides if (scores := _scores(side, benchmark, metric, notes)) is not None]
    points: list[HistoryPoint] = []
    looks = 1
    for series, (members, reason) in enumerate(_series(benchmark, known)):
        values, ranged = _values([scores for _, scores in members])
        changes = {c.at: c for c in change_points(values, alpha=alpha, first_look=looks, ranged=ranged)}
        looks += max(0, len(members) - 1)
        for at, (side, _) in enumerate(members):
            points.append(_point(side, benchmark, metric, series, reason if at == 0 else "", changes.get(at)))
    return History(benchmark=benchmark, metric=metric, alpha=alpha, points=tuple(points), notes=tuple(notes))


def _opened(folders: Sequence[Path], notes: list[str]) -> Iterator[Side]:
    """Every run and baseline in the folders, each place once."""
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder}: there is no such folder")
        runs = sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))
        for place in [*runs, *sorted(folder.glob(f"*{SUFFIX}"))]:
            try:
                yield from_run(Run(place)) if place.is_dir() else replace(from_baseline(place), name=place.stem)
            except UserError as error:
                notes.append(f"left out: {error}")


def _metric(benchmark: str, sides: Sequence[Side]) -> str:
    """What stands for an item in the newest run that has it: answers that nobody has judged yet have nothing."""
    for side in reversed(sides):
        metric = side.stored[benchmark].metric if side.journal is None else side.item_metric(benchmark)
        if _scores(side, benchmark, metric, []) is not None:
            return metric
    return metric


def _scores(side: Side, benchmark: str, metric: str, notes: list[str]) -> Scores | None:
    try:
        found = side.scores({benchmark: metric}).get(benchmark)
    except UserError as error:
        notes.append(f"left out: {error}")
        return None
    if found is None or np.isnan(found.values).all():
        notes.append(f"left out: {side.name} has no item with {metric}")
        return None
    return found


_Member = tuple[Side, Scores]


def _series(benchmark: str, known: Sequence[_Member]) -> Iterator[tuple[list[_Member], str]]:
    """Runs in a row that were asked in the same way and have nearly the same items, with why a new series began."""
    members: list[_Member] = []
    reason = ""
    for side, scores in known:
        differs = "" if not members else _differs(benchmark, members[-1], (side, scores))
        if differs:
            yield members, reason
            members, reason = [], differs
        members.append((side, scores))
    if members:
        yield members, reason


def _differs(benchmark: str, last: _Member, new: _Member) -> str:
    drawn = (last[0].manifest.sampling, new[0].manifest.sampling)
    clashes = mismatches(last[0].facts[benchmark], new[0].facts[benchmark], drawn)
    if clashes:
        return f"asked in another way: {', '.join(clash.field for clash in clashes)}"
    before, after = (
        {identity for identity, value in zip(one.ids, one.values, strict=True) if not np.isnan(value)}
        for one in (last[1], new[1])
    )
    shared = len(before & after) / max(len(before | after), 1)
    return "" if shared >= _LEAST_SHARED else f"only {100 * shared:.0f} % of the items have a value in both"


def _values(scores: Sequence[Scores]) -> tuple[np.ndarray, bool]:
    """The values of the items that all runs of a series have, (runs, items), and whether all lie within 0 ... 1."""
    common = set.intersection(*(
        {identity for identity, value in zip(one.ids, one.values, strict=True) if not np.isnan(value)}
        for one in scores
    ))  # fmt: skip
    ids = sorted(common)
    rows = []
    for one in scores:
        at = {identity: position for position, identity in enumerate(one.ids)}
        rows.append(one.values[[at[identity] for identity in ids]])
    ranged = all(has_range(_align(one, one, common_only=True)) for one in scores)
    return np.array(rows), ranged


def _point(
    side: Side, benchmark: str, metric: str, series: int, reason: str, change: ChangePoint | None
) -> HistoryPoint:
    entry = side.summary.benchmarks.get(benchmark)
    figure = None if entry is None else entry.metrics.get(metric) or entry.headline_figure
    git = side.manifest.git
    return HistoryPoint(
        name=side.name, model=side.manifest.model.name or "?", created=side.manifest.created or "",
        commit=None if git is None else git.commit, figure=figure or KeptEstimate(value=None, n=0), series=series,
        reason=reason, change=change,
    )  # fmt: skip
