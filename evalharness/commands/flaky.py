"""`evalh flaky`: how many answers change by themselves when the same model is asked the same things again."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def flaky(
    run: Annotated[str, Argument(help="A finished run, by folder or name.")],
    again: Annotated[
        str | None, Argument(help="A second run of the same thing; without it the model is asked again.")
    ] = None,
    limit: Annotated[int | None, Option(help="Ask only so many questions again: a seeded draw.")] = None,
    yes_run_its_command: Annotated[
        bool,
        Option("--yes-run-its-command", help="Also where the command in run.json names programs or addresses."),
    ] = False,
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Compare a run with itself asked again (A/A): how many items flip, and which; later comparisons mark them."""
    from evalharness.comparison.flaky import measure_flakiness
    from evalharness.report.flakiness import show_flakiness

    found = measure_flakiness(run, again, limit=limit, runs=runs, consent=yes_run_its_command)
    show_flakiness(found, as_json=as_json)
