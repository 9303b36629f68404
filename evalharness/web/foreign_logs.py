"""Logs of other programs shown as they are: imported once into the cache, and again where they changed."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from evalharness import plugins
from evalharness.judging.imported import ImportOptions
from evalharness.runs.imported import import_run
from evalharness.runs.store import Run


def log_format(place: Path) -> str | None:
    """The importer that reads what lies there; None for what is no log of another program."""
    if place.is_file() and place.suffix == ".eval":
        return "inspect"
    is_results = place.is_file() and place.name.startswith("results_") and place.suffix == ".json"
    if is_results or (place.is_dir() and any(place.glob("results_*.json"))):
        return "lm_eval"
    return None


def imported_log(place: Path, kind: str, cache: Path) -> Run:
    """The run made of a log. UserError where the importer cannot read it."""
    files = [place] if place.is_file() else sorted(file for file in place.iterdir() if file.is_file())
    state = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    stamp = hashlib.sha256(repr(state).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    folder = cache / f"{place.stem}-{stamp}"
    if Run(folder).finished:
        return Run(folder)
    shutil.rmtree(folder, ignore_errors=True)  # an import that was interrupted
    foreign = plugins.load_format("importers", kind).read_run(place, ImportOptions())
    return import_run(kind, place, foreign, lambda _: folder)
