"""`evalh export`: a run as other programs read it."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = """
evalh export my-run lm_eval --to theirs/
evalh export my-run inspect --to logs/my-run.eval
evalh export my-run csv
"""


def export(
    run: Annotated[str, Argument(help="A finished run's folder or name.")],
    format: Annotated[  # noqa: A002  # CLI name
        str,
        Argument(
            help="lm_eval, inspect, every_eval_ever, hf_eval_results, hf_model_index, csv, parquet, arrow, markdown or "
            "latex."
        ),
    ],
    to: Annotated[Path | None, Option(help="The file or folder to write; else one named after the run, here.")] = None,
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
) -> None:
    """Write a finished run in another program's format, or as a table."""
    from evalharness import plugins
    from evalharness.errors import UserError, option_name
    from evalharness.runs import store

    writer = plugins.load_format("exporters", format)
    found = store.find_run(run, runs)
    _ = found.summary  # an unfinished run is said before a file is begun
    target = (
        to
        if to is not None
        else Path(f"{found.name}.{format}" if not writer.SUFFIX else f"{found.name}{writer.SUFFIX}")
    )
    if target.exists() and (target.is_file() or any(target.iterdir()) or writer.SUFFIX):
        raise UserError(f"{target}: is there already; say another with {option_name('to')}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for path in writer.write_export(found, target):
            print(path)
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({error.strerror})") from error
