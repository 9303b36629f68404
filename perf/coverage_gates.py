"""The sections of `perf/coverage.py` on gates: how often a verdict is wrong where the true loss is exactly the margin.

A pass is wrong there (so is a fail). `gate tried` holds rules that were tried for clusters and are not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from coverage import Cell, batches
from scipy.special import stdtrit

from evalharness.stats import exact_flips, tilting
from evalharness.stats.e_processes import BETS, FIRST_LOOK, LOOK_EVERY, EProcess, evidence_needed, final_alpha
from evalharness.stats.intervals import normal_quantile, t_quantile
from evalharness.stats.paired import (
    RARE_DROPS,
    cluster_freedom,
    flips_are_few,
    paired_binary,
    paired_clustered,
    paired_lopsided,
    paired_mean,
    paired_statistic,
)
from evalharness.stats.power import zero_flip_caution

Draw = np.random.Generator
Flags = np.ndarray
MARGIN, ALPHA = 0.02, 0.05
ONE = np.ones(1)


@cache
def flips(fixed: int, broke: int, n: int) -> int:
    """The verdict of `paired_binary` on one outcome: 1 pass, -1 fail, 0 neither, by its p values."""
    score = float(exact_flips._statistic(np.array(float(fixed)), np.array(float(broke)), n, -MARGIN))
    z, few = normal_quantile(1 - ALPHA), flips_are_few(fixed, broke)
    for side in (1, -1):
        if side * score >= z and not (few and exact_flips.tail(fixed, broke, n, -MARGIN, side) > ALPHA):
            return side
    return 0


def of_interval(low: float, high: float) -> int:
    return -1 if high < -MARGIN else 1 if low > -MARGIN else 0


def binary(draw: Draw, draws: int) -> Iterator[Cell]:
    for n in (20, 30, 50, 60, 75, 100, 110, 133, 150, 155, 188, 200, 263, 338, 400, 1000, 2000):
        for both in (0.0, 0.0025, 0.005, 0.01, 0.03, 0.1):
            counts = draw.multinomial(n, (both + MARGIN, both, 1 - 2 * both - MARGIN), size=draws)
            outcomes, times = np.unique(counts[:, :2], axis=0, return_counts=True)
            said = np.array([flips(int(fixed), int(broke), n) for broke, fixed in outcomes])
            for broke, fixed in outcomes[np.argsort(-times)[:2]]:
                found = paired_binary(int(fixed), int(broke), n, 1 - 2 * ALPHA)
                if of_interval(found.low, found.high) != flips(int(fixed), int(broke), n):
                    raise SystemExit(f"{fixed}, {broke} of {n}: the simulated verdict is not the product's")
            yield Cell(
                section="gate", figure="right or wrong", world=f"{both:g} flip either way too", n=n, truth=-MARGIN,
                draws=draws, passes=float(times[said == 1].sum() / draws), fails=float(times[said == -1].sum() / draws),
                **_no_flip(n, both),
            )  # fmt: skip


def _no_flip(n: int, both: float) -> dict[str, Any]:
    """What is printed where no item flipped, which all wrong passes are where none flips but what is lost: it says how
    often that happens."""
    said = zero_flip_caution(n, MARGIN, ALPHA) if both == 0 else ""
    return {"caution": said, "admits": (0.0, (1 - MARGIN) ** n + 0.005)} if said else {}


def verdicts(total: np.ndarray, size: np.ndarray, freedom: float | np.ndarray) -> tuple[Flags, Flags]:
    """Which samples pass and which fail by the paired test."""
    z = stdtrit(freedom, 1 - ALPHA)
    found = paired_statistic(total, size, -MARGIN)
    equal = np.all(total == total[..., :1], -1)
    return (found > z) & ~equal, (found < -z) & ~equal


def four_answers(draw: Draw, shape: tuple[int, ...], moving: float) -> np.ndarray:
    """Four answers an item; a share of the items never changes."""
    broke, fixed = draw.binomial(4, (0.01 + MARGIN) / moving, shape), draw.binomial(4, 0.01 / moving, shape)
    return np.where(draw.random(shape) < moving, (fixed - broke) / 4, 0.0)


World = Callable[[Draw, tuple[int, ...]], np.ndarray]
GRADED: dict[str, World] = {
    "4 answers, half of the items move": lambda d, s: four_answers(d, s, 0.5),
    "4 answers, a tenth moves": lambda d, s: four_answers(d, s, 0.1),
    "0 to 100, all move a little": lambda d, s: np.clip(d.normal(-MARGIN, 0.15, s), -1, 1),
    "a twentieth drops by .4": lambda d, s: np.where(d.random(s) < 0.05, -0.4, 0.0) + d.normal(0, 0.05, s),
    "F1, a tenth moves": lambda d, s: np.where(d.random(s) < 0.1, d.beta(1, 1.5, s) * 2 - 1, 0.0),
}


# Differences without a known range; whether few of them carry the change.
UNRANGED: dict[str, tuple[World, bool]] = {
    "even, spread .3": (lambda d, s: d.normal(-MARGIN, 0.3, s), False),
    "even with long tails": (lambda d, s: d.laplace(-MARGIN, 0.3, s), False),
    "a twentieth drops by 1.5": (lambda d, s: np.where(d.random(s) < 0.05, -1.5, 0.0) + d.normal(0.055, 0.1, s), True),
    "a long tail of drops": (lambda d, s: 0.2 * (np.exp(0.5) - d.lognormal(0, 1, s)) - MARGIN, True),
}


def unranged(draw: Draw, draws: int) -> Iterator[Cell]:
    """Log-probabilities and the like: Student's t, with a caution."""
    for name, (world, rare) in UNRANGED.items():
        for n in (30, 100, 400, 1000):
            z = t_quantile(1 - ALPHA, n - 1)
            sample = world(draw, (n,))
            found = paired_mean(sample, 1 - 2 * ALPHA, ranged=False)
            above, below = (float(tilting.student(sample, ONE, -MARGIN)) * side > z for side in (1, -1))
            if [above, below] != [found.low > -MARGIN, found.high < -MARGIN]:
                raise SystemExit("the simulated verdict is not the product's")
            passed = failed = 0
            for k in batches(draws, n):
                statistic = tilting.student(world(draw, (k, n)), ONE, -MARGIN)
                passed, failed = passed + int(np.sum(statistic > z)), failed + int(np.sum(statistic < -z))
            yield Cell(
                section="gate", figure="without a range", world=name, n=n, truth=-MARGIN, draws=draws,
                passes=passed / draws, fails=failed / draws, caution=RARE_DROPS if rare else "",
                admits=(0.0, 0.24 if n < 100 else 0.12) if rare else None,
            )  # fmt: skip


