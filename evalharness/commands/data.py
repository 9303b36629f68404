"""`evalh data pull`: copy a benchmark's data to a folder, for machines without network."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Data of benchmarks.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def pull(
    benchmark: Annotated[str, typer.Argument(help="A benchmark.")],
    to: Annotated[Path, typer.Option(help="The folder to make.")],
) -> None:
    """Copy a benchmark's rows from the hub, at its pinned revision, to a folder that `--data` reads."""
    from evalharness import plugins
    from evalharness.data.pull import pull_source
    from evalharness.text.visible import printable

    for name in plugins.task_names(benchmark):
        folder = to / name.partition("/")[2]
        counts = pull_source(plugins.load_benchmark(name).source, folder)
        rows = ", ".join(f"{n} rows of {split}" for split, n in counts.items())
        print(printable(f"{name}: {rows} -> {folder}"))


@app.callback()
def _group() -> None: ...
