"""Figures of confusion tables (Matthews, F1) and their intervals.

An interval is drawn: every answer (or cluster of answers) gets a random weight (Rubin's Bayesian bootstrap, 1981,
https://doi.org/10.1214/aos/1176345338), and so do, lightly, the cells of the table that were not seen and may be.
Without that the interval is too narrow while positives are rare (perf/coverage.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from evalharness.records import Estimate
from evalharness.stats.intervals import in_range

_Floats = NDArray[np.float64]
# A figure of confusion tables: counts by right label (rows) and label said (columns), leading axes free.
Figure = Callable[[_Floats], _Floats]
_DRAWS = 2000
CELLS = 2.0  # the weight of what was not seen, in answers, shared by all cells of a table


def matthews_of(tables: _Floats) -> _Floats:
    """Matthews correlation of square confusion tables (Gorodkin 2004, https://doi.org/10.1016/j.compbiolchem.2004.09.006)."""
    right, said = tables.sum(-1), tables.sum(-2)
    n = right.sum(-1)
    agree = np.trace(tables, axis1=-2, axis2=-1) * n - np.sum(right * said, -1)
    spread = (n * n - np.sum(right**2, -1)) * (n * n - np.sum(said**2, -1))
    return np.where(spread > 1e-12 * n**4, agree / np.sqrt(np.maximum(spread, 1e-300)), 0.0)


def f1_of(tables: _Floats, places: Sequence[int]) -> _Floats:
    """The mean F1 of some labels of square confusion tables; 0 without any."""
    if not places:
        return np.zeros(tables.shape[:-2])
    both = np.stack([tables[..., i, i] for i in places], -1)
    either = tables.sum(-1)[..., list(places)] + tables.sum(-2)[..., list(places)]
    found: _Floats = np.mean(np.where(either > 0, 2 * both / np.maximum(either, 1e-300), 0.0), -1)
    return found


def table_estimate(
    times: _Floats, tables: _Floats, labels: Sequence[int], of: Figure, lowest: float, draws: int = _DRAWS
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
    times: _Floats, tables: _Floats, labels: Sequence[int], draw: np.random.Generator, draws: int = _DRAWS
) -> _Floats:
    """Confusion tables from the posterior of the sample: (..., draws, K, K) from `times` (..., kinds) clusters of each
    kind of `tables` (kinds, K, K). The cells of `labels` were seen, all together, CELLS times more (for two labels that
    is Jeffreys' prior)."""
    weights = draw.standard_gamma(np.broadcast_to(times[..., None, :], (*times.shape[:-1], draws, times.shape[-1])))
    found: _Floats = (weights @ tables.reshape(len(tables), -1)).reshape(*weights.shape[:-1], *tables.shape[1:])
    size = np.sum(times * tables.sum((-1, -2)), -1) / np.sum(times, -1)
    count = max(1, len(labels))
    unseen = draw.standard_gamma(CELLS / count**2, (*found.shape[:-2], count, count))
    rows, columns = np.ix_(labels, labels)
    found[..., rows, columns] += unseen * np.asarray(size)[..., None, None, None]
    return found
