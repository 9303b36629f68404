"""The sections of `perf/coverage.py` on judges, win rates, ratings, confidence and the bootstrap."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
from coverage import Cell, batches, many
from coverage_averages import holds
from coverage_intervals import FEW, ONE, agree, cautioned, wide_open

from evalharness.arena.ratings import Battle, rate_models
from evalharness.records import Estimate
from evalharness.report.cautions import WIDE_WIN_RATES, few_battle_items, few_units, wide_error
from evalharness.scoring.calibration import binned_gaps, calibration, error_ends
from evalharness.scoring.holistic import decided, mean_win_rate
from evalharness.stats.agreement import powered_mean, powered_value
from evalharness.stats.intervals import (
    Z95,
    bounded_difference,
    bounded_mean,
    difference_of_estimates,
    mean_pivot,
    t_quantile,
    wilson,
)
from evalharness.stats.length_control import Pairs, Regulariser, length_adjusted, length_controlled
from evalharness.stats.paired import bootstrap_interval

Draw = np.random.Generator
# What cautions admit: a win rate and a calibration error may be as wide as they like.
WIDE = (0.93, 1.0)


World = Callable[[Draw, tuple[int, ...]], np.ndarray]
# How far two judges' verdicts on the same answer differ.
APART: dict[str, tuple[str, World]] = {
    "one verdict in five differs": (
        "a judge minus the others",
        lambda d, s: d.choice([-1, -0.5, 0, 0.5, 1], s, p=[0.02, 0.03, 0.8, 0.05, 0.1]),
    ),
    "a little kinder throughout": (
        "kinder to its own family",
        lambda d, s: np.clip(np.round(d.normal(0.1, 0.2, s), 1), -1, 1),
    ),
}


@cache
def _verdicts(lost: int, tied: int, won: int) -> Estimate:
    return bounded_mean([0.0] * lost + [0.5] * tied + [1.0] * won)


def audits(draw: Draw, draws: int) -> Iterator[Cell]:
    """The audit's figures: verdicts shown first minus shown second, a judge minus others, how sure its labels are."""
    for n in (30, 100):
        first, second = (draw.multinomial(n, p, draws).tolist() for p in ((0.3, 0.2, 0.5), (0.4, 0.2, 0.4)))
        made = (difference_of_estimates(_verdicts(*a), _verdicts(*b)) for a, b in zip(first, second, strict=True))
        held = sum(holds(one, 0.1) for one in made)
        yield Cell(
            section="audit", figure="shown first minus second", world="a fifth ties", n=2 * n, truth=0.1, draws=draws,
            held=held / draws,
        )  # fmt: skip
    for world, (figure, of) in APART.items():
        truth = float(of(draw, (many(draws),)).mean())
        for n in (30, 100, 400):
            one = of(draw, (n,))
            inside = bool(abs(mean_pivot((one + 1) / 2, ONE, (truth + 1) / 2)) <= 1)
            agree(inside, holds(bounded_difference(one.tolist()), truth))
            held = sum(
                int(np.sum(np.abs(mean_pivot((of(draw, (k, n)) + 1) / 2, ONE, (truth + 1) / 2)) <= 1))
                for k in batches(draws, n)
            )
            yield Cell(
                section="audit", figure=figure, world=world, n=n, truth=truth, draws=draws, held=held / draws,
            )  # fmt: skip
    truth = 8 / 8.4
    for n in (30, 100, 400):
        held = sum(
            int(np.sum(np.abs(mean_pivot(draw.beta(8, 0.4, (k, n)), ONE, truth)) <= 1)) for k in batches(draws, n)
        )
        yield Cell(
            section="audit", figure="label mass", world="near 1, some far off", n=n, truth=truth, draws=draws,
            held=held / draws, expected=wide_open(n, truth),
        )  # fmt: skip


BENCHES, ITEM_DRAWS = 5, 200  # of 1,000 draws in the product, whose ends are steadier


