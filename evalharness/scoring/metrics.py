"""Figures over a run: each takes the run's results and gives a value with its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from evalharness.records import Estimate, Result
from evalharness.stats.intervals import bounded_mean, mean_interval, stratified, wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A named figure. `of` gets the results that count (no errors) and returns None where the figure has no meaning.

    `score` names the per-answer score that it is a mean of, None where it is no mean.
    """

    name: str
    of: Callable[[Sequence[Result]], Estimate | None]
    score: str | None = None
    higher_is_better: bool = True


def per_item(results: Iterable[Result], score: str) -> list[float]:
    """One value per sample: the mean of a named score over its repeats. A result without it counts as 0."""
    ordered = sorted(results, key=lambda r: r.sample.id)
    values = []
    for _, repeats in groupby(ordered, key=lambda r: r.sample.id):
        found = [r.scores.get(score, 0.0) for r in repeats]
        values.append(sum(found) / len(found))
    return values


def average(values: Sequence[float]) -> Estimate | None:
    """Mean with a 95 % interval: Wilson for 0 and 1 alone, `bounded_mean` in [0, 1], Student's t otherwise."""
    if not values:
        return None
    if all(v in (0.0, 1.0) for v in values):
        return wilson(int(sum(values)), len(values))
    return bounded_mean(values) if min(values) >= 0.0 and max(values) <= 1.0 else mean_interval(values)


def mean(score: str = "accuracy", name: str | None = None) -> Metric:
    """The mean of a score over samples (micro average)."""
    return Metric(name=name or score, score=score, of=lambda results: average(per_item(results, score)))


def mean_where(score: str, name: str | None = None) -> Metric:
    """The mean of a score over the samples that have it; no figure where none has, as in another mode."""

    def of(results: Sequence[Result]) -> Estimate | None:
        return average(per_item([r for r in results if score in r.scores], score))

    return Metric(name=name or score, score=score, of=of)


def pass_at(k: int, score: str = "accuracy", name: str | None = None) -> Metric:
    """The chance that one of k answers is right (Chen et al. 2021, https://arxiv.org/abs/2107.03374, equation 1).

    Unbiased, per problem 1 - C(n - c, k) / C(n, k) for c right of n answers; standard error over problems. No figure
    where a problem has fewer than k answers.
    """

    def of(results: Sequence[Result]) -> Estimate | None:
        answers: dict[str, list[float]] = {}
        for result in results:
            answers.setdefault(result.sample.id, []).append(result.scores.get(score, 0.0))
        if not answers or min(map(len, answers.values())) < k:
            return None
        values = []
        for found in answers.values():
            n, right = len(found), sum(value == 1.0 for value in found)
            values.append(1.0 - math.comb(n - right, k) / math.comb(n, k))
        return average(values)

    return Metric(name=name or f"pass@{k}", score=score if k == 1 else None, of=of)


def by_group(
    results: Iterable[Result], group: Callable[[Result], str] = attrgetter("sample.group")
) -> dict[str, list[Result]]:
    """The results of each group, groups in alphabetical order."""
    ordered = sorted(results, key=group)
    return {name: list(members) for name, members in groupby(ordered, key=group)}


def macro(score: str = "accuracy", name: str | None = None) -> Metric:
    """The mean over groups of each group's mean, with the standard error of a stratified sample."""

    def of(results: Sequence[Result]) -> Estimate | None:
        return stratified([per_item(members, score) for members in by_group(results).values()])

    return Metric(name=name or f"{score}_macro", score=score, of=of)


def within(score: str, name: str, groups: frozenset[str]) -> Metric:
    """The mean of a score over the samples of some groups, such as one of MMLU's four categories."""

    def of(results: Sequence[Result]) -> Estimate | None:
        return average(per_item([r for r in results if r.sample.group in groups], score))

    return Metric(name=name, score=score, of=of)


def ratio(part: str, whole: str, name: str) -> Metric:
    """The sum of one score over the sum of another, such as instructions followed of all instructions given.

    The parts of one sample are not independent: standard error and interval are those of a ratio of sums over samples.
    """

    def of(results: Sequence[Result]) -> Estimate | None:
        parts, wholes = per_item(results, part), per_item(results, whole)
        if math.fsum(wholes) == 0:
            return None
        return bounded_mean(parts, wholes)

    return Metric(name=name, of=of)


def perplexity(score: str = "logprob", name: str = "perplexity") -> Metric:
    """exp of minus the mean of a log-probability per sample; the interval is that of the mean, turned over, and not
    below the 1 of a model that is sure of every word."""

    def of(results: Sequence[Result]) -> Estimate | None:
        values = per_item([r for r in results if score in r.scores], score)
        if not values:
            return None
        known = mean_interval(values)
        value, low, high = _exp(-known.value), -math.inf, math.inf
        if math.isfinite(known.low):
            low, high = _exp(-known.high), _exp(-known.low)
            low = max(1.0, low) if max(values) <= 0 else low
        return Estimate(value=value, stderr=value * known.stderr, low=low, high=high, n=known.n)

    return Metric(name=name, of=of, higher_is_better=False)


def _exp(x: float) -> float:
    return math.exp(x) if x < 700 else math.inf


STANDINGS = ("confirmed", "unconfirmable", "suspect", "failed")


def standings(results: Iterable[Result]) -> dict[str, int]:
    """How many programs have each standing (`detail["standing"]`), the unscored last; empty where none ran."""
    found = dict.fromkeys((*STANDINGS, "unscored"), 0)
    for result in results:
        standing = "unscored" if "unscored" in result.detail else result.detail.get("standing")
        if standing in found:
            found[standing] += 1
    if not found["unscored"]:
        del found["unscored"]
    return found if any(found.values()) else {}


def counts(results: Iterable[Result]) -> dict[str, int]:
    """How many results have each status."""
    found: dict[str, int] = {"correct": 0, "wrong": 0, "unparsed": 0, "truncated": 0, "refused": 0, "error": 0}
    for result in results:
        found[result.status] = found.get(result.status, 0) + 1
    return found
