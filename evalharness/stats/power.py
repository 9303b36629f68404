"""How large a difference so many items can show, and how many items a margin takes."""

from __future__ import annotations

import math

from evalharness.stats.intervals import normal_quantile

POWER = 0.8


def detectable(sd: float, n: int, alpha: float) -> float:
    """The smallest true drop that a one-sided test at `alpha` finds with 80 % power."""
    return (normal_quantile(1 - alpha) + normal_quantile(POWER)) * sd / math.sqrt(n)


def detectable_by(half: float, alpha: float) -> float:
    """The same of an interval at level 1 - 2 `alpha` by its half width."""
    z = normal_quantile(1 - alpha)
    return half * (z + normal_quantile(POWER)) / z


def zero_flip_items(margin: float, alpha: float) -> int:
    """How many items without a single flip rule out a loss of `margin` (133 for 2 points at 5 %)."""
    return math.ceil(normal_quantile(1 - alpha) ** 2 * (1 - margin) / margin)


def items_to_pass(sd: float, margin: float, alpha: float) -> int:
    """How many items pass with 80 % power if nothing changed; never fewer than without any flip."""
    z = normal_quantile(1 - alpha) + normal_quantile(POWER)
    return max(math.ceil((z * sd / margin) ** 2), zero_flip_items(margin, alpha))