def graded(draw: Draw, draws: int) -> Iterator[Cell]:
    for name, world in GRADED.items():
        for n in (20, 30, 50, 100, 200, 400, 1000):
            passed = failed = 0
            for k in batches(draws, n):
                one, other = verdicts(world(draw, (k, n)), ONE, n - 1)
                passed, failed = passed + int(one.sum()), failed + int(other.sum())
            sample = world(draw, (n,))
            if not np.all(sample == sample[0]):
                found = paired_mean(sample, 1 - 2 * ALPHA)
                said = [bool(flag) for flag in verdicts(sample, ONE, n - 1)]
                if said != [found.low > -MARGIN, found.high < -MARGIN]:
                    raise SystemExit("the simulated verdict is not the product's")
            yield Cell(
                section="gate", figure="graded", world=name, n=n, truth=-MARGIN, draws=draws, passes=passed / draws,
                fails=failed / draws,
            )  # fmt: skip


SHAPES = ((20, 5), (20, 50), (40, 5), (57, 20), (80, 5), (150, 5), (300, 4), (300, 20))
TOGETHER = (0.0, 0.05, 0.1, 0.2, 0.4)


def clustered_items(
    draw: Draw, samples: int, size: np.ndarray, together: float, both: float
) -> tuple[np.ndarray, np.ndarray]:
    """How many items broke and got fixed in every cluster; `together` is the correlation of breaks within one."""

    def rates(p: float) -> np.ndarray:
        if together == 0 or p == 0:
            return np.full((samples, len(size)), p)
        odds = (1 - together) / together
        return draw.beta(p * odds, (1 - p) * odds, (samples, len(size)))

    broke = draw.binomial(size, rates(both + MARGIN))
    return broke, draw.binomial(size - broke, rates(both / (1 - both - MARGIN)))


