"""CSV: a row per answer, the columns of `runs.tables`."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from evalharness.data.files import write_whole
from evalharness.runs.store import Run
from evalharness.runs.tables import to_arrow

SUFFIX = ".csv"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets take for a formula; a model's answer must not be one


def write_export(run: Run, path: Path) -> list[Path]:
    """Write the answers of a run. Null is an empty cell, several references stand in lines of one cell."""
    table = to_arrow(run.results())
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(table.column_names)
    for row in table.to_pylist():
        writer.writerow([_cell(value) for value in row.values()])
    write_whole(path, out.getvalue())
    return [path]


def _cell(value: object) -> object:
    if value is None:
        return ""
    text = "\n".join(value) if isinstance(value, list) else value
    return f"'{text}" if isinstance(text, str) and text.startswith(_FORMULA) else text
