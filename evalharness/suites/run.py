"""Runs every model of a suite over its benchmarks and compares each with the baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalharness import plugins
from evalharness.comparison.gate import ComparisonRequest, GatedComparison, comparison_options, policy, run_gate
from evalharness.comparison.inputs import open_side
from evalharness.errors import Exit, UserError, all_of
from evalharness.events import Observer, observed_by
from evalharness.evidence.earlier import check_beside_draw, drawer_using
from evalharness.judging.panel import JudgeOptions
from evalharness.judging.stage import judging_stage
from evalharness.model import Model, Priced
from evalharness.runs import cache, session
from evalharness.runs.placed import placed_model
from evalharness.runs.plan import Plan
from evalharness.runs.session import RunHooks, RunOutcome, RunPlace, Stage
from evalharness.runs.together import RunStart, opening, run_together
from evalharness.suites.schema import Suite, SuiteJudge, SuiteModel


@dataclass(frozen=True, kw_only=True)
class SuiteEntry:
    """One model of a suite: its finished run, and its comparison with the baseline where the suite names one."""

    outcome: RunOutcome
    compared: GatedComparison | None


def run_suite(suite: Suite, runs: Path, observer: Observer) -> Iterator[SuiteEntry]:
    """Run every model, heard by `observer`; an entry comes in the suite's order as soon as it is finished and compared.

    UserError before anything is asked where the baseline, a model or a number of the suite makes no sense; at the end
    for the models that have no whole run.
    """
    options = comparison_options(suite.margins, suite.alpha, (), (), clusters=suite.clusters, rules=suite.rules)
    chosen = policy(suite.policy, gate=suite.gate)
    bases = {model.name: model.baseline or suite.baseline for model in suite.models}
    for name in {base for base in bases.values() if base is not None}:
        open_side(name, runs)
    failed: list[UserError] = []
    starts = [suite_start(suite, model, runs) for model in suite.models]
    for model, outcome in zip(suite.models, whole_runs(starts, observer), strict=True):
        if isinstance(outcome, UserError):
            failed.append(outcome)
            continue
        compared, base = None, bases[model.name]
        if base is not None:
            compared = run_gate(
                ComparisonRequest(
                    base=base,
                    new=str(outcome.run.path),
                    options=options,
                    gate=suite.gate,
                    policy=chosen,
                    runs=runs,
                )
            )
        yield SuiteEntry(outcome=outcome, compared=compared)
    if failed:
        raise all_of(failed)


def suite_plan(suite: Suite, model: SuiteModel, runs: Path) -> Plan:
    """What is asked of one model. UserError for a benchmark, data, an earlier run or a number that makes no sense."""
    settings: Mapping[str, Any] = {"data": None, "mode": None, **_with_drawer(suite.settings, runs)}
    groups = settings.get("groups", ())
    plain = {key: value for key, value in settings.items() if key != "groups"}
    plan = session.make_plan(suite.benchmarks, model=model.spec, subjects=None, options=suite.run_options, **plain)
    found = replace(plan, groups=groups, own={name: _with_drawer(own, runs) for name, own in suite.own.items()})
    for name in found.benchmarks:
        judged = any(not judge.benchmarks or _is_named(name, [judge]) for judge in suite.judges)
        check_beside_draw(found.of(name), {"judge": judged})
    return found


def _with_drawer(settings: Mapping[str, Any], runs: Path) -> dict[str, Any]:
    """Settings with what draws fewer questions in the place of its options."""
    plain = {key: value for key, value in settings.items() if key not in ("budget_items", "using")}
    if "budget_items" not in settings and "using" not in settings:
        return plain
    return {**plain, "draw": drawer_using(settings.get("budget_items"), tuple(settings.get("using", ())), runs)}


def suite_start(suite: Suite, model: SuiteModel, runs: Path) -> RunStart:
    """One model over the suite's benchmarks, to be judged by its judges. UserError for what cannot be done."""
    plan = suite_plan(suite, model, runs)
    stages = [_stage(judge, suite.judges, plan, runs) for judge in suite.judges]
    place = RunPlace(runs=runs, name=f"{suite.name}-{model.name}", beside=True)

    def priced() -> Model:
        opened = placed_model(model.spec, model.options, model.placement)
        if suite.budget.cost is not None and isinstance(opened, Priced) and opened.prices is None:
            raise UserError(f"{suite.name}: a budget of cost wants prices; give {model.name} price_in and price_out")
        return opened

    hooks = RunHooks(stages=stages, budget=suite.budget)
    return RunStart(label=model.name, plan=plan, model=opening(model.spec, priced), place=place, hooks=hooks)


def whole_runs(starts: Sequence[RunStart | UserError], observer: Observer) -> Iterator[RunOutcome | UserError]:
    """The outcome of each in their order; a UserError for one that could not be begun or has no whole run, with exit 3
    where the budget was used up."""
    with observed_by(observer):
        outcomes = run_together([start for start in starts if isinstance(start, RunStart)])
        for start in starts:
            found = start if isinstance(start, UserError) else next(outcomes)
            ended = "" if isinstance(found, UserError) else found.ended_by
            yield UserError(ended, Exit.NOT_WHOLE) if ended else found


def unjudged(suite: Suite, plan: Plan) -> tuple[str, ...]:
    """The benchmarks whose answers are worth nothing until a judge has seen them, and that no judge will see."""
    if any(not judge.benchmarks for judge in suite.judges):
        return ()
    return tuple(name for name in plan.benchmarks if _wants_judge(name, plan) and not _is_named(name, suite.judges))


def _stage(judge: SuiteJudge, judges: Sequence[SuiteJudge], plan: Plan, runs: Path) -> Stage:
    """The stage that has a judge's benchmarks judged. UserError, before the model is asked, where it could not."""
    if judge.benchmarks:
        names = [name for name in plan.benchmarks if _is_named(name, [judge])]
    else:
        names = [name for name in plan.benchmarks if _wants_judge(name, plan) and not _is_named(name, judges)]
    if not names:
        raise UserError(
            f"judge: {judge.spec}: no benchmark of this suite wants a judge by itself; say it at the benchmark that it "
            "is for"
        )
    options = JudgeOptions(benchmarks=tuple(names), cache=runs / cache.BESIDE_RUNS, **judge.options)
    return judging_stage(judge.spec, options, names, plan.of(names[0]).data)


def _is_named(benchmark: str, judges: Sequence[SuiteJudge]) -> bool:
    return any({benchmark, benchmark.partition("/")[0]} & set(judge.benchmarks) for judge in judges)


def _wants_judge(benchmark: str, plan: Plan) -> bool:
    data = plan.of(benchmark).data
    path = Path(data) if data not in (None, "sample") else None
    return plugins.load_benchmark(benchmark, path).judge is not None
