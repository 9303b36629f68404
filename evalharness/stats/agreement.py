"""Agreement between raters, and means that a judge's many verdicts sharpen for a few human labels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from evalharness.records import Estimate
from evalharness.stats.intervals import bounded_mean, normal_quantile, t_quantile


def cohen(
    first: Sequence[Hashable], second: Sequence[Hashable], weights: Sequence[float] | None = None
) -> float | None:
    """Cohen's kappa of two raters, of items that count as much as their `weights` say.

    None without items, or when both say one and the same thing throughout.
    """
    if len(first) != len(second):
        raise ValueError(f"two raters of the same items have equally many ratings, not {len(first)} and {len(second)}")
    codes = {value: code for code, value in enumerate(dict.fromkeys([*first, *second]))}
    if len(codes) < 2:
        return None
    from sklearn.metrics import cohen_kappa_score

    return float(
        cohen_kappa_score([codes[value] for value in first], [codes[value] for value in second], sample_weight=weights)
    )


def fleiss(ratings: Sequence[Sequence[Hashable]]) -> float | None:
    """Fleiss' kappa; every item rated by equally many raters. None when it is undefined."""
    raters = {len(row) for row in ratings}
    if len(raters) != 1 or min(raters) < 2:
        raise ValueError("Fleiss' kappa wants the same number of ratings, two or more, for every item")
    categories = list(dict.fromkeys(value for row in ratings for value in row))
    if len(categories) < 2:
        return None
    from statsmodels.stats.inter_rater import fleiss_kappa

    return float(fleiss_kappa([[list(row).count(value) for value in categories] for row in ratings]))


def krippendorff(units: Sequence[Sequence[float | None]], *, interval: bool = False) -> float | None:
    """Krippendorff's alpha (https://doi.org/10.1080/19312458.2007.9664547) for any number of raters and gaps (None).

    Nominal distance, or squared difference when `interval`. None when all ratings are equal or no unit has two.
    """
    together: Counter[tuple[float, float]] = Counter()
    for unit in units:
        counts = Counter(v for v in unit if v is not None)
        m = sum(counts.values())
        if m < 2:
            continue
        for c, n in counts.items():
            for k, o in counts.items():
                together[c, k] += (n * o - (n if c == k else 0)) / (m - 1)  # type: ignore[assignment]  # a real count
    margin: Counter[float] = Counter()
    for (c, _), weight in together.items():
        margin[c] += weight
    total = sum(margin.values())
    far: Callable[[float, float], float] = (lambda c, k: (c - k) ** 2) if interval else (lambda c, k: float(c != k))
    expected = sum(margin[c] * margin[k] * far(c, k) for c in margin for k in margin)
    if not expected:
        return None
    return 1 - (total - 1) * sum(w * far(c, k) for (c, k), w in together.items()) / expected


def annotator_agreement(votes: Sequence[Sequence[float]], *, many: int = 1, seed: int = 0) -> float | None:
    """One annotator against the mode of `many` others, over all disjoint choices: 1 - mean difference, as
    https://github.com/tatsu-lab/alpaca_eval does. A split vote is decided by `seed`. None without enough votes."""
    from itertools import combinations
    from random import Random

    draw = Random(seed)
    scores = []
    for row in votes:
        near = []
        for one in range(len(row)):
            others = [row[k] for k in range(len(row)) if k != one]
            for chosen in combinations(others, many):
                counts = Counter(chosen)
                most = max(counts.values())
                near.append(1 - abs(row[one] - draw.choice(sorted(v for v, n in counts.items() if n == most))))
        if near:
            scores.append(fmean(near))
    return fmean(scores) if scores else None


def confusion(truth: Sequence[str], said: Sequence[str]) -> dict[str, dict[str, int]]:
    """Counts by human label, then by the judge's."""
    found: dict[str, dict[str, int]] = {}
    for human, judge in sorted(zip(truth, said, strict=True)):
        row = found.setdefault(human, {})
        row[judge] = row.get(judge, 0) + 1
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Powered:
    """A mean from few human labels and many judge values; `lam` is the weight of the judge, `needed` the labels that
    a half width of `half` takes."""

    human: Estimate
    judge: Estimate
    powered: Estimate
    lam: float
    half: float
    needed: int


