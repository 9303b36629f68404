"""What a run tells while it goes: an observer draws progress, keeps a budget, or stays silent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from evalharness.benchmark import Benchmark
from evalharness.records import Result


class ObservedTask(Protocol):
    """What an observer sees of a benchmark that is being asked: its name, its metrics, and how much there is to do."""

    @property
    def name(self) -> str: ...
    @property
    def benchmark(self) -> Benchmark: ...
    @property
    def size(self) -> int:
        """Answers wanted: questions times repeats."""
        ...

    @property
    def items(self) -> frozenset[str]:
        """The ids of the samples asked."""
        ...


class Observer(Protocol):
    """Is told what happens: once what will be run, then per benchmark its beginning, every result, its end.

    An observer that raises UserError ends the run; what was answered is kept.
    """

    def open(self, tasks: Sequence[ObservedTask], model: str) -> None: ...
    def begin(self, task: ObservedTask, done: int) -> None: ...
    def result(self, result: Result) -> None: ...
    def end(self, task: ObservedTask) -> None: ...


class SilentObserver:
    """Says nothing."""

    def open(self, tasks: Sequence[ObservedTask], model: str) -> None: ...
    def begin(self, task: ObservedTask, done: int) -> None: ...
    def result(self, result: Result) -> None: ...
    def end(self, task: ObservedTask) -> None: ...