def clustered(draw: Draw, draws: int) -> Iterator[Cell]:
    for count, each in SHAPES:
        for uneven in (False, True):
            if uneven and count not in (20, 57):
                continue
            size = np.full(count, each) if not uneven else np.geomspace(each / 4, each * 3, count).astype(int) + 1
            n = int(size.sum())
            for together in TOGETHER:
                for both in (0.0, 0.01, 0.05):
                    passed = failed = 0
                    for k in batches(draws, count * 4):
                        broke, fixed = clustered_items(draw, k, size, together, both)
                        one, other = clustered_verdicts(broke, fixed, size)
                        passed, failed = passed + int(one.sum()), failed + int(other.sum())
                    shape = f"{count} x {each}" + (", uneven" if uneven else "")
                    yield Cell(
                        section="gate", figure="clusters", world=f"{shape}, together {together:g}, {both:g} both ways",
                        n=n, truth=-MARGIN, draws=draws, passes=passed / draws, fails=failed / draws,
                    )  # fmt: skip
            check_clustered(draw, size)


def clustered_verdicts(broke: np.ndarray, fixed: np.ndarray, size: np.ndarray) -> tuple[Flags, Flags]:
    """Clusters and plain flips must both say so, as `compare.verdict.paired` has it."""
    total, sizes = (fixed - broke).astype(float), size.astype(float)
    one, other = verdicts(total, sizes, cluster_freedom(total, sizes))
    n, wanted = int(size.sum()), one | other
    lost, won = broke.sum(-1)[wanted], fixed.sum(-1)[wanted]
    plain = np.array([flips(int(w), int(b), n) for b, w in zip(lost, won, strict=True)], int)
    passed, failed = np.zeros_like(one), np.zeros_like(other)
    passed[wanted], failed[wanted] = one[wanted] & (plain == 1), other[wanted] & (plain == -1)
    return passed, failed


def check_clustered(draw: Draw, size: np.ndarray) -> None:
    broke, fixed = clustered_items(draw, 1, size, 0.1, 0.02)
    items = [[-1.0] * b + [1.0] * f + [0.0] * (m - b - f) for b, f, m in zip(broke[0], fixed[0], size, strict=True)]
    differences = np.array([v for cluster in items for v in cluster])
    found = paired_clustered(differences, np.repeat(np.arange(len(size)), size), 1 - 2 * ALPHA)
    total, sizes = (fixed - broke).astype(float)[0], size.astype(float)
    said = verdicts(total, sizes, cluster_freedom(total, sizes))
    if [bool(flag) for flag in said] != [found.low > -MARGIN, found.high < -MARGIN]:
        raise SystemExit("the simulated verdict is not the product's")


