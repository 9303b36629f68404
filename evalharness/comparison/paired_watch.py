"""One benchmark asked of two models side by side: which items are there on both sides, and what they show so far.

An item counts only in its place of the seeded order, when both sides have all its answers: what is counted is a seeded
random part of the benchmark, whatever was quick to answer and whenever it was stopped. The bounds hold at every look
and at the end, for all benchmarks of a family at once: each has 1/K of alpha (the union bound, which asks nothing of
how benchmarks depend on each other), a fifth of it for the looks and the rest for tests where asking ends, as in
`sequential`. A split and not Holm: the level at which one benchmark stops must be known while the others are asked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evalharness.comparison.align import Joined
from evalharness.comparison.decide import TaskComparison, measured_task
from evalharness.comparison.scores import STATUS_CODE
from evalharness.records import Result, Status
from evalharness.stats.e_processes import ConfidenceSequence, evidence_needed, last_levels

Answer = tuple[float | None, Status]  # what it is worth, None where that is not known
BASE, TUNED = 0, 1  # the two sides


@dataclass(slots=True)
class PairedWatch:
    """A benchmark under way, whose items are asked in `order`.

    `repeats` answers make an item whole on either side; `scores` names what an item may be valued by, the first that
    its answers have; `alpha` is this benchmark's share; `tested` are the numbers of items at which asking ended before.
    """

    name: str
    order: Sequence[str]
    repeats: tuple[int, int]
    scores: Sequence[str]
    margin: float
    alpha: float
    tested: tuple[int, ...] = ()
    score: str | None = None
    counted: int = 0
    ranged: bool = True
    sequence: ConfidenceSequence = field(init=False)
    _answers: tuple[dict[str, dict[int, Answer]], dict[str, dict[int, Answer]]] = field(init=False)
    _groups: dict[str, str] = field(default_factory=dict, init=False)
    _intervals: dict[tuple[int, float], tuple[float, float]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.sequence = ConfidenceSequence(evidence_needed(self.alpha))
        self._answers = {}, {}

    def add(self, side: int, result: Result) -> None:
        """An answer of one side; `count` looks at what it completes."""
        if self.score is None:
            self.score = next((name for name in self.scores if name in result.scores), None)
        failed = result.status == "error" or self.score is None
        value = None if failed else result.scores.get(str(self.score))
        self._answers[side].setdefault(result.sample.id, {})[result.repeat] = value, result.status
        self._groups[result.sample.id] = result.sample.group

    def count(self) -> None:
        """Count the items that are whole now, in their order."""
        while self.counted < len(self.order) and self._whole(self.order[self.counted]):
            base, tuned = (self._value(side, self.order[self.counted]) for side in (BASE, TUNED))
            self.counted += 1
            # Outside of 0 ... 1 nobody knows how far a value may lie, which the bounds of the looks rest on.
            self.ranged = self.ranged and all(math.isnan(value) or 0 <= value <= 1 for value in (base, tuned))
            if self.ranged:
                lowest = (0.0 if math.isnan(tuned) else tuned) - (1.0 if math.isnan(base) else base)
                highest = (1.0 if math.isnan(tuned) else tuned) - (0.0 if math.isnan(base) else base)
                self.sequence.add(lowest, highest)

    def _whole(self, identity: str) -> bool:
        return all(len(self._answers[side].get(identity, ())) >= self.repeats[side] for side in (BASE, TUNED))

    def _value(self, side: int, identity: str) -> float:
        """The mean over an item's answers; NaN where none has a value."""
        known = [value for value, _ in self._answers[side][identity].values() if value is not None]
        return sum(known) / len(known) if known else math.nan

    @property
    def complete(self) -> bool:
        """Everything there is was asked."""
        return self.counted == len(self.order)

    @property
    def decided(self) -> bool:
        """Worse, better or the same, by the looks and the tests so far: nothing more need be asked."""
        low, high = self.bounds(self.tested)
        return high < -self.margin or low > self.margin or (low > -self.margin and high < self.margin)

    def bounds(self, tested: Sequence[int]) -> tuple[float, float]:
        """What the looks leave, cut with the intervals of the tests at so many items."""
        low, high = (self.sequence.low, self.sequence.high) if self.ranged else (-math.inf, math.inf)
        levels = last_levels(self.alpha, len(tested), complete=len(self.order) in tested)
        for number, level in zip(tested, levels, strict=True):
            below, above = self._interval(number, level)
            low, high = max(low, below), min(high, above)
        return min(low, high), max(low, high)  # looks and test may exclude each other, once in very many times

    def _interval(self, number: int, level: float) -> tuple[float, float]:
        """The interval of a test over the first `number` items, which does not change any more; without ends where its
        answers are not all there: those that failed are asked again."""
        if number > self.counted:
            return -math.inf, math.inf
        if (number, level) not in self._intervals:
            found = self.measured(number, level)
            ends = (-math.inf if found.low is None else found.low, math.inf if found.high is None else found.high)
            self._intervals[number, level] = ends
        return self._intervals[number, level]

    def measured(self, number: int, alpha: float) -> TaskComparison:
        """The figures of the first `number` items, the interval with an error rate of `alpha` at either end."""
        task = TaskComparison(benchmark=self.name, metric=self.score or self.scores[0], margin=self.margin)
        return measured_task(self.joined(number), task, alpha)

    def joined(self, number: int) -> Joined:
        """The first items of the order, as a comparison takes them."""
        ids = list(self.order[:number])
        base, new = (np.array([self._value(side, i) for i in ids], np.float64) for side in (BASE, TUNED))
        known = np.concatenate([base, new])
        known = known[~np.isnan(known)]
        return Joined(
            ids=ids, base=base, new=new, at_base=np.arange(len(ids)), at_new=np.arange(len(ids)),
            base_status=self._status(BASE, ids), new_status=self._status(TUNED, ids),
            groups=[self._groups[i] for i in ids], clusters=None,
            binary=self.repeats == (1, 1) and bool(np.all((known == 0) | (known == 1))),
        )  # fmt: skip

    def _status(self, side: int, ids: Sequence[str]) -> NDArray[np.uint8]:
        first: list[Mapping[int, Answer]] = [self._answers[side][i] for i in ids]
        return np.array([STATUS_CODE[answers[min(answers)][1]] for answers in first], np.uint8)


def family_share(alpha: float, benchmarks: int) -> float:
    """The error rate that each of so many benchmarks may spend."""
    return alpha / max(1, benchmarks)
