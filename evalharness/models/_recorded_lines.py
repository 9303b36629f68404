"""Large files of JSON lines with recorded answers: held is where each row begins, and it is read when asked for."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

from evalharness.data.files import LARGE, json_object
from evalharness.data.large_files import LinesAt
from evalharness.data.rows import Row
from evalharness.errors import DataError
from evalharness.models._recorded import RecordedAnswers, recorded_answers
from evalharness.models._recorded_answers import AnswerKeys
from evalharness.models._recorded_rows import answer_files, raw_lines


class StoredAnswers(Sequence[RecordedAnswers]):
    """The rows of a file that were kept, read anew whenever they are looked at.

    `placed` gives all rows of the file once; `keep` keeps the one that it gave last. DataError where the file was
    changed meanwhile.
    """

    def __init__(self, path: Path, keys: AnswerKeys) -> None:
        self.path, self.keys = path, keys
        self._begins, self._lines = array("q"), array("q")
        self._last = 0, 0
        self._file = LinesAt(path)

    def placed(self) -> Iterator[tuple[str, Row]]:
        """Every row of the file with its place."""
        begin = 0
        for number, raw in raw_lines(self.path):
            if raw.strip():
                self._last = begin, number
                yield self._where(number), self._row(raw, number)
            begin += len(raw)

    def keep(self) -> None:
        """Keep the row that was given last."""
        begin, number = self._last
        self._begins.append(begin)
        self._lines.append(number)

    def __len__(self) -> int:
        return len(self._begins)

    def __iter__(self) -> Iterator[RecordedAnswers]:
        return (self[place] for place in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> RecordedAnswers: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RecordedAnswers]: ...
    def __getitem__(self, index: int | slice) -> RecordedAnswers | Sequence[RecordedAnswers]:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        number = self._lines[index]
        return recorded_answers(self._row(self._file.line(self._begins[index]), number), self._where(number), self.keys)

    def _where(self, number: int) -> str:
        return f"{self.path}:{number}"

    def _row(self, raw: bytes, number: int) -> Row:
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{self._where(number)}: not UTF-8 text ({error.reason})") from error
        return json_object(line, self._where(number))


def stored_answers(path: Path, keys: AnswerKeys) -> StoredAnswers | None:
    """The rows of a large file of JSON lines; None for every other file and folder."""
    (file, *others) = answer_files(path)
    if others or file.suffix not in (".jsonl", ".ndjson") or file.stat().st_size < LARGE:
        return None
    first = next((raw for _, raw in raw_lines(file) if raw.strip()), b"")
    return StoredAnswers(file, keys) if first.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") else None
