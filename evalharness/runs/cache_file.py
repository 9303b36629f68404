"""The SQLite file of kept answers: each row has a checksum, and what is damaged is a miss that is told.

A row has the answer (`response`, JSON), the checksum of key and answer (`sha`), the hash of its prompt and what else
decided it (`prompt`, `asked`, JSON): they say why an answer is not found. Rows of version 0.1.0 have the first alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from evalharness.data.files import OWN_FILE, json_value, own_folder
from evalharness.data.typed import record
from evalharness.errors import UserError, option_name
from evalharness.events import warn
from evalharness.records import Response, on_disk

_KEPT = tuple(field.name for field in fields(Response) if field.name not in ("cached", "error"))
_LATER = ("sha", "prompt", "asked")  # columns that 0.1.0 did not have
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_ROWS = "SELECT key, response, sha, prompt, asked FROM replies"
_BEHIND_ALL = "\U0010ffff"
_opening = threading.Lock()  # the change to write-ahead logging does not wait for another one


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReply:
    """One row as it was read: `response` is None where the row is damaged; `asked` is {} where nothing is known."""

    key: str
    response: Response | None
    checked: bool
    asked: Mapping[str, Any]
    raw: tuple[object, ...]


class ReplyFile:
    """Kept answers by key. UserError where the file is none of ours, cannot be written, or the disk is full."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._told = False
        with _opening:
            self._file = self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            own_folder(self.path.parent)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, OWN_FILE))  # SQLite's files beside it get the same
            # Answers may be consumed on another thread than the one that began; only one at a time ever does.
            file = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error
        try:
            file.text_factory = bytes  # damaged text is no UTF-8, and is to be told apart from an error of the file
            file.execute("PRAGMA journal_mode = WAL")
            file.execute("PRAGMA synchronous = NORMAL")
            file.execute(
                "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, response TEXT NOT NULL) WITHOUT ROWID"
            )
            self._add_columns(file)
        except sqlite3.Error as error:
            if _code(error) != sqlite3.SQLITE_CORRUPT:
                file.close()
                raise self._unusable(error) from error
            self._tell("it is damaged where it says what it holds")
        return file

    def _unusable(self, error: Exception) -> UserError:
        return UserError(
            f"{self.path}: the cache of answers cannot be opened ({error}); delete it or say "
            f"{option_name('cache', False)}"
        )

    @staticmethod
    def _add_columns(file: sqlite3.Connection) -> None:
        known = {name.decode() for _, name, *_ in file.execute("PRAGMA table_info(replies)")}
        for name in _LATER:
            if name not in known:
                try:
                    file.execute(f"ALTER TABLE replies ADD COLUMN {name} TEXT")
                except sqlite3.OperationalError as error:
                    if "duplicate column" not in str(error):  # another process did it meanwhile
                        raise
        file.execute("CREATE INDEX IF NOT EXISTS prompts ON replies (prompt)")

    def close(self) -> None:
        self._file.close()

    def get(self, key: str) -> Response | None:
        """The answer under a key, None where there is none, or where it is damaged."""
        try:
            row = self._file.execute("SELECT response, sha FROM replies WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            if _code(error) in _DAMAGED:
                self._tell("a page of it is damaged")
                return None
            raise UserError(
                f"the cache of answers cannot be read ({error}); delete it or say {option_name('cache', False)}"
            ) from error
        if row is None:
            return None
        found = _response(key, *row)
        if found is None:
            self._tell("a kept answer in it is damaged")
        return found

    def put(self, key: str, response: Response, prompt: str, asked: Mapping[str, Any]) -> None:
        """Keep an answer. Where a page of the file is damaged it is not kept, and that is told."""
        kept = on_disk({name: getattr(response, name) for name in _KEPT})
        text = json.dumps(kept)
        row = (key, text, _checksum(key, text.encode()), prompt, json.dumps(asked))
        try:
            self._file.execute(
                "INSERT OR REPLACE INTO replies (key, response, sha, prompt, asked) VALUES (?, ?, ?, ?, ?)", row
            )
        except sqlite3.Error as error:
            if _code(error) in _DAMAGED:
                self._tell("a page of it is damaged, and some answers cannot be kept")
                return
            raise UserError(
                f"the cache of answers cannot be written ({error}); make room or say {option_name('cache', False)}"
            ) from error

    def _tell(self, what: str) -> None:
        if not self._told:
            self._told = True
            warn(f"{self.path}: {what}: what cannot be read is asked again; `evalh cache verify` says more")

    def rows(self) -> Iterator[KeptReply]:
        """Every row that can be read, damaged ones too. What stands behind a damaged page is looked for from both sides
        within the 256th part of the keys that the page is in."""
        for low, high in pairwise(("", *(f"{n:02x}" for n in range(256)), "g", _BEHIND_ALL)):
            seen: set[object] = set()
            for order in ("ASC", "DESC"):
                try:
                    for row in self._file.execute(
                        f"{_ROWS} WHERE key >= ? AND key < ? ORDER BY key {order}", (low, high)
                    ):
                        if row[0] not in seen:
                            seen.add(row[0])
                            yield _row(row)
                except sqlite3.Error as error:
                    if _code(error) not in _DAMAGED:
                        raise self._unusable(error) from error
                else:
                    break

    def with_prompt(self, prompt: str) -> list[KeptReply]:
        """The rows with this prompt, as far as they can be read."""
        try:
            return [_row(row) for row in self._file.execute(f"{_ROWS} WHERE prompt = ?", (prompt,))]
        except sqlite3.Error as error:
            if _code(error) not in _DAMAGED:
                raise self._unusable(error) from error
            self._tell("a page of it is damaged")
            return []

    def copy(self, row: KeptReply) -> None:
        """Take over a row of another file as it stands there."""
        self._file.execute("INSERT OR REPLACE INTO replies (key, response, sha, prompt, asked) VALUES (?, ?, ?, ?, ?)",
                           [_text(part) for part in row.raw])  # fmt: skip

    def problems(self) -> list[str]:
        """What SQLite itself finds wrong with the file's pages, in its words."""
        try:
            said = [str(_text(line)) for (line,) in self._file.execute("PRAGMA integrity_check(20)")]
        except sqlite3.Error as error:
            return [str(error)]
        return [] if said == ["ok"] else said


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code, 0 where the error is not SQLite's own."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def _checksum(key: str, response: bytes) -> str:
    return hashlib.sha256(key.encode() + b"\n" + response).hexdigest()[:32]


def _text(value: object) -> str | None:
    try:
        return value.decode() if isinstance(value, bytes) else None
    except UnicodeDecodeError:
        return None


def _row(raw: tuple[object, ...]) -> KeptReply:
    key, response, sha, _, asked = raw
    name = _text(key) or ""
    try:
        about = json_value(asked) if isinstance(asked, bytes) else {}
    except ValueError:
        about = {}
    return KeptReply(
        key=name,
        response=_response(name, response, sha),
        checked=sha is not None,
        asked=about if isinstance(about, dict) else {},
        raw=raw,
    )


def _response(key: str, text: object, sha: object) -> Response | None:
    """A kept answer; None for a row that is none, or that is not as it was written. Rows of 0.1.0 have no checksum."""
    if not isinstance(text, bytes) or (sha is not None and _text(sha) != _checksum(key, text)):
        return None
    return kept_response(text)


def kept_response(text: Any) -> Response | None:
    """The answer that a row's JSON holds, None where it holds none."""
    try:
        return replace(record(Response, json_value(text)), cached=True, cost=0.0, error="")
    except (ValueError, TypeError):
        return None
