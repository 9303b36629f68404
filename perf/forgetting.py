"""How often `evalh forget` is wrong, and how often it finds a loss: simulated models whose truth is known.

    python perf/forgetting.py [--families 200] [--end-to-end 50] [--only no-change] [--asked to-the-end]

A family is three benchmarks of 300 items. `no change`: a share of the items flips either way by chance and nothing else
happens; `alarm` is the share of families in which anything is called lost (at most .05), `gain` that in which anything
is called gained. `lost 10 points`: one of the three drops by ten points, the others only flip; `found` is the share of
families in which that one is called lost (at least .9 where 300 items are asked in one start), `first worse` that it is
called worse by more than the margin of 2 points, `items` the mean number of its items asked. `at the margin`: all three
drop by exactly 2 points; `worse` is an error there, and so is `passed` (at most .05 each).

Four ways of asking: to the end; until the time is used up, where wrong answers take three times as long; in five
starts, each of which gives a verdict (a loss that was ever said counts); and 300 items of 1,319 in one start. Items go
through the product's own watch and verdict, `--end-to-end` families besides through the whole of it, with two models,
journals and manifests. Seeds are fixed. Exit code 1 where a rate breaks its promise by more than three standard errors.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from evalharness import Benchmark, Sample, plugins
from evalharness.comparison.compare import Options
from evalharness.comparison.forgetting import measure_forgetting, watched_verdict
from evalharness.comparison.forgetting_plan import ForgettingRequest
from evalharness.comparison.paired_watch import BASE, TUNED, PairedWatch, family_share
from evalharness.data.rows import Source
from evalharness.events import observed_by
from evalharness.models.function import FunctionModel
from evalharness.records import Request, Response, Result
from evalharness.scoring.answers import short_answer
from evalharness.scoring.metrics import mean

END, PART, WHOLE = "to the end", "a part of 1319", "the whole product"
ITEMS, BENCHMARKS, ALPHA, MARGIN = 300, 3, 0.05, 0.02
RIGHT = 0.6  # of the items by the base model
Draw = np.random.Generator
Answers = np.ndarray  # (items, 2): right by the base, and by the tuned model


@dataclass(frozen=True, kw_only=True)
class World:
    """What is true: by how much the first benchmark drops, and the others; which share flips either way besides."""

    name: str
    first: float
    others: float
    flips: float

    def draw(self, draw: Draw, number: int) -> Answers:
        """The answers to one benchmark."""
        drop = self.others if number else self.first
        broke, fixed = self.flips + drop, self.flips
        chance = draw.random(ITEMS)
        base = draw.random(ITEMS) < RIGHT
        base = np.where(chance < broke, True, np.where(chance < broke + fixed, False, base))
        tuned = np.where(chance < broke, False, np.where(chance < broke + fixed, True, base))
        return np.stack([base, tuned], 1)


WORLDS = (
    *(World(name="no change", first=0.0, others=0.0, flips=flips) for flips in (0.01, 0.03, 0.1)),
    *(World(name="lost 10 points", first=0.1, others=0.0, flips=flips) for flips in (0.0, 0.02, 0.05)),
    *(World(name="at the margin", first=MARGIN, others=MARGIN, flips=flips) for flips in (0.01, 0.05)),
)


def result(number: int, right: bool) -> Result:
    return Result(
        benchmark="quiz", sample=Sample(id=str(number), question=""), request=Request(messages=()),
        response=Response(), status="correct" if right else "wrong", scores={"accuracy": float(right)},
    )  # fmt: skip


ANSWERS = {(number, right): result(number, right) for number in range(ITEMS) for right in (False, True)}


def to_the_end(answers: Answers) -> list[int]:
    return [ITEMS]


def by_the_clock(answers: Answers) -> list[int]:
    """As many blocks of ten as fit into a time that two thirds of the items take on average; a wrong answer takes three
    times as long as a right one."""
    took = np.cumsum((3 - 2 * answers).sum(1))
    usual = 2 * (3 - 2 * RIGHT) * ITEMS * 2 / 3
    return [max(10, int(np.searchsorted(took, usual)) // 10 * 10)]


def five_starts(answers: Answers) -> list[int]:
    return [60, 120, 180, 240, ITEMS]


ASKED: dict[str, Callable[[Answers], list[int]]] = {
    END: to_the_end, "by the clock": by_the_clock, "in five starts": five_starts, PART: to_the_end,
}  # fmt: skip


@dataclass
class Rates:
    """What was said of families: of any benchmark lost, gained, worse and passed; of the first one lost and worse."""

    families: int = 0
    lost: int = 0
    gained: int = 0
    worse: int = 0
    passed: int = 0
    first_lost: int = 0
    first_worse: int = 0
    asked: list[int] = field(default_factory=list)

    def add(self, said: Sequence[tuple[str, str, str, int]]) -> None:
        """(finding, verdict, gate, asked) of every benchmark."""
        self.families += 1
        self.lost += any(finding == "lost" for finding, *_ in said)
        self.gained += any(finding == "gained" for finding, *_ in said)
        self.worse += any(verdict == "worse" for _, verdict, *_ in said)
        self.passed += any(gate == "pass" for _, _, gate, _ in said)
        self.first_lost += said[0][0] == "lost"
        self.first_worse += said[0][1] == "worse"
        self.asked.append(said[0][3])


def one_benchmark(answers: Answers, stops: Sequence[int], there: int) -> tuple[str, str, str, int]:
    """One benchmark asked in so many starts: what was said at last, or the first loss that was said."""
    watch = PairedWatch(
        name="quiz", order=[str(number) for number in range(there)], repeats=(1, 1), scores=["accuracy"], margin=MARGIN,
        alpha=family_share(ALPHA, BENCHMARKS),
    )  # fmt: skip
    said = ("", "", "", 0)
    for stop in stops:
        while watch.counted < stop and not watch.decided:
            for number in range(watch.counted, min(watch.counted + 10, stop)):
                watch.add(BASE, ANSWERS[number, bool(answers[number, 0])])
                watch.add(TUNED, ANSWERS[number, bool(answers[number, 1])])
            watch.count()
        task, about = watched_verdict(watch)
        watch.tested = about.tested
        if said[0] != "lost":
            said = (about.finding, task.verdict, task.gate, about.asked)
    return said


def simulated(families: int, worlds: Sequence[World], asked: str) -> Iterator[tuple[World, str, Rates]]:
    for world in worlds:
        place = WORLDS.index(world)
        for way, (name, stops) in enumerate(ASKED.items()):
            if not chosen(name, asked):
                continue
            draw, rates = np.random.default_rng([22, place, way]), Rates()
            for _ in range(families):
                drawn = [world.draw(draw, number) for number in range(BENCHMARKS)]
                there = 1319 if name == PART else ITEMS
                rates.add([one_benchmark(answers, stops(answers), there) for answers in drawn])
            yield world, name, rates


def end_to_end(families: int, worlds: Sequence[World]) -> Iterator[tuple[World, str, Rates]]:
    """The same through the whole product: two models, asked side by side, in run folders."""
    for world in worlds:
        draw, rates = np.random.default_rng([44, WORLDS.index(world)]), Rates()
        for family in range(families):
            with tempfile.TemporaryDirectory() as folder, observed_by(lambda event: None):
                rates.add(_whole(Path(folder), [world.draw(draw, number) for number in range(BENCHMARKS)], family))
        yield world, WHOLE, rates


def _whole(folder: Path, drawn: Sequence[Answers], seed: int) -> list[tuple[str, str, str, int]]:
    right: tuple[set[str], set[str]] = set(), set()
    names = []
    for number, answers in enumerate(drawn):
        file = folder / f"quiz{number}.jsonl"
        rows = [{"question": f"quiz {number} item {i}"} for i in range(ITEMS)]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        for i, row in enumerate(rows):
            for side in (BASE, TUNED):
                if answers[i, side]:
                    right[side].add(row["question"])
        quiz = Benchmark(
            name=f"quiz{number}", title="", paper="", licence="", items=ITEMS, source=Source(own={"test": file}),
            sample=lambda row: Sample(question=row["question"], answers=("yes",)), score=short_answer(),
            metrics=(mean("exact_match"),),
        )  # fmt: skip
        names.append(plugins.add_benchmark(quiz))

    def model(side: int) -> FunctionModel:
        return FunctionModel(lambda prompts: ["yes" if p in right[side] else "no" for p in prompts], version=f"{side}")

    request = ForgettingRequest(
        benchmarks=tuple(names), seed=seed, runs=folder / "runs", judged=Options(alpha=ALPHA, margin=MARGIN)
    )
    found = measure_forgetting(request, model(BASE), model(TUNED))
    abouts = found.document.benchmarks
    return [(abouts[t.benchmark].finding, t.verdict, t.gate, abouts[t.benchmark].asked) for t in found.comparison.tasks]


def above(count: int, families: int, limit: float) -> bool:
    """Whether so many of so many cannot be chance where the rate is at most `limit` (three standard errors)."""
    return count / families > limit + 3 * math.sqrt(limit * (1 - limit) / families)


def broken(world: World, way: str, rates: Rates) -> bool:
    """Whether what was counted breaks a promise."""
    n = rates.families
    if world.name == "no change":
        return above(rates.lost, n, ALPHA) or above(rates.gained, n, ALPHA)
    if world.name == "at the margin":
        return above(rates.worse, n, ALPHA) or above(rates.passed, n, ALPHA)
    return way in (WHOLE, END, PART) and above(n - rates.first_lost, n, 0.1)


def chosen(name: str, words: str) -> bool:
    """Whether a name is among the chosen ones, or all are."""
    return not words or name.replace(" ", "-") in words.split(",")


def main(arguments: Sequence[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--families", type=int, default=200)
    options.add_argument("--end-to-end", type=int, default=50)
    options.add_argument("--only", default="", help="worlds, separated by commas")
    options.add_argument("--asked", default="", help="ways of asking, separated by commas: to-the-end, ...")
    given = options.parse_args(arguments)
    worlds = [world for world in WORLDS if chosen(world.name, given.only)]
    bad = 0
    for made in (simulated(given.families, worlds, given.asked), end_to_end(given.end_to_end, worlds)):
        for world, way, rates in made:
            if not rates.families:
                continue
            bad += broken(world, way, rates)
            n = rates.families
            shown = {
                "world": world.name, "flips either way": world.flips, "asked": way, "families": n,
                "alarm": rates.lost / n, "gain": rates.gained / n, "worse": rates.worse / n, "passed": rates.passed / n,
                "found": rates.first_lost / n, "first worse": rates.first_worse / n,
                "items": round(float(np.mean(rates.asked)), 1), "kept": not broken(world, way, rates),
            }  # fmt: skip
            print(json.dumps(shown), flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
