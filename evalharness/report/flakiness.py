"""What `evalh flaky` does and prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalharness.comparison import flaky
from evalharness.comparison.inputs import open_side
from evalharness.errors import UserError
from evalharness.report import words
from evalharness.report.escape import line


def run_flaky(name: str, again: str | None, *, limit: int | None, runs: Path, as_json: bool) -> None:
    """Measure the noise of a run, keep it in the run's folder, and say it."""
    base = open_side(name, runs)
    if base.journal is None:
        raise UserError(f"{name} is a baseline; A/A wants a run")
    second = open_side(again, runs) if again is not None else flaky.ask_again(base, limit, runs)
    found = flaky.measure_flips(base, second)
    path = flaky.save_flakiness(base, found)
    if as_json:
        print(json.dumps({"run": str(base.path), "again": str(second.path), "benchmarks": found}))
        return
    for benchmark, noise in found.items():
        print(said(benchmark, noise))
    print(f"{path}: comparisons with {base.name} mark these items and expect so many flips from noise")


def said(benchmark: str, noise: Mapping[str, Any]) -> str:
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
