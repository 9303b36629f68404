"""Where a series of runs over the same items changed, looked at after every run, with few false alarms in all looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalharness.stats.paired import p_no_change

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

SPANS = (1, 2, 3, 5, 8, 13, 21)  # how many of the newest runs are held against those before


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePoint:
    """The first run that differs from those before it, the run after which that was certain (positions in the series),
    the mean difference (after minus before), and its two-sided p, corrected for every look and span."""

    at: int
    seen: int
    difference: float
    p: float


def change_points(
    values: FloatArray, *, alpha: float = 0.05, first_look: int = 1, ranged: bool = True
) -> list[ChangePoint]:
    """The changes in a series of runs: (runs, items), the value of each item; no value may be missing.

    After each run the newest 1, 2, 3, 5, ... runs are held against all before them since the last change, item by item:
    the mean of the one minus the mean of the other, a paired test over items. Look k may err with alpha / (k (k + 1)),
    shared by its spans, so that all looks together err with at most alpha, however long the series grows. `first_look`
    counts on where other series were looked at before. `perf/history_alarms.py` simulates it.
    """
    found: list[ChangePoint] = []
    start = 0
    for newest in range(1, len(values)):
        look = first_look + newest - 1
        spans = [span for span in SPANS if newest + 1 - span > start]
        tests = [(_p(values[start : newest + 1], span, ranged), span) for span in spans]
        if not tests:
            continue
        (p, difference), span = min(tests)
        corrected = min(1.0, p * len(tests) * look * (look + 1))
        if corrected <= alpha:
            start = newest + 1 - span
            found.append(ChangePoint(at=start, seen=newest, difference=difference, p=corrected))
    return found


def _p(values: FloatArray, span: int, ranged: bool) -> tuple[float, float]:
    """Two-sided p that the last `span` runs do not differ from those before, and the difference."""
    d = values[-span:].mean(0) - values[:-span].mean(0)
    return p_no_change(d, ranged=ranged), float(d.mean())
