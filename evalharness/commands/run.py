"""`evalh run`: ask a model the questions of benchmarks, score the answers, report."""

import json
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from evalharness.commands._flags import GivenModelOptions, Typed, with_flags
from evalharness.commands._names import plugin_names
from evalharness.errors import Exit, UserError, all_of, gravest, option_name
from evalharness.executor import PlacementOptions
from evalharness.options import (
    BudgetOptions,
    ComparisonOptions,
    DataOptions,
    DrawOptions,
    JudgingOptions,
    OutputOptions,
    RunOptions,
    SamplingOptions,
    values,
)

if TYPE_CHECKING:
    from evalharness.comparison.gate import GatedComparison
    from evalharness.file_benchmarks.lm_eval.settings import TaskCodeSettings
    from evalharness.runs.drawn import Drawer
    from evalharness.runs.plan import Plan
    from evalharness.runs.session import RuleOf, RunOutcome, Stage

Benchmarks = Annotated[
    list[str] | None,
    Argument(
        help="Benchmarks, e.g. mmlu glue/cola (`evalh list benchmarks` shows them), or one suite.yaml.",
        autocompletion=plugin_names("benchmarks"),
    ),
]
ModelNames = Annotated[
    list[str] | None, Option("--model", "-m", help="PLUGIN[:ARGUMENT]: local:DIR, openai:gpt-4o. Repeatable.")
]
EXAMPLES = """
evalh run mmlu --model local:DIR --data FOLDER --limit 200
evalh run gsm8k ifeval --model openai:gpt-4o-mini --concurrency 32 --max-tokens 1024
evalh run mmlu --model local:DIR --budget-items 2000 --using runs/a --using runs/b --using runs/c
evalh run mmlu --model openai:gpt-4o-mini --model gemini:gemini-2.5-flash
evalh run humaneval --model local:DIR --samples 10 --temperature 0.8 --against main
"""
BESIDE_A_SUITE = frozenset({"benchmarks", "runs", "log_to", "as_json", "yes_run_untrusted_code", "allow_outside"})
_NOT_OF_THE_PLAN = ("items", "allow_outside", "include_path", "trust_task_code", "fewshot_as_multiturn", "wording")


@with_flags
def run(
    benchmarks: Benchmarks = None,
    model: ModelNames = None,
    *,
    data: DataOptions,
    draw: DrawOptions,
    sampling: SamplingOptions,
    given: GivenModelOptions,
    placement: PlacementOptions,
    judging: JudgingOptions,
    budget: BudgetOptions,
    sandbox: RunOptions,
    comparison: ComparisonOptions,
    output: OutputOptions,
    typed: Typed,
) -> int:
    """Ask a model the questions of benchmarks and report scores with their uncertainty.

    The same command goes on where a stopped run was; a finished run is shown again without asking.
    """
    from evalharness import plugins
    from evalharness.data.files import allow_outside
    from evalharness.events import observed_by
    from evalharness.file_benchmarks.lm_eval import settings as task_files
    from evalharness.report import progress
    from evalharness.runs import session, together
    from evalharness.runs.budget import Budget
    from evalharness.runs.items import benchmarks_of, only_items
    from evalharness.runs.placed import placed_model
    from evalharness.tracking.observer import tracked_by

    allow_outside(data.allow_outside)
    task_files.include_folders([Path(folder) for folder in data.include_path])
    task_files.use_task_code(_task_code(data, sandbox))
    task_files.show_examples(as_turns=data.fewshot_as_multiturn)
    plugins.name_python_files(benchmarks or ())
    named = benchmarks_of(data.items, benchmarks)
    if _is_suite(named, typed - BESIDE_A_SUITE):
        return _run_suite(Path(named[0]), output, consent=sandbox.yes_run_untrusted_code)
    models = model or []
    _refuse_together(models, typed)
    drawer, asked = _drawer(draw, output.runs), _asked(data, sampling)
    plan = session.make_plan(named, model=models[0] if models else None, options=sandbox, draw=drawer, **asked)
    _check_draw(plan, judging)
    limits = Budget(cost=budget.max_cost, tokens=budget.max_tokens_total, minutes=budget.max_minutes)
    place = session.RunPlace(runs=output.runs, name=output.name, cache=not output.no_cache)

    def start(name: str, own: Budget) -> together.RunStart:
        stages = [_judging(plan, judging, own.cost, output, typed)] if judging.judge is not None else []
        hooks = session.RunHooks(rule_of=_rule_of(comparison, draw, output.runs), budget=own, stages=stages)
        opened = together.opening(name, partial(placed_model, name, given, placement))
        return together.RunStart(label=name, plan=only_items(plan, data.items), model=opened, place=place, hooks=hooks)

    names = models or [session.DEFAULT_MODEL]
    parts = together.budgets_of_each(limits, names, judged=judging.judge is not None)
    starts = [start(name, part) for name, part in zip(names, parts, strict=True)]
    with observed_by(progress.watcher(quiet=output.as_json)), tracked_by(output.log_to):
        together.tell_parts(names, parts)
        return _tell_all(together.run_together(starts), len(starts), comparison, output)


