"""`evalh verify`: whether a run's journal, summary, manifest and hashes agree."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def verify(
    run: Annotated[str, Argument(help="A run's folder or name.")],
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> int:
    """Check a run's folder and say what does not agree: exit code 2 for that, 3 for a run that is not finished."""
    from evalharness.report import items
    from evalharness.runs import store
    from evalharness.runs import verify as verifying

    found = verifying.verify_run(store.find_run(run, runs))
    items.verified(found, as_json=as_json)
    return found.exit_code
