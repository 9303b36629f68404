"""`evalh merge`: the parts of a run that were asked apart, put together."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def merge(
    parts: Annotated[list[str], Argument(help="Folders or names of all the parts that `--shard` made.")],
    name: Annotated[str | None, Option(help="Name of the whole run's folder; the parts' own otherwise.")] = None,
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> int:
    """Put the parts of a run together that `evalh run --shard` asked: the run as it would be, asked whole."""
    from evalharness.report import progress
    from evalharness.runs import merge as merging
    from evalharness.runs import session, store

    found = merging.merge_runs([store.find_run(part, runs) for part in parts], runs, name)
    outcome = session.run_outcome(found)
    progress.show_run(outcome, as_json=as_json)
    return outcome.exit_code