def _refuse_together(models: Sequence[str], typed: Typed) -> None:
    """UserError for options that do not go together, or where several models would be kept as one run."""
    typed.refuse_lone(JudgingOptions.__dataclass_fields__, "judge")
    typed.refuse_lone(ComparisonOptions.__dataclass_fields__, "against")
    typed.refuse_beside(("judge", "against"), "shard", "`evalh merge` first puts the parts together")
    if len(models) > 1 and "name" in typed:
        raise UserError(f"{option_name('name')} is one run's, and several models have a run each: leave it out")
    if len(models) > 1 and "log_to" in typed:
        raise UserError(f"{option_name('log_to')} follows one run at a time: give it with one {option_name('model')}")
    if again := [name for place, name in enumerate(models) if name in models[:place]]:
        raise UserError(f"{option_name('model')} {again[0]} is said twice")


def _is_suite(named: Sequence[str], said: frozenset[str]) -> bool:
    """Whether what is run is a suite's file."""
    from evalharness import plugins

    if not any(map(plugins.is_file, named)):
        return False
    from evalharness.suites.schema import is_suite

    return is_suite(named, said)


def _task_code(data: DataOptions, sandbox: RunOptions) -> "TaskCodeSettings":
    from evalharness.file_benchmarks.lm_eval.settings import TaskCodeSettings

    return TaskCodeSettings(sandbox=sandbox.sandbox, packages=sandbox.sandbox_packages, trusted=data.trust_task_code)


def _drawer(draw: DrawOptions, runs: Path) -> "Drawer | None":
    """What draws fewer questions; what reads earlier runs is loaded only where some are named."""
    if draw.budget_items is None and not draw.using:
        return None
    from evalharness.evidence.earlier import drawer_using

    return drawer_using(draw.budget_items, draw.using, runs)


def _check_draw(plan: "Plan", judging: JudgingOptions) -> None:
    if plan.draw is not None:
        from evalharness.evidence.earlier import check_beside_draw

        check_beside_draw(plan, {"judge": judging.judge})


def _rule_of(comparison: ComparisonOptions, draw: DrawOptions, runs: Path) -> "RuleOf | None":
    """When the run may stop early, or be held comparable: of a draw too few runs are. What compares is loaded only for
    such a run."""
    if not comparison.sequential and (comparison.against is None or draw.budget_items is None):
        return None
    from evalharness.comparison.early_stop import checked_against, rule_against

    if comparison.against is not None and not comparison.sequential:
        return checked_against(comparison.against, comparison.margin, runs)
    return rule_against(comparison.against, comparison.margin, runs)


def _asked(data: DataOptions, sampling: SamplingOptions) -> dict[str, Any]:
    """The fields of the plan: all that was said, but for what restricts it afterwards."""
    from evalharness.runs.wordings import read_wordings

    said = {name: value for name, value in values(data, sampling).items() if name not in _NOT_OF_THE_PLAN}
    return {**said, "wordings": read_wordings(data.wording)}


def _tell_all(
    outcomes: "Iterator[RunOutcome | UserError]", count: int, comparison: ComparisonOptions, output: OutputOptions
) -> int:
    """Print every run as it is finished, or one JSON object at the end; UserError for those that have none."""
    codes, failed = [0], list[UserError]()
    documents = list[dict[str, object]]()
    for outcome in outcomes:
        if isinstance(outcome, UserError):
            failed.append(outcome)
        elif output.as_json and count > 1:
            code, document = _document(outcome, comparison, output)
            codes, documents = [*codes, code], [*documents, document]
        else:
            codes.append(_tell(outcome, comparison, output))
    if documents:
        print(json.dumps({"exit_code": gravest(*codes), "runs": documents}))
    if failed:
        error = all_of(failed)
        error.exit_code = Exit(gravest(error.exit_code, *codes))
        raise error
    return gravest(*codes)


