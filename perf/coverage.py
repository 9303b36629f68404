"""How often the product's intervals hold the truth, and how often its gates are wrong: one table, made by simulation.

    python perf/coverage.py [--draws 10000] [--only mean,gate] [--markdown]

Every figure that is printed with an interval, in plausible worlds whose truth is known; every gate over a grid of what
it does not know (how many items flip both ways, how far breaks go together). The statistics are the product's own
functions, over arrays of samples; each section first checks that they say what the product's intervals say. `held` is
the share of 95 % intervals that hold the truth, `pass` and `fail` the shares of wrong verdicts where the true loss is
exactly the margin; `caution` marks cells where the product itself prints one. Seeds are fixed.

A cell is within bounds when an interval covers .93 to .985 (30 items or more, true share .1 to .9), and a gate when the
rate is at most .06 and its lower 99 % limit at most .05. Exit code 1 where a cell is not and no caution is printed.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

CHUNK = 2_000_000  # values drawn at a time


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One line of the table. Rates are shares of draws; `expected` cells must lie within the bounds."""

    section: str
    figure: str
    world: str
    n: int
    truth: float
    draws: int
    held: float | None = None
    passes: float | None = None
    fails: float | None = None
    expected: bool = True
    caution: str = ""

    @property
    def within(self) -> bool:
        """Whether the cell keeps what the table promises."""
        if self.held is not None:
            return 0.93 <= self.held <= 0.985
        return all(promised(rate, self.draws) for rate in (self.passes, self.fails) if rate is not None)


def promised(rate: float, draws: int) -> bool:
    """A gate's error rate is at most .06, and its lower 99 % limit at most .05."""
    return rate <= 0.06 and rate - 2.326 * math.sqrt(rate * (1 - rate) / draws) <= 0.05


def batches(draws: int, size: int) -> Iterator[int]:
    """How many samples to draw at a time, so that memory stays small."""
    at_once = max(1, CHUNK // size)
    for start in range(0, draws, at_once):
        yield min(at_once, draws - start)


def share(draws: int, size: int, hits: Callable[[int], np.ndarray]) -> float:
    """The share of draws for which `hits(samples)` is true."""
    return sum(int(np.sum(hits(samples))) for samples in batches(draws, size)) / draws


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--draws", type=int, default=10_000)
    options.add_argument("--only", default="", help="sections, separated by commas")
    options.add_argument("--markdown", action="store_true")
    given = options.parse_args()
    from coverage_gates import GATES
    from coverage_intervals import INTERVALS

    sections = {**INTERVALS, **GATES}
    chosen = [name for name in given.only.split(",") if name] or list(sections)
    if unknown := [name for name in chosen if name not in sections]:
        options.error(f"--only {unknown[0]}: there is {', '.join(sections)}")
    bad = 0
    for number, name in enumerate(sections):
        if name not in chosen:
            continue
        begun = time.process_time()
        if given.markdown:
            print(f"\n**{name}**\n\n{HEADING}")
        for cell in sections[name](np.random.default_rng([2026, number]), given.draws):
            wrong = cell.expected and not cell.within and not cell.caution
            bad += wrong
            whole = json.dumps({**asdict(cell), "within": cell.within})
            print(row(cell, wrong) if given.markdown else whole, flush=True)
        print(f"{name}: {time.process_time() - begun:.0f} s of CPU", file=sys.stderr)
    return 1 if bad else 0


HEADING = "| figure | world | n | truth | held | pass | fail | |\n|---|---|--:|--:|--:|--:|--:|---|"


def row(cell: Cell, wrong: bool) -> str:
    """One line of the table in Markdown."""
    rates = ["" if rate is None else f"{rate:.3f}" for rate in (cell.held, cell.passes, cell.fails)]
    inside = cell.within or not cell.expected
    said = "**outside**" if wrong else cell.caution if not inside else "" if cell.expected else "shown"
    return f"| {cell.figure} | {cell.world} | {cell.n:,} | {cell.truth:.3f} | {' | '.join(rates)} | {said} |"


if __name__ == "__main__":
    raise SystemExit(main())
