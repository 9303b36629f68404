"""The runs made so far, as rows for `evalh list runs`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evalharness.errors import UserError
from evalharness.events import warn
from evalharness.runs import store
from evalharness.runs.run_index import listed_runs

_Rows = list[dict[str, Any]]


def run_rows(runs: Path) -> _Rows:
    """Every run under a folder, one row per benchmark in it. One that is broken says so and hides no other."""
    found: _Rows = []
    for run, rows in listed_runs(runs, readable_run_rows):
        found += [{**dict.fromkeys(COLUMNS), "name": run.name, "n": "damaged"}] if rows is None else rows
    return found


def readable_run_rows(run: store.Run) -> _Rows | None:
    """The rows of a run; None, and a warning, where it is damaged."""
    try:
        return _run_rows(run)
    except UserError as error:
        warn(str(error))
        return None


COLUMNS = ("name", "benchmark", "model", "mode", "n", "score", "low", "high", "created")


def _run_rows(run: store.Run) -> _Rows:
    manifest, summary = run.manifest, run.summary if run.finished else None
    found: _Rows = []
    for name, asked in manifest.benchmarks.items():
        entry = None if summary is None else summary.benchmarks.get(name)
        headline = None if entry is None else entry.headline_figure
        made = (manifest.model.name, asked.mode, "unfinished" if entry is None else entry.n)
        ends = (headline.value, headline.low, headline.high) if headline is not None else (None, None, None)
        known = (*ends, manifest.created)
        found.append(dict(zip(COLUMNS, (run.name, name, *made, *known), strict=True)))
    return found
