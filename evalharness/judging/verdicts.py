"""`verdicts.jsonl`, the journal of a run's judgings: a line for each verdict, and where each line stands."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_right
from pathlib import Path
from typing import Any, BinaryIO

from evalharness.errors import UserError
from evalharness.events import warn
from evalharness.judging.calls import Call, Key, Usage
from evalharness.records import ResultKey, Verdict
from evalharness.runs import store
from evalharness.runs.journal import ODD_LINE, Journal, aside, lines, loads, placed_lines
from evalharness.runs.store import record_to_json

VERDICTS = "verdicts.jsonl"
ABSENT = -1  # where a verdict stands that is not there


def verdict_line(call: Call, judging: str, verdict: Verdict) -> dict[str, Any]:
    """The line of the journal that keeps a verdict."""
    return {"key": list(call.key), "judging": judging, "verdict": record_to_json(verdict)}


def _line(line: Any) -> tuple[Key, Verdict]:
    """A line of the journal. ValueError when it is none."""
    if not isinstance(line, dict) or not isinstance(line.get("key"), list) or "judging" not in line:
        raise ValueError("not a verdict with its key")
    key: Any = tuple(line["key"])
    hash(key)
    return key, store.verdict_from_json(line.get("verdict"))


class KeptVerdicts:
    """Where the verdicts stand that a journal held when it was opened, by what was asked: 16 bytes a line.

    A verdict that failed is none, and neither is one without a value where all of those are to be asked `again`.
    Damaged lines are set aside, and said.
    """

    def __init__(self, path: Path, *, again: bool) -> None:
        self._hashes, self._places = array("q"), array("q")
        if not path.is_file():
            return
        try:
            self._read(path, again)
        except (UserError, *ODD_LINE):
            with Journal(path) as journal:
                count = journal.set_aside(_line)
            warn(f"{count} damaged lines of {path} are set aside in {aside(path).name} and judged again")
            self._hashes, self._places = array("q"), array("q")
            self._read(path, again)
        self._sort()

    def _read(self, path: Path, again: bool) -> None:
        for _, place, line in placed_lines(path):
            key, verdict = _line(line)
            none = verdict.status == "error" or (again and verdict.value is None)
            self._hashes.append(_hash(key, str(verdict.extra.get("request_sha"))))
            self._places.append(ABSENT if none else place << 1 | (verdict.value is None))

    def _sort(self) -> None:
        """In the order of the hashes, of equal ones in that of the lines."""
        import numpy as np

        order = np.argsort(np.array(self._hashes, np.int64), kind="stable")
        self._hashes = array("q", np.array(self._hashes, np.int64)[order].tobytes())
        self._places = array("q", np.array(self._places, np.int64)[order].tobytes())

    def __len__(self) -> int:
        return len(self._hashes)

    def find(self, call: Call) -> tuple[int, bool]:
        """The byte where the last line begins that answers this call, and whether its verdict has no value; ABSENT
        where there is none."""
        wanted = _hash(call.key, call.sha)
        last = bisect_right(self._hashes, wanted) - 1
        if last < 0 or self._hashes[last] != wanted or self._places[last] == ABSENT:
            return ABSENT, False
        return self._places[last] >> 1, bool(self._places[last] & 1)


def _hash(key: Key, sha: str) -> int:
    """64 bits: that two of 10^6 calls share them has a chance of 1 in 10^7, and is noticed (`verdict_at`)."""
    said = repr((key, sha)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(said, digest_size=8).digest(), signed=True)


def verdict_at(file: BinaryIO, place: int, of: ResultKey) -> Verdict:
    """The verdict of the journal's line that begins at this byte, one on this answer. UserError where it is another."""
    try:
        file.seek(place)
        key, verdict = _line(loads(file.readline()))
    except (OSError, *ODD_LINE) as error:
        raise UserError(f"{file.name}: was changed while it was read ({error}); give the command again") from error
    if key[:3] != of:
        raise UserError(f"{file.name}: was changed while it was read; give the command again")
    return verdict


def usage_of(path: Path, judging: str, *, priced: bool) -> Usage:
    """What a judging took over all its starts, as the journal has it."""
    total = Usage(priced=priced)
    for line in lines(path):
        if line["judging"] == judging:
            total.add(store.verdict_from_json(line["verdict"]))
    return total
