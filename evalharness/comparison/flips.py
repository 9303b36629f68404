"""The items that changed sides: what broke, what got fixed, where they concentrate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalharness.comparison.align import Joined
from evalharness.comparison.scores import natural
from evalharness.records import STATUSES
from evalharness.scoring.answers import LETTERS
from evalharness.stats.paired import benjamini_hochberg

_Change = Literal["broke", "fixed"]
TEXT_LIMIT = 2000
SLICE_LEAST = 5  # items below which a slice says nothing
SLICES_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A part of the items: how many flipped there.

    `p` (exact, one-sided, Benjamini-Hochberg adjusted over the slices of one field) asks whether what broke
    concentrates in it: for exploring, it decides nothing.
    """

    field: str
    value: str
    n: int
    fixed: int
    broke: int
    difference: float
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FlippedItem:
    """One item that changed sides, with the texts of both sides where their runs are at hand."""

    id: str
    group: str
    change: _Change
    base: float
    new: float
    base_status: str
    new_status: str
    flaky: bool = False
    question: str = ""
    gold: str = ""
    base_answer: str = ""
    new_answer: str = ""
    base_text: str = ""
    new_text: str = ""
    base_reason: str = ""
    new_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flips:
    """Positions in the joined items of what broke and what got fixed, the largest change first."""

    broke: NDArray[np.int64]
    fixed: NDArray[np.int64]


def flips(joined: Joined) -> Flips:
    """The items whose value crosses one half."""
    known = joined.known
    before, after = joined.base > 0.5, joined.new > 0.5
    size = np.abs(joined.new - joined.base)

    def largest_first(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        positions = np.flatnonzero(mask & known).tolist()
        ordered = sorted(positions, key=lambda i: (-size[i], natural(joined.ids[i])))
        return np.array(ordered, np.int64)

    return Flips(broke=largest_first(before & ~after), fixed=largest_first(after & ~before))


def slices(joined: Joined, found: Flips, lengths: NDArray[np.int32]) -> tuple[Slice, ...]:
    """By group, and by the length of the question in four bands, where those are known."""
    sliced: list[Slice] = []
    if len(names := sorted(set(joined.groups))) > 1:
        number = {name: code for code, name in enumerate(names)}
        codes = np.fromiter((number[group] for group in joined.groups), np.int64, len(joined.groups))
        sliced += _by("group", names, codes, joined, found)
    measured = lengths >= 0
    if measured.any() and len(np.unique(lengths[measured])) >= 8:
        edges = np.quantile(lengths[measured], (0.25, 0.5, 0.75)).astype(int)
        bounds = [0, *edges.tolist(), int(lengths.max())]
        names = [f"{low:,} to {high:,} characters" for low, high in pairwise(bounds)]
        sliced += _by("question length", names, np.searchsorted(edges, lengths, side="left"), joined, found)
    return tuple(sliced)


def _by(field: str, names: Sequence[str], codes: NDArray[np.int64], joined: Joined, found: Flips) -> list[Slice]:
    from scipy.stats import hypergeom

    known, size = joined.known, len(names)
    n = np.bincount(codes[known], minlength=size)
    broke, fixed = (np.bincount(codes[part], minlength=size) for part in (found.broke, found.fixed))
    total = np.bincount(codes[known], weights=(joined.new - joined.base)[known], minlength=size)
    large = np.flatnonzero(n >= SLICE_LEAST)
    p = hypergeom.sf(broke[large] - 1, int(n.sum()), int(broke.sum()), n[large])
    adjusted = benjamini_hochberg(np.clip(p, 0, 1).tolist())
    every = [
        Slice(
            field=field,
            value=names[code],
            n=int(n[code]),
            fixed=int(fixed[code]),
            broke=int(broke[code]),
            difference=float(total[code] / n[code]),
            p=adjusted[position],
        )
        for position, code in enumerate(large.tolist())
    ]
    changed = [one for one in every if one.broke or one.fixed]
    return sorted(changed, key=lambda one: (one.p, one.difference, one.value))[:SLICES_SHOWN]


def transitions(joined: Joined, found: Flips) -> dict[str, int]:
    """How many flips went from which status to which: `correct → unparsed`."""
    both = np.concatenate([found.broke, found.fixed])
    pairs, counts = np.unique(np.stack([joined.base_status[both], joined.new_status[both]]), axis=1, return_counts=True)
    named = {f"{STATUSES[a]} → {STATUSES[b]}": int(count) for (a, b), count in zip(pairs.T, counts, strict=True)}
    return dict(sorted(named.items(), key=lambda pair: (-pair[1], pair[0])))


def flipped_items(
    positions: Iterable[int],
    change: _Change,
    joined: Joined,
    texts: tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]],
    flaky: frozenset[str],
) -> list[FlippedItem]:
    """The flipped items at these positions; `texts` are the journal's lines of the base and the new run for them."""
    return [
        _sample(position, change, joined, (before, after), flaky)
        for position, before, after in zip(positions, *texts, strict=True)
    ]


def _sample(
    position: int,
    change: _Change,
    joined: Joined,
    lines: tuple[Mapping[str, Any], Mapping[str, Any]],
    flaky: frozenset[str],
) -> FlippedItem:
    before, after = lines
    asked: Mapping[str, Any] = after.get("sample") or before.get("sample") or {}
    identity = joined.ids[position]
    return FlippedItem(
        id=identity,
        group=joined.groups[position],
        change=change,
        base=float(joined.base[position]),
        new=float(joined.new[position]),
        base_status=STATUSES[joined.base_status[position]],
        new_status=STATUSES[joined.new_status[position]],
        flaky=identity in flaky,
        question=_cut(asked.get("question")),
        gold=_cut(gold_text(asked)),
        base_answer=_cut(before.get("answer")),
        new_answer=_cut(after.get("answer")),
        base_text=_cut((before.get("response") or {}).get("text")),
        new_text=_cut((after.get("response") or {}).get("text")),
        base_reason=_cut(_reason(before)),
        new_reason=_cut(_reason(after)),
    )


def _cut(text: object) -> str:
    whole = "" if text is None else str(text)
    return whole if len(whole) <= TEXT_LIMIT else whole[: TEXT_LIMIT - 1] + "…"


def gold_text(sample: Mapping[str, Any]) -> str:
    """The right answer: letters of the right choices and their texts, else the first accepted answer."""
    choices = sample.get("choices") or []
    right = [i for i in sample.get("gold") or [] if isinstance(i, int) and 0 <= i < len(choices)]
    if right:
        return "; ".join(f"{LETTERS[i] if i < len(LETTERS) else i}. {choices[i]}" for i in right)
    answers = sample.get("answers") or []
    return str(answers[0]) if answers else ""


def _reason(line: Mapping[str, Any]) -> str:
    """What the judges wrote, where there were any."""
    return "\n".join(str(verdict.get("raw", "")) for verdict in line.get("verdicts") or [])
