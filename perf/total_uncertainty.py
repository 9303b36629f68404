"""Does an interval that carries wordings and seeds hold the truth, and how few calls does that take?

Answers are right or wrong; each item has a chance of its own, every wording and every run (seed) is off by something of
its own. The truth is the mean over all items, wordings and runs of their kind. `latin`: k answers to an item, k
wordings and k seeds in a Latin square, as `evalh run --wording ... --seeds ...` asks; `crossed`: all k x k of them;
`held` counts how often the interval at 95 % holds the truth, `without` that of the items alone; `components` is the
mean of the estimated standard deviations, in points.

    python perf/total_uncertainty.py [--repetitions 2000]
"""

from __future__ import annotations

import argparse
import json
import math

import numpy as np
from numpy.typing import NDArray

from evalharness.stats.reruns import crossed_noise, widened_half

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

Z95, ALPHA = 1.959963984540054, 0.025
MEAN, SPREAD = 0.6, 0.25  # of the items' chances


def design(draw: np.random.Generator, items: int, k: int, kind: str) -> tuple[IntArray, IntArray]:
    """The wording and the seed of each answer (items, answers)."""
    if kind == "crossed":
        cells = np.arange(k * k)
        return np.broadcast_to(cells // k, (items, k * k)), np.broadcast_to(cells % k, (items, k * k))
    seeds = np.broadcast_to(np.arange(k), (items, k))
    return (seeds + draw.integers(0, k, items)[:, None]) % k, seeds


def chances(draw: np.random.Generator, items: int) -> FloatArray:
    return np.clip(draw.normal(MEAN, SPREAD, items), 0.02, 0.98)


def truth_of(shifts: tuple[float, float]) -> float:
    draw, many = np.random.default_rng(9), 400_000
    off = draw.normal(0, shifts[0], many) + draw.normal(0, shifts[1], many)
    return float(np.clip(chances(draw, many) + off, 0, 1).mean())


def simulate(items: int, k: int, shifts: tuple[float, float], kind: str, repetitions: int) -> dict[str, object]:
    draw, truth = np.random.default_rng(1), truth_of(shifts)
    held, without, widths, found = 0, 0, [], []
    for _ in range(repetitions):
        wording, seed = design(draw, items, k, kind)
        off = draw.normal(0, shifts[0], k)[wording] + draw.normal(0, shifts[1], k)[seed]
        answers = (draw.random(wording.shape) < np.clip(chances(draw, items)[:, None] + off, 0, 1)).astype(float)
        means = answers.mean(1)
        value, plain = float(means.mean()), Z95 * float(means.std(ddof=1)) / math.sqrt(items)
        if kind == "crossed":  # the mean over the other factor leaves one answer of each level
            by = {
                name: np.stack([answers[:, codes[0] == level].mean(1) for level in range(k)], 1)
                for name, codes in (("wording", wording), ("rerun", seed))
            }
            level = np.broadcast_to(np.arange(k), (items, k))
            noises = {name: crossed_noise(values, {name: level})[name] for name, values in by.items()}
        else:
            noises = crossed_noise(answers, {"wording": wording, "rerun": seed})
        added = [(one.shift**2 / one.passes, one.freedom) for one in noises.values()]
        half = widened_half(plain, added, ALPHA).width
        held += abs(value - truth) <= half
        without += abs(value - truth) <= plain
        widths.append(half)
        found.append([noises["wording"].shift ** 2, noises["rerun"].shift ** 2])
    said = [round(100 * math.sqrt(value), 2) for value in np.mean(found, 0)]
    return {
        "items": items, "levels": k, "design": kind, "answers per item": wording.shape[1], "shifts": shifts,
        "repetitions": repetitions, "held": round(held / repetitions, 4), "without": round(without / repetitions, 4),
        "half width, points": round(100 * float(np.mean(widths)), 2), "components, points": said,
    }  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repetitions", type=int, default=2000)
    given = options.parse_args()
    for items in (200, 500):
        for k in (3, 5, 8):
            for shifts in ((0.0, 0.0), (0.02, 0.0), (0.05, 0.0), (0.05, 0.02)):
                print(json.dumps(simulate(items, k, shifts, "latin", given.repetitions)), flush=True)
    for shifts in ((0.02, 0.0), (0.05, 0.02)):
        print(json.dumps(simulate(200, 5, shifts, "crossed", given.repetitions)), flush=True)


if __name__ == "__main__":
    main()
