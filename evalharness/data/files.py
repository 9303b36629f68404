"""Reads files of rows, and writes files whole.

What is read may have been made to do harm: a file that unpacks to far more than it is, JSON that is nested without end,
a number of a million digits, a table whose one cell stands in every row. Each is one line of error, before memory is
gone.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from itertools import zip_longest
from pathlib import Path
from typing import Any, BinaryIO, cast

from evalharness.data.fields import ROW_ERRORS, row_error
from evalharness.errors import DataError, option_name

Row = Mapping[str, Any]

LARGEST_TEXT = 4 << 30  # bytes of a text that is read whole
FREE, RATIO = 64 << 20, 200  # what unpacks to more than FREE bytes and RATIO times its size is a bomb, not data
CELL = 16 << 20  # characters of one cell of a table
PIECE = 1 << 20
PACKED = (".gz", ".bz2", ".zst")  # endings of texts that are unpacked
LARGE = 8 << 20  # bytes from which on the rows of a JSONL file are not held in memory
AT_A_TIME = 256  # rows of a parquet file


def parquet(path: Path) -> Iterator[Row]:
    """The rows of a parquet file. DataError for a file that is none, or that unpacks to far more than it is."""
    import pyarrow
    import pyarrow.parquet

    try:
        schema = pyarrow.parquet.read_metadata(path).schema
        texts = [c.path for c in map(schema.column, range(len(schema))) if c.physical_type == "BYTE_ARRAY"]
        # As dictionaries: a text that stands in every row is held once, until its rows are known to fit.
        with pyarrow.parquet.ParquetFile(path, read_dictionary=texts) as file:
            unpacked, packed = 0, path.stat().st_size
            for batch in file.iter_batches(batch_size=AT_A_TIME):
                unpacked += sum(map(_unfolded, batch.columns))
                no_bomb(path, packed, unpacked)
                yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise DataError(f"{path}: not a readable parquet file: {' '.join(str(error).split())[:300]}") from error


def _unfolded(column: Any) -> int:
    """Bytes of a column's values, each counted as often as it stands there."""
    import pyarrow.compute
    from pyarrow import types

    if types.is_dictionary(column.type):
        lengths = pyarrow.compute.binary_length(column.dictionary).take(column.indices)
        return int(pyarrow.compute.sum(lengths).as_py() or 0)
    if types.is_list(column.type) or types.is_large_list(column.type):
        return _unfolded(column.flatten()) + int(column.nbytes)
    return sum(map(_unfolded, column.flatten())) if types.is_struct(column.type) else int(column.nbytes)


def no_bomb(path: Path, packed: int, unpacked: int, most: float = LARGEST_TEXT) -> None:
    """DataError where a file unpacks to far more bytes than it has, or to more than `most`."""
    if unpacked > most or (unpacked > FREE and unpacked > RATIO * packed):
        size = f"{unpacked >> 20:,} MiB or more from {packed:,} bytes"
        raise DataError(f"{path}: unpacks to {size}, which no data does; unpack it yourself if it is what you want")


def jsonl(path: Path) -> Iterator[Row]:
    """The objects of a JSONL file (.gz too). DataError names the line that is none."""
    for _, row in numbered_rows(path):
        yield row


def each(path: Path, make: Callable[[Row], Iterable[Row]]) -> Iterator[Row]:
    """What `make` makes of every object of a JSONL file. DataError names the line of one that it cannot read."""
    for number, row in numbered_rows(path):
        try:
            yield from list(make(row))
        except ROW_ERRORS as error:
            raise DataError(f"{path}:{number}: {row_error(error)}") from error


def numbered_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Line number and object of each line of a JSONL file that is not empty. DataError names the line that is none."""
    for number, line in enumerate(read_text(path).split("\n"), 1):  # splitlines would cut at U+2028 inside a string
        if line.strip():
            yield number, json_object(line, f"{path}:{number}")


def json_object(text: str, where: str) -> Row:
    """The object that `text` is. DataError says what is wrong at `where`."""
    try:
        row = json_value(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not valid JSON ({error.msg} at column {error.colno})") from error
    except ValueError as error:
        raise DataError(f"{where}: not valid JSON ({error})") from error
    if not isinstance(row, dict):
        raise DataError(f"{where}: wanted a JSON object, there is {type(row).__name__}")
    return row


def json_rows(path: Path) -> Iterator[Row]:
    """The objects of a JSON file that holds a list, or of a JSONL file with the name of one."""
    text = read_text(path)
    if not text.lstrip().startswith("["):
        yield from jsonl(path)
        return
    for number, row in enumerate(parse_json(text, path), 1):
        if not isinstance(row, dict):
            raise DataError(f"{path}: entry {number}: wanted a JSON object, there is {type(row).__name__}")
        yield row


def json_value(text: str | bytes) -> Any:
    """The value of a JSON text. ValueError where it is none, and for what no parser of ours survives: nesting without
    end, and whole numbers of thousands of digits."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except json.JSONDecodeError:
        raise
    except ValueError as error:  # Python's own limit on the digits of a number
        raise ValueError("a whole number has too many digits" if "digits" in str(error) else str(error)) from None


