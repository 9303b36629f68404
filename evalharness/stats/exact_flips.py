"""The exact chance of flips as far off as those seen, for a supposed difference of two runs over the same items.

An unconditional test: outcomes are ordered by Tango's statistic, and the chance is the largest over the share of items
that flip in both directions, searched over the shares that the flips leave plausible (Berger and Boos 1994,
https://doi.org/10.1080/01621459.1994.10476836). For few flips; their number bounds the work.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# What the search over shares may miss; it is added to the chance.
_OUTSIDE = 0.001
_SHARES = 30


@lru_cache(maxsize=4096)
def tail(fixed: int, broke: int, n: int, difference: float, side: int) -> float:
    """The chance of an outcome no more favourable to NEW (side -1), or no less (side 1), were `difference` true.

    `fixed` items went from wrong to right, `broke` from right to wrong, of n.
    """
    if abs(difference) >= 1 or (difference < -broke / n - 0.5 and side > 0):
        return 0.0 if (difference < 0) == (side > 0) else 1.0
    most = _most(fixed + broke, n)
    floor = abs(difference)
    if most <= floor:
        return 0.0 if side * ((fixed - broke) / n - difference) > 0 else 1.0
    # The share that flips either way is at least the difference itself; what is above it splits evenly.
    shares = (np.linspace(0.0, math.sqrt(most - floor), _SHARES) ** 2) / 2
    down, up = shares + max(-difference, 0.0), shares + max(difference, 0.0)
    won, lost = (np.arange(_reach(n * float(share.max()), n) + 1.0) for share in (up, down))
    gains, losses = np.meshgrid(won, lost, indexing="ij")
    seen = _statistic(np.array(float(fixed)), np.array(float(broke)), n, difference)
    order = _statistic(gains, losses, n, difference)
    within = ((order <= seen + 1e-9) if side < 0 else (order >= seen - 1e-9)) & (gains + losses <= n)
    return min(1.0, _chances(gains[within], losses[within], n, up, down) + _OUTSIDE)


def _reach(mean: float, n: int) -> int:
    """A count that is not exceeded: six standard deviations above the mean, and six."""
    return min(n, math.ceil(mean + 6 * math.sqrt(mean) + 6))


def _most(flips: int, n: int) -> float:
    """The largest share of flips that so few are not unlikely under (Clopper and Pearson, one-sided)."""
    from scipy.special import betaincinv

    return 1.0 if flips >= n else float(betaincinv(flips + 1, n - flips, 1 - _OUTSIDE))


def _statistic(fixed: Floats, broke: Floats, n: int, difference: float) -> Floats:
    """`statistics.tango_statistic` for arrays of outcomes."""
    b = -fixed - broke + (2 * n - fixed + broke) * difference
    c = -broke * difference * (1 - difference)
    share = (np.sqrt(np.maximum(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    above, below = fixed - broke - n * difference, n * (2 * share + difference * (1 - difference))
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(below > 1e-12, above / np.sqrt(np.maximum(below, 1e-300)), np.sign(above) * np.inf)
    return np.where((below <= 1e-12) & (np.abs(above) < 1e-12), 0.0, found)


def _chances(gains: Floats, losses: Floats, n: int, up: Floats, down: Floats) -> float:
    """The trinomial probability of the outcomes given, the largest over the pairs of shares."""
    from scipy.special import gammaln, xlog1py, xlogy

    rest = n - gains - losses
    ways = gammaln(n + 1) - gammaln(gains + 1) - gammaln(losses + 1) - gammaln(rest + 1)
    total = np.zeros(len(up))
    for i, (u, d) in enumerate(zip(up, down, strict=True)):
        logs = ways + xlogy(gains, u) if u else np.where(gains > 0, -np.inf, ways)
        logs = logs + xlogy(losses, d) if d else np.where(losses > 0, -np.inf, logs)
        total[i] = np.sum(np.exp(logs + xlog1py(rest, -(u + d))))
    return float(total.max())


def widened(fixed: int, broke: int, n: int, confidence: float, ends: tuple[float, float]) -> tuple[float, float]:
    """The ends of an interval moved out until the exact chance of either is at most half of 1 - confidence."""
    alpha = (1 - confidence) / 2
    return _moved(fixed, broke, n, alpha, ends[0], -1), _moved(fixed, broke, n, alpha, ends[1], 1)


def _moved(fixed: int, broke: int, n: int, alpha: float, end: float, side: int) -> float:
    """By bisection on a rising step; the end of the range where even that is not ruled out."""
    if tail(fixed, broke, n, end, -side) <= alpha:
        return end
    step, inner = 1 / n, end
    outer = end + side * step
    while abs(outer) < 1 and tail(fixed, broke, n, outer, -side) > alpha:
        inner, step = outer, 2 * step
        outer = outer + side * step
    if abs(outer) >= 1:
        return float(side)
    while abs(outer - inner) > 1e-5:
        middle = (outer + inner) / 2
        if tail(fixed, broke, n, middle, -side) > alpha:
            inner = middle
        else:
            outer = middle
    return outer
