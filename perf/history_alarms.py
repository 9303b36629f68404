"""How often `evalh history` marks a change where there is none, and how soon it marks one: simulated series of runs.

    python perf/history_alarms.py [--repetitions 1000]

One JSON line per setting. Each run asks the same items; an item has its own chance to be answered rightly, and every
run draws anew (so runs differ by their answers' noise). From the middle on some of the items are never answered rightly
any more: `change` in all. `marked`: series with any mark; where nothing changes each is a false alarm, and at most 5 %
are promised over all looks, one after each run. `before the change`: series whose first mark is a false alarm in the
first half. `delay`: runs until a change is seen. Every setting has draws of its own, so that one can be run alone.
"""

from __future__ import annotations

import argparse
import itertools
import json

import numpy as np
from scipy.stats import t

from evalharness.stats.change_points import SPANS, change_points
from evalharness.stats.paired import p_no_change, paired_statistic

CHANGES = (0.0, -0.03, -0.05, -0.1)
SETTINGS = tuple(itertools.product(("some", "much"), (100, 500), CHANGES))
ALPHA = 0.05


def series(draw: np.random.Generator, runs: int, items: int, change: float, noise: str) -> np.ndarray:
    """Right or wrong, (runs, items); from the middle on the chance of a right answer is moved by `change`."""
    chance = draw.beta(0.4, 0.2, items) if noise == "some" else draw.beta(4, 2, items)
    lost = np.where(draw.random(items) < -change / chance.mean(), 0.0, chance)
    level = np.where((np.arange(runs) < runs // 2)[:, None], chance, lost)
    return (draw.random((runs, items)) < level).astype(float)


def p_values(differences: np.ndarray) -> np.ndarray:
    """The product's p of "no change" for many samples at once, (samples, items): the t or score test in one go, what is
    exact (whole flips, no spread) one by one."""
    exact = np.isin(differences, (-1.0, 0.0, 1.0)).all(1) | (differences == differences[:, :1]).all(1)
    found = np.empty(len(differences))
    found[exact] = [p_no_change(d) for d in differences[exact]]
    statistic = paired_statistic(differences[~exact], np.ones(1), 0.0)
    found[~exact] = np.minimum(1.0, 2 * t.cdf(-np.abs(statistic), differences.shape[1] - 1))
    return found


def first_marks(values: np.ndarray) -> list[int | None]:
    """The run after which each of many series, (series, runs, items), gets its first mark; `check` holds this against
    the product's own function."""
    before = np.cumsum(values, 1)
    marks: list[int | None] = [None] * len(values)
    open_ones = np.arange(len(values))
    for newest in range(1, values.shape[1]):
        tests = []
        for span in SPANS:
            first = newest + 1 - span
            if first < 1:
                break
            upto, until = before[open_ones, newest], before[open_ones, first - 1]
            tests.append(p_values((upto - until) / span - until / first))
        corrected = np.min(tests, 0) * len(tests) * newest * (newest + 1)
        for one in open_ones[corrected <= ALPHA]:
            marks[one] = newest
        open_ones = open_ones[corrected > ALPHA]
    return marks


def check(draw: np.random.Generator) -> None:
    made = np.stack([series(draw, 30, 100, change, "some") for change in (0.0, -0.1, -0.3)])
    own = [next((found.seen for found in change_points(one, alpha=ALPHA)), None) for one in made]
    if own != first_marks(made):
        raise SystemExit("the simulated marks are not the product's")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--repetitions", type=int, default=1000)
    options.add_argument("--runs", type=int, default=30)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    check(np.random.default_rng(given.seed))
    for number, (noise, items, change) in enumerate(SETTINGS):
        draw = np.random.default_rng([given.seed, number])
        found: list[int | None] = []
        while len(found) < given.repetitions:  # by hundreds: what is held stays small
            some = min(100, given.repetitions - len(found))
            found += first_marks(np.stack([series(draw, given.runs, items, change, noise) for _ in range(some)]))
        middle = given.runs // 2
        early = [seen is not None and seen < middle for seen in found]
        right = [seen - middle for seen in found if seen is not None and seen >= middle]
        print(json.dumps({
            "noise": noise, "items": items, "runs": given.runs, "change": change, "repetitions": len(found),
            "marked": round(float(np.mean([seen is not None for seen in found])), 4),
            "before the change": round(float(np.mean(early)), 4) if change else None,
            "delay": round(float(np.median(right)), 1) if right else None,
        }), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
