"""Differences of paired values: intervals and tests. Own code stands only where scipy and statsmodels have none."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalharness.stats.intervals import normal_cdf, normal_quantile, replaced_where, t_cdf, t_quantile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """A mean paired difference, new minus base, with its two-sided interval.

    `p_worse(margin)` is the one-sided p value of "the true difference is below -margin".
    """

    value: float
    low: float
    high: float
    sd: float
    method: str
    p_worse: Callable[[float], float]


def tango_statistic(fixed: int, broke: int, n: int, difference: float) -> float:
    """Tango's score statistic (1998, https://pubmed.ncbi.nlm.nih.gov/9595618/) for a supposed paired difference.

    `fixed` items went from wrong to right, `broke` from right to wrong, of `n` in all. It falls as `difference` grows.
    """
    a = 2 * n
    b = -fixed - broke + (2 * n - fixed + broke) * difference
    c = -broke * difference * (1 - difference)
    share = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    above, below = fixed - broke - n * difference, n * (2 * share + difference * (1 - difference))
    if below <= 0:
        return math.copysign(math.inf, above) if above else 0.0
    return above / math.sqrt(below)


def tango(fixed: int, broke: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Tango's score interval for the difference (fixed - broke)/n of paired proportions; wide at 0 flips too."""
    from scipy.optimize import brentq

    z, value = normal_quantile((1 + confidence) / 2), (fixed - broke) / n
    edge = 1 - 1e-9

    def end(target: float, outer: float) -> float:
        def away(difference: float) -> float:
            return tango_statistic(fixed, broke, n, difference) - target

        # From the estimate itself the statistic may be 0/0; a hair outside it has the sign that the search needs.
        inner = max(-edge, min(edge, value + math.copysign(1e-12, outer)))
        if away(inner) * away(outer) > 0:
            return math.copysign(1.0, outer)
        return float(brentq(away, inner, outer, xtol=1e-12))

    return (end(z, -edge) if value > -edge else -1.0, end(-z, edge) if value < edge else 1.0)


def flips_are_few(fixed: int, broke: int) -> bool:
    """Whether the score statistic is not normal enough for these flips, so that its exact distribution is used."""
    flips = fixed + broke
    return 0 < flips < 50 or (min(fixed, broke) < 10 and 0 < flips < 120)


def paired_binary(fixed: int, broke: int, n: int, confidence: float) -> Paired:
    """The difference of two proportions over the same n items, one answer each, by Tango's score method.

    With few flips both ends are moved out, where need be, until the exact chance of an outcome as far off is
    no more than half of 1 - confidence, whatever share of the items flips both ways (`exact_flips`).
    """
    from evalharness.stats import exact_flips

    low, high = tango(fixed, broke, n, confidence)
    value = (fixed - broke) / n
    sd = math.sqrt(max((fixed + broke) / n - value * value, 0.0))

    def score(margin: float) -> float:
        return normal_cdf(tango_statistic(fixed, broke, n, -margin))

    if flips_are_few(fixed, broke):
        low, high = exact_flips.widened(fixed, broke, n, confidence, (low, high))

        def p_worse(margin: float) -> float:
            return max(score(margin), exact_flips.tail(fixed, broke, n, -margin, -1))

        return Paired(value=value, low=low, high=high, sd=sd, method="tango", p_worse=p_worse)
    return Paired(value=value, low=low, high=high, sd=sd, method="tango", p_worse=score)


# Below these a paired t test is not trusted (perf/coverage.py): a wrong verdict would come too often.
_TEST_MAKERS, _TEST_SKEWNESS = 20, 0.01


def paired_mean(differences: FloatArray, confidence: float, *, ranged: bool = True) -> Paired:
    """The mean of graded differences in [-1, 1]: Student's t, or the score test of `tilting` where t is too narrow.

    That is, while few items make up the variance, or few large drops make it lopsided. With all differences equal it is
    Tango's bound for zero flips, and with nothing but whole flips `paired_binary`. Values that are not held to [0, 1]
    (not `ranged`: log-probabilities, grades of 1 to 10) have no known range: always t, unbounded where all are equal.
    """
    import numpy as np

    n, value = len(differences), float(np.mean(differences))
    ranged = ranged and _in_range(differences)
    if n < 2 or bool(np.all(differences == differences[0])):
        return _all_equal(value, n, confidence) if ranged else _unbounded(value)
    if ranged and bool(np.all(np.isin(differences, (-1.0, 0.0, 1.0)))):
        return paired_binary(int(np.sum(differences > 0)), int(np.sum(differences < 0)), n, confidence)
    if not ranged:
        return _plain_t(differences, np.ones(1), confidence, "paired t")
    return _paired_units(differences, np.ones(1), confidence, n - 1, ("paired t", "paired score"))


