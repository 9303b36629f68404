"""How often the product's intervals hold the truth, and how often its gates are wrong: one table, made by simulation.

    python perf/coverage.py [--draws 10000] [--only mean,gate] [--markdown]

Every figure that is printed with an interval, in plausible worlds whose truth is known; every gate over a grid of what
it does not know (how many items flip both ways, how far breaks go together). The statistics are the product's own
functions, over arrays of samples; each section first checks that they say what the product's intervals say. `held` is
the share of 95 % intervals that hold the truth, `pass` and `fail` the shares of wrong verdicts where the true loss is
exactly the margin, `±` the Monte-Carlo error (one standard error). Seeds are fixed.

A cell is within bounds when an interval covers .93 to .985 (30 items or more, true share .1 to .9), and a gate when the
rate is at most .06 and its lower 99 % limit at most .05. A `caution` is what the product prints beside such a figure,
from the product's own function; it widens the bounds to what it says and no further (`admits`). Cells that are not
`expected` (fewer items, a share near 0 or 1) are shown. Exit code 1 where an expected cell is out of its bounds.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from zlib import crc32

import numpy as np

# The sections import this file by its name, also where it is the program.
sys.path.insert(0, str(Path(__file__).resolve().parent))

CHUNK = 2_000_000  # values drawn at a time
COVERED = (0.93, 0.985)


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
    admits: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.admits is not None and not self.caution:
            raise ValueError(f"{self.figure}, {self.world}: only a printed caution moves the bounds")

    @property
    def within(self) -> bool:
        """Whether the cell keeps what the table promises."""
        rates = [rate for rate in (self.held, self.passes, self.fails) if rate is not None]
        if self.held is None and self.admits is None:
            return all(promised(rate, self.draws) for rate in rates)
        lowest, highest = self.admits or COVERED
        return all(lowest <= rate <= highest for rate in rates)

    @property
    def wrong(self) -> bool:
        """Whether the cell breaks the promise."""
        return self.expected and not self.within

    @property
    def error(self) -> float:
        """The Monte-Carlo standard error of its largest rate but for 0 and 1."""
        rates = [rate for rate in (self.held, self.passes, self.fails) if rate is not None]
        return max(math.sqrt(rate * (1 - rate) / self.draws) for rate in rates)


Section = Callable[[np.random.Generator, int], Iterator[Cell]]


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


def many(draws: int) -> int:
    """How many values tell a world's truth, where there is no formula: its error must be far below an interval's."""
    return 4_000_000 if draws >= 1000 else 40_000


def main(arguments: Sequence[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--draws", type=int, default=10_000)
    options.add_argument("--only", default="", help="sections, separated by commas")
    options.add_argument("--markdown", action="store_true")
    given = options.parse_args(arguments)
    from coverage_averages import AVERAGES
    from coverage_figures import FIGURES
    from coverage_gates import GATES
    from coverage_intervals import INTERVALS

    sections = {**INTERVALS, **AVERAGES, **FIGURES, **GATES}
    chosen = [name for name in given.only.split(",") if name] or list(sections)
    if unknown := [name for name in chosen if name not in sections]:
        options.error(f"--only {unknown[0]}: there is {', '.join(sections)}")
    return table({name: sections[name] for name in chosen}, given.draws, markdown=given.markdown)


def table(sections: Mapping[str, Section], draws: int, *, markdown: bool = False) -> int:
    """Print the cells of the sections; 1 where one is out of its bounds. Each section's draws are its own."""
    bad = 0
    for name, section in sections.items():
        begun = time.process_time()
        if markdown:
            print(f"\n**{name}**\n\n{HEADING}")
        for cell in section(np.random.default_rng([2026, crc32(name.encode())]), draws):
            bad += cell.wrong
            print(row(cell) if markdown else json.dumps({**asdict(cell), "within": cell.within}), flush=True)
        print(f"{name}: {time.process_time() - begun:.0f} s of CPU", file=sys.stderr)
    return 1 if bad else 0


HEADING = "| figure | world | n | truth | draws | held | pass | fail | ± | |\n|---|---|--:|--:|--:|--:|--:|--:|--:|---|"


def row(cell: Cell) -> str:
    """One line of the table in Markdown."""
    rates = ["" if rate is None else f"{rate:.3f}" for rate in (cell.held, cell.passes, cell.fails)]
    said = "**outside**" if cell.wrong else cell.caution or ("" if cell.expected else "shown")
    numbers = (f"{cell.n:,}", f"{cell.truth:.3f}", f"{cell.draws:,}", *rates, f"{cell.error:.4f}")
    return f"| {cell.figure} | {cell.world} | {' | '.join(numbers)} | {said} |"


if __name__ == "__main__":
    raise SystemExit(main())
