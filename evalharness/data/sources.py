"""Where rows come from: a hub data set at a pinned revision, a folder, the bundled sample. Never a silent replacement.

A row is a mapping with the hub's field names; a benchmark turns it into a Sample. The authors' own files are read into
the same rows by the benchmark's `Files`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from evalharness.data.fields import ROW_ERRORS, checked, row_error
from evalharness.data.files import FILE_READERS, inside, jsonl
from evalharness.data.files import Row as Row
from evalharness.data.hub import from_hub
from evalharness.data.pull import from_pulled
from evalharness.data.rows import PULLED, Source, SplitRows, Want
from evalharness.data.snapshot import from_snapshot
from evalharness.errors import DataError, option_name
from evalharness.records import Sample, on_disk


def load_rows(source: Source, want: Want, data: str | None) -> SplitRows:
    """The rows of a split. `data`: None = the hub, `sample` = the bundled sample, else a folder or file."""
    split = want.split
    if source.own and data in (None, "sample"):
        return _from_own(source, split)
    if data == "sample" or (data is None and not source.hub):
        return _bundled(source, split)
    if data is None:
        return from_hub(source, split)
    path = Path(data).expanduser()
    if not path.exists():
        raise DataError(f"{option_name('data', data)}: there is no such file or folder")
    if path.is_dir() and (path / PULLED).is_file():
        return from_pulled(path, split)
    found = _from_files(source, want, path)
    if found is not None:
        return SplitRows(rows=found, origin=str(path), revision="files", path=path)
    snapshot = from_snapshot(source, split, path)
    if snapshot is not None:
        return snapshot
    hint = (
        ""
        if split == source.split
        else f" (for the examples, split {split}; {option_name('shots', 0)} asks without them)"
    )
    raise DataError(f"{option_name('data', data)}: wanted {source.wanted}{hint}; there is {_glimpse(path)}")


def rows_of_split(rows: Iterable[Row], source: Source, split: str) -> SplitRows:
    """The rows of a split, of those that a program hands over: a row's `split` says where it belongs, else it is one of
    the questions."""
    found = tuple(dict(row) for row in rows if _is_sample_of(row, source, split))
    return SplitRows(rows=found, origin="rows of the program", revision="given")


def _bundled(source: Source, split: str) -> SplitRows:
    if source.sample is None or not source.sample.is_file():
        raise DataError(f"no questions are bundled; say {option_name('data')} with {source.wanted}")
    rows = tuple(r for r in jsonl(source.sample) if _is_sample_of(r, source, split))
    if not rows and not source.hub and source.files is not None:
        raise DataError(f"these questions are not bundled; say {option_name('data')} with {source.wanted}")
    if source.hub:
        return SplitRows(rows=rows, origin="bundled sample", revision="bundled", kind="sample")
    return SplitRows(rows=rows, origin="bundled", revision="bundled", kind="bundled")


def _is_sample_of(row: Row, source: Source, split: str) -> bool:
    """A family keeps the samples of all its tasks in one file, told apart by `config`."""
    return bool(row.get("split", source.split) == split and row.get("config", source.config) == source.config)


def _glimpse(path: Path) -> str:
    if path.is_file():
        return f"the file {path.name}"
    names = sorted(p.name for p in path.iterdir())
    return (
        ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "") if names else "an empty folder"
    )


def _from_files(source: Source, want: Want, path: Path) -> tuple[Row, ...] | None:
    """The rows of the authors' files. DataError for a file that is not laid out as it should be."""
    import csv

    if source.files is None or source.files.read is None:
        return None
    try:
        found = source.files.read(path, want)
        return None if found is None else tuple(found)
    except (*ROW_ERRORS, csv.Error) as error:
        raise DataError(
            f"{option_name('data', path)}: wanted {source.wanted}; it is laid out otherwise ({row_error(error)})"
        ) from error


def _from_own(source: Source, split: str) -> SplitRows:
    file = source.own.get(split)
    if file is None:
        raise DataError(
            f"the benchmark names no file of examples (split {split}); {option_name('shots', 0)} asks without them"
        )
    if file.suffix.removesuffix(".gz") not in FILE_READERS and file.name.split(".")[-2:-1] != ["jsonl"]:
        raise DataError(f"{file}: wanted a file that ends in {', '.join(FILE_READERS)}")
    if not file.is_file():
        raise DataError(f"{file}: there is no such file")
    if source.described_by is not None:
        inside(source.described_by.parent, file, source.described_by)
    rows = tuple(FILE_READERS.get(file.suffix, jsonl)(file))
    return SplitRows(rows=rows, origin=str(file), revision="files", kind="own", path=file)


def content_hash(samples: Iterable[Sample]) -> str:
    """sha256 over the samples' canonical JSON, in order: the same questions have the same hash anywhere."""
    total = hashlib.sha256()
    for sample in samples:
        total.update(
            json.dumps(on_disk(asdict(sample)), sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
        )
        total.update(b"\n")
    return total.hexdigest()


def rows_hash(pairs: Iterable[tuple[Sample, Row]]) -> str:
    """sha256 over the rows that questions are made of, each with its id, group and right answers, in order.

    However a question is put, its rows have the same hash; where another answer is right it is another.
    """
    total = hashlib.sha256()
    for sample, row in pairs:
        about = [sample.id, sample.group, sample.answers, sample.gold_indices, row]
        text = json.dumps(about, sort_keys=True, ensure_ascii=False, default=str)
        total.update(text.encode("utf-8", "surrogatepass") + b"\n")
    return total.hexdigest()


def repeated(samples: Iterable[Sample]) -> dict[str, str]:
    """The ids of samples that are the same as an earlier one in all but the id, each with the earlier one's id."""
    first: dict[str, str] = {}
    found: dict[str, str] = {}
    for sample in samples:
        earlier = first.setdefault(content_hash([replace(sample, id="")]), sample.id)
        if earlier != sample.id:
            found[sample.id] = earlier
    return found


def build_samples(rows: Sequence[Row], make: Callable[[Row], Sample], origin: str = "") -> list[Sample]:
    """Rows to samples. A sample without id is numbered within its group: `GROUP/0`, or `0` where there are no groups.

    DataError when a row is none of the benchmark, or two samples have one id; `origin` is what it says of their place.
    """
    where = f"{origin}: " if origin else ""
    samples: list[Sample] = []
    seen: dict[str, int] = {}
    numbers: dict[str, int] = {}
    for position, row in enumerate(rows):
        try:
            sample = checked(make(row))
        except ROW_ERRORS as error:
            said = f"{where}row {position + 1} is not a question of this benchmark: {row_error(error)}"
            raise DataError(said) from error
        number = numbers[sample.group] = numbers.get(sample.group, -1) + 1
        if not sample.id:
            sample = replace(sample, id=f"{sample.group}/{number}" if sample.group else str(number))
        if sample.id in seen:
            raise DataError(f"{where}rows {seen[sample.id] + 1} and {position + 1} have the same id {sample.id!r}")
        seen[sample.id] = position
        samples.append(sample)
    return samples
