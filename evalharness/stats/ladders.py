"""Whether items can rank models: models by items as a two-way layout, and what each item adds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalharness.stats.power import detectable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

_LEAST_MODELS = 4  # with fewer a correlation over models says nothing of an item


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingPower:
    """What n items tell of k models. `signal_to_noise`: spread of the models' true means over the standard error of one
    (0 where none shows); `reliability`: the share of the spread of measured means that is true; `smallest_step`: the
    difference of two models that a one-sided test at 5 % finds with 80 % power; `p`: of all models being alike."""

    signal_to_noise: float
    reliability: float
    smallest_step: float
    p: float


def ranking_power(worth: FloatArray) -> RankingPower | None:
    """Of results (N, k) without gaps, by the analysis of variance of models by items: the mean squares of models and of
    what neither model nor item explains (Hoyt 1941, https://doi.org/10.1007/BF02289270; Brennan 2001, Generalizability
    Theory, chapter 2). None with fewer than two items or models, or where all results are the same."""
    from scipy.special import fdtrc

    n, k = worth.shape
    if n < 2 or k < 2:
        return None
    off = worth - worth.mean(0) - worth.mean(1, keepdims=True) + worth.mean()
    left = float((off**2).sum()) / ((n - 1) * (k - 1))
    between = n * float(((worth.mean(0) - worth.mean()) ** 2).sum()) / (k - 1)
    if left <= 0:
        return None
    ratio = between / left
    return RankingPower(
        signal_to_noise=math.sqrt(max(0.0, ratio - 1)),
        reliability=max(0.0, 1 - 1 / ratio) if ratio > 0 else 0.0,
        smallest_step=detectable(math.sqrt(2 * left), n, 0.05),
        p=float(fdtrc(k - 1, (n - 1) * (k - 1), ratio)),
    )


def item_rest_correlations(worth: FloatArray) -> FloatArray:
    """How each item (N, k) goes with the models' means over all other items: Pearson's correlation over models (N,).
    NaN for an item on which all models did the same, and for all with fewer than four models."""
    import numpy as np

    n, k = worth.shape
    if k < _LEAST_MODELS or n < 2:
        return np.full(n, np.nan)
    rest = (worth.sum(0) - worth) / (n - 1)
    item_off, rest_off = worth - worth.mean(1, keepdims=True), rest - rest.mean(1, keepdims=True)
    spread = np.sqrt((item_off**2).sum(1) * (rest_off**2).sum(1))
    with np.errstate(invalid="ignore", divide="ignore"):
        found: FloatArray = np.where(spread > 1e-12, (item_off * rest_off).sum(1) / spread, np.nan)
    return found
