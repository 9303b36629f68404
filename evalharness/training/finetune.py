"""Fine-tuning from data to checkpoint: train, watch, export, answer the test rows, guard. No printing here."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from evalharness.comparison.forgetting import Forgetting
from evalharness.comparison.forgetting_document import forgetting_values
from evalharness.data.files import parse_json, read_text, write_whole
from evalharness.engine.checkpoint import tensor_sizes
from evalharness.engine.decoder import Decoder
from evalharness.engine.loading import free_threads, open_device
from evalharness.errors import UserError, option_name
from evalharness.events import Told, tell
from evalharness.exports.model_card import write_card
from evalharness.judging import run as judging
from evalharness.judging.panel import JudgeOptions
from evalharness.judging.run import JudgeRun
from evalharness.runs.store import Run
from evalharness.training import checkpointing, curves, export, lora, preflight, step
from evalharness.training.callbacks import Log, NoLog
from evalharness.training.card_facts import card_facts, hub_id
from evalharness.training.config import TrainingConfig
from evalharness.training.curves import LOG_FILE, TRAINING_FOLDER
from evalharness.training.events import TrainingBegan, TrainingPrepared
from evalharness.training.guard import forgotten_lines, run_guard
from evalharness.training.loop import TrainingLoop
from evalharness.training.prepare import PreparedTraining, differing, training_identity
from evalharness.training.selection import Best
from evalharness.training.sharded_state import load_parts
from evalharness.training.step import Training
from evalharness.training.test_answers import answer_test_rows
from evalharness.training.trainable import load_trainable, load_weights, whole_copy
from evalharness.training.world import LostProcessError, check_sharding, is_lost_process, join, leave, started_processes


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """A finished fine-tuning: where it lies, what was measured before and after, and the run over the test rows.

    Of several ranks the first one writes, and knows, all that comes after the last step.
    """

    out: Path
    steps: int
    tokens: int
    kept_step: int
    evaluations: tuple[Mapping[str, Any], ...]
    answers: Run | None
    gguf: Path | None
    difference: float
    stopped_early: bool
    rank: int = 0
    forgotten: Forgetting | None = None

    @property
    def answered(self) -> dict[str, Any]:
        """The answers to the test rows: how many of each status, and the figures beside their references."""
        if self.answers is None:
            return {}
        (found,) = self.answers.summary.benchmarks.values()
        return {"counts": found.counts, "metrics": {name: figure.value for name, figure in found.metrics.items()}}

    def as_json(self) -> dict[str, object]:
        """What `--json` prints."""
        return {
            "out": str(self.out), "steps": self.steps, "tokens": self.tokens, "kept_step": self.kept_step,
            "stopped_early": self.stopped_early, "evaluations": [dict(line) for line in self.evaluations],
            "answers": str(self.answers.path) if self.answers else None, "gguf": str(self.gguf) if self.gguf else None,
            "read_back_difference": self.difference, "answered": self.answered,
            "forgotten": forgetting_values(self.forgotten.document) if self.forgotten else None,
        }  # fmt: skip


def run_training(prepared: PreparedTraining) -> Tuned:
    """Train, or go on where a stopped training was; export; answer the test rows; measure what was forgotten.

    UserError while another one does, and where a file cannot be written.
    """
    preflight.check_overlap(prepared.seen, prepared.job.allow_overlap)
    tell(TrainingPrepared(prepared=prepared))
    with _alone(prepared.job.out):
        try:
            return _guarded(prepared, _run(prepared))
        except RuntimeError as error:
            if not is_lost_process(error):
                raise
            raise LostProcessError(
                f"{prepared.job.out}: another process of this training is gone; the same command goes on from what was "
                "saved last"
            ) from error
        except OSError as error:  # a full disk or a folder that can no longer be written, at any of many files
            raise UserError(
                f"{prepared.job.out}: a file of the training cannot be written or read ({error.strerror or error}); "
                "what was saved is whole: make room, and give the same command"
            ) from error


def _guarded(prepared: PreparedTraining, tuned: Tuned) -> Tuned:
    """With what was forgotten, which the model card says too."""
    found = None if tuned.rank else run_guard(prepared.job)
    if found is None:
        return tuned
    facts = card_facts(prepared, tuned.out / TRAINING_FOLDER / "evaluations", tuned.kept_step, tuned.answers)
    write_card(replace(facts, forgotten=forgotten_lines(found.document)), tuned.out)
    return replace(tuned, forgotten=found)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Two trainings in one folder would destroy each other's log and state. The lock ends with the process."""
    if int(os.environ.get("RANK", "0")):  # the first process of a training holds it for all
        yield
        return
    file = out / TRAINING_FOLDER / ".lock"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        stream = file.open("w")
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror}); choose another {option_name('out')}") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(
                f"{out}: another training is writing here; wait for it or give another {option_name('out')}"
            ) from error
        yield


