"""How well a model will do on each item, from what other models did on it: a ridge logistic regression, arrays only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

_ITERATIONS, _CONVERGED = 8, 1e-3
_LEAST_VARIANCE = 1e-4  # of a fitted worth; keeps the Hessian away from 0 where all is certain
_PENALTY_OF_MODEL, _PENALTY_OF_MEAN, _PENALTY_OF_INTERCEPT = 0.5, 0.05, 1e-6
_ENOUGH = 20_000  # items that a regression over a whole benchmark is fitted on


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFeatures:
    """What is known of N items beforehand: `values` (N, d), and the ridge penalty of each column (d,)."""

    values: FloatArray
    penalty: FloatArray


def filled_results(earlier: FloatArray) -> FloatArray:
    """Earlier results (N, k) without gaps: NaN becomes the mean over the models that have the item, or over all."""
    import numpy as np

    known = ~np.isnan(earlier)
    counts = known.sum(1)
    everything = float(earlier[known].mean()) if known.any() else 0.5
    mean = np.where(counts > 0, np.where(known, earlier, 0.0).sum(1) / np.maximum(counts, 1), everything)
    return np.where(known, earlier, mean[:, None])


def item_features(earlier: FloatArray, groups: IntArray) -> ItemFeatures:
    """Columns for a regression on earlier results (N, k) in [0, 1] and group codes (N,): what each model got, their
    mean, whether all of them failed or all were right, and how hard the group was."""
    import numpy as np

    mean = earlier.mean(1) if earlier.shape[1] else np.full(len(earlier), 0.5)
    sizes = np.maximum(np.bincount(groups), 1)
    of_group = (np.bincount(groups, mean) / sizes)[groups]
    common = [np.ones(len(mean)), 4 * (mean - mean.mean()), mean <= 0, mean >= 1, 2 * (of_group - mean.mean())]
    penalty = [_PENALTY_OF_INTERCEPT, _PENALTY_OF_MEAN, *[_PENALTY_OF_MODEL] * (3 + earlier.shape[1])]
    return ItemFeatures(
        values=np.column_stack([*common, earlier - earlier.mean(0)]).astype(float), penalty=np.array(penalty)
    )


def fit_logistic(
    features: FloatArray, worth: FloatArray, penalty: FloatArray, start: FloatArray | None = None
) -> FloatArray:
    """Coefficients (d,) of a ridge logistic regression of values in [0, 1], by Newton's method (IRLS; McCullagh and
    Nelder 1989, Generalized Linear Models, section 4.4)."""
    import numpy as np

    found = np.zeros(features.shape[1]) if start is None else start.copy()
    for _ in range(_ITERATIONS):
        fitted = expected_worth(features, found)
        weight = np.maximum(fitted * (1 - fitted), _LEAST_VARIANCE)
        hessian = (features * weight[:, None]).T @ features
        hessian[np.diag_indices_from(hessian)] += penalty
        step = np.linalg.solve(hessian, features.T @ (worth - fitted) - penalty * found)
        found += step
        if float(np.abs(step).max()) < _CONVERGED:
            break
    return found


def expected_worth(features: FloatArray, coefficients: FloatArray) -> FloatArray:
    """What the regression expects of each item, 0 to 1."""
    from scipy.special import expit

    found: FloatArray = expit(features @ coefficients)
    return found


def expected_spread(earlier: FloatArray, groups: IntArray) -> FloatArray:
    """How far a further model's result is expected to lie from what the regression will say of it (N,).

    Each earlier model in turn is predicted from the others; the standard deviation of a right-or-wrong result at that
    prediction is averaged over them. With fewer than two models nothing is known, and all items are alike.
    """
    import numpy as np

    n, k = earlier.shape
    if k < 2:
        return np.full(n, 0.5)
    sampled = np.arange(n) if n <= _ENOUGH else np.linspace(0, n - 1, _ENOUGH).astype(int)
    total = np.zeros(n)
    for place in range(k):
        others = item_features(np.delete(earlier, place, 1), groups)
        fit = fit_logistic(others.values[sampled], earlier[sampled, place], others.penalty)
        fitted = expected_worth(others.values, fit)
        total += np.sqrt(fitted * (1 - fitted))
    spread: FloatArray = total / k
    return spread
