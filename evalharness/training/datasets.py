"""Instruction data -> conversations, with what was left out or is broken said row by row."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evalharness.data.files import write_whole
from evalharness.errors import DataError
from evalharness.training.row_files import Entry, read_entries
from evalharness.training.shapes import SHAPES, TrainingRow, make_row, shape_of, unused
from evalharness.training.turns import BrokenRowError, unused_in_turns

BROKEN_SHOWN = 8  # broken rows that an error message says


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A row that cannot be learned from: its number in the data as read, where it stands, and why."""

    number: int
    place: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Rows, the shape they had, where they came from, and the sha256 (hex) of what they say. `broken` rows were
    skipped; `notes` say what else was not learned from."""

    rows: tuple[TrainingRow, ...]
    shape: str
    origin: str
    sha256: str
    broken: tuple[Broken, ...] = ()
    notes: tuple[str, ...] = ()


class BrokenRowsError(DataError):
    """Rows that cannot be learned from, each with its reason in `broken`."""

    def __init__(self, message: str, broken: Sequence[Broken]) -> None:
        super().__init__(message)
        self.broken = tuple(broken)


def read_training_data(data: str, *, skip_bad: bool = False) -> Data:
    """Rows of a file, a folder of files, or a hub data set; see `row_files`.

    DataError where there is nothing to read or fewer than two rows; BrokenRowsError for rows with missing or empty
    fields unless `skip_bad`.
    """
    found = read_entries(data)
    total = len(found.entries)
    if total < 2:
        raise DataError(
            f"{found.origin}: wanted at least 2 rows (one to learn from, one to check on), there are {total}"
        )
    shapes = [shape_of(entry.fields) for entry in found.entries]
    shape = _commonest(shapes, found.entries, found.origin)
    rows: list[TrainingRow] = []
    broken: list[Broken] = []
    for number, (entry, own) in enumerate(zip(found.entries, shapes, strict=True), 1):
        try:
            if entry.unread:
                raise BrokenRowError(entry.unread)
            row = make_row(number, entry.fields, own or shape)
            rows.append(replace(row, part=entry.part or row.part))
        except BrokenRowError as problem:
            broken.append(Broken(number=number, place=f"{entry.file}:{entry.number}", reason=str(problem)))
    if broken and not skip_bad:
        raise rows_refused(found.origin, f"cannot be learned from as {shape}", broken, total)
    kept = [row for row in rows if row.learned]
    if not kept:
        raise DataError(f"{found.origin}: no row is left to learn from; look at labels, weights and broken rows")
    notes = (*found.notes, *_left_out(len(rows) - len(kept)), *_unused(found.entries, shapes))
    return Data(
        rows=tuple(kept), shape=shape, origin=found.origin, sha256=fingerprint(kept), broken=tuple(broken), notes=notes
    )


def _commonest(shapes: Sequence[str | None], entries: Sequence[Entry], origin: str) -> str:
    counted = Counter(shape for shape in shapes if shape is not None)
    if counted:
        return counted.most_common(1)[0][0]
    first = next((entry for entry in entries if not entry.unread), entries[0])
    if first.unread:
        raise DataError(f"{origin}: no row can be read; row 1 is {first.unread}")
    if not isinstance(first.fields, Mapping):
        raise DataError(f"{origin}: wanted rows with fields, the first is {type(first.fields).__name__}")
    keys = ", ".join(sorted(map(str, first.fields))[:8])
    raise DataError(f"{origin}: the fields {keys} are no shape known; wanted {SHAPES}")


def _left_out(count: int) -> list[str]:
    if not count:
        return []
    return [f"{count} row{'s' * (count > 1)} left out: labelled as bad answers (false), or of weight 0"]


def _unused(entries: Sequence[Entry], shapes: Sequence[str | None]) -> list[str]:
    names: set[str] = set()
    for entry, shape in zip(entries, shapes, strict=True):
        if shape is not None and isinstance(entry.fields, Mapping):
            names |= unused(entry.fields, shape)
            turns = (value for name, value in entry.fields.items() if name not in ("tools", "functions", "history"))
            names |= {f"{name} (of a turn)" for value in turns for name in unused_in_turns(value)}
    return [f"fields that are not learned from: {', '.join(sorted(names))}"] if names else []


def rows_refused(origin: str, what: str, broken: Sequence[Broken], total: int) -> BrokenRowsError:
    """The error that says how many rows are broken, and the first of them with their reasons."""
    numbers = ", ".join(str(b.number) for b in broken[:BROKEN_SHOWN]) + (", ..." if len(broken) > BROKEN_SHOWN else "")
    first: dict[str, Broken] = {}
    for each in broken[:BROKEN_SHOWN]:
        first.setdefault(each.reason, each)
    reasons = "; ".join(f"{reason} in row {each.number}" for reason, each in first.items())
    return BrokenRowsError(
        f"{origin}: {len(broken)} of {total} rows {what}: row {numbers} ({reasons}); mend or delete them, or say "
        "--skip-bad",
        broken,
    )


def list_broken(broken: Sequence[Broken], file: Path) -> Path:
    """Write all broken rows with their places and reasons as JSON lines."""
    lines = (json.dumps({"row": b.number, "place": b.place, "reason": b.reason}, ensure_ascii=False) for b in broken)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, "".join(f"{line}\n" for line in lines))
    return file


def fingerprint(rows: Iterable[TrainingRow]) -> str:
    """sha256 (hex) of what the rows say, in their order."""
    digest = hashlib.sha256()
    for row in rows:
        for message in row.messages:
            digest.update(f"{message.role}\x00{message.content}\x01".encode("utf-8", "surrogatepass"))
            if message.extra or not message.learned:
                digest.update(f"{json.dumps(message.extra, default=str)}{message.learned}\x03".encode())
        digest.update(f"\x02{row.rejected}".encode("utf-8", "surrogatepass"))
        if row.template_kwargs:
            digest.update(f"\x04{json.dumps(row.template_kwargs, default=str)}".encode())
    return digest.hexdigest()