def _run(prepared: PreparedTraining) -> Tuned:
    job = prepared.job
    device = _own_device(open_device(job.device))
    folder = job.out / TRAINING_FOLDER
    saved = _saved(folder, prepared)
    torch.set_num_threads(_threads(prepared, saved))
    settings = _resolved(job.settings, device, saved)
    check_sharding(job.fsdp, started_processes())
    world = join(device, sharded=job.fsdp)
    decoder = load_trainable(prepared.source, settings, device, world)
    training = Training(decoder, prepared.material, settings)
    route = step.choose_matmul(decoder, training.settings)
    best = Best(by=job.best, patience=job.patience)
    if saved is not None:
        training.restore(saved["training"])
        if "parts" in saved["training"]:
            load_parts(training, folder, saved["training"]["parts"])
        best = _going_on(best, saved["best"], job.out)
    else:
        training.prepare_reference()
    facts = {"products": route, "dtype": training.settings.dtype, "threads": torch.get_num_threads()}
    if training.world.size > 1:
        facts["processes"] = training.world.size
    log: Log = NoLog()
    if training.rank == 0:
        _record(prepared, folder, training, facts)
        log = Log(folder / LOG_FILE, training.step, job.log_to, facts)
    tell(TrainingBegan(training=training, facts=facts))

    def whole() -> Decoder:
        """The decoder as it is now, with all its weights."""
        return whole_copy(prepared.source, training) if world.sharded else decoder

    drive = TrainingLoop(prepared, training, best, facts, log, whole)
    if world.sharded and saved is not None:
        drive.parts = saved["training"].get("parts", {})
    try:
        early = drive.to_the_end(saved=bool(saved and saved.get("finished")))
    finally:
        drive.log.close()
    return _finish(drive, early)


def _going_on(wanted: Best, saved: Mapping[str, Any], out: Path) -> Best:
    """The best so far, with the patience of this command. UserError where it was chosen by another figure: the weights
    of other steps are gone."""
    if saved["by"] != wanted.by:
        raise UserError(
            f"{out}: its best weights are chosen by {saved['by']}; {option_name('best', wanted.by)} wants a training "
            f"of its own: give another {option_name('out')}"
        )
    return Best(**{**saved, "patience": wanted.patience})


_SMALL = 20_000_000  # weights: below, more than one thread gains nothing and a busy machine loses a lot


def _own_device(device: torch.device) -> torch.device:
    """Of several GPUs the one of this process, as torchrun numbers them. UserError where there is none for it."""
    if device.type != "cuda" or started_processes() < 2:
        return device
    number = int(os.environ.get("LOCAL_RANK") or "0")
    if device.index is not None or number >= torch.cuda.device_count():
        raise UserError(
            f"wanted a GPU for each process, there are {torch.cuda.device_count()} on this machine and process "
            f"{number + 1} of it has {'only ' + str(device) if device.index is not None else 'none'}; say "
            f"{option_name('device', 'cuda')} and start as many processes as there are GPUs"
        )
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


