"""What several answers to each item tell of asking again: the noise of single answers, and what a whole pass shares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalharness.stats.intervals import normal_cdf, normal_quantile, t_cdf, t_quantile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassNoise:
    """Of one run with `passes` answers to each item: `single` is the standard error of its mean that comes from the
    noise of single answers, `shift` the standard deviation of what all answers of one pass share. ValueError for
    numbers that these cannot be."""

    passes: int
    single: float
    shift: float

    def __post_init__(self) -> None:
        if self.passes < 2 or not (0 <= self.single < math.inf and 0 <= self.shift < math.inf):
            raise ValueError(f"{self.passes} passes with the noise {self.single:g} and the shift {self.shift:g}")

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the shift's variance: it is what passes vary beyond the noise of single answers, and
        as unsure as all of their variance."""
        whole = self.shift**2 + self.passes * self.single**2
        return (self.passes - 1) * (self.shift**2 / whole) ** 2 if self.shift else math.inf


def pass_noise(values: FloatArray) -> PassNoise | None:
    """The noise in values (items, passes) by the two-way analysis of variance without replication; None where fewer
    than two items or passes leave nothing to tell it from."""
    import numpy as np

    items, passes = values.shape
    if items < 2 or passes < 2:
        return None
    left = values - values.mean(axis=1, keepdims=True)
    common = left.mean(axis=0)
    within = float(np.sum((left - common) ** 2)) / ((items - 1) * (passes - 1))
    between = items * float(np.sum(common**2)) / (passes - 1)
    return PassNoise(
        passes=passes, single=math.sqrt(within / (items * passes)),
        shift=math.sqrt(max(0.0, between - within) / items),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class WidenedHalf:
    """Half an interval with more in it: its width, and the degrees of freedom that its standard error is known with."""

    width: float
    stderr: float
    freedom: float

    def p_below(self, distance: float) -> float:
        """The chance of a value at most so far above the truth (below 0: so far under it); 0 or 1 without width."""
        if self.stderr <= 0:
            return float(distance > 0)
        z = distance / self.stderr
        return normal_cdf(z) if math.isinf(self.freedom) else t_cdf(z, self.freedom)


def widened_half(half: float, added: Sequence[tuple[float, float]], alpha: float) -> WidenedHalf:
    """A half width at 1 - alpha (one side) with further variances in it, each known with so many degrees of freedom;
    those of the whole by Satterthwaite (1946, https://doi.org/10.2307/3002019)."""
    z = normal_quantile(1 - alpha)
    whole = (half / z) ** 2 + sum(variance for variance, _ in added)
    unsure = sum(variance**2 / degrees for variance, degrees in added)
    freedom = whole**2 / unsure if unsure > 0 else math.inf
    quantile = z if math.isinf(freedom) else t_quantile(1 - alpha, freedom)
    return WidenedHalf(width=quantile * math.sqrt(whole), stderr=math.sqrt(whole), freedom=freedom)
