"""What `evalh run` does beyond one plain run: suites, budgets, items to run again, runs that stop when it is clear."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness.errors import Exit, UserError, gravest
from evalharness.plugins import YAML
from evalharness.records import Result
from evalharness.report import progress
from evalharness.runs import session
from evalharness.runs.plan import Plan, Task
from evalharness.runs.runner import Observer
from evalharness.runs.session import RunOutcome, RunPlace, Until
from evalharness.runs.store import MANIFEST, Run

if TYPE_CHECKING:  # comparing takes a while to import, and most runs are compared with nothing
    from evalharness.report import gate
    from evalharness.suites.schema import Budget, Suite, SuiteModel


def benchmarks_of(items: Path | None, named: Sequence[str] | None) -> list[str]:
    """The benchmarks named, else those that the items are of. UserError when there is neither."""
    if named:
        return list(named)
    if items is None:
        raise UserError("name a benchmark, a suite.yaml, or --items FILE; `evalh list benchmarks` shows what there is")
    from evalharness.comparison.flips import load_items

    return [name.removesuffix("@sample") for name in load_items(items)]


def is_suite(named: Sequence[str], *options: object) -> bool:
    """Whether the one thing named is a suite's file. UserError when it stands beside what it says itself."""
    files = [word for word in named if word.endswith(YAML)]
    if not files:
        return False
    from evalharness.file_benchmarks import own_yaml

    if all(own_yaml.is_benchmark(word) for word in files):
        return False
    if len(named) > 1 or any(option is not None for option in options):
        raise UserError("a suite names its models, benchmarks, data and baseline itself; give the file alone")
    return True


def only_items(plan: Plan, items: Path | None) -> Plan:
    """The plan, asking only the items in the file."""
    if items is None:
        return plan
    from evalharness.comparison.flips import load_items

    found = {name.removesuffix("@sample"): ids for name, ids in load_items(items).items()}
    missing = [name for name in plan.benchmarks if name not in found]
    if missing:
        raise UserError(f"--items {items}: it has no item of {missing[0]}; there is {', '.join(found)}")
    return replace(plan, own={name: {**plan.own.get(name, {}), "items": found[name]} for name in plan.benchmarks})


def sequential_rule(against: str | None, sequential: bool, margin: Sequence[str], runs: Path) -> Until | None:
    """The rule of `--against BASE --sequential`, None without. BASE is opened before anything is asked."""
    if not sequential:
        return None
    if against is None:
        raise UserError("--sequential stops when the verdict is clear; say against what: --against BASE")
    from evalharness.comparison.early_stop import rule
    from evalharness.comparison.inputs import open_side
    from evalharness.report import gate

    base, options = open_side(against, runs), gate.comparison_options(margin, 0.05, (), ())
    return lambda tasks, plan: rule(base, tasks, plan, options)


def compare_finished(outcome: RunOutcome, against: str, margin: Sequence[str], runs: Path, *, as_json: bool) -> int:
    """Compare the finished run with BASE, print that (or all of the run in one JSON object), and say how to exit."""
    from evalharness.report import gate

    asked = gate.ComparisonRequest(
        base=against, new=str(outcome.run.path), options=gate.comparison_options(margin, 0.05, (), ()), runs=runs
    )
    if not as_json:
        return gate.run_gate(asked, gate.ReportsWanted())
    code, found = _compared(asked, quiet=True)
    print(json.dumps({**outcome.as_json(), "comparison": found}))
    return code


