"""`evalh list`: the benchmarks, judges and models there are, and the runs made so far."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def list_(
    what: Annotated[str, Argument(help="benchmarks, judges, models or runs.")] = "benchmarks",
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    lm_eval: Annotated[
        str | None,
        Option("--lm-eval", help="List lm-evaluation-harness's tasks, groups and tags that have this in their name."),
    ] = None,
    include_path: Annotated[list[Path] | None, Option(help="A folder of its task files. Repeatable.")] = None,
    as_json: Annotated[bool, Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """List benchmarks, judges, models or runs."""
    from evalharness.report import items
    from evalharness.runs import inventory

    if lm_eval is not None:
        from evalharness.file_benchmarks.lm_eval.catalog import lm_eval_rows

        items.table(lm_eval_rows(what, lm_eval, include_path or ()), as_json=as_json)
        return
    items.table(inventory.inventory_rows(what, runs), as_json=as_json)
