"""Which figures are drawn of a run, a comparison, a ladder of models, and of what is uncertain."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

from evalharness.comparison.decide import TaskComparison
from evalharness.comparison.document import ComparisonDocument
from evalharness.comparison.scores import numbered_lines
from evalharness.evidence.scaling import Ladder
from evalharness.evidence.total_uncertainty import TotalUncertainty
from evalharness.report.figures import (
    Curve,
    Drawing,
    ForestRow,
    calibration_plot,
    difficulty_curves,
    flip_matrix,
    forest_plot,
    variance_parts,
)
from evalharness.runs.store import JOURNAL, Run
from evalharness.scoring.answers import softmax
from evalharness.scoring.calibration import Pair, ReliabilityBin, reliability

_MOST_LINES = 50_000  # of a journal that is read for a figure
_LEAST_PAIRS = 20


def run_figures(run: Run) -> list[Drawing]:
    """Of a finished run: its headlines under each other, and how far its confidence can be trusted where it ranks."""
    rows = []
    for name, entry in run.summary.benchmarks.items():
        figure = next(iter(entry.metrics.values()), None)
        if figure is not None and None not in (figure.low, figure.value, figure.high):
            rows.append(ForestRow(name=name, low=figure.low or 0.0, value=figure.value or 0.0, high=figure.high or 0.0))
    found = [forest_plot("Headlines with their 95 % intervals", rows)] if len(rows) > 1 else []
    journal = run.path / JOURNAL
    state = journal.stat()
    for name, bins in run_reliability(journal, (state.st_mtime_ns, state.st_size)):
        found.append(calibration_plot(f"{name}: is it right as often as it is sure?", bins))
    return found


@lru_cache(maxsize=32)
def run_reliability(journal: Path, _: tuple[int, int]) -> tuple[tuple[str, tuple[ReliabilityBin, ...]], ...]:
    """The bins of a calibration plot for each benchmark whose choices were ranked, from the journal's first lines; kept
    as long as the journal is as it was (its time and size)."""
    pairs: dict[str, dict[tuple[str, int], Pair]] = {}
    for _number, _place, line in islice(numbered_lines(journal), _MOST_LINES):
        logprobs, scores = (line.get("response") or {}).get("logprobs") or (), line.get("scores") or {}
        worth = next(iter(scores.values()), None)
        if len(logprobs) > 1 and isinstance(worth, int | float) and 0 <= worth <= 1 and _numbers(logprobs):
            key = str(line["id"]), line.get("repeat", 0)
            pairs.setdefault(str(line["benchmark"]), {})[key] = max(softmax(logprobs)), float(worth)
    return tuple(
        (name, reliability(list(known.values()))) for name, known in pairs.items() if len(known) >= _LEAST_PAIRS
    )


def _numbers(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(one, int | float) for one in values)


def comparison_figures(document: ComparisonDocument) -> list[Drawing]:
    """Of a comparison: its differences under each other, of each benchmark the flips and the parts of its error."""
    measured = [task for task in document.tasks if None not in (task.difference, task.low, task.high)]
    rows = [
        ForestRow(
            name=task.benchmark, low=task.low or 0.0, value=task.difference or 0.0, high=task.high or 0.0,
            tone={"worse": "worse", "better": "better", "same": "better"}.get(task.verdict, "open"), mark=task.symbol,
        )
        for task in measured
    ]  # fmt: skip
    found = [forest_plot("Differences in points, new minus base", rows, zero=True, scale=100)] if len(rows) > 1 else []
    for task in measured:
        cells = _flip_cells(task)
        if cells is not None:
            found.append(flip_matrix(f"{task.benchmark}: what became of each item", cells))
        if task.uncertainty:
            parts = [(part.source, part.stderr) for part in task.uncertainty]
            found.append(variance_parts(f"{task.benchmark}: where the uncertainty comes from", parts))
    return found


def _flip_cells(task: TaskComparison) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """The four cells of right and wrong answers; None where worth is a matter of degree, or items were drawn."""
    if not task.n or task.base is None or task.new is None:
        return None
    before, after = task.base * task.n, task.new * task.n
    whole = all(abs(value - round(value)) < 1e-6 for value in (before, after))
    kept, failed = round(before) - task.broke, task.n - round(before) - task.fixed
    if not whole or kept < 0 or failed < 0 or kept + task.fixed != round(after):
        return None
    return (kept, task.broke), (task.fixed, failed)


def ladder_figures(ladder: Ladder) -> list[Drawing]:
    """Of a ladder: its models under each other, and how often each is right by how many of the others are."""
    rows = [
        ForestRow(name=step.run, low=one.low or 0.0, value=one.value or 0.0, high=one.high or 0.0)
        for step in ladder.steps
        if (one := step.figure) is not None and None not in (one.low, one.value, one.high)
    ]
    found = [forest_plot(f"{ladder.benchmark}: {ladder.metric} with its 95 % interval", rows)] if rows else []
    if len(ladder.steps) > 2:
        curves = [Curve(name=name, points=points) for name, points in ladder.curves.items()]
        found.append(difficulty_curves(f"{ladder.benchmark}: right answers by difficulty", curves))
    return found


def uncertainty_figures(found: Sequence[TotalUncertainty]) -> list[Drawing]:
    """Of a run's uncertainty: each figure by the items alone and with all parts, and the parts."""
    rows = []
    for one in found:
        rows.append(ForestRow(name=one.benchmark, low=one.low, value=one.value, high=one.high, mark="items alone"))
        rows.append(
            ForestRow(name="", low=one.total_low, value=one.value, high=one.total_high, tone="better", mark="all parts")
        )
    made = [forest_plot("95 % intervals, by the items alone and with all known parts", rows)]
    for one in found:
        parts = [(part.source, part.stderr) for part in one.parts]
        made.append(variance_parts(f"{one.benchmark}: where the uncertainty comes from", parts))
    return made
