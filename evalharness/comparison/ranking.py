"""Several runs in one table: the rank of each, and the ranks that it could have as far as the items tell.

Every two runs are compared item by item, by benchmark and over all that everyone was asked. A run's best rank counts
those that are surely better, its worst those that are surely not (as pairwise tests give sets for ranks: Mogstad,
Romano, Shaikh and Wilhelm 2024, https://doi.org/10.1093/restud/rdad006). Holm's correction over all pairs makes the
ranges of a column hold together; those of single benchmarks hold together over all benchmarks too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from evalharness.comparison.align import Joined, align_scores, has_range, mismatches
from evalharness.comparison.decide import paired
from evalharness.comparison.direction import larger_is_better
from evalharness.comparison.inputs import Side, open_side
from evalharness.comparison.scores import Scores, with_ids_of
from evalharness.errors import Exit, UserError, option_name
from evalharness.runs.figures import KeptEstimate
from evalharness.runs.summary import lower_is_better
from evalharness.stats.intervals import normal_cdf, normal_quantile
from evalharness.stats.paired import holm, p_no_change

_ALIKE = ("data", "items", "mode", "shots")  # what must be the same for a place in one table
MISSING_NOTED = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class RankRange:
    """A run's rank by its figure, and the best and the worst that it could have."""

    rank: int
    best: int
    worst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedRun:
    """One run: its figure and rank by benchmark, and over all benchmarks that every run has (`mean` of the figures)."""

    name: str
    model: str
    figures: Mapping[str, KeptEstimate]
    ranks: Mapping[str, RankRange]
    mean: KeptEstimate | None
    overall: RankRange | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The table, best first. `joint` are the benchmarks that the overall rank is over; `alpha` the error rate of all
    ranges of a column together."""

    benchmarks: Mapping[str, str]
    joint: tuple[str, ...]
    runs: tuple[RankedRun, ...]
    alpha: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """What one benchmark tells of two runs: the mean difference (first minus second), its standard error, two-sided p
    of no difference; `ranged` where the values are held to 0 ... 1."""

    value: float
    stderr: float
    p: float
    ranged: bool


_Found = dict[tuple[int, int], _Pair]  # by the positions of the two runs


def rank_runs(
    names: Sequence[str], *, runs: Path = Path("runs"), baselines: Path = Path("baselines"),
    alpha: float = 0.05, allow: bool = False,
) -> Ranking:  # fmt: skip
    """Rank runs or baselines. UserError for fewer than two or the same twice; exit 4 where one benchmark was asked in
    different ways, unless `allow`."""
    if not 0 < alpha < 0.5:
        raise UserError(f"{option_name('alpha')} wants an error rate above 0 and below 0.5; there is {alpha:g}")
    sides = [open_side(name, runs, baselines) for name in names]
    if len(sides) < 2 or len({side.path.resolve() for side in sides}) < len(sides):
        raise UserError("a leaderboard wants two or more runs, each once")
    notes = list(_checked(sides, allow=allow))
    metrics = _metrics(sides)
    scores: list[dict[str, Scores]] = []
    for side in sides:
        own = side.scores({name: metric for name, metric in metrics.items() if name in side.facts})
        scores.append(with_ids_of(own, scores[0]) if scores else own)
    found = {name: _pairs(name, metrics[name], scores) for name in metrics}
    figures = [_figures(side, metrics) for side in sides]
    joint = tuple(
        name for name, pairs in found.items()
        if all(name in one for one in figures) and all(pair.ranged for pair in pairs.values())
    )  # fmt: skip
    if len(joint) < len(metrics):
        left = ", ".join(name for name in metrics if name not in joint)
        notes.append(f"not in the mean and the overall rank (not of every run, or not held to 0 … 1): {left}")
    notes += _missing(sides, metrics)
    ranges = _by_benchmark(found, figures, alpha, {name for name in metrics if lower_is_better(name, metrics[name])})
    means = [_mean([one[name] for name in joint]) if joint else None for one in figures]
    overall = _overall(found, joint, means, alpha) if joint else {}
    made = [
        RankedRun(
            name=side.name, model=side.manifest.model.name or "?", figures=figures[i],
            ranks={name: of[i] for name, of in ranges.items() if i in of}, mean=means[i], overall=overall.get(i),
        )
        for i, side in enumerate(sides)
    ]  # fmt: skip
    made.sort(key=lambda one: (one.overall.rank if one.overall else 0, one.name))
    return Ranking(benchmarks=metrics, joint=joint, runs=tuple(made), alpha=alpha, notes=tuple(notes))


def _checked(sides: Sequence[Side], *, allow: bool) -> Iterator[str]:
    """Where runs were asked in different ways: refused, or said."""
    for name in dict.fromkeys(name for side in sides for name in side.facts):
        having = [side for side in sides if name in side.facts]
        for side in having[1:]:
            first = having[0]
            for clash in mismatches(first.facts[name], side.facts[name], (None, None)):
                said = f"{name}: {clash.field} of {first.name} and {side.name} differ ({clash.base}, {clash.new})"
                if clash.field in _ALIKE and not allow:
                    raise UserError(
                        f"{said}; run them alike, or say {option_name('allow_mismatch', True)}", Exit.NOT_COMPARABLE
                    )
                yield said


def _metrics(sides: Sequence[Side]) -> dict[str, str]:
    """The score of an item that is compared, of each benchmark that two or more runs have."""
    names = dict.fromkeys(name for side in sides for name in side.facts)
    metrics = {}
    for name in names:
        having = [side for side in sides if name in side.facts]
        if len(having) > 1:
            metrics[name] = next(
                (s.stored[name].metric for s in having if name in s.stored), having[0].item_metric(name)
            )
    if not metrics:
        raise UserError("the runs share no benchmark; run the same for each model", Exit.NOT_COMPARABLE)
    return metrics


def _figures(side: Side, metrics: Mapping[str, str]) -> dict[str, KeptEstimate]:
    found = {}
    for name, metric in metrics.items():
        entry = side.summary.benchmarks.get(name)
        figure = None if entry is None else entry.metrics.get(metric) or entry.headline_figure
        if figure is not None and figure.value is not None:
            found[name] = figure
    return found


def _pairs(name: str, metric: str, scores: Sequence[Mapping[str, Scores]]) -> _Found:
    having = [i for i, of in enumerate(scores) if name in of]
    return {(i, k): _compared(name, metric, scores[k][name], scores[i][name]) for i, k in combinations(having, 2)}


def _compared(name: str, metric: str, base: Scores, new: Scores) -> _Pair:
    joined = align_scores(base, new, common_only=True)
    ranged = has_range(joined)
    if lower_is_better(name, metric):
        joined = larger_is_better(joined)
    return _pair(joined, ranged)


def _pair(joined: Joined, ranged: bool) -> _Pair:
    rows = joined.known
    d = (joined.new - joined.base)[rows]
    if not len(d):
        return _Pair(value=0.0, stderr=math.inf, p=1.0, ranged=ranged)
    found = paired(joined, d, rows, 0.95)
    return _Pair(
        value=found.value,
        stderr=(found.high - found.low) / (2 * normal_quantile(0.975)),
        p=p_no_change(d, ranged=ranged),
        ranged=ranged,
    )


def _by_benchmark(
    found: Mapping[str, _Found], figures: Sequence[Mapping[str, KeptEstimate]], alpha: float, lower: set[str]
) -> dict[str, dict[int, RankRange]]:
    """Ranks and ranges of every benchmark; Holm over the pairs of all of them."""
    places = [(name, pair) for name, pairs in found.items() for pair in pairs]
    adjusted = dict(zip(places, holm([found[name][pair].p for name, pair in places]), strict=True))
    made = {}
    for name, pairs in found.items():
        sign = -1 if name in lower else 1
        values = {i: sign * (of[name].value or 0.0) for i, of in enumerate(figures) if name in of}
        surely = {pair: one.value for pair, one in pairs.items() if adjusted[name, pair] <= alpha}
        made[name] = _ranges(values, surely)
    return made


def _overall(
    found: Mapping[str, _Found], joint: Sequence[str], means: Sequence[KeptEstimate | None], alpha: float
) -> dict[int, RankRange]:
    """Ranks and ranges by the mean over benchmarks, each of the same weight; Holm over the pairs."""
    pairs = list(combinations(range(len(means)), 2))
    values, p = {}, []
    for pair in pairs:
        of = [found[name][pair] for name in joint]
        value, stderr = sum(one.value for one in of) / len(of), math.hypot(*(one.stderr for one in of)) / len(of)
        values[pair] = value
        p.append(of[0].p if len(of) == 1 else 2 * normal_cdf(-abs(value) / stderr))
    surely = {pair: values[pair] for pair, one in zip(pairs, holm(p), strict=True) if one <= alpha}
    return _ranges({i: mean.value or 0.0 for i, mean in enumerate(means) if mean is not None}, surely)


def _ranges(values: Mapping[int, float], surely: Mapping[tuple[int, int], float]) -> dict[int, RankRange]:
    """Ranks by value (equal ones share one), and ranges from the pairs that surely differ (first minus second)."""
    better = dict.fromkeys(values, 0)
    worse = dict.fromkeys(values, 0)
    for (i, k), value in surely.items():
        up, down = (i, k) if value > 0 else (k, i)
        if up in values and down in values:
            worse[up] += 1
            better[down] += 1
    return {
        i: RankRange(rank=1 + sum(other > value for other in values.values()), best=1 + better[i],
                     worst=len(values) - worse[i])
        for i, value in values.items()
    }  # fmt: skip


def _mean(figures: Sequence[KeptEstimate]) -> KeptEstimate:
    """The mean of figures of different items, with its 95 % interval."""
    value = sum(one.value or 0.0 for one in figures) / len(figures)
    n = sum(one.n for one in figures)
    if len(figures) == 1:
        return replace(figures[0])
    halves = [None if one.low is None or one.high is None else (one.high - one.low) / 2 for one in figures]
    if None in halves:
        return KeptEstimate(value=value, n=n)
    half = math.hypot(*(one for one in halves if one is not None)) / len(figures)
    return KeptEstimate(
        value=value, stderr=half / normal_quantile(0.975), low=max(0.0, value - half), high=min(1.0, value + half), n=n
    )


def _missing(sides: Sequence[Side], metrics: Mapping[str, str]) -> Iterator[str]:
    for side in sides:
        for name in metrics:
            entry = side.summary.benchmarks.get(name)
            asked = side.facts[name].items if name in side.facts else 0
            if entry is not None and asked and entry.n < (1 - MISSING_NOTED) * asked:
                yield f"{side.name} has a value for {entry.n:,} of {asked:,} items of {name}: its ranks are of those"
