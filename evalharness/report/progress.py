"""A run as it goes: a bar on a terminal, plain lines elsewhere; and the report at its end."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evalharness.events import (
    Event,
    ObservedTask,
    Observer,
    ResultCame,
    RunOpened,
    TaskBegan,
    TaskEnded,
    Told,
    VerdictCame,
    Warned,
)  # fmt: skip
from evalharness.records import Result
from evalharness.report.escape import line, printable
from evalharness.runs.session import RunOutcome
from evalharness.text.visible import shell_word, warning_line

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PLAIN_SECONDS = 10.0
NOTEBOOK_SECONDS = 0.2
_Place = tuple[str, str]  # a run ('' for the only one) and one of its benchmarks


class Tally:
    """The running score of one task: results scored and the sum of the headline's score."""

    def __init__(self, began: TaskBegan) -> None:
        self.task, done = began.task, began.done
        self.title = line(f"{began.run}: {began.task.name}" if began.run else began.task.name)
        self.total = self.task.size
        self.done = done
        self.before = done
        self.started = time.monotonic()
        self.scored = 0
        self.sum = 0.0

    def add(self, result: Result) -> None:
        self.done += 1
        score = self.task.benchmark.metrics[0].score
        if result.status != "error" and score is not None and score in result.scores:
            self.scored += 1
            self.sum += result.scores[score]

    @property
    def score(self) -> str:
        return f"{self.sum / self.scored:.3f} so far" if self.scored else ""

    @property
    def rate(self) -> float:
        return (self.done - self.before) / max(time.monotonic() - self.started, 1e-9)

    @property
    def as_line(self) -> str:
        left = (self.total - self.done) / max(self.rate, 1e-9)
        return f"{self.title}: {self.done}/{self.total}, {self.rate:.1f}/s, {left:.0f} s left, {self.score}"


class Lines:
    """Plain lines on standard error, one every ten seconds: for logs and pipes."""

    def __init__(self) -> None:
        self.tallies: dict[_Place, Tally] = {}  # of the tasks that are open: their ends overlap
        self.said = 0.0

    def __call__(self, event: Event) -> None:
        match event:
            case RunOpened(tasks=tasks, model=model):
                announce(tasks, model)
            case TaskBegan(task=task, done=done):
                tally = self.tallies[event.run, task.name] = Tally(event)
                self.said = time.monotonic()
                again = f", {done} answered before" if done else ""
                _say(f"{tally.title}: {task.size} questions{again}")
            case ResultCame(result=result):
                self.tallies[event.run, result.benchmark].add(result)
                if time.monotonic() - self.said > PLAIN_SECONDS:
                    self.said = time.monotonic()
                    for tally in self.tallies.values():
                        _say(tally.as_line)
            case TaskEnded(task=task):
                del self.tallies[event.run, task.name]
            case _:
                warnings_and_verdicts(event)


class Bar:
    """A progress bar for each task that is open, with rate, time left and running score."""

    def __init__(self) -> None:
        self.bar: Progress | None = None
        self.rows: dict[_Place, tuple[TaskID, Tally]] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case RunOpened(tasks=tasks, model=model):
                announce(tasks, model)
            case TaskBegan():
                self._begin(event)
            case ResultCame(result=result) if self.bar is not None:
                row, tally = self.rows[event.run, result.benchmark]
                tally.add(result)
                self.bar.update(row, completed=tally.done, rate=f"{tally.rate:.1f}/s", score=tally.score)
            case TaskEnded(task=task) if self.bar is not None:
                del self.rows[event.run, task.name]
                if not self.rows:  # so that each task's bar stays above the next one's
                    self.bar.stop()
                    self.bar = None
            case Warned(text=text) if self.bar is not None:  # above the bar, which a bare line would tear
                self.bar.console.print(warning_line(text), markup=False, soft_wrap=True)
            case _:
                warnings_and_verdicts(event)

    def _begin(self, began: TaskBegan) -> None:
        from rich.markup import escape

        if self.bar is None:
            self.bar = _progress()
            self.bar.start()
        tally = Tally(began)
        row = self.bar.add_task(escape(tally.title), total=tally.total, completed=tally.done, rate="", score="")
        self.rows[began.run, began.task.name] = row, tally


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    name, rate, score = (TextColumn(f"{{task.{what}}}") for what in ("description", "fields[rate]", "fields[score]"))
    columns = (name, BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn(), score)
    return Progress(*columns, console=Console(stderr=True))


