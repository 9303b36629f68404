"""Whether the first of several values stands out, where all were to be had in any order: an exact permutation test."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

DRAWS = 9999


def standing_out(values: FloatArray) -> FloatArray:
    """How far each value of a unit (S, m) lies above the unit's mean, in the unit's standard deviations; 0 where all
    of a unit are the same."""
    import numpy as np

    off = values - values.mean(1, keepdims=True)
    spread = np.sqrt((off**2).mean(1, keepdims=True))
    found: FloatArray = np.where(spread > 1e-12, off / np.maximum(spread, 1e-12), 0.0)
    return found


def p_first_is_largest(values: FloatArray, seed: int, draws: int = DRAWS) -> float:
    """One-sided p of the first value of each unit (S, m) being larger than chance has it, summed over units.

    Under the null hypothesis the m values of a unit are exchangeable, and units are independent: so is any choice of
    one value from each. p is the share of random choices with no smaller a sum, the one seen among them (Phipson and
    Smyth 2010, https://doi.org/10.2202/1544-6115.1585): never 0, and below a
    level in no more than that share of cases.
    """
    import numpy as np

    said = standing_out(values)
    chosen = np.random.default_rng(seed).integers(0, said.shape[1], (draws, len(said)))
    sums = said[np.arange(len(said)), chosen].sum(1)
    return float(1 + np.sum(sums >= said[:, 0].sum() - 1e-9)) / (draws + 1)
