"""The score test of a mean of bounded values, which holds where Student's t does not: few, skewed, or all equal values.

For a supposed mean the sample is reweighted, as little as empirical likelihood allows (Owen 1988,
https://doi.org/10.1093/biomet/75.2.237), until it has that mean, and the variance is taken from the reweighted sample.
With right-or-wrong values this is Wilson's score test; with values of -1, 0 and 1 it is Tango's. The two ends of the
range join the sample with a tiny weight, so that what was not seen yet (the first failure) is allowed for: a mean of 1
from six right answers has an interval, and none reaches beyond the ends.

All arrays have the items on their last axis; leading axes are independent samples, which simulations use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# The weight of each end of the range, in items. Coverage hardly depends on it (.001 to .05, perf/coverage.py).
END_WEIGHT = 0.01
_STEPS = 60


def score(
    total: Floats, size: Floats, mean: Floats | float, ends: tuple[float, float], *, skew: bool = False
) -> Floats:
    """The score statistic, standard normal where `mean` is the true one; it falls as `mean` grows.

    `total` and `size` are the sums and sizes of the units, broadcast against each other (size 1: single values); the
    mean is sum(total) / sum(size). `skew` corrects for the skewness of the units (Laud 2017,
    https://doi.org/10.1002/pst.1813) and takes the variance with n - 1: for tests of one side.
    """
    n = total.shape[-1]
    points, weights = _reweighted(total, size, mean, ends)
    variance = np.maximum(np.sum(weights * points**2, -1), 1e-300)
    found: Floats = np.mean(points[..., :n], -1) * np.sqrt((n - 1 if skew else n) / variance)
    if not skew:
        return found
    bend = np.sum(weights * points**3, -1) / (6 * variance**1.5 * np.sqrt(n))
    inside = 1 + 4 * bend * (found + bend)
    with np.errstate(divide="ignore", invalid="ignore"):
        bent = (np.sqrt(np.maximum(inside, 0)) - 1) / (2 * bend)
    return np.where(np.abs(bend) < 1e-9, found, np.where(inside < 0, np.copysign(np.inf, found), bent))


def _reweighted(total: Floats, size: Floats, mean: Floats | float, ends: tuple[float, float]) -> tuple[Floats, Floats]:
    """The units' distances from the supposed mean, the two ends last, and the weights under which their sum is 0."""
    supposed = np.asarray(mean, float)[..., None]
    points = total - supposed * size
    typical = np.broadcast_to(np.mean(size, -1, keepdims=True), (*points.shape[:-1], 1))
    points = np.concatenate([points, *(typical * (end - supposed) for end in ends)], -1)
    plain = np.ones(points.shape[-1])
    plain[-2:] = END_WEIGHT
    low, high = -1 / points.max(-1, keepdims=True), -1 / points.min(-1, keepdims=True)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        above = np.sum(plain * points / (1 + middle * points), -1, keepdims=True) > 0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    weights = plain / (1 + (low + high) / 2 * points)
    return points, weights / np.sum(weights, -1, keepdims=True)


def lopsided(total: Floats, size: Floats, units: int, skewness: float) -> NDArray[np.bool_]:
    """Whether Student's t cannot be trusted: fewer than `units` units make up the variance (the fourth moment says how
    many do), or the skewness of their mean is above `skewness`."""
    n = total.shape[-1]
    centre = np.sum(total, -1, keepdims=True) / np.sum(np.broadcast_to(size, total.shape), -1, keepdims=True)
    off = total - centre * size
    second = np.sum(off**2, -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        makers = second**2 / np.sum(off**4, -1)
        bent = np.abs(np.sum(off**3, -1)) / second**1.5
    flat = second <= 1e-24 * n
    return np.asarray(flat | ~(makers >= units) | ~(bent < skewness))


def student(total: Floats, size: Floats, mean: Floats | float) -> Floats:
    """Student's t statistic of the same mean, n - 1 degrees of freedom (CR1 where units are clusters)."""
    n = total.shape[-1]
    sizes = np.broadcast_to(size, total.shape)
    value = np.sum(total, -1) / np.sum(sizes, -1)
    off = total - value[..., None] * sizes
    with np.errstate(divide="ignore", invalid="ignore"):
        stderr = np.sqrt(np.sum(off**2, -1) * (n / np.float64(n - 1))) / np.sum(sizes, -1)
        found: Floats = (value - np.asarray(mean)) / stderr
    return found
