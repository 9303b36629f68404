"""`evalh rescore`: score a run's recorded answers again, asking nobody."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def rescore(
    run: Annotated[str, Argument(help="A run's folder or name.")],
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Score the recorded answers again with the scorers as they are now, asking nobody."""
    from evalharness.report import progress
    from evalharness.runs import session, store

    found, changed = session.rescore_run(store.find_run(run, runs))
    if not as_json:
        print(f"{changed} of {len(found.results())} results changed")
    progress.show_run(session.run_outcome(found), as_json=as_json)
