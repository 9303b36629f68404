"""Whether two runs may be compared, and which item of one belongs to which of the other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evalharness.comparison.scores import STATUS_CODE, Scores
from evalharness.data.kept import to_json
from evalharness.errors import UserError, option_name
from evalharness.runs.manifest import BenchmarkFacts, SamplingFacts

# Field name for --allow-mismatch -> what it is about in the manifest's facts of a benchmark.
FIELDS: Mapping[str, Callable[[BenchmarkFacts], object]] = {
    "data": lambda facts: facts.data.sha256,
    "items": lambda facts: facts.items,
    "prompt": lambda facts: facts.prompt_sha256,
    "shots": lambda facts: facts.shots,
    "mode": lambda facts: facts.mode,
    "judge": lambda facts: facts.judge,
}
_HAIR = 1e-12  # beyond 0 or 1 by rounding
ALLOWABLE = ("benchmarks", *FIELDS, "sampling")
CHANGEABLE = ("prompt", "shots", "mode", "judge", "sampling")  # what a comparison may be about


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """A field in which the runs differ, as short text."""

    field: str
    base: str
    new: str

    def __str__(self) -> str:
        return f"{self.field} differs ({self.base} in BASE, {self.new} in NEW)"


def _short(value: object) -> str:
    """A fact in a few characters: hashes by their first eight."""
    text = "nothing" if value is None else str(value)
    if len(text) in (40, 64) and all(c in "0123456789abcdef" for c in text):
        return text[:8]
    return text if len(text) <= 60 else text[:59] + "…"


def mismatches(
    base: BenchmarkFacts, new: BenchmarkFacts, sampling: tuple[SamplingFacts | None, SamplingFacts | None]
) -> tuple[Mismatch, ...]:
    """Where the facts of one benchmark differ between two runs, in the order of FIELDS, sampling last.

    The data are the rows where both runs say those: another prompt over the same rows is another prompt alone.
    How answers were drawn, but for the seed: another seed is another draw from the same thing.
    """
    pairs = [(field, said(base), said(new)) for field, said in FIELDS.items()]
    rows = (base.data.rows_sha256, new.data.rows_sha256)
    if None not in rows:
        pairs[0] = ("data", *rows)
    if base.repeats != new.repeats and base.prompt_sha256 != new.prompt_sha256:  # each answer's request is hashed
        was, now = (f"answers to a question: {facts.repeats}" for facts in (base, new))
        pairs = [("prompt", was, now) if pair[0] == "prompt" else pair for pair in pairs]
    drawn = list(sampling)
    if None not in rows:  # runs of before do not say what a benchmark's own sampling was
        drawn = [_own(facts, one) for facts, one in zip((base, new), sampling, strict=True)]
    drawn = [replace(one or SamplingFacts(), seed=None, seeds=None) for one in drawn]
    pairs.append(("sampling", drawn[0], drawn[1]))
    return tuple(_mismatch(field, one, other) for field, one, other in pairs if one != other)


def _own(facts: BenchmarkFacts, common: SamplingFacts | None) -> SamplingFacts:
    """How the answers to one benchmark were drawn: by what is said of it, else of the run."""
    usual, own = common or SamplingFacts(), facts.sampling
    if own is None:
        return usual
    longest = usual.max_tokens if own.max_tokens is None else own.max_tokens
    return replace(usual, temperature=own.temperature, top_p=own.top_p, max_tokens=longest)


def _mismatch(field: str, base: object, new: object) -> Mismatch:
    one, other = _apart(to_json(base), to_json(new))
    return Mismatch(field=field, base=_short(one), new=_short(other))


def _apart(base: object, new: object) -> tuple[object, object]:
    """The parts of two settings that differ."""
    if not (isinstance(base, Mapping) and isinstance(new, Mapping)):
        return base, new
    names = [name for name in {**base, **new} if base.get(name) != new.get(name)]
    return ", ".join(f"{n} {base.get(n)}" for n in names), ", ".join(f"{n} {new.get(n)}" for n in names)


def overridden(clashes: Mapping[str, Sequence[Mismatch]], fields: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """The mismatches of each benchmark in its fields, as lines."""
    return tuple(f"{name}: {m}" for name, found in clashes.items() for m in found if m.field in fields[name])


def on_purpose(clashes: Mapping[str, Sequence[Mismatch]], fields: Collection[str]) -> Iterator[str]:
    """What differs on purpose, and what was meant to differ and does not."""
    for field in sorted(fields):
        found = [f"{name} ({m.base} → {m.new})" for name, ms in clashes.items() for m in ms if m.field == field]
        yield f"compared on purpose: {field} of {', '.join(found)}" if found else f"{field} is the same on both sides"


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """The items of both sides, in the order of their ids; arrays over items.

    `base` and `new` are values, NaN where that side has none; `at_base` and `at_new` positions in that side's
    arrays, -1 where the item is not there; the status codes are those of `error` there.
    """

    ids: list[str]
    base: NDArray[np.float64]
    new: NDArray[np.float64]
    at_base: NDArray[np.int64]
    at_new: NDArray[np.int64]
    base_status: NDArray[np.uint8]
    new_status: NDArray[np.uint8]
    groups: list[str]
    clusters: NDArray[np.int64] | None
    binary: bool

    @property
    def known(self) -> NDArray[np.bool_]:
        """The items with a value on both sides."""
        return ~(np.isnan(self.base) | np.isnan(self.new))


def has_range(joined: Joined) -> bool:
    """Whether no value lies outside [0, 1], so that 0 and 1 are the worst and the best that one could be."""
    return within_range(joined.base) and within_range(joined.new)


def within_range(values: NDArray[np.float64]) -> bool:
    """Whether none of these lies outside [0, 1]; those that are not known (NaN) do not."""
    return not np.any((values < -_HAIR) | (values > 1 + _HAIR))


def align_scores(base: Scores, new: Scores, *, common_only: bool, cluster: str | None = None) -> Joined:
    """Join by id. With `common_only` the items of one side alone are left out, else they are items without a value."""
    ids, at_base, at_new = _joined_places(base.ids, new.ids, common_only=common_only)
    names = _pick(at_base, at_new, np.array(base.group_names, object), base.groups, (new.group_names, new.groups))
    return Joined(
        ids=ids,
        base=np.where(at_base >= 0, base.values[at_base], np.nan),
        new=np.where(at_new >= 0, new.values[at_new], np.nan),
        at_base=at_base,
        at_new=at_new,
        base_status=np.where(at_base >= 0, base.status[at_base], STATUS_CODE["error"]),
        new_status=np.where(at_new >= 0, new.status[at_new], STATUS_CODE["error"]),
        groups=names,
        clusters=_clusters(base, new, at_base, at_new, cluster),
        binary=base.binary and new.binary,
    )


def _joined_places(
    base: list[str], new: list[str], *, common_only: bool
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """The ids of both sides in their order, and where each stands on either side, -1 where it does not.

    Runs of one plan have the same ids in one order: of a million, nothing is looked up then.
    """
    if base and base == new:
        ids, at_base, at_new = base, np.arange(len(base)), np.arange(len(base))
    else:
        there = {identity: position for position, identity in enumerate(new)}
        found = np.fromiter((there.pop(identity, -1) for identity in base), np.int64, len(base))
        if not np.any(found >= 0):
            raise UserError("they have no item in common")
        alone = [] if common_only else list(there)
        kept = np.flatnonzero(found >= 0) if common_only else np.arange(len(base))
        ids = [*(base[place] for place in kept.tolist()), *alone]
        at_base = np.concatenate([kept, np.full(len(alone), -1)])
        at_new = np.concatenate([found[kept], np.fromiter((there[i] for i in alone), np.int64, len(alone))])
    order = np.argsort(np.fromiter(ids, object, len(ids)), kind="stable")
    return [ids[place] for place in order.tolist()], at_base[order], at_new[order]


def _pick(
    at_base: NDArray[np.int64],
    at_new: NDArray[np.int64],
    base_names: NDArray[np.object_],
    base_codes: NDArray[np.int32],
    new: tuple[list[str], NDArray[np.int32]],
) -> list[str]:
    """The group of each item, from the side that has it."""
    new_names = np.array(new[0], object)
    found = np.where(at_base >= 0, base_names[base_codes[at_base]], new_names[new[1][at_new]])
    return list(found)


def _clusters(
    base: Scores, new: Scores, at_base: NDArray[np.int64], at_new: NDArray[np.int64], cluster: str | None
) -> NDArray[np.int64] | None:
    """The cluster of each item, from one side that knows it; an item which that side lacks stands alone."""
    if cluster is None:
        return None
    known, at = (new, at_new) if new.clusters is not None else (base, at_base)
    if known.clusters is None:
        raise UserError(f"{option_name('clusters', cluster)}: a baseline knows only the field group")
    alone = len(known.ids) + np.arange(len(at))
    return np.where(at >= 0, known.clusters[at].astype(np.int64), alone)