def parse_json(text: str, path: Path) -> Any:
    """The value of a JSON text. DataError names line and column of the first mistake."""
    try:
        return json_value(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}:{error.colno}: not valid JSON ({error.msg})") from error
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error})") from error


def csv_rows(path: Path) -> Iterator[Row]:
    """The rows of a CSV file with a header; cells that a row lacks are None. DataError for a row that has more."""
    lines = csv_lines(path, read_text(path))
    _, header = next(lines, (1, []))
    for number, cells in lines:
        if any(cells[len(header) :]):
            raise DataError(f"{path}:{number}: has {len(cells)} cells, the header has {len(header)}")
        if cells:
            yield dict(zip_longest(header, cells[: len(header)]))


def csv_lines(path: Path, text: str, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Number of the last line and cells of each row of a CSV text. DataError for a cell that is too long, and for odd
    quoting, by the line where its row begins: a quote that is not closed swallows all rows behind it."""
    import csv
    import io

    csv.field_size_limit(CELL)
    reader, before = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), 0
    try:
        for cells in reader:
            before = reader.line_num
            yield before, cells
    except csv.Error as error:
        raise DataError(
            f"{path}:{before + 1}: not a CSV file that can be read ({error}); look for a quote that is not closed or "
            "not doubled"
        ) from error


FILE_READERS: Mapping[str, Callable[[Path], Iterator[Row]]] = {
    ".parquet": parquet,
    ".jsonl": jsonl,
    ".json": json_rows,
    ".csv": csv_rows,
}


def read_text(path: Path) -> str:
    """A UTF-8 text file, unpacked when its name ends as one of `PACKED`, without byte-order mark. DataError when it is
    none, or a pipe or device (which may never end), or larger than LARGEST."""
    try:
        if not path.is_file():
            raise DataError(f"{path}: {'not a file' if path.exists() else 'there is no such file'}")
        packed = path.stat().st_size
        if path.suffix in PACKED:
            with _opened(path) as file:
                raw = _unpacked(path, file, packed)
        elif packed > LARGEST_TEXT:
            raise DataError(f"{path}: has {packed >> 20:,} MiB, more than {LARGEST_TEXT >> 20:,}; split it")
        else:
            raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        other = "; save it as UTF-8" if isinstance(error, UnicodeDecodeError) else ""
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}{other}") from error
    if not text or text.isspace():
        raise DataError(f"{path}: the file is empty")
    return text


def _opened(path: Path) -> BinaryIO:
    """A packed file, read as what it holds."""
    if path.suffix == ".zst":
        import pyarrow

        return cast(BinaryIO, pyarrow.input_stream(str(path), compression="zstd"))
    opener = importlib.import_module({".gz": "gzip", ".bz2": "bz2"}[path.suffix])
    return cast(BinaryIO, opener.open(path))


def _unpacked(path: Path, file: BinaryIO, packed: int) -> bytes:
    pieces, size = [], 0
    while piece := file.read(PIECE):
        pieces.append(piece)
        size += len(piece)
        no_bomb(path, packed, size)
    return b"".join(pieces)


_outside_allowed: ContextVar[bool] = ContextVar("outside_allowed", default=False)


def allow_outside(allowed: bool) -> None:
    """Whether a file may name another one outside its own folder (`--allow-outside`)."""
    _outside_allowed.set(allowed)


def inside(folder: Path, path: Path, named_by: Path) -> Path:
    """The path, if it lies below the folder, links followed. DataError otherwise: a file from elsewhere that names
    others must not read what else is on the machine."""
    if not _outside_allowed.get() and not path.resolve().is_relative_to(folder.resolve()):
        raise DataError(
            f"{named_by}: names {path}, which is outside {folder}; say {option_name('allow_outside', True)} if that "
            "is meant"
        )
    return path


def digest(path: Path) -> str:
    """sha256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


OWN_FILE, OWN_FOLDER = 0o600, 0o700  # what may hold prompts, answers or data is its owner's alone


def own_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, readable by nobody but its owner."""
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir(mode=OWN_FOLDER, exist_ok=True)
    path.mkdir(exist_ok=True)  # says so where it is a file


def write_whole(path: Path, text: str | bytes, mode: int = 0o666) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part: aside, fsync, rename.

    `mode` are its permissions before the umask; a link that lies in the way of the file aside is not followed.
    """
    aside = path.with_name(f".{path.name[:200]}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
