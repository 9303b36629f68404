"""What many runs say of themselves, kept beside them: a list of ten thousand runs reads one file."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalharness.data.files import OWN_FILE, own_folder
from evalharness.runs.journal import dumps, loads
from evalharness.runs.prepared import source_hash
from evalharness.runs.store import MANIFEST, SUMMARY, Run

RUN_INDEX = Path(".cache") / "runs.sqlite"
MANY_RUNS = 200  # runs from which on an index is kept
_Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folder:
    name: str
    modified: int  # of the manifest, in nanoseconds
    stamp: str  # what differs once manifest or summary were written anew


def listed_runs(runs: Path, rows_of: Callable[[Run], _Rows | None]) -> Iterator[tuple[Run, _Rows | None]]:
    """Every run under a folder, the newest last, with what `rows_of` says of it, or said of it before: what it says of
    a run must come from its manifest and summary alone. None, for a run that cannot be read, is never kept."""
    folders = sorted(_folders(runs), key=lambda folder: folder.modified)
    known = _read(runs / RUN_INDEX) if len(folders) >= MANY_RUNS else {}
    fresh: list[tuple[str, str, bytes]] = []
    for folder in folders:
        run = Run(runs / folder.name)
        stamp, kept = known.get(folder.name, ("", b""))
        if stamp == folder.stamp:
            yield run, loads(kept)
            continue
        rows = rows_of(run)
        if rows is not None:
            fresh.append((folder.name, folder.stamp, dumps(rows)))
        yield run, rows
    gone = known.keys() - {folder.name for folder in folders}
    if len(folders) >= MANY_RUNS and (fresh or gone):
        _write(runs / RUN_INDEX, fresh, gone)


def _folders(runs: Path) -> Iterator[_Folder]:
    try:
        entries = [entry.path for entry in os.scandir(runs)]
    except OSError:
        return
    for path in entries:
        manifest, summary = _stat(f"{path}/{MANIFEST}"), _stat(f"{path}/{SUMMARY}")
        if manifest is not None:
            stamp = json.dumps([source_hash()[:16], _seen(manifest), _seen(summary)])
            yield _Folder(name=os.path.basename(path), modified=manifest.st_mtime_ns, stamp=stamp)  # noqa: PTH119


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116
    except OSError:
        return None


def _seen(found: os.stat_result | None) -> list[int]:
    return [] if found is None else [found.st_mtime_ns, found.st_size, found.st_ino]


def _read(path: Path) -> Mapping[str, tuple[str, bytes]]:
    """Name -> (stamp, rows) of the index; nothing where there is none, or it is damaged."""
    if not path.is_file():
        return {}
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as store:
            found = store.execute("SELECT name, stamp, rows FROM runs").fetchall()
        for _, _, rows in found:
            loads(rows)
        return {str(name): (str(stamp), bytes(rows)) for name, stamp, rows in found}
    except (sqlite3.Error, ValueError, TypeError):
        return {}


def _write(path: Path, fresh: list[tuple[str, str, bytes]], gone: set[str]) -> None:
    """Keep these too. An index that cannot be written is none: the next list reads the runs themselves."""
    try:
        own_folder(path.parent)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, OWN_FILE))
        with closing(sqlite3.connect(path, timeout=5)) as store, store:
            store.execute("CREATE TABLE IF NOT EXISTS runs (name TEXT PRIMARY KEY, stamp TEXT, rows BLOB)")
            store.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?)", fresh)
            store.executemany("DELETE FROM runs WHERE name = ?", [(name,) for name in gone])
    except sqlite3.DatabaseError:
        path.unlink(missing_ok=True)  # damaged: it is made anew next time
    except OSError:
        return
