"""Figures that need all answers of a run together: Matthews, F1, correlations, answers that count in pairs or sets.

Intervals of figures of a confusion table, and of correlations, are drawn: every answer (or cluster of answers) gets a
random weight (Rubin's Bayesian bootstrap, 1981, https://doi.org/10.1214/aos/1176345338), and so does, lightly, what was
not seen and may be: the other cells of the table, an answer far off. Without that the interval is too narrow while
positives are rare, or absurd answers few (perf/coverage.py).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from evalharness.records import Estimate, Result, Sample
from evalharness.scoring.metrics import Metric, average, by_group
from evalharness.stats.intervals import Z95, in_range, mean_of_estimates, t_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Cell = tuple[str, str]
# A figure of confusion tables: counts by right label (rows) and label said (columns), leading axes free.
Figure = Callable[["Floats"], "Floats"]
_PARTS = ("value", "stderr", "low", "high")
_DRAWS = 2000
_FEW_NUMBERS = 400  # from here a correlation's interval holds as it says with absurd answers too (perf/coverage.py)
# The weight of what was not seen: 2 answers, shared by all cells of a table; .1 of an answer at either far corner.
CELLS, CORNERS = 2.0, 0.1


def matthews() -> Metric:
    """Matthews correlation over all labels; 0 where the answers or the right labels are all the same."""
    return Metric(name="mcc", of=lambda results: from_table(results, lambda labels: matthews_of, lowest=-1.0))


def matthews_of(tables: Floats) -> Floats:
    """Matthews correlation of square confusion tables (Gorodkin 2004, https://doi.org/10.1016/j.compbiolchem.2004.09.006)."""
    right, said = tables.sum(-1), tables.sum(-2)
    n = right.sum(-1)
    agree = np.trace(tables, axis1=-2, axis2=-1) * n - np.sum(right * said, -1)
    spread = (n * n - np.sum(right**2, -1)) * (n * n - np.sum(said**2, -1))
    return np.where(spread > 1e-12 * n**4, agree / np.sqrt(np.maximum(spread, 1e-300)), 0.0)


def f1(*labels: str, name: str = "f1", cluster: Callable[[Sample], Hashable] = lambda s: s.id) -> Metric:
    """F1 of the named label, or the plain mean of several labels' F1; 0 for a label that nobody said or meant."""

    def figure(known: Sequence[str]) -> Figure:
        places = [known.index(label) for label in labels if label in known]
        return lambda tables: f1_of(tables, places) * len(places) / len(labels)

    return Metric(name=name, of=lambda results: from_table(results, figure, lowest=0.0, cluster=cluster))


def f1_of(tables: Floats, places: Sequence[int]) -> Floats:
    """The mean F1 of some labels of square confusion tables; 0 without any."""
    if not places:
        return np.zeros(tables.shape[:-2])
    both = np.stack([tables[..., i, i] for i in places], -1)
    either = tables.sum(-1)[..., list(places)] + tables.sum(-2)[..., list(places)]
    found: Floats = np.mean(np.where(either > 0, 2 * both / np.maximum(either, 1e-300), 0.0), -1)
    return found


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


def table_estimate(
    times: Floats, tables: Floats, labels: Sequence[int], of: Figure, lowest: float, draws: int = _DRAWS
) -> Estimate:
    """A figure in [lowest, 1] of `times` (kinds,) clusters of each of `tables` (kinds, K, K); `labels` as in
    `drawn_tables`. The standard error is the delete-one-cluster jackknife's, the interval that of `drawn_tables`."""
    n = int(times.sum())
    total = np.einsum("k,kij->ij", times, tables)
    value = float(of(total))
    without = of(total - tables) if n > 1 else np.full(len(times), value)
    centre = float(times @ without) / n
    stderr = math.sqrt((n - 1) / n * float(times @ (without - centre) ** 2))
    drawn = of(drawn_tables(times, tables, labels, np.random.default_rng(0), draws))
    low, high = (float(end) for end in np.percentile(drawn, [2.5, 97.5]))
    return in_range(Estimate(value=value, stderr=stderr, low=low, high=high, n=n), lowest, 1.0)


def drawn_tables(
    times: Floats, tables: Floats, labels: Sequence[int], draw: np.random.Generator, draws: int = _DRAWS
) -> Floats:
    """Confusion tables from the posterior of the sample: (..., draws, K, K) from `times` (..., kinds) clusters of each
    kind of `tables` (kinds, K, K). The cells of `labels` were seen, all together, CELLS times more (for two labels that
    is Jeffreys' prior)."""
    weights = draw.standard_gamma(np.broadcast_to(times[..., None, :], (*times.shape[:-1], draws, times.shape[-1])))
    found: Floats = (weights @ tables.reshape(len(tables), -1)).reshape(*weights.shape[:-1], *tables.shape[1:])
    size = np.sum(times * tables.sum((-1, -2)), -1) / np.sum(times, -1)
    count = max(1, len(labels))
    unseen = draw.standard_gamma(CELLS / count**2, (*found.shape[:-2], count, count))
    rows, columns = np.ix_(labels, labels)
    found[..., rows, columns] += unseen * np.asarray(size)[..., None, None, None]
    return found


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
    from scipy.stats import rankdata

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


def correlation_of(said: Floats, right: Floats, weights: Floats) -> Floats:
    """The weighted correlation over the last axis; 0 where one side is constant."""
    each = weights / np.sum(np.broadcast_to(weights, said.shape), -1, keepdims=True)
    x, y = said - np.sum(each * said, -1, keepdims=True), right - np.sum(each * right, -1, keepdims=True)
    spread = np.sum(each * x * x, -1) * np.sum(each * y * y, -1)
    return np.where(spread > 1e-18, np.sum(each * x * y, -1) / np.sqrt(np.maximum(spread, 1e-300)), 0.0)


def correlation_ends(
    said: Floats, right: Floats, draw: np.random.Generator, draws: int = _DRAWS // 2
) -> tuple[Floats, Floats, Floats]:
    """Low, high and standard error of a correlation of numbers (or ranks) on the last axis.

    The jackknife on Fisher's scale; the low end, and the high one of a negative correlation, is no nearer than the
    Bayesian bootstrap's to which an answer at each far corner was added: few absurd answers move a correlation most.
    """
    n = said.shape[-1]
    r = correlation_of(said, right, np.ones(1))
    constant = (np.ptp(said, -1) == 0) | (np.ptp(right, -1) == 0)
    wide = math.tanh(Z95 / math.sqrt(n - 3)) if n > 3 else 1.0
    if n < 4 or bool(np.all(constant)):
        return np.full_like(r, -wide), np.full_like(r, wide), np.full_like(r, wide / Z95 if n > 3 else math.nan)
    without = np.arctanh(np.clip(_without_one(said, right), -1 + 1e-12, 1 - 1e-12))
    stderr = np.sqrt((n - 1) / n * np.sum((without - without.mean(-1, keepdims=True)) ** 2, -1))
    centre, z = np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12)), t_quantile(0.975, n - 2)
    low, high = np.tanh(centre - z * stderr), np.tanh(centre + z * stderr)
    drawn = np.percentile(_with_corners(said, right, draw, draws), [2.5, 97.5], axis=-1)
    low, high = np.where(r > 0, np.minimum(low, drawn[0]), low), np.where(r < 0, np.maximum(high, drawn[1]), high)
    return np.where(constant, -wide, low), np.where(constant, wide, high), (1 - r**2) * stderr


