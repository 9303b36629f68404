"""What figures need of many results, as arrays: a million results take tens of bytes each, not thousands.

`ColumnWriter` takes results one by one and keeps the numbers; `ScoreColumns` are the arrays that metrics read.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import chain, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from evalharness.records import STATUSES, Result, Status
from evalharness.scoring.judged_columns import JudgedColumns, JudgedWriter, keep_judgings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STATUS_CODES: Mapping[Status, int] = {status: code for code, status in enumerate(STATUSES)}
_NAN = float("nan")
_NO_ARRAYS = ("group_names", "scores", "judgings")
_WIDEST = 64  # bytes of an id that is held in an array of one width
STANDINGS = ("confirmed", "unconfirmable", "suspect", "failed", "unscored")  # of programs


def _mean(values: Sequence[float]) -> float:
    """The sum over the number of values."""
    return sum(values) / len(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreColumns:
    """Results in the order of their sample's id, one value each in every array.

    `items` has the same number for the same id, ascending; `groups` codes into `group_names`, which are in alphabetical
    order; `status` codes of STATUS_CODES; `standing` the place in STANDINGS, -1 for what is no program. `scores` are
    NaN where a result lacks the score, `cost` (US dollars) where it is not known. `lost` marks what a record of answers
    has no answer to, `variant` changed questions (`--holistic`). `picked` and `right` are the places of the letter
    answered and of one that is right, -1 where no letter is answered. `judgings` are what judges said, by their names.
    """

    items: NDArray[np.int64]
    groups: NDArray[np.int64]
    group_names: tuple[str, ...]
    status: NDArray[np.uint8]
    standing: NDArray[np.int8]
    lost: NDArray[np.bool_]
    variant: NDArray[np.bool_]
    picked: NDArray[np.int8]
    right: NDArray[np.int8]
    tokens_in: NDArray[np.int64]
    tokens_out: NDArray[np.int64]
    truncated: NDArray[np.bool_]
    seconds: NDArray[np.float64]
    cost: NDArray[np.float64]
    scores: Mapping[str, NDArray[np.float64]]
    judgings: Mapping[str, JudgedColumns] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def samples(self) -> int:
        """How many different samples there are."""
        import numpy as np

        return int(np.count_nonzero(np.diff(self.items))) + 1 if len(self.items) else 0

    def where(self, chosen: NDArray[Any]) -> ScoreColumns:
        """The results that a mask, or ascending positions, choose; these themselves where a mask chooses all."""
        if chosen.dtype == bool and chosen.all():
            return self
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _NO_ARRAYS}
        return replace(
            self,
            **{name: values[chosen] for name, values in arrays.items()},
            scores={name: values[chosen] for name, values in self.scores.items()},
            judgings={name: judged.where(chosen) for name, judged in self.judgings.items()},
        )

    @property
    def known_costs(self) -> list[float]:
        """US dollars of each answer whose cost is known."""
        import numpy as np

        known: list[float] = self.cost[~np.isnan(self.cost)].tolist()
        return known

    def having(self, score: str) -> ScoreColumns:
        """The results that have a score."""
        import numpy as np

        if score not in self.scores:
            return self.where(np.zeros(len(self), bool))
        return self.where(~np.isnan(self.scores[score]))

    def of_groups(self, names: frozenset[str]) -> ScoreColumns:
        """The results of these groups."""
        import numpy as np

        return self.where(np.isin(self.groups, [code for code, name in enumerate(self.group_names) if name in names]))

    def has_status(self, *statuses: Status) -> NDArray[np.bool_]:
        """A mask of the results with one of these statuses."""
        import numpy as np

        return np.isin(self.status, [STATUS_CODES[status] for status in statuses])

    def by_group(self) -> Iterator[tuple[str, ScoreColumns]]:
        """The results of each group that has any, groups in alphabetical order."""
        import numpy as np

        order = np.argsort(self.groups, kind="stable")
        ends = np.flatnonzero(np.diff(self.groups[order])) + 1
        for members in np.split(order, ends) if len(order) else ():
            yield self.group_names[self.groups[members[0]]], self.where(members)

    def supposing(self, score: str, worth: float, chosen: NDArray[np.bool_]) -> ScoreColumns:
        """As if the chosen results had this score, and no other."""
        import numpy as np

        before = {score: np.full(len(self), np.nan), **self.scores}
        scores = {name: np.where(chosen, worth if name == score else np.nan, was) for name, was in before.items()}
        return replace(self, scores=scores)

    def answers(self, score: str) -> list[list[float]]:
        """A score's values, sample by sample: one for each of its answers, 0 where one lacks the score."""
        pairs = zip(self.items.tolist(), self._values(score), strict=True)
        return [[value for _, value in found] for _, found in groupby(pairs, itemgetter(0))]

    def per_item(self, score: str, mean: Callable[[Sequence[float]], float] = _mean) -> list[float]:
        """One value per sample: the mean of a score over its answers. An answer without it counts as 0."""
        if self.samples == len(self):
            return self._values(score)
        return [mean(found) for found in self.answers(score)]

    def _values(self, score: str) -> list[float]:
        import numpy as np

        if score not in self.scores:
            return [0.0] * len(self)
        values: list[float] = (np.nan_to_num(self.scores[score], nan=0.0, posinf=np.inf, neginf=-np.inf) + 0.0).tolist()
        return values


