"""`evalh show`: a run's figures, and its questions with what was asked, answered and scored."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from evalharness.commands._names import run_names


def show(
    run: Annotated[str, Argument(help="A run's folder or name.", autocompletion=run_names)],
    item: Annotated[str | None, Option(help="One question, by its id.")] = None,
    wrong: Annotated[bool, Option("--wrong", help="Only wrong answers.")] = False,
    status: Annotated[str | None, Option(help="Only answers of this status.")] = None,
    limit: Annotated[int, Option(help="At most so many questions.")] = 20,
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    as_json: Annotated[bool, Option("--json", help="Print JSON lines and nothing else.")] = False,
) -> int:
    """Show a run: its figures, one question in full, or the questions of one status. Exit 3: it is not finished."""
    from evalharness.errors import Exit
    from evalharness.report import items, progress
    from evalharness.runs import index, session, shards, store, unfinished

    found = store.find_run(run, runs)
    if item is None and not wrong and status is None:
        if not found.finished and shards.shard_facts(found.manifest) is None:
            items.show_unfinished(unfinished.unfinished_run(found), as_json=as_json)
            return Exit.NOT_WHOLE
        progress.show_run(session.run_outcome(found), as_json=as_json)
        return Exit.FINE
    chosen = index.select_results(found, item=item, status="wrong" if wrong else status)
    items.show_results(chosen[:limit], whole=item is not None, left=len(chosen) - limit, as_json=as_json)
    return Exit.FINE
