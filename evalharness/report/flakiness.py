"""What asking the same thing twice showed."""

from __future__ import annotations

import json

from evalharness.comparison.flaky import MeasuredFlakiness
from evalharness.data.kept import finite, to_json
from evalharness.report import words
from evalharness.report.escape import line
from evalharness.runs.manifest import FlakyFacts


def show_flakiness(found: MeasuredFlakiness, *, as_json: bool) -> None:
    """A line for each benchmark, or one JSON object."""
    if as_json:
        said = {"run": str(found.base.path), "again": str(found.again.path), "benchmarks": to_json(found.benchmarks)}
        print(json.dumps(finite(said)))
        return
    for benchmark, noise in found.benchmarks.items():
        print(noise_line(benchmark, noise))
    kept, name = line(str(found.path)), line(found.base.name)
    print(f"{kept}: comparisons with {name} mark these items and expect so many flips from noise")


def noise_line(benchmark: str, noise: FlakyFacts) -> str:
    """The noise of one benchmark in a line."""
    ends = (noise.rate_low or 0.0, noise.rate_high or 0.0)
    rate, low, high = (f"{100 * share:.2f} %" for share in (noise.rate, *ends))
    fine = (noise.low or 0.0) <= 0 <= (noise.high or 0.0)
    contains = "contains 0, as it should" if fine else "does NOT contain 0: something moved"
    return (
        f"{line(benchmark)}: {noise.flips or 0:,} of {noise.n:,} items flipped by themselves ({rate}, 95 % interval "
        f"{low} … {high}); A/A difference {words.points(noise.difference)} points "
        f"({words.points(noise.low)} … {words.points(noise.high)}, {contains})"
    )