@dataclass
class BudgetObserver:
    """A watcher that ends the run when its budget is used up. What was answered stays; the same command goes on."""

    inner: Observer
    budget: Budget
    cost: float = 0.0
    tokens: int = 0

    def open(self, tasks: Sequence[Task], model: str) -> None:
        self.inner.open(tasks, model)

    def begin(self, task: Task, done: int) -> None:
        self.inner.begin(task, done)

    def result(self, result: Result) -> None:
        self.inner.result(result)
        if not result.response.cached:
            self.cost += result.response.cost or 0.0
        self.tokens += result.response.tokens_in + result.response.tokens_out
        self.check()

    def check(self) -> None:
        """UserError with exit 3 once more than the budget is used."""
        used = None
        if self.budget.cost is not None and self.cost > self.budget.cost:
            used = f"${self.cost:.2f} of ${self.budget.cost:.2f}"
        if self.budget.tokens is not None and self.tokens > self.budget.tokens:
            used = f"{self.tokens:,} of {self.budget.tokens:,} tokens"
        if used:
            raise UserError(
                f"the budget is used up ({used}); what was answered is kept, raise it and give the command again",
                Exit.NOT_WHOLE,
            )

    def end(self, task: Task) -> None:
        self.inner.end(task)


def run_suite(path: Path, *, runs: Path, as_json: bool, yes_run_untrusted_code: bool) -> int:
    """Run every model of a suite over its benchmarks, compare each with the baseline, and print all of it."""
    from evalharness.comparison.inputs import open_side
    from evalharness.report import gate
    from evalharness.suites.schema import load_suite

    suite = load_suite(path, yes_run_untrusted_code=yes_run_untrusted_code)
    options = gate.comparison_options(suite.margins, suite.alpha, (), (), clusters=suite.clusters)
    policy = gate.policy(suite.policy, gate=suite.gate)
    if suite.baseline is not None:
        open_side(suite.baseline, runs)  # a missing baseline is said before anything is asked
    codes, said = [], []
    for model in suite.models:
        outcome = _one(suite, model, runs, as_json)
        codes.append(outcome.exit_code)
        entry: dict[str, Any] = outcome.as_json()
        if not as_json:
            progress.show_run(outcome, as_json=False)
        if suite.baseline is not None:
            asked = gate.ComparisonRequest(
                base=suite.baseline,
                new=str(outcome.run.path),
                options=options,
                gate=suite.gate,
                policy=policy,
                runs=runs,
            )
            code, entry["comparison"] = _compared(asked, quiet=as_json)
            codes.append(code)
        said.append(entry)
    code = gravest(*codes)
    if as_json:
        print(json.dumps({"suite": suite.name, "exit_code": int(code), "runs": said}))
    return int(code)


def _one(suite: Suite, model: SuiteModel, runs: Path, quiet: bool) -> RunOutcome:
    settings: Mapping[str, Any] = {"data": None, "mode": None, **suite.settings}
    groups = settings.get("groups", ())
    plain = {key: value for key, value in settings.items() if key != "groups"}
    plan = session.make_plan(suite.benchmarks, model=model.spec, subjects=None, options=suite.run_options, **plain)
    plan = replace(plan, groups=groups, own=suite.own)
    place = RunPlace(runs=runs, name=f"{suite.name}-{model.name}")
    watcher = BudgetObserver(progress.watcher(quiet=quiet), suite.budget)
    before = Run(runs / str(place.name))
    if (before.path / MANIFEST).is_file():
        for result in before.results():
            watcher.cost += result.response.cost or 0.0
            watcher.tokens += result.response.tokens_in + result.response.tokens_out
        watcher.check()
    return session.run_plan(plan, model.spec, model.options, place, watcher)


def _compared(asked: gate.ComparisonRequest, *, quiet: bool) -> tuple[int, Any]:
    """The exit code of a comparison and its document; printed unless quiet, its refusal on standard error."""
    from evalharness.comparison.compare import compare_runs, exit_code
    from evalharness.comparison.document import comparison_document
    from evalharness.comparison.inputs import open_side
    from evalharness.report import gate

    if quiet:
        found = compare_runs(open_side(asked.base, asked.runs), open_side(asked.new, asked.runs), asked.options)
        code = exit_code(found, gate=asked.gate, policy=asked.policy)
        return code, comparison_document(found, exit_code=code, gated=asked.gate, policy=asked.policy)
    try:
        return gate.run_gate(asked, gate.ReportsWanted()), None
    except UserError as error:
        print(f"evalh: {error}", file=sys.stderr)
        return error.exit_code, None
