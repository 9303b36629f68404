"""A/A: the same model asked the same things again. What flips there is noise, and marks what flips elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from evalharness.comparison.align import align_scores
from evalharness.comparison.decide import paired
from evalharness.comparison.flips import flips
from evalharness.comparison.inputs import FLAKY, Side, open_side
from evalharness.comparison.scores import Scores
from evalharness.data.files import write_whole
from evalharness.data.kept import to_json
from evalharness.errors import Exit, UserError
from evalharness.runs.again import made_again
from evalharness.runs.manifest import FlakyFacts, FlakyFile
from evalharness.runs.store import Run
from evalharness.stats.intervals import wilson


def measure_flips(base: Side, again: Side) -> dict[str, FlakyFacts]:
    """Per benchmark: the flip rate with its 95 % interval, the A/A difference with its, and the ids that flipped.

    UserError with exit 4 when the two are not the same model asked in the same way.
    """
    if base.manifest.model.fingerprint != again.manifest.model.fingerprint:
        raise UserError(
            f"{base.name} and {again.name} are not the same model; A/A wants one model", Exit.NOT_COMPARABLE
        )
    names = [name for name in base.facts if name in again.facts]
    if not names:
        raise UserError(f"{base.name} and {again.name} have no benchmark in common", Exit.NOT_COMPARABLE)
    for name in names:
        if base.facts[name].mode != again.facts[name].mode:
            raise UserError(f"{name}: mode differs between the two runs; A/A wants the same", Exit.NOT_COMPARABLE)
    metrics = {name: base.item_metric(name) for name in names}
    first, second = base.scores(metrics), again.scores(metrics)
    return {name: _noise(name, first, second) for name in names if name in first and name in second}


def _noise(name: str, first: Mapping[str, Scores], second: Mapping[str, Scores]) -> FlakyFacts:
    joined = align_scores(first[name], second[name], common_only=True)
    known = joined.known
    n = int(known.sum())
    if n == 0:
        raise UserError(f"{name}: no item has a value in both runs", Exit.NOT_WHOLE)
    found = flips(joined)
    ids = [joined.ids[i] for i in np.concatenate([found.broke, found.fixed]).tolist()]
    rate = wilson(len(ids), n)
    difference = (joined.new - joined.base)[known]
    pair = paired(joined, difference, known, 0.95)
    return FlakyFacts(
        n=n,
        flips=len(ids),
        rate=rate.value,
        rate_low=rate.low,
        rate_high=rate.high,
        difference=pair.value,
        low=pair.low,
        high=pair.high,
        ids=tuple(sorted(ids)),
    )


def save_flakiness(base: Side, found: Mapping[str, FlakyFacts]) -> Path:
    """Leave the outcome in the run's folder, where comparisons find it."""
    path = base.path / FLAKY
    try:
        write_whole(path, orjson.dumps(to_json(FlakyFile(benchmarks=found)), option=orjson.OPT_INDENT_2) + b"\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def ask_again(base: Side, limit: int | None, runs: Path, *, consent: bool) -> Side:
    """Give the run's own command once more, into a folder beside it. It goes on where it was stopped."""
    name = f"{base.name}-again" + (f"-{limit}" if limit else "")
    made = made_again(Run(base.path), runs, consent=consent, limit=limit, name=name)
    return open_side(str(made.path), runs)


@dataclass(frozen=True, kw_only=True)
class MeasuredFlakiness:
    """An A/A comparison: both runs, where the outcome is kept, and the noise of each benchmark."""

    base: Side
    again: Side
    path: Path
    benchmarks: Mapping[str, FlakyFacts]


def measure_flakiness(
    name: str, again: str | None, *, limit: int | None, runs: Path, consent: bool = False
) -> MeasuredFlakiness:
    """Measure the noise of a run against `again`, or against itself asked again, and keep it in the run's folder."""
    base = open_side(name, runs)
    if base.journal is None:
        raise UserError(f"{name} is a baseline; A/A wants a run")
    second = open_side(again, runs) if again is not None else ask_again(base, limit, runs, consent=consent)
    found = measure_flips(base, second)
    return MeasuredFlakiness(base=base, again=second, path=save_flakiness(base, found), benchmarks=found)
