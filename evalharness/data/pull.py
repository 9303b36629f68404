"""Copies of the hub's rows in a folder, for machines without a network."""

from __future__ import annotations

import json
from pathlib import Path

from evalharness.data.files import Row as Row
from evalharness.data.files import digest, jsonl, parse_json, read_text, write_whole
from evalharness.data.hub import from_hub
from evalharness.data.rows import PULLED, Source, SplitRows
from evalharness.errors import DataError, UserError


def from_pulled(folder: Path, split: str) -> SplitRows:
    about = parse_json(read_text(folder / PULLED), folder / PULLED)
    if not (isinstance(about, dict) and isinstance(about.get("sha256"), dict)):
        raise DataError(f"{folder / PULLED}: not what `evalh data pull` writes; pull the data again")
    path = folder / f"{split}.jsonl"
    if not path.is_file():
        raise DataError(f"{folder}: wanted {path.name}; pull the data again")
    if digest(path) != about["sha256"].get(path.name):
        raise DataError(
            f"{path}: its content is not what was pulled (sha256 differs from {PULLED}); pull the data again"
        )
    origin = f"{folder} (pulled from {about.get('hub')})"
    rows, revision = tuple(jsonl(path)), str(about.get("revision"))
    return SplitRows(rows=rows, origin=origin, revision=revision, kind="pulled", path=folder)


def pull_source(source: Source, folder: Path) -> dict[str, int]:
    """Copy the hub's rows to a folder that `--data` reads. Returns rows per split.

    Files are written aside and renamed, `source.json` last: a folder without it is not a whole copy. DataError where no
    hub has them.
    """
    counts: dict[str, int] = {}
    hashes: dict[str, str] = {}
    splits = dict.fromkeys(s for s in (source.split, source.shot_split) if s)
    if not source.hub:
        where = f": {source.address}" if source.address else ""
        raise DataError(f"no hub has these questions, there is nothing to pull; they are {source.wanted}{where}")
    loaded = {split: from_hub(source, split) for split in splits}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for split, rows in loaded.items():
            text = "".join(json.dumps(r, ensure_ascii=False, default=str) + "\n" for r in rows.rows)
            write_whole(folder / f"{split}.jsonl", text)
            counts[split] = len(rows.rows)
            hashes[f"{split}.jsonl"] = digest(folder / f"{split}.jsonl")
        revision = loaded[source.split].revision
        about = {"hub": source.repository, "config": source.config, "revision": revision, "sha256": hashes}
        write_whole(folder / PULLED, json.dumps(about, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}") from error
    return counts