def tried(draw: Draw, draws: int) -> Iterator[Cell]:
    """Rules for clusters that were tried: each passes what lost the margin too often."""
    draws = min(draws, 2000)
    for count, each, together in ((20, 5, 0.4), (57, 20, 0.05), (57, 20, 0.4), (80, 5, 0.1), (80, 5, 0.4)):
        for uneven in (False, True):
            size = np.full(count, each) if not uneven else np.geomspace(each / 4, each * 3, count).astype(int) + 1
            broke, fixed = clustered_items(draw, draws, size, together, 0.01)
            total = (fixed - broke).astype(float)
            for name, rule in TRIED.items():
                passed, failed = rule(draw, total, size.astype(float))
                shape = f"{count} x {each}" + (", uneven" if uneven else "")
                yield Cell(
                    section="gate tried", figure=name, world=f"{shape}, together {together:g}", n=int(size.sum()),
                    truth=-MARGIN, draws=draws, passes=float(passed.mean()), fails=float(failed.mean()), expected=False,
                )  # fmt: skip


def _cr1(draw: Draw, total: np.ndarray, size: np.ndarray) -> tuple[Flags, Flags]:
    """Version 0.1: CR1 and Student's t with G - 1 degrees of freedom."""
    z, found = t_quantile(1 - ALPHA, total.shape[1] - 1), tilting.student(total, size, -MARGIN)
    return found > z, found < -z


def _cr2(draw: Draw, total: np.ndarray, size: np.ndarray) -> tuple[Flags, Flags]:
    """CR2 with Satterthwaite's degrees of freedom (Bell and McCaffrey 2002) of a mean: leverage of a cluster m/n."""
    whole = size.sum()
    value = total.sum(1) / whole
    off = (total - value[:, None] * size) / np.sqrt(1 - size / whole)
    stderr = np.sqrt((off**2).sum(1)) / whole
    # Residuals of cluster g: (I - H) e; the quadratic form's degrees of freedom under independent equal errors.
    part = np.diag(np.sqrt(size)) - np.outer(size, np.sqrt(size)) / whole
    form = (part / np.sqrt(1 - size / whole)[:, None]) @ part.T / np.sqrt(1 - size / whole)[None, :]
    freedom = float(np.trace(form)) ** 2 / float(np.sum(form**2))
    z = t_quantile(1 - ALPHA, freedom)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (value + MARGIN) / stderr
    return found > z, found < -z


def _wild(draw: Draw, total: np.ndarray, size: np.ndarray) -> tuple[Flags, Flags]:
    """The restricted wild cluster bootstrap-t (Cameron, Gelbach and Miller 2008), 399 Rademacher draws."""
    found, off = tilting.student(total, size, -MARGIN), total + MARGIN * size
    signs = draw.choice([-1.0, 1.0], (399, total.shape[1]))
    above, below = np.zeros(len(total)), np.zeros(len(total))
    for sign in signs:
        redrawn = tilting.student(sign * off, size, 0.0)
        above, below = above + (redrawn >= found), below + (redrawn <= found)
    return (above + 1) / 400 <= ALPHA, (below + 1) / 400 <= ALPHA


def _hall(draw: Draw, total: np.ndarray, size: np.ndarray) -> tuple[Flags, Flags]:
    """Hall's transformation of t for skewness (1992, https://doi.org/10.1111/j.2517-6161.1992.tb01872.x)."""
    found, n = tilting.student(total, size, -MARGIN), total.shape[1]
    off = total - total.sum(1, keepdims=True) / size.sum() * size
    bend = (off**3).mean(1) / np.maximum((off**2).mean(1) ** 1.5, 1e-300) / np.sqrt(n)
    with np.errstate(invalid="ignore"):  # clusters that are all alike: 0 times infinity, no verdict
        found = found + bend * (found**2 / 3 + 1 / 6) + bend**2 * found**3 / 27
    z = t_quantile(1 - ALPHA, n - 1)
    return found > z, found < -z


def _ten(draw: Draw, total: np.ndarray, size: np.ndarray) -> tuple[Flags, Flags]:
    """t, but nothing is decided while fewer than ten clusters changed."""
    many = np.count_nonzero(total, axis=1) >= 10
    one, other = _cr1(draw, total, size)
    return one & many, other & many


