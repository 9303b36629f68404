"""What a program calls: the work of the commands, one call each, without printing and without exit codes.

    run = evaluate("mmlu", "local:DIR", limit=100)
    run.metrics["mmlu"]["accuracy"].value
    judge_run(run, "pairwise=openai:MODEL")
    compare("base", run).decisions
    forget("local:BASE", "local:TUNED", budget="10m").lost

Every mistake that a caller can mend is a `UserError`. Nothing is printed: what is told on the way (`events`) goes to
`observer`, or with `progress=True` to the notebook or terminal; warnings are kept with the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from evalharness import plugins
from evalharness.benchmark import Benchmark
from evalharness.comparison import gate
from evalharness.comparison.forgetting import Forgetting, measure_forgetting
from evalharness.comparison.forgetting_plan import ForgettingRequest
from evalharness.comparison.gate import ComparisonRequest, GatedComparison, run_gate
from evalharness.errors import UserError
from evalharness.events import Event, Observer, Warned, observed_by
from evalharness.evidence.earlier import check_beside_draw, drawer_using
from evalharness.executor import PlacementOptions
from evalharness.judging.panel import JudgeOptions
from evalharness.judging.run import JudgeRun, judge_answers
from evalharness.judging.stage import judging_stage
from evalharness.model import Model
from evalharness.models.function import FunctionModel
from evalharness.options import RunOptions
from evalharness.runs import cache, session, store
from evalharness.runs.budget import Budget, duration_seconds
from evalharness.runs.object_stores import fetched, mirrored
from evalharness.runs.placed import placed_model
from evalharness.runs.session import RunHooks, RunOutcome, RunPlace
from evalharness.runs.store import Run
from evalharness.runs.wordings import read_wordings
from evalharness.tracking.observer import tracked_by

if TYPE_CHECKING:  # torch is imported where something is trained
    from evalharness.training.config import TrainingConfig
    from evalharness.training.finetune import Tuned

Rows = Sequence[Mapping[str, Any]]
Asked = str | Benchmark
Answering = str | Model | Callable[[list[str]], Sequence[str]]
_HERE = PlacementOptions()  # one copy, in this process
RunLike = str | Path | Run | RunOutcome  # a run, its folder, or its name under `runs`


class ListenerSettings(TypedDict, total=False):
    """Who hears what happens on the way."""

    observer: Observer | None
    progress: bool


class EvaluateSettings(ListenerSettings, total=False):
    """How benchmarks are asked, under the names of `evalh run`'s options; see `runs.plan.Plan`. `log_to` are trackers.

    `data` is a file, a folder, `"sample"`, or the rows themselves; `model_options` are the options of the model's
    plug-in by name (`{"threads": 2}`), or its `Options`; `placement` asks for several copies of the model. `runs` may
    be an address in an object store.
    """

    name: str | None
    runs: str | Path
    cache: bool
    log_to: Sequence[str]
    model_options: Mapping[str, object] | object
    placement: PlacementOptions
    judge: str | None
    max_cost: float | None
    max_tokens_total: int | None
    max_minutes: float | None
    data: str | Path | Rows | None
    mode: str | None
    subjects: str | None
    shots: int | None
    limit: int | None
    seed: int
    seeds: Sequence[int]
    wordings: Sequence[str | Path]
    budget_items: int | None
    using: Sequence[str | Path]
    repeats: int
    temperature: float
    top_p: float
    max_tokens: int | None
    skip_unanswered: bool
    holistic: bool
    options: RunOptions


def evaluate(
    benchmarks: Asked | Sequence[Asked], model: Answering = session.DEFAULT_MODEL, **settings: Unpack[EvaluateSettings]
) -> RunOutcome:
    """Ask a model the questions of benchmarks and score what it answers.

    A benchmark is a name or a `Benchmark`; a model is `PLUGIN[:ARGUMENT]`, a `Model`, or a function from a list of
    prompts to the list of answers. `judge` judges the answers, from the first one on where it computes elsewhere. The
    same call goes on where a stopped run was; a finished run is returned without asking. UserError for an unknown name,
    data that is not there, or a model that cannot be opened.
    """
    asked: dict[str, Any] = {**settings}
    with mirrored(asked.pop("runs", "runs")) as runs:
        place = RunPlace(runs=runs, name=asked.pop("name", None), cache=asked.pop("cache", True))
        return _evaluate(benchmarks, model, place, asked)


def _evaluate(
    benchmarks: Asked | Sequence[Asked], model: Answering, place: RunPlace, asked: dict[str, Any]
) -> RunOutcome:
    judge, options = asked.pop("judge", None), asked.pop("model_options", None)
    placement = asked.pop("placement", _HERE)
    budget = Budget(
        cost=asked.pop("max_cost", None), tokens=asked.pop("max_tokens_total", None),
        minutes=asked.pop("max_minutes", None),
    )  # fmt: skip
    with _heard(asked) as warnings:
        names = [_name(b) for b in ([benchmarks] if isinstance(benchmarks, Asked) else benchmarks)]
        opened = _opened(model, options, placement)
        asked["wordings"] = read_wordings(asked.pop("wordings", ()))
        used = tuple(map(str, asked.pop("using", ())))
        asked["draw"] = drawer_using(asked.pop("budget_items", None), used, place.runs)
        plan = session.make_plan(names, model=opened.name, **_with_rows(asked))
        check_beside_draw(plan, {"judge": judge})
        path = None if plan.rows is not None else plan.data
        kept = place.runs / cache.BESIDE_RUNS if place.cache else None
        judged = JudgeOptions(max_cost=budget.cost, beside_answers=True, cache=kept)
        stages = [judging_stage(judge, judged, plan.benchmarks, path)] if judge else []
        outcome = session.run_plan(plan, opened, place, RunHooks(stages=stages, budget=budget))
    return replace(outcome, warnings=tuple(warnings))


def load_run(name: RunLike, runs: str | Path = "runs") -> RunOutcome:
    """The finished run at a path, or with a name under `runs`. UserError where there is none or it is not finished."""
    return name if isinstance(name, RunOutcome) else session.run_outcome(_run(name, Path(runs)))


class JudgeSettings(ListenerSettings, total=False):
    """How answers are judged, under the names of `evalh judge`'s options; see `judging.panel.JudgeOptions`. Replies are
    looked up in, and added to, the cache beside the run, but for `cache=False`."""

    runs: str | Path
    against: str | None
    order: str | None
    seed: int
    criteria: Path | None
    aggregate: str | None
    weights: Sequence[float]
    max_cost: float | None
    retries: int
    retest: int
    again: bool
    cache: bool
    temperature: float | None
    max_tokens: int | None
    template: str | None
    model: Mapping[str, object] | object


def judge_run(run: RunLike, judge: str, **settings: Unpack[JudgeSettings]) -> JudgeRun:
    """Have the answers of a finished run judged by `[JUDGE=]MODEL`. UserError as for `evalh judge`."""
    chosen: dict[str, Any] = {**settings}
    named = mirrored(run) if isinstance(run, str | Path) else nullcontext(run)
    with mirrored(chosen.pop("runs", "runs")) as runs, named as place:
        found = _run(place, runs)
        cached = chosen.pop("cache", True) and not chosen.get("again")
        kept = found.path.parent / cache.BESIDE_RUNS if cached else None
        weights = tuple(chosen.pop("weights", ()))
        with _heard(chosen):
            return judge_answers(found, judge, JudgeOptions(weights=weights, cache=kept, **chosen))


class CompareSettings(TypedDict, total=False):
    """How two runs are compared, under the names of `evalh compare`'s options; `margin` is a share, or shares by
    benchmark."""

    margin: float | Mapping[str, float]
    alpha: float
    metric: str | None
    clusters: str | None
    benchmarks: Sequence[str]
    allow: Sequence[str]
    gate: bool
    policy: str | None
    runs: str | Path
    baselines: str | Path


def compare(base: RunLike, new: RunLike, **settings: Unpack[CompareSettings]) -> GatedComparison:
    """Compare two runs or baselines item by item: `.decisions` has a verdict for each benchmark.

    UserError for a side that cannot be read; a task that cannot be compared says so in its verdict.
    """
    said: dict[str, Any] = {**settings}
    gated, word = said.pop("gate", False), said.pop("policy", None)
    runs, baselines = (fetched(said.pop(place, place)) for place in ("runs", "baselines"))
    words, alpha = _margin_words(said.pop("margin", {})), said.pop("alpha", 0.05)
    options = gate.comparison_options(words, alpha, said.pop("benchmarks", ()), said.pop("allow", ()), **said)
    request = ComparisonRequest(
        base=_place(base), new=_place(new), options=options, gate=gated, policy=gate.policy(word, gate=gated),
        runs=runs, baselines=baselines,
    )  # fmt: skip
    return run_gate(request)


class ForgetSettings(ListenerSettings, total=False):
    """What two models are asked and for how long, under the names of `evalh forget`'s options.

    `budget` is a duration (`"10m"`) or seconds; `data` a place, or places by benchmark; `model_options` are for both
    models that are named.
    """

    budget: str | float
    data: str | Path | Mapping[str, str | Path]
    limit: int | None
    seed: int
    margin: float | Mapping[str, float]
    alpha: float
    gate: bool
    policy: str | None
    runs: str | Path
    cache: bool
    model_options: Mapping[str, object]
    options: RunOptions


def forget(
    base: Answering, tuned: Answering, benchmarks: Asked | Sequence[Asked] = (), **settings: Unpack[ForgetSettings]
) -> Forgetting:
    """Ask two models the same questions in turn within a time budget: `.lost`, `.gained`, and in `.comparison.tasks` a
    verdict for each benchmark, whose bounds hold for all at once.

    Without benchmarks a few general ones are asked. The same call goes on where the last one ended. UserError, before
    anything is asked, for what cannot be asked or paired, and where both are one model.
    """
    said: dict[str, Any] = {**settings}
    gated, places, budget = said.pop("gate", False), said.pop("data", None), said.pop("budget", "10m")
    words, alpha = _margin_words(said.pop("margin", {})), said.pop("alpha", 0.05)
    options, runs = said.pop("model_options", None), Path(said.pop("runs", "runs"))
    with _heard(said):
        request = ForgettingRequest(
            benchmarks=tuple(_name(b) for b in ([benchmarks] if isinstance(benchmarks, Asked) else benchmarks)),
            data=_places(places), budget=duration_seconds(budget, "budget") if isinstance(budget, str) else budget,
            judged=gate.comparison_options(words, alpha, (), ()), gate=gated,
            policy=gate.policy(said.pop("policy", None), gate=gated), runs=runs, **said,
        )  # fmt: skip
        before, after = (_opened(model, options if isinstance(model, str) else None) for model in (base, tuned))
        return measure_forgetting(request, before, after)


def _places(data: str | Path | Mapping[str, str | Path] | None) -> dict[str, str]:
    """Where data are by benchmark, '' for all."""
    by_name = data if isinstance(data, Mapping) else {} if data is None else {"": data}
    return {name: str(place) for name, place in by_name.items()}


def _margin_words(margin: float | Mapping[str, float]) -> list[str]:
    """Margins as the command line says them."""
    return [f"{n}={m}" for n, m in margin.items()] if isinstance(margin, Mapping) else [str(margin)]


def finetune(
    data: str | Path,
    model: str,
    out: str | Path,
    *,
    settings: TrainingConfig | None = None,
    observer: Observer | None = None,
    **chosen: Any,
) -> Tuned:
    """Fine-tune `model` on instruction data and export it to `out`; `chosen` are fields of `training.FinetuneJob`.

    The same call goes on where a stopped training was. UserError or DataError for everything that can be known before
    the first step.
    """
    from evalharness.training.config import TrainingConfig
    from evalharness.training.finetune import run_training
    from evalharness.training.job import FinetuneJob
    from evalharness.training.prepare import prepare_training

    job = FinetuneJob(data=str(data), model=model, out=Path(out), settings=settings or TrainingConfig(), **chosen)
    with observed_by(observer):
        return run_training(prepare_training(job))


@contextmanager
def _heard(settings: dict[str, Any]) -> Iterator[list[str]]:
    """Who hears what is told inside, as the settings say, which these are taken out of; the warnings are kept."""
    observer: Observer | None = settings.pop("observer", None)
    if settings.pop("progress", False) and observer is None:
        from evalharness.report.progress import watcher

        observer = watcher(quiet=False)
    warnings: list[str] = []
    with observed_by(observer), tracked_by(settings.pop("log_to", ())) as chosen:

        def hear(event: Event) -> None:
            if isinstance(event, Warned):
                warnings.append(event.text)
            chosen(event)

        with observed_by(hear):
            yield warnings


def _name(benchmark: Asked) -> str:
    return benchmark if isinstance(benchmark, str) else plugins.add_benchmark(benchmark)


def _opened(model: Answering, options: object, placement: PlacementOptions = _HERE) -> Model:
    if isinstance(model, str):
        return placed_model(model, options, placement)
    if placement != _HERE:
        raise UserError("placement is for a model that is named; one that is passed is there already")
    if options is not None:
        raise UserError("model_options are for a model that is named; one that is passed has its own")
    if isinstance(model, Model):
        return model
    if not callable(model):
        raise UserError(f"model is a {type(model).__name__}; wanted PLUGIN[:ARGUMENT], a Model or a function")
    return FunctionModel(model)


def _with_rows(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a plan; rows that were handed over as `data` are no path."""
    data = asked.get("data")
    if data is None or isinstance(data, str | Path):
        return {**asked, "data": None if data is None else str(data)}
    return {**asked, "data": None, "rows": tuple(data)}


def _run(named: RunLike, runs: Path) -> Run:
    if isinstance(named, Run):
        return named
    return named.run if isinstance(named, RunOutcome) else store.find_run(fetched(named), fetched(runs))


def _place(side: RunLike) -> str:
    return str(side.path if isinstance(side, Run | RunOutcome) else fetched(side))
