"""Win rates as if both answers were equally long (Dubois et al. 2024, https://arxiv.org/abs/2404.04475).

One logistic model per evaluated model, fitted to soft preferences:
`b_len * tanh(s) + b_diff * difficulty + b_bias * own`, where s is the length difference (baseline minus model, in its
standard deviations). Setting the length term to zero gives the length-controlled rate. The regulariser rows, which
AlpacaEval publishes with the difficulties, hold the first two coefficients; `own` is 0 on them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalharness.records import Estimate
from evalharness.stats.intervals import Z95, in_range

Array = NDArray[np.float64]
# Published figures choose C by cross-validation; on the upper half of its grid they move by less than 0.1 point.
C = 10.0
WEIGHT = 0.1  # of a regulariser row: 0.2, shared by the two gamed models
_DRAWS = 400


@dataclass(frozen=True)
class Pairs:
    """The model's rows: preference in [0, 1] (nan = no verdict), length difference in characters, difficulty."""

    preference: Array
    longer_baseline: Array
    difficulty: Array

    @property
    def length(self) -> Array:
        """tanh of the length difference in its standard deviations; not centred."""
        spread = self.longer_baseline.std(ddof=1)
        return np.tanh(self.longer_baseline / spread) if spread > 0 else np.zeros_like(self.longer_baseline)


@dataclass(frozen=True)
class Regulariser:
    """The published rows of two gamed models: preference, length difference in standard deviations, difficulty."""

    preference: Array
    length: Array
    difficulty: Array


@dataclass(frozen=True)
class Fit:
    """Coefficients of length, difficulty and the model itself."""

    length: float
    difficulty: float
    bias: float


def fit(pairs: Pairs, regulariser: Regulariser) -> Fit:
    """The coefficients at C = 10 with L1 penalty. ValueError when no row has a verdict."""
    return Fit(*_fit(*_design(pairs, pairs.length, regulariser)))


def _design(pairs: Pairs, length: Array, regulariser: Regulariser) -> tuple[Array, Array, Array]:
    known = ~np.isnan(pairs.preference)
    if not known.any():
        raise ValueError("no row has a verdict")
    ones = np.ones(int(known.sum()))
    own = np.column_stack((length[known], pairs.difficulty[known], ones))
    held = np.column_stack((np.tanh(regulariser.length), regulariser.difficulty, np.zeros(len(regulariser.length))))
    weights = np.concatenate((ones, np.full(len(held), WEIGHT)))
    return np.vstack((own, held)), np.concatenate((pairs.preference[known], regulariser.preference)), weights


def _fit(x: Array, y: Array, w: Array) -> tuple[float, float, float]:
    """L-BFGS-B over b = u - v with u, v >= 0, where the penalty is smooth."""
    from scipy.optimize import minimize

    def loss(halves: Array) -> tuple[float, Array]:
        b = halves[:3] - halves[3:]
        eta = x @ b
        value = C * float(w @ (np.logaddexp(0.0, eta) - y * eta)) + float(halves.sum())
        gradient = C * (x.T @ (w * (_sigmoid(eta) - y)))
        return value, np.concatenate((gradient + 1.0, 1.0 - gradient))

    found = minimize(
        loss, np.full(6, 0.1), jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * 6,
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 5000, "maxfun": 20000},
    )  # fmt: skip
    b = found.x[:3] - found.x[3:]
    return float(b[0]), float(b[1]), float(b[2])


def _refit(x: Array, y: Array, w: Array, start: Array) -> Array:
    """Newton steps from a near solution. While no sign changes the penalty is linear; else from anew."""
    b, signs = start.copy(), np.sign(start)
    for _ in range(25):
        p = _sigmoid(x @ b)
        gradient = C * (x.T @ (w * (p - y))) + signs
        hessian = C * (x.T * (w * p * (1 - p))) @ x
        try:
            step = np.linalg.solve(hessian, gradient)
        except np.linalg.LinAlgError:
            break
        b = b - step
        if not np.all(np.isfinite(b)) or np.any(np.sign(b) != signs):
            break
        if np.abs(step).max() < 1e-9:
            return b
    return np.array(_fit(x, y, w))


def _sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


