"""Rows from a folder in the hub's layout: a snapshot of its cache, or files whose names hold the split."""

from __future__ import annotations

from pathlib import Path

from evalharness.data.files import FILE_READERS
from evalharness.data.files import Row as Row
from evalharness.data.rows import Source, SplitRows
from evalharness.errors import DataError


def from_snapshot(source: Source, split: str, path: Path) -> SplitRows | None:
    """A folder in the hub's layout: parquet, JSON or CSV files whose names hold the split, in the config's folder."""
    given = path
    if (path / "snapshots").is_dir():
        path = _pinned_snapshot(source, path)
    if path.is_file():  # one file holds one split: examples taken from the scored questions would give them away
        is_it = split == source.split or _is_split(path.stem, split)
        files = [path] if path.suffix in FILE_READERS and is_it else []
    else:
        folders = [path / source.config] if source.config and (path / source.config).is_dir() else []
        files = []
        for folder in (*folders, path / "data", path):
            if folder.is_dir():
                files = [f for f in sorted(folder.iterdir()) if f.suffix in FILE_READERS and _is_split(f.stem, split)]
            if files:
                break
    if not files:
        return None
    rows = tuple(row for file in files for row in FILE_READERS[file.suffix](file))
    return SplitRows(rows=rows, origin=str(path), revision=_snapshot_revision(path), kind="snapshot", path=given)


def _pinned_snapshot(source: Source, repository: Path) -> Path:
    """The snapshot of the pinned revision in a repository folder of the hub's cache; where none is pinned, the only one
    that is there."""
    kept = sorted((repository / "snapshots").iterdir())
    if not source.revision and len(kept) == 1:
        return kept[0]
    snapshot = repository / "snapshots" / source.revision
    if not source.revision or not snapshot.is_dir():
        there, wanted = ", ".join(p.name for p in kept) or "none", source.revision or "one"
        raise DataError(f"{repository}: wanted the snapshot of revision {wanted}, there is {there}")
    return snapshot


def _is_split(stem: str, split: str) -> bool:
    return stem == split or stem.startswith((f"{split}-", f"{split}.", f"{split}_"))


def _snapshot_revision(path: Path) -> str:
    """The hub's cache keeps a snapshot in a folder that is named after its commit."""
    names = [p.name for p in (path, *path.parents)]
    for name in names:
        if len(name) == 40 and all(c in "0123456789abcdef" for c in name):
            return name
    return "folder"
