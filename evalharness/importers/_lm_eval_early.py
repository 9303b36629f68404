"""What lm-evaluation-harness 0.4.0 to 0.4.4 wrote otherwise: files without a date, samples as one list, no filter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalharness.data.files import json_rows, numbered_rows
from evalharness.data.rows import Row
from evalharness.importers._given import as_mapping

RESULTS = "results.json"


def samples_beside(folder: Path, said: Mapping[str, Any]) -> dict[str, Path]:
    """The samples of each task of 0.4.0 to 0.4.2: in `MODEL_ARGS_TASK.jsonl`."""
    tasks = sorted(as_mapping(said.get("configs")), key=len, reverse=True)  # arc_easy before easy
    found: dict[str, Path] = {}
    for log in sorted(folder.glob("*.jsonl")):
        task = next((task for task in tasks if log.stem.endswith(f"_{task}")), None)
        if task is not None:
            found.setdefault(task, log)
    return found


def logged_rows(file: Path) -> Iterator[tuple[str, Row]]:
    """The lines of a file of samples with their places: one a line, or all in one list."""
    with file.open("rb") as opened:
        listed = opened.read(64).lstrip().startswith(b"[")
    if listed:
        yield from ((f"{file}: row {number}", row) for number, row in enumerate(json_rows(file), 1))
    else:
        yield from ((f"{file}:{number}", row) for number, row in numbered_rows(file))


def filters_in(theirs: Mapping[str, Any]) -> list[str]:
    """The filters of a task in their order, by its figures."""
    return list(dict.fromkeys(key.partition(",")[2] for key in theirs if "," in key))


def filter_of(row: Row, position: int, filters: Sequence[str], usual: str) -> str:
    """The filter that a line is of; where it has none, that of its position among the lines of its question."""
    if "filter" in row:
        return str(row["filter"])
    if position < len(filters):
        return filters[position]
    return usual if not position else f"{usual}{position + 1}"
