"""`evalh twins`: runs that agree far more than two models can."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = """
evalh twins runs/a runs/b runs/c runs/d
"""


def twins(
    runs_: Annotated[list[str], Argument(metavar="RUN...", help="Two or more runs; more make the test sharper.")],
    alpha: Annotated[float, Option(help="Error rate over all pairs together.")] = 0.01,
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Name runs that differ on so few items that they can hardly be two models, with a p value."""
    from evalharness.evidence.twins import find_twins
    from evalharness.report import evidence

    evidence.show_twins(find_twins(runs_, runs=runs, alpha=alpha), as_json=as_json)