def _threads(prepared: PreparedTraining, saved: Mapping[str, Any] | None) -> int:
    """As many as before the interruption (their number moves last digits); else one for a small model, or the free,
    of which each process of this machine gets its share."""
    if prepared.job.threads:
        return prepared.job.threads
    if saved is not None and saved["facts"].get("processes", 1) == started_processes():
        return int(saved["facts"]["threads"])
    here = int(os.environ.get("LOCAL_WORLD_SIZE") or "1")
    return 1 if sum(tensor_sizes(prepared.source).values()) < _SMALL else max(1, free_threads() // here)


def _resolved(settings: TrainingConfig, device: torch.device, saved: Mapping[str, Any] | None) -> TrainingConfig:
    """What is left open: as before the interruption; else float32 on a CPU, bfloat16 where a GPU has it."""
    if saved is not None:
        return replace(settings, dtype=saved["facts"]["dtype"], products=saved["facts"]["products"])
    if settings.dtype != "auto":
        return settings
    half = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return replace(settings, dtype="bfloat16" if half else "float32")


def _saved(folder: Path, prepared: PreparedTraining) -> dict[str, Any] | None:
    """The saved state of this very training, None where there is none. UserError for another one's."""
    file = folder / "state.pt"
    about = folder / "training.json"
    if about.is_file():
        said = parse_json(read_text(about), about)
        before = said.get("identity") if isinstance(said, dict) else None
        if not isinstance(before, dict):
            raise UserError(f"{about}: not what a training writes; give another {option_name('out')}")
        if others := differing(before, prepared):
            raise UserError(
                f"{folder.parent}: holds another training (other {', '.join(others)}); give another "
                f"{option_name('out')}"
            )
    return checkpointing.load_state(file) if file.is_file() else None


def _record(prepared: PreparedTraining, folder: Path, training: Training, facts: Mapping[str, Any]) -> None:
    """training.json: what decides the weights, what the preflight saw, the split's row numbers."""
    about = {
        "identity": training_identity(prepared), "preflight": prepared.seen.as_json(), "facts": dict(facts),
        "data": {"origin": prepared.data.origin, "shape": prepared.data.shape, "sha256": prepared.data.sha256},
        "template": {"name": prepared.chat.name, "sha256": prepared.chat.hash}, "steps": training.steps,
        "selected_on": prepared.job.best,
        "split": {
            name: [row.number for row in part]
            for name, part in (("validation", prepared.split.validation), ("test", prepared.split.test))
        },
    }  # fmt: skip
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "training.json", json.dumps(about, indent=2) + "\n")
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be written ({error.strerror}); choose another {option_name('out')}"
        ) from error


def _finish(drive: TrainingLoop, early: bool) -> Tuned:
    """Choose the weights, export, read back, answer the test rows."""
    prepared, training, job = drive.prepared, drive.training, drive.job
    kept = training.step
    decoder = drive.whole()  # the last thing that is done together
    leave()
    if not drive.main:
        if job.keep == "best" and drive.best.value is not None:
            kept = drive.best.step
        return Tuned(
            out=job.out, steps=training.step, tokens=training.tokens, kept_step=kept, evaluations=(),
            answers=None, gguf=None, difference=0.0, stopped_early=early, rank=training.rank,
        )  # fmt: skip
    best_file = drive.folder / "best.pt"
    if job.keep == "best" and best_file.is_file():
        best = checkpointing.load_state(best_file)
        load_weights(decoder, best["weights"])
        kept = best["step"]
    training.forget_gradients()  # reading back and answering want that memory
    checks = tuple(line for line in drive.log.lines if "validation_loss" in line)
    curves.curves(drive.log.lines, training.per_epoch, drive.folder, kept)
    kind = job.settings.lora
    if kind is not None:
        base = hub_id(job.model) or str(prepared.source)  # a folder of the hub's cache is nobody else's
        export.export_adapters(decoder, kind, job.out / "adapter", base, prepared.chat, prepared.source)
        lora.merge(decoder)
    difference = export.export(decoder, prepared.chat, prepared.source, job.out, prepared.material.train)
    tell(Told(text=f"{job.out}: written and read back, log-probabilities differ by {difference:.1e} at most"))
    gguf = export.other_forms(job.out, prepared.chat, job.export)
    answers = answer_test_rows(prepared)
    write_card(card_facts(prepared, drive.folder / "evaluations", kept, answers), job.out)
    return Tuned(
        out=job.out, steps=training.step, tokens=training.tokens, kept_step=kept, evaluations=checks,
        answers=answers, gguf=gguf, difference=difference, stopped_early=early,
    )  # fmt: skip


def report_preflight(prepared: PreparedTraining) -> None:
    """The preflight alone."""
    tell(TrainingPrepared(prepared=prepared))
    preflight.check_overlap(prepared.seen, prepared.job.allow_overlap)


def _judge_options(base_url: str | None) -> JudgeOptions:
    return judging.judge_options(model={} if base_url is None else {"base_url": base_url})


def check_judge(spec: str, base_url: str | None) -> None:
    """UserError when `spec` names no judge: said before anything is trained."""
    judging.check(spec, ["instructions"], _judge_options(base_url))


def judge_test_answers(tuned: Tuned, spec: str, base_url: str | None) -> JudgeRun:
    """Judge the answers to the test rows against the data's own."""
    if tuned.answers is None:
        raise UserError(f"there are no test rows to judge; raise {option_name('test')}")
    return judging.judge_answers(tuned.answers, spec, _judge_options(base_url))
