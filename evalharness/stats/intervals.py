"""Intervals and tests. scipy and statsmodels do what they do; own code stands only where they have nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalharness.records import Estimate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

Z95 = 1.959963984540054


def wilson(successes: int, n: int, z: float = Z95) -> Estimate:
    """A proportion with Wilson's score interval (1927, https://doi.org/10.2307/2276774); stderr is sqrt(pq/n)."""
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Estimate(value=p, stderr=math.sqrt(p * (1 - p) / n), low=low, high=high, n=n)


def t_quantile(probability: float, freedom: float) -> float:
    """Student's t quantile. scipy.special says it without scipy.stats, whose import alone takes half a second."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))


def t_cdf(value: float, freedom: float) -> float:
    """Student's t distribution function."""
    from scipy.special import stdtr

    return float(stdtr(freedom, value))


def sample_variance(values: Sequence[float]) -> float:
    """Variance with n - 1; 0 for fewer than two values."""
    n = len(values)
    if n < 2:
        return 0.0
    mean = math.fsum(values) / n
    return math.fsum((v - mean) ** 2 for v in values) / (n - 1)


def mean_interval(values: Sequence[float]) -> Estimate:
    """A mean of values without known ends, with Student's t interval at 95 %.

    The interval is unbounded where nothing tells the spread: a single value, or several that are all the same.
    """
    n = len(values)
    mean = math.fsum(values) / n
    if n < 2 or min(values) == max(values):
        stderr = math.nan if n < 2 else 0.0
        return Estimate(value=mean, stderr=stderr, low=-math.inf, high=math.inf, n=n)
    stderr = math.sqrt(sample_variance(values) / n)
    half = t_quantile(0.975, n - 1) * stderr
    return Estimate(value=mean, stderr=stderr, low=mean - half, high=mean + half, n=n)


# Below these a t interval of values in [0, 1] is not trusted (perf/coverage.py).
_MAKERS, _SKEWNESS = 8, 0.1


def bounded_mean(values: Sequence[float], sizes: Sequence[float] | None = None) -> Estimate:
    """A mean of values in [0, 1], or of sums over `sizes` (0 <= value <= size), with its 95 % interval in [0, 1].

    Student's t where many values make up the variance and their skewness is small, else the score interval of
    `tilting`, which is Wilson's for right-or-wrong values and has width where all values are equal.
    """
    import numpy as np

    total = np.asarray(values, float)
    size = np.ones(1) if sizes is None else np.asarray(sizes, float)
    n, whole = len(total), math.fsum(np.broadcast_to(size, total.shape))
    mean = min(1.0, max(0.0, math.fsum(total) / whole))
    off = total - mean * size
    stderr = math.sqrt(math.fsum(off * off) * n / (n - 1)) / whole if n > 1 else math.nan
    low, high = (_mean_end(total, size, mean, side) for side in (-1.0, 1.0))
    return Estimate(value=mean, stderr=stderr, low=low, high=high, n=n)


def mean_pivot(total: FloatArray, size: FloatArray, mean: FloatArray | float) -> FloatArray:
    """The statistic of `bounded_mean` for a supposed mean, over its critical value: the interval is where it lies
    between -1 and 1. Leading axes are independent samples."""
    from evalharness.stats import tilting

    n = total.shape[-1]
    lopsided = tilting.lopsided(total, size, _MAKERS, _SKEWNESS)
    plain = tilting.student(total, size, mean) / (t_quantile(0.975, n - 1) if n > 1 else 1.0)
    return _replaced(plain, lopsided, total, size, lambda t, s: tilting.score(t, s, mean, (0.0, 1.0)) / Z95)


def _replaced(
    plain: FloatArray,
    where: NDArray[np.bool_],
    total: FloatArray,
    size: FloatArray,
    other: Callable[[FloatArray, FloatArray], FloatArray],
) -> FloatArray:
    """A statistic of samples, replaced by another for some of them."""
    import numpy as np

    found = np.array(plain)
    if bool(np.any(where)):
        found[where] = other(total[where], size if size.ndim == 1 else size[where])
    return found


def _mean_end(total: FloatArray, size: FloatArray, mean: float, side: float) -> float:
    """One end of the interval; the end of the range where that is not ruled out."""
    from scipy.optimize import brentq

    outer = 1e-9 if side < 0 else 1 - 1e-9
    if (mean - outer) * side >= 0:
        return 0.0 if side < 0 else 1.0

    def beyond(supposed: float) -> float:
        return float(mean_pivot(total, size, supposed)) + side

    if beyond(outer) * side > 0:
        return 0.0 if side < 0 else 1.0
    return float(brentq(beyond, min(max(mean, 1e-9), 1 - 1e-9), outer, xtol=1e-10))


