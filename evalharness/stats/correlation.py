"""Correlations and their intervals.

An interval is the wider of the jackknife's and of a drawn one, in which every answer gets a random weight (Rubin's
Bayesian bootstrap, 1981, https://doi.org/10.1214/aos/1176345338), and so does, lightly, an answer far off that was not
seen and may be. Without that the interval is absurd where absurd answers are few (perf/coverage.py).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from evalharness.stats.intervals import Z95, t_quantile

_Floats = NDArray[np.float64]
_DRAWS = 1000
CORNERS = 0.1  # the weight, in answers, of what was not seen at either far corner


def correlation_of(said: _Floats, right: _Floats, weights: _Floats) -> _Floats:
    """The weighted correlation over the last axis; 0 where one side is constant."""
    each = weights / np.sum(np.broadcast_to(weights, said.shape), -1, keepdims=True)
    x, y = said - np.sum(each * said, -1, keepdims=True), right - np.sum(each * right, -1, keepdims=True)
    spread = np.sum(each * x * x, -1) * np.sum(each * y * y, -1)
    return np.where(spread > 1e-18, np.sum(each * x * y, -1) / np.sqrt(np.maximum(spread, 1e-300)), 0.0)


def correlation_ends(
    said: _Floats, right: _Floats, draw: np.random.Generator, draws: int = _DRAWS
) -> tuple[_Floats, _Floats, _Floats]:
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


def _without_one(said: _Floats, right: _Floats) -> _Floats:
    """The correlation without each of the items in turn."""
    m = said.shape[-1] - 1
    x, y = said - said.mean(-1, keepdims=True), right - right.mean(-1, keepdims=True)
    products = [np.sum(a * b, -1, keepdims=True) - a * b - a * b / m for a, b in ((x, x), (y, y), (x, y))]
    spread = products[0] * products[1]
    return np.where(spread > 1e-18, products[2] / np.sqrt(np.maximum(spread, 1e-300)), 0.0)


def _with_corners(said: _Floats, right: _Floats, draw: np.random.Generator, draws: int) -> _Floats:
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
    found: _Floats = (sxy - sx * sy) / np.sqrt(spread)
    return found
