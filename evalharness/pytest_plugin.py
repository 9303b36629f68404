"""A pytest plug-in: fail a test when a run is worse than its baseline.

    @pytest.mark.evalharness(margin=0.01, policy="require-pass")
    def test_quality(evalharness):
        evalharness.assert_no_regression("runs/new", "main")

    def test_suite(evalharness):
        evalharness.assert_suite("evals/suite.yaml")

pytest loads this module in every session, so whatever is heavy is imported when a test asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

MARK = "evalharness(margin=0.02, alpha=0.05, policy='block-on-fail', clusters=None, allow=()): how runs are compared"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARK)


@dataclass(frozen=True, kw_only=True)
class RegressionGate:
    """How runs are compared; `margin` is a share, or shares by benchmark."""

    margin: float | dict[str, float] = 0.02
    alpha: float = 0.05
    policy: str = "block-on-fail"
    clusters: str | None = None
    allow: Sequence[str] = ()
    report: Path | None = None

    def assert_no_regression(self, run: str | Path, baseline: str | Path, **changes: Any) -> dict[str, Any]:
        """Compare `run` with `baseline` (paths or names). Returns the comparison as JSON values.

        AssertionError when a task is worse by more than the margin; under the policy `require-pass` also when that is
        not ruled out; always when the two cannot be compared or one is not whole.
        """
        from evalharness.comparison import gate
        from evalharness.comparison.document import document_values
        from evalharness.errors import Exit, UserError
        from evalharness.report import deliver, words

        chosen = replace(self, **changes)
        options = gate.comparison_options(
            _margins(chosen.margin), chosen.alpha, (), chosen.allow, clusters=chosen.clusters
        )
        try:
            found = gate.run_gate(
                gate.ComparisonRequest(
                    base=str(baseline),
                    new=str(run),
                    options=options,
                    gate=True,
                    policy=gate.policy(chosen.policy, gate=True),
                )
            )
        except UserError as error:
            raise AssertionError(str(error)) from None
        made = found.document
        if chosen.report is not None:
            deliver.write_reports(made, deliver.Places(folder=chosen.report))
        if found.exit_code != Exit.FINE:
            lines = [
                words.gate_sentence(made),
                *(words.sentence(made, task) for task in made.tasks),
                *words.remarks(made),
            ]
            raise AssertionError("\n".join(lines))
        return document_values(made)

    def assert_suite(self, suite: str | Path, **options: Any) -> dict[str, Any]:
        """Do all of `evalh ci` with a suite (its options under their names, such as `baseline_ref="main"`), the
        comment apart. Returns what `--json` prints.

        AssertionError with the line that the pipeline would get, for whatever has another exit code than 0.
        """
        from evalharness.errors import Exit, UserError
        from evalharness.report import suite as suite_reports
        from evalharness.report.progress import watcher
        from evalharness.report.suite_words import suite_sentence
        from evalharness.suites.ci import gate_suite
        from evalharness.suites.gate_request import SuiteGateRequest

        try:
            found = gate_suite(SuiteGateRequest(suite=Path(suite), **options), watcher(quiet=True))
        except UserError as error:
            raise AssertionError(str(error)) from None
        if self.report is not None:
            suite_reports.write_suite_reports(found, self.report, suite_reports.suite_markdown(found, key=found.name))
        if found.exit_code != Exit.FINE:
            raise AssertionError(suite_sentence(found))
        return found.as_json()


def _margins(margin: float | dict[str, float]) -> list[str]:
    if isinstance(margin, dict):
        return [f"{name}={value}" for name, value in margin.items()]
    return [str(margin)]


@pytest.fixture
def evalharness(request: pytest.FixtureRequest) -> RegressionGate:
    """The gate, as the test's `evalharness` mark sets it."""
    mark = request.node.get_closest_marker("evalharness")
    return RegressionGate(**mark.kwargs) if mark is not None else RegressionGate()