def stratified(groups: Sequence[Sequence[float]]) -> Estimate | None:
    """The unweighted mean of group means, with the standard error of a stratified sample and a 95 % interval.

    A group of one tells nothing of its spread; it is given that of all values together, no smaller on average. The
    interval is Wilson's at the number of independent values that would have this variance: see `stratified_ends`.
    """
    import numpy as np

    groups = [g for g in groups if g]
    if not groups:
        return None
    if len(groups) == 1:
        return bounded_mean(groups[0]) if _in_range(groups[0]) else mean_interval(groups[0])
    together = sample_variance([v for g in groups for v in g])
    sizes = np.array([len(g) for g in groups])
    means = np.array([math.fsum(g) / len(g) for g in groups])
    spread = np.array([sample_variance(g) if len(g) > 1 else together for g in groups])
    if all(_in_range(g) for g in groups):
        value, stderr, low, high = (float(x) for x in stratified_ends(means, spread, sizes))
    else:
        value, stderr = float(means.mean()), math.sqrt(float(np.sum(spread / sizes))) / len(groups)
        half = t_quantile(0.975, _freedom(sizes)) * stderr if stderr > 0 else math.inf
        low, high = value - half, value + half
    return Estimate(value=value, stderr=stderr, low=low, high=high, n=int(sizes.sum()))


def _in_range(values: Sequence[float]) -> bool:
    return min(values) >= 0.0 and max(values) <= 1.0


