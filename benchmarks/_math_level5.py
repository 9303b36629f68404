"""MATH's folders as published: SPLIT/TYPE/NUMBER.json, of which those of level 5 are read."""

from collections.abc import Iterator
from pathlib import Path

from evalharness.data.files import parse_json, read_text
from evalharness.data.rows import Files, Row, Want


def _read(path: Path, want: Want) -> Iterator[Row] | None:
    folder = next((f for f in (path / want.split, path / "MATH" / want.split) if f.is_dir()), None)
    return None if folder is None else _rows(folder)


def _rows(folder: Path) -> Iterator[Row]:
    for file in sorted(folder.glob("*/*.json"), key=lambda f: (f.parent.name, int(f.stem))):
        row = parse_json(read_text(file), file)
        if row["level"] == "Level 5":
            yield row


FILES = Files("the folders test/ and train/ of MATH (TYPE/NUMBER.json)", _read)
