"""Figures that need all answers of a run together: Matthews, F1, correlations, answers that count in pairs or sets."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from evalharness.records import Estimate, Result, Sample
from evalharness.scoring.metrics import Metric, average, by_group
from evalharness.stats.intervals import in_range, mean_of_estimates

if TYPE_CHECKING:
    from evalharness.stats.confusion import Figure

Cell = tuple[str, str]
_PARTS = ("value", "stderr", "low", "high")
_FEW_NUMBERS = 400  # from here a correlation's interval holds as it says with absurd answers too (perf/coverage.py)


def matthews() -> Metric:
    """Matthews correlation over all labels; 0 where the answers or the right labels are all the same."""

    def figure(known: Sequence[str]) -> Figure:
        from evalharness.stats.confusion import matthews_of

        return matthews_of

    return Metric(name="mcc", of=lambda results: from_table(results, figure, lowest=-1.0))


def f1(*labels: str, name: str = "f1", cluster: Callable[[Sample], Hashable] = lambda s: s.id) -> Metric:
    """F1 of the named label, or the plain mean of several labels' F1; 0 for a label that nobody said or meant."""

    def figure(known: Sequence[str]) -> Figure:
        from evalharness.stats.confusion import f1_of

        places = [known.index(label) for label in labels if label in known]
        return lambda tables: f1_of(tables, places) * len(places) / len(labels)

    return Metric(name=name, of=lambda results: from_table(results, figure, lowest=0.0, cluster=cluster))


def from_table(
    results: Sequence[Result],
    figure: Callable[[Sequence[str]], Figure],
    *,
    lowest: float,
    cluster: Callable[[Sample], Hashable] = lambda s: s.id,
) -> Estimate | None:
    """A figure of the confusion table; `figure` gets the labels in the order of rows and columns: all that could be
    said, also those that nobody said or meant. An answer that could not be read says no label at all ('')."""
    if not results:
        return None
    import numpy as np  # as everywhere here, with the figure: `evalh list` reads these metrics' names only

    from evalharness.stats.confusion import table_estimate

    clusters: dict[Hashable, Counter[Cell]] = {}
    for result in results:
        cell = (result.sample.choices[result.sample.gold_indices[0]], result.answer or "")
        clusters.setdefault(cluster(result.sample), Counter())[cell] += 1
    offered = {label for result in results for label in result.sample.choices}
    labels = sorted(offered.union(label for found in clusters.values() for cell in found for label in cell))
    place = {label: i for i, label in enumerate(labels)}
    kinds = Counter(frozenset(found.items()) for found in clusters.values())
    tables, times = np.zeros((len(kinds), len(labels), len(labels))), np.array([float(t) for t in kinds.values()])
    for i, kind in enumerate(kinds):
        for (right, said), count in kind:
            tables[i, place[right], place[said]] = count
    return table_estimate(times, tables, [place[label] for label in labels if label], figure(labels), lowest)


def pearson() -> Metric:
    """Pearson's correlation of the numbers answered with the right ones."""
    return Metric(name="pearson", of=lambda results: _correlation(results, ranked=False))


def spearman() -> Metric:
    """Spearman's rank correlation of the numbers answered with the right ones."""
    return Metric(name="spearman", of=lambda results: _correlation(results, ranked=True))


def few_numbers(n: int) -> tuple[str, ...]:
    """What is to be said of a correlation over few items: no interval can know of absurd answers that did not come."""
    said = f"only {n} numbers: a correlation's 95 % interval may hold 91 to 99 times in 100 where a few are absurd"
    return (said,) if n < _FEW_NUMBERS else ()


def _number_of(answer: str | None) -> float | None:
    """The number that an answer is; None where it is none, or not finite."""
    try:
        value = float(answer) if answer is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _correlation(results: Sequence[Result], *, ranked: bool) -> Estimate | None:
    """A correlation over all answers; 0 where either side is constant, None below two numbers.

    An answer that is no number says nothing of its question: it stands at the mean of those that are, so that leaving
    the hard questions unanswered does not pay.
    """
    import numpy as np
    from scipy.stats import rankdata

    from evalharness.stats.correlation import correlation_ends, correlation_of

    numbers: dict[str, list[float]] = {}
    for result in results:
        found = _number_of(result.answer)
        numbers.setdefault(result.sample.id, []).extend([] if found is None else [found])
    wanted = {r.sample.id: float(r.sample.answers[0]) for r in results}
    read = [sum(v) / len(v) for v in numbers.values() if v]
    if len(read) < 2:
        return None
    middle = math.fsum(read) / len(read)
    said = np.array([sum(v) / len(v) if v else middle for v in numbers.values()])
    right = np.array([wanted[key] for key in numbers])
    if ranked:
        said, right = rankdata(said), rankdata(right)
    low, high, stderr = (float(x) for x in correlation_ends(said, right, np.random.default_rng(0)))
    r = float(correlation_of(said, right, np.ones(1)))
    return in_range(Estimate(value=r, stderr=stderr, low=low, high=high, n=len(said)), -1.0, 1.0)


def all_right(name: str, together: Callable[[Sample], str]) -> Metric:
    """The share of sets of samples (a question's answers) that are right throughout."""

    def of(results: Sequence[Result]) -> Estimate | None:
        sets = by_group(results, lambda r: together(r.sample)).values()
        return average([float(all(r.status == "correct" for r in members)) for members in sets])

    return Metric(name=name, of=of)


def parity(name: str, pair: Callable[[Sample], str]) -> Metric:
    """The share of pairs whose two answers are the same; a pair with an answer that could not be read is not."""

    def of(results: Sequence[Result]) -> Estimate | None:
        pairs = [[r.answer for r in members] for members in by_group(results, lambda r: pair(r.sample)).values()]
        return average([float(None not in said and len(set(said)) == 1) for said in pairs if len(said) > 1])

    return Metric(name=name, of=of)


def mean_of(tasks: Mapping[str, Sequence[Estimate | None]], name: str) -> dict[str, Estimate]:
    """The plain mean over tasks of each task's mean over its figures, as GLUE and SuperGLUE publish it.

    Nothing where a figure is missing. Figures of one task come from the same answers and are taken to err together;
    tasks err independently.
    """
    means = []
    for figures in tasks.values():
        found = [figure for figure in figures if figure is not None]
        if len(found) < len(figures):
            return {}
        means.append(Estimate(**{part: fmean(getattr(f, part) for f in found) for part in _PARTS}, n=found[0].n))
    return {name: mean_of_estimates(means)}
