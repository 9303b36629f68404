"""The mean over all items from a draw in which some are likelier than others, with help of what is known of each item.

Items are drawn with known probabilities. The estimate is the sum of what a regression expects of every item, plus what
the drawn items were off, each weighed by one over its probability: unbiased over the draw however wrong the regression
is, and sharp where it is right (difference estimator: Särndal, Swensson and Wretman 1992, Model Assisted Survey
Sampling, section 6.3; as prediction-powered inference: Angelopoulos et al. 2023, https://arxiv.org/abs/2301.09633).
The regression of an item is fitted without the items of its own fold (cross-fitting: Zrnic and Candès 2024,
https://arxiv.org/abs/2309.16598), so that no item predicts itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalharness.records import Estimate
from evalharness.stats.intervals import t_quantile
from evalharness.stats.item_regression import ItemFeatures, expected_worth, fit_logistic

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

FOLDS = 5
LEAST_SPREAD = 0.4  # of the mean spread: so likely is the surest item still drawn, in shares of the average item
# Misses as large as can be that the draw may just not have met; without them a draw without any miss claims certainty.
UNSEEN_MISSES = 1.0


def inclusion_probabilities(spread: FloatArray, budget: int) -> FloatArray:
    """The chance (N,) of each item to be drawn: in proportion to its expected spread (Neyman's optimal allocation,
    1934, https://doi.org/10.2307/2342192), above 0 for every one, at most 1, `budget` in sum."""
    import numpy as np

    held = np.maximum(spread, LEAST_SPREAD * float(spread.mean()))
    certain = np.zeros(len(held), bool)
    while True:
        left = budget - int(certain.sum())
        found = np.where(certain, 1.0, left * held / float(held[~certain].sum() if not certain.all() else 1.0))
        over = (found > 1) & ~certain
        if not over.any():
            return found
        certain |= over


def systematic_draw(probabilities: FloatArray, order: IntArray, start: float) -> IntArray:
    """The places drawn, ascending: a walk through the items in `order` that takes one whenever the probabilities add up
    to another whole number beyond `start`, 0 to 1 (Madow 1949, https://doi.org/10.1214/aoms/1177729988). Each item's
    chance is its probability, and their number is the sum of all."""
    import numpy as np

    reached = np.cumsum(probabilities[order])
    reached[-1] = round(reached[-1])  # the sum is a whole number but for rounding
    steps = np.floor(reached - start) - np.floor(np.concatenate([[0.0], reached[:-1]]) - start)
    return np.sort(order[steps > 0])


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnPopulation:
    """All N items: what is known of each, the chance with which it was drawn, and its fold, 0 to FOLDS - 1."""

    features: ItemFeatures
    probabilities: FloatArray
    folds: IntArray


def mean_of_draw(population: DrawnPopulation, drawn: IntArray, worth: FloatArray, confidence: float = 0.95) -> Estimate:
    """The mean over all items from the results in [0, 1] at the places drawn, with its interval.

    The interval is of the draw: what the mean of all N items would be, of this model, asked once. Student's t with
    Hájek's variance for unequal draws of a fixed number (1964, https://doi.org/10.1214/aoms/1177700375, as in
    Deville and Tillé 2005), and `UNSEEN_MISSES` beyond the misses that were seen. Where fewer answers came than were
    drawn, those that came stand for the others: each had its chance to be drawn, times that to be among them.
    ValueError with fewer than two.
    """

    n = len(drawn)
    if n < 2:
        raise ValueError(f"{n} items were drawn, and 2 are the least")
    expected, off = _cross_fitted(population, drawn, worth)
    answered = n / float(population.probabilities.sum())  # 1 but for rounding where every drawn item was
    chances = population.probabilities[drawn] * min(1.0, answered)
    weight, rest = 1 / chances, 1 - chances
    missed = off * weight
    centre = float((rest * missed).sum() / rest.sum()) if rest.sum() > 0 else 0.0
    variance = n / (n - 1) * float((rest * (missed - centre) ** 2).sum())
    variance += UNSEEN_MISSES * float((rest * weight**2).mean())
    total = len(population.probabilities)
    value = (expected + float(missed.sum())) / total
    stderr = math.sqrt(variance) / total
    half = t_quantile((1 + confidence) / 2, n - 1) * stderr
    value = min(1.0, max(0.0, value))
    return Estimate(value=value, stderr=stderr, low=max(0.0, value - half), high=min(1.0, value + half), n=n)


def _cross_fitted(population: DrawnPopulation, drawn: IntArray, worth: FloatArray) -> tuple[float, FloatArray]:
    """The sum of what is expected of all items, and how far each drawn one is off what was expected of it."""
    import numpy as np

    values, penalty = population.features.values, population.features.penalty
    of_drawn, folds = values[drawn], population.folds[drawn]
    start = fit_logistic(of_drawn, worth, penalty)
    expected, off = 0.0, np.empty(len(drawn))
    for fold in range(FOLDS):
        learned, held = folds != fold, folds == fold
        fit = fit_logistic(of_drawn[learned], worth[learned], penalty, start)
        expected += float(expected_worth(values[population.folds == fold], fit).sum())
        off[held] = worth[held] - expected_worth(of_drawn[held], fit)
    return expected, off
