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


def zero_flip_caution(n: int, margin: float, alpha: float) -> str:
    """What is to be said where no item of `n` flipped and that passes: how often it happens after a loss of `margin`;
    '' where that is rarer than `alpha`, or too few to pass."""
    chance = (1 - margin) ** n
    if n < zero_flip_items(margin, alpha) or chance <= alpha:
        return ""
    return f"no item flipped; after a loss of {100 * margin:g} points that happens in {100 * chance:.1f} % of runs"


def items_to_pass(sd: float, margin: float, alpha: float) -> int:
    """How many items pass with 80 % power if nothing changed; never fewer than without any flip."""
    z = normal_quantile(1 - alpha) + normal_quantile(POWER)
    return max(math.ceil((z * sd / margin) ** 2), zero_flip_items(margin, alpha))
