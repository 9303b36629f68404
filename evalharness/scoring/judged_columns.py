"""What judges said of many answers, as arrays: beside the columns of `scoring.columns`, in the same order.

`JudgedWriter` takes what each result notes of one judging; `JudgedColumns` are the arrays that its figures are made of.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from evalharness.records import Result

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NAN = float("nan")
_NOTED = frozenset({"score", "value", "consistent", "members"})
Reply = tuple[str, str | None]  # a verdict's status, and its label where it has a value


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedColumns:
    """One judging of results, one value for each of them in every array.

    `score` is the figure that it makes. `noted` marks the results that it has seen, `value` is NaN where it has none,
    `consistent` -1 where there are no two orders; `members` has the value of each seat, NaN where that has none.
    `replies` has the place in `kinds` of what its verdicts (those of a retest apart) were.
    """

    score: str
    seats: tuple[str, ...]
    noted: NDArray[np.bool_]
    value: NDArray[np.float64]
    consistent: NDArray[np.int8]
    replies: NDArray[np.int64]
    kinds: tuple[tuple[Reply, ...], ...]
    members: Mapping[str, NDArray[np.float64]]

    def where(self, chosen: NDArray[Any]) -> JudgedColumns:
        """Of the results that a mask, or positions, choose."""
        return replace(
            self,
            noted=self.noted[chosen],
            value=self.value[chosen],
            consistent=self.consistent[chosen],
            replies=self.replies[chosen],
            members={seat: values[chosen] for seat, values in self.members.items()},
        )


@dataclass(slots=True)
class JudgedWriter:
    """What results note of one judging, as they come; `rows` are their numbers among all results."""

    score: str
    seats: tuple[str, ...]
    rows: array[int] = field(default_factory=lambda: array("q"))
    value: array[float] = field(default_factory=lambda: array("d"))
    consistent: array[int] = field(default_factory=lambda: array("b"))
    replies: array[int] = field(default_factory=lambda: array("i"))
    kinds: dict[tuple[Reply, ...], int] = field(default_factory=dict)
    members: dict[str, array[float]] = field(default_factory=dict)

    def add(self, row: int, note: Mapping[str, Any], replies: tuple[Reply, ...]) -> None:
        """Keep what the result with this number notes, and what the verdicts were."""
        for seat, value in note["members"].items():
            column = self.members.setdefault(seat, array("d"))
            column.extend([_NAN] * (len(self.rows) - len(column)))
            column.append(_number(value))
        self.rows.append(row)
        self.value.append(_number(note["value"]))
        self.consistent.append(-1 if note["consistent"] is None else bool(note["consistent"]))
        self.replies.append(self.kinds.setdefault(replies, len(self.kinds)))

    def columns(self, count: int) -> JudgedColumns:
        """The arrays of so many results, in the order of their numbers."""
        import numpy as np

        rows = np.array(self.rows, np.int64)

        def spread(values: Sequence[float], kind: Any, without: float) -> NDArray[Any]:
            made = np.full(count, without, kind)
            made[rows[: len(values)]] = np.array(values, kind)
            return made

        return JudgedColumns(
            score=self.score,
            seats=self.seats,
            noted=spread([1] * len(rows), bool, 0),
            value=spread(self.value, np.float64, _NAN),
            consistent=spread(self.consistent, np.int8, -1),
            replies=spread(self.replies, np.int64, -1),
            kinds=tuple(self.kinds),
            members={seat: spread(values, np.float64, _NAN) for seat, values in self.members.items()},
        )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else _NAN


def keep_judgings(writers: dict[str, JudgedWriter], row: int, result: Result) -> None:
    """Keep what a result notes of its judgings, by their names. What is not as we write it is passed over."""
    noted = result.detail.get("judged")
    for name, note in noted.items() if isinstance(noted, dict) else ():
        if isinstance(note, dict) and note.keys() >= _NOTED and isinstance(note["members"], dict):
            if name not in writers:
                writers[name] = JudgedWriter(score=note["score"], seats=tuple(sorted(note["members"])))
            said = (v for v in result.verdicts if v.extra.get("judging") == name and not v.extra.get("retest"))
            replies = tuple((v.status, None if v.value is None else v.label) for v in said)
            writers[name].add(row, note, replies)
