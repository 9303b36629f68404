"""Several runs at once: models that compute elsewhere are asked side by side, those of this machine in turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace

from evalharness.errors import UserError
from evalharness.events import Event, Observer, current_observer, observed_by
from evalharness.model import Model, Remote, Started, Stop, stopped_by
from evalharness.runs.plan import Plan
from evalharness.runs.session import RunHooks, RunOutcome, RunPlace, run_plan

MOST_TOGETHER = 16  # runs at the same time, each on a thread of its own


@dataclass(frozen=True, kw_only=True)
class RunStart:
    """All that a run needs to begin. `label` is what its events call it beside others."""

    label: str
    plan: Plan
    model: Model
    place: RunPlace
    hooks: RunHooks

    @property
    def apart(self) -> bool:
        """Whether it leaves this machine to others; a server that is started for it would take all of it."""
        return isinstance(self.model, Remote) and self.model.remote and not isinstance(self.model, Started)

    def run(self) -> RunOutcome:
        return run_plan(self.plan, self.model, self.place, self.hooks)


def run_together(starts: Sequence[RunStart]) -> Iterator[RunOutcome | UserError]:
    """The outcome of each run in the order given, or why it has none; what happens to one does not end the others.

    What is told of one of several says which one it is (`Event.run`), and comes one at a time. An end of the iteration
    ends all runs; what was answered is kept.
    """
    if len(starts) == 1:
        yield _outcome(starts[0])
        return
    stop, turn = Stop(), threading.Lock()
    with ThreadPoolExecutor(MOST_TOGETHER, thread_name_prefix="evalh-run") as threads:
        try:
            going = [_begun(start, threads, stop, turn) if start.apart else None for start in starts]
            for start, future in zip(starts, going, strict=True):
                if future is not None:
                    yield future.result()
                else:
                    with _one_of_several(start, stop, turn):
                        found = _outcome(start)
                    yield found
        finally:
            stop.say()
            threads.shutdown(wait=False, cancel_futures=True)


def _outcome(start: RunStart) -> RunOutcome | UserError:
    try:
        return start.run()
    except UserError as error:
        return error


def _begun(
    start: RunStart, threads: ThreadPoolExecutor, stop: Stop, turn: threading.Lock
) -> Future[RunOutcome | UserError]:
    """A run on a thread, in a copy of our context, so that whoever hears us hears it."""

    def work() -> RunOutcome | UserError:
        with _one_of_several(start, stop, turn):
            return _outcome(start)

    return threads.submit(copy_context().run, work)


@contextmanager
def _one_of_several(start: RunStart, stop: Stop, turn: threading.Lock) -> Iterator[None]:
    with stopped_by(stop), observed_by(_marked(start.label, stop, turn)):
        yield


def _marked(label: str, stop: Stop, turn: threading.Lock) -> Observer:
    """The observer that there is now, told in turn with others and of which run it is. Once all are to end, whoever
    tells anything ends."""
    outer = current_observer()

    def hear(event: Event) -> None:
        if stop.said:
            raise UserError("it was ended before it was finished")
        with turn:
            outer(replace(event, run=label))

    return hear
