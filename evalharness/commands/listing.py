"""`evalh list`: the benchmarks, judges and models there are, and the runs made so far."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def list_(
    what: Annotated[str, Argument(help="benchmarks, judges, models or runs.")],
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    as_json: Annotated[bool, Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """List benchmarks, judges, models or runs."""
    from evalharness.report import items
    from evalharness.runs import inventory

    items.table(inventory.inventory_rows(what, runs), as_json=as_json)