def predicted(found: Fit, difficulty: Array) -> Array:
    """The model's chance on every item with the length term set to zero."""
    return _sigmoid(found.bias + found.difficulty * difficulty)


def length_controlled(pairs: Pairs, regulariser: Regulariser, *, seed: int = 0, draws: int = _DRAWS) -> Estimate | None:
    """The length-controlled rate in [0, 1]. Standard error and interval are a bootstrap's over the model's rows.

    None when no row has a verdict; no interval where all verdicts are the same. A row without a verdict is left out of
    the fit but keeps its place in the mean.
    """
    if np.isnan(pairs.preference).all():
        return None
    length = pairs.length
    found = fit(pairs, regulariser)
    start = np.array([found.length, found.difficulty, found.bias])
    rng = np.random.default_rng(seed)
    values = np.empty(draws)
    n = len(pairs.preference)
    for k in range(draws):
        drawn = rng.integers(0, n, n)
        rows = Pairs(pairs.preference[drawn], pairs.longer_baseline[drawn], pairs.difficulty[drawn])
        if np.isnan(rows.preference).all():
            return None
        # The length differences keep the standard deviation of the whole file.
        b = _refit(*_design(rows, length[drawn], regulariser), start)
        values[k] = _sigmoid(b[2] + b[1] * rows.difficulty).mean()
    low, high = (float(end) for end in np.percentile(values, [2.5, 97.5]))
    if np.nanmin(pairs.preference) == np.nanmax(pairs.preference):
        low, high = -math.inf, math.inf  # rows drawn from these cannot say how else it could have gone
    value = float(predicted(found, pairs.difficulty).mean())
    return in_range(Estimate(value=value, stderr=float(values.std(ddof=1)), low=low, high=high, n=n), 0.0, 1.0)


def between(first: Fit, second: Fit, difficulty: Array) -> float:
    """The rate of one model against another, from the fits of both against one baseline."""
    gap = Fit(0.0, first.difficulty - second.difficulty, first.bias - second.bias)
    return float(predicted(gap, difficulty).mean())


def length_adjusted(preference: Sequence[float], longer_other: Sequence[float]) -> Estimate | None:
    """The rate at equal length without published difficulties: fractional logistic regression on tanh(s), HC1 errors.

    `longer_other` is the other answer's length minus the judged one's. None with fewer than 10 rows, or where nothing
    tells the error: all preferences or all lengths are the same, or the lengths explain every preference.
    """
    y, difference = np.asarray(preference, float), np.asarray(longer_other, float)
    if len(y) < 10 or difference.std(ddof=1) == 0 or np.ptp(y) == 0:
        return None
    import warnings

    import statsmodels.api as sm

    x = sm.add_constant(np.tanh(difference / difference.std(ddof=1)), has_constant="add")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # separation and the like: the error then shows it
        found = sm.GLM(y, x, family=sm.families.Binomial()).fit(cov_type="HC1")
    a, error = float(found.params[0]), float(found.bse[0])
    off = float(np.abs(y - found.fittedvalues).max())
    if not (math.isfinite(a) and math.isfinite(error)) or off < 1e-6:
        return None
    rate = 1 / (1 + math.exp(-a))
    ends = [1 / (1 + math.exp(-max(-700.0, min(700.0, a + z * error)))) for z in (-Z95, Z95)]
    return Estimate(value=rate, stderr=rate * (1 - rate) * error, low=ends[0], high=ends[1], n=len(y))


def cautions(longer_baseline: Sequence[float], raw: float, controlled: float | None) -> tuple[str, ...]:
    """When not to believe a length-controlled rate. Rates in [0, 1]."""
    if controlled is None or not longer_baseline:
        return ()
    share = sum(d < 0 for d in longer_baseline) / len(longer_baseline)
    found = []
    if not 0.1 <= share <= 0.9:
        found.append(
            f"extrapolated: lengths do not overlap (the model's answer is longer on {100 * share:.1f} % of the items); "
            "do not gate on the length-controlled rate"
        )
    if abs(controlled - raw) > 0.1:
        found.append(f"the length-controlled rate is {100 * (controlled - raw):+.1f} points from the raw one")
    return tuple(found)
