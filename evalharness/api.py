"""What a program calls: the work of the commands, one call each, without printing and without exit codes.

    run = evaluate("mmlu", "local:DIR", limit=100)
    judge_run(run.run, "pairwise=openai:MODEL")
    compare("base", run.run.path).document["verdict"]

Every mistake that a caller can mend is a `UserError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from evalharness import plugins
from evalharness.comparison.gate import ComparisonRequest, GatedComparison, run_gate
from evalharness.judging.run import JudgeRun, judge_answers
from evalharness.options import RunOptions
from evalharness.runs import session, store
from evalharness.runs.session import RunHooks, RunOutcome, RunPlace
from evalharness.runs.store import Run

if TYPE_CHECKING:  # torch is imported where something is trained
    from evalharness.judging.panel import JudgeOptions
    from evalharness.training.config import TrainingConfig
    from evalharness.training.finetune import Tuned
    from evalharness.training.loop import TrainingObserver


class PlanSettings(TypedDict, total=False):
    """How a benchmark is asked, under the names of `evalh run`'s options; see `runs.plan.Plan`."""

    data: str | None
    mode: str | None
    subjects: str | None
    shots: int | None
    limit: int | None
    seed: int
    repeats: int
    temperature: float
    top_p: float
    max_tokens: int | None
    skip_unanswered: bool
    holistic: bool
    options: RunOptions


def evaluate(
    benchmarks: str | Sequence[str],
    model: str = session.DEFAULT_MODEL,
    *,
    model_options: object = None,
    place: RunPlace | None = None,
    hooks: RunHooks | None = None,
    **asked: Unpack[PlanSettings],
) -> RunOutcome:
    """Ask `model` (`PLUGIN[:ARGUMENT]`) the questions of benchmarks and score what it answers.

    `model_options` are its plug-in's options by name (`{"threads": 2}`), or its `Options`.

    The same call goes on where a stopped run was; a finished run is returned without asking. UserError for an unknown
    name, data that is not there, or a model that cannot be opened.
    """
    names = [benchmarks] if isinstance(benchmarks, str) else list(benchmarks)
    settings: dict[str, Any] = {"data": None, "mode": None, "subjects": None, **asked}
    plan = session.make_plan(names, model=model, **settings)
    opened = plugins.load_model(model, model_options)
    return session.run_plan(plan, opened, place or RunPlace(), hooks or RunHooks())


def load_run(name: str | Path, runs: Path = Path("runs")) -> RunOutcome:
    """The finished run at a path, or with a name under `runs`. UserError where there is none or it is not finished."""
    return session.run_outcome(store.find_run(name, runs))


def judge_run(run: Run, judge: str, options: JudgeOptions | None = None) -> JudgeRun:
    """Have the answers of a finished run judged by `[JUDGE=]MODEL`. UserError as for `evalh judge`."""
    from evalharness.judging.panel import JudgeOptions

    return judge_answers(run, judge, options or JudgeOptions())


def compare(base: str | Path, new: str | Path, request: ComparisonRequest | None = None) -> GatedComparison:
    """Compare two runs or baselines item by item; `request` says how, and what the gate does.

    UserError for a side that cannot be read; a task that cannot be compared says so in its verdict.
    """
    from dataclasses import replace

    from evalharness.comparison.compare import Options

    asked = request or ComparisonRequest(base="", new="", options=Options())
    return run_gate(replace(asked, base=str(base), new=str(new)))


def finetune(
    data: str | Path,
    model: str,
    out: Path,
    *,
    settings: TrainingConfig | None = None,
    observer: TrainingObserver | None = None,
    **chosen: Any,
) -> Tuned:
    """Fine-tune `model` on instruction data and export it to `out`; `chosen` are fields of `training.FinetuneJob`.

    The same call goes on where a stopped training was. UserError or DataError for everything that can be known before
    the first step.
    """
    from evalharness.training.config import TrainingConfig
    from evalharness.training.finetune import run_training
    from evalharness.training.loop import SilentTrainingObserver
    from evalharness.training.prepare import FinetuneJob, prepare_training

    job = FinetuneJob(data=str(data), model=model, out=out, settings=settings or TrainingConfig(), **chosen)
    return run_training(prepare_training(job), observer or SilentTrainingObserver())