def _letters(result: Result) -> tuple[int, int]:
    """The place of the letter that was picked and of one that is right (the picked one where it is); -1 without."""
    choices, answer = len(result.sample.choices), result.answer or ""
    right = [i for i in result.sample.gold_indices if i < min(choices, 26)]
    place = ord(answer) - ord("A") if len(answer) == 1 and "A" <= answer <= "Z" else -1
    if not right or not 0 <= place < choices:
        return -1, -1
    return place, place if place in right else right[0]


@dataclass(slots=True)
class ColumnWriter:
    """Results as they come, columns of plain numbers."""

    ids: bytearray = field(default_factory=bytearray)  # one after the other, in UTF-8
    ends: array[int] = field(default_factory=lambda: array("q"))
    repeats: array[int] = field(default_factory=lambda: array("i"))
    groups: array[int] = field(default_factory=lambda: array("i"))
    status: array[int] = field(default_factory=lambda: array("B"))
    standing: array[int] = field(default_factory=lambda: array("b"))
    flags: array[int] = field(default_factory=lambda: array("B"))
    picked: array[int] = field(default_factory=lambda: array("b"))
    right: array[int] = field(default_factory=lambda: array("b"))
    tokens_in: array[int] = field(default_factory=lambda: array("q"))
    tokens_out: array[int] = field(default_factory=lambda: array("q"))
    seconds: array[float] = field(default_factory=lambda: array("d"))
    cost: array[float] = field(default_factory=lambda: array("d"))
    scores: dict[str, array[float]] = field(default_factory=dict)
    group_codes: dict[str, int] = field(default_factory=dict)
    judgings: dict[str, JudgedWriter] = field(default_factory=dict)

    def add(self, result: Result) -> None:
        """Keep what counts of a result."""
        sample, response, detail = result.sample, result.response, result.detail
        self.ids += sample.id.encode("utf-8", "surrogatepass")
        self.ends.append(len(self.ids))
        self.repeats.append(result.repeat)
        self.groups.append(self.group_codes.setdefault(sample.group, len(self.group_codes)))
        self.status.append(STATUS_CODES[result.status])
        standing = "unscored" if "unscored" in detail else detail.get("standing")
        self.standing.append(STANDINGS.index(standing) if standing in STANDINGS else -1)
        self.flags.append(
            response.error.startswith("unanswered:")
            | (("perturbation" in sample.extra) << 1)
            | ((response.tokens_truncated > 0) << 2)
        )
        picked, right = _letters(result)
        self.picked.append(picked)
        self.right.append(right)
        self.tokens_in.append(response.tokens_in)
        self.tokens_out.append(response.tokens_out)
        self.seconds.append(response.seconds)
        self.cost.append(_NAN if response.cost is None else response.cost)
        for name, value in result.scores.items():
            if name not in self.scores:
                self.scores[name] = array("d")
            column = self.scores[name]
            if missing := len(self.ends) - 1 - len(column):
                column.extend([_NAN] * missing)
            column.append(value)
        if "judged" in detail:
            keep_judgings(self.judgings, len(self.ends) - 1, result)

    def columns(self, *, last: bool) -> ScoreColumns:
        """The arrays, results in the order of id; those of one id in the order of their repeat, and of each repeat the
        last alone, where `last` is wanted, else as they came."""
        import numpy as np

        n, order, items = self._sorted()
        if last and n:
            repeats = np.array(self.repeats, np.int64)[order]
            inner = np.lexsort((np.arange(n), repeats, items))
            repeats, sorted_items = repeats[inner], items[inner]
            ends = np.ones(n, bool)
            ends[:-1] = (np.diff(sorted_items) != 0) | (np.diff(repeats) != 0)
            order, items = order[inner][ends], sorted_items[ends]
        names = sorted(self.group_codes)
        rank = {name: place for place, name in enumerate(names)}
        places = np.array([rank[name] for name in self.group_codes], np.int64)
        flags = np.array(self.flags, np.uint8)[order]
        return ScoreColumns(
            items=items,
            groups=places[np.array(self.groups, np.int64)[order]],
            group_names=tuple(names),
            status=np.array(self.status, np.uint8)[order],
            standing=np.array(self.standing, np.int8)[order],
            lost=(flags & 1) > 0,
            variant=(flags & 2) > 0,
            truncated=(flags & 4) > 0,
            picked=np.array(self.picked, np.int8)[order],
            right=np.array(self.right, np.int8)[order],
            tokens_in=np.array(self.tokens_in, np.int64)[order],
            tokens_out=np.array(self.tokens_out, np.int64)[order],
            seconds=np.array(self.seconds, np.float64)[order],
            cost=np.array(self.cost, np.float64)[order],
            scores={name: _filled(column, n)[order] for name, column in self.scores.items()},
            judgings={name: judged.columns(n).where(order) for name, judged in self.judgings.items()},
        )

    def _sorted(self) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
        """How many results there are, their places in the order of id, and the number of each one's id there."""
        import numpy as np

        n = len(self.ends)
        found = self._ids()
        order = np.argsort(found, kind="stable").astype(np.int64)
        items = np.zeros(n, np.int64)
        items[1:] = np.cumsum(found[order[1:]] != found[order[:-1]])
        return n, order, items

    def _ids(self) -> NDArray[Any]:
        """The ids as values that sort as the texts do, which those of UTF-8 are: all of one width where none is long,
        and none ends in the zeros that fill such a width."""
        import numpy as np

        begins = chain((0,), self.ends)
        each = (bytes(self.ids[begin:end]) for begin, end in zip(begins, self.ends, strict=False))
        longest = int(np.max(np.diff(np.array(self.ends, np.int64), prepend=0), initial=1))
        if longest <= _WIDEST and 0 not in self.ids:
            return np.fromiter(each, np.dtype(f"S{longest}"), len(self.ends))
        return np.array([*each, None], object)[:-1]


def _filled(column: array[float], n: int) -> NDArray[np.float64]:
    """A column of n values, those that it lacks at its end as NaN."""
    import numpy as np

    return np.concatenate([np.array(column, np.float64), np.full(n - len(column), np.nan)])


def columns_of(results: Iterable[Result], *, last: bool = False) -> ScoreColumns:
    """The results as arrays; see `ColumnWriter.columns`."""
    writer = ColumnWriter()
    for result in results:
        writer.add(result)
    return writer.columns(last=last)
