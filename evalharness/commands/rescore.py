"""`evalh rescore`: score a run's recorded answers again, asking nobody."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def rescore(
    run: Annotated[str, Argument(help="A run's folder or name.")],
    check: Annotated[str | None, Option(help="How programs are checked from now on: both, split or inproc.")] = None,
    sandbox_packages: Annotated[str | None, Option(help="Packages that programs may import from now on.")] = None,
    include_path: Annotated[
        list[Path] | None, Option(help="A folder of lm-evaluation-harness's task files. Repeatable.")
    ] = None,
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> int:
    """Score the recorded answers again with the scorers as they are now, asking nobody."""
    from evalharness.errors import Exit
    from evalharness.file_benchmarks.lm_eval.settings import include_folders
    from evalharness.options import package_names
    from evalharness.report import progress
    from evalharness.runs import session, store
    from evalharness.runs.index import index_of

    include_folders(include_path or ())
    options = {"check": check, "sandbox_packages": sandbox_packages and package_names(sandbox_packages)}
    changes = {name: value for name, value in options.items() if value is not None}
    found, changed = session.rescore_run(store.find_run(run, runs), **changes)
    if not as_json:
        print(f"{changed} of {len(index_of(found))} results changed")
    if not found.finished:
        print(f"evalh: {found.path}: this run is not finished; give its command again and it goes on", file=sys.stderr)
        return Exit.NOT_WHOLE
    progress.show_run(session.run_outcome(found), as_json=as_json)
    return Exit.FINE