def stratified_ends(
    means: FloatArray, variances: FloatArray, sizes: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Value, standard error, low and high of a mean of group means in [0, 1]; groups on the last axis.

    With n0 values that all had the macro mean m, the variance would be m(1-m)/n0; the observed one stands in the ratio
    r to that (as a survey's design effect, Korn and Graubard 1998, Survey Methodology 24:193). Few failures say little
    of r, so one more that had ratio 1 is counted in. Wilson's interval at n0/r, with Student's t for the small groups.
    """
    import numpy as np

    k = means.shape[-1]
    shares = 1 / (k * k * sizes)
    even = 1 / float(shares.sum())
    value = means.mean(-1)
    variance = np.sum(variances * shares, -1)
    plain = value * (1 - value)
    ratio = np.where(plain > 0, even * variance / np.maximum(plain, 1e-300), 1.0)
    events = even * np.minimum(value, 1 - value)
    n = even * (events + 1) / (events * ratio + 1)
    z = t_quantile(0.975, _freedom(sizes))
    centre, scale = value + z * z / (2 * n), 1 + z * z / n
    half = z * np.sqrt(plain / n + (z / (2 * n)) ** 2)
    low, high = np.maximum((centre - half) / scale, 0.0), np.minimum((centre + half) / scale, 1.0)
    return value, np.sqrt(variance), np.minimum(low, value), np.maximum(high, value)


def _freedom(sizes: IntArray) -> float:
    """Satterthwaite's degrees of freedom of the variance of a mean of group means, were all groups as spread."""
    import numpy as np

    shares, single = 1 / sizes, sizes == 1
    parts = float(np.sum(shares[~single] ** 2 / (sizes[~single] - 1)))
    if single.any():
        parts += float(single.sum()) ** 2 / max(1, int(sizes.sum()) - 1)
    return max(1.0, float(shares.sum()) ** 2 / parts)


def mean_of_estimates(parts: Sequence[Estimate]) -> Estimate:
    """The plain mean of independent figures; the distance to either end adds up by squares (Zou and Donner 2008,
    https://doi.org/10.1002/sim.3095), so that it leaves no range that none of them leaves."""
    k = len(parts)
    value = math.fsum(p.value for p in parts) / k
    below = math.sqrt(math.fsum((p.value - p.low) ** 2 for p in parts)) / k
    above = math.sqrt(math.fsum((p.high - p.value) ** 2 for p in parts)) / k
    stderr = math.sqrt(math.fsum(p.stderr**2 for p in parts)) / k
    return Estimate(value=value, stderr=stderr, low=value - below, high=value + above, n=sum(p.n for p in parts))


def normal_quantile(probability: float) -> float:
    """The z below which a standard normal value lies with this probability."""
    from statistics import NormalDist

    return NormalDist().inv_cdf(probability)


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


def normal_cdf(z: float) -> float:
    """The probability of a standard normal value below z."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


# Below these a paired t test is not trusted (perf/coverage.py): a wrong verdict would come too often.
_TEST_MAKERS, _TEST_SKEWNESS = 20, 0.02


def paired_mean(differences: FloatArray, confidence: float) -> Paired:
    """The mean of graded differences in [-1, 1]: Student's t, or the score test of `tilting` where t is too narrow.

    That is, while few items make up the variance, or few large drops make it lopsided. With all differences equal it is
    Tango's bound for zero flips, and with nothing but whole flips `paired_binary`.
    """
    import numpy as np

    n, value = len(differences), float(np.mean(differences))
    if n < 2 or bool(np.all(differences == differences[0])):
        return _all_equal(value, n, confidence)
    if bool(np.all(np.isin(differences, (-1.0, 0.0, 1.0)))):
        return paired_binary(int(np.sum(differences > 0)), int(np.sum(differences < 0)), n, confidence)
    return _paired_units(differences, np.ones(1), confidence, ("paired t", "paired score"))


def _paired_units(total: FloatArray, size: FloatArray, confidence: float, methods: tuple[str, str]) -> Paired:
    """The paired difference over units (items, or clusters of them): sums and sizes. `methods` name t and score."""
    import numpy as np

    units, whole = len(total), float(np.sum(np.broadcast_to(size, total.shape)))
    value = float(np.sum(total)) / whole
    lopsided = bool(paired_lopsided(total, size))

    def statistic(supposed: float) -> float:
        return float(paired_statistic(total, size, max(-1 + 1e-9, min(1 - 1e-9, supposed))))

    z = t_quantile((1 + confidence) / 2, units - 1)
    low, high = (_paired_end(statistic, value, side, z) for side in (-1.0, 1.0))
    off = total - value * size
    sd = math.sqrt(float(np.sum(off**2)) * units / (units - 1) / whole)
    p_worse = lambda margin: t_cdf(statistic(-margin), units - 1)
    return Paired(value=value, low=low, high=high, sd=sd, method=methods[lopsided], p_worse=p_worse)


def paired_statistic(total: FloatArray, size: FloatArray, supposed: FloatArray | float) -> FloatArray:
    """The statistic of a paired test for a supposed difference, to be held against Student's t with units - 1 degrees
    of freedom. Leading axes are independent samples."""
    from evalharness.stats import tilting

    lopsided = paired_lopsided(total, size)
    plain = tilting.student(total, size, supposed)
    ends = (-1.0, 1.0)
    return _replaced(plain, lopsided, total, size, lambda t, s: tilting.score(t, s, supposed, ends, skew=True))


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
    z2 = normal_quantile((1 + confidence) / 2) ** 2
    half = z2 / (n + z2)

    def p_worse(margin: float) -> float:
        beyond = min(abs(margin + value), 1 - 1e-12)
        z = math.sqrt(n * beyond / (1 - beyond))
        return normal_cdf(z if margin + value > 0 else -z)

    return Paired(value=value, low=value - half, high=value + half, sd=0.0, method="all equal", p_worse=p_worse)


def paired_clustered(differences: FloatArray, clusters: IntArray, confidence: float) -> Paired:
    """The mean difference where items come in clusters that go together: the clusters are what was sampled.

    Student's t on G - 1 degrees of freedom with cluster-robust errors (CR1) where many clusters make up the variance
    and none dominates, else the score test of `tilting` over clusters, which a few broken clusters cannot deceive.
    """
    import numpy as np

    _, place = np.unique(clusters, return_inverse=True)
    size = np.bincount(place).astype(float)
    count = len(size)
    if count < 2 or bool(np.all(differences == differences[0])):
        # One cluster says nothing of the spread between clusters: it counts as one item.
        return _all_equal(float(np.mean(differences)), count, confidence)
    total = np.asarray(np.bincount(place, differences), float)
    return _paired_units(total, size, confidence, ("clustered t", "clustered score"))


def mcnemar(fixed: int, broke: int) -> float:
    """Exact two-sided McNemar test that as many items got fixed as broke; 1 when nothing changed."""
    from scipy.stats import binomtest

    return float(binomtest(broke, fixed + broke).pvalue) if fixed + broke else 1.0


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


POWER = 0.8


def detectable(sd: float, n: int, alpha: float) -> float:
    """The smallest true drop that a one-sided test at `alpha` finds with 80 % power."""
    return (normal_quantile(1 - alpha) + normal_quantile(POWER)) * sd / math.sqrt(n)


def zero_flip_items(margin: float, alpha: float) -> int:
    """How many items without a single flip rule out a loss of `margin` (133 for 2 points at 5 %)."""
    return math.ceil(normal_quantile(1 - alpha) ** 2 * (1 - margin) / margin)


def items_to_pass(sd: float, margin: float, alpha: float) -> int:
    """How many items pass with 80 % power if nothing changed; never fewer than without any flip."""
    z = normal_quantile(1 - alpha) + normal_quantile(POWER)
    return max(math.ceil((z * sd / margin) ** 2), zero_flip_items(margin, alpha))
