"""Before a run: how many items, samples and dollars decide a comparison at a margin.

Paired designs are decided by how much single items change between two models, not by the score. That comes from earlier
runs: two runs of different models say it outright; one run that was asked again (`evalh flaky`) or has several answers
an item says how much is noise. With nothing at hand the table says what each share of flips would take.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalharness import plugins
from evalharness.comparison.align import align_scores, has_range
from evalharness.comparison.flips import flips
from evalharness.comparison.inputs import Side, open_side
from evalharness.comparison.scores import Scores
from evalharness.errors import UserError, nearest, option_name
from evalharness.stats.power import detectable, items_to_pass

_ASSUMED = (0.02, 0.05, 0.1, 0.2)  # shares of items that flip, either way
_SAMPLES = (1, 2, 4, 8)


@dataclass(frozen=True, kw_only=True)
class SizingRequest:
    """What is to be decided: a loss of `margin` (a share) at one-sided `alpha`, with 80 % power.

    `earlier` are runs or baselines to learn from, by name; `flips` a share of items to plan with in their place; prices
    in US dollars per million tokens.
    """

    benchmark: str
    margin: float = 0.02
    alpha: float = 0.05
    earlier: tuple[str, ...] = ()
    flips: float | None = None
    price_in: float | None = None
    price_out: float | None = None
    runs: Path = Path("runs")
    baselines: Path = Path("baselines")


@dataclass(frozen=True, kw_only=True)
class SizingRow:
    """One way it may be: `flips` is the share of items that change sides, `sd` the standard deviation of an item's
    difference. `items` pass with 80 % power if nothing changed, and show a loss of twice the margin as often; `answers`
    is items times samples, `cost` theirs in US dollars (None: not known)."""

    source: str
    samples: int
    flips: float | None
    sd: float
    items: int
    answers: int
    cost: float | None
    enough: bool | None


@dataclass(frozen=True, kw_only=True)
class Sizing:
    """How many items a comparison takes. `available` items are published, all of them show a loss of `detectable`."""

    benchmark: str
    margin: float
    alpha: float
    available: int | None
    detectable: float | None
    rows: tuple[SizingRow, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Spread:
    """The variance of an item's difference: what the models differ in, and what each further answer halves."""

    source: str
    between: float
    within: float = 0.0
    flips: float | None = None
    asked: int = 1  # answers an item that this was seen with

    def sd(self, samples: int) -> float:
        return math.sqrt(self.between + self.within / samples)


def size_comparison(request: SizingRequest) -> Sizing:
    """How many items, samples and dollars decide. UserError for a number that makes no sense, a benchmark that is not
    there, or runs that have none of it."""
    _check_numbers(request)
    sides = [open_side(name, request.runs, request.baselines) for name in request.earlier]
    names = [_named(side, request.benchmark) for side in sides]
    available = _available(request.benchmark, sides, names)
    spreads = list(_spreads(request, sides, names))
    each = _cost_each(request, sides, names)
    rows = [
        _row(spread, samples, request, available, each)
        for spread in spreads
        for samples in (_SAMPLES if spread.within else (spread.asked,))
    ]
    first = spreads[0]
    least = None if available is None else detectable(first.sd(first.asked), available, request.alpha)
    notes = tuple(_notes(sides, each))
    return Sizing(
        benchmark=request.benchmark, margin=request.margin, alpha=request.alpha, available=available,
        detectable=least if request.earlier or request.flips is not None else None, rows=tuple(rows), notes=notes,
    )  # fmt: skip


def _check_numbers(request: SizingRequest) -> None:
    bounds = (("margin", request.margin, 1.0), ("alpha", request.alpha, 0.5), ("flips", request.flips, 1.0))
    for name, value, top in bounds:
        if value is not None and not 0 < value < top:
            raise UserError(f"{option_name(name)} wants a share above 0 and below {top:g}; there is {value:g}")
    for name, price in (("price_in", request.price_in), ("price_out", request.price_out)):
        if price is not None and not (price >= 0 and math.isfinite(price)):
            raise UserError(f"{option_name(name)} wants US dollars per million tokens, 0 or more; there is {price:g}")
    if len(request.earlier) > 2:
        raise UserError(f"{option_name('from')} wants one run, or two to compare; there are {len(request.earlier)}")
    if request.flips is not None and request.earlier:
        raise UserError(f"{option_name('flips')} and {option_name('from')} say the same thing; give one of them")


def _named(side: Side, benchmark: str) -> str:
    """The benchmark as a run calls it."""
    found = [name for name in side.facts if benchmark in (name, name.removesuffix("@sample"))]
    if not found:
        raise UserError(f"{side.name} has no benchmark {benchmark!r}{nearest(benchmark, side.facts)}")
    return found[0]


