"""Whether two models differ on so few items that they can hardly be two models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalharness.stats.item_regression import expected_worth, filled_results, fit_logistic, item_features

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

# The share of the expected disagreements below which a pair is no longer two models. Published models of MMLU, siblings
# among them, differ on .67 to 1.0 of the expected items where the items' difficulty is known from others, and on .40 to
# .53 where it is not; a copy on .004 and .002 (docs/evidence.md).
LIMIT_KNOWN, LIMIT_UNKNOWN = 1 / 3, 0.1
_LEAST_OTHERS = 2
_SUSPICIOUS = 0.2  # of the expected disagreements, difficulty unknown: a run so close to the pair tells no difficulty


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """On how many of n items two models differ, on how many they would were they right and wrong independently of each
    other, and the p value of so few. `known`: by how hard each item was for `others` models, else by accuracy alone."""

    n: int
    differ: int
    expected: float
    others: int
    p: float

    @property
    def known(self) -> bool:
        """Whether the items' difficulty is known."""
        return self.others >= _LEAST_OTHERS


def plain_expectation(pair: FloatArray) -> float:
    """On how many items (N, 2) the two would differ by chance, by their accuracies alone."""
    first, second = (float(share) for share in pair.mean(0))
    return len(pair) * (first * (1 - second) + second * (1 - first))


def disagreement(pair: FloatArray, others: FloatArray, groups: IntArray) -> Disagreement:
    """Of two models' right (1) and wrong (0) items (N, 2), with those of others (N, k; NaN unknown), codes (N,).

    What is expected of each model on an item is a logistic regression on the others' results, so that items which all
    have right or wrong count for little. p: the chance of no more disagreements, Poisson, were they `LIMIT_KNOWN` of
    the expected ones (`LIMIT_UNKNOWN` where fewer than two others say how hard the items are); a sum of unlike coin
    tosses spreads less than a Poisson number (Hodges and Le Cam 1960, https://doi.org/10.1214/aoms/1177705799).
    Others that are themselves close to one of the pair are left out: three copies would excuse each other.
    """
    import numpy as np
    from scipy.special import pdtr

    differ = int(np.sum(pair[:, 0] != pair[:, 1]))
    kept = [place for place in range(others.shape[1]) if not _close(others[:, place], pair)]
    if len(kept) < _LEAST_OTHERS:
        expected, limit = plain_expectation(pair), LIMIT_UNKNOWN
    else:
        features = item_features(filled_results(others[:, kept]), groups)
        fits = [fit_logistic(features.values, pair[:, side], features.penalty) for side in (0, 1)]
        first, second = (expected_worth(features.values, fit) for fit in fits)
        expected, limit = float(np.sum(first * (1 - second) + second * (1 - first))), LIMIT_KNOWN
    p = float(pdtr(differ, limit * expected)) if expected > 0 else 1.0
    return Disagreement(n=len(pair), differ=differ, expected=expected, others=len(kept), p=p)


def _close(other: FloatArray, pair: FloatArray) -> bool:
    """Whether a run differs from one of a pair on suspiciously few items."""
    import numpy as np

    known = ~np.isnan(other)
    for side in (0, 1):
        both = np.column_stack([other[known], pair[known, side]])
        if not len(both) or np.sum(both[:, 0] != both[:, 1]) <= _SUSPICIOUS * plain_expectation(both):
            return True
    return False
