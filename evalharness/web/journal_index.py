"""Where the results of a journal stand, kept in a SQLite file: a page of a million results reads fifty lines.

A row has the byte where a line begins, a checksum of its key, and its kind (benchmark, group, status, suspect), of
which there are few. The index is made once, goes on where the journal has grown, and is made anew where it changed.
"""

from __future__ import annotations

import os
import re
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from evalharness.data.files import OWN_FILE, own_folder
from evalharness.errors import UserError
from evalharness.records import STATUSES, Result, ResultKey
from evalharness.runs.journal import ODD_LINE, loads
from evalharness.runs.store import result_from_json

Progress = Callable[[int, int], None]  # bytes read, of how many

_VERSION = 1
_BATCH = 20_000
_TAIL = 4096  # bytes before the end of what was read, by which a journal that grew is told from another
_RARE = 0.02  # share of the rows up to which a filter is looked up by kind; more are found sooner by reading on
_HEAD = re.compile(
    rb'\{"benchmark": ?"([^"\\]*)", ?"id": ?"([^"\\]*)", ?"group": ?"([^"\\]*)", ?"repeat": ?([0-9]+), ?'
    rb'"status": ?"([a-z]+)"'
)
_SUSPECT = re.compile(rb'"standing": ?"suspect"')
_TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE kinds (kind INTEGER PRIMARY KEY, benchmark TEXT, grp TEXT, status TEXT, suspect INT, n INT);
CREATE TABLE places (place INTEGER PRIMARY KEY, checksum INT, kind INT);
"""
_INDEXES = """
CREATE INDEX IF NOT EXISTS by_checksum ON places (checksum);
CREATE INDEX IF NOT EXISTS by_kind ON places (kind);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFilter:
    """Which results are wanted; '' is any. `text` is looked for in what was asked, answered and right, case counts."""

    benchmark: str = ""
    group: str = ""
    status: str = ""
    suspect: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultKind:
    """How many results there are of one benchmark, group and status."""

    benchmark: str
    group: str
    status: str
    suspect: bool
    n: int


@dataclass(frozen=True, slots=True)
class _State:
    """A journal as it was when it was read: how far, its file, and what stood before the end of what was read."""

    size: int
    modified: int
    inode: int
    read: int
    tail: int
    damaged: int


