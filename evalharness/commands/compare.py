"""`evalh compare`: is NEW worse than BASE, better, the same, or can't we tell; and the gate for pipelines."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from evalharness.commands._flags import with_flags
from evalharness.options import ReportOptions


@with_flags
def compare(
    base: Annotated[str, Argument(help="A run (folder or name) or a baseline (file or name).")],
    new: Annotated[str, Argument(help="The run to judge.")],
    gate: Annotated[bool, Option("--gate", help="Exit 1 when a task is worse by more than its margin.")] = False,
    margin: Annotated[
        list[str] | None, Option(help="Loss that would matter: 0.02 (two points), or BENCHMARK=0.01. Repeatable.")
    ] = None,
    alpha: Annotated[
        float | None, Option(help="One-sided error rate; the interval shown is at 1 - 2 alpha (0.05).")
    ] = None,
    policy: Annotated[
        str | None, Option(help="With --gate: block-on-fail (default), or require-pass (exit 5 when inconclusive).")
    ] = None,
    clusters: Annotated[str | None, Option(help="Field whose items belong together, e.g. group.")] = None,
    metric: Annotated[str | None, Option(help="Score to compare; the headline otherwise.")] = None,
    benchmark: Annotated[list[str] | None, Option(help="Compare only this benchmark or family. Repeatable.")] = None,
    allow_mismatch: Annotated[
        list[str] | None,
        Option(help="Compare although this differs: data, items, prompt, shots, mode, judge, sampling."),
    ] = None,
    changed: Annotated[
        str | None, Option(help="What differs on purpose: prompt, shots, mode, judge, sampling; with commas.")
    ] = None,
    uncertainty: Annotated[
        str | None, Option(help="What the intervals hold, and print its parts: sampling,rerun,wording,judge.")
    ] = None,
    suite: Annotated[Path | None, Option(help="Take margins, rules and the gate from this suite.yaml.")] = None,
    show: Annotated[int, Option(help="Flipped samples to print per benchmark and direction.")] = 5,
    save_flips: Annotated[Path | None, Option(help="Write every flipped item, for `evalh run --items FILE`.")] = None,
    reports: ReportOptions = ReportOptions(),  # noqa: B008  # frozen; spelled out as flags
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    baselines: Annotated[Path, Option(help="Folder that holds the baselines.")] = Path("baselines"),
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> int:
    """Compare two runs item by item. Exit 1: the gate failed; 3: not whole; 4: not comparable; 5: inconclusive."""
    from evalharness.comparison import gate as gating
    from evalharness.comparison.uncertainty import uncertainty_sources
    from evalharness.report.deliver import Places, ReportsWanted, deliver_comparison
    from evalharness.suites.schema import with_suite

    terms = with_suite(suite, margin or [], alpha, clusters, gate=gate, policy=policy)
    options = gating.comparison_options(
        terms.margins, terms.alpha, benchmark or [], allow_mismatch or [], clusters=terms.clusters, metric=metric,
        rules=terms.rules, uncertainty=uncertainty_sources(uncertainty),
        changed=frozenset(changed.split(",")) if changed is not None else frozenset(),
    )  # fmt: skip
    made = gating.run_gate(
        gating.ComparisonRequest(
            base=base, new=new, options=options, gate=terms.gate, policy=gating.policy(terms.policy, gate=terms.gate),
            runs=runs, baselines=baselines, suite=suite,
        )
    )  # fmt: skip
    places = Places(
        folder=reports.report, html=reports.html, markdown=reports.markdown, junit=reports.junit, sarif=reports.sarif,
        plain=reports.plain, junit_items=reports.junit_items,
    )  # fmt: skip
    wanted = ReportsWanted(places=places, save_flips=save_flips, show=show, as_json=as_json, key=reports.key)
    deliver_comparison(made, wanted)
    return made.settled()
