"""A fine-tuning as it goes: the preflight, a line now and then, and what came of it. All on standard error."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from evalharness.events import Event, Told, Warned, observed_by
from evalharness.report import judges
from evalharness.report.escape import printable
from evalharness.report.forgetting import show_forgetting
from evalharness.report.progress import warnings_and_verdicts, warnings_only
from evalharness.scoring.reference import in_words
from evalharness.text.visible import shell_word, warning_line

if TYPE_CHECKING:  # torch is imported by training only
    from evalharness.judging.run import JudgeRun
    from evalharness.training.config import TrainingConfig
    from evalharness.training.finetune import Tuned
    from evalharness.training.prepare import PreparedTraining
    from evalharness.training.step import StepStats, Training

_SECONDS = 5.0
_LONGEST = 1000  # tokens of the example that are shown


class TrainingLines:
    """Tells a training on standard error: a line every few seconds."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self.said_at = 0.0
        self.seconds = 0.0
        self.tokens = 0
        self.steps = 0

    def close(self) -> None:
        """Leave the terminal as it was."""

    def __call__(self, event: Event) -> None:
        from evalharness.training import events as kinds

        match event:
            case kinds.TrainingPrepared(prepared=prepared):
                self._prepared(prepared)
            case kinds.TrainingBegan(training=training, facts=facts):
                self._begun(training, facts)
            case kinds.StepDone(stats=stats, steps=steps):
                self._stepped(stats, steps)
            case kinds.TrainingEvaluated(line=line):
                self._evaluated(line)
            case kinds.TrainingEnded():
                self.close()
            case Told(text=text):
                self.console.print(printable(text), markup=False)
            case _:
                warnings_and_verdicts(event)

    def _prepared(self, prepared: PreparedTraining) -> None:
        seen = prepared.seen
        self.console.print(
            printable(f"{prepared.data.origin}: {len(prepared.data.rows)} rows, shape {prepared.data.shape}"),
            markup=False,
        )
        for note in prepared.notes:
            self.console.print(printable(note), markup=False)
        counts = ", ".join(f"{count} {name}" for name, count in seen.rows.items())
        shares = ", ".join(f"{count} of {name}" for name, count in seen.crossing.items())
        self.console.print(f"split: {counts}; prompts that also stand in train: {shares}", markup=False)
        self.console.print(
            f"prompt format {seen.template}: {seen.tokens:,} tokens, {seen.trained / max(1, seen.tokens):.0%} learned, "
            f"longest {seen.longest}; {seen.cut} prompts cut from the left, {len(seen.dropped)} rows dropped",
            markup=False,
        )
        self.console.print(self._example(seen.example))
        many = len(seen.overlaps)
        unread = f", {len(seen.unread)} benchmarks could not be read" if seen.unread else ""
        self.console.print(f"overlap with benchmarks: {many} rows{unread}", markup=False)
        for found in seen.overlaps[:3]:
            text = f"  row {found.row} holds {found.benchmark} {found.id}: {' '.join(found.question.split())[:80]}"
            self.console.print(printable(text), markup=False)

    def _example(self, pieces: Sequence[tuple[str, bool]]) -> Text:
        """One example; what is learned is green, and between marks where there are no colours."""
        plain = not self.console.is_terminal
        example = Text("learned between « and »: " if plain else "learned in green: ")
        before = False
        for piece, learned in (*pieces[:_LONGEST], ("", False)):
            if plain and learned != before:
                example.append("«" if learned else "»")
            example.append(printable(piece), style="bold green" if learned else "dim")
            before = learned
        return example

    def _begun(self, training: Training, facts: Mapping[str, Any]) -> None:
        weights = sum(weight.numel() for weight in training.weights.values())
        self.tokens = training.tokens
        kind = training.settings.lora
        where = f" in adapters of rank {kind.rank}" if kind else ""
        where += " on weights in 4 bits" if kind and kind.four_bit else ""
        several = f" in each of {facts['processes']} processes" if "processes" in facts else ""
        again = f", going on at step {training.step}" if training.step else ""
        self.console.print(
            f"training {weights:,} weights{where}, {training.steps} steps of {_size(training.settings)}, "
            f"learning rate {training.rate:g}, {facts['dtype']}, {facts['threads']} threads{several}, "
            f"products {facts['products']}{again}",
            markup=False,
        )

    def _stepped(self, stepped: StepStats, steps: int) -> None:
        self.seconds += stepped.seconds
        self.steps += 1
        if time.monotonic() - self.said_at > _SECONDS or stepped.step == steps:
            self.said_at = time.monotonic()
            left = (steps - stepped.step) * self.seconds / self.steps
            self.console.print(
                f"step {stepped.step}/{steps}  epoch {stepped.epoch:.2f}  {_figures_of(stepped)}  "
                f"{stepped.tokens:,} tokens  {self._rate(stepped):,.0f} tokens/s  {left:.0f} s left",
                markup=False,
            )

    def _rate(self, stepped: StepStats) -> float:
        return (stepped.tokens - self.tokens) / max(self.seconds, 1e-9)

    def _evaluated(self, line: Mapping[str, Any]) -> None:
        loss = line.get("validation_loss")
        figures = "".join(f"  {name} {value:.4f}" for name, value in line.get("metrics", {}).items())
        checked = "no validation rows" if loss is None else f"validation loss {loss:.4f}"
        checked += "".join(
            f"  {name} {line[name]:.4f}" for name in ("margin", "accuracy") if line.get(name) is not None
        )
        self.console.print(f"step {line['step']}  {checked}{figures}", markup=False)
        for key, verb in (("asked", "asked"), ("wanted", "wanted"), ("samples", "writes")):
            for text in line.get(key, [])[:1]:
                self.console.print(f"  {verb}: {printable(' '.join(text.split()))[:160]}", markup=False)


