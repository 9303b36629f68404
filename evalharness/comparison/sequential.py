"""Stops asking when the verdict is clear: a hybrid of an e-process and one final test.

Betting on the mean of bounded values: Waudby-Smith and Ramdas 2024, https://arxiv.org/abs/2010.09686. Looking again
and again with a 5 % test would fail a good model every third time; here either wrong verdict stays within alpha:
alpha/5 goes to each process over all looks (evidence of 5/alpha), the rest to one test at the planned number of items.

Of items that were drawn with unequal chances each counts with the inverse of its chance, so that the mean is again that
of all items; what lies further from 0 for that is what the process is told of as its reach.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evalharness.comparison.scores import Scores
from evalharness.records import Result
from evalharness.runs.drawn import DrawnItems
from evalharness.runs.manifest import SequentialFacts, WatchedFacts
from evalharness.stats.e_processes import Decision, EProcess, evidence_needed


def order(ids: Iterable[str], seed: int) -> list[str]:
    """The seeded random order in which items are asked and counted; it depends on nothing but seed and ids."""
    key = lambda identity: hashlib.sha256(f"sequential/{seed}/{identity}".encode("utf-8", "surrogatepass")).digest()
    return sorted(ids, key=key)


@dataclass(slots=True)
class Monitor:
    """One benchmark under way. Items count in their order, each when all its answers are there.

    `base` holds the base's value per item (absent: not known), `repeats` how many answers make an item whole,
    `weights` what an item counts (absent: 1), their mean over a draw being 1. Where less is better, differences are
    turned round.
    """

    order: Sequence[str]
    base: Mapping[str, float]
    repeats: int
    process: EProcess
    needed: float
    weights: Mapping[str, float] = field(default_factory=dict)
    lower_is_better: bool = False
    counted: int = 0
    decision: Decision | None = None
    _answers: dict[str, dict[int, float | None]] = field(default_factory=dict)

    def add(self, identity: str, repeat: int, value: float | None) -> Decision | None:
        """An answer's value, None where it failed. Returns the decision as soon as there is one."""
        self._answers.setdefault(identity, {})[repeat] = value
        while self.decision is None and self.counted < len(self.order):
            identity = self.order[self.counted]
            found = self._answers.get(identity, {})
            if len(found) < self.repeats:
                break
            known = [v for v in found.values() if v is not None]
            new = sum(known) / len(known) if known else None
            base, weight = self.base.get(identity), self.weights.get(identity, 1.0)
            lowest = (0.0 if new is None else new) - (1.0 if base is None else base)
            highest = (1.0 if new is None else new) - (0.0 if base is None else base)
            if self.lower_is_better:
                lowest, highest = -highest, -lowest
            self.process.add(weight * lowest, weight * highest)
            self.counted += 1
            self.decision = self.process.look(self.needed)
        return self.decision


@dataclass(frozen=True, slots=True, kw_only=True)
class SequentialRule:
    """Which benchmarks are watched, by what metric, and against what. Told of every result; True ends a benchmark."""

    against: str
    fingerprint: str | None
    alpha: float
    seed: int
    metrics: Mapping[str, str]
    watches: Mapping[str, Monitor]

    def __call__(self, result: Result) -> bool:
        watch = self.watches.get(result.benchmark)
        if watch is None:
            return False
        value = None if result.status == "error" else result.scores.get(self.metrics[result.benchmark])
        return watch.add(result.sample.id, result.repeat, value) is not None

    def rank(self, benchmark: str) -> Mapping[str, int] | None:
        """The place of each item in the order of asking; None where the benchmark is not watched."""
        watch = self.watches.get(benchmark)
        return None if watch is None else {identity: place for place, identity in enumerate(watch.order)}

    def over(self, benchmark: str) -> bool:
        """The benchmark is decided: nothing more need be asked of it."""
        watch = self.watches.get(benchmark)
        return watch is not None and watch.decision is not None

    def facts(self) -> SequentialFacts:
        """What the manifest keeps: per benchmark the decision, after how many of how many items, and the e-values."""
        watched = {
            name: WatchedFacts(
                decision=watch.decision,
                counted=watch.counted,
                planned=len(watch.order),
                margin=watch.process.margin,
                e_pass=watch.process.passing,
                e_fail=watch.process.failing,
            )
            for name, watch in self.watches.items()
        }
        return SequentialFacts(
            against=self.against, fingerprint=self.fingerprint, alpha=self.alpha, seed=self.seed, benchmarks=watched
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedItems:
    """The planned items of a benchmark: their ids, how many answers each has, how they were drawn, if not all, and
    whether less of their score is better."""

    ids: Iterable[str]
    repeats: int = 1
    lower_is_better: bool = False
    drawn: DrawnItems | None = None

    @property
    def weights(self) -> dict[str, float]:
        """What each item counts, where chances were unequal: their mean chance over its own."""
        if self.drawn is None:
            return {}
        mean = sum(self.drawn.probabilities) / len(self.drawn.ids)
        return {name: mean / chance for name, chance in zip(self.drawn.ids, self.drawn.probabilities, strict=True)}


def monitor(base: Scores, items: WatchedItems, *, seed: int, margin: float, alpha: float) -> Monitor:
    """Begin to watch a benchmark."""
    values = {i: v for i, v in zip(base.ids, base.values.tolist(), strict=True) if not math.isnan(v)}
    weights = items.weights
    # The farthest weight of all items and not of those drawn: what a bet is worth must not hang on the draw.
    process = EProcess(margin, reach=max([1.0, *weights.values()]))
    return Monitor(
        order=order(items.ids, seed), base=values, repeats=items.repeats, process=process,
        needed=evidence_needed(alpha), weights=weights, lower_is_better=items.lower_is_better,
    )  # fmt: skip
