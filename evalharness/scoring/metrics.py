"""Figures over a run: each takes the run's results and gives a value with its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from evalharness.records import Estimate, Result
from evalharness.scoring.columns import STANDINGS, STATUS_CODES, ScoreColumns, columns_of
from evalharness.stats.intervals import bounded_mean, mean_interval, stratified, wilson

OfColumns = Callable[[ScoreColumns], Estimate | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A named figure. `of` gets the results that count (no errors) and returns None where the figure has no meaning.

    `of_columns` is the same from arrays, None for a figure that needs more of a result than those hold. `score` names
    the per-answer score that it is a mean of, None where it is no mean.
    """

    name: str
    of: Callable[[Sequence[Result]], Estimate | None]
    of_columns: OfColumns | None = None
    score: str | None = None
    higher_is_better: bool = True


def over_columns(name: str, of: OfColumns, score: str | None = None, higher_is_better: bool = True) -> Metric:
    """The metric that a figure over columns is."""
    return Metric(
        name=name, of=lambda results: of(columns_of(results)), of_columns=of, score=score,
        higher_is_better=higher_is_better,
    )  # fmt: skip


def per_item(results: Iterable[Result], score: str) -> list[float]:
    """One value per sample: the mean of a named score over its repeats. A result without it counts as 0."""
    return columns_of(results).per_item(score)


def average(values: Sequence[float]) -> Estimate | None:
    """Mean with a 95 % interval: Wilson for 0 and 1 alone, `bounded_mean` in [0, 1], Student's t otherwise."""
    if not values:
        return None
    if all(v in (0.0, 1.0) for v in values):
        return wilson(int(sum(values)), len(values))
    return bounded_mean(values) if min(values) >= 0.0 and max(values) <= 1.0 else mean_interval(values)


def mean(score: str = "accuracy", name: str | None = None) -> Metric:
    """The mean of a score over samples (micro average)."""
    return over_columns(name or score, lambda columns: average(columns.per_item(score)), score)


def mean_where(score: str, name: str | None = None) -> Metric:
    """The mean of a score over the samples that have it; no figure where none has, as in another mode."""
    return over_columns(name or score, lambda columns: average(columns.having(score).per_item(score)), score)


def pass_at(k: int, score: str = "accuracy", name: str | None = None) -> Metric:
    """The chance that one of k answers is right (Chen et al. 2021, https://arxiv.org/abs/2107.03374, equation 1).

    Unbiased, per problem 1 - C(n - c, k) / C(n, k) for c right of n answers; standard error over problems. No figure
    where a problem has fewer than k answers.
    """

    def of(columns: ScoreColumns) -> Estimate | None:
        answers = columns.answers(score)
        if not answers or min(map(len, answers)) < k:
            return None
        values = []
        for found in answers:
            n, right = len(found), sum(value == 1.0 for value in found)
            values.append(1.0 - math.comb(n - right, k) / math.comb(n, k))
        return average(values)

    return over_columns(name or f"pass@{k}", of, score if k == 1 else None)


def by_group(
    results: Iterable[Result], group: Callable[[Result], str] = attrgetter("sample.group")
) -> dict[str, list[Result]]:
    """The results of each group, groups in alphabetical order."""
    ordered = sorted(results, key=group)
    return {name: list(members) for name, members in groupby(ordered, key=group)}


def macro(score: str = "accuracy", name: str | None = None) -> Metric:
    """The mean over groups of each group's mean, with the standard error of a stratified sample."""

    def of(columns: ScoreColumns) -> Estimate | None:
        return stratified([members.per_item(score) for _, members in columns.by_group()])

    return over_columns(name or f"{score}_macro", of, score)


def within(score: str, name: str, groups: frozenset[str]) -> Metric:
    """The mean of a score over the samples of some groups, such as one of MMLU's four categories."""
    return over_columns(name, lambda columns: average(columns.of_groups(groups).per_item(score)), score)


def ratio(part: str, whole: str, name: str) -> Metric:
    """The sum of one score over the sum of another, such as instructions followed of all instructions given.

    The parts of one sample are not independent: standard error and interval are those of a ratio of sums over samples.
    """

    def of(columns: ScoreColumns) -> Estimate | None:
        parts, wholes = columns.per_item(part), columns.per_item(whole)
        if math.fsum(wholes) == 0:
            return None
        return bounded_mean(parts, wholes)

    return over_columns(name, of)


def perplexity(score: str = "logprob", name: str = "perplexity") -> Metric:
    """exp of minus the mean of a log-probability per sample; the interval is that of the mean, turned over, and not
    below the 1 of a model that is sure of every word."""

    def of(columns: ScoreColumns) -> Estimate | None:
        values = columns.having(score).per_item(score)
        if not values:
            return None
        known = mean_interval(values)
        value, low, high = _exp(-known.value), -math.inf, math.inf
        if math.isfinite(known.low):
            low, high = _exp(-known.high), _exp(-known.low)
            low = max(1.0, low) if max(values) <= 0 else low
        return Estimate(value=value, stderr=value * known.stderr, low=low, high=high, n=known.n)

    return over_columns(name, of, higher_is_better=False)


def _exp(x: float) -> float:
    return math.exp(x) if x < 700 else math.inf


def standings(columns: ScoreColumns) -> dict[str, int]:
    """How many programs have each standing (`detail["standing"]`), the unscored last; empty where none ran."""
    found = {name: int((columns.standing == code).sum()) for code, name in enumerate(STANDINGS)}
    if not found["unscored"]:
        del found["unscored"]
    return found if any(found.values()) else {}


def counts(columns: ScoreColumns) -> dict[str, int]:
    """How many results have each status; `scored` only where any has it."""
    found = {status: int((columns.status == code).sum()) for status, code in STATUS_CODES.items()}
    return {status: n for status, n in found.items() if n or status != "scored"}
