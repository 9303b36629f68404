"""A Markdown table of a run's figures."""

from __future__ import annotations

import html
import re
from pathlib import Path

from evalharness.data.files import write_whole
from evalharness.runs.figure_rows import HEADER, figure_rows
from evalharness.runs.store import Run

SUFFIX = ".md"


def write_export(run: Run, path: Path) -> list[Path]:
    """Write the figures with their intervals, and whose they are."""
    lines = [f"Model: {_cell(str(run.manifest.model.name))}", "", _row(HEADER), "|:--|:--|:--|--:|--:|:--:|"]
    lines += [_row(row.cells) for row in figure_rows(run.summary)]
    write_whole(path, "\n".join(lines) + "\n")
    return [path]


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    """A name as text and nothing else: no link, image, mention, tag, or end of the cell."""
    plain = html.escape("".join(c if c.isprintable() else " " for c in text), quote=False)
    return re.sub(r"([\\|`*_\[\]!~@#])", r"\\\1", plain)
