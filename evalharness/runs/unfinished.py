"""How far a run has come that is not finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evalharness.records import STATUSES
from evalharness.runs.index import index_of
from evalharness.runs.store import Run


@dataclass(frozen=True, kw_only=True)
class UnfinishedRun:
    """How far a run has come: answers that are there and that are wanted, by benchmark, and all of them by status."""

    run: str
    answered: Mapping[str, int]
    wanted: Mapping[str, int]
    counts: Mapping[str, int]


def unfinished_run(found: Run) -> UnfinishedRun:
    """What there is of a run that is not finished. UserError where its journal is damaged."""
    index, facts = index_of(found), found.manifest.benchmarks
    counts = {status: len(index.having(status)) for status in STATUSES}
    return UnfinishedRun(
        run=str(found.path),
        answered={name: index.count(name) for name in facts},
        wanted={name: one.items * one.repeats for name, one in facts.items()},
        counts={status: count for status, count in counts.items() if count},
    )
