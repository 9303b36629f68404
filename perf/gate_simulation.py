"""How often the gate is wrong: simulated runs whose true loss is known, judged by the product's own functions.

    python perf/gate_simulation.py [--repetitions 2000]

One JSON line per setting. `at margin`: the true loss is exactly the margin, so a pass is an error (at most 5 %) and so
is a fail. `twice the margin`: how often the loss is found. `no change`: how often a model that flips as many items both
ways passes. The sequential rule looks every ten items; `items` is the mean number asked.

`floor`: a model whose true accuracy is exactly the floor, so keeping it and breaking it are both errors (2.5 % each).
`relative margin`: the true loss is exactly that share of the baseline, whose value is an estimate too. `tiers`: a suite
of several tasks, by what a pipeline is told: `exit 0` where a critical or an important task lost the margin is an error
of at most 5 %, `exit 1` where no task lost more than it one over all tasks. `judge`: how often the interval that
carries a judge's error holds the difference that people would see; `reruns`: how often one that carries the shifts of
whole runs, known from several seeds, holds the true difference.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
from functools import cache

import numpy as np

from evalharness.comparison.compare import Comparison, Policy, exit_code
from evalharness.comparison.decide import TaskComparison, decide, overall
from evalharness.comparison.rules import TaskRule, TaskTier, hold_to_rule
from evalharness.comparison.uncertainty import shift_variances
from evalharness.runs.figures import TaskSummary, kept_estimate
from evalharness.scoring.metrics import average
from evalharness.stats.e_processes import BETS, FIRST_LOOK, LOOK_EVERY, EProcess, evidence_needed, final_alpha
from evalharness.stats.paired import paired_binary, paired_mean
from evalharness.stats.powered import powered_difference
from evalharness.stats.reruns import pass_noise, widened_half

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


FLOORS = (0.5, 0.8, 0.95)


@cache
def held(right: int, n: int, floor: float) -> str:
    """What becomes of a floor with so many of n right."""
    figure = average([1.0] * right + [0.0] * (n - right))
    assert figure is not None
    kept = TaskSummary(n=n, headline="accuracy", metrics={"accuracy": kept_estimate(figure)}, counts={})
    word = hold_to_rule("simulated", TaskRule(at_least=floor), kept).gate
    return "open" if word == "inconclusive" else word


def floors(draw: np.random.Generator, repetitions: int) -> None:
    for floor in FLOORS:
        for n in SIZES[1:]:
            said = [held(int(right), n, floor) for right in draw.binomial(n, floor, size=repetitions)]
            report(f"floor {floor:g}", "at the floor", n, said)


def relative(draw: np.random.Generator, repetitions: int) -> None:
    """A loss of exactly 10 % of the baseline, which is measured on the same items; 1 % of the items gets fixed."""
    for base, n in ((0.1, 400), (0.1, 2000), (0.5, 400), (0.9, 400), (0.9, 2000)):
        rule, loss = TaskRule(relative_margin=0.1), 0.1 * base
        shares = (loss + 0.01, 0.01, base - loss - 0.01, 1 - base - 0.01)  # broken, fixed, right and wrong on both
        said = []
        for broke, fixed, right, _ in draw.multinomial(n, shares, size=repetitions):
            margin, _ = rule.margin_at((broke + right) / n, MARGIN)
            found = paired_binary(int(fixed), int(broke), n, 1 - 2 * ALPHA)
            said.append("fail" if found.high < -margin else "pass" if found.low > -margin else "open")
        report(f"relative margin, baseline {base:g}", "at margin", n, said)


# The tiers of a suite, and the case of each of its tasks.
SUITES: dict[str, tuple[tuple[TaskTier, str], ...]] = {
    "all at the margin": (("critical", "at margin"), ("important", "at margin"), ("advisory", "at margin")),
    "critical at the margin": (("critical", "at margin"), ("important", "no change"), ("advisory", "no change")),
    "important at the margin": (("critical", "no change"), ("important", "at margin"), ("advisory", "no change")),
    "four important at the margin": (("important", "at margin"),) * 4,
    "advisory lost, the others did not change": (
        ("critical", "no change"), ("important", "no change"), ("advisory", "twice the margin"),
        ("advisory", "twice the margin"),
    ),
}  # fmt: skip


def tiers(draw: np.random.Generator, repetitions: int, n: int = 2000) -> None:
    """What a pipeline is told of a suite, under either policy."""
    decide([simulated_task(draw, "t", "important", "no change", n)] * 2, ALPHA)
    gc.freeze()  # statsmodels' Holm collects garbage each time, which is slow with all that was imported
    policies: tuple[Policy, ...] = ("block-on-fail", "require-pass")
    for name, tasks in SUITES.items():
        counted: dict[str, list[str]] = {policy: [] for policy in policies}
        for _ in range(repetitions):
            made = [simulated_task(draw, f"t{i}", tier, case, n) for i, (tier, case) in enumerate(tasks)]
            decided = decide(made, ALPHA)
            word, gate = overall(decided)
            compared = Comparison(
                base=None, new=None, alpha=ALPHA, level=1 - 2 * ALPHA, verdict=word, gate=gate, tasks=tuple(decided)  # type: ignore[arg-type]
            )  # fmt: skip
            for policy in policies:
                counted[policy].append(f"exit {int(exit_code(compared, gate=True, policy=policy))}")
        for policy, said in counted.items():
            shares = {word: round(said.count(word) / len(said), 4) for word in ("exit 0", "exit 1", "exit 5")}
            told = {"rule": f"tiers, {policy}", "case": name, "n": n, "repetitions": len(said), **shares}
            print(json.dumps(told), flush=True)


def simulated_task(draw: np.random.Generator, name: str, tier: TaskTier, case: str, n: int) -> TaskComparison:
    p10, p01 = CASES[case]
    broke, fixed, _ = draw.multinomial(n, (p10, p01, 1 - p10 - p01))
    low, high, p_worse, value = measured(int(fixed), int(broke), n)
    return TaskComparison(
        benchmark=name, metric="accuracy", margin=MARGIN, tier=tier, n=n, total=n, difference=value, low=low, high=high,
        p_worse=p_worse, p_change=1.0,
    )  # fmt: skip


@cache
def measured(fixed: int, broke: int, n: int) -> tuple[float, float, float, float]:
    found = paired_binary(fixed, broke, n, 1 - 2 * ALPHA)
    return found.low, found.high, found.p_worse(MARGIN), found.value


def judge_error(draw: np.random.Generator, repetitions: int, items: int = 1000, labels: int = 100) -> None:
    """How often the interval at 95 % holds the difference that people would see, where a judge that agrees with them
    at r = .6 gives the new model 5 points too many; beside it the interval of the judge alone."""
    for world in ("grades", "right or wrong", "few differences"):
        held, alone, widths, agreement = [], [], [], []
        for _ in range(repetitions):
            human, judge, truth = people_and_judge(draw, world, items)
            made = powered_difference(human[:labels], judge[:labels], judge[labels:], 0.95)
            plain = paired_mean(judge, 0.95)
            held.append(made.low <= truth <= made.high)
            alone.append(plain.low <= truth <= plain.high)
            widths.append(made.high - made.low)
            agreement.append(np.corrcoef(human, judge)[0, 1])
        told = {
            "rule": "prediction-powered difference, 95 %", "case": world, "n": items, "labels": labels,
            "repetitions": repetitions, "r": round(float(np.mean(agreement)), 2),
            "coverage": round(float(np.mean(held)), 4), "judge alone": round(float(np.mean(alone)), 4),
            "mean width": round(float(np.mean(widths)), 4),
        }  # fmt: skip
        print(json.dumps(told), flush=True)


BIAS, TRUTH = 0.05, -0.02


def people_and_judge(draw: np.random.Generator, world: str, items: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Differences new minus base of each item, by people and by the judge, and the true mean of people's.

    The judge copies people's difference in some items and else draws one of its own from the same distribution moved by
    the bias, so that the two correlate at .6.
    """
    copied = draw.random(items) < {"grades": 0.6, "right or wrong": 0.65, "few differences": 0.78}[world]
    if world == "grades":
        human = np.clip(draw.normal(TRUTH, 0.25, items), -0.9, 0.9)
        own = np.clip(draw.normal(TRUTH, 0.25, items), -0.9, 0.9)
        return human, np.where(copied, human, own) + BIAS, TRUTH
    flips = 0.3 if world == "right or wrong" else 0.08
    shares = ((flips - TRUTH) / 2, 1 - flips, (flips + TRUTH) / 2)
    human, own = (draw.choice([-1.0, 0.0, 1.0], size=items, p=shares) for _ in range(2))
    judge = np.where(copied, human, own)
    # Five points more: some of what the judge would call no better is called better.
    moved = draw.random(items) < BIAS / float(np.dot(shares, [1.0, 1.0, 0.0]))
    return human, np.where(moved, np.minimum(1.0, judge + 1.0), judge), TRUTH


