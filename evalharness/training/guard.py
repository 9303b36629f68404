"""What was forgotten: the base and the tuned model are asked general benchmarks at the end of a training.

Whatever can be known of them is looked at before the first step; see `comparison.forgetting` for how they are asked.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalharness import plugins
from evalharness.comparison.forgetting import Forgetting, measure_forgetting
from evalharness.comparison.forgetting_document import ForgettingDocument
from evalharness.comparison.forgetting_plan import GENERAL, ForgettingRequest, plan_forgetting
from evalharness.comparison.gate import comparison_options
from evalharness.errors import DataError, UserError, option_name
from evalharness.events import Told, tell
from evalharness.records import Request, Response
from evalharness.runs.budget import duration_seconds
from evalharness.training.job import FinetuneJob

_GENERAL = "general"


@dataclass(frozen=True, kw_only=True)
class Untrained:
    """Stands for a model that is not there yet, so that questions can be made ready; it is never asked."""

    name: str
    fingerprint: str = ""
    chat: bool = True
    ranks: bool = True

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        """Nothing."""
        return iter(())

    def describe(self) -> Mapping[str, Any]:
        return {}


def guard_names(job: FinetuneJob) -> tuple[str, ...]:
    """The benchmarks of `guard`; empty where there is none."""
    names = tuple(name.strip() for name in job.guard.split(",") if name.strip())
    if job.guard and not names:
        raise UserError(f"{option_name('guard')} wants benchmarks, or {_GENERAL}; there is {job.guard!r:.80}")
    return GENERAL if names == (_GENERAL,) else names


def check_guard(job: FinetuneJob) -> None:
    """UserError or DataError, before anything is trained, where what was forgotten could not be measured."""
    if (request := _request(job)) is None:
        return
    model = Untrained(name=job.model)
    try:
        plan_forgetting(request, model, model)
    except DataError as error:
        named = option_name("eval_data", "NAME=FOLDER")
        raise DataError(f"{option_name('guard')}: {error} (for the guard: {named})") from error


def run_guard(job: FinetuneJob) -> Forgetting | None:
    """Ask the base and the tuned model; None where nobody wants that, or training has changed nothing."""
    request = _request(job)
    if request is None:
        return None
    options = {"device": job.device, "threads": job.threads}
    # A checkpoint without a tokenizer of its own has the one that it was trained with.
    own = {**options, "tokenizer": job.tokenizer} if job.tokenizer else options
    base = _base(job.model)
    try:
        before, after = plugins.load_model(base, own), plugins.load_model(f"local:{job.out}", options)
        if before.fingerprint == after.fingerprint:
            tell(Told(text="nothing was forgotten: the exported weights are those of the base model"))
            return None
        tell(Told(text=f"what was forgotten: {before.name} and {after.name} are asked in turn, {job.guard_budget}"))
        return measure_forgetting(request, before, after)
    except UserError as error:
        raise UserError(
            f"{job.out} is written, but what it forgot cannot be measured: {error}; `"
            f"{shlex.join(['evalh', 'forget', base, f'local:{job.out}'])}` does that by itself",
            error.exit_code,
        ) from error


def _request(job: FinetuneJob) -> ForgettingRequest | None:
    names = guard_names(job)
    budget = duration_seconds(job.guard_budget, "guard_budget")
    judged = comparison_options(job.guard_margin, ForgettingRequest().judged.alpha, (), ())
    if not names:
        return None
    asked = {*names, *(name.partition("/")[0] for name in names)}
    data = {name: place for name, place in job.asking.data.items() if place and name in asked}
    return ForgettingRequest(
        benchmarks=() if names == GENERAL else names, data=data, budget=budget, judged=judged, runs=job.out / "runs"
    )


def _base(model: str) -> str:
    """The base as a model that is asked: a plug-in with weights (`tiny`), or a folder or hub id."""
    name, colon, _ = model.partition(":")
    return model if name in plugins.modules("models") and (colon or name != "local") else f"local:{model}"


def forgotten_lines(document: ForgettingDocument) -> tuple[str, ...]:
    """What was lost, gained and kept, and what stays open, a line each, for the model card."""
    tasks = {task.benchmark: task for task in document.comparison.tasks}

    def said(name: str) -> str:
        task, about = tasks[name], document.benchmarks[name]
        if task.difference is None or task.low is None or task.high is None:
            return name
        low, high = 100 * task.low, 100 * task.high
        return (
            f"{name} {100 * task.difference:+.1f} points ({low:+.1f} ... {high:+.1f}, {about.asked} of {about.there})"
        )

    words = {"lost": document.lost, "gained": document.gained, "kept": document.kept, "can't tell": document.open}
    return tuple(f"{word}: {', '.join(map(said, names))}" for word, names in words.items() if names)
