"""The sections of `perf/coverage.py` on intervals: worlds, and how often each figure's interval holds the truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from coverage import Cell, batches, many, share

from evalharness.report.cautions import FEW_VERDICTS, few_units
from evalharness.scoring.classification import few_numbers
from evalharness.scoring.metrics import average
from evalharness.stats.confusion import drawn_tables, f1_of, matthews_of, table_estimate
from evalharness.stats.correlation import correlation_ends, correlation_of
from evalharness.stats.intervals import (
    bounded_mean,
    mean_interval,
    mean_pivot,
    skewed_ends,
    skewed_mean,
    stratified,
    stratified_ends,
    t_quantile,
    wilson,
)

Draw = np.random.Generator
ONE = np.ones(1)
# What the product's cautions admit: "may hold 92 times in 100"; and of correlations see `few_numbers`.
FEW, FAR_OFF = (0.91, 0.99), (0.85, 0.995)
SIZES = (10, 30, 50, 100, 400)


def agree(said: bool, interval: bool) -> None:
    """The statistic over arrays and the product's interval of one sample must say the same."""
    if said != interval:
        raise SystemExit("the simulated statistic is not the product's interval")


def wide_open(n: int, truth: float) -> bool:
    """The cells that must be within bounds."""
    return n >= 30 and 0.0999 < truth < 0.9001


def cautioned(said: str, admits: tuple[float, float] = FEW) -> dict[str, Any]:
    """The fields of a cell beside which the product prints this; none where it prints nothing."""
    return {"caution": said, "admits": admits} if said else {}


def proportions(draw: Draw, draws: int) -> Iterator[Cell]:
    for p in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98):
        for n in (*SIZES, 2000):
            ends = [wilson(k, n) for k in range(n + 1)]
            low, high = np.array([e.low for e in ends]), np.array([e.high for e in ends])
            k = draw.binomial(n, p, draws)
            held = float(np.mean((low[k] <= p) & (p <= high[k])))
            yield Cell(
                section="proportion", figure="accuracy", world=f"right with {p:g}", n=n, truth=p, draws=draws,
                held=held, expected=wide_open(n, p), **cautioned(few_units(n)),
            )  # fmt: skip


def _mixture(draw: Draw, shape: tuple[int, ...], ones: float, zeros: float) -> np.ndarray:
    """Right, wrong, or in between: what F1 and the like look like."""
    kind = draw.random(shape)
    return np.where(kind < ones, 1.0, np.where(kind < ones + zeros, 0.0, draw.random(shape)))


def _pass_at(draw: Draw, shape: tuple[int, ...], k: int, easy: float) -> np.ndarray:
    """pass@k of 200 answers, unbiased, where `easy` of the problems are solved nearly always."""
    from scipy.special import gammaln

    rate = np.where(draw.random(shape) < easy, draw.beta(5, 1, shape), draw.beta(0.3, 8, shape))
    right = draw.binomial(200, rate)
    wrong = 200.0 - right
    logs = gammaln(wrong + 1) - gammaln(np.maximum(wrong - k, 0) + 1) + gammaln(201.0 - k) - gammaln(201.0)
    return np.where(wrong < k, 1.0, 1 - np.exp(logs))


World = Callable[[Draw, tuple[int, ...]], np.ndarray]
GRADED: dict[str, tuple[str, World]] = {
    "F1, many wrong": ("f1", lambda d, s: _mixture(d, s, 0.4, 0.3)),
    "F1, near 1": ("f1", lambda d, s: _mixture(d, s, 0.85, 0.03)),
    "grades 1 to 5": ("judge_score", lambda d, s: d.choice([0, 0.25, 0.5, 0.75, 1], s, p=[0.05, 0.1, 0.3, 0.35, 0.2])),
    "0 to 100, alike": ("judge_score", lambda d, s: d.beta(20, 10, s)),
    "0 to 100, near 1": ("judge_score", lambda d, s: d.beta(18, 2, s)),
    "half ties": ("win_rate", lambda d, s: d.choice([0, 0.5, 1], s, p=[0.2, 0.5, 0.3])),
    "nine of ten tie": ("win_rate", lambda d, s: d.choice([0, 0.5, 1], s, p=[0.04, 0.9, 0.06])),
    "4 answers each": ("accuracy", lambda d, s: d.binomial(4, d.beta(2, 1, s)) / 4),
    "pass@10": ("pass@10", lambda d, s: _pass_at(d, s, 10, 0.7)),
    "pass@100, near 1": ("pass@100", lambda d, s: _pass_at(d, s, 100, 0.95)),
}