def win_rates(draw: Draw, draws: int) -> Iterator[Cell]:
    """Four models over five benchmarks, asked the same items: the best, the second, and the worst."""
    for step in (0.005, 0.02, 0.1):
        for n in (100, 400):
            cut = np.quantile(draw.beta(2, 2, 40_000) * 0.6 + draw.random(40_000) * 0.4, 0.6 - step * np.arange(4))
            times = [draw.multinomial(n, np.full(n, 1 / n), ITEM_DRAWS) for _ in range(BENCHES)]
            _check_win_rates(draw, n, cut)
            held = np.zeros(4)
            for k in batches(draws, 40 * n):
                right = [_answers(draw, k, n, cut) for _ in range(BENCHES)]
                score = np.stack([r.mean(-1) for r in right], 1)
                drawn = np.stack(
                    [(r - r.mean(-1, keepdims=True)) @ t.T / n for r, t in zip(right, times, strict=True)], 1
                )
                held += [float(np.sum(_rate_holds(m, score, drawn, n))) for m in range(4)]
            for m, place in ((0, "best"), (1, "second"), (3, "worst")):
                yield Cell(
                    section="win rate", figure="mean win rate", world=f"{place} of four, {step:g} apart",
                    n=BENCHES * n, truth=(3 - m) / 3, draws=draws, held=float(held[m] / draws),
                    caution=WIDE_WIN_RATES, admits=WIDE,
                )  # fmt: skip


def _answers(draw: Draw, k: int, n: int, cut: np.ndarray) -> np.ndarray:
    """Right or wrong by sample, model and item; items are as hard for all models."""
    hard = draw.beta(2, 2, (k, 1, n)) * 0.6 + draw.random((k, 4, n)) * 0.4
    return (hard < cut[:, None]).astype(float)


def _rate_holds(m: int, score: np.ndarray, drawn: np.ndarray, n: int) -> np.ndarray:
    """Whether the interval of model `m` holds its true rate: what surely is won and lost leaves room for it. Scores by
    sample, benchmark and model, `drawn` how far off each was in every draw."""
    others = [o for o in range(4) if o != m]
    gaps = np.concatenate([score[:, :, m] - score[:, :, o] for o in others], 1)
    apart = np.concatenate([drawn[:, :, m] - drawn[:, :, o] for o in others], 1)
    won, lost = decided(gaps, apart, np.full(gaps.shape[-1], n))
    truth, rate = (3 - m) / 3, np.mean((gaps > 0) + (gaps == 0) / 2, -1)
    low, high = np.minimum(won.mean(-1), rate), np.maximum(1 - lost.mean(-1), rate)
    return np.asarray((low <= truth + 1e-12) & (truth <= high + 1e-12))


def _check_win_rates(draw: Draw, n: int, cut: np.ndarray) -> None:
    """With the product's own draws the statistic gives the product's interval."""
    right = {bench: _answers(draw, 1, n, cut) for bench in "abcde"}
    units = {b: {str(m): r[0, m].tolist() for m in range(4)} for b, r in right.items()}
    scores = {str(m): {b: wilson(int(sum(of[str(m)])), n) for b, of in units.items()} for m in range(4)}
    made = mean_win_rate(scores, units=units, draws=ITEM_DRAWS)
    random = np.random.default_rng(0)
    times = [random.multinomial(n, np.full(n, 1 / n), ITEM_DRAWS) for _ in units]
    score = np.stack([r.mean(-1) for r in right.values()], 1)
    drawn = np.stack([(r - r.mean(-1, keepdims=True)) @ t.T / n for r, t in zip(right.values(), times, strict=True)], 1)
    for m in range(4):
        found = made[str(m)]
        low, high = (found.value,) * 2 if math.isnan(found.low) else (found.low, found.high)
        agree(bool(_rate_holds(m, score, drawn, n)[0]), low - 1e-12 <= (3 - m) / 3 <= high + 1e-12)


def judged_means(draw: Draw, draws: int) -> Iterator[Cell]:
    """People's mean from few labels and 500 verdicts; the rate at equal length."""
    truth = 0.6
    for labelled in (30, 50, 200):
        z = t_quantile(0.975, labelled - 1) if labelled <= 100 else Z95
        held = 0
        for draw_number in range(draws):
            people = (draw.random(labelled + 500) < truth).astype(float)
            judge = np.where(draw.random(labelled + 500) < 0.8, people, 1 - people).tolist()
            value, stderr, *_ = powered_value(people[:labelled].tolist(), judge[:labelled], judge[labelled:])
            inside = abs(value - truth) <= z * stderr
            if draw_number == 0:
                labels = {str(i): v for i, v in enumerate(people[:labelled].tolist())}
                made = powered_mean(labels, {str(i): v for i, v in enumerate(judge)}).powered
                agree(inside, holds(made, truth))
            held += inside
        yield Cell(
            section="judged", figure="prediction-powered mean", world="judge right with .8", n=labelled, truth=truth,
            draws=draws, held=held / draws,
        )  # fmt: skip
    held, chance = 0, 1 / (1 + math.exp(-0.3))
    for _ in range(draws):
        longer = draw.normal(-200, 400, 200)
        logit = 0.3 - 0.8 * np.tanh(longer / longer.std(ddof=1))
        adjusted = length_adjusted((draw.random(200) < 1 / (1 + np.exp(-logit))).astype(float), longer)
        held += adjusted is not None and holds(adjusted, chance)
    yield Cell(
        section="judged", figure="length_adjusted_win_rate", world="longer answers win", n=200, truth=chance,
        draws=draws, held=held / draws,
    )  # fmt: skip


