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
from evalharness.text.visible import shell_word

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PLAIN_SECONDS = 10.0
NOTEBOOK_SECONDS = 0.2


class Tally:
    """The running score of one task: results scored and the sum of the headline's score."""

    def __init__(self, task: ObservedTask, done: int) -> None:
        self.task = task
        self.total = task.size
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
        return f"{line(self.task.name)}: {self.done}/{self.total}, {self.rate:.1f}/s, {left:.0f} s left, {self.score}"


class Lines:
    """Plain lines on standard error, one every ten seconds: for logs and pipes."""

    def __call__(self, event: Event) -> None:
        match event:
            case RunOpened(tasks=tasks, model=model):
                announce(tasks, model)
            case TaskBegan(task=task, done=done):
                self.tally = Tally(task, done)
                self.said = time.monotonic()
                again = f", {done} answered before" if done else ""
                _say(f"{line(task.name)}: {task.size} questions{again}")
            case ResultCame(result=result):
                self.tally.add(result)
                if time.monotonic() - self.said > PLAIN_SECONDS:
                    self.said = time.monotonic()
                    _say(self.tally.as_line)
            case _:
                warnings_and_verdicts(event)


class Bar:
    """A progress bar with rate, time left and running score."""

    def __init__(self) -> None:
        self.bar: Progress | None = None

    def __call__(self, event: Event) -> None:
        match event:
            case RunOpened(tasks=tasks, model=model):
                announce(tasks, model)
            case TaskBegan(task=task, done=done):
                self._begin(task, done)
            case ResultCame(result=result):
                self.tally.add(result)
                if self.bar is not None:
                    rate = f"{self.tally.rate:.1f}/s"
                    self.bar.update(self.id, completed=self.tally.done, rate=rate, score=self.tally.score)
            case TaskEnded() if self.bar is not None:
                self.bar.stop()
                self.bar = None
            case Warned(text=text) if self.bar is not None:  # above the bar, which a bare line would tear
                self.bar.console.print(printable(f"evalh: warning: {line(text, 2000)}"), markup=False, soft_wrap=True)
            case _:
                warnings_and_verdicts(event)

    def _begin(self, task: ObservedTask, done: int) -> None:
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = ("{task.description}", "{task.fields[rate]}", "{task.fields[score]}")
        self.tally = Tally(task, done)
        self.bar = Progress(
            TextColumn(columns[0]),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(columns[1]),
            TimeRemainingColumn(),
            TextColumn(columns[2]),
            console=Console(stderr=True),
        )
        self.id: TaskID = self.bar.add_task(escape(line(task.name)), total=task.size, completed=done, rate="", score="")
        self.bar.start()


class NotebookLine:
    """One line in a notebook's cell, written over as the run goes."""

    def __init__(self) -> None:
        self.handle: Any = None

    def __call__(self, event: Event) -> None:
        match event:
            case TaskBegan(task=task, done=done):
                self.tally, self.said = Tally(task, done), 0.0
                self.handle = None
            case ResultCame(result=result):
                self.tally.add(result)
                if time.monotonic() - self.said > NOTEBOOK_SECONDS:
                    self.said = time.monotonic()
                    self._show(self.tally.as_line)
            case TaskEnded(task=task):
                self._show(f"{line(task.name)}: {self.tally.done}/{self.tally.total}, {self.tally.score}")
            case _:
                warnings_and_verdicts(event)

    def _show(self, text: str) -> None:
        from IPython.display import Pretty, display

        if self.handle is None:
            self.handle = display(Pretty(text), display_id=True)
        else:
            self.handle.update(Pretty(text))


def warnings_and_verdicts(event: Event) -> None:
    """Warnings, and a line for every tenth of a judge's verdicts, on standard error."""
    match event:
        case Warned():
            warnings_only(event)
        case Told(text=text):
            _say(line(text, 2000))
        case VerdictCame(done=done, wanted=wanted, nulls=nulls) if done == wanted or not done % max(1, wanted // 10):
            _say(f"judging: {done}/{wanted}" + (f", {nulls} without verdict" if nulls else ""))


def warnings_only(event: Event) -> None:
    """The observer of a quiet command: warnings on standard error."""
    if isinstance(event, Warned):
        _say(f"evalh: warning: {line(event.text, 2000)}")


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
        said += [f"  {r.benchmark} {line(r.sample.id)}: {line(r.response.error)}" for r in outcome.unanswered[:_SHOWN]]
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