def _document(
    outcome: "RunOutcome", comparison: ComparisonOptions, output: OutputOptions
) -> tuple[int, dict[str, object]]:
    """One of several runs in JSON: its figures, what judges made of it, and its comparison; and the exit code."""
    from evalharness.comparison.document import document_values

    found = outcome.as_json()
    if outcome.stages:
        found["judged"] = [stage.as_json() for stage in outcome.stages]
    if comparison.against is None:
        return outcome.exit_code, found
    made = _compared(outcome, comparison, output)
    return gravest(outcome.exit_code, made.exit_code), {**found, "comparison": document_values(made.document)}


def _tell(outcome: "RunOutcome", comparison: ComparisonOptions, output: OutputOptions) -> int:
    """Print the finished run, what judges made of it and its comparison; the exit code."""
    from evalharness.report import progress

    if outcome.stages:
        from evalharness.report.judges import show_judge_run

        for judged in outcome.stages:
            show_judge_run(judged, as_json=output.as_json, stream=sys.stdout)  # type: ignore[arg-type]
    if not outcome.stages and (comparison.against is None or not output.as_json):
        progress.show_run(outcome, as_json=output.as_json, stream=sys.stdout)
    if comparison.against is not None and not (outcome.stages and output.as_json):
        return gravest(outcome.exit_code, _compare(outcome, comparison, output))
    return outcome.exit_code


def _compared(outcome: "RunOutcome", comparison: ComparisonOptions, output: OutputOptions) -> "GatedComparison":
    from evalharness.comparison import gate

    options = gate.comparison_options(comparison.margin, 0.05, (), ())
    return gate.run_gate(
        gate.ComparisonRequest(
            base=str(comparison.against), new=str(outcome.run.path), options=options, runs=output.runs
        )
    )


def _compare(outcome: "RunOutcome", comparison: ComparisonOptions, output: OutputOptions) -> int:
    """Compare the finished run with --against, print that (or all of the run in one JSON object), give the code."""
    from evalharness.comparison.document import document_values
    from evalharness.report import deliver

    made = _compared(outcome, comparison, output)
    if output.as_json:
        print(json.dumps({**outcome.as_json(), "comparison": document_values(made.document)}))
        return made.exit_code
    deliver.deliver_comparison(made, deliver.ReportsWanted())
    return made.settled()


def _run_suite(file: Path, output: OutputOptions, *, consent: bool) -> int:
    """Run a suite and print every model's figures and comparison, or one JSON object at the end."""
    from evalharness.comparison.document import document_values
    from evalharness.events import observed_by
    from evalharness.report import deliver, progress
    from evalharness.suites.run import run_suite
    from evalharness.suites.schema import load_suite
    from evalharness.tracking.observer import tracked_by

    suite = load_suite(file, yes_run_untrusted_code=consent)
    codes: list[int] = [Exit.FINE]
    entries, documents = [], []
    with observed_by(progress.watcher(quiet=output.as_json)), tracked_by(output.log_to) as observer:
        for entry in run_suite(suite, output.runs, observer):
            codes += [entry.outcome.exit_code] + ([entry.compared.exit_code] if entry.compared else [])
            documents += [entry.compared.document] if entry.compared else []
            if output.as_json:
                compared = {"comparison": document_values(entry.compared.document)} if entry.compared else {}
                entries.append({**entry.outcome.as_json(), **compared})
                continue
            progress.show_run(entry.outcome, as_json=False)
            if entry.compared is not None:
                deliver.deliver_comparison(entry.compared, deliver.ReportsWanted(outputs=False))
                if entry.compared.refusal:
                    print(f"evalh: {entry.compared.refusal}", file=sys.stderr)
    deliver.worst_outputs(documents)
    code = gravest(*codes)
    if output.as_json:
        print(json.dumps({"suite": suite.name, "exit_code": int(code), "runs": entries}))
    return int(code)


def _judging(
    plan: "Plan", judging: JudgingOptions, max_cost: float | None, output: OutputOptions, typed: Typed
) -> "Stage":
    """The stage that judges the finished run. UserError, before the model is asked anything, when it could not."""
    from evalharness.judging.run import judge_options
    from evalharness.judging.stage import judging_stage
    from evalharness.runs import cache

    about = {"base_url": "judge_base_url", "price_in": "judge_price_in", "price_out": "judge_price_out"}
    options = judge_options(
        order=judging.order, against=judging.judge_against, max_cost=max_cost, beside_answers=True,
        model={name: getattr(judging, flag) for name, flag in about.items() if flag in typed},
        template=judging.judge_template, cache=None if output.no_cache else output.runs / cache.BESIDE_RUNS,
    )  # fmt: skip
    return judging_stage(str(judging.judge), options, plan.benchmarks, plan.data)
