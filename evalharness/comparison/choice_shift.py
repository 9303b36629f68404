"""How far the log-probabilities of choices moved between two runs of ranked questions: more than which came first says.

A flip is one bit of an item, and most items have none; the distributions over the choices move on every item. So a
change that is too small for the flips (a quantised model beside the full one) shows here on a few hundred items.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalharness.comparison.align import Joined
from evalharness.comparison.inputs import Side
from evalharness.comparison.scores import Scores
from evalharness.stats.intervals import skewed_mean
from evalharness.stats.paired import p_no_change, paired_clustered, paired_mean

_AT_ONCE = 1000  # lines of a journal that are held


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceShift:
    """Over `n` items in nats, with 95 % intervals (infinite, in JSON null, where nothing tells the spread).

    `kl`: mean Kullback-Leibler divergence of NEW's distribution over the choices from BASE's. `lead`: the mean change,
    NEW less BASE, of how far the right choice's log-probability is ahead of the best wrong one's; `p_lead`: of "it did
    not move". No lead where no item says which choices are right.
    """

    n: int
    kl: float
    kl_low: float | None
    kl_high: float | None
    lead: float | None = None
    lead_low: float | None = None
    lead_high: float | None = None
    p_lead: float | None = None


def choice_shift(joined: Joined, base: tuple[Side, Scores], new: tuple[Side, Scores]) -> ChoiceShift | None:
    """What moved between two sides, over the items of which both hold log-probabilities of the same choices; None
    without any."""
    found = [
        (position, measured)
        for position, was, now in _lines(joined, base, new)
        if (measured := _moved(was, now)) is not None
    ]
    if not found:
        return None
    divergence = skewed_mean([kl for _, (kl, _) in found])
    shift = ChoiceShift(n=len(found), kl=divergence.value or 0.0, kl_low=divergence.low, kl_high=divergence.high)
    leads = [(position, lead) for position, (_, lead) in found if lead is not None]
    if not leads:
        return shift
    moved = np.array([lead for _, lead in leads])
    if joined.clusters is None:
        interval = paired_mean(moved, 0.95, ranged=False)
    else:
        interval = paired_clustered(moved, joined.clusters[[at for at, _ in leads]], 0.95, ranged=False)
    return ChoiceShift(
        n=shift.n,
        kl=shift.kl,
        kl_low=shift.kl_low,
        kl_high=shift.kl_high,
        lead=interval.value,
        lead_low=interval.low,
        lead_high=interval.high,
        p_lead=p_no_change(moved, ranged=False) if joined.clusters is None else _p_from(interval.p_worse(0.0)),
    )


def _p_from(below: float) -> float:
    return min(1.0, 2 * min(below, 1 - below))


def _lines(
    joined: Joined, base: tuple[Side, Scores], new: tuple[Side, Scores]
) -> Iterator[tuple[int, Mapping[str, Any], Mapping[str, Any]]]:
    """The items' positions, and their lines in both journals; none where a side is a baseline, which holds no lines."""
    (before, was), (after, now) = base, new
    if before.journal is None or after.journal is None:
        return
    both = np.flatnonzero((joined.at_base >= 0) & (joined.at_new >= 0))
    first = True
    for start in range(0, len(both), _AT_ONCE):
        positions = both[start : start + _AT_ONCE]
        pairs = zip(
            positions.tolist(),
            before.texts(was.places[joined.at_base[positions]].tolist()),
            after.texts(now.places[joined.at_new[positions]].tolist()),
            strict=True,
        )
        for position, one, other in pairs:
            if first and not (_logprobs(one) or _logprobs(other)):  # written answers: the others are written too
                return
            first = False
            yield position, one, other


def _logprobs(line: Mapping[str, Any]) -> list[float]:
    response = line.get("response")
    found = response.get("logprobs") if isinstance(response, Mapping) else None
    whole = isinstance(found, list) and all(isinstance(x, int | float) and math.isfinite(x) for x in found)
    return [float(x) for x in found] if whole and len(found or ()) > 1 else []  # type: ignore[union-attr]  # a list


def _moved(was: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[float, float | None] | None:
    """The divergence of one item's distributions, and the change of its right choice's lead."""
    before, after = _logprobs(was), _logprobs(now)
    sample, other = _sample(was), _sample(now)
    if not before or len(before) != len(after) or sample.get("choices") != other.get("choices"):
        return None
    p, q = _normalised(before), _normalised(after)
    divergence = max(0.0, float(np.sum(np.exp(p) * (p - q))))
    gold = sample.get("gold")
    if not isinstance(gold, Sequence) or isinstance(gold, str):
        return divergence, None
    right = {i for i in gold if isinstance(i, int) and 0 <= i < len(before)}
    if not right or len(right) == len(before):
        return divergence, None
    return divergence, _lead(after, right) - _lead(before, right)


def _sample(line: Mapping[str, Any]) -> Mapping[str, Any]:
    found = line.get("sample")
    return found if isinstance(found, Mapping) else {}


def _normalised(logprobs: Sequence[float]) -> NDArray[np.float64]:
    values = np.array(logprobs)
    shifted = values - values.max()
    found: NDArray[np.float64] = shifted - math.log(float(np.exp(shifted).sum()))
    return found


def _lead(logprobs: Sequence[float], right: set[int]) -> float:
    return max(x for i, x in enumerate(logprobs) if i in right) - max(
        x for i, x in enumerate(logprobs) if i not in right
    )