def _in_range(differences: FloatArray) -> bool:
    """Whether all differences could be those of values in [0, 1]; a hair beyond is rounding."""
    return float(abs(differences).max()) <= 1 + 1e-12


def _paired_units(
    total: FloatArray, size: FloatArray, confidence: float, freedom: float, methods: tuple[str, str]
) -> Paired:
    """The paired difference in [-1, 1] over units (items, or clusters of them): sums and sizes, Student's t with so
    much freedom. `methods` name t and score."""
    import numpy as np

    units, whole = len(total), float(np.sum(np.broadcast_to(size, total.shape)))
    value = float(np.sum(total)) / whole
    lopsided = bool(paired_lopsided(total, size))

    def statistic(supposed: float) -> float:
        return float(paired_statistic(total, size, max(-1 + 1e-9, min(1 - 1e-9, supposed))))

    z = t_quantile((1 + confidence) / 2, freedom)
    low, high = (_paired_end(statistic, value, side, z) for side in (-1.0, 1.0))
    off = total - value * size
    sd = math.sqrt(float(np.sum(off**2)) * units / (units - 1) / whole)
    p_worse = lambda margin: t_cdf(statistic(-margin), freedom)
    return Paired(value=value, low=low, high=high, sd=sd, method=methods[lopsided], p_worse=p_worse)


# Of a t test of values that have no known range: nothing allows for what may still come.
RARE_DROPS = (
    "the metric is not held to 0 … 1: large drops so rare that few or none came are not allowed for; where there are "
    "such, a loss at the margin passes in about 22 of 100 comparisons of 30 items, 11 of 100 items"
)


def _plain_t(total: FloatArray, size: FloatArray, confidence: float, method: str) -> Paired:
    """Student's t interval (CR1 over clusters) of differences without a known range, which it is not held to."""
    import numpy as np

    units, whole = len(total), float(np.sum(np.broadcast_to(size, total.shape)))
    value = float(np.sum(total)) / whole
    off = total - value * size
    # Units that differ by rounding alone, or clusters with one mean, tell no more of the spread than equal differences.
    if float(np.max(np.abs(off))) <= 1e-9 * float(np.max(np.abs(total))):
        return _unbounded(value)
    spread = math.sqrt(float(np.sum(off**2)) * units / (units - 1))
    stderr = spread / whole
    half = t_quantile((1 + confidence) / 2, units - 1) * stderr

    def p_worse(margin: float) -> float:
        return t_cdf((value + margin) / stderr, units - 1)

    sd = spread / math.sqrt(whole)
    return Paired(value=value, low=value - half, high=value + half, sd=sd, method=method, p_worse=p_worse)


def paired_statistic(total: FloatArray, size: FloatArray, supposed: float) -> FloatArray:
    """The statistic of a paired test for a supposed difference, to be held against Student's t. Leading axes are
    independent samples."""
    from evalharness.stats import tilting

    lopsided = paired_lopsided(total, size)
    plain = tilting.student(total, size, supposed)
    ends = (-1.0, 1.0)
    return replaced_where(plain, lopsided, total, size, lambda t, s: tilting.score(t, s, supposed, ends, skew=True))


def paired_lopsided(total: FloatArray, size: FloatArray) -> NDArray[np.bool_]:
    """Whether the score test takes the place of t; never for differences beyond [-1, 1], whose ends nobody knows."""
    import numpy as np

    from evalharness.stats import tilting

    inside = np.all(np.abs(total) <= size * (1 + 1e-12), -1)
    return np.asarray(inside & tilting.lopsided(total, size, _TEST_MAKERS, _TEST_SKEWNESS))


def _paired_end(statistic: Callable[[float], float], value: float, side: float, z: float) -> float:
    """The supposed difference on one side of the estimate where the statistic reaches z; else the end of the range."""
    from scipy.optimize import brentq

    outer = side * (1 - 1e-9)
    if (value - outer) * side >= 0 or (statistic(outer) + side * z) * side > 0:
        return side
    return float(brentq(lambda supposed: statistic(supposed) + side * z, value, outer, xtol=1e-12))


def _all_equal(value: float, n: int, confidence: float) -> Paired:
    """Tango's bound for zero flips on either side of the one difference that there is, within [-1, 1]."""
    z2 = normal_quantile((1 + confidence) / 2) ** 2
    half = z2 / (n + z2)

    def p_worse(margin: float) -> float:
        beyond = min(abs(margin + value), 1 - 1e-12)
        z = math.sqrt(n * beyond / (1 - beyond))
        return normal_cdf(z if margin + value > 0 else -z)

    low, high = max(-1.0, value - half), min(1.0, value + half)
    return Paired(value=value, low=low, high=high, sd=0.0, method="all equal", p_worse=p_worse)


