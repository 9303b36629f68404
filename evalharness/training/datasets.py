"""Instruction data -> conversations, with what was left out or is broken said row by row."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalharness.data.files import write_whole
from evalharness.errors import DataError, UserError, option_name
from evalharness.training.doubtful_fields import is_opinion, shown_value
from evalharness.training.row_files import Entry, part_of, read_entries
from evalharness.training.shapes import SHAPES, TrainingRow, labels_of, last_alone, make_row, shape_of
from evalharness.training.turns import LABEL_FIELDS, SPEAKER, UNANSWERED, BrokenRowError, empty

_NOTHING = "no row is left to learn from; look at labels, weights, splits and broken rows"
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
    skipped; `bad` counts the rows left out because a label says so; `notes` say what else was not learned from."""

    rows: tuple[TrainingRow, ...]
    shape: str
    origin: str
    sha256: str
    broken: tuple[Broken, ...] = ()
    bad: int = 0
    notes: tuple[str, ...] = ()


class BrokenRowsError(DataError):
    """Rows that cannot be learned from, each with its reason in `broken`."""

    def __init__(self, message: str, broken: Sequence[Broken]) -> None:
        super().__init__(message)
        self.broken = tuple(broken)


def read_training_data(data: str, *, skip_bad: bool = False, labelled: bool = False) -> Data:
    """Rows of a file, a folder of files, or a hub data set; see `row_files`. With `labelled` the answers that a label
    calls bad are kept, and of each row the last answer alone is to be learned.

    DataError where there is nothing to read or fewer than two rows; BrokenRowsError for rows with missing or empty
    fields unless `skip_bad`. Rows of splits that are left out are not looked at.
    """
    found = read_entries(data)
    total = len(found.entries)
    if total < 2:
        raise DataError(
            f"{found.origin}: wanted at least 2 rows (one to learn from, one to check on), there are {total}"
        )
    splits = _splits(found.entries)
    inside = [(number, entry) for number, entry in enumerate(found.entries, 1) if number not in splits]
    shapes = [shape_of(entry.fields) for _, entry in inside]
    if not inside:
        raise DataError(f"{found.origin}: {_NOTHING}")
    shape = _commonest(shapes, [entry for _, entry in inside], found.origin)
    labels = labels_of(entry.fields for _, entry in inside)
    rows: list[TrainingRow] = []
    broken: list[Broken] = []
    for (number, entry), own in zip(inside, shapes, strict=True):
        try:
            if entry.unread:
                raise BrokenRowError(entry.unread)
            row = make_row(number, entry.fields, own or shape, labels)
            if labelled and row.good is None and row.rejected is None:
                raise BrokenRowError(_unlabelled(entry.fields))
            rows.append(replace(last_alone(row) if labelled else row, part=_part(entry)))
        except BrokenRowError as problem:
            broken.append(Broken(number=number, place=f"{entry.file}:{entry.number}", reason=str(problem)))
    if broken and not skip_bad:
        raise rows_refused(found.origin, f"cannot be learned from as {shape}", broken, total)
    kept = [row for row in rows if row.learned and (labelled or row.good is not False)]
    notes = (*found.notes, *_splits_left_out(splits), *_left_out(len(rows) - len(kept)), *_unused(rows))
    if not kept:
        raise DataError(f"{found.origin}: {_NOTHING}")
    return Data(
        rows=tuple(kept), shape=shape, origin=found.origin, sha256=fingerprint(kept), broken=tuple(broken),
        bad=0 if labelled else sum(row.good is False for row in rows), notes=notes,
    )  # fmt: skip


def _unlabelled(fields: Mapping[str, Any]) -> str:
    """Why nothing says whether the answer of a row is good."""
    named = next((name for name in LABEL_FIELDS if not empty(fields.get(name))), None)
    if named is None:
        return "no 'label' or 'kto_tag' says whether its answer is good"
    return f"{named!r} is {shown_value(fields[named])}, wanted true or false, good or bad"


def _split(entry: Entry) -> str:
    """The split that the row itself names."""
    said = entry.fields.get("split") if isinstance(entry.fields, Mapping) else None
    return "" if empty(said) else str(said)


def _part(entry: Entry) -> str:
    own = part_of(_split(entry))
    if own and entry.part and own != entry.part:
        raise BrokenRowError(f"its 'split' is {_split(entry)!r}, and it stands among the rows of {entry.part}")
    return entry.part or own


def _splits(entries: Sequence[Entry]) -> dict[int, str]:
    """By their numbers, the rows of splits that are no part, which are left out as whole splits of such names are. One
    name that all rows bear tells none apart."""
    named = [_split(entry) for entry in entries]
    if len(set(named)) == 1:
        return {}
    return {number: name for number, name in enumerate(named, 1) if name and not part_of(name)}


def _splits_left_out(splits: Mapping[int, str]) -> list[str]:
    named = (f"{name} ({count} row{'s' * (count > 1)})" for name, count in Counter(splits.values()).items())
    return [f"splits left out: {', '.join(named)}"] if splits else []


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


def _unused(rows: Sequence[TrainingRow]) -> list[str]:
    counted = Counter(name for row in rows for name in row.unused)
    ended, named = counted.pop(UNANSWERED, 0), counted.pop(SPEAKER, 0)
    opinions = ", ".join(sorted(name for name in counted if is_opinion(name)))
    notes = []
    if counted:
        alike = f"; every answer is learned alike, whatever {opinions} may say of it" if opinions else ""
        names = ", ".join(name or "(no name)" for name in sorted(counted))
        notes.append(f"fields that are not learned from: {names}{alike}")
    if ended:
        notes.append(f"turns behind the last answer are left out: {ended} row{'s' * (ended > 1)}")
    if named:
        rows_named = f"{named} row{'s' * (named > 1)}"
        notes.append(f"the 'name' of a turn, in {rows_named}, is told only where the chat template does")
    return notes


def rows_refused(origin: str, what: str, broken: Sequence[Broken], total: int) -> BrokenRowsError:
    """The error that says how many rows are broken, and the first of them with their reasons."""
    numbers = ", ".join(str(b.number) for b in broken[:BROKEN_SHOWN]) + (", ..." if len(broken) > BROKEN_SHOWN else "")
    first: dict[str, Broken] = {}
    for each in broken[:BROKEN_SHOWN]:
        first.setdefault(each.reason, each)
    reasons = "; ".join(f"{reason} in row {each.number}" for reason, each in first.items())
    return BrokenRowsError(
        f"{origin}: {len(broken)} of {total} rows {what}: row {numbers} ({reasons}); mend or delete them, or say "
        f"{option_name('skip_bad', True)}",
        broken,
    )


def list_broken(broken: Sequence[Broken], file: Path) -> Path:
    """Write all broken rows with their places and reasons as JSON lines."""
    lines = (json.dumps({"row": b.number, "place": b.place, "reason": b.reason}, ensure_ascii=False) for b in broken)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, "".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise UserError(
            f"{file}: the broken rows cannot be listed ({error.strerror}); choose another {option_name('out')}"
        ) from error
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
        if row.good is False:
            digest.update(b"\x05")
        if row.template_kwargs:
            digest.update(f"\x04{json.dumps(row.template_kwargs, default=str)}".encode())
    return digest.hexdigest()
