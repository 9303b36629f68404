"""What is told while work goes on: events as records, and who hears them.

An observer is a function that takes an event: it draws progress, keeps a budget, or passes over what does not concern
it. It may raise UserError to end a run; what was answered is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # the command line imports this module before it knows what is asked
    from pathlib import Path

    from evalharness.benchmark import Benchmark
    from evalharness.records import Estimate, Result


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened. Each kind is a record of its own; training adds kinds of its own. `run` says in which of
    several runs that go on at the same time, '' where there is one."""

    run: str = ""


Observer = Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOpened(Event):
    """A run begins: what will be asked, and of which model."""

    tasks: Sequence[ObservedTask]
    model: str
    folder: Path | None = None  # where it is kept, and the settings that decide its answers; None of several at once
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskBegan(Event):
    """A benchmark begins, of which `done` answers are there from before."""

    task: ObservedTask
    done: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultCame(Event):
    """An answer was scored and written down."""

    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEnded(Event):
    """A benchmark is done."""

    task: ObservedTask


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Event):
    """A run is finished and judged: by benchmark its figures, how many answers have each status, and what it used."""

    metrics: Mapping[str, Mapping[str, Estimate]]
    counts: Mapping[str, Mapping[str, int]]
    usage: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictCame(Event):
    """A judge gave a verdict: how many are there, how many are wanted, and how many of them are none."""

    done: int
    wanted: int
    nulls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned(Event):
    """Something that the user should know, and that stops nothing."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told(Event):
    """Something that the user should know, and that is as it should be."""

    text: str


def logged(event: Event) -> None:
    """The observer where nobody chose one: warnings go to the logger `evalharness`, which prints nothing by itself."""
    if isinstance(event, Warned):
        import logging

        logger = logging.getLogger("evalharness")
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
        logger.warning(event.text)


_current: ContextVar[Observer] = ContextVar("observer", default=logged)


def current_observer() -> Observer:
    """Who hears what is told now."""
    return _current.get()


def tell(event: Event) -> None:
    """Tell the observer of the work at hand."""
    _current.get()(event)


def warn(text: str) -> None:
    """Tell of something that stops nothing."""
    tell(Warned(text=text))


@contextmanager
def observed_by(observer: Observer | None) -> Iterator[Observer]:
    """Whoever hears what is told inside; None leaves the observer that there is."""
    token = _current.set(observer or _current.get())
    try:
        yield _current.get()
    finally:
        _current.reset(token)


def heard_also_by(hear: Observer) -> Observer:
    """The observer that there is now, and this one after it."""
    outer = _current.get()

    def both(event: Event) -> None:
        outer(event)
        hear(event)

    return both


def only_warnings() -> Observer:
    """An observer that passes warnings on to the one that there is now, and nothing else."""
    outer = _current.get()

    def hear(event: Event) -> None:
        if isinstance(event, Warned):
            outer(event)

    return hear
