"""How often the gate is wrong: simulated runs whose true loss is known, judged by the product's own functions.

    python perf/gate_simulation.py [--repetitions 2000]

One JSON line per setting. `at margin`: the true loss is exactly the margin, so a pass is an error (at most 5 %) and so
is a fail. `twice the margin`: how often the loss is found. `no change`: how often a model that flips as many items both
ways passes. The sequential rule looks every ten items; `items` is the mean number asked.
"""

from __future__ import annotations

import argparse
import json
import math
from functools import cache

import numpy as np

from evalharness.stats.e_processes import BETS, FIRST_LOOK, LOOK_EVERY, EProcess, evidence_needed, final_alpha
from evalharness.stats.paired import paired_binary, paired_mean

MARGIN, ALPHA = 0.02, 0.05
SIZES = (20, 50, 100, 400, 2000)
# (share broken, share fixed)
CASES = {"at margin": (0.03, 0.01), "twice the margin": (0.05, 0.01), "no change": (0.02, 0.02)}


@cache
def binary(fixed: int, broke: int, n: int, alpha: float) -> str:
    """The verdict on one outcome; outcomes repeat, so they are kept."""
    found = paired_binary(fixed, broke, n, 1 - 2 * alpha)
    return "fail" if found.high < -MARGIN else "pass" if found.low > -MARGIN else "open"


def fixed_size(draw: np.random.Generator, repetitions: int) -> None:
    for case, (p10, p01) in CASES.items():
        for n in SIZES:
            counts = draw.multinomial(n, (p10, p01, 1 - p10 - p01), size=repetitions)
            said = [binary(int(fixed), int(broke), n, ALPHA) for broke, fixed, _ in counts]
            report("tango", case, n, said)


def repeated(draw: np.random.Generator, repetitions: int) -> None:
    """Four answers per item: graded differences, most of them 0."""
    for case, (p10, p01) in CASES.items():
        for n in SIZES[:-1]:
            said = []
            for _ in range(repetitions):
                broke, fixed = draw.random((n, 4)) < p10 * 2, draw.random((n, 4)) < p01 * 2
                touched = draw.random(n) < 0.5  # half of the items never move
                d = np.where(touched, (fixed.astype(float) - broke.astype(float)).mean(1), 0.0)
                found = paired_mean(d, 1 - 2 * ALPHA)
                said.append("fail" if found.high < -MARGIN else "pass" if found.low > -MARGIN else "open")
            report("paired t, 4 answers", case, n, said)


def sequential(draw: np.random.Generator, repetitions: int, planned: int) -> None:
    looks = np.arange(FIRST_LOOK, planned + 1, LOOK_EVERY) - 1
    cases = {**CASES, "a wreck": (0.12, 0.01), "far better": (0.01, 0.12)}
    for case, (p10, p01) in cases.items():
        said, used = [], []
        for _ in range(repetitions):
            d = draw.choice([-1.0, 1.0, 0.0], size=planned, p=(p10, p01, 1 - p10 - p01))
            above, below = evidence(d, looks)
            pass_at, fail_at = (np.flatnonzero(e >= evidence_needed(ALPHA)) for e in (above, below))
            first = min(pass_at[:1].tolist() + fail_at[:1].tolist(), default=None)
            if first is None:
                said.append(binary(int((d > 0).sum()), int((d < 0).sum()), planned, final_alpha(ALPHA)))
                used.append(planned)
            else:
                said.append("pass" if pass_at[:1].tolist() == [first] else "fail")
                used.append(int(looks[first]) + 1)
        report("sequential", case, planned, said, items=round(float(np.mean(used)), 1))


def evidence(d: np.ndarray, looks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The e-values at the looks, all at once; `check` holds them against the product's own process."""
    x, null = (d[:, None] + 1) / 2, (1 - MARGIN) / 2
    logs = np.cumsum(np.log1p(BETS * (x - null) / null), 0), np.cumsum(np.log1p(-BETS * (x - null) / (1 - null)), 0)
    above, below = (np.exp(np.minimum(log[looks], 700)).mean(1) for log in logs)
    return above, below


def check(draw: np.random.Generator) -> None:
    d = draw.choice([-1.0, 1.0, 0.0], size=60, p=(0.2, 0.1, 0.7))
    process = EProcess(MARGIN)
    for value in d:
        process.add(value, value)
    above, below = evidence(d, np.array([59]))
    if not (math.isclose(above[0], process.passing) and math.isclose(below[0], process.failing)):
        raise SystemExit("the simulated e-values are not the product's")


def report(rule: str, case: str, n: int, said: list[str], **more: float) -> None:
    shares = {word: round(said.count(word) / len(said), 4) for word in ("pass", "fail", "open")}
    print(json.dumps({"rule": rule, "case": case, "n": n, "repetitions": len(said), **shares, **more}), flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--repetitions", type=int, default=2000)
    options.add_argument("--planned", type=int, default=1000)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    draw = np.random.default_rng(given.seed)
    check(draw)
    fixed_size(draw, given.repetitions)
    repeated(draw, given.repetitions)
    sequential(draw, given.repetitions, given.planned)


if __name__ == "__main__":
    main()
