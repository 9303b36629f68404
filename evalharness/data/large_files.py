"""JSONL files too large to hold their rows: held is where each row begins, and it is read when asked for."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

from evalharness.data.files import LARGE, LARGEST_TEXT, PIECE, Row, json_object, read_text
from evalharness.errors import DataError

_MARK = b"\xef\xbb\xbf"  # of byte order


class LinesAt:
    """The lines of a file by the byte where they begin. What follows a line is read along, as it is mostly the next one
    that is wanted. DataError for a file that was changed since."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state = self._now()
        self._start, self._block = 0, b""

    def line(self, begin: int) -> bytes:
        """The line that begins at this byte, without its end."""
        end = self._block.find(b"\n", begin - self._start) if self._start <= begin else -1
        if end < 0:
            self._read(begin)
            end = self._block.find(b"\n")
        return self._block[begin - self._start : end] if end >= 0 else self._block

    def _read(self, begin: int) -> None:
        try:
            with self.path.open("rb") as file:
                if self._now() != self._state:
                    raise DataError(f"{self.path}: was changed while it was read; give the command again")
                file.seek(begin)
                self._start, self._block = begin, file.readline() + file.read(PIECE)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read: {error}") from error

    def _now(self) -> tuple[int, ...]:
        try:
            now = self.path.stat()
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read: {error}") from error
        return now.st_size, now.st_mtime_ns, now.st_ino


class JsonlRows(Sequence[Row]):
    """The objects of a JSONL file, each read when it is looked at. DataError names the line that is none."""

    def __init__(self, path: Path) -> None:
        self.path, self._file = path, LinesAt(path)
        self._begins, self._lines, place = array("q"), array("q"), 0
        try:
            with path.open("rb") as file:
                for number, raw in enumerate(file, 1):
                    if not raw.isspace() and (number > 1 or raw.removeprefix(_MARK).strip()):
                        self._begins.append(place)
                        self._lines.append(number)
                    place += len(raw)
        except OSError as error:
            raise DataError(f"{path}: cannot be read as UTF-8 text: {error}") from error
        if place > LARGEST_TEXT or not self._begins:
            read_text(path)  # says what is wrong
            raise DataError(f"{path}: the file is empty")

    def __len__(self) -> int:
        return len(self._begins)

    def __iter__(self) -> Iterator[Row]:
        return map(self._row, range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return tuple(map(self._row, range(len(self))[index]))
        return self._row(range(len(self))[index])

    def _row(self, place: int) -> Row:
        begin = self._begins[place]
        try:
            text = self._file.line(begin).decode("utf-8" if begin else "utf-8-sig")
        except UnicodeDecodeError as error:
            read_text(self.path)  # says where
            raise DataError(f"{self.path}: cannot be read as UTF-8 text: {error}") from error
        return json_object(text, f"{self.path}:{self._lines[place]}")


def large_jsonl(path: Path) -> JsonlRows | None:
    """The rows of a JSONL file that is too large to hold them; None for every other file."""
    return JsonlRows(path) if path.suffix == ".jsonl" and path.stat().st_size >= LARGE else None
