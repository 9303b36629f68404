"""What is asked to learn what was forgotten: which benchmarks, on which data, in a mode that both models have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from evalharness import plugins
from evalharness.comparison.align import mismatches
from evalharness.comparison.compare import Options, Policy
from evalharness.errors import DataError, Exit, UserError, nearest, option_name
from evalharness.events import warn
from evalharness.model import Model
from evalharness.options import RunOptions
from evalharness.runs import identity
from evalharness.runs.plan import Plan, Task, prepare_task

# What is asked where no benchmark is named: knowledge, common sense, arithmetic, following instructions.
GENERAL = ("mmlu", "hellaswag", "gsm8k", "ifeval")
BUDGET = 600.0  # seconds


@dataclass(frozen=True, kw_only=True)
class ForgettingRequest:
    """What is asked of both models, for how long (`budget`, seconds of asking), and how it is judged.

    `data` holds where the questions of a benchmark or family are, by its name, '' for all others; one without is read
    from the hub. Without `benchmarks` those of GENERAL are asked, on their bundled samples where nothing else is there.
    """

    benchmarks: tuple[str, ...] = ()
    data: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None
    seed: int = 0
    budget: float = BUDGET
    judged: Options = field(default_factory=Options)
    gate: bool = False
    policy: Policy = "block-on-fail"
    runs: Path = Path("runs")
    cache: bool = True
    options: RunOptions = field(default_factory=RunOptions)


def data_places(words: Sequence[str]) -> dict[str, str]:
    """Where data are, by benchmark, from `FOLDER`, `sample` and `NAME=FOLDER`. UserError where one is said twice."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, place = word.partition("=")
        if not equals or Path(word).expanduser().exists():
            name, place = "", word
        if not place or (equals and not name and place != word):
            raise UserError(f"{option_name('data')} wants FOLDER, sample or NAME=FOLDER; there is {word!r:.80}")
        if name in found:
            raise UserError(f"{option_name('data')} is said twice{f' for {name}' if name else ''}: {place!r:.80}")
        found[name] = place
    return found


def plan_forgetting(
    request: ForgettingRequest, base: Model, tuned: Model
) -> tuple[Plan, tuple[list[Task], list[Task]]]:
    """What will be asked of both, made ready. UserError or DataError, before anything is asked, where it cannot be."""
    if request.benchmarks:
        plan = _plan(request, request.benchmarks)
        made = [_prepared(name, plan, base, tuned) for name in plan.benchmarks]
    else:
        plan, made = _general(request, base, tuned)
    _check_margins(request.judged, [task.name for task, _ in made])
    return plan, ([task for task, _ in made], [task for _, task in made])


def _plan(request: ForgettingRequest, named: Sequence[str]) -> Plan:
    """The plan over the tasks of these benchmarks and families, each with its own data."""
    common, own = request.data.get(""), {name: data for name, data in request.data.items() if name}
    tasks: dict[str, str | None] = {}
    for name in named:
        data = own.get(name, own.get(name.partition("/")[0], common))
        for task in plugins.task_names(name, Path(data) if data not in (None, "sample") else None):
            tasks[task] = own.get(task, data)
    for name in own:
        if name not in named and name not in tasks:
            raise UserError(
                f"{option_name('data')} names {name!r}, which is not asked{nearest(name, tasks)}; there is "
                f"{', '.join(named)}"
            )
    plan = Plan(
        benchmarks=tuple(tasks), limit=request.limit, seed=request.seed, options=request.options,
        own={task: {"data": data} for task, data in tasks.items()},
    )  # fmt: skip
    plan.check()
    return plan


def _general(request: ForgettingRequest, base: Model, tuned: Model) -> tuple[Plan, list[tuple[Task, Task]]]:
    """The general benchmarks, on their bundled samples where their data are not at hand; that is said."""
    plan, made, absent = _plan(request, GENERAL), [], []
    for name in plan.benchmarks:
        try:
            made.append(_prepared(name, plan, base, tuned))
        except DataError:
            if plan.of(name).data is not None:
                raise
            plan = replace(plan, own={**plan.own, name: {"data": "sample"}})
            absent.append(name)
            made.append(_prepared(name, plan, base, tuned))
    if absent:
        warn(
            f"the data of {', '.join(absent)} are not at hand: their bundled samples are asked, which are not the "
            f"benchmarks themselves; {option_name('data', 'NAME=FOLDER')} names them, `evalh data pull` fetches them"
        )
    return plan, made


def _prepared(name: str, plan: Plan, base: Model, tuned: Model) -> tuple[Task, Task]:
    """One benchmark as either model is asked it, in a mode that both have."""
    own = plan.of(name)
    benchmark = plugins.load_benchmark(name, Path(own.data) if own.data not in (None, "sample") else None)
    if benchmark.judge:
        raise UserError(f"{name}: its answers have no score without a judge, so nothing can be paired; leave it out")
    if not any(metric.score and metric.higher_is_better for metric in benchmark.metrics):
        raise UserError(f"{name}: its figures are over the whole corpus, its items have no score to pair; leave it out")
    if not (base.ranks and tuned.ranks):
        if "write" not in benchmark.modes:
            cannot = next(model.name for model in (base, tuned) if not model.ranks)
            raise UserError(f"{name} needs log-probabilities of its choices, which {cannot} cannot give; leave it out")
        own = replace(own, mode="write")
    first, second = prepare_task(name, own, base), prepare_task(name, own, tuned)
    drawn = identity.plan_sampling(plan)
    for found in mismatches(first.facts, second.facts, (drawn, drawn)):
        if found.field != "prompt":
            raise UserError(f"{name} cannot be compared: {found}", Exit.NOT_COMPARABLE)
        warn(f"{name}: one of the models has a chat template and the other has not; each is asked in its own way")
    return first, second


def _check_margins(options: Options, tasks: Sequence[str]) -> None:
    """UserError for a margin of a benchmark that is not asked."""
    plain = [task.removesuffix("@sample") for task in tasks]
    known = {*tasks, *plain, *(task.partition("/")[0] for task in plain)}
    for name in options.margins:
        if name not in known:
            raise UserError(
                f"{option_name('margin')} names {name!r}, which is not asked{nearest(name, known)}; there is "
                f"{', '.join(plain)}"
            )