class JournalIndex:
    """The index of one journal. `file` is where it is kept; whoever reads calls `refresh` first."""

    def __init__(self, journal: Path, file: Path) -> None:
        self.journal, self.file = journal, file

    def refresh(self, progress: Progress | None = None) -> None:
        """Make the index fit the journal. UserError where either cannot be read or written."""
        try:
            now = self.journal.stat() if self.journal.is_file() else None
            kept = self._state()
            if now is not None and kept is not None:
                if (kept.size, kept.modified, kept.inode) == (now.st_size, now.st_mtime_ns, now.st_ino):
                    return
                if kept.inode == now.st_ino and kept.read <= now.st_size and kept.tail == self._tail(kept.read):
                    self._go_on(kept, progress)
                    return
            self._make(progress)
        except (OSError, sqlite3.Error) as error:
            raise UserError(f"{self.journal}: cannot be indexed in {self.file.parent} ({error})") from error

    def _state(self) -> _State | None:
        if not self.file.is_file():
            return None
        try:
            with self._open() as store:
                about = dict(store.execute("SELECT name, value FROM about"))
        except sqlite3.DatabaseError:
            return None
        if about.get("version") != _VERSION:
            return None
        return _State(*(int(about[name]) for name in _State.__slots__))

    def _tail(self, end: int) -> int:
        with self.journal.open("rb") as file:
            begin = max(0, end - _TAIL)
            file.seek(begin)
            return zlib.crc32(file.read(end - begin))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.file, timeout=30, isolation_level=None)) as store:
            yield store

    def _make(self, progress: Progress | None) -> None:
        """The whole index, made aside and renamed."""
        own_folder(self.file.parent)
        aside = self.file.with_name(f".{self.file.name}.{os.getpid()}.{os.urandom(4).hex()}")
        os.close(os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL, OWN_FILE))
        try:
            with closing(sqlite3.connect(aside, isolation_level=None)) as store:
                store.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;")
                store.executescript(_TABLES)
                self._add(store, _State(0, 0, 0, 0, 0, 0), progress)
            aside.replace(self.file)
        finally:
            aside.unlink(missing_ok=True)

    def _go_on(self, kept: _State, progress: Progress | None) -> None:
        with self._open() as store:
            self._add(store, kept, progress)

    def _add(self, store: sqlite3.Connection, kept: _State, progress: Progress | None) -> None:
        """Read what the journal has beyond what was read, in one transaction."""
        store.execute("BEGIN IMMEDIATE")
        read = store.execute("SELECT value FROM about WHERE name = 'read'").fetchone()
        if (0 if read is None else read[0]) != kept.read:  # somebody else has gone on meanwhile
            store.execute("ROLLBACK")
            return
        known = store.execute("SELECT kind, benchmark, grp, status, suspect FROM kinds")
        reader = _Reader({(b.encode(), g.encode(), s.encode(), bool(x)): kind for kind, b, g, s, x in known})
        size, modified, inode = 0, 0, 0
        if self.journal.is_file():
            with self.journal.open("rb") as file:
                now = os.fstat(file.fileno())
                size, modified, inode = now.st_size, now.st_mtime_ns, now.st_ino
                file.seek(kept.read)
                for rows, read in reader.batches(file, kept.read, size):
                    store.executemany("INSERT INTO places VALUES (?, ?, ?)", rows)
                    if progress is not None:
                        progress(read, size)
        store.executemany(
            "INSERT OR IGNORE INTO kinds VALUES (?, ?, ?, ?, ?, 0)",
            [(kind, *(part.decode("utf-8", "replace") for part in named[:3]), int(named[3]))
             for named, kind in reader.kinds.items()],
        )  # fmt: skip
        for statement in filter(str.strip, _INDEXES.split(";")):
            store.execute(statement)
        self._drop_replaced(store, kept.read)
        counted = store.execute("SELECT count(*), kind FROM places GROUP BY kind").fetchall()
        store.execute("UPDATE kinds SET n = 0")
        store.executemany("UPDATE kinds SET n = ? WHERE kind = ?", counted)
        read = max(reader.read, kept.read)
        tail = self._tail(read) if size else 0
        state = _State(size, modified, inode, read, tail, kept.damaged + reader.damaged)
        about = [("version", _VERSION), *((name, getattr(state, name)) for name in _State.__slots__)]
        store.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", about)
        store.execute("COMMIT")

    def _drop_replaced(self, store: sqlite3.Connection, begin: int) -> None:
        """Of several lines of one key the last counts."""
        new = "WHERE checksum IN (SELECT checksum FROM places WHERE place >= ?)" if begin else ""
        several = store.execute(
            f"SELECT checksum FROM places {new} GROUP BY checksum HAVING count(*) > 1",
            (begin,) if begin else (),
        ).fetchall()
        for (checksum,) in several:
            last: dict[ResultKey, int] = {}
            for (place,) in store.execute("SELECT place FROM places WHERE checksum = ? ORDER BY place", (checksum,)):
                key = _key(self._line(place))
                if key in last:
                    store.execute("DELETE FROM places WHERE place = ?", (last[key],))
                last[key] = place

    def _line(self, place: int) -> bytes:
        with self.journal.open("rb") as file:
            file.seek(place)
            return file.readline()

    @property
    def damaged(self) -> int:
        """Lines that are no result, and were passed over."""
        state = self._state()
        return 0 if state is None else state.damaged

    def kinds(self) -> list[ResultKind]:
        """Every kind that has results, in the order of their first."""
        with self._open() as store:
            found = store.execute("SELECT benchmark, grp, status, suspect, n FROM kinds WHERE n > 0 ORDER BY kind")
            return [ResultKind(benchmark=b, group=g, status=s, suspect=bool(x), n=n) for b, g, s, x, n in found]

    def places(self, wanted: ResultFilter, *, after: int = -1, before: int | None = None, most: int = 50) -> list[int]:
        """Where the next results begin behind `after`, or the last ones ahead of `before`, in the journal's order.
        The text is not looked at."""
        condition, values = _condition(wanted)
        with self._open() as store:
            total, hits = store.execute(
                f"SELECT sum(n), sum(CASE WHEN {condition} THEN n ELSE 0 END) FROM kinds", values
            ).fetchone()
            if not hits:
                return []
            hint = "INDEXED BY by_kind" if hits < _RARE * total else "NOT INDEXED"
            kinds = f"kind IN (SELECT kind FROM kinds WHERE {condition})"
            bound, order = ("place > ?", "") if before is None else ("place < ?", "DESC")
            found = store.execute(
                f"SELECT place FROM places {hint} WHERE {kinds} AND {bound} ORDER BY place {order} LIMIT ?",
                (*values, after if before is None else before, most),
            ).fetchall()
        return sorted(place for (place,) in found)

    def scattered(self, at: int, most: int) -> list[int]:
        """Where results begin from a place on in an order by checksum, which has nothing to do with what is in them."""
        with self._open() as store:
            asked = "SELECT place FROM places ORDER BY checksum, place LIMIT ? OFFSET ?"
            return [place for (place,) in store.execute(asked, (most, at))]

    @contextmanager
    def membership(self, wanted: ResultFilter) -> Iterator[Callable[[int], bool]]:
        """Says of a byte whether a result that is wanted begins there. The text is not looked at."""
        condition, values = _condition(wanted)
        asked = f"SELECT 1 FROM places JOIN kinds USING (kind) WHERE place = ? AND {condition}"
        with self._open() as store:
            yield lambda place: store.execute(asked, (place, *values)).fetchone() is not None

    def find(self, key: ResultKey) -> int | None:
        """Where the result with this key begins."""
        with self._open() as store:
            found = store.execute("SELECT place FROM places WHERE checksum = ?", (key_checksum(key),))
            return next((place for (place,) in found if _key(self._line(place)) == key), None)

    def results(self, places: Sequence[int]) -> list[Result]:
        """The results that begin at these bytes. UserError where the journal was changed meanwhile."""
        try:
            with self.journal.open("rb") as file:
                return [self._result(file, place) for place in places]
        except OSError as error:
            raise UserError(f"{self.journal}: cannot be read ({error.strerror})") from error

    def readable(self, places: Sequence[int]) -> list[Result | None]:
        """The same; None for a line that is no result after all: one that was edited spoils no page of others."""
        if not places:
            return []
        try:
            with self.journal.open("rb") as file:
                return [self._readable(file, place) for place in places]
        except OSError as error:
            raise UserError(f"{self.journal}: cannot be read ({error.strerror})") from error

    def _readable(self, file: BinaryIO, place: int) -> Result | None:
        try:
            return self._result(file, place)
        except UserError:
            return None

    def _result(self, file: BinaryIO, place: int) -> Result:
        file.seek(place)
        try:
            return result_from_json(loads(file.readline()))
        except ODD_LINE as error:
            raise UserError(f"{self.journal}: was changed while it was read ({error})") from error