def reruns(draw: np.random.Generator, repetitions: int, items: int = 200) -> None:
    """How often the interval at 90 % holds the true difference of 0 where every whole run is off by something of its
    own (`shift`, standard deviation); with several seeds on both sides, and against a base that is one run."""
    for seeds in (2, 3, 5):
        for base_seeds in (seeds, 1):
            for shift in (0.0, 0.02, 0.05):
                held, alone = 0, 0
                for _ in range(repetitions):
                    chances = draw.uniform(0.2, 0.8, items)[:, None]
                    base, new = (
                        (draw.random((items, k)) < chances + draw.normal(0, shift, k)).astype(float)
                        for k in (base_seeds, seeds)
                    )
                    plain = paired_mean(new.mean(axis=1) - base.mean(axis=1), 1 - 2 * ALPHA)
                    added = shift_variances([pass_noise(base), pass_noise(new)])
                    below, above = (
                        widened_half(half, added, ALPHA).width
                        for half in (plain.value - plain.low, plain.high - plain.value)
                    )
                    held += plain.value - below <= 0 <= plain.value + above
                    alone += plain.low <= 0 <= plain.high
                told = {
                    "rule": "several seeds, 90 %", "case": f"shift {shift}", "n": items, "seeds": seeds,
                    "seeds of base": base_seeds, "repetitions": repetitions, "coverage": round(held / repetitions, 4),
                    "without": round(alone / repetitions, 4),
                }  # fmt: skip
                print(json.dumps(told), flush=True)


def report(rule: str, case: str, n: int, said: list[str], **more: float) -> None:
    shares = {word: round(said.count(word) / len(said), 4) for word in ("pass", "fail", "open")}
    print(json.dumps({"rule": rule, "case": case, "n": n, "repetitions": len(said), **shares, **more}), flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--repetitions", type=int, default=2000)
    options.add_argument("--planned", type=int, default=1000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", default="", help="rules to simulate, separated by commas: tango, floors, judge, ...")
    given = options.parse_args()
    draw = np.random.default_rng(given.seed)
    check(draw)
    rules = {
        "tango": fixed_size,
        "repeated": repeated,
        "sequential": lambda draw, repetitions: sequential(draw, repetitions, given.planned),
        "floors": floors,
        "relative": relative,
        "tiers": tiers,
        "judge": judge_error,
        "reruns": reruns,
    }
    for name in given.only.split(",") if given.only else rules:
        rules[name](draw, given.repetitions)


if __name__ == "__main__":
    main()