def _unbounded(value: float) -> Paired:
    """Where nothing tells the spread and no range bounds it: as in `mean_interval`, no end and no proof of a loss."""
    return Paired(value=value, low=-math.inf, high=math.inf, sd=0.0, method="all equal", p_worse=lambda _: 1.0)


def paired_clustered(differences: FloatArray, clusters: IntArray, confidence: float, *, ranged: bool = True) -> Paired:
    """The mean difference where items come in clusters that go together: the clusters are what was sampled.

    Student's t with cluster-robust errors (CR1) where many clusters make up the variance and none dominates, else the
    score test of `tilting` over clusters, which a few broken clusters cannot deceive; both with `cluster_freedom`.
    """
    import numpy as np

    _, place = np.unique(clusters, return_inverse=True)
    size = np.bincount(place).astype(float)
    count, ranged = len(size), ranged and _in_range(differences)
    if count < 2 or bool(np.all(differences == differences[0])):
        # One cluster says nothing of the spread between clusters: it counts as one item.
        value = float(np.mean(differences))
        return _all_equal(value, count, confidence) if ranged else _unbounded(value)
    total = np.asarray(np.bincount(place, differences), float)
    if not ranged:
        return _plain_t(total, size, confidence, "clustered t")
    freedom = float(cluster_freedom(total, size))
    return _paired_units(total, size, confidence, freedom, ("clustered t", "clustered score"))


def cluster_freedom(total: FloatArray, size: FloatArray) -> FloatArray:
    """Satterthwaite's degrees of freedom of the variance between clusters (1946, https://doi.org/10.2307/3002019), by
    the fourth moment: 2G / (kurtosis - 1), from 1 to G - 1. Few where few clusters make up the variance. Leading axes
    are independent samples."""
    import numpy as np

    count = total.shape[-1]
    centre = np.sum(total, -1, keepdims=True) / np.sum(np.broadcast_to(size, total.shape), -1, keepdims=True)
    off = total - centre * size
    second, fourth = np.sum(off**2, -1), np.sum(off**4, -1)
    above = np.maximum(count * fourth - second**2, 1e-12 * second**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.asarray(2 * count * second**2 / above, float)
    freedom: FloatArray = np.clip(np.nan_to_num(found, nan=1.0), 1.0, max(1.0, count - 1.0))
    return freedom


def mcnemar(fixed: int, broke: int) -> float:
    """Exact two-sided McNemar test that as many items got fixed as broke; 1 when nothing changed."""
    from scipy.stats import binomtest

    return float(binomtest(broke, fixed + broke).pvalue) if fixed + broke else 1.0


def p_no_change(differences: FloatArray, *, ranged: bool = True) -> float:
    """Two-sided p value of "the mean difference is 0": exact McNemar for whole flips, else the test of `paired_mean`.

    1 where nothing tells the spread.
    """
    import numpy as np

    if not len(differences) or not bool(np.any(differences)):
        return 1.0
    if ranged and bool(np.all(np.isin(differences, (-1.0, 0.0, 1.0)))):
        return mcnemar(int(np.sum(differences > 0)), int(np.sum(differences < 0)))
    if len(differences) < 2 or bool(np.all(differences == differences[0])):
        found = paired_mean(differences, 0.95, ranged=ranged)
        below = found.p_worse(0.0)
        return 1.0 if math.isinf(found.low) else min(1.0, 2 * min(below, 1 - below))
    test = paired_statistic if ranged else _student
    return min(1.0, 2 * t_cdf(-abs(float(test(differences, np.ones(1), 0.0))), len(differences) - 1))


def _student(total: FloatArray, size: FloatArray, supposed: float) -> FloatArray:
    from evalharness.stats import tilting

    return tilting.student(total, size, supposed)


def bootstrap_interval(differences: FloatArray, confidence: float, seed: int = 0) -> tuple[float, float] | None:
    """The BCa bootstrap interval of a mean; None where all values are equal (it has no meaning there)."""
    import numpy as np
    from scipy.stats import bootstrap

    if len(differences) < 2 or bool(np.all(differences == differences[0])):
        return None
    found = bootstrap(
        (differences,), np.mean, confidence_level=confidence, method="BCa", rng=np.random.default_rng(seed)
    ).confidence_interval
    return (float(found.low), float(found.high)) if math.isfinite(found.low + found.high) else None


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p values, in the order given."""
    if len(p_values) < 2:
        return list(p_values)
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(p_values, method="holm")[1]]


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Benjamini-Hochberg adjusted p values, in the order given: for exploring, not for deciding."""
    from scipy.stats import false_discovery_control

    return [float(p) for p in false_discovery_control(p_values)] if p_values else []