def powered_mean(
    labels: Mapping[str, float], values: Mapping[str, float], *, chances: Mapping[str, float] | None = None,
    half: float = 0.02, confidence: float = 0.95,
) -> Powered:  # fmt: skip
    """Prediction-powered inference with the best weight (Angelopoulos et al. 2023, https://arxiv.org/abs/2311.01453).

    `labels` are human values by item, `values` the judge's; `chances` say how likely each label was to be asked for,
    where some were likelier than others. Student's t up to 100 labels. ValueError with under 3 of
    the labelled items judged, or none unlabelled.
    """
    both = sorted(labels.keys() & values.keys())
    rest = [values[i] for i in sorted(values.keys() - labels.keys())]
    n, m = len(both), len(rest)
    if n < 3 or m < 1:
        raise ValueError(
            f"wanted 3 or more labelled items that were judged, and 1 without label; there are {n} and {m}"
        )
    human, judge = [labels[i] for i in both], [values[i] for i in both]
    people = bounded_mean(human)
    if chances:
        weights = [1 / chances.get(i, 1.0) for i in both]
        people = bounded_mean([w * y for w, y in zip(weights, human, strict=True)], weights)
        human, judge = _as_if_alike(human, weights), _as_if_alike(judge, weights)
        rest = list(values.values())  # what is left over is no fair sample of them
    level = 0.5 + confidence / 2
    value, stderr, lam, off = powered_value(human, judge, rest)
    z = t_quantile(level, n - 1) if n <= 100 else normal_quantile(level)
    return Powered(
        human=people,
        judge=bounded_mean(list(values.values())),
        powered=_around(value, stderr, z, people),
        lam=lam,
        half=half,
        needed=max(3, math.ceil((z * math.sqrt(off) / half) ** 2)),
    )


def _as_if_alike(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """As `powered.as_if_alike`."""
    mean = fmean(weights)
    centre = fmean(values, weights)
    return [centre + w / mean * (value - centre) for w, value in zip(weights, values, strict=True)]


def powered_value(
    human: Sequence[float], judge: Sequence[float], rest: Sequence[float]
) -> tuple[float, float, float, float]:
    """The prediction-powered mean, its standard error, the judge's weight, the variance of what people say beyond it.

    `human` and `judge` are of the labelled items, `rest` the judge's values of the others.
    """
    n, m = len(human), len(rest)
    pooled = _variance([*judge, *rest], 1)
    covariance = fmean(y * f for y, f in zip(human, judge, strict=True)) - fmean(human) * fmean(judge)
    lam = min(1.0, max(0.0, covariance / ((1 + n / m) * pooled))) if pooled > 0 else 0.0
    off = [y - lam * f for y, f in zip(human, judge, strict=True)]
    value = lam * fmean(rest) + fmean(off)
    return value, math.sqrt(lam * lam * _variance(rest, 0) / m + _variance(off, 0) / n), lam, _variance(off, 1)


def _variance(values: Sequence[float], ddof: int) -> float:
    mean = fmean(values)
    return math.fsum((v - mean) ** 2 for v in values) / max(1, len(values) - ddof)


def _around(value: float, stderr: float, z: float, people: Estimate) -> Estimate:
    """The powered mean within [0, 1]; where labels and verdicts differ by one number throughout, or all that the labels
    leave lies beyond the range, people's width."""
    low, high = value - z * stderr, value + z * stderr
    value = min(1.0, max(0.0, value))
    if stderr <= 1e-12:
        low, high = value - (people.value - people.low), value + (people.high - people.value)
    low, high = max(0.0, low), min(1.0, high)
    if low >= high:
        low, high = min(people.low, value), max(people.high, value)
    return Estimate(value=value, stderr=stderr, low=low, high=high, n=people.n)
