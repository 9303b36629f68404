"""What is to be said of an interval besides its ends: for the renderers, and for the table of `perf/coverage.py`."""

from __future__ import annotations

import math
from collections.abc import Mapping

from evalharness.records import Estimate
from evalharness.runs.figures import KeptEstimate, TaskSummary
from evalharness.stats.intervals import UNVARIED

FEW = 50  # below it the intervals' coverage dips under 93 % (perf/coverage.py)
FEW_VERDICTS = "verdicts or labels behind a figure"
_CALIBRATION_ERROR = "ece_10_bin"  # the figure's name in scoring/calibration.py, which needs numpy
_FEW_IN_BINS = 1000  # answers: with fewer a calibration error's interval holds up to 99.9 % (perf/coverage.py)
_FEW_BATTLES = 30  # items: from 30 the intervals of ratings hold what they say


def few_units(n: int, of: str = "questions") -> str:
    """What an interval from so few questions, or answers, may be worth; '' where they are many."""
    return f"only {n} {of}: a 95 % interval from so few may hold 92 times in 100" if 0 < n < FEW else ""


def few_battle_items(n: int) -> str:
    """What ratings from so few items may be worth; '' where they are many."""
    return few_units(n, "items") if n < _FEW_BATTLES else ""


def chance_error(n: int) -> str:
    """How large a calibration error of `n` answers in ten bins is by chance."""
    # Ten bins of n / 10 answers each: sqrt(2/pi) standard errors, at a usual spread of .45.
    chance = f"{0.36 * (10 / n) ** 0.5:.3f}"
    return f"{_CALIBRATION_ERROR} is above 0 by chance too: about {chance} for a model that is well calibrated"


def wide_error(n: int) -> str:
    """What the interval of a calibration error of `n` answers in ten bins may be; '' where they are many."""
    said = f"{_CALIBRATION_ERROR} of {n} answers: its interval allows for chance; it is too wide, not too narrow"
    return said if n < _FEW_IN_BINS else ""


def interval_cautions(entry: TaskSummary) -> list[str]:
    """Of a benchmark's figures: whether they rest on few answers, and which have no interval and why."""
    found = [said] if (said := guessing(entry)) else []
    figures = {**entry.holistic, **entry.metrics, **{n: f for j in entry.judged.values() for n, f in j.metrics.items()}}
    found += [few_units(entry.n)] if few_units(entry.n) else []
    for name, figure in figures.items():
        if entry.n >= FEW and (said := few_units(figure.n, "answers")):
            found.append(f"{name}: {said}")
    if (error := figures.get(_CALIBRATION_ERROR)) is not None and error.n:
        found += filter(None, [chance_error(error.n), wide_error(error.n)])
    bare = [name for name, figure in figures.items() if figure.value is not None and without_interval(figure)]
    if bare:
        found.append(f"no interval for {', '.join(bare)}: {UNVARIED}")
    return found


def guessing(entry: TaskSummary) -> str:
    """That a benchmark's headline is what guessing gives, as far as its interval tells; '' where it is not."""
    figure = entry.metrics.get(entry.headline or "")
    if not entry.chance or figure is None or figure.value is None or without_interval(figure):
        return ""
    low, high = figure.low or 0.0, figure.high or 0.0
    worth = f"{entry.headline} {figure.value:.3f} cannot be told from guessing, which gives {entry.chance:.3f}"
    return worth if low <= entry.chance <= high else ""


# Of `evalh winrate`: what its intervals are.
WIDE_WIN_RATES = "what the shared items do not decide stays open in the interval"


def without_interval(figure: KeptEstimate | Estimate) -> bool:
    """Whether one end of the interval, or both, is not there."""
    return any(end is None or not math.isfinite(end) for end in (figure.low, figure.high))


def decided_rates(rates: Mapping[str, Estimate]) -> str:
    """Which win rates have no interval since nothing is open; '' of none."""
    named = [model for model, rate in rates.items() if without_interval(rate)]
    return f"no interval for {', '.join(named)}: every comparison is decided at 95 %" if named else ""
