"""`evalh leaderboard`: several runs in one table, with ranks and the ranks that are possible."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = """
evalh leaderboard runs/a runs/b runs/c
evalh leaderboard runs/a runs/b --output board.html
"""


def leaderboard(
    runs_: Annotated[list[str], Argument(metavar="RUN...", help="Two or more runs or baselines.")],
    form: Annotated[
        str | None,
        Option("--format", "-f", help="terminal, markdown, html, csv, latex or json; by --output otherwise."),
    ] = None,
    output: Annotated[Path | None, Option("--output", "-o", help="Write here instead of standard output.")] = None,
    alpha: Annotated[float, Option(help="Error rate of all rank ranges of a column together.")] = 0.05,
    allow_mismatch: Annotated[
        bool, Option("--allow-mismatch", help="Rank although data, items, mode or shots differ.")
    ] = False,
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    baselines: Annotated[Path, Option(help="Folder that holds the baselines.")] = Path("baselines"),
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Rank runs by each benchmark and over all of them, with ranges that hold together."""
    from evalharness.comparison.ranking import rank_runs
    from evalharness.report import deliver
    from evalharness.report.ranking import SUFFIXES, ranking_as

    usual = SUFFIXES.get("" if output is None else output.suffix.lower(), "terminal")
    found = rank_runs(runs_, runs=runs, baselines=baselines, alpha=alpha, allow=allow_mismatch)
    deliver.hand_over(ranking_as(found, "json" if as_json else form or usual), output)
