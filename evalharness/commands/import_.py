"""`evalh import`: judgments made elsewhere, as a run that can be shown, compared and audited."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def import_(
    format: Annotated[str, Argument(help="alpaca_eval, fastchat, llmbar, pandalm or scores.")],  # noqa: A002  # CLI name
    file: Annotated[Path, Argument(help="The file of judgments.")],
    data: Annotated[Path | None, Option(help="The benchmark's own data (alpaca_eval: with df_gamed.csv).")] = None,
    model: Annotated[str | None, Option(help="Whose judgments, where the file has several models.")] = None,
    against: Annotated[str | None, Option(help="Compared with which model, where the file has several.")] = None,
    name: Annotated[str | None, Option(help="Name of the run's folder.")] = None,
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Make a run of judgments that were made elsewhere."""
    from evalharness.judging import imported as imports
    from evalharness.report import judges
    from evalharness.runs import store

    options = imports.ImportOptions(data=data, model=model, against=against)
    made = imports.import_file(format, file, options, lambda given: store.new_folder(runs, name or given))
    judges.imported(made, as_json=as_json, stream=sys.stdout)
