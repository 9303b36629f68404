"""Arrow's IPC file format (Feather version 2): a row per answer, the columns of `runs.tables`."""

from __future__ import annotations

import io
from pathlib import Path

from evalharness.data.files import write_whole
from evalharness.runs.store import Run
from evalharness.runs.tables import to_arrow

SUFFIX = ".arrow"


def write_export(run: Run, path: Path) -> list[Path]:
    """Write the answers of a run."""
    import pyarrow.ipc

    table, out = to_arrow(run.results()), io.BytesIO()
    with pyarrow.ipc.new_file(out, table.schema) as file:
        file.write_table(table)
    write_whole(path, out.getvalue())
    return [path]
