"""Does an interval that carries the judge hold the truth?

`panel`: answers of some worth in 0 ... 1, every judge is off by something of its own (`shift`) and by noise on each
answer; the figure is the mean over a panel, the truth the mean over all answers and judges of their kind. `labels`: an
answer is right or wrong by people, the judge says so with a chance (`right`, `wrong`: how often it calls a right one
right and a wrong one wrong), and people labelled some of the answers, drawn at random; the truth is the mean of what
people say of all answers of this kind. `held` counts how often the interval at 95 % holds the truth, `without` that of
the items alone: the judges' word, taken as it is.

    python perf/judge_uncertainty.py [--repetitions 1000]
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence

import numpy as np

from evalharness.evidence.total_uncertainty import of_labels
from evalharness.stats.reruns import pass_noise, widened_half

Z95, ALPHA = 1.959963984540054, 0.025


def told(case: dict[str, object], truth: float, found: Sequence[tuple[float, float, float, float]]) -> None:
    """Print how often each interval holds the truth: (value, half width, value of items alone, its half width)."""
    values = np.array(found)
    said = {
        "held": float(np.mean(np.abs(values[:, 0] - truth) <= values[:, 1])),
        "without": float(np.mean(np.abs(values[:, 2] - truth) <= values[:, 3])),
        "half width, points": round(100 * float(values[:, 1].mean()), 2),
        "half width without": round(100 * float(values[:, 3].mean()), 2),
    }
    print(json.dumps({**case, "repetitions": len(found), **said}), flush=True)


def panel(items: int, judges: int, shift: float, repetitions: int) -> None:
    draw, found = np.random.default_rng(2), []
    mean = 0.6
    for _ in range(repetitions):
        worth = draw.normal(mean, 0.15, items)[:, None]
        said = worth + draw.normal(0, shift, judges) + draw.normal(0, 0.1, (items, judges))
        means = said.mean(1)
        value, half = float(means.mean()), Z95 * float(means.std(ddof=1)) / math.sqrt(items)
        noise = pass_noise(said)
        added = [] if noise is None else [(noise.shift**2 / noise.passes, noise.freedom)]
        found.append((value, widened_half(half, added, ALPHA).width, value, half))
    told({"case": "panel", "items": items, "judges": judges, "shift, points": 100 * shift}, mean, found)


def labels(items: int, labelled: int, chances: tuple[float, float], repetitions: int) -> None:
    draw, found = np.random.default_rng(3), []
    mean = 0.6
    for _ in range(repetitions):
        human = (draw.random(items) < mean).astype(float)
        judged = np.where(human == 1, draw.random(items) < chances[0], draw.random(items) >= chances[1]).astype(float)
        made, variance, _ = of_labels(human[:labelled].tolist(), judged[:labelled].tolist(), judged[labelled:].tolist())
        half = widened_half(Z95 * made.stderr, [(variance, labelled - 1)], ALPHA).width
        alone = Z95 * float(judged.std(ddof=1)) / math.sqrt(items)
        found.append((made.value, half, float(judged.mean()), alone))
    case = {"case": "labels", "items": items, "labels": labelled, "right": chances[0], "wrong": chances[1]}
    told(case, mean, found)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repetitions", type=int, default=1000)
    repetitions = options.parse_args().repetitions
    for items in (200, 500):
        for judges in (2, 3, 5):
            for shift in (0.0, 0.02, 0.05):
                panel(items, judges, shift, repetitions)
        for labelled in (20, 50, 100):
            for chances in ((0.98, 0.98), (0.95, 0.7), (0.8, 0.8)):
                labels(items, labelled, chances, repetitions)


if __name__ == "__main__":
    main()
