"""`evalh uncertainty`: all that is uncertain in a run's figures, part by part."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = """
evalh run mmlu --model local:DIR --limit 200 --wording own --wording a.txt --wording b.txt --name worded
evalh uncertainty runs/mmlu --by runs/worded
"""


def uncertainty(
    run: Annotated[str, Argument(help="A finished run, by folder or name.")],
    by: Annotated[
        str | None, Option(help="A smaller run of the same model with several wordings or seeds: what RUN lacks.")
    ] = None,
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    html: Annotated[Path | None, Option(help="Also write the figures as a page here.")] = None,
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Give each figure with an interval that holds items, reruns, wordings and the judge, and say which are in."""
    from evalharness.evidence.total_uncertainty import total_uncertainty
    from evalharness.report import evidence
    from evalharness.report.drawn_figures import uncertainty_figures

    found = total_uncertainty(run, by, runs=runs)
    if html is not None:
        evidence.write_page(html, f"What is uncertain in {run}", uncertainty_figures(found))
    evidence.show_uncertainty(found, as_json=as_json)
