"""What asking the same thing twice showed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from evalharness.comparison.flaky import MeasuredFlakiness
from evalharness.report import words
from evalharness.report.escape import line


def show_flakiness(found: MeasuredFlakiness, *, as_json: bool) -> None:
    """A line for each benchmark, or one JSON object."""
    if as_json:
        print(json.dumps({"run": str(found.base.path), "again": str(found.again.path), "benchmarks": found.benchmarks}))
        return
    for benchmark, noise in found.benchmarks.items():
        print(noise_line(benchmark, noise))
    kept, name = line(str(found.path)), line(found.base.name)
    print(f"{kept}: comparisons with {name} mark these items and expect so many flips from noise")


def noise_line(benchmark: str, noise: Mapping[str, Any]) -> str:
    """The noise of one benchmark in a line."""
    rates = (f"{100 * noise[key]:.2f} %" for key in ("rate", "rate_low", "rate_high"))
    rate, low, high = rates
    contains = (
        "contains 0, as it should" if noise["low"] <= 0 <= noise["high"] else "does NOT contain 0: something moved"
    )
    return (
        f"{line(benchmark)}: {noise['flips']:,} of {noise['n']:,} items flipped by themselves ({rate}, 95 % interval "
        f"{low} … {high}); A/A difference {words.points(noise['difference'])} points "
        f"({words.points(noise['low'])} … {words.points(noise['high'])}, {contains})"
    )
