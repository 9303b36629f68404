"""The difference of two models by a judge's many values and people's few labels, with the judge's error in it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalharness.stats.intervals import t_cdf, t_quantile
from evalharness.stats.paired import paired_mean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

LEAST_LABELS = 20  # below these a tuned weight says more of chance than of the judge


@dataclass(frozen=True, slots=True, kw_only=True)
class PoweredDifference:
    """A mean difference, new minus base, as people would say it. `weight` is the judge's, 0 to 1; `sampling` the
    standard error of the judge's own part, `judge` that of what people say beyond it."""

    value: float
    low: float
    high: float
    weight: float
    sampling: float
    judge: float
    p_worse: Callable[[float], float]


def powered_difference(human: FloatArray, judge: FloatArray, rest: FloatArray, confidence: float) -> PoweredDifference:
    """The prediction-powered mean of paired differences in [-1, 1], with the weight that makes it sharpest.

    `human` and `judge` (n,) are of the labelled items, `rest` (m,) the judge's of all others; new minus base. Estimate
    and weight: Angelopoulos, Duchi and Zrnic 2023, PPI++, https://arxiv.org/abs/2311.01453. What the labels leave has a
    paired difference's own interval, Student's t (with labels that leave nothing the bound for equal differences); the
    judge's part is joined to either end by the squares (Zou and Donner 2008,
    https://pubmed.ncbi.nlm.nih.gov/17918743/). ValueError with fewer than 20 labels.
    """
    import numpy as np

    n, m = len(human), len(rest)
    if n < LEAST_LABELS:
        raise ValueError(f"there are {n} labelled items, and {LEAST_LABELS} are the least")
    weight = _weight(human, judge, rest)
    # The weight is tuned on the same labels: it costs a degree of freedom, as a slope does.
    lost, degrees = math.sqrt((n - 1) / (n - 2)), n - 2
    off, scale = human - weight * judge, 1 + weight
    alike = float(np.ptp(off)) <= 1e-9  # nothing tells the spread: people's own bound for that
    left = paired_mean(human / scale if alike else off / scale, confidence, ranged=alike)
    z = t_quantile((1 + confidence) / 2, degrees)
    spread = weight * float(np.std(rest)) / math.sqrt(m) if m else 0.0
    value = float(np.mean(off)) + (weight * float(np.mean(rest)) if m else 0.0)
    below, above = (
        math.hypot(scale * lost * half, z * spread) for half in (left.value - left.low, left.high - left.value)
    )

    def p_worse(margin: float) -> float:
        # By the end that decides: so it is below alpha just where the interval lies below the margin.
        half = above if value < -margin else below
        return t_cdf((value + margin) * z / half, degrees) if half > 0 else float(value > -margin)

    return PoweredDifference(
        value=value, low=max(-1.0, value - below), high=min(1.0, value + above), weight=weight, sampling=spread,
        judge=scale * lost * (left.high - left.low) / (2 * z), p_worse=p_worse,
    )  # fmt: skip


def as_if_alike(values: FloatArray, chances: FloatArray) -> FloatArray:
    """Values (n,) of items that were drawn with these chances, as if all had had the same: their mean is that of all
    items (Hájek's, each value weighed by one over its chance), their variance that of this mean, linearised (Särndal,
    Swensson and Wretman 1992, Model Assisted Survey Sampling, section 5.7)."""
    weight = 1 / chances
    weight = weight / weight.mean()
    centre = float((weight * values).mean())
    found: FloatArray = centre + weight * (values - centre)
    return found


def _weight(human: FloatArray, judge: FloatArray, rest: FloatArray) -> float:
    """The judge's weight that gives the smallest variance, within 0 and 1."""
    import numpy as np

    if not len(rest):
        return 0.0
    pooled = float(np.var(np.concatenate([judge, rest]), ddof=1))
    covariance = float(np.mean(human * judge) - np.mean(human) * np.mean(judge))
    return min(1.0, max(0.0, covariance / ((1 + len(human) / len(rest)) * pooled))) if pooled > 0 else 0.0
