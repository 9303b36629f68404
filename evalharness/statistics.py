"""Intervals and tests. scipy and statsmodels do what they do; own code stands only where they have nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from evalharness.records import Estimate

Z95 = 1.959963984540054


def wilson(successes: int, n: int, z: float = Z95) -> Estimate:
    """A proportion with Wilson's score interval (1927, https://doi.org/10.2307/2276774); stderr is sqrt(pq/n)."""
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Estimate(value=p, stderr=math.sqrt(p * (1 - p) / n), low=low, high=high, n=n)


def sample_variance(values: Sequence[float]) -> float:
    """Variance with n - 1; 0 for fewer than two values."""
    n = len(values)
    if n < 2:
        return 0.0
    mean = math.fsum(values) / n
    return math.fsum((v - mean) ** 2 for v in values) / (n - 1)


def mean_interval(values: Sequence[float]) -> Estimate:
    """A mean with Student's t interval at 95 %; with fewer than two values the interval is unbounded."""
    from scipy.stats import t

    n = len(values)
    mean = math.fsum(values) / n
    if n < 2:
        return Estimate(value=mean, stderr=math.nan, low=-math.inf, high=math.inf, n=n)
    stderr = math.sqrt(sample_variance(values) / n)
    half = float(t.ppf(0.975, n - 1)) * stderr
    return Estimate(value=mean, stderr=stderr, low=mean - half, high=mean + half, n=n)


def stratified(groups: Sequence[Sequence[float]]) -> Estimate | None:
    """The unweighted mean of group means, with the standard error of a stratified sample."""
    groups = [g for g in groups if g]
    if not groups:
        return None
    k, n = len(groups), sum(len(g) for g in groups)
    value = math.fsum(math.fsum(g) / len(g) for g in groups) / k
    stderr = math.sqrt(math.fsum(sample_variance(g) / len(g) for g in groups)) / k
    return Estimate(value=value, stderr=stderr, low=value - Z95 * stderr, high=value + Z95 * stderr, n=n)
