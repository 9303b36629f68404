"""Where each result stands in a journal: what is known of a million results without holding one of them."""

from __future__ import annotations

import re
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import overload

from evalharness.errors import UserError, nearest, option_name
from evalharness.records import STATUSES, Result, ResultKey, Status
from evalharness.runs.journal import ODD_LINE, damaged_line, loads, placed_lines
from evalharness.runs.store import JOURNAL, Run, result_from_json

_Key = str | tuple[str, int]  # the id, with the repeat where that is not the first: most runs have no other
_CODES = {status: code for code, status in enumerate(STATUSES)}
_PLACE = 4  # bits below the place: three of the status, one for an answer from the cache
# How a line of ours begins whose texts need no escapes.
_HEAD = re.compile(
    rb'\{"benchmark":"([^"\\]*)","id":"([^"\\]*)","group":"[^"\\]*","repeat":([0-9]+),"status":"([a-z]+)"'
)


class ResultIndex(Mapping[ResultKey, Result]):
    """The results of a journal by their key, in the order of benchmark, id and repeat; of each the last line.

    Reading one reads its line anew. UserError where that cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: dict[str, dict[_Key, int]] = {}

    def add(self, key: ResultKey, place: int, status: Status, cached: bool = False) -> None:
        """The line that begins at this byte holds the result."""
        benchmark, identity, repeat = key
        packed = place << _PLACE | cached << 3 | _CODES[status]
        self._places.setdefault(benchmark, {})[(identity, repeat) if repeat else identity] = packed

    def discard(self, key: ResultKey) -> None:
        """Forget a result."""
        self._places.get(key[0], {}).pop((key[1], key[2]) if key[2] else key[1], None)

    def _packed(self, key: ResultKey) -> int:
        return self._places[key[0]][(key[1], key[2]) if key[2] else key[1]]

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, tuple):
            return False
        benchmark, identity, repeat = key
        return ((identity, repeat) if repeat else identity) in self._places.get(benchmark, ())

    def __getitem__(self, key: ResultKey) -> Result:
        self._packed(key)
        (found,) = self.read([key])
        return found

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """The benchmarks that have results."""
        return tuple(name for name, places in self._places.items() if places)

    def count(self, benchmark: str) -> int:
        """How many results of a benchmark there are."""
        return len(self._places.get(benchmark, ()))

    def read(self, keys: Iterable[ResultKey]) -> Iterator[Result]:
        """These results, one after the other."""
        return _read(self.path, (self._packed(key) >> _PLACE for key in keys))

    def lines(self, keys: Iterable[ResultKey]) -> Iterator[bytes]:
        """The lines of these results, one after the other."""
        return raw_lines(self.path, (self._packed(key) >> _PLACE for key in keys))

    def __len__(self) -> int:
        return sum(map(len, self._places.values()))

    def __iter__(self) -> Iterator[ResultKey]:
        return self._keys(None)

    def _keys(self, wanted: Status | None, benchmark: str | None = None) -> Iterator[ResultKey]:
        for name in sorted(self._places) if benchmark is None else [benchmark]:
            places = self._places.get(name, {})
            keys = [key for key, packed in places.items() if wanted is None or packed & 7 == _CODES[wanted]]
            keys.sort(key=None if all(type(key) is str for key in keys) else _whole)
            yield from ((name, *_whole(key)) for key in keys)

    def having(self, status: Status) -> Results:
        """The results of one status."""
        return Results(self, list(self._keys(status)))

    def in_order(self, benchmarks: Collection[str] | None = None) -> PlacedResults:
        """The results of these benchmarks, or of all, in the order of benchmark, id and repeat. They take eight bytes
        each, and the index need not be kept for them."""
        names = sorted(self._places if benchmarks is None else self._places.keys() & set(benchmarks))
        keys = chain.from_iterable(self._keys(None, name) for name in names)
        return PlacedResults(self.path, array("q", (self._packed(key) >> _PLACE for key in keys)))

    @property
    def cached(self) -> int:
        """How many answers came from the cache."""
        return sum(packed >> 3 & 1 for places in self._places.values() for packed in places.values())


def _whole(key: _Key) -> tuple[str, int]:
    return (key, 0) if isinstance(key, str) else key


def raw_lines(path: Path, places: Iterable[int]) -> Iterator[bytes]:
    """The lines of a journal that begin at these bytes, one after the other."""
    try:
        with path.open("rb") as file:
            for place in places:
                file.seek(place)
                yield file.readline()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def _read(path: Path, places: Iterable[int]) -> Iterator[Result]:
    for line in raw_lines(path, places):
        try:
            yield result_from_json(loads(line))
        except ODD_LINE as error:
            raise UserError(f"{path}: was changed while it was read ({error})") from error


class PlacedResults:
    """Results that are read when they are looked at, of which is known where they stand in the journal."""

    def __init__(self, path: Path, places: Sequence[int]) -> None:
        self._path, self._places = path, places

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Result]:
        return _read(self._path, self._places)

    def chosen(self, positions: Iterable[int]) -> Iterator[Result]:
        """The results at these positions, one after the other."""
        return _read(self._path, (self._places[position] for position in positions))


class Results(Sequence[Result]):
    """Results that are read when they are looked at."""

    def __init__(self, index: ResultIndex, keys: Sequence[ResultKey]) -> None:
        self._index, self._keys = index, keys

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Result]:
        return self._index.read(self._keys)

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> Results: ...
    def __getitem__(self, index: int | slice) -> Result | Results:
        if isinstance(index, slice):
            return Results(self._index, self._keys[index])
        return self._index[self._keys[index]]


def index_of(run: Run) -> ResultIndex:
    """The index of a run's journal. Every line is read and held to its form, but for a journal that is byte for byte as
    it was when the run was finished. UserError names the line that is damaged."""
    path = run.path / JOURNAL
    index = ResultIndex(path)
    if not path.is_file():
        return index
    if run.intact:
        _scan(index)
        return index
    for result, place in placed_results(path):
        index.add(result.key, place, result.status, result.response.cached)
    return index


def placed_results(path: Path) -> Iterator[tuple[Result, int]]:
    """Every result of a journal, in the order of its lines, and the byte where its line begins. UserError names the
    line that is none."""
    for number, place, line in placed_lines(path):
        try:
            result = result_from_json(line)
        except ODD_LINE as error:
            raise damaged_line(path, number, f"is not a result ({error})") from error
        yield result, place


def _scan(index: ResultIndex) -> None:
    """The index of a journal that is known to be whole, from the beginnings of its lines."""
    place = 0
    with index.path.open("rb") as file:
        for raw in file:
            if head := _HEAD.match(raw):
                benchmark, identity, repeat, status = (part.decode() for part in head.groups())
                cached = b'"cached":true' in raw and result_from_json(loads(raw)).response.cached
                index.add((benchmark, identity, int(repeat)), place, status, cached)  # type: ignore[arg-type]
            else:
                result = result_from_json(loads(raw))
                index.add(result.key, place, result.status, result.response.cached)
            place += len(raw)


def select_results(found: Run, *, item: str | None, status: str | None) -> Sequence[Result]:
    """The results of one item, or of one status. UserError when there is no such item or status."""
    index = index_of(found)
    if item is not None:
        chosen = [index[key] for key in index if key[1] == item]
        if not chosen:
            raise UserError(f"{found.name} has no item {item!r}{nearest(item, {key[1] for key in index})}")
        return chosen
    if status not in STATUSES:
        raise UserError(f"{option_name('status')} wants one of {', '.join(STATUSES)}; there is {status!r}")
    return index.having(status)
