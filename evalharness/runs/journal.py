"""A run's journal on disk: JSON Lines with one writer, each line whole or not there."""

from __future__ import annotations

import fcntl
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from evalharness.data.files import OWN_FILE, json_value, own_folder, write_whole
from evalharness.errors import UserError, option_name

SYNC_SECONDS = 1.0


def dumps(value: object) -> bytes:
    """JSON in UTF-8. Lone surrogates, which UTF-8 cannot hold, are written as escapes, NaN and infinities as null."""
    try:
        return orjson.dumps(value)
    except TypeError:  # orjson refuses lone surrogates, which a replayed answer may contain
        return json.dumps(_finite(value), ensure_ascii=True, allow_nan=False).encode("ascii")


def _finite(value: Any) -> Any:
    """The value with null for what JSON has no number for, as orjson does by itself."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def loads(line: bytes) -> Any:
    """The value of a JSON text; ValueError when it is none."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:  # an escaped lone surrogate
        return json_value(line)


class Journal:
    """An append-only JSONL file with one writer. A torn last line, left by a kill, is dropped when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            own_folder(path.parent)
            self._file = _locked(path)
        except BlockingIOError as error:
            raise UserError(
                f"{path.parent}: another evalh is writing this run; wait for it or give {option_name('name')}"
            ) from error
        except OSError as error:
            raise UserError(
                f"{path}: cannot be written ({error.strerror}); choose another folder with {option_name('runs')}"
            ) from error
        self._size = self._whole_lines()
        os.ftruncate(self._file, self._size)
        self._synced = time.monotonic()

    def _whole_lines(self) -> int:
        """Bytes up to and including the last newline."""
        end = os.fstat(self._file).st_size
        while end > 0:
            start = max(0, end - 65536)
            found = os.pread(self._file, end - start, start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
        return 0

    def set_aside(self, check: Callable[[Any], object]) -> int:
        """Move the lines that are damaged, or that `check` refuses, to a file beside the journal; returns how many.

        What is left is written aside and renamed, so that a kill leaves the old journal or the new one.
        """
        whole, damaged = [], []
        try:
            for line in self.path.read_bytes()[: self._size].split(b"\n")[:-1]:
                try:
                    check(loads(line))
                    whole.append(line + b"\n")
                except ODD_LINE:
                    damaged.append(line + b"\n")
            if damaged:
                kept = aside(self.path)
                write_whole(kept, (kept.read_bytes() if kept.is_file() else b"") + b"".join(damaged), OWN_FILE)
                write_whole(self.path, b"".join(whole), OWN_FILE)
                os.close(self._file)
                self._file = _locked(self.path)
                self._size = self._whole_lines()
        except OSError as error:
            raise UserError(f"{self.path}: its damaged lines cannot be set aside ({error.strerror})") from error
        return len(damaged)

    def append(self, line: Mapping[str, Any]) -> int:
        """Write one line; the byte where it begins. When the disk is full the part that got there is taken back and
        UserError raised."""
        data = dumps(line) + b"\n"
        try:
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
            if time.monotonic() - self._synced > SYNC_SECONDS:
                self.sync()
        except OSError as error:
            os.ftruncate(self._file, self._size)
            raise UserError(
                f"{self.path}: cannot be written ({error.strerror}); what was answered before is safe, "
                "make room and give the same command again"
            ) from error
        self._size += len(data)
        return self._size - len(data)

    def sync(self) -> None:
        """Force what was written to the disk."""
        os.fsync(self._file)
        self._synced = time.monotonic()

    def close(self) -> None:
        """Sync and let go of the file."""
        if self._file >= 0:
            try:
                os.fsync(self._file)
            finally:
                os.close(self._file)
                self._file = -1

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _locked(path: Path) -> int:
    """An open journal that nobody else writes. BlockingIOError where somebody does."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, OWN_FILE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.fstat(file).st_ino == path.stat().st_ino:
                return file
        except OSError:
            os.close(file)
            raise
        os.close(file)  # it was replaced while we waited for it: the lock is on a file that has no name any more


def aside(path: Path) -> Path:
    """Where the damaged lines of a journal are kept: `results.damaged.jsonl`."""
    return path.with_name(f"{path.stem}.damaged{path.suffix}")


ODD_LINE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)  # what reading a damaged line raises


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a journal. UserError names a line that was damaged."""
    return (line for _, _, line in placed_lines(path))


def placed_lines(path: Path) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """(line number, byte where it starts, object) of each whole line of a journal; a torn last one is passed over.
    UserError names a line that was damaged, or says why the file cannot be read."""
    place = 0
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if not raw.endswith(b"\n"):
                    return
                try:
                    value = loads(raw)
                    if not isinstance(value, dict):
                        raise ValueError("not an object")
                except ValueError as error:
                    raise damaged_line(path, number, f"is damaged ({error})") from error
                yield number, place, value
                place += len(raw)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def damaged_line(path: Path, number: int, what: str) -> UserError:
    """The error of a journal's line that cannot be read."""
    return UserError(
        f"{path}:{number}: this line {what}; restore it, or give the run's command again: the line is set aside and "
        "its question asked anew"
    )