TRIED = {
    "CR1, t": _cr1, "CR2, Satterthwaite": _cr2, "wild cluster bootstrap": _wild, "Hall's transformation": _hall,
    "t from ten changed clusters": _ten,
}  # fmt: skip


def sequential(draw: Draw, draws: int) -> Iterator[Cell]:
    """The rule that stops early, at its looks, with one last test at the planned number of items."""
    for planned in (200, 1000):
        looks = np.arange(FIRST_LOOK, planned + 1, LOOK_EVERY) - 1
        for both in (0.0, 0.01, 0.05):
            _check_evidence(draw, planned, looks)
            passed = failed = 0
            for k in batches(draws, planned * 4):
                kind = draw.random((k, planned))
                broke, fixed = kind < both + MARGIN, kind >= 1 - both
                said = _stopped(np.cumsum(broke, -1), np.cumsum(fixed, -1), looks, planned)
                passed, failed = passed + said.count(1), failed + said.count(-1)
            yield Cell(
                section="gate sequential", figure="stops early", world=f"{both:g} flip either way too", n=planned,
                truth=-MARGIN, draws=draws, passes=passed / draws, fails=failed / draws,
            )  # fmt: skip


def _stopped(broke: np.ndarray, fixed: np.ndarray, looks: np.ndarray, planned: int) -> list[int]:
    """The verdict of each sample: that of the first look that decides, else that of the last test."""
    decided = np.stack([e >= evidence_needed(ALPHA) for e in _evidence(broke[:, looks], fixed[:, looks], looks + 1)])
    first = np.argmax(decided.any(0), -1)
    rows = np.arange(len(first))
    early = np.where(decided[0, rows, first], 1, np.where(decided[1, rows, first], -1, 0)).tolist()
    ends = zip(early, fixed[:, -1].tolist(), broke[:, -1].tolist(), strict=True)
    return [word or last_test(won, lost, planned, final_alpha(ALPHA)) for word, won, lost in ends]


def _evidence(broke: np.ndarray, fixed: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The e-values for and against, after `n` items of which so many broke and got fixed."""
    null = (1 - MARGIN) / 2
    logs = [np.zeros((*broke.shape, len(BETS))) for _ in range(2)]
    for times, value in ((broke, 0.0), (n - broke - fixed, 0.5), (fixed, 1.0)):
        logs[0] += times[..., None] * np.log1p(BETS * (value - null) / null)
        logs[1] += times[..., None] * np.log1p(-BETS * (value - null) / (1 - null))
    above, below = (np.exp(np.minimum(log, 700)).mean(-1) for log in logs)
    return above, below


def _check_evidence(draw: Draw, planned: int, looks: np.ndarray) -> None:
    """The counts give the evidence of the product's own process."""
    d, process = draw.choice([-1.0, 1.0, 0.0], size=planned, p=(0.2, 0.1, 0.7)), EProcess(MARGIN)
    for value in d[: looks[0] + 1]:
        process.add(value, value)
    counts = (np.cumsum(d < 0)[looks[:1]], np.cumsum(d > 0)[looks[:1]])
    above, below = _evidence(*counts, looks[:1] + 1)
    if not np.allclose([above[0], below[0]], [process.passing, process.failing], rtol=1e-9):
        raise SystemExit("the simulated e-values are not the product's")


@cache
def last_test(fixed: int, broke: int, n: int, alpha: float) -> int:
    found = paired_binary(fixed, broke, n, 1 - 2 * alpha)
    return of_interval(found.low, found.high)


GATES: dict[str, Callable[[Draw, int], Iterator[Cell]]] = {
    "gate binary": binary,
    "gate graded": graded,
    "gate unranged": unranged,
    "gate clustered": clustered,
    "gate sequential": sequential,
    "gate tried": tried,
}
__all__ = ["GATES", "paired_lopsided"]