class NotebookLine:
    """One line for each task in a notebook's cell, written over as the run goes."""

    def __init__(self) -> None:
        self.handles: dict[_Place, Any] = {}
        self.tallies: dict[_Place, Tally] = {}
        self.said = 0.0

    def __call__(self, event: Event) -> None:
        match event:
            case TaskBegan(task=task):
                self.tallies[event.run, task.name], self.said = Tally(event), 0.0
            case ResultCame(result=result):
                tally = self.tallies[event.run, result.benchmark]
                tally.add(result)
                if time.monotonic() - self.said > NOTEBOOK_SECONDS:
                    self.said = time.monotonic()
                    self._show((event.run, result.benchmark), tally.as_line)
            case TaskEnded(task=task):
                tally = self.tallies.pop((event.run, task.name))
                self._show((event.run, task.name), f"{tally.title}: {tally.done}/{tally.total}, {tally.score}")
                del self.handles[event.run, task.name]
            case _:
                warnings_and_verdicts(event)

    def _show(self, place: _Place, text: str) -> None:
        from IPython.display import Pretty, display

        if place not in self.handles:
            self.handles[place] = display(Pretty(text), display_id=True)
        else:
            self.handles[place].update(Pretty(text))


def warnings_and_verdicts(event: Event) -> None:
    """Warnings, and a line for every tenth of a judge's verdicts, on standard error."""
    match event:
        case Warned():
            warnings_only(event)
        case Told(text=text):
            _say(line(text, 2000))
        case VerdictCame(done=done, wanted=wanted, nulls=nulls) if done == wanted or not done % max(1, wanted // 10):
            what = f"{line(event.run)}: judging" if event.run else "judging"
            _say(f"{what}: {done}/{wanted}" + (f", {nulls} without verdict" if nulls else ""))


def warnings_only(event: Event) -> None:
    """The observer of a quiet command: warnings on standard error."""
    if isinstance(event, Warned):
        _say(warning_line(event.text))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def watcher(*, quiet: bool) -> Observer:
    """A line in a notebook, a bar on a terminal, lines elsewhere; warnings alone when quiet."""
    if quiet:
        return warnings_only
    if "ipykernel" in sys.modules:
        return NotebookLine()
    return Bar() if sys.stderr.isatty() else Lines()


def announce(tasks: Sequence[ObservedTask], model: str) -> None:
    """The first line of a run on bundled samples: what they are not."""
    samples = [task for task in tasks if task.name.endswith("@sample")]
    if samples:
        what = line(samples[0].name.partition("@")[0]) if len(samples) == 1 else f"{len(samples)} benchmarks"
        n = sum(len(task.items) for task in samples)
        print(f"This is the bundled sample of {what}: {n} questions written for evalharness, not the benchmark itself.")
        print(f"The model is {line(model)}.", flush=True)


def show_run(outcome: RunOutcome, *, as_json: bool, stream: Any = None) -> None:
    """The figures of a run: a table, or one JSON object."""
    stream = stream or sys.stdout
    if as_json:
        print(json.dumps(outcome.as_json()), file=stream)
        return
    if outcome.shard is not None:
        print(f"part {outcome.shard}: {outcome.answers:,} answers are there", file=stream)
        for said in _closing(outcome):
            print(printable(said), file=stream)
        return
    from rich.console import Console

    from evalharness.report.terminal import run_table

    console = Console(file=stream)
    console.print(run_table(outcome.run.summary, outcome.run.manifest.usage or {}, console.width))
    for said in _closing(outcome):
        console.print(printable(said), markup=False, highlight=False, soft_wrap=True)


def _closing(outcome: RunOutcome) -> list[str]:
    """What is left to say: what was left out or failed, where the run is, what to do next."""
    pasted = shell_word(outcome.run.path)
    said = [outcome.ended_by] if outcome.ended_by else []
    if outcome.unanswered:
        verb = ", left out" if outcome.skipped else ""
        said.append(f"{len(outcome.unanswered):,} questions have no answer{verb}:")
        said += [f"  {r.benchmark} {line(r.sample.id)}: {line(r.error)}" for r in outcome.unanswered[:_SHOWN]]
        if len(outcome.unanswered) > _SHOWN:
            said.append(f"  and {len(outcome.unanswered) - _SHOWN} more: evalh show {pasted} --status error")
    if outcome.cached:
        said.append(
            f"{outcome.cached:,} of {outcome.answers:,} answers came from the cache (same model, same address); "
            "--no-cache with another --name asks again"
        )
    if outcome.shard is not None:
        return [*said, f"{outcome.run.path}  (evalh merge puts it together with the other parts)"]
    if outcome.wants_judge:
        said.append(f"these answers want a judge: evalh judge {pasted} --judge openai:MODEL")
    said.append(f"{outcome.run.path}  (evalh show {pasted} --wrong)")
    return said


_SHOWN = 100
