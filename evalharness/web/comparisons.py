"""Comparisons as pages need them: made once, kept while the runs stay as they are, with every item that changed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar, get_args

import numpy as np

from evalharness.comparison.align import align_scores
from evalharness.comparison.compare import Options
from evalharness.comparison.decide import TaskComparison
from evalharness.comparison.direction import larger_is_better
from evalharness.comparison.flips import flips
from evalharness.comparison.gate import ComparisonRequest, GatedComparison, run_gate
from evalharness.comparison.inputs import from_run
from evalharness.comparison.ranking import Ranking, rank_runs
from evalharness.runs.store import JOURNAL, MANIFEST, SUMMARY, Run

Change = Literal["broke", "fixed", "both wrong", "both right"]
ITEM_CHANGES: tuple[Change, ...] = get_args(Change)
_KEPT = 16  # comparisons
_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairTerms:
    """How two runs are compared: the margin as a share, and the fields that may differ."""

    margin: float = Options().margin
    allow: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedOutcomes:
    """The ids of a benchmark's items by what became of them; `complete` where none is left out."""

    ids: Mapping[Change, Sequence[str]]
    complete: bool = True


class KeptResults(Generic[_Made]):
    """The latest few values, each made once: whoever asks while one is made waits for it."""

    def __init__(self, most: int = _KEPT) -> None:
        self._most, self._lock = most, threading.Lock()
        self._made: OrderedDict[Hashable, _Made] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], _Made]) -> _Made:
        """The value for a key, made where there is none."""
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
                while len(self._made) > self._most:
                    self._made.popitem(last=False)
            self._made.move_to_end(key)
            return self._made[key]


class Comparisons:
    """Compares runs, two or many at a time. UserError where they cannot be compared."""

    def __init__(self) -> None:
        self._pairs = KeptResults[GatedComparison](128)
        self._outcomes = KeptResults[PairedOutcomes]()
        self._rankings = KeptResults[Ranking]()

    def pair(self, base: Run, new: Run, terms: PairTerms) -> GatedComparison:
        """NEW against BASE, over all benchmarks that both have."""
        alone = base.manifest.benchmarks.keys() ^ new.manifest.benchmarks.keys()
        allow = terms.allow | ({"benchmarks"} if alone else frozenset())

        def make() -> GatedComparison:
            options = Options(margin=terms.margin, allow=allow)
            return run_gate(ComparisonRequest(base=str(base.path), new=str(new.path), options=options))

        return self._pairs.get((run_state(base), run_state(new), terms), make)

    def outcomes(self, base: Run, new: Run, task: TaskComparison) -> PairedOutcomes:
        """What became of every item of a benchmark."""
        key = (run_state(base), run_state(new), task.benchmark, task.metric)
        return self._outcomes.get(key, lambda: _outcomes(base, new, task))

    def ranking(self, runs: Sequence[Run]) -> Ranking:
        """Runs ranked, with the ranks that are possible."""
        names = [str(run.path) for run in runs]
        return self._rankings.get(tuple(map(run_state, runs)), lambda: rank_runs(names, baselines=Path(".none")))


def run_state(run: Run) -> tuple[object, ...]:
    """What differs once a run was written to."""
    found: list[object] = [str(run.path.resolve())]
    for name in (MANIFEST, JOURNAL, SUMMARY):
        file = run.path / name
        now = file.stat() if file.is_file() else None
        found.append(None if now is None else (now.st_size, now.st_mtime_ns, now.st_ino))
    return tuple(found)


def _outcomes(base: Run, new: Run, task: TaskComparison) -> PairedOutcomes:
    sides = from_run(base), from_run(new)
    before, after = (side.scores({task.benchmark: task.metric}).get(task.benchmark) for side in sides)
    scored_alike = base.manifest.scored_by == new.manifest.scored_by
    imported = any(side.facts[task.benchmark].data.imported for side in sides)
    if before is None or after is None or imported or not scored_alike:
        # Paired by what was asked, or scored anew: the comparison knows the items that it shows.
        shown: dict[Change, list[str]] = {change: [] for change in ITEM_CHANGES}
        for item in task.samples:
            shown[item.change].append(item.id)
        return PairedOutcomes(ids=shown, complete=False)
    joined = align_scores(before, after, common_only=True)
    joined = larger_is_better(joined) if task.lower_is_better else joined
    changed, known = flips(joined), joined.known
    was, now = joined.base > 0.5, joined.new > 0.5
    places = {"broke": changed.broke, "fixed": changed.fixed, "both wrong": np.flatnonzero(known & ~was & ~now),
              "both right": np.flatnonzero(known & was & now)}  # fmt: skip
    return PairedOutcomes(ids={change: [joined.ids[i] for i in places[change].tolist()] for change in ITEM_CHANGES})
