"""Several runs at once: models that compute elsewhere are asked side by side, those of this machine in turn."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace
from math import ceil

from evalharness import plugins
from evalharness.errors import UserError
from evalharness.events import Event, Observer, Told, current_observer, observed_by, tell
from evalharness.model import Model, Remote, Stop, stopped_by
from evalharness.runs.budget import Budget, limits_in_words
from evalharness.runs.plan import Plan
from evalharness.runs.session import RunHooks, RunOutcome, RunPlace, run_plan

MOST_TOGETHER = 16  # runs at the same time, each on a thread of its own


@dataclass(frozen=True)
class ModelOpening:
    """How the model of a run is had, and whether it computes `apart` from this machine, beside others."""

    open: Callable[[], Model]
    apart: bool = False


def opening(spec: str, open_model: Callable[[], Model]) -> ModelOpening:
    """A model behind an endpoint is opened now, so that what it lacks is said before anything is asked; any other one,
    and a server that is started for it, in its turn and for its turn: two might not fit into this machine."""
    if not plugins.asks_endpoint(spec):
        return ModelOpening(open_model)
    model = open_model()
    return ModelOpening(lambda: model, apart=isinstance(model, Remote) and model.remote)


@dataclass(frozen=True, kw_only=True)
class RunStart:
    """All that a run needs to begin. `label` is what its events call it beside others."""

    label: str
    plan: Plan
    model: ModelOpening
    place: RunPlace
    hooks: RunHooks

    def run(self) -> RunOutcome:
        return run_plan(self.plan, self.model.open(), self.place, self.hooks)


def budgets_of_each(budget: Budget, specs: Sequence[str], *, judged: bool) -> list[Budget]:
    """Of one command's budget the part of each of its models.

    Money is shared alike by those that cost any (all where answers are judged), tokens by all, and minutes by those
    that are asked one after another. No part grows with what another leaves: what a model is asked depends on itself
    alone.
    """
    apart = [plugins.asks_endpoint(spec) for spec in specs]
    paid = len(specs) if judged else max(1, sum(apart))
    in_turn = max(1, len(specs) - sum(apart))
    return [
        Budget(
            cost=None if budget.cost is None else budget.cost / (paid if elsewhere or judged else 1),
            tokens=None if budget.tokens is None else budget.tokens // len(specs),
            minutes=None
            if budget.minutes is None
            else budget.minutes / (ceil(sum(apart) / MOST_TOGETHER) if elsewhere else in_turn),
        )
        for elsewhere in apart
    ]


def tell_parts(specs: Sequence[str], parts: Sequence[Budget]) -> None:
    """Say what each of several models may use up."""
    if len(specs) > 1 and any(parts):
        said = "; ".join(f"{spec}: {limits_in_words(part)}" for spec, part in zip(specs, parts, strict=True) if part)
        tell(Told(text=f"the budget is that of the whole command, and each model has its part of it ({said})"))


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
            going = [_begun(start, threads, stop, turn) if start.model.apart else None for start in starts]
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
