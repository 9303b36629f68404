"""What `summary.json` says: the figures of every benchmark, as records. `runs.summary` makes them out of results."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from evalharness.data.typed import ALWAYS, Count, Kept
from evalharness.records import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEstimate(Kept):
    """An estimate as files hold it: what is not finite is None there."""

    value: float | None
    stderr: float | None = field(default=None, metadata=ALWAYS)
    low: float | None = field(default=None, metadata=ALWAYS)
    high: float | None = field(default=None, metadata=ALWAYS)
    n: Count

    @property
    def estimate(self) -> Estimate:
        """For computing with: None is not a number."""
        value, stderr, low, high = (
            math.nan if one is None else one for one in (self.value, self.stderr, self.low, self.high)
        )
        return Estimate(value=value, stderr=stderr, low=low, high=high, n=self.n)


def kept_estimate(estimate: Estimate) -> KeptEstimate:
    """An estimate as files hold it."""
    value, stderr, low, high = (
        one if math.isfinite(one) else None for one in (estimate.value, estimate.stderr, estimate.low, estimate.high)
    )
    return KeptEstimate(value=value, stderr=stderr, low=low, high=high, n=estimate.n)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds(Kept):
    """The headline if every answer that could not be read were worth 0, and if it were worth 1."""

    low: float | None = field(default=None, metadata=ALWAYS)
    high: float | None = field(default=None, metadata=ALWAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCounts(Kept):
    """Tokens read and written, and prompts that were cut to fit."""

    read: Count = field(default=0, metadata={**ALWAYS, "key": "in"})
    wrote: Count = field(default=0, metadata={**ALWAYS, "key": "out"})
    cut: Count = field(default=0, metadata=ALWAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelAgreement(Kept):
    """What the members of a panel say alone, the panel without each, and how far each pair of them agrees."""

    members: Mapping[str, float | None]
    without: Mapping[str, float | None]
    kappa: Mapping[str, float | None]
    split: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgment(Kept):
    """What one judging says of a benchmark's answers."""

    score: str | None = field(default=None, metadata=ALWAYS)  # version 0.1.0 did not say it
    metrics: Mapping[str, KeptEstimate]
    answers: Count
    without_verdict: Count
    verdicts: Mapping[str, Count]
    labels: Mapping[str, Count] = field(default_factory=dict, metadata=ALWAYS)
    same_winner_in_both_orders: KeptEstimate | None = None
    panel: PanelAgreement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSummary(Kept):
    """The figures of one benchmark. `headline` names the first of `metrics`; `counts` are of answers by status,
    `programs` of those that are programs by standing; `holistic` are HELM's, `judged` by judging."""

    mode: str | None = field(default=None, metadata=ALWAYS)
    n: Count = field(default=0, metadata=ALWAYS)
    headline: str | None = field(default=None, metadata=ALWAYS)
    chance: float | None = field(default=None, metadata=ALWAYS)
    metrics: Mapping[str, KeptEstimate]
    groups: Mapping[str, KeptEstimate] = field(default_factory=dict, metadata=ALWAYS)
    counts: Mapping[str, Count]
    programs: Mapping[str, Count] = field(default_factory=dict)
    bounds: Bounds | None = field(default=None, metadata=ALWAYS)
    missing: int = field(default=0, metadata=ALWAYS)
    tokens: TokenCounts | None = field(default=None, metadata=ALWAYS)
    holistic: Mapping[str, KeptEstimate] = field(default_factory=dict)
    judged: Mapping[str, Judgment] = field(default_factory=dict)
    cautions: tuple[str, ...] = ()

    @property
    def headline_figure(self) -> KeptEstimate | None:
        """The figure that the headline names."""
        return self.metrics.get(self.headline or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary(Kept):
    """`summary.json`: nothing in it depends on the clock. `averages` are those that families define of their tasks."""

    benchmarks: Mapping[str, TaskSummary]
    averages: Mapping[str, Mapping[str, KeptEstimate]] = field(default_factory=dict)
