"""Steps, evaluations and saves, until the end, an early stop or an interruption."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

from evalharness.engine.decoder import Decoder
from evalharness.engine.memory import available, gigabytes, is_out_of_memory
from evalharness.errors import UserError, option_name
from evalharness.events import Told, tell
from evalharness.model import Model
from evalharness.training import callbacks, checkpointing
from evalharness.training.callbacks import Log
from evalharness.training.curves import TRAINING_FOLDER
from evalharness.training.events import StepDone, TrainingEnded, TrainingEvaluated
from evalharness.training.prepare import PreparedTraining
from evalharness.training.selection import Best
from evalharness.training.sharded_state import forget_parts, parts_folder, save_parts
from evalharness.training.shared_out import answer_with, shared_out
from evalharness.training.step import Training


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C or SIGTERM is remembered and heeded between two steps, the second ends at once."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def note(number: int, _: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(eq=False)
class TrainingLoop:
    """Steps, evaluations and saves until the end, an early stop, or an interruption. `facts` are saved with each state:
    what was chosen for this machine, and a training that goes on has to keep. `whole` is the decoder as it is now with
    all its weights; every rank has to ask for it together."""

    prepared: PreparedTraining
    training: Training
    best: Best
    facts: Mapping[str, Any]
    log: Log
    whole: Callable[[], Decoder]

    def __post_init__(self) -> None:
        self.job = self.prepared.job
        self.folder = self.job.out / TRAINING_FOLDER
        self.saved_at, self.save_took = time.monotonic(), 0.0
        self.parts: dict[str, Any] = {}
        rows = (*self.prepared.split.validation, *self.prepared.split.train)
        shown = (row for row in rows if row.good is not False and row.messages[-1].content and not row.template_kwargs)
        self.shown = tuple(islice(shown, 1))
        self.prompts = tuple(row.messages[:-1] for row in self.shown)

    @property
    def main(self) -> bool:
        return self.training.rank == 0

    def to_the_end(self, saved: bool) -> bool:
        """True when it stopped early. `saved`: what is saved is an end, which nothing has to be added to where the
        steps are done or patience is over."""
        training = self.training
        every = self.job.eval_every or training.per_epoch
        if training.step == 0:
            self.evaluate()
        begun = training.step
        with _interruptible() as interrupted:
            while training.step < training.steps and not self.best.over:
                if training.world.any(interrupted()):  # all ranks leave at one step
                    self.save()
                    at = f"step {training.step} of {training.steps}"
                    tell(Told(text=f"stopped at {at}, which is saved; the same command goes on from there"))
                    raise KeyboardInterrupt
                self.step()
                if training.step % every == 0 or training.step == training.steps:
                    self.evaluate()
                self.save_sometimes()
        early = self.best.over and training.step < training.steps
        if early:
            why = (
                f"{self.best.since} evaluations without a better {self.best.by} than {self.best.value:.4f} of step "
                f"{self.best.step}; --patience 0 goes on"
            )
            tell(Told(text=f"stopped early at step {training.step} of {training.steps}: {why}"))
        tell(TrainingEnded(step=training.step))
        if not saved or training.step != begun:
            self.save(finished=True)
        return early

    def step(self) -> None:
        try:
            stepped = self.training.advance()
        except UserError:
            self.save()
            raise
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            free = gigabytes(available(self.training.decoder.device))
            raise UserError(
                f"out of memory in step {self.training.step + 1} with {free} free;"
                f" lower {option_name('micro')} (the result stays the same), say {option_name('recompute', True)}, or "
                f"{option_name('lora', 16)}"
            ) from error
        if self.main:
            self.log.write({k: v for k, v in asdict(stepped).items() if k != "seconds" and v is not None} | {
                "tokens_per_s": round(sum(len(self.training.examples[i].ids) for i in
                                          self.training.schedule[stepped.step - 1]) / stepped.seconds, 1)
            })  # fmt: skip
            tell(StepDone(stats=stepped, steps=self.training.steps))

    def evaluate(self) -> None:
        """Validation loss, benchmarks and samples with the weights as they are; notes and keeps the best."""
        training = self.training
        checked = training.validate()
        line: dict[str, Any] = {"step": training.step, "epoch": training.step / training.per_epoch}
        line["validation_loss"] = checked.get("loss")
        line |= {key: value for key, value in checked.items() if key != "loss"}
        metrics: dict[str, float] = {}
        if self.job.asking.names or self.prompts:
            model = callbacks.live(self.whole(), self.prepared.chat, self.job.out, str(training.step))
            metrics = self._asked(model)
            if self.main:
                line["asked"] = [row.prompt for row in self.shown]
                line["wanted"] = [row.messages[-1].content for row in self.shown]
                line["samples"] = replace(self.job.asking, prompts=self.prompts).samples(model)
        line["metrics"] = metrics
        # Every rank has to choose the same weights and to stop at the same step.
        figures = training.world.of_first({**metrics, **({"loss": checked["loss"]} if "loss" in checked else {})})
        if (figures or self.job.best != "loss") and self.best.better(training.step, figures):
            weights = training.whole_weights()
            if self.main:
                checkpointing.save_state({"step": training.step, "weights": weights}, self.folder / "best.pt")
        if self.main:
            self.log.write(line)
            tell(TrainingEvaluated(line=line))

    def _asked(self, model: Model) -> dict[str, float]:
        """The figures of the benchmarks in the first process; every one answers a share of the questions."""
        if not self.main:
            answer_with(model, self.training.world)
            return {}
        with shared_out(model, self.training.world) as shared:
            return self.job.asking.metrics(shared, self.folder / "evaluations", f"step-{self.training.step}")

    def save_sometimes(self) -> None:
        """Every `save_every` steps; else so that saving takes at most a twentieth of the time."""
        if every := self.job.save_every:
            due = self.training.step % every == 0
        else:
            due = self.training.world.any(time.monotonic() - self.saved_at > max(30.0, 20 * self.save_took))
        if due:
            self.save()

    def save(self, finished: bool = False) -> None:
        begun = time.monotonic()
        state: dict[str, Any] = self.training.counters()
        if self.training.world.sharded:
            if self.parts.get("folder") != parts_folder(self.training.step):
                self.parts = save_parts(self.training, self.folder)
            state["parts"] = self.parts
        elif self.main:
            state = self.training.state()
        if self.main:
            self._write_state(state, finished)
        self.training.world.any(False)  # nobody ends before it is written
        self.saved_at, self.save_took = time.monotonic(), time.monotonic() - begun

    def _write_state(self, training: dict[str, Any], finished: bool) -> None:
        state = {"training": training, "best": asdict(self.best), "finished": finished, "facts": dict(self.facts)}
        checkpointing.save_state(state, self.folder / "state.pt")
        forget_parts(self.folder, self.parts.get("folder"))
