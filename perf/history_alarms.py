"""How often `evalh history` marks a change where there is none, and how soon it marks one: simulated series of runs.

    python perf/history_alarms.py [--repetitions 1000]

One JSON line per setting. Each run asks the same items; an item has its own chance to be answered rightly, and every
run draws anew (so runs differ by their answers' noise). From the middle on some of the items are never answered rightly
any more: `change` in all. `marked`: series with any mark; where nothing changes each is a false alarm, and at most 5 %
are promised over all looks, one after each run. `delay`: runs until a change is seen.
"""

from __future__ import annotations

import argparse
import json

import numpy as np

from evalharness.stats.change_points import change_points

CHANGES = (0.0, -0.03, -0.05, -0.1)


def series(draw: np.random.Generator, runs: int, items: int, change: float, noise: str) -> np.ndarray:
    """Right or wrong, (runs, items); from the middle on the chance of a right answer is moved by `change`."""
    chance = draw.beta(0.4, 0.2, items) if noise == "some" else draw.beta(4, 2, items)
    lost = np.where(draw.random(items) < -change / chance.mean(), 0.0, chance)
    level = np.where((np.arange(runs) < runs // 2)[:, None], chance, lost)
    return (draw.random((runs, items)) < level).astype(float)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--repetitions", type=int, default=1000)
    options.add_argument("--runs", type=int, default=30)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    draw = np.random.default_rng(given.seed)
    for noise in ("some", "much"):
        for items in (100, 500):
            for change in CHANGES:
                found = [
                    change_points(series(draw, given.runs, items, change, noise)) for _ in range(given.repetitions)
                ]
                middle = given.runs // 2
                early = [any(c.seen < middle for c in one) for one in found]
                right = [c.seen - middle for one in found for c in one[:1] if c.seen >= middle]
                print(json.dumps({
                    "noise": noise, "items": items, "runs": given.runs, "change": change, "repetitions": len(found),
                    "marked": round(float(np.mean([bool(one) for one in found])), 4),
                    "before the change": round(float(np.mean(early)), 4) if change else None,
                    "delay": round(float(np.median(right)), 1) if right else None,
                }), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
