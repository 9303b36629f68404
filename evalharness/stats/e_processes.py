"""E-processes: evidence on the mean of bounded values that may be looked at again and again.

Betting on the mean: Waudby-Smith and Ramdas 2024, https://arxiv.org/abs/2010.09686.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
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
    """Evidence that the mean difference lies above, and below, -margin; each starts at 1."""

    margin: float
    n: int = 0
    _above: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(BETS)))
    _below: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(BETS)))

    def add(self, lowest: float, highest: float) -> None:
        """One more item: its difference new - base in [-1, 1], or the bounds on it where a value is missing."""
        null = (1 - self.margin) / 2
        self._above += np.log1p(BETS * ((lowest + 1) / 2 - null) / null)
        self._below += np.log1p(-BETS * ((highest + 1) / 2 - null) / (1 - null))
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