def means(draw: Draw, draws: int) -> Iterator[Cell]:
    for name, (figure, world) in GRADED.items():
        truth = float(world(draw, (many(draws),)).mean())
        for n in SIZES:
            one = world(draw, (n,))
            made = average(one.tolist())
            if made is not None and not set(one) <= {0.0, 1.0}:
                agree(bool(abs(mean_pivot(one, ONE, truth)) <= 1), made.low <= truth <= made.high)
            held = share(draws, n, partial(_mean_held, draw, world, truth, n))
            yield Cell(
                section="mean", figure=figure, world=name, n=n, truth=truth, draws=draws, held=held,
                expected=wide_open(n, truth), **cautioned(few_units(n)),
            )  # fmt: skip


def _mean_held(draw: Draw, world: World, truth: float, n: int, samples: int) -> np.ndarray:
    return np.asarray(np.abs(mean_pivot(world(draw, (samples, n)), ONE, truth)) <= 1)


def ratios(draw: Draw, draws: int) -> Iterator[Cell]:
    """Instructions followed of all given: one to three a prompt, a prompt's own difficulty."""
    for a, b in ((4, 1), (8, 0.5)):
        for n in SIZES:

            def sample(k: int, n: int = n, a: float = a, b: float = b) -> tuple[np.ndarray, np.ndarray]:
                given = draw.integers(1, 4, (k, n))
                return draw.binomial(given, draw.beta(a, b, (k, n))).astype(float), given.astype(float)

            truth = a / (a + b)
            right, given = sample(1)
            made = bounded_mean(right[0].tolist(), given[0].tolist())
            agree(bool(abs(mean_pivot(right, given, truth)[0]) <= 1), made.low <= truth <= made.high)
            held = share(draws, n, lambda k, sample=sample, truth=truth: np.abs(mean_pivot(*sample(k), truth)) <= 1)
            yield Cell(
                section="ratio", figure="instruction accuracy", world=f"1 to 3 a prompt, {truth:.2f} followed", n=n,
                truth=truth, draws=draws, held=held, expected=wide_open(n, truth), **cautioned(few_units(n)),
            )  # fmt: skip


GROUPS: dict[str, tuple[tuple[int, ...], tuple[float, ...]]] = {
    **{f"4 groups of 5, {p:g}": ((5,) * 4, (p,) * 4) for p in (0.5, 0.9, 0.95, 0.99)},
    **{f"57 groups of 5, {p:g}": ((5,) * 57, (p,) * 57) for p in (0.5, 0.9, 0.98)},
    **{f"10 groups of 10, {p:g}": ((10,) * 10, (p,) * 10) for p in (0.5, 0.9, 0.99)},
    **{f"15 groups of 2, {p:g}": ((2,) * 15, (p,) * 15) for p in (0.5, 0.9)},
    **{f"groups of 3, 5, 20, {p:g}": ((3, 5, 20), (p,) * 3) for p in (0.5, 0.9)},
    **{f"groups of 5, 5, 500, {p:g}": ((5, 5, 500), (p,) * 3) for p in (0.5, 0.9)},
    "30 groups of 1, 0.9": ((1,) * 30, (0.9,) * 30),
    "57 groups of 5, .3 to .95": ((5,) * 57, tuple(np.linspace(0.3, 0.95, 57))),
    "57 groups of 100, .3 to .95": ((100,) * 57, tuple(np.linspace(0.3, 0.95, 57))),
    "6 groups of 10, .5 to 1": ((10,) * 6, (0.5, 0.6, 0.9, 0.99, 0.99, 1.0)),
}


def macros(draw: Draw, draws: int) -> Iterator[Cell]:
    for name, (sizes, rates) in GROUPS.items():
        size, rate, truth = np.array(sizes), np.array(rates), float(np.mean(rates))
        one = [(draw.random(n) < p).astype(float).tolist() for n, p in zip(sizes, rates, strict=True)]
        right = draw.binomial(size, rate, (draws, len(size)))
        right[0] = [sum(group) for group in one]
        mean, n = right / size, int(size.sum())
        pooled = right.sum(1) / n
        alone = (pooled * (1 - pooled) * n / (n - 1))[:, None]
        spread = np.where(size > 1, mean * (1 - mean) * size / np.maximum(size - 1, 1), alone)
        _, _, low, high = stratified_ends(mean, spread, size)
        made = stratified(one)
        if made is None or not math.isclose(made.low, low[0], abs_tol=1e-9):
            raise SystemExit("the simulated macro mean is not the product's")
        held = float(np.mean((low <= truth + 1e-12) & (truth <= high + 1e-12)))
        yield Cell(
            section="macro", figure="accuracy_macro", world=name, n=n, truth=truth, draws=draws, held=held,
            expected=wide_open(1 / float(np.mean(1 / size)) * len(size), truth), **cautioned(few_units(n)),
        )  # fmt: skip