def length_controlled_rates(draw: Draw, draws: int) -> Iterator[Cell]:
    """The published estimator on made-up difficulties; 100 refits each take half a second: at most 200 draws."""
    some, held = min(draws, 200), 0
    rows = draw.normal(0, 1, 400)
    hard = np.tile(draw.normal(0, 1, 200), 2)
    held_rows = Regulariser(1 / (1 + np.exp(-(0.9 * np.tanh(rows) + 0.5 * hard))), rows, hard)
    truth = float(np.mean(1 / (1 + np.exp(-(0.3 + 0.5 * draw.normal(0, 1, many(draws)))))))
    for _ in range(some):
        longer, difficulty = draw.normal(-200, 400, 200), draw.normal(0, 1, 200)
        logit = 0.3 + 0.9 * np.tanh(longer / longer.std(ddof=1)) + 0.5 * difficulty
        won = (draw.random(200) < 1 / (1 + np.exp(-logit))).astype(float)
        made = length_controlled(Pairs(won, longer, difficulty), held_rows, draws=100)
        held += made is not None and holds(made, truth)
    yield Cell(
        section="length controlled", figure="length_controlled_win_rate", world="longer answers win", n=200,
        truth=truth, draws=some, held=held / some,
    )  # fmt: skip


RATED = {"a": 1060.0, "b": 1000.0, "c": 940.0}


def rated(draw: Draw, draws: int) -> Iterator[Cell]:
    """Bradley-Terry ratings of three models 60 points apart, a fifth of the battles ties."""
    truth = _ratings_of(RATED)
    met = [("a", "b"), ("a", "c"), ("b", "c")]
    wins = np.array([1 / (1 + 10 ** ((RATED[b] - RATED[a]) / 400 / 0.8)) for a, b in met])
    for items in (10, 30, 50, 200):
        held = np.zeros(2)
        for _ in range(draws):
            scores = np.where(draw.random((items, 3)) < 0.2, 0.5, draw.random((items, 3)) < wins).tolist()
            battles = [
                Battle(a=a, b=b, score=score, item=str(i))
                for i, row in enumerate(scores)
                for (a, b), score in zip(met, row, strict=True)
            ]
            found = {r.model: r for r in rate_models(battles, draws=0).ratings}
            held += [_rating_holds(found[m].low, found[m].high, truth[m]) for m in "ab"]
        for k, model in enumerate("ab"):
            yield Cell(
                section="ratings", figure="rating", world=f"model {model} of three", n=items, truth=truth[model],
                draws=draws, held=float(held[k] / draws), expected=items >= 30, **cautioned(few_battle_items(items)),
            )  # fmt: skip


def _rating_holds(low: float | None, high: float | None, truth: float) -> bool:
    return low is not None and high is not None and low <= truth <= high


def _ratings_of(real: dict[str, float]) -> dict[str, float]:
    """What the fit of very many such battles gives: ties pull the ratings together."""
    names = sorted(real)
    battles = []
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            won = 0.1 + 0.8 / (1 + 10 ** ((real[b] - real[a]) / 400 / 0.8))
            battles += [Battle(a=a, b=b, score=won, item=f"{a}{b}")]
    return {r.model: float(r.rating or 0.0) for r in rate_models(battles, draws=2).ratings}


# How likely a model is right that says so with confidence c.
CONFIDENT: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "well calibrated": lambda c: c,
    ".1 too confident": lambda c: c - 0.1,
    ".15 too confident": lambda c: c - 0.15,
    ".2 too confident above .75, .1 too little below": lambda c: c + np.where(c > 0.75, -0.2, 0.1),
}