def _without_one(said: Floats, right: Floats) -> Floats:
    """The correlation without each of the items in turn."""
    m = said.shape[-1] - 1
    x, y = said - said.mean(-1, keepdims=True), right - right.mean(-1, keepdims=True)
    products = [np.sum(a * b, -1, keepdims=True) - a * b - a * b / m for a, b in ((x, x), (y, y), (x, y))]
    spread = products[0] * products[1]
    return np.where(spread > 1e-18, products[2] / np.sqrt(np.maximum(spread, 1e-300)), 0.0)


def _with_corners(said: Floats, right: Floats, draw: np.random.Generator, draws: int) -> Floats:
    """Correlations under random weights (one set of them for all samples), an answer at both far corners added."""
    corners = [np.stack([said.max(-1), said.min(-1)], -1), np.stack([right.min(-1), right.max(-1)], -1)]
    if not bool(np.all(correlation_of(said, right, np.ones(1)) >= 0)):
        upward = (correlation_of(said, right, np.ones(1)) < 0)[..., None]
        corners[0] = np.where(upward, corners[0][..., ::-1], corners[0])
    x, y = np.concatenate([said, corners[0]], -1), np.concatenate([right, corners[1]], -1)
    x, y = x - x.mean(-1, keepdims=True), y - y.mean(-1, keepdims=True)
    n = said.shape[-1]
    weights = np.concatenate([draw.standard_gamma(1.0, (draws, n)), draw.standard_gamma(CORNERS, (draws, 2))], -1)
    weights /= weights.sum(-1, keepdims=True)
    sx, sy, sxx, syy, sxy = (part @ weights.T for part in (x, y, x * x, y * y, x * y))
    spread = np.maximum((sxx - sx * sx) * (syy - sy * sy), 1e-300)
    found: Floats = (sxy - sx * sy) / np.sqrt(spread)
    return found


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
