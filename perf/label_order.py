"""What the order of labels is worth: how wide the calibrated interval is, and how often it holds the truth.

    python perf/label_order.py [--labels 100] [--draws 2000]

1,000 answers of which people call each good or bad. The judge is sure of 7 in 10 and of two minds about the rest.
Either order is drawn anew each time: by chance, and as `evalh view` does, those first that it is less sure of. The
truth is the mean of what people say of all 1,000. Exit 1 where the second interval is not narrower, or holds the
truth in less than 93 of 100 draws.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from evalharness.stats.agreement import powered_mean
from evalharness.stats.unequal_draws import inclusion_probabilities

ITEMS, SURE = 1_000, 0.7
SUREST = 0.2  # as evalharness/web/label_order.py


def people_and_judge(draw: np.random.Generator, errs: float) -> tuple[np.ndarray, np.ndarray]:
    """What people say of each answer, and the judge: wrong so often where it is sure, at 0.5 where it is not."""
    people = (draw.random(ITEMS) < 0.6).astype(float)
    judge = np.where(draw.random(ITEMS) < errs, 1 - people, people)
    return people, np.where(draw.random(ITEMS) < SURE, judge, 0.5)


def interval(people: np.ndarray, judge: np.ndarray, labels: int, numbers: np.ndarray, chances: np.ndarray | None):
    """The calibrated mean from the labels that come first."""
    first = np.argsort(numbers / (1 if chances is None else chances))[:labels]
    known = None if chances is None else {str(i): float(chances[i]) for i in first}
    values = {str(i): float(value) for i, value in enumerate(judge)}
    return powered_mean({str(i): float(people[i]) for i in first}, values, chances=known).powered


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--draws", type=int, default=2000)
    asked = parser.parse_args()
    draw, bad = np.random.default_rng(0), False
    for errs in (0.02, 0.05, 0.15):
        widths, held = {"by chance": [], "as labelled": []}, {"by chance": 0, "as labelled": 0}
        for _ in range(asked.draws):
            people, judge = people_and_judge(draw, errs)
            spread = np.maximum(SUREST, np.sqrt(judge * (1 - judge)))
            numbers = draw.random(ITEMS)
            ways = {"by chance": None, "as labelled": inclusion_probabilities(spread, asked.labels)}
            for word, chances in ways.items():
                found = interval(people, judge, asked.labels, numbers, chances)
                widths[word].append(found.high - found.low)
                held[word] += found.low <= people.mean() <= found.high
        means = {word: float(np.mean(found)) for word, found in widths.items()}
        for word in means:
            print(f"the judge errs in {errs:.0%}: {word}: width {means[word]:.4f}, holds the truth in "
                  f"{held[word] / asked.draws:.1%}")  # fmt: skip
        fewer = 1 - (means["as labelled"] / means["by chance"]) ** 2
        print(f"the judge errs in {errs:.0%}: so many labels fewer for the same width: {fewer:.0%}")
        bad |= held["as labelled"] < 0.93 * asked.draws or (errs < 0.1 and fewer <= 0)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