def calibrations(draw: Draw, draws: int) -> Iterator[Cell]:
    """Calibration errors and accuracies of the most confident, confidence even from .5 to 1."""
    for name, right in CONFIDENT.items():
        order = np.linspace(1, 0.5, 200_001)
        chance = right(order)
        truths = {
            "ece_10_bin": float(np.mean(np.abs(_by_bin(order - chance)))),
            "ece_1_bin": abs(float(np.mean(order - chance))),
            "selective_accuracy_10": float(chance[:20_000].mean()),
            "selective_coverage_accuracy": float(np.mean(np.cumsum(chance) / np.arange(1, len(order) + 1))),
        }
        for n in (30, 100, 300, 1000, 3000):
            _check_calibration(draw, n, right)
            held = dict.fromkeys(truths, 0)
            for k in batches(draws, 6 * n):
                confidence = np.sort(draw.uniform(0.5, 1, (k, n)), -1)[:, ::-1]
                worth = (draw.random((k, n)) < right(confidence)).astype(float)
                for figure, inside in _confidence_holds(confidence, worth, truths).items():
                    held[figure] += int(np.sum(inside))
            for figure, hits in held.items():
                units = n // 10 if figure == "selective_accuracy_10" else n
                few = few_units(n) or few_units(units, "answers")
                said, admits = (wide_error(n), WIDE) if figure == "ece_10_bin" else (few, FEW)
                yield Cell(
                    section="calibration", figure=figure, world=name, n=n, truth=truths[figure], draws=draws,
                    held=hits / draws, expected=wide_open(units, truths[figure]), **cautioned(said, admits),
                )  # fmt: skip


def _by_bin(off: np.ndarray) -> np.ndarray:
    return np.array([part.mean() for part in np.array_split(off, 10)])


def _confidence_holds(confidence: np.ndarray, worth: np.ndarray, truths: dict[str, float]) -> dict[str, np.ndarray]:
    """Whether each figure's interval holds the truth; the most confident answers first, no two alike."""
    n = confidence.shape[-1]
    _, _, low, high = error_ends(*binned_gaps(confidence, worth, 10))
    one, off = truths["ece_1_bin"], (confidence - worth + 1) / 2
    either = [np.abs(mean_pivot(off, ONE, (sign * one + 1) / 2)) <= 1 for sign in (1, -1)]
    shares = np.cumsum(1 / np.arange(n, 0, -1))[::-1] / n
    top = worth[:, : max(1, n // 10)]
    return {
        "ece_10_bin": (low <= truths["ece_10_bin"] + 1e-12) & (truths["ece_10_bin"] <= high + 1e-12),
        "ece_1_bin": either[0] | either[1],
        "selective_accuracy_10": np.abs(mean_pivot(top, ONE, truths["selective_accuracy_10"])) <= 1,
        "selective_coverage_accuracy": np.abs(
            mean_pivot(worth * shares, shares, truths["selective_coverage_accuracy"])
        ) <= 1,
    }  # fmt: skip


def _check_calibration(draw: Draw, n: int, right: Callable[[np.ndarray], np.ndarray]) -> None:
    confidence = np.sort(draw.uniform(0.5, 1, (1, n)), -1)[:, ::-1]
    worth = (draw.random((1, n)) < right(confidence)).astype(float)
    made = calibration(list(zip(confidence[0].tolist(), worth[0].tolist(), strict=True)))
    supposed = {name: min(0.9, max(0.1, one.low + 0.6 * (one.high - one.low))) for name, one in made.items()}
    for name, inside in _confidence_holds(confidence, worth, supposed).items():
        agree(bool(inside[0]), holds(made[name], supposed[name]))


BOOTSTRAPPED: dict[str, Callable[[Draw, int], np.ndarray]] = {
    "a fifth flips": lambda d, n: d.choice([-1.0, 0.0, 1.0], n, p=[0.15, 0.8, 0.05]),
    "4 answers each": lambda d, n: (d.binomial(4, 0.5, n) - d.binomial(4, 0.6, n)) / 4,
}


def bootstraps(draw: Draw, draws: int) -> Iterator[Cell]:
    """The bootstrap interval beside a comparison of fewer than 30 items; each takes 10,000 refits: at most 1,000
    draws."""
    some = min(draws, 1000)
    for world, of in BOOTSTRAPPED.items():
        truth = -0.1
        for n in (10, 20, 29):
            made = [bootstrap_interval(of(draw, n), 0.95) for _ in range(some)]
            ends = [one for one in made if one is not None]
            held = sum(low <= truth <= high for low, high in ends)
            yield Cell(
                section="bootstrap", figure="bootstrap interval (BCa)", world=world, n=n, truth=truth,
                draws=max(1, len(ends)), held=held / max(1, len(ends)), expected=False,
            )  # fmt: skip


FIGURES: dict[str, Callable[[Draw, int], Iterator[Cell]]] = {
    "audit": audits,
    "win rate": win_rates,
    "judged": judged_means,
    "length controlled": length_controlled_rates,
    "ratings": rated,
    "calibration": calibrations,
    "bootstrap": bootstraps,
}
