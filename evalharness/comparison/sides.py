"""What a report says of the two sides of a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from evalharness.comparison.inputs import Side
from evalharness.runs.manifest import GitState

SAME_RUN = "NEW is the very run that BASE was made of: nothing was asked anew, so no change can show"


@dataclass(frozen=True, slots=True, kw_only=True)
class SideUsage:
    """What the compared benchmarks of a side took together."""

    seconds: float
    tokens_in: float
    tokens_out: float
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedSide:
    """What a report says of a side."""

    name: str
    kind: Literal["run", "baseline"]
    model: str | None
    fingerprint: str | None
    created: str | None
    git: GitState | None
    usage: SideUsage | None


def compared_side(side: Side, benchmarks: list[str]) -> ComparedSide:
    """What a report says of a side, usage summed over the benchmarks."""
    manifest = side.manifest
    usage = [used for name, used in (manifest.usage or {}).items() if name in benchmarks]
    total = SideUsage(
        seconds=sum(used.seconds or 0 for used in usage),
        tokens_in=sum(used.tokens_in or 0 for used in usage),
        tokens_out=sum(used.tokens_out or 0 for used in usage),
        cost=sum(used.cost or 0 for used in usage),
    )
    return ComparedSide(
        name=side.name,
        kind="baseline" if side.journal is None else "run",
        model=manifest.model.name,
        fingerprint=manifest.model.fingerprint,
        created=manifest.created,
        git=manifest.git,
        usage=total if usage else None,
    )


def _same_run(base: Side, new: Side) -> bool:
    """Whether one run is on both sides, as itself or as the baseline that was made of it."""
    one, other = base.manifest, new.manifest
    known = one.name is not None and one.created is not None
    same = (one.name, one.created, one.model.fingerprint) == (other.name, other.created, other.model.fingerprint)
    return known and same and base.summary.benchmarks.keys() == new.summary.benchmarks.keys()


def side_notes(base: Side, new: Side) -> tuple[str, ...]:
    """What a reader must know of the two sides, a line each."""
    found = []
    prints = [side.manifest.model.fingerprint for side in (base, new)]
    if _same_run(base, new):
        found.append(SAME_RUN)
    elif prints[0] is not None and prints[0] == prints[1]:
        found.append("both sides are the same model (same fingerprint)")
    for word, side in (("BASE", base), ("NEW", new)):
        if side.rescored_from is not None:
            scored, read = side.rescored_from
            found.append(
                f"{word} was scored by version {scored} of the rules and read by version {read}; its answers were "
                "scored again"
            )
        stopped = [name for name in side.facts if side.stopped_early(name)]
        if stopped:
            found.append(
                f"{word} was stopped early on {', '.join(stopped)}: that interval is not corrected for stopping"
            )
    return tuple(found)
