"""The rows of a file of recorded answers, in whatever format they were published, one at a time.

Each row comes with the place that error messages name: `FILE:LINE`, or `FILE: entry N` where there are no lines.
"""

from __future__ import annotations

import gzip
import math
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

from evalharness.data.files import json_object, no_bomb, parquet, parse_json, read_text
from evalharness.data.rows import Row
from evalharness.data.zipped import ZipMembers
from evalharness.errors import DataError, UserError
from evalharness.models._recorded import IDS, QUESTIONS
from evalharness.models._recorded_answers import ANSWERS

KNOWN = {*IDS, *QUESTIONS, *ANSWERS}
Placed = Iterator[tuple[str, Row]]
STAMP = re.compile(r"_\d{4}-\d\d-\d\dT.*")  # of a sample log's name: samples_TASK_2026-11-28T17-15-22.855867.jsonl
LARGEST_ROW = 1 << 28  # bytes of one line
LARGEST_CELL = 1 << 26  # characters of one CSV cell; Python's own limit, 131,072, is less than long reasoning takes


def placed_rows(path: Path) -> Placed:
    """The rows of a file, or of all files of a folder. DataError names the line that is none."""
    for file in answer_files(path):
        suffixes = [s.lower() for s in file.suffixes if s != ".gz"]
        read = READERS.get(suffixes[-1] if suffixes else "", _json)
        grouped = path.is_dir() and read is _table  # a folder of tables has one for each group, named after it
        for where, row in read(file):
            yield where, {"group": file.stem, **row} if grouped else row


def answer_files(path: Path) -> list[Path]:
    """The files that hold the answers: of a run of ours its journal, of a log folder of lm-evaluation-harness its
    samples, else every file of a folder that a reader knows."""
    if not path.is_dir():
        if not path.is_file():
            raise DataError(f"{path}: not a file")  # a pipe or a device, which may never end
        return [path]
    journal = path / "results.jsonl"
    if journal.is_file() and (path / "run.json").is_file():
        return [journal]
    known = (f for f in path.iterdir() if f.is_file() and {s.lower() for s in f.suffixes} & READERS.keys())
    found = sorted(known)
    logs = [f for f in found if f.name.startswith("samples_")]
    tasks: dict[str, Path] = {}
    for log in logs:
        task = STAMP.sub("", log.name)
        if tasks.setdefault(task, log) != log:
            raise DataError(f"{path}: has {tasks[task].name} and {log.name}, of two runs; name one file of them")
    found = logs or found
    if not found:
        raise DataError(f"{path}: wanted files of answers ({', '.join(READERS)}); there is none in this folder")
    return found


def _opened(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _json(path: Path) -> Placed:
    """A JSON list, a JSON object, or JSON lines, which is told from what the text begins with."""
    lines = raw_lines(path)
    start = next((line.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] for _, line in lines if line.strip()), b"")
    if start == b"[":
        return _entries(path, parse_json(read_text(path), path))
    if start == b"{" and ".json" in path.suffixes:
        try:
            value = parse_json(read_text(path), path)
        except DataError as error:
            if getattr(error.__cause__, "msg", "") != "Extra data":  # a second object: JSON lines in a file named .json
                raise
        else:
            return _entries(path, _listed(value))
    return _lines(path)


def _listed(value: Mapping[str, Any]) -> list[Row]:
    """The rows of one JSON object: the one list of objects in it, or its columns where its keys are those of a row, or
    itself where it is one row, or else an answer for each key, which is the id."""
    columns = [list(v.values()) if isinstance(v, dict) else v for v in value.values()]
    if value.keys() & KNOWN and all(isinstance(c, list) and len(c) == len(columns[0]) for c in columns):
        return [dict(zip(value, cells, strict=True)) for cells in zip(*columns, strict=True)]
    lists = [v for v in value.values() if isinstance(v, list) and v and all(isinstance(row, dict) for row in v)]
    if len(lists) == 1:
        return cast(list[Row], lists[0])
    if value.keys() & set(ANSWERS) and value.keys() & {*IDS, *QUESTIONS}:
        return [value]
    return [{**v, "id": key} if isinstance(v, dict) else {"id": key, "text": v} for key, v in value.items()]


def _entries(path: Path, found: Iterable[Any]) -> Placed:
    for number, row in enumerate(found, 1):
        if not isinstance(row, dict):
            raise DataError(f"{path}: entry {number}: wanted an object, there is {type(row).__name__}")
        yield f"{path}: entry {number}", row


def _lines(path: Path) -> Placed:
    """JSON lines, read as they stand: a file of a million never lies in memory whole."""
    empty = True
    for number, raw in raw_lines(path):
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{path}:{number}: not UTF-8 text ({error.reason})") from error
        if not line.strip():
            continue
        empty = False
        yield f"{path}:{number}", json_object(line, f"{path}:{number}")
    if empty:
        raise DataError(f"{path}: the file is empty")


def raw_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file and their numbers. DataError before a line, or what a file unpacks to, fills the memory."""
    unpacked, number = 0, 0
    try:
        packed = path.stat().st_size
        with _opened(path) as file:
            while raw := file.readline(LARGEST_ROW):
                number += 1
                unpacked += len(raw)
                no_bomb(path, packed, unpacked, most=math.inf)
                if len(raw) == LARGEST_ROW:
                    raise DataError(f"{path}:{number}: has {LARGEST_ROW >> 20} MiB or more in one line")
                yield number, raw
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _table(path: Path) -> Placed:
    """CSV with a header, by commas, semicolons or tabs, whichever the header has most. An empty cell is null."""
    import csv

    csv.field_size_limit(min(LARGEST_CELL, sys.maxsize))
    file, number = StringIO(read_text(path), newline=""), 1
    header = file.readline()
    if not header.strip():
        raise DataError(f"{path}: wanted a CSV file with a header; its first line is empty")
    reader = csv.DictReader(chain([header], file), delimiter=max(",;\t", key=header.count), strict=True)
    try:
        for row in reader:
            number = reader.line_num
            if None in row:
                raise DataError(f"{path}:{number}: has more cells than the header has columns")
            yield f"{path}:{number}", {name: cell or None for name, cell in row.items()}
    except csv.Error as error:
        raise DataError(f"{path}:{number + 1}: not a readable CSV row ({error})") from error


def _parquet(path: Path) -> Placed:
    try:
        for number, row in enumerate(parquet(path), 1):
            yield f"{path}: row {number}", row
    except ImportError as error:
        raise UserError(f"{path}: parquet needs the package pyarrow: pip install pyarrow") from error


def _inspect(path: Path) -> Placed:
    """The samples of a log of Inspect: a zip archive with one JSON file a sample."""
    with ZipMembers(path) as archive:
        names = sorted(n for n in archive.names if n.startswith("samples/") and n.endswith(".json"))
        if not names:
            raise DataError(f"{path}: wanted an Inspect log with samples; it has none")
        for name in names:
            where = f"{path}: {name}"
            sample = json_object(archive.text(name), where)
            kept = {k: sample[k] for k in ("id", "epoch", "input", "choices", "output") if k in sample}
            yield where, kept | ({"output": None} if sample.get("error") else {})


READERS: Mapping[str, Callable[[Path], Placed]] = {
    ".jsonl": _json,
    ".ndjson": _json,
    ".json": _json,
    ".csv": _table,
    ".tsv": _table,
    ".parquet": _parquet,
    ".eval": _inspect,
}
