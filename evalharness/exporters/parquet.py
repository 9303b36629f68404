"""Parquet: a row per answer, the columns of `runs.tables`."""

from __future__ import annotations

import io
from pathlib import Path

from evalharness.data.files import write_whole
from evalharness.runs.store import Run
from evalharness.runs.tables import to_arrow

SUFFIX = ".parquet"


def write_export(run: Run, path: Path) -> list[Path]:
    """Write the answers of a run."""
    import pyarrow.parquet

    out = io.BytesIO()
    pyarrow.parquet.write_table(to_arrow(run.results()), out)
    write_whole(path, out.getvalue())
    return [path]
