"""`evalh winrate`: HELM's mean win rate of several runs."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def winrate(
    runs_: Annotated[list[str], Argument(metavar="RUN...", help="Two or more runs, each of another model.")],
    figure: Annotated[
        str | None, Option(help="Which figure: robustness, fairness, ece_10_bin, f1, ...; else each headline.")
    ] = None,
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """The share of other models that each model beats, averaged over the benchmarks they share (HELM)."""
    from evalharness.comparison import win_rates
    from evalharness.report import leaderboard
    from evalharness.runs import store

    found = win_rates.of_runs([store.find_run(run, runs) for run in runs_], figure)
    leaderboard.show_win_rates(found, as_json=as_json)
