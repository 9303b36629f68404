"""How far a model's confidence is from its accuracy: calibration errors, and accuracy where it is most confident.

The figures are HELM's (Liang et al. 2022, https://arxiv.org/abs/2211.09110, section 4.3), on the probability of the
choice ranked first among the choices. A calibration error adds up distances, so chance alone makes it larger: its
interval allows for that. The accuracies are weighted means, and have the interval of one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalharness.records import Estimate
from evalharness.stats.intervals import Z95, bounded_difference, bounded_mean, in_range

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Pair = tuple[float, float]
_BINS = 10
# Of a bin's variance: what one more answer would add whose confidence is half a unit off. A bin of one answer, or of
# answers that are all alike, is not known for certain.
_ONE_MORE = 0.25
# Bins whose gap is below so many standard errors may have none at all; their whole expected size is chance then.
_UNSURE = 2.0


def calibration(pairs: Sequence[Pair]) -> dict[str, Estimate]:
    """Expected calibration error with 10 bins of equal mass and with 1, accuracy on the most confident tenth, and the
    mean accuracy over all shares of the most confident, from (confidence, worth), both in [0, 1].

    Empty where `has_calibration` is false.
    """
    if not has_calibration(pairs):
        return {}
    table = np.array(pairs, dtype=float)
    tenth, share = top_shares(table[:, 0], max(1, len(table) // 10)), coverage_shares(table[:, 0])
    chosen = tenth > 0
    return {
        "ece_10_bin": mean_calibration_error([pairs]),
        "ece_1_bin": _distance(bounded_difference((table[:, 0] - table[:, 1]).tolist())),
        "selective_accuracy_10": bounded_mean((table[chosen, 1] * tenth[chosen]).tolist(), tenth[chosen].tolist()),
        "selective_coverage_accuracy": bounded_mean((table[:, 1] * share).tolist(), share.tolist()),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """n answers of like confidence: its mean, and how often they are right with a 95 % interval."""

    confidence: float
    accuracy: float
    low: float
    high: float
    n: int


def reliability(pairs: Sequence[Pair]) -> tuple[ReliabilityBin, ...]:
    """Bins of equal mass, ten or as many as hold 10 answers, the least sure first, from (confidence, worth)."""
    table = np.array(sorted(pairs), float)
    found = []
    for part in np.array_split(table, max(1, min(_BINS, len(table) // 10))):
        right = bounded_mean(part[:, 1].tolist())
        found.append(
            ReliabilityBin(
                confidence=float(part[:, 0].mean()), accuracy=right.value, low=right.low, high=right.high, n=len(part)
            )
        )  # fmt: skip
    return tuple(found)


def has_calibration(pairs: Sequence[Pair]) -> bool:
    """Whether there are enough answers, and all worth something from 0 to 1."""
    return len(pairs) > 1 and all(0.0 <= worth <= 1.0 for _, worth in pairs)


def mean_calibration_error(groups: Sequence[Sequence[Pair]]) -> Estimate:
    """The mean over groups of answers of their calibration errors with 10 bins."""
    tables = [np.array(pairs, dtype=float) for pairs in groups]
    parts = [binned_gaps(table[:, 0], table[:, 1], _BINS) for table in tables]
    shares, gaps, errors = (np.concatenate([part[i] for part in parts]) for i in range(3))
    value, stderr, low, high = (float(x) for x in error_ends(shares / len(groups), gaps, errors))
    n = sum(len(table) for table in tables)
    return in_range(Estimate(value=value, stderr=stderr, low=low, high=high, n=n), 0.0, 1.0)


def _distance(found: Estimate) -> Estimate:
    """The distance from 0 of a figure, and of all that its interval holds."""
    ends = sorted((abs(found.low), abs(found.high)))
    low = 0.0 if found.low <= 0 <= found.high else ends[0]
    return Estimate(value=abs(found.value), stderr=found.stderr, low=low, high=ends[1], n=found.n)


def binned_gaps(confidence: Floats, worth: Floats, bins: int) -> tuple[Floats, Floats, Floats]:
    """Of each of `bins` bins of equal mass: its share of the answers, mean confidence minus accuracy, and the standard
    error of that. Answers on the last axis; those of equal confidence share a bin, so that bins may be empty."""
    n = confidence.shape[-1]
    order = np.argsort(confidence, -1)
    ordered = np.take_along_axis(confidence, order, -1)
    off = ordered - np.take_along_axis(worth, order, -1)
    last = np.concatenate([ordered[..., 1:] != ordered[..., :-1], np.ones((*ordered.shape[:-1], 1), bool)], -1)
    ends = np.minimum.accumulate(np.where(last, np.arange(1, n + 1), n)[..., ::-1], -1)[..., ::-1]
    cuts = [max(1, n * i // bins) for i in range(1, bins + 1)]
    edges = np.concatenate([np.zeros((*ends.shape[:-1], 1), int), ends[..., [cut - 1 for cut in cuts]]], -1)

    def binned(values: Floats) -> Floats:
        sums = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, -1)], -1)
        return np.diff(np.take_along_axis(sums, edges, -1), axis=-1)

    count = np.diff(edges, axis=-1)
    some = np.maximum(count, 1)
    gaps = binned(off) / some
    spread = (np.maximum(binned(off * off) - some * gaps**2, 0.0) + _ONE_MORE) / some
    return count / n, gaps, np.sqrt(spread / some)


def error_ends(shares: Floats, gaps: Floats, errors: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Value, standard error, low and high of a calibration error, the sum of shares times absolute gaps; bins on the
    last axis.

    An observed gap is larger than the true one on average, at most by that of a standard normal, sqrt(2 / pi) errors.
    The low end takes that off for every bin that may have no gap, the high end half of what the gaps themselves say.
    """
    from scipy.special import ndtr

    size = np.abs(gaps)
    value, stderr = np.sum(shares * size, -1), np.sqrt(np.sum((shares * errors) ** 2, -1))
    apart = size / errors
    density = np.exp(-(apart**2) / 2) / math.sqrt(2 * math.pi)
    excess = np.sum(shares * errors * 2 * (density - apart * ndtr(-apart)), -1)
    chance = math.sqrt(2 / math.pi) * np.sum(np.where(apart < _UNSURE, shares * errors, 0.0), -1)
    low, high = value - chance - Z95 * stderr, value - excess / 2 + Z95 * stderr
    return value, stderr, np.clip(low, 0.0, value), np.clip(high, value, 1.0)


