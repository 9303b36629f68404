"""Intervals and tests. scipy and statsmodels do what they do; own code stands only where they have nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from evalharness.records import Estimate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

Z95 = 1.959963984540054
# Why a figure has no interval.
UNVARIED = "all values are the same, or there is one only, which does not tell how far they spread"


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

    The interval is unbounded where nothing tells the spread: a single value, or several that are all the same (but for
    rounding).
    """
    n = len(values)
    mean = math.fsum(values) / n
    if _unvaried(values):
        return Estimate(value=mean, stderr=math.nan if n < 2 else 0.0, low=-math.inf, high=math.inf, n=n)
    stderr = math.sqrt(sample_variance(values) / n)
    half = t_quantile(0.975, n - 1) * stderr
    return Estimate(value=mean, stderr=stderr, low=mean - half, high=mean + half, n=n)


def skewed_mean(values: Sequence[float], lowest: float = 0.0) -> Estimate:
    """A mean of values that have a lower end and no upper one (seconds, tokens, attempts), with its 95 % interval: that
    of `skewed_ends`, cut off at `lowest`. Unbounded where `mean_interval` is."""
    import numpy as np

    plain = mean_interval(values)
    if not math.isfinite(plain.low):
        return plain
    low, high = (float(end) for end in skewed_ends(np.asarray(values, float)))
    return replace(plain, low=max(lowest, low), high=high)


def skewed_ends(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Low and high of the mean of values (last axis) by Student's t after Hall's transformation, which takes out the
    skewness (Hall 1992, Journal of the Royal Statistical Society B 54:221). Few values show less skewness than there
    is: it is taken 1 + 8.5/n times (Hazen 1930, Flood Flows)."""
    import numpy as np

    n = values.shape[-1]
    mean, off = values.mean(-1), values - values.mean(-1, keepdims=True)
    spread = np.sqrt(np.mean(off**2, -1))
    skewness = (1 + 8.5 / n) * np.mean(off**3, -1) / np.maximum(spread**3, 1e-300)
    bend = np.where(np.abs(skewness) < 1e-9, 1e-9, skewness)
    sd, z = spread * math.sqrt(n / max(1, n - 1)), t_quantile(0.975, n - 1) / math.sqrt(n)
    low, high = (mean - sd * 3 / bend * (np.cbrt(1 + bend * (end - bend / (6 * n))) - 1) for end in (z, -z))
    return low, high


def _unvaried(values: Sequence[float]) -> bool:
    return len(values) < 2 or max(values) - min(values) <= _ROUNDING * max(map(abs, values))


_ROUNDING = 1e-12  # relative; means of the same values in another order differ by less


def in_range(found: Estimate, lowest: float, highest: float) -> Estimate:
    """A figure with its interval in the range that it cannot leave. Where the interval has no width, as of a sample
    that does not vary, it is unbounded: nothing tells the spread."""
    low, high = max(lowest, min(found.low, found.value)), min(highest, max(found.high, found.value))
    if high - low <= _ROUNDING * max(abs(low), abs(high)):
        low, high = -math.inf, math.inf
    return replace(found, low=low, high=high)


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


def mean_pivot(total: FloatArray, size: FloatArray, mean: float) -> FloatArray:
    """The statistic of `bounded_mean` for a supposed mean, over its critical value: the interval is where it lies
    between -1 and 1. Leading axes are independent samples."""
    from evalharness.stats import tilting

    n = total.shape[-1]
    lopsided = tilting.lopsided(total, size, _MAKERS, _SKEWNESS)
    plain = tilting.student(total, size, mean) / (t_quantile(0.975, n - 1) if n > 1 else 1.0)
    return replaced_where(plain, lopsided, total, size, lambda t, s: tilting.score(t, s, mean, (0.0, 1.0)) / Z95)


def replaced_where(
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
        return bounded_mean(groups[0]) if _all_in_unit(groups[0]) else mean_interval(groups[0])
    together = sample_variance([v for g in groups for v in g])
    sizes = np.array([len(g) for g in groups])
    means = np.array([math.fsum(g) / len(g) for g in groups])
    spread = np.array([sample_variance(g) if len(g) > 1 else together for g in groups])
    if all(_all_in_unit(g) for g in groups):
        value, stderr, low, high = (float(x) for x in stratified_ends(means, spread, sizes))
    else:
        value, stderr = float(means.mean()), math.sqrt(float(np.sum(spread / sizes))) / len(groups)
        half = t_quantile(0.975, _freedom(sizes)) * stderr if stderr > 0 else math.inf
        low, high = value - half, value + half
    return Estimate(value=value, stderr=stderr, low=low, high=high, n=int(sizes.sum()))


def _all_in_unit(values: Sequence[float]) -> bool:
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


def difference_of_estimates(first: Estimate, second: Estimate) -> Estimate:
    """The first of two independent figures minus the second, by the same rule as `mean_of_estimates`: it leaves no
    range that the two cannot leave, and has the width that they have."""
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    low, high = max(value - below, first.low - second.high), min(value + above, first.high - second.low)
    stderr = math.hypot(first.stderr, second.stderr)
    return Estimate(value=value, stderr=stderr, low=low, high=high, n=first.n + second.n)


def bounded_difference(values: Sequence[float]) -> Estimate:
    """A mean of differences in [-1, 1] with its 95 % interval there: `bounded_mean` of values moved to [0, 1]."""
    found = bounded_mean([min(1.0, max(0.0, (v + 1) / 2)) for v in values])
    value, low, high = (2 * end - 1 for end in (found.value, found.low, found.high))
    return Estimate(value=value, stderr=2 * found.stderr, low=low, high=high, n=found.n)


def mean_of_estimates(parts: Sequence[Estimate], weights: Sequence[float] | None = None) -> Estimate:
    """The mean of independent figures, the plain one without `weights`; the distance to either end adds up by squares
    (Zou and Donner 2008, https://doi.org/10.1002/sim.3095), so that it leaves no range that none of them leaves."""
    total = math.fsum(weights) if weights is not None else float(len(parts))
    pairs = list(zip(parts, [1.0] * len(parts) if weights is None else weights, strict=True))
    value = math.fsum(w * p.value for p, w in pairs) / total
    below = math.sqrt(math.fsum((w * (p.value - p.low)) ** 2 for p, w in pairs)) / total
    above = math.sqrt(math.fsum((w * (p.high - p.value)) ** 2 for p, w in pairs)) / total
    # Rounding could carry an end a hair beyond the means of the ends.
    low = max(value - below, math.fsum(w * p.low for p, w in pairs) / total)
    high = min(value + above, math.fsum(w * p.high for p, w in pairs) / total)
    stderr = math.sqrt(math.fsum((w * p.stderr) ** 2 for p, w in pairs)) / total
    return Estimate(value=value, stderr=stderr, low=low, high=high, n=sum(p.n for p in parts))


def normal_quantile(probability: float) -> float:
    """The z below which a standard normal value lies with this probability."""
    from statistics import NormalDist

    return NormalDist().inv_cdf(probability)


def normal_cdf(z: float) -> float:
    """The probability of a standard normal value below z."""
    return 0.5 * math.erfc(-z / math.sqrt(2))