def perplexities(draw: Draw, draws: int) -> Iterator[Cell]:
    worlds: dict[str, World] = {
        "last words": lambda d, s: np.log(d.beta(0.6, 1.2, s)),
        "long texts": lambda d, s: d.normal(-2.5, 0.4, s),
    }
    for name, world in worlds.items():
        truth = float(world(draw, (many(draws),)).mean())
        for n in SIZES:
            z = t_quantile(0.975, n - 1)
            one = world(draw, (n,))
            made = mean_interval(one.tolist())
            agree(bool(abs(one.mean() - truth) <= z * one.std(ddof=1) / math.sqrt(n)), made.low <= truth <= made.high)

            def held(k: int, n: int = n, z: float = z, world: World = world, truth: float = truth) -> np.ndarray:
                x = world(draw, (k, n))
                return np.abs(x.mean(1) - truth) <= z * x.std(1, ddof=1) / math.sqrt(n)

            yield Cell(
                section="perplexity", figure="perplexity", world=name, n=n, truth=math.exp(-truth), draws=draws,
                held=share(draws, n, held), expected=n >= 30, **cautioned(few_units(n)),
            )  # fmt: skip


def _posterior(draw: Draw, draws: int, n: int, truth: np.ndarray, figure: Callable[[np.ndarray], np.ndarray]) -> float:
    """The coverage of a figure of two labels' confusion tables, cells drawn with the chances of `truth` (2, 2)."""
    cells = np.eye(4).reshape(4, 2, 2)
    real, held = float(figure(truth)), 0
    for k in batches(draws, 4 * TABLE_DRAWS):
        counts = draw.multinomial(n, truth.ravel(), k).astype(float)
        drawn = figure(drawn_tables(counts, cells, [0, 1], draw, TABLE_DRAWS))
        low, high = np.percentile(drawn, [2.5, 97.5], axis=-1)
        value = figure(counts.reshape(k, 2, 2))
        held += int(np.sum((np.minimum(low, value) <= real) & (real <= np.maximum(high, value))))
    return held / draws


TABLE_DRAWS = 200  # of 2,000 in the product, whose ends are steadier
# share of positives, found of these, negatives left alone
TABLES = ((0.5, 0.8, 0.8), (0.5, 0.95, 0.95), (0.3, 0.5, 0.5), (0.7, 0.9, 0.5), (0.1, 0.6, 0.95), (0.05, 0.6, 0.98))


def tables(draw: Draw, draws: int) -> Iterator[Cell]:
    figures = {
        "mcc": matthews_of, "f1": lambda t: f1_of(t, [1]), "macro f1": lambda t: f1_of(t, [0, 1]),
    }  # fmt: skip
    for positive, found, spared in TABLES:
        truth = np.array(
            [[(1 - positive) * spared, (1 - positive) * (1 - spared)], [positive * (1 - found), positive * found]]
        )
        for name, figure in figures.items():
            for n in SIZES[1:]:
                yield Cell(
                    section="table", figure=name, n=n,
                    world=f"{positive:g} positive, {found:g} found, {spared:g} spared",
                    truth=float(figure(truth)), draws=draws, held=_posterior(draw, draws, n, truth, figure),
                    **cautioned(few_units(n)),
                )  # fmt: skip