def _available(benchmark: str, sides: Sequence[Side], names: Sequence[str]) -> int | None:
    """How many items the benchmark has."""
    try:
        published = plugins.load_benchmark(benchmark.removesuffix("@sample")).items
    except UserError:
        if not sides:
            raise
        published = None
    known = [side.facts[name].items_published or 0 for side, name in zip(sides, names, strict=True)]
    return published or max(known, default=0) or None


def _spreads(request: SizingRequest, sides: Sequence[Side], names: Sequence[str]) -> Iterator[_Spread]:
    if request.flips is not None or not sides:
        for share in (request.flips,) if request.flips is not None else _ASSUMED:
            yield _Spread(source="assumed", between=share, flips=share)
        return
    scores = [side.scores({name: side.item_metric(name)})[name] for side, name in zip(sides, names, strict=True)]
    if len(sides) == 2:
        yield _measured(scores, tuple(side.name for side in sides))
        return
    side, (found,) = sides[0], scores
    within = _within(found)
    if within is not None:
        yield _Spread(source=f"noise of {side.name}, answer by answer", between=0.0, within=2 * within)
    flaky = side.flaky.get(names[0])
    if flaky is not None:
        yield _Spread(source=f"noise of {side.name}, asked again", between=flaky.rate, flips=flaky.rate)
    worth = found.values[~np.isnan(found.values)]
    if not len(worth):
        raise UserError(f"no item of {names[0]} has a value in {side.name}")
    for share in _ASSUMED:
        yield _Spread(source="assumed", between=share, flips=share)
    spread = 2 * float(np.var(worth))
    yield _Spread(
        source="at most: answers that have nothing in common", between=spread, flips=spread if found.binary else None
    )


def _measured(scores: Sequence[Scores], names: Sequence[str]) -> _Spread:
    """The spread of the differences between two runs."""
    joined = align_scores(scores[0], scores[1], common_only=True)
    d = (joined.new - joined.base)[joined.known]
    if len(d) < 2:
        raise UserError(f"{' and '.join(names)} have fewer than two items in common that have a value")
    if not has_range(joined):
        raise UserError("the scores are not held to 0 … 1, so a margin that is a share says nothing of them")
    found, asked = flips(joined), int(min(one.answers.max() for one in scores))
    noise = [_within(one) for one in scores]
    within = sum(one for one in noise if one is not None) if None not in noise else 0.0
    share = (len(found.broke) + len(found.fixed)) / len(d)
    variance = float(np.var(d, ddof=1))
    between = max(0.0, variance - within / max(1, asked))
    return _Spread(
        source=f"measured: {names[0]} → {names[1]}", between=between, within=within, flips=share, asked=asked
    )


def _within(scores: Scores) -> float | None:
    """The variance of a single answer around its item's mean; None where items have one answer, or graded ones."""
    k, mean = scores.answers.astype(float), scores.values
    several = (k > 1) & ~np.isnan(mean)
    right = mean[several] * k[several]
    if not several.any() or not np.allclose(right, np.round(right), atol=1e-6):
        return None
    return float(np.mean(mean[several] * (1 - mean[several]) * k[several] / (k[several] - 1)))


def _row(spread: _Spread, samples: int, request: SizingRequest, available: int | None, each: float | None) -> SizingRow:
    sd = spread.sd(samples)
    items = items_to_pass(sd, request.margin, request.alpha)
    return SizingRow(
        source=spread.source, samples=samples, flips=spread.flips, sd=sd, items=items, answers=items * samples,
        cost=None if each is None else each * items * samples, enough=None if available is None else items <= available,
    )  # fmt: skip


def _cost_each(request: SizingRequest, sides: Sequence[Side], names: Sequence[str]) -> float | None:
    """US dollars of one answer: by the tokens of an earlier run and the prices given, or by what it cost."""
    for side, name in zip(reversed(sides), reversed(names), strict=True):
        used, facts = (side.manifest.usage or {}).get(name), side.facts[name]
        answers = facts.items * facts.repeats
        if used is None or not answers:
            continue
        if request.price_in is not None and request.price_out is not None:
            tokens = (used.tokens_in or 0) * request.price_in + (used.tokens_out or 0) * request.price_out
            return tokens / 1e6 / answers
        if used.cost:
            return used.cost / answers
    return None


def _notes(sides: Sequence[Side], each: float | None) -> Iterator[str]:
    yield "items: those that pass with 80 % power if nothing changed; as many show a loss of twice the margin as often"
    if not sides:
        yield "how many items flip is assumed; two earlier runs (--from BASE --from NEW) would say it"
    elif len(sides) == 1:
        yield "one run tells the noise alone; a second one of another model (--from BASE --from NEW) tells the flips"
    if each is None:
        yield "no cost: it wants an earlier run with prices, or --price-in and --price-out beside --from"
