"""`evalh baseline`: keep a run's values under a name, in a file small enough to commit."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option, Typer

app = Typer(help="Keep a run as the baseline that later runs are compared with.", no_args_is_help=True)

Folder = Annotated[Path, Option(help="Folder that holds the baselines.")]


@app.command("set")
def set_(
    run: Annotated[str, Argument(help="A finished run, by folder or name.")],
    name: Annotated[str, Option(help="What `evalh compare NAME ...` will call it.")] = "main",
    metric: Annotated[str | None, Option(help="Score to keep; the headline otherwise.")] = None,
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    baselines: Folder = Path("baselines"),
) -> None:
    """Write baselines/NAME.jsonl: values and hashes of a run, no prompt and no answer."""
    from evalharness.comparison.inputs import keep_baseline
    from evalharness.text.visible import line, shell_word

    path, items = keep_baseline(run, name, metric=metric, runs=runs, baselines=baselines)
    size = f"{items:,} items, {path.stat().st_size:,} bytes"
    print(line(f"{path}: {size}; compare with: evalh compare {shell_word(name)} NEW", 1000))


@app.command("list")
def list_(baselines: Folder = Path("baselines")) -> None:
    """List the baselines, the run each stands for, and its scores."""
    from evalharness.report.terminal import baseline_lines
    from evalharness.text.visible import printable

    for said in baseline_lines(baselines):
        print(printable(said))
