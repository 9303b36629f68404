"""Where rows come from: a hub data set at a pinned revision, a folder, the bundled sample. Never a silent replacement.

A row is a mapping with the hub's field names; a benchmark turns it into a Sample. The authors' own files are read into
the same rows by the benchmark's `Files`.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import overload

from evalharness.data.fields import ROW_ERRORS, checked, row_error
from evalharness.data.files import FILE_READERS, inside, jsonl
from evalharness.data.files import Row as Row
from evalharness.data.hub import from_hub
from evalharness.data.large_files import large_jsonl
from evalharness.data.pull import from_pulled
from evalharness.data.rows import PULLED, Source, SplitRows, Want
from evalharness.data.snapshot import from_snapshot
from evalharness.errors import DataError, option_name
from evalharness.records import Sample


def load_rows(source: Source, want: Want, data: str | None) -> SplitRows:
    """The rows of a split. `data`: None = the hub, `sample` = the bundled sample, else a folder or file."""
    return _processed(_rows_of(source, want, data), source, want.split)


def _processed(found: SplitRows, source: Source, split: str) -> SplitRows:
    return found if source.process is None else replace(found, rows=source.process(found.rows, split))


def _rows_of(source: Source, want: Want, data: str | None) -> SplitRows:
    split = want.split
    made_here = data == "sample" and not source.hub and not source.own
    if split in source.given and (data is None or made_here or split != source.split):
        place = str(source.described_by) if source.described_by is not None else "given"
        return SplitRows(rows=tuple(source.given[split]()), origin=place, revision="files", kind="own")
    if source.own and data in (None, "sample"):
        return _from_own(source, split)
    if data is None and source.address:
        raise DataError(f"no hub has these questions; say {option_name('data')} with {source.wanted}: {source.address}")
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
    return _processed(SplitRows(rows=found, origin="rows of the program", revision="given"), source, split)


def _bundled(source: Source, split: str) -> SplitRows:
    if source.sample is None or not source.sample.is_file():
        raise DataError(f"no questions are bundled; say {option_name('data')} with {source.wanted}")
    rows = tuple(r for r in jsonl(source.sample) if _is_sample_of(r, source, split))
    if not rows and not source.hub and source.files is not None:
        raise DataError(f"these questions are not bundled; say {option_name('data')} with {source.wanted}")
    if source.hub or source.address:
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
        inside(source.own_below or source.described_by.parent, file, source.described_by)
    rows = large_jsonl(file) or tuple(FILE_READERS.get(file.suffix, jsonl)(file))
    return SplitRows(rows=rows, origin=str(file), revision="files", kind="own", path=file)


def content_hash(samples: Iterable[Sample]) -> str:
    """sha256 over the samples' canonical JSON, in order: the same questions have the same hash anywhere."""
    content = ContentHash()
    for sample in samples:
        content.add(sample)
    return content.sha256


class ContentHash:
    """The hashes of samples one after the other and of the rows that they are made of, and which samples are the same
    as an earlier one in all but the id.

    However a question is put, its rows have the same hash; where another answer is right it is another.
    """

    def __init__(self) -> None:
        self._total, self._rows = hashlib.sha256(), hashlib.sha256()
        self._digests = array("Q")  # eight bytes each; what they take for the same is looked at

    def add(self, sample: Sample, row: Row | None = None) -> None:
        """Take the next sample in, and its row."""
        if row is not None:
            about = [sample.id, sample.group, sample.answers, sample.gold_indices, row]
            self._rows.update(_plainly(about).encode("utf-8", "surrogatepass") + b"\n")
        before, after = _canonical(sample)
        self._total.update(f'{before}, "id": {_encode(sample.id)}{after}\n'.encode("utf-8", "surrogatepass"))
        digest = hashlib.blake2b((before + after).encode("utf-8", "surrogatepass"), digest_size=8).digest()
        self._digests.append(int.from_bytes(digest, "little"))

    @property
    def sha256(self) -> str:
        """The hash of the samples so far."""
        return self._total.hexdigest()

    @property
    def rows_sha256(self) -> str:
        """The hash of the rows so far, each with its sample's id, group and right answers."""
        return self._rows.hexdigest()

    def repeated(self, samples: Sequence[Sample]) -> dict[str, str]:
        """The ids of samples that repeat an earlier one, each with the earlier one's id; `samples` are those that were
        taken in, in the same order."""
        first: dict[tuple[str, str], str] = {}
        found: dict[str, str] = {}
        for place in _alike(self._digests):
            sample = samples[place]
            earlier = first.setdefault(_canonical(sample), sample.id)
            if earlier != sample.id:
                found[sample.id] = earlier
        return found