def _condition(wanted: ResultFilter) -> tuple[str, tuple[str, ...]]:
    """A condition on kinds, and its values."""
    named = {"benchmark": wanted.benchmark, "grp": wanted.group, "status": wanted.status}
    parts = [f"{column} = ?" for column, value in named.items() if value] + ["suspect"] * wanted.suspect
    return " AND ".join(parts) or "1", tuple(value for value in named.values() if value)


def _as_bytes(key: ResultKey) -> tuple[bytes, bytes, bytes]:
    benchmark, identity, repeat = key
    return benchmark.encode("utf-8", "surrogatepass"), identity.encode("utf-8", "surrogatepass"), str(repeat).encode()


def key_checksum(key: ResultKey) -> int:
    """A number below 2 ** 32 that has nothing to do with what is in a result, and is the same in every run."""
    return _checksum(*_as_bytes(key))


def _checksum(benchmark: bytes, identity: bytes, repeat: bytes) -> int:
    return zlib.crc32(b"\0".join((benchmark, identity, repeat)))


def _key(raw: bytes) -> ResultKey:
    line = loads(raw)
    return str(line["benchmark"]), str(line["id"]), int(line.get("repeat", 0))


class _Reader:
    """Reads lines into rows of `places`, and numbers their kinds."""

    def __init__(self, kinds: dict[tuple[bytes, bytes, bytes, bool], int]) -> None:
        self.kinds = kinds
        self.read = self.damaged = 0

    def batches(self, file: BinaryIO, place: int, end: int) -> Iterator[tuple[list[tuple[int, int, int]], int]]:
        """Rows, and up to which byte they go; a torn last line, and what is written meanwhile, is left."""
        rows: list[tuple[int, int, int]] = []
        for raw in file:
            after = place + len(raw)
            if after > end or not raw.endswith(b"\n"):
                break
            row = self._row(raw, place)
            if row is not None:
                rows.append(row)
            place = self.read = after
            if len(rows) >= _BATCH:
                yield rows, place
                rows = []
        yield rows, place

    def _row(self, raw: bytes, place: int) -> tuple[int, int, int] | None:
        suspect = b'"suspect"' in raw and _SUSPECT.search(raw) is not None
        head = _HEAD.match(raw)
        if head is not None:
            benchmark, identity, group, repeat, status = head.groups()
        else:
            try:
                line = loads(raw)
                benchmark, identity, repeat = _as_bytes(_key(raw))
                group = str(line.get("group") or "").encode("utf-8", "replace")
                status = str(line["status"]).encode("utf-8", "replace")
            except ODD_LINE:
                self.damaged += 1
                return None
        if status not in _KNOWN:
            self.damaged += 1
            return None
        named = (benchmark, group, status, suspect)
        kind = self.kinds.setdefault(named, len(self.kinds) + 1)
        return place, _checksum(benchmark, identity, repeat), kind


_KNOWN = frozenset(status.encode() for status in STATUSES)
