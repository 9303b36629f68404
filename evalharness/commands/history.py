"""`evalh history`: one benchmark over time, with the changes that are no chance."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = """
evalh history mmlu
evalh history mmlu --in baselines --in runs --output trend.html
evalh history mmlu --in baselines --revisions
"""


def history(
    benchmark: Annotated[str, Argument(help="A benchmark, as the runs call it.")],
    folders: Annotated[
        list[Path] | None,
        Option(
            "--in", help="Folder of runs or baselines; `runs` without it, `baselines` with --revisions. Repeatable."
        ),
    ] = None,
    revisions: Annotated[
        bool, Option("--revisions", help="Also the folders' baselines as earlier commits of this repository had them.")
    ] = False,
    model: Annotated[str | None, Option(help="Only runs of this model.")] = None,
    alpha: Annotated[float, Option(help="Chance of any false mark, over all looks together.")] = 0.05,
    form: Annotated[
        str | None, Option("--format", "-f", help="terminal, markdown, html, csv or json; by --output otherwise.")
    ] = None,
    output: Annotated[Path | None, Option("--output", "-o", help="Write here instead of standard output.")] = None,
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Show a benchmark over the runs and baselines of some folders; a change is marked only where it is significant."""
    from tempfile import TemporaryDirectory

    from evalharness.comparison.history import benchmark_history
    from evalharness.report import deliver
    from evalharness.report.history import history_as
    from evalharness.report.ranking import SUFFIXES
    from evalharness.suites.earlier_baselines import write_earlier_baselines

    usual = SUFFIXES.get("" if output is None else output.suffix.lower(), "terminal")
    places = folders or [Path("baselines" if revisions else "runs")]
    with TemporaryDirectory(prefix="evalh-history-") as scratch:
        earlier = [write_earlier_baselines(places, Path(scratch))] if revisions else []
        found = benchmark_history(benchmark, [*places, *earlier], model=model, alpha=alpha)
    deliver.hand_over(history_as(found, "json" if as_json else form or usual), output)