_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False, default=asdict).encode
_plainly = json.JSONEncoder(sort_keys=True, ensure_ascii=False, default=str).encode


def _canonical(sample: Sample) -> tuple[str, str]:
    """A sample's canonical JSON, its keys in alphabetical order, before its id and behind it."""
    fields = {"answers": sample.answers, "choices": sample.choices, "extra": sample.extra}
    before = _encode(fields | {"gold": sample.gold_indices, "group": sample.group})
    return before[:-1], f', "question": {_encode(sample.question)}}}'


def _alike(digests: array[int]) -> list[int]:
    """The places, in order, of all values that stand more than once."""
    import numpy as np

    values = np.array(digests, np.uint64)
    order = np.argsort(values, kind="stable")
    same = np.diff(values[order]) == 0
    places: list[int] = np.sort(order[np.append(same, False) | np.append(False, same)]).tolist() if len(order) else []
    return places


def build_samples(
    rows: Sequence[Row],
    make: Callable[[Row], Sample],
    origin: str = "",
    seen: Callable[[Sample, Row], None] | None = None,
) -> Sequence[Sample]:
    """Rows to samples. A sample without id is numbered within its group: `GROUP/0`, or `0` where there are no groups.

    The samples are held where the rows are, else made anew whenever they are looked at; whoever first reads them all
    checks them. `seen` is shown each of them once, in order, with its row. DataError, when they are first read, where a
    row is none of the benchmark or two samples have one id; `origin` is what it says of their place.
    """
    made = _MadeSamples(rows, make, f"{origin}: " if origin else "", seen)
    return list(made) if isinstance(rows, list | tuple) else made


class _MadeSamples(Sequence[Sample]):
    """Samples that are made of their rows whenever they are looked at, and checked by the first reading to the end."""

    def __init__(
        self, rows: Sequence[Row], make: Callable[[Row], Sample], where: str, seen: Callable[[Sample, Row], None] | None
    ) -> None:
        self._rows, self._make, self._where, self._seen = rows, make, where, seen
        self._numbers = array("i")  # of a sample within its group, as far as they were read
        self._groups: dict[str, int] = {}  # samples of each group so far
        self._digests = array("Q")  # eight bytes of each id; emptied once they were compared

    def __iter__(self) -> Iterator[Sample]:
        for position, row in enumerate(self._rows):
            if position < len(self._numbers):
                yield self._named(self._made(row, position), self._numbers[position])
            else:
                yield self._met(row, position)
        self._no_twice()

    def _met(self, row: Row, position: int) -> Sample:
        """The sample of a row that is read for the first time, after all before it."""
        try:
            made = self._made(row, position)
        except DataError:
            self._no_twice()  # comes before it in the file
            raise
        number = self._groups[made.group] = self._groups.get(made.group, -1) + 1
        sample = self._named(made, number)
        digest = hashlib.blake2b(sample.id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        self._digests.append(int.from_bytes(digest, "little"))
        self._numbers.append(number)
        if self._seen is not None:
            self._seen(sample, row)
        return sample

    def _no_twice(self) -> None:
        """DataError where two of the samples read so far have one id."""
        seen: dict[str, int] = {}
        for place in _alike(self._digests):
            sample = self[place]
            if sample.id in seen:
                said = f"rows {seen[sample.id] + 1} and {place + 1} have the same id {sample.id!r}"
                raise DataError(f"{self._where}{said}")
            seen[sample.id] = place
        self._digests = array("Q")

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | Sequence[Sample]:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        index = range(len(self))[index]
        if index >= len(self._numbers):
            deque(self, maxlen=0)
        return self._named(self._made(self._rows[index], index), self._numbers[index])

    def _made(self, row: Row, position: int) -> Sample:
        try:
            return checked(self._make(row))
        except ROW_ERRORS as error:
            said = f"{self._where}row {position + 1} is not a question of this benchmark: {row_error(error)}"
            raise DataError(said) from error

    def _named(self, sample: Sample, number: int) -> Sample:
        if sample.id:
            return sample
        return replace(sample, id=f"{sample.group}/{number}" if sample.group else str(number))
