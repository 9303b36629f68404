"""What several answers to each item tell: the noise of single answers, and what all answers of one pass share, or all
that were asked in one wording, or that one judge judged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalharness.stats.intervals import normal_cdf, normal_quantile, t_cdf, t_quantile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassNoise:
    """Of one run with `passes` answers to each item, one of each pass (or wording, or judge): `single` is the standard
    error of its mean that comes from the noise of single answers, `shift` the standard deviation of what all answers of
    one pass share. ValueError for numbers that these cannot be."""

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

    passes = np.broadcast_to(np.arange(values.shape[1]), values.shape)
    return crossed_noise(values, {"pass": passes}).get("pass")


def crossed_noise(values: FloatArray, factors: Mapping[str, IntArray]) -> dict[str, PassNoise]:
    """The noise in values (items, k) by each factor; empty where nothing is left to tell it from.

    A factor's codes (items, k) name the level of each value, 0 to k - 1, and every item has each level once: so items
    and factors are crossed, and several factors make a Latin square. Effects by least squares over all factors at once;
    a factor's variance is that of its effects less what the residual brings into them (the method of moments of the
    analysis of variance; Searle, Casella and McCulloch 1992, Variance Components, chapter 5).
    """
    import numpy as np

    items, k = values.shape
    freedom = items * (k - 1) - len(factors) * (k - 1)
    if items < 2 or k < 2 or freedom < 1:
        return {}
    left = (values - values.mean(axis=1, keepdims=True)).ravel()
    codes = [codes.ravel() + k * place for place, codes in enumerate(factors.values())]
    size = k * len(codes)
    met = np.zeros((size, size))
    for one in codes:
        for other in codes:
            met += np.bincount(one * size + other, minlength=size * size).reshape(size, size)
    for one, other in np.ndindex(len(codes), len(codes)):  # each value is taken as a distance from its item's mean
        met[one * k : one * k + k, other * k : other * k + k] -= items / k
    sums = np.sum([np.bincount(one, left, size) for one in codes], axis=0)
    inverse = np.linalg.pinv(met, rcond=1e-9, hermitian=True)
    effects = inverse @ sums
    within = max(0.0, float(left @ left - effects @ sums)) / freedom
    found = {}
    for place, name in enumerate(factors):
        own = slice(place * k, place * k + k)
        brought = within * float(np.trace(inverse[own, own])) / (k - 1)
        spread = float(np.sum((effects[own] - effects[own].mean()) ** 2)) / (k - 1)
        found[name] = PassNoise(passes=k, single=math.sqrt(brought / k), shift=math.sqrt(max(0.0, spread - brought)))
    return found


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
