"""`evalh scaling`: models of growing size, or steps of a training, on one benchmark."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = """
evalh scaling runs/step-1000 runs/step-2000 runs/step-4000
evalh scaling runs/0.5b runs/1.5b runs/7b --sizes 0.5,1.5,7
"""


def scaling(
    runs_: Annotated[list[str], Argument(metavar="RUN...", help="Two or more runs, the smallest model first.")],
    sizes: Annotated[
        str | None, Option(help="A number for each run, separated by commas: parameters, steps, tokens.")
    ] = None,
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    html: Annotated[Path | None, Option(help="Also write the figures as a page here.")] = None,
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Say whether a benchmark ranks the models of a ladder, and which of its items are odd."""
    from evalharness.evidence.scaling import build_ladders, sizes_named
    from evalharness.report import evidence
    from evalharness.report.drawn_figures import ladder_figures

    found = build_ladders(runs_, sizes=sizes_named(sizes), runs=runs)
    if html is not None:
        drawn = [figure for ladder in found for figure in ladder_figures(ladder)]
        evidence.write_page(html, f"A ladder of {len(runs_)} runs", drawn)
    evidence.show_ladders(found, as_json=as_json)
