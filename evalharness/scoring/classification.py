"""Figures that need all answers of a run together: Matthews, F1, correlations, answers that count in pairs or sets.

scikit-learn and scipy give the values. Intervals of figures of a confusion table are by the jackknife (delete one
cluster), those of correlations by Fisher's transformation (Bonett and Wright 2000, https://doi.org/10.1007/BF02294183).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence

from evalharness.records import Estimate, Result, Sample
from evalharness.scoring.metrics import Metric, average, by_group
from evalharness.stats.intervals import Z95, wilson

Cell = tuple[str, str]
# A figure of a weighted confusion table: right labels, labels said, how often.
Figure = Callable[[Sequence[str], Sequence[str], Sequence[float]], float]


def matthews() -> Metric:
    """Matthews correlation over all labels; 0 where the answers or the right labels are all the same."""

    def figure(right: Sequence[str], said: Sequence[str], weights: Sequence[float]) -> float:
        from sklearn.metrics import matthews_corrcoef

        seen = [(r, s) for r, s, w in zip(right, said, weights, strict=True) if w]
        if len({r for r, _ in seen}) < 2 or len({s for _, s in seen}) < 2:
            return 0.0
        return float(matthews_corrcoef(right, said, sample_weight=weights))

    return Metric(name="mcc", of=lambda results: from_table(results, figure, lowest=-1.0))


def f1(*labels: str, name: str = "f1", cluster: Callable[[Sample], Hashable] = lambda s: s.id) -> Metric:
    """F1 of the named label, or the plain mean of several labels' F1; 0 for a label that nobody said or meant."""

    def figure(right: Sequence[str], said: Sequence[str], weights: Sequence[float]) -> float:
        from sklearn.metrics import f1_score

        return float(
            f1_score(right, said, labels=list(labels), average="macro", zero_division=0.0, sample_weight=weights)
        )

    return Metric(name=name, of=lambda results: from_table(results, figure, lowest=0.0, cluster=cluster))


def from_table(
    results: Sequence[Result],
    figure: Figure,
    *,
    lowest: float,
    cluster: Callable[[Sample], Hashable] = lambda s: s.id,
) -> Estimate | None:
    """A figure of the confusion table, with the standard error of the delete-one-cluster jackknife.

    An answer that could not be read says no label at all (''). Where no cluster moves the figure, the interval is as
    wide as Wilson's for answers that are all right.
    """
    if not results:
        return None
    clusters: dict[Hashable, Counter[Cell]] = {}
    for result in results:
        cell = (result.sample.choices[result.sample.gold_indices[0]], result.answer or "")
        clusters.setdefault(cluster(result.sample), Counter())[cell] += 1
    total = sum(clusters.values(), Counter[Cell]())
    cells = sorted(total)
    right, said = [r for r, _ in cells], [s for _, s in cells]
    value = figure(right, said, [float(total[c]) for c in cells])
    kinds = Counter(frozenset(found.items()) for found in clusters.values())
    n = len(clusters)
    without = {
        kind: figure(right, said, [float(total[c] - dict(kind).get(c, 0)) for c in cells]) if n > 1 else value
        for kind in kinds
    }
    centre = sum(without[k] * times for k, times in kinds.items()) / n
    stderr = math.sqrt((n - 1) / n * sum(times * (without[k] - centre) ** 2 for k, times in kinds.items()))
    half = Z95 * stderr or 1.0 - wilson(n, n).low
    return Estimate(value=value, stderr=stderr, low=max(lowest, value - half), high=min(1.0, value + half), n=n)


def pearson() -> Metric:
    """Pearson's correlation of the numbers answered with the right ones."""
    return Metric(name="pearson", of=lambda results: _correlation(results, "pearsonr", lambda r: 1.0))


def spearman() -> Metric:
    """Spearman's rank correlation of the numbers answered with the right ones."""
    return Metric(name="spearman", of=lambda results: _correlation(results, "spearmanr", lambda r: 1 + r * r / 2))


def _correlation(results: Sequence[Result], kind: str, widening: Callable[[float], float]) -> Estimate | None:
    """A correlation over the answers that are numbers; 0 where either side is constant, None below two of them."""
    from scipy import stats

    numbers: dict[str, list[float]] = {}
    for result in results:
        if result.answer is not None:
            numbers.setdefault(result.sample.id, []).append(float(result.answer))
    wanted = {r.sample.id: float(r.sample.answers[0]) for r in results}
    said, right = [sum(v) / len(v) for v in numbers.values()], [wanted[key] for key in numbers]
    n = len(said)
    if n < 2:
        return None
    constant = min(said) == max(said) or min(right) == max(right)
    r = 0.0 if constant else float(getattr(stats, kind)(said, right).statistic)
    spread = math.sqrt(widening(r) / (n - 3)) if n > 3 else math.inf
    centre = math.atanh(min(max(r, -1 + 1e-12), 1 - 1e-12))
    low, high = math.tanh(centre - Z95 * spread), math.tanh(centre + Z95 * spread)
    return Estimate(value=r, stderr=(1 - r * r) * spread, low=low, high=high, n=n)


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
    means: list[tuple[float, float, int]] = []
    for figures in tasks.values():
        found = [figure for figure in figures if figure is not None]
        if len(found) < len(figures):
            return {}
        k = len(found)
        means.append((sum(f.value for f in found) / k, sum(f.stderr for f in found) / k, found[0].n))
    value = sum(v for v, _, _ in means) / len(means)
    stderr = math.sqrt(sum(e * e for _, e, _ in means)) / len(means)
    n = sum(count for _, _, count in means)
    return {name: Estimate(value=value, stderr=stderr, low=value - Z95 * stderr, high=value + Z95 * stderr, n=n)}
