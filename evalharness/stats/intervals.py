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
    """A mean with Student's t interval at 95 %; with fewer than two values the interval is unbounded."""
    n = len(values)
    mean = math.fsum(values) / n
    if n < 2:
        return Estimate(value=mean, stderr=math.nan, low=-math.inf, high=math.inf, n=n)
    stderr = math.sqrt(sample_variance(values) / n)
    half = t_quantile(0.975, n - 1) * stderr
    return Estimate(value=mean, stderr=stderr, low=mean - half, high=mean + half, n=n)


def stratified(groups: Sequence[Sequence[float]]) -> Estimate | None:
    """The unweighted mean of group means, with the standard error of a stratified sample.

    A group of one tells nothing of its spread; it is given that of all values together, no smaller on average.
    """
    groups = [g for g in groups if g]
    if not groups:
        return None
    k, n = len(groups), sum(len(g) for g in groups)
    value = math.fsum(math.fsum(g) / len(g) for g in groups) / k
    together = sample_variance([v for g in groups for v in g])
    spread = [(sample_variance(g) if len(g) > 1 else together) / len(g) for g in groups]
    stderr = math.sqrt(math.fsum(spread)) / k
    return Estimate(value=value, stderr=stderr, low=value - Z95 * stderr, high=value + Z95 * stderr, n=n)


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


def paired_binary(fixed: int, broke: int, n: int, confidence: float) -> Paired:
    """The difference of two proportions over the same n items, one answer each, by Tango's score method."""
    low, high = tango(fixed, broke, n, confidence)
    value = (fixed - broke) / n
    sd = math.sqrt(max((fixed + broke) / n - value * value, 0.0))
    p_worse = lambda margin: normal_cdf(tango_statistic(fixed, broke, n, -margin))
    return Paired(value=value, low=low, high=high, sd=sd, method="tango", p_worse=p_worse)


def normal_cdf(z: float) -> float:
    """The probability of a standard normal value below z."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


FEW_CHANGES = 10


def paired_mean(differences: FloatArray, confidence: float) -> Paired:
    """The mean of graded differences in [-1, 1] by Student's t.

    The t interval is too narrow while hardly any item changes. With all differences equal it is Tango's bound for zero
    flips; with fewer than ten changes one change of full size is added in either direction (as Bonett and Price 2012
    do for proportions, https://doi.org/10.3102/1076998611411915) before the spread is taken.
    """
    import numpy as np

    n, value = len(differences), float(np.mean(differences))
    sd = float(np.std(differences, ddof=1)) if n > 1 else 0.0
    if n < 2 or bool(np.all(differences == differences[0])):
        return _all_equal(value, n, confidence)
    spread = differences
    if np.count_nonzero(differences) < FEW_CHANGES:
        spread = np.concatenate([differences, [1.0, -1.0]])
    stderr = float(np.std(spread, ddof=1)) / math.sqrt(len(spread))
    half = t_quantile((1 + confidence) / 2, n - 1) * stderr
    p_worse = lambda margin: t_cdf((value + margin) / stderr, n - 1)
    return Paired(value=value, low=value - half, high=value + half, sd=sd, method="paired t", p_worse=p_worse)


def _all_equal(value: float, n: int, confidence: float) -> Paired:
    z2 = normal_quantile((1 + confidence) / 2) ** 2
    half = z2 / (n + z2)

    def p_worse(margin: float) -> float:
        beyond = min(abs(margin + value), 1 - 1e-12)
        z = math.sqrt(n * beyond / (1 - beyond))
        return normal_cdf(z if margin + value > 0 else -z)

    return Paired(value=value, low=value - half, high=value + half, sd=0.0, method="all equal", p_worse=p_worse)


def paired_clustered(differences: FloatArray, clusters: IntArray, confidence: float) -> Paired:
    """The mean difference with cluster-robust standard errors (CR1) and t on G - 1 degrees of freedom."""
    import numpy as np
    from statsmodels.regression.linear_model import OLS

    n, count = len(differences), len(np.unique(clusters))
    if count < 2 or bool(np.all(differences == differences[0])):
        # One cluster says nothing of the spread between clusters: it counts as one item.
        return _all_equal(float(np.mean(differences)), count, confidence)
    fit = OLS(differences, np.ones(n)).fit(
        cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": True}, use_t=True
    )
    value, stderr = float(fit.params[0]), max(float(fit.bse[0]), 1e-12)
    half = t_quantile((1 + confidence) / 2, count - 1) * stderr
    p_worse = lambda margin: t_cdf((value + margin) / stderr, count - 1)
    sd = float(np.std(differences, ddof=1))
    return Paired(value=value, low=value - half, high=value + half, sd=sd, method="clustered t", p_worse=p_worse)


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
