"""The stage of a run that judges its answers; from the first answer on where the judges compute elsewhere.

What is judged beside the answers is written to the same journal as ever. The stage itself, once the run is whole, finds
those verdicts there and asks what is left: the figures and their bytes are the same whoever was first.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from queue import Empty, Full, Queue

from evalharness.errors import UserError
from evalharness.events import Event, Observer, ResultCame
from evalharness.judging.asking import Purse, judged
from evalharness.judging.calls import Call, call_of, equal_answers, questions_of
from evalharness.judging.cases import Opponents, case_of, opponents
from evalharness.judging.panel import JudgeOptions, OpenedJudging
from evalharness.judging.run import JudgeRun, check, judge_answers, open_judging
from evalharness.judging.verdicts import VERDICTS, verdict_line
from evalharness.model import Remote, Stop
from evalharness.records import Result
from evalharness.runs.journal import Journal
from evalharness.runs.store import Run

WAITING = 10_000  # answers that wait for a judge; what comes beyond is judged at the end
CASES_AT_ONCE = 64  # answers that are judged at a time


@dataclass(frozen=True)
class JudgingStage:
    """Judges a run's answers: `beside` while they come, by being called once all are there."""

    spec: str
    options: JudgeOptions

    def __call__(self, run: Run) -> JudgeRun:
        return judge_answers(run, self.spec, self.options)

    @contextmanager
    def beside(self, run: Run) -> Iterator[Observer]:
        """Within, the answers that the observer hears of are judged. Nothing is where a judge computes on this machine,
        which the model needs, or where a limit of cost is to be kept over answers and verdicts together."""
        opened = open_judging(run, self.spec, self.options)
        elsewhere = all(isinstance(s.model, Remote) and s.model.remote for s in opened.jury.seats)
        if not elsewhere or self.options.max_cost is not None:
            yield lambda event: None
            return
        ahead = _Ahead(run, opened, self.options)
        # In a copy of our context, so that whoever hears our warnings hears its.
        thread = threading.Thread(target=copy_context().run, args=(ahead.work,), name="evalh-judge", daemon=True)
        thread.start()
        try:
            yield ahead.hear
        except BaseException:
            ahead.stop.say()
            raise
        finally:
            ahead.end()
            thread.join()


def judging_stage(spec: str, options: JudgeOptions, benchmarks: Sequence[str], data: str | None = None) -> JudgingStage:
    """The stage. UserError, before anything is asked, where `spec` names no judge for these benchmarks."""
    check(spec, benchmarks, options, data)
    return JudgingStage(spec, options)


class _Ahead:
    """Judges what it hears of, on a thread of its own, until it is told that no more comes."""

    def __init__(self, run: Run, opened: OpenedJudging, options: JudgeOptions) -> None:
        self.run, self.opened, self.options = run, opened, options
        self.stop = Stop()
        self._came: Queue[Result | None] = Queue(WAITING)
        self._ended = False

    def hear(self, event: Event) -> None:
        """Take an answer. Called by whoever runs the benchmarks."""
        if isinstance(event, ResultCame) and event.result.benchmark in self.opened.judged:
            try:
                self._came.put_nowait(event.result)
            except Full:
                return

    def end(self) -> None:
        """No more comes: what is being judged is finished, what waits is left to the stage."""
        self._ended = True
        while True:
            try:
                self._came.put_nowait(None)
                return
            except Full:
                self._came.get_nowait()

    def work(self) -> None:
        """Judge until the end. A judge that cannot be asked is left to the stage, which says why."""
        try:
            other = opponents(self.run, self.opened.against)
            with Journal(self.run.path / VERDICTS) as journal:
                while results := self._next():
                    self._judge(results, other, journal)
        except UserError:
            return

    def _next(self) -> list[Result]:
        """The answers that wait, at least one; none at the end."""
        found: list[Result] = []
        result = self._came.get()
        while result is not None and not self._ended:
            found.append(result)
            if len(found) == CASES_AT_ONCE:
                break
            try:
                result = self._came.get_nowait()
            except Empty:
                break
        return [] if self._ended else found

    def _judge(self, results: Sequence[Result], other: Opponents | None, journal: Journal) -> None:
        calls = [call for result in results for call in self._calls(result, other)]
        purse = Purse(None, 1 + self.options.retries, lambda: 0.0, len(calls))

        def of_seats(names: Collection[str]) -> Iterator[Call]:
            return (call for call in calls if call.seat.name in names)

        with closing(judged(of_seats, self.opened.jury, self.options.retries, purse, self.stop)) as verdicts:
            for call, verdict in verdicts:
                journal.append(verdict_line(call, self.opened.name, verdict))
                purse.settle(call)

    def _calls(self, result: Result, other: Opponents | None) -> list[Call]:
        jury = self.opened.jury
        case = case_of(result, jury, self.opened.against, other)
        if isinstance(case, str):
            return []
        asked = questions_of(case, jury, self.options)
        return [call_of(result, case, one) for one in asked if not equal_answers(case, one.part)]
