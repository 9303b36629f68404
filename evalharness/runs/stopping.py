"""Contract: what may end a benchmark before all its questions are asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from evalharness.records import Result
from evalharness.runs.manifest import SequentialFacts


class StoppingRule(Protocol):
    """May end a benchmark before all its questions are asked. Told of each result; True means enough."""

    def __call__(self, result: Result) -> bool: ...

    def rank(self, benchmark: str) -> Mapping[str, int] | None:
        """The place of each item in the order to ask; None where this benchmark is asked whole."""
        ...

    def over(self, benchmark: str) -> bool:
        """Nothing more need be asked of it."""
        ...

    def facts(self) -> SequentialFacts:
        """What the manifest keeps of it."""
        ...
