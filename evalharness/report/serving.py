"""What a server says on the terminal: where its pages are, and how far an index is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from evalharness.report.escape import line
from evalharness.runs.store import JOURNAL, Run

_LARGE = 32 << 20  # bytes of a journal that is read at once anyway


class IndexMaker(Protocol):
    """Makes the index of a run and says how far it is, in bytes."""

    def __call__(self, run: Run, progress: Callable[[int, int], None]) -> object: ...


def show_address(address: str) -> None:
    """The address to open."""
    print(f"open {line(address, 600)}   (Ctrl-C ends it)", flush=True)


def show_pairs(by_models: Mapping[tuple[str, str], int], same: int, looked: int, prompts: int) -> None:
    """What there is to vote on in an arena, and which models never meet."""
    total = sum(by_models.values())
    among = "" if looked == prompts else f" to {looked:,} of {prompts:,} questions"
    passed = f"; {same:,} that are the same word by word are passed over" if same else ""
    print(f"{total:,} {'pair' if total == 1 else 'pairs'} of answers{among} to vote on{passed}", flush=True)
    for (one, other), n in by_models.items():
        if not n:
            show_trouble(f"{one} and {other} never meet: to no question have both written, and not the same")


def show_trouble(text: str) -> None:
    """What went wrong while pages were served, for who serves them."""
    print(f"evalh: {line(text, 600)}", file=sys.stderr, flush=True)


def show_exported(site: Path, files: int) -> None:
    """What was written, and what to open."""
    print(f"{files:,} files; open {line(str(site / 'index.html'), 600)}")


def show_indexing(runs: Sequence[Run], make: IndexMaker) -> None:
    """Make the indexes of large runs, with a bar on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    large = [run for run in runs if (run.path / JOURNAL).is_file() and (run.path / JOURNAL).stat().st_size > _LARGE]
    if not large:
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
        for run in large:
            task = bar.add_task(f"index of {line(run.name, 60)}", total=None)

            def told(read: int, size: int, task: object = task) -> None:
                bar.update(task, completed=read, total=size)  # type: ignore[arg-type]  # the task of this run

            make(run, told)
