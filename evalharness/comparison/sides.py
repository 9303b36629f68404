"""What a report says of the two sides of a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from evalharness.comparison.inputs import Side
from evalharness.runs.manifest import GitState


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