def similar(
    draw: Draw, shape: tuple[int, ...], noise: float, absurd: float, whole: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Right numbers from 0 to 5 and those said: close, but for a share that are 0 or 5 whatever is right."""
    right = np.round(draw.random(shape) * 25) / 5
    said = np.clip(right + draw.normal(0, noise, shape), 0, 5)
    said = np.where(draw.random(shape) < absurd, draw.choice([0.0, 5.0], shape), said)
    return (np.round(said) if whole else said), right


SIMILAR = {
    "close": (0.35, 0.0, False), "3 % absurd": (0.35, 0.03, False), "10 % absurd": (0.35, 0.1, False),
    "whole numbers": (1.0, 0.0, True), "noisy": (2.5, 0.0, False), "chance": (0.0, 1.0, False),
}  # fmt: skip


def correlations(draw: Draw, draws: int) -> Iterator[Cell]:
    from scipy.stats import rankdata

    for name, world in SIMILAR.items():
        for ranked in (False, True):
            big = similar(draw, (many(draws) // 4,), *world)
            truth = float(correlation_of(*((rankdata(v) for v in big) if ranked else big), ONE))  # type: ignore[misc]
            for n in (30, 50, 100, 400, 1500):
                held = 0
                for k in batches(draws, n * 4):
                    sample = similar(draw, (k, n), *world)
                    said, right = (rankdata(v, axis=1) for v in sample) if ranked else sample
                    low, high, _ = correlation_ends(said, right, draw, 400)
                    r = correlation_of(said, right, ONE)
                    held += int(np.sum((np.minimum(low, r) <= truth) & (truth <= np.maximum(high, r))))
                yield Cell(
                    section="correlation", figure="spearman" if ranked else "pearson", world=name, n=n, truth=truth,
                    draws=draws, held=held / draws, **cautioned(" ".join(few_numbers(n)), FAR_OFF),
                )  # fmt: skip


SKEWED: dict[str, tuple[str, World]] = {
    "seconds, a long tail": ("seconds", lambda d, s: d.lognormal(0, 0.5, s)),
    "seconds, a longer one": ("seconds", lambda d, s: d.lognormal(0, 1, s)),
    "tokens, most are short": ("tokens_out", lambda d, s: d.geometric(1 / 40, s).astype(float)),
    "attempts, one in ten again": ("attempts", lambda d, s: d.choice([1.0, 2.0, 3.0], s, p=[0.9, 0.07, 0.03])),
}


def skewed_means(draw: Draw, draws: int) -> Iterator[Cell]:
    """Figures with a lower end and none above. Samples that do not vary have no interval, and are left out."""
    for name, (figure, world) in SKEWED.items():
        truth = float(world(draw, (many(draws),)).mean())
        for n in SIZES:
            one = world(draw, (n,))
            low, high = skewed_ends(one[None])
            made = skewed_mean(one.tolist())
            if math.isfinite(made.low) and not math.isclose(made.high, high[0], rel_tol=1e-9):
                raise SystemExit("the simulated interval is not the product's")
            held = told = 0
            for k in batches(draws, n):
                x = world(draw, (k, n))
                (low, high), varied = skewed_ends(x), np.ptp(x, -1) > 0
                held += int(np.sum((low <= truth) & (truth <= high) & varied))
                told += int(np.sum(varied))
            # Seconds stand in run.json, where nothing is said beside them.
            said = "" if figure == "seconds" else few_units(n, FEW_VERDICTS if figure == "attempts" else "questions")
            yield Cell(
                section="skewed", figure=figure, world=name, n=n, truth=truth, draws=max(told, 1),
                held=held / max(told, 1), expected=n >= 30, **cautioned(said),
            )  # fmt: skip


def _sets(draw: Draw, n: int, together: float) -> np.ndarray:
    """Questions of two to eight answers each, their confusion counts (n, 2, 2); errors of a question go together."""
    size = draw.integers(2, 9, n)
    real = draw.binomial(size, 0.44)
    odds = (1 - together) / together
    found, spared = (
        draw.binomial(m, draw.beta(p * odds, (1 - p) * odds, n)) for m, p in ((real, 0.75), (size - real, 0.8))
    )
    return np.stack([spared, size - real - spared, real - found, found], -1).reshape(n, 2, 2).astype(float)


def grouped(draw: Draw, draws: int) -> Iterator[Cell]:
    """MultiRC: F1 over all answers, the questions being the units, and the share of questions right throughout."""
    figure = partial(f1_of, places=[1])
    for together in (0.05, 0.3):
        many_sets = _sets(draw, many(draws) // 4, together)
        truth, whole = float(figure(many_sets.sum(0))), float(np.mean(many_sets[:, 0, 1] + many_sets[:, 1, 0] == 0))
        for n in (30, 100, 400):
            f1a = exact = 0
            for _ in range(draws):
                tables = _sets(draw, n, together)
                kinds, times = np.unique(tables, axis=0, return_counts=True)
                made = table_estimate(times.astype(float), kinds, [0, 1], figure, 0.0, TABLE_DRAWS)
                right = wilson(int(np.sum(tables[:, 0, 1] + tables[:, 1, 0] == 0)), n)
                f1a, exact = f1a + (made.low <= truth <= made.high), exact + (right.low <= whole <= right.high)
            for name, hits, real in (("f1a", f1a, truth), ("exact_match", exact, whole)):
                yield Cell(
                    section="grouped", figure=name, world=f"2 to 8 answers, together {together:g}", n=n, truth=real,
                    draws=draws, held=hits / draws, expected=wide_open(n, real), **cautioned(few_units(n)),
                )  # fmt: skip


INTERVALS: dict[str, Callable[[Draw, int], Iterator[Cell]]] = {
    "proportion": proportions,
    "mean": means,
    "ratio": ratios,
    "macro": macros,
    "perplexity": perplexities,
    "table": tables,
    "correlation": correlations,
    "skewed": skewed_means,
    "grouped": grouped,
}
