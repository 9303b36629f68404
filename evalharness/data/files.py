"""Reads files of rows, and writes files whole."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from evalharness.data.fields import ROW_ERRORS, row_error
from evalharness.errors import DataError

Row = Mapping[str, Any]


def parquet(path: Path) -> Iterator[Row]:
    """The rows of a parquet file."""
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except pyarrow.ArrowException as error:
        raise DataError(f"{path}: not a readable parquet file: {error}") from error
    yield from table.to_pylist()


def jsonl(path: Path) -> Iterator[Row]:
    """The objects of a JSONL file (.gz too). DataError names the line that is none."""
    for _, row in _numbered(path):
        yield row


def each(path: Path, make: Callable[[Row], Iterable[Row]]) -> Iterator[Row]:
    """What `make` makes of every object of a JSONL file. DataError names the line of one that it cannot read."""
    for number, row in _numbered(path):
        try:
            yield from list(make(row))
        except ROW_ERRORS as error:
            raise DataError(f"{path}:{number}: {row_error(error)}") from error


def _numbered(path: Path) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(read_text(path).split("\n"), 1):  # splitlines would cut at U+2028 inside a string
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}:{number}: not valid JSON ({error.msg} at column {error.colno})") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}:{number}: wanted a JSON object, there is {type(row).__name__}")
        yield number, row


def json_rows(path: Path) -> Iterator[Row]:
    """The objects of a JSON file that holds a list, or of a JSONL file with the name of one."""
    text = read_text(path)
    if not text.lstrip().startswith("["):
        yield from jsonl(path)
        return
    yield from parse_json(text, path)


def parse_json(text: str, path: Path) -> Any:
    """The value of a JSON text. DataError names line and column of the first mistake."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}:{error.colno}: not valid JSON ({error.msg})") from error


def csv_rows(path: Path) -> Iterator[Row]:
    """The rows of a CSV file with a header."""
    import csv
    import io

    yield from csv.DictReader(io.StringIO(read_text(path), newline=""))


FILE_READERS: Mapping[str, Callable[[Path], Iterator[Row]]] = {
    ".parquet": parquet,
    ".jsonl": jsonl,
    ".json": json_rows,
    ".csv": csv_rows,
}


def read_text(path: Path) -> str:
    """A UTF-8 text file, unpacked when its name ends in .gz, without byte-order mark. DataError when it is none."""
    import gzip

    try:
        raw = path.read_bytes()
        if path.suffix == ".gz":
            raw = gzip.decompress(raw)
        text = raw.decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    if not text.strip():
        raise DataError(f"{path}: the file is empty")
    return text


def digest(path: Path) -> str:
    """sha256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, text: str | bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part: aside, fsync, rename."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("wb") as file:
            file.write(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
