"""E-processes: evidence on the mean of bounded values that may be looked at again and again.

Betting on the mean: Waudby-Smith and Ramdas 2024, https://arxiv.org/abs/2010.09686.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Decision = Literal["pass", "fail"]


BETS: NDArray[np.float64] = np.geomspace(0.02, 0.9, 24)


FIRST_LOOK, LOOK_EVERY = 30, 10
EARLY_SHARE = 0.2  # of alpha


def evidence_needed(alpha: float) -> float:
    """The e-value at which a process decides; 100 at 5 %."""
    return 1 / (EARLY_SHARE * alpha)


def final_alpha(alpha: float) -> float:
    """The error rate left for the test at the planned number of items; .04 of .05."""
    return (1 - EARLY_SHARE) * alpha


@dataclass(slots=True)
class EProcess:
    """Evidence that the mean difference lies above, and below, -margin; each starts at 1. Differences lie within
    `reach` on either side of 0."""

    margin: float
    reach: float = 1.0
    n: int = 0
    _above: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(BETS)))
    _below: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(BETS)))

    def add(self, lowest: float, highest: float) -> None:
        """One more item: its difference new - base, or the bounds on it where a value is missing."""
        null = (1 - self.margin / self.reach) / 2
        self._above += np.log1p(BETS * ((lowest / self.reach + 1) / 2 - null) / null)
        self._below += np.log1p(-BETS * ((highest / self.reach + 1) / 2 - null) / (1 - null))
        self.n += 1

    @property
    def passing(self) -> float:
        """The e-value for "the loss is smaller than the margin"."""
        return _mean_exp(self._above)

    @property
    def failing(self) -> float:
        """The e-value for "the loss is larger than the margin"."""
        return _mean_exp(self._below)

    def look(self, needed: float) -> Decision | None:
        """The decision, at the looks that were agreed beforehand."""
        if self.n < FIRST_LOOK or self.n % LOOK_EVERY:
            return None
        return "pass" if self.passing >= needed else "fail" if self.failing >= needed else None


def _mean_exp(logs: NDArray[np.float64]) -> float:
    most = float(logs.max())
    return math.exp(min(most, 700.0)) * float(np.mean(np.exp(logs - most)))


# The means that a confidence sequence tries: every quarter of a point near 0, every point beyond a tenth.
SUPPOSED: NDArray[np.float64] = np.round(
    np.concatenate([np.arange(-0.99, -0.1, 0.01), np.arange(-0.1, 0.1, 0.0025), np.arange(0.1, 0.995, 0.01)]), 4
)


@dataclass(slots=True)
class ConfidenceSequence:
    """Bounds on the mean of differences in [-1, 1] that hold at all looks at once: what an e-process for each supposed
    mean has not ruled out yet.

    `needed` is the e-value at which a supposed mean is given up, so that either bound is wrong, ever, with a chance of
    at most 1 / `needed` (section 4 of Waudby-Smith and Ramdas). Looks are at 30, 40, 50, ... items, however the items
    come, so the same items give the same bounds.
    """

    needed: float
    low: float = -1.0
    high: float = 1.0
    n: int = 0
    _above: NDArray[np.float64] = field(default_factory=lambda: np.zeros((len(SUPPOSED), len(BETS))))
    _below: NDArray[np.float64] = field(default_factory=lambda: np.zeros((len(SUPPOSED), len(BETS))))

    def add(self, lowest: float, highest: float) -> None:
        """One more item, as `EProcess.add` takes it."""
        self._above += _gains(lowest)
        self._below += _losses(highest)
        self.n += 1
        if self.n >= FIRST_LOOK and self.n % LOOK_EVERY == 0:
            self.low = max([self.low, *SUPPOSED[_evidence(self._above) >= self.needed]])
            self.high = min([self.high, *SUPPOSED[_evidence(self._below) >= self.needed]])

    def evidence(self, supposed: float) -> tuple[float, float]:
        """The e-values now for "the mean lies above" and "below" a supposed one; between two of the grid those of the
        one that is harder to rule out."""
        above = min(int(np.searchsorted(SUPPOSED, supposed - 1e-9)), len(SUPPOSED) - 1)
        below = max(int(np.searchsorted(SUPPOSED, supposed + 1e-9)) - 1, 0)
        return float(_evidence(self._above[above])), float(_evidence(self._below[below]))


@lru_cache(maxsize=64)
def _gains(value: float) -> NDArray[np.float64]:
    """What an item adds to the logarithm of every bet that the mean lies above each supposed one."""
    null = (1 + SUPPOSED[:, None]) / 2
    return np.log1p(BETS * ((value + 1) / 2 - null) / null)


@lru_cache(maxsize=64)
def _losses(value: float) -> NDArray[np.float64]:
    """The same for "below"."""
    null = (1 + SUPPOSED[:, None]) / 2
    return np.log1p(-BETS * ((value + 1) / 2 - null) / (1 - null))


def _evidence(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """`_mean_exp` over the last axis."""
    most = logs.max(-1, keepdims=True)
    found: NDArray[np.float64] = np.exp(np.minimum(most[..., 0], 700.0)) * np.mean(np.exp(logs - most), -1)
    return found


LAST_SHARE = 0.5  # of what the last tests have left: spent on one that may not be the last


def last_levels(alpha: float, tests: int, *, complete: bool) -> list[float]:
    """The error rates of so many tests of `final_alpha`: a test after which more may be asked spends half of what is
    left, one over all there is spends the rest (`complete`: the last of these is such a one)."""
    left, found = final_alpha(alpha), []
    for number in range(tests):
        found.append(left if complete and number == tests - 1 else LAST_SHARE * left)
        left -= found[-1]
    return found
