"""Sends every run that is told of to trackers: its settings, the running scores, and the figures at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from evalharness.events import (
    Event,
    Observer,
    ResultCame,
    RunEnded,
    RunOpened,
    TaskBegan,
    heard_also_by,
    observed_by,
    warn,
)  # fmt: skip
from evalharness.tracking.tracker import Figures, Tracked, Tracker, begin_tracker, load_tracker

POINTS = 100  # of a running score, at most: a tracker is asked no more often, however long the run is


class RunningScore:
    """The mean of a benchmark's headline score over the answers so far, now and then."""

    def __init__(self, began: TaskBegan) -> None:
        self.score = began.task.benchmark.metrics[0].score
        self.every = max(1, began.task.size // POINTS)
        self.sum, self.scored = 0.0, 0

    def add(self, came: ResultCame) -> float | None:
        """The mean with this answer; None where it is not yet time to say it."""
        result = came.result
        if result.status == "error" or self.score is None or self.score not in result.scores:
            return None
        self.sum, self.scored = self.sum + result.scores[self.score], self.scored + 1
        return self.sum / self.scored if not self.scored % self.every else None


class TrackedRuns:
    """An observer: opens the trackers when a run begins, and closes them at its end.

    A tracker that cannot start ends the run before anything is asked. One that fails later is told of once and left
    out: answers are worth more than their echo elsewhere.
    """

    def __init__(self, names: Sequence[str]) -> None:
        for name in names:
            load_tracker(name)  # so that a mistyped name is said before anything is opened
        self.names = tuple(dict.fromkeys(names))
        self.open: dict[str, Tracker] = {}
        self.running: dict[str, RunningScore] = {}
        self.answers = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunOpened) and event.folder is not None:
            self.close()
            tracked = Tracked(name=event.folder.name, folder=event.folder, settings=event.settings)
            for name in self.names:
                self.open[name] = begin_tracker(name, tracked)
        for name, tracker in list(self.open.items()):
            self._guarded(name, partial(tracker.hear, event))
        match event:
            case TaskBegan(task=task):
                self.running[task.name] = RunningScore(event)
            case ResultCame(result=result) if result.benchmark in self.running:
                self.answers += 1
                mean = self.running[result.benchmark].add(event)
                if mean is not None:
                    self._log({f"{result.benchmark}/running_score": mean})
            case RunEnded():
                self._log(end_figures(event))
                self.close()

    def _log(self, figures: Figures) -> None:
        for name, tracker in list(self.open.items()):
            self._guarded(name, partial(tracker.log, figures, self.answers))

    def close(self) -> None:
        """Let every tracker write what it holds back."""
        for name, tracker in list(self.open.items()):
            self._guarded(name, tracker.close)
        self.open, self.running, self.answers = {}, {}, 0

    def _guarded(self, name: str, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:  # whatever a third party raises about its server
            self.open.pop(name, None)
            warn(f"{name} takes no more figures ({' '.join(str(error).split())[:200]}); the run goes on without it")


def end_figures(ended: RunEnded) -> dict[str, float]:
    """The figures of a finished run by name: `mmlu/accuracy` with `_low`, `_high` and `_n`, `mmlu/error` for the
    answers of each status, `mmlu/tokens_in`. What was not measured is left out."""
    found: dict[str, float] = {}
    for benchmark, metrics in ended.metrics.items():
        for name, estimate in metrics.items():
            parts = {"": estimate.value, "_low": estimate.low, "_high": estimate.high, "_n": estimate.n}
            found |= {f"{benchmark}/{name}{part}": value for part, value in parts.items() if value == value}
    for counted in (ended.counts, ended.usage):
        for benchmark, numbers in counted.items():
            found |= {f"{benchmark}/{name}": value for name, value in numbers.items()}
    return found


@contextmanager
def tracked_by(names: Sequence[str]) -> Iterator[Observer]:
    """Within, the observer that there is now, and with it the trackers of these names, which are closed at the end.
    UserError for an unknown one."""
    if not names:
        with observed_by(None) as observer:
            yield observer
        return
    runs = TrackedRuns(names)
    try:
        with observed_by(heard_also_by(runs)) as observer:
            yield observer
    finally:
        runs.close()