def _figures_of(stepped: StepStats) -> str:
    """Loss, and margin of rewards and accuracy where there are any."""
    named = (("loss", stepped.loss), ("margin", stepped.margin), ("accuracy", stepped.accuracy))
    return "  ".join(f"{name} {value:.4f}" for name, value in named if value is not None)


class TrainingBar(TrainingLines):
    """Tells a training on a terminal: a bar with step, loss, tokens per second and time left, all else above it."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(console)
        self.bar: Progress | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Warned) and self.bar is not None:  # a bare line would tear the bar
            self.console.print(warning_line(event.text), markup=False)
        else:
            super().__call__(event)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def _begun(self, training: Training, facts: Mapping[str, Any]) -> None:
        super()._begun(training, facts)
        self.bar = Progress(
            TextColumn("step"), MofNCompleteColumn(), BarColumn(), TextColumn("{task.fields[figures]}"),
            TextColumn("{task.fields[rate]}"), TimeRemainingColumn(), TextColumn("left"), console=self.console,
        )  # fmt: skip
        self.task = self.bar.add_task("", total=training.steps, completed=training.step, figures="", rate="")
        self.bar.start()

    def _stepped(self, stepped: StepStats, steps: int) -> None:
        self.seconds += stepped.seconds
        rate = f"{self._rate(stepped):,.0f} tokens/s"
        if self.bar is not None:
            self.bar.update(self.task, completed=stepped.step, figures=_figures_of(stepped), rate=rate)


def _size(settings: TrainingConfig) -> str:
    return f"{settings.batch_tokens:,} tokens" if settings.batch_tokens else f"{settings.batch} rows"


@contextmanager
def watched_training(*, as_json: bool) -> Iterator[None]:
    """A bar on a terminal, lines elsewhere; warnings alone where JSON is wanted. Of several processes the first one
    speaks for all."""
    if as_json or int(os.environ.get("RANK", "0")) > 0:
        with observed_by((lambda event: None) if int(os.environ.get("RANK", "0")) else warnings_only):
            yield
        return
    seen = TrainingBar() if sys.stderr.isatty() else TrainingLines()
    try:
        with observed_by(seen):
            yield
    finally:
        seen.close()


def show_training(tuned: Tuned, *, as_json: bool, judged: JudgeRun | None = None) -> None:
    """What came of it: before and after, and what to do next."""
    from evalharness.training.curves import overfitting_from

    if as_json:
        print(json.dumps(tuned.as_json() | ({"judged": judged.as_json()} if judged else {})))
        return
    checks: Sequence[Mapping[str, Any]] = tuned.evaluations
    if checks:
        first = checks[0]
        last = next((line for line in checks if line["step"] == tuned.kept_step), checks[-1])
        for name, before, after in _figures(first, last):
            print(f"{name}: {before:.4f} before, {after:.4f} after")
    early = ", stopped early" if tuned.stopped_early else ""
    out = printable(str(tuned.out))
    if (turn := overfitting_from(checks)) is not None:
        print(f"overfitting begins at step {turn}: the validation loss was higher at the end")
    print(f"{out}: weights of step {tuned.kept_step} of {tuned.steps} ({tuned.tokens:,} tokens seen in all{early})")
    if tuned.answers is not None:
        print(f"answers to the test rows: {in_words(tuned.answered['counts'], tuned.answered['metrics'])}")
        print(f"  {printable(str(tuned.answers.path))} (evalh show, evalh judge)")
    if tuned.forgotten is not None:
        show_forgetting(tuned.forgotten.document, as_json=False)
    if judged is not None:
        judges.show_judge_run(judged, as_json=False, stream=sys.stdout)
    asked = f"evalh run BENCHMARK --model {shell_word(f'local:{out}')}"
    print(f"next: {asked}    evalh chat {shell_word(out)}    evalh view {shell_word(out)}", file=sys.stderr)


def _figures(first: Mapping[str, Any], last: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    found = []
    if first.get("validation_loss") is not None and last.get("validation_loss") is not None:
        found.append(("validation loss", first["validation_loss"], last["validation_loss"]))
    for name, value in first.get("metrics", {}).items():
        if name in last.get("metrics", {}):
            found.append((name, value, last["metrics"][name]))
    return found
