"""Runs every model of a suite over its benchmarks and compares each with the baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalharness import plugins
from evalharness.comparison.gate import ComparisonRequest, GatedComparison, comparison_options, policy, run_gate
from evalharness.comparison.inputs import open_side
from evalharness.errors import UserError
from evalharness.events import Observer, observed_by
from evalharness.model import Priced
from evalharness.runs import session
from evalharness.runs.budget import BudgetObserver
from evalharness.runs.session import RunHooks, RunOutcome, RunPlace
from evalharness.runs.store import MANIFEST, Run, new_folder
from evalharness.suites.schema import Suite, SuiteModel


@dataclass(frozen=True, kw_only=True)
class SuiteEntry:
    """One model of a suite: its finished run, and its comparison with the baseline where the suite names one."""

    outcome: RunOutcome
    compared: GatedComparison | None


def run_suite(suite: Suite, runs: Path, observer: Observer) -> Iterator[SuiteEntry]:
    """Run model after model, each heard by `observer`; an entry comes as soon as it is finished and compared.

    UserError before anything is asked where the baseline or a number of the suite makes no sense.
    """
    options = comparison_options(suite.margins, suite.alpha, (), (), clusters=suite.clusters)
    chosen = policy(suite.policy, gate=suite.gate)
    if suite.baseline is not None:
        open_side(suite.baseline, runs)
    for model in suite.models:
        outcome = _run_model(suite, model, runs, observer)
        compared = None
        if suite.baseline is not None:
            compared = run_gate(
                ComparisonRequest(
                    base=suite.baseline,
                    new=str(outcome.run.path),
                    options=options,
                    gate=suite.gate,
                    policy=chosen,
                    runs=runs,
                )
            )
        yield SuiteEntry(outcome=outcome, compared=compared)


def _run_model(suite: Suite, model: SuiteModel, runs: Path, observer: Observer) -> RunOutcome:
    settings: Mapping[str, Any] = {"data": None, "mode": None, **suite.settings}
    groups = settings.get("groups", ())
    plain = {key: value for key, value in settings.items() if key != "groups"}
    plan = session.make_plan(suite.benchmarks, model=model.spec, subjects=None, options=suite.run_options, **plain)
    plan = replace(plan, groups=groups, own=suite.own)
    place = RunPlace(runs=runs, name=f"{suite.name}-{model.name}")
    thrifty = BudgetObserver(observer, suite.budget)
    before = Run(new_folder(runs, str(place.name)))
    if (before.path / MANIFEST).is_file():
        thrifty.before(before.results())
    opened = plugins.load_model(model.spec, model.options)
    if suite.budget.cost is not None and isinstance(opened, Priced) and opened.prices is None:
        raise UserError(f"{suite.name}: a budget of cost wants prices; give {model.name} price_in and price_out")
    with observed_by(thrifty):
        return session.run_plan(plan, opened, place, RunHooks())
