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
    from evalharness import session, store
    from evalharness.report import progress

    found, changed = session.rescore(store.find_run(run, runs))
    if not as_json:
        print(f"{changed} of {len(found.results())} results changed")
    progress.report(session.outcome(found), as_json=as_json)
