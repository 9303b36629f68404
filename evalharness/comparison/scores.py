"""What a comparison reads of a run: per item its id, group, status and value, as arrays; no texts.

A line of the journal is parsed, a few numbers are kept, and the place of the line, so that the texts of the few items
shown can be read later. A million lines take seconds and some hundred megabytes.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalharness.errors import UserError, option_name
from evalharness.records import STATUSES
from evalharness.runs.journal import damaged_line, loads, placed_lines
from evalharness.runs.wordings import wording_place
from evalharness.stats.reruns import PassNoise, crossed_noise, pass_noise

STATUS_CODE = {status: code for code, status in enumerate(STATUSES)}
_TEXT = {str}
_CONTRADICTIONS = (("correct", 0), ("wrong", 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """One benchmark of one run; arrays over its items, in the order of the file.

    `values` holds the mean of the metric over an item's answers, NaN where there is none; `answers` how many answers
    the mean is over; `status` the code of the first answer's status; `groups` and `clusters` codes into their names;
    `lengths` the question's characters, -1 unknown; `places` the byte where the item's first line starts, -1 none;
    `by_pass` (items, passes) holds the single values where an item has several, NaN where one is missing (None: a
    baseline, or one answer each); `noise` is what several answers to each item tell of asking again, `wording` what
    several wordings tell of those.
    """

    metric: str
    ids: list[str]
    values: NDArray[np.float64]
    answers: NDArray[np.int32]
    status: NDArray[np.uint8]
    groups: NDArray[np.int32]
    group_names: list[str]
    clusters: NDArray[np.int32] | None
    lengths: NDArray[np.int32]
    places: NDArray[np.int64]
    by_pass: NDArray[np.float64] | None = None
    noise: PassNoise | None = None
    wording: PassNoise | None = None

    @property
    def binary(self) -> bool:
        """One answer per item, each right or wrong."""
        known = self.values[~np.isnan(self.values)]
        return bool(np.all(self.answers <= 1) and np.all((known == 0) | (known == 1)))

    def counts(self) -> dict[str, int]:
        """How many items have each status."""
        found = np.bincount(self.status, minlength=len(STATUSES))
        return {status: int(found[code]) for status, code in STATUS_CODE.items() if found[code]}


@dataclass(slots=True)
class _Rows:
    """The lines of one benchmark as they come, columns of plain numbers."""

    metric: str
    cluster: str | None
    ids: dict[str, int] = field(default_factory=dict)
    group_codes: dict[str, int] = field(default_factory=dict)
    cluster_codes: dict[str, int] = field(default_factory=dict)
    item: array[int] = field(default_factory=lambda: array("i"))
    repeat: array[int] = field(default_factory=lambda: array("i"))
    value: array[float] = field(default_factory=lambda: array("d"))
    status: array[int] = field(default_factory=lambda: array("B"))
    group: array[int] = field(default_factory=lambda: array("i"))
    clusters: array[int] = field(default_factory=lambda: array("i"))
    length: array[int] = field(default_factory=lambda: array("i"))
    place: array[int] = field(default_factory=lambda: array("q"))

    def add(self, line: Mapping[str, Any], place: int) -> None:
        """Keep what counts of a line. KeyError, TypeError or ValueError when it is not a result."""
        identity, status, scores = line["id"], line["status"], line["scores"]
        value = scores.get(self.metric)
        if value is None or status == "error":
            value = math.nan
        elif type(value) not in (float, int) or not math.isfinite(value):
            raise ValueError(f"its {self.metric} is {value!r:.30}, not a number")
        code = STATUS_CODE[status]
        if self.metric == "accuracy" and (status, value) in _CONTRADICTIONS:
            raise ValueError(f"it says {status} and {self.metric} {value:g}")
        self.item.append(self.ids.setdefault(identity, len(self.ids)))
        self.repeat.append(line.get("repeat", 0))
        self.value.append(value)
        self.status.append(code)
        group = line.get("group") or ""
        if type(group) is not str:
            raise TypeError("its group is not text")
        self.group.append(self.group_codes.setdefault(group, len(self.group_codes)))
        sample = line.get("sample") or {}
        self.length.append(len(sample.get("question", "")))
        if self.cluster is not None:
            name = _cluster(line, sample, self.cluster)
            self.clusters.append(self.cluster_codes.setdefault(name, len(self.cluster_codes)))
        self.place.append(place)

    def scores(self) -> Scores:
        """Arrays over items: of each answer the last line counts, of each item the mean over its answers. No line may
        follow: the places of the ids, which are most of the memory, are let go first."""
        ids, self.ids = list(self.ids), {}
        item, repeat = np.frombuffer(self.item, np.int32), np.frombuffer(self.repeat, np.int32)
        keep = _last(item, repeat) if len(ids) < len(item) else np.arange(len(item))
        item = item[keep]
        value = np.frombuffer(self.value, np.float64)[keep]
        known, n = ~np.isnan(value), len(ids)
        answers = np.bincount(item[known], minlength=n).astype(np.int32)
        total = np.bincount(item[known], weights=value[known], minlength=n)
        with np.errstate(invalid="ignore"):
            values = np.where(answers > 0, total / answers, np.nan)
        first = np.zeros(n, np.int64)
        first[item[::-1]] = keep[::-1]
        return Scores(
            metric=self.metric,
            ids=ids,
            values=values,
            answers=answers,
            status=np.frombuffer(self.status, np.uint8)[first],
            groups=np.frombuffer(self.group, np.int32)[first],
            group_names=list(self.group_codes),
            clusters=np.frombuffer(self.clusters, np.int32)[first] if self.cluster is not None else None,
            lengths=np.frombuffer(self.length, np.int32)[first],
            places=np.frombuffer(self.place, np.int64)[first],
            by_pass=_by_pass(item, repeat[keep], value, n),
        )


def _by_pass(
    item: NDArray[np.int32], repeat: NDArray[np.int32], value: NDArray[np.float64], n: int
) -> NDArray[np.float64] | None:
    """The values of n items by pass; None where none has several, or repeats are not numbered from 0 on."""
    passes = 1 + int(repeat.max(initial=0))
    if passes < 2 or repeat.min(initial=0) < 0 or passes > len(value):
        return None
    found = np.full((n, passes), np.nan)
    found[item, repeat] = value
    return found


def with_noise(scores: Scores, wordings: int, *, crossed: bool) -> Scores:
    """Scores with what their single values tell, from the items that have all: of asking again, or of so many wordings
    (`crossed` with as many seeds: of both)."""
    if scores.by_pass is None:
        return scores
    whole = ~np.isnan(scores.by_pass).any(1)
    values = scores.by_pass[whole]
    if not wordings:
        return replace(scores, noise=pass_noise(values))
    ids = [scores.ids[place] for place in np.flatnonzero(whole)]
    found = crossed_noise(values, answer_factors(ids, wordings, crossed=crossed))
    return replace(scores, noise=found.get("rerun"), wording=found.get("wording"))


def answer_factors(ids: Sequence[str], wordings: int, *, crossed: bool) -> dict[str, NDArray[np.int64]]:
    """The wording of each answer (items, wordings), and with seeds its pass."""
    places = [[wording_place(one, repeat, wordings, crossed=crossed) for repeat in range(wordings)] for one in ids]
    found = {"wording": np.array(places, np.int64).reshape(len(ids), wordings)}
    if crossed:
        found["rerun"] = np.broadcast_to(np.arange(wordings), (len(ids), wordings))
    return found


def natural(identity: str) -> list[tuple[bool, int, str]]:
    """A sort key by which `x/9` comes before `x/10`."""
    parts = re.split(r"(\d+)", identity)
    return [(p.isdecimal(), len(p.lstrip("0")), p.lstrip("0")) if p.isdecimal() else (False, 0, p) for p in parts]


def _last(item: NDArray[np.int32], repeat: NDArray[np.int32]) -> NDArray[np.int64]:
    """Positions of the last line of each (item, repeat), in the order of item and repeat."""
    order = np.lexsort((np.arange(len(item)), repeat, item))
    ends = np.ones(len(order), bool)
    ends[:-1] = (np.diff(item[order]) != 0) | (np.diff(repeat[order]) != 0)
    return order[ends]


def _cluster(line: Mapping[str, Any], sample: Mapping[str, Any], name: str) -> str:
    extra = sample.get("extra") or {}
    for place in (line, extra, sample):
        if isinstance(place.get(name), str | int):
            return str(place[name])
    there = ", ".join(["group", *sorted(map(str, extra))])
    raise UserError(
        f"{option_name('clusters', name)}: {line['benchmark']} {line['id']} has no such field; there is {there}"
    )


def journal_scores(path: Path, metrics: Mapping[str, str], cluster: str | None = None) -> dict[str, Scores]:
    """The scores of every benchmark named in `metrics`, by the metric named there.

    A torn last line is passed over, as everywhere. UserError names the line that is damaged or no result.
    """
    found = {name: _Rows(metric, cluster) for name, metric in metrics.items()}
    for number, place, line in numbered_lines(path):
        try:
            rows = found.get(line["benchmark"])
            if rows is not None and not _is_variant(line):
                rows.add(line, place)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise damaged_line(path, number, f"is not a result ({reason})") from error
    return {name: rows.scores() for name, rows in found.items() if rows.ids}


def with_ids_of(scores: Mapping[str, Scores], other: Mapping[str, Scores]) -> dict[str, Scores]:
    """The scores with the other side's lists of ids where they are equal, as those of one plan are: of a million items
    they are most of what a side holds, and are held once then."""
    return {
        name: replace(one, ids=other[name].ids) if name in other and one.ids == other[name].ids else one
        for name, one in scores.items()
    }


def _is_variant(line: Mapping[str, Any]) -> bool:
    """A question that `--holistic` changed: not one of the benchmark's own."""
    return "perturbation" in ((line.get("sample") or {}).get("extra") or {})


def numbered_lines(path: Path) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """(line number, byte where it starts, object) of each result of a journal. UserError names a line that is none."""
    for number, place, line in placed_lines(path):
        if {type(line.get("benchmark")), type(line.get("id")), type(line.get("status"))} != _TEXT:
            raise damaged_line(path, number, "is damaged (it has no benchmark, id and status)")
        yield number, place, line


def lines_at(path: Path, places: Sequence[int]) -> list[dict[str, Any]]:
    """The objects on the lines that start at these bytes."""
    with path.open("rb") as file:
        found = []
        for place in places:
            file.seek(place)
            found.append(loads(file.readline()))
    return found