def calibration_error(pairs: Sequence[Pair], bins: int) -> float:
    """The mean distance of confidence from accuracy over bins of equal mass; equal confidences share a bin."""
    table = np.array(pairs, dtype=float)
    shares, gaps, _ = binned_gaps(table[:, 0], table[:, 1], bins)
    return float(np.sum(shares * np.abs(gaps)))


def top_shares(confidence: Floats, count: int) -> Floats:
    """How much of each answer is among the `count` most confident: answers of equal confidence share what is left."""
    starts, times, place = _runs(confidence)
    return np.asarray(np.clip((count - starts) / times, 0.0, 1.0)[place])


def coverage_shares(confidence: Floats) -> Floats:
    """The weight of each answer, all together 1, in the mean over k of the accuracy of the k most confident."""
    n = len(confidence)
    by_rank = np.cumsum(1 / np.arange(n, 0, -1))[::-1] / n
    starts, times, place = _runs(confidence)
    sums = np.concatenate([[0.0], np.cumsum(by_rank)])
    return np.asarray(((sums[starts + times] - sums[starts]) / times)[place])


def _runs(confidence: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Runs of equal confidence, the highest first: how many answers are more confident, how many there are, and the run
    of each answer."""
    _, place, times = np.unique(-confidence, return_inverse=True, return_counts=True)
    return np.cumsum(times) - times, times, place
