"""`evalh ci`: all that a pipeline does with a suite, in one command."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = """
evalh ci evals/suite.yaml --no-baseline create
evalh ci evals/suite.yaml --baseline-ref main --policy-ref main
evalh ci merge reports/job-1 reports/job-2
"""

_Words = Annotated[
    list[str],
    Argument(metavar="SUITE | merge REPORT...", help="The suite (YAML) to run; or the reports of jobs to merge."),
]
_Name = Annotated[
    str | None, Option(envvar="EVALH_NAME", help="What the suite is called in runs and reports, in place of its name.")
]
_Baseline = Annotated[
    str | None, Option(envvar="EVALH_BASELINE", help="Name or file of the baseline, in place of the suite's.")
]
_BaselineRef = Annotated[
    str | None, Option(envvar="EVALH_BASELINE_REF", help="Branch, tag or commit to take the baseline's file from.")
]
_PolicyRef = Annotated[
    str | None,
    Option(envvar="EVALH_POLICY_REF", help="Branch, tag or commit to take all of the suite from but its models."),
]
_Policy = Annotated[
    str | None, Option(envvar="EVALH_POLICY", help="block-on-fail or require-pass, in place of the suite's.")
]
_NoBaseline = Annotated[
    str | None, Option(envvar="EVALH_NO_BASELINE", help="What to do without a baseline: fail, pass or create.")
]
_SetBaseline = Annotated[
    bool,
    Option("--set-baseline", envvar="EVALH_SET_BASELINE", help="Keep the runs as baselines unless the gate fails."),
]


def ci(
    words: _Words,
    name: _Name = None,
    baseline: _Baseline = None,
    baseline_ref: _BaselineRef = None,
    policy_ref: _PolicyRef = None,
    policy: _Policy = None,
    no_baseline: _NoBaseline = None,
    set_baseline: _SetBaseline = False,
    report: Annotated[Path, Option(envvar="EVALH_REPORT", help="Folder for the reports.")] = Path("evalh-report"),
    comment: Annotated[
        bool, Option(envvar="EVALH_COMMENT", help="Write the one comment of this pull or merge request.")
    ] = True,
    key: Annotated[
        str | None, Option(envvar="EVALH_KEY", help="Which of several comments this is; the suite's name otherwise.")
    ] = None,
    junit_items: Annotated[
        bool, Option("--junit-items", envvar="EVALH_JUNIT_ITEMS", help="In JUnit a case for each item that broke, too.")
    ] = False,
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    baselines: Annotated[Path, Option(help="Folder that holds the baselines.")] = Path("baselines"),
    yes_run_untrusted_code: Annotated[
        bool, Option("--yes-run-untrusted-code", help="Needed for a suite with sandbox: none.")
    ] = False,
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> int:
    """Run a suite, compare it with its baseline, gate, report, comment; `merge` makes one comment of several jobs.

    Exit 0: nothing blocks; 1: the gate failed; 2: no verdict (bad input, no baseline); 3: not whole; 4: not comparable;
    5: inconclusive where that blocks.
    """
    from evalharness.errors import UserError
    from evalharness.report import progress
    from evalharness.report.suite import SuiteReportsWanted, deliver_suite
    from evalharness.suites.ci import failed_suite, gate_suite
    from evalharness.suites.gate_request import SuiteGateRequest

    if words[0] == "merge":
        return _merge(words[1:], key, report, comment=comment, as_json=as_json)
    if len(words) > 1:
        raise UserError(f"evalh ci takes one suite; there are {len(words)}")
    request = SuiteGateRequest(
        suite=Path(words[0]), name=name, runs=runs, baselines=baselines, baseline=baseline,
        baseline_ref=baseline_ref, policy_ref=policy_ref, policy=policy, no_baseline=no_baseline,
        set_baseline=set_baseline, consent=yes_run_untrusted_code,
    )  # fmt: skip
    wanted = SuiteReportsWanted(folder=report, comment=comment, key=key, junit_items=junit_items, as_json=as_json)
    try:
        found = gate_suite(request, progress.watcher(quiet=as_json))
    except UserError as error:
        # The comment of an earlier run must not stay green beside a job that is red.
        deliver_suite(failed_suite(request, str(error)), wanted, shown=False)
        raise
    deliver_suite(found, wanted)
    return int(found.exit_code)


def _merge(places: list[str], key: str | None, folder: Path, *, comment: bool, as_json: bool) -> int:
    """The reports of several jobs as one."""
    from evalharness.report.merged import deliver_merged, merge_suites

    found = merge_suites(places)
    deliver_merged(found, key=key, comment=comment, as_json=as_json, folder=folder)
    return found.exit_code
