"""All that is uncertain in a run's figure: the items, asking again, the wording of the prompt, and the judge.

What each part adds is told by answers that cross it with the items: several seeds, several wordings (both at once in a
Latin square, `runs.wordings`), the members of a panel, the labels of people. A smaller run of the same model may tell
what a large one lacks. The interval says which parts are in it, and which are not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from evalharness.comparison.decide import UncertaintyPart
from evalharness.comparison.inputs import Side, open_side
from evalharness.comparison.scores import Scores, numbered_lines
from evalharness.comparison.uncertainty import noise_of_again
from evalharness.errors import Exit, UserError
from evalharness.records import Estimate
from evalharness.scoring.metrics import average
from evalharness.stats.agreement import powered_value
from evalharness.stats.powered import LEAST_LABELS
from evalharness.stats.reruns import pass_noise, widened_half

_LEVEL, _ALPHA = 0.95, 0.025
_WAYS = {
    "rerun": "several seeds (`evalh run --seeds 1,2,3 --temperature T`) or `evalh flaky RUN`",
    "wording": "several wordings (`evalh run --wording FILE --wording FILE`)",
    "judge": "a panel of judges, or labels of people (`evalh judge calibrate RUN --labels FILE`)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalUncertainty:
    """One benchmark's figure: its 95 % interval by the items alone (`low`, `high`) and with all parts that are known
    (`total_low`, `total_high`), the standard error of each part, and of the parts that are not in how they would be
    known. `answers` were asked of each item, `crossed` would be a full crossing of wordings and seeds."""

    benchmark: str
    metric: str
    n: int
    value: float
    low: float
    high: float
    total_low: float
    total_high: float
    parts: tuple[UncertaintyPart, ...]
    not_in: Mapping[str, str]
    answers: int
    crossed: int
    notes: tuple[str, ...] = ()

    @property
    def stderr(self) -> float:
        """The standard error of all parts together."""
        return math.hypot(*(part.stderr for part in self.parts))


@dataclass(slots=True)
class _Known:
    """What is found of one figure: standard errors by part, and variances to be added with their degrees of freedom."""

    figure: Estimate
    parts: dict[str, float]
    single: float = 0.0  # of the noise of single answers, which the items' spread holds already
    added: list[tuple[float, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, part: str, variance: float, freedom: float, single: float = 0.0) -> None:
        """A further part, and what of it is in the items' spread already."""
        self.single = min(self.parts["sampling"], math.hypot(self.single, single))
        self.parts[part] = math.hypot(min(single, self.parts["sampling"]), math.sqrt(variance))
        self.added.append((variance, freedom))


def total_uncertainty(name: str, by: str | None = None, *, runs: Path = Path("runs")) -> tuple[TotalUncertainty, ...]:
    """What is uncertain in each figure of a run that is a mean over items; `by` is a smaller run of the same model that
    tells what this one lacks. UserError (exit 4) where that is another model or asked otherwise."""
    side = open_side(name, runs)
    if side.journal is None:
        raise UserError(f"{name} is a baseline, which keeps no answers; give the run itself")
    other = None if by is None else open_side(by, runs)
    if other is not None:
        _hold_together(side, other)
    metrics = {benchmark: side.item_metric(benchmark) for benchmark in side.facts}
    scores = side.scores(metrics)
    told = {} if other is None else other.scores({b: m for b, m in metrics.items() if b in other.facts})
    return tuple(_total(side, other, scores[each], told.get(each), each) for each in scores)


def _hold_together(side: Side, other: Side) -> None:
    if side.manifest.model.fingerprint != other.manifest.model.fingerprint:
        raise UserError(f"{side.name} and {other.name} are not the same model", Exit.NOT_COMPARABLE)
    common = [name for name in side.facts if name in other.facts]
    if not common:
        raise UserError(f"{side.name} and {other.name} have no benchmark in common", Exit.NOT_COMPARABLE)
    for name in common:
        for what in ("mode", "shots"):
            if getattr(side.facts[name], what) != getattr(other.facts[name], what):
                raise UserError(f"{name}: {what} differs between the two runs", Exit.NOT_COMPARABLE)


def _total(side: Side, other: Side | None, own: Scores, told: Scores | None, benchmark: str) -> TotalUncertainty:
    values = own.values[~np.isnan(own.values)]
    entry = side.summary.benchmarks.get(benchmark)
    kept = None if entry is None else entry.metrics.get(own.metric)
    figure = average(values.tolist()) if kept is None or kept.low is None else kept.estimate
    if figure is None or len(values) < 2:
        raise UserError(f"{benchmark}: fewer than two items have a value, so nothing is known of their spread")
    known = _Known(figure=figure, parts={"sampling": figure.stderr})
    _with_judge(known, side, own, benchmark)
    _with_wording(known, own, told)
    _with_rerun(known, (side, own), (other, told), benchmark)
    known.parts["sampling"] = math.sqrt(max(0.0, known.parts["sampling"] ** 2 - known.single**2))
    made = known.figure
    below, above = (
        widened_half(half, known.added, _ALPHA).width for half in (made.value - made.low, made.high - made.value)
    )
    k = len(side.facts[benchmark].wordings or ()) or side.facts[benchmark].repeats
    both = k > 1 and side.facts[benchmark].wordings and side.seeded(benchmark)
    ranged = bool(((values >= 0) & (values <= 1)).all())
    return TotalUncertainty(
        benchmark=benchmark, metric=own.metric, n=len(values), value=made.value, low=figure.low, high=figure.high,
        total_low=max(0.0, made.value - below) if ranged else made.value - below,
        total_high=min(1.0, made.value + above) if ranged else made.value + above,
        parts=tuple(UncertaintyPart(source=source, stderr=error) for source, error in known.parts.items()),
        not_in={part: way for part, way in _WAYS.items() if part not in known.parts and _may_have(part, side, own)},
        answers=k, crossed=k * k if both else k, notes=tuple(known.notes),
    )  # fmt: skip


def _may_have(part: str, side: Side, own: Scores) -> bool:
    """A judge's error is no part of what nobody judges."""
    judged = {one.score for one in (side.manifest.judgings or {}).values()}
    return part != "judge" or own.metric in judged


def _with_wording(known: _Known, own: Scores, told: Scores | None) -> None:
    """The shift of a wording: over the run's own wordings, else that of the one it was asked in, as the smaller run
    tells it."""
    noise = own.wording or (None if told is None else told.wording)
    if noise is not None:
        share = noise.passes if own.wording is not None else 1
        known.add("wording", noise.shift**2 / share, noise.freedom)


def _with_rerun(known: _Known, of: tuple[Side, Scores], by: tuple[Side | None, Scores | None], benchmark: str) -> None:
    """The noise of single answers, and a whole run's shift: by several seeds, else by A/A."""
    (side, own), (other, told) = of, by
    if own.noise is not None:
        shift = own.noise.shift**2 / own.noise.passes if side.seeded(benchmark) else 0.0
        known.add("rerun", shift, own.noise.freedom if shift else math.inf, own.noise.single)
    elif other is not None and told is not None and told.noise is not None:
        answers = float(told.noise.passes * (told.answers == told.noise.passes).sum())
        single = told.noise.single * math.sqrt(answers / max(1, int((own.answers > 0).sum())))
        shift = told.noise.shift**2 if other.seeded(benchmark) else 0.0
        known.add("rerun", shift, told.noise.freedom if shift else math.inf, single)
    elif (flaky := side.flaky.get(benchmark)) is not None and None not in (flaky.low, flaky.high, flaky.difference):
        single, added = noise_of_again(flaky, known.figure.n)
        known.add("rerun", added / 2, math.inf, single / math.sqrt(2))  # it is of a difference of two runs


def _with_judge(known: _Known, side: Side, own: Scores, benchmark: str) -> None:
    """The figure as people would say it where they labelled enough, with what the labels leave open; else the shift of
    a judge as the members of a panel tell it."""
    labels = side.labels(own.metric)
    values = dict(zip(own.ids, own.values.tolist(), strict=True))
    both = [one for one in own.ids if one in labels and not math.isnan(values[one])]
    rest = [value for one, value in values.items() if one not in labels and not math.isnan(value)]
    if len(both) >= LEAST_LABELS and rest:
        human, judged = [labels[one] for one in both], [values[one] for one in both]
        made, judge, weight = of_labels(human, judged, rest)
        known.notes.append(
            f"people labelled {len(both):,} items: the judge alone says {known.figure.value:.3f} (its weight is "
            f"{weight:.2f})"
        )
        known.figure, known.parts["sampling"] = made, made.stderr
        known.add("judge", judge, len(both) - 1)
        return
    seats = _seat_values(side, own.metric, benchmark)
    if seats is not None and (noise := pass_noise(seats)) is not None:
        known.add("judge", noise.shift**2 / noise.passes, noise.freedom, noise.single)
        if noise.passes == 2:
            known.notes.append("two judges tell little of what a third would say; the interval is too short for that")


def of_labels(human: list[float], judged: list[float], rest: list[float]) -> tuple[Estimate, float, float]:
    """The figure as people would say it, from their labels, the judge's word on the same items and on the others, with
    the error of the items alone; the variance that the labels leave open; and the judge's weight."""
    value, stderr, weight, off = powered_value(human, judged, rest)
    sampling = math.sqrt(max(0.0, stderr**2 - off * (len(human) - 1) / len(human) ** 2))
    half = 1.959964 * sampling
    made = Estimate(value=value, stderr=sampling, low=value - half, high=value + half, n=len(human) + len(rest))
    return made, off / (len(human) - 1), weight


def _seat_values(side: Side, metric: str, benchmark: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]] | None:
    """What each member of the panel whose mean the score is says of each item (items, members)."""
    judgings = side.manifest.judgings or {}
    named = [key for key, one in judgings.items() if one.score == metric and one.aggregate == "mean"]
    if not named or len(judgings[named[-1]].seats) < 2 or side.journal is None:
        return None
    seats = [seat.seat for seat in judgings[named[-1]].seats]
    found: dict[str, dict[int, list[float]]] = {}
    for _, _, line in numbered_lines(side.journal):
        judged = (line.get("detail") or {}).get("judged") or {}
        members = (judged.get(named[-1]) or {}).get("members") or {} if line["benchmark"] == benchmark else {}
        said = [members.get(seat) for seat in seats]
        known = [float(one) for one in said if isinstance(one, int | float)]
        if len(known) == len(seats):
            found.setdefault(str(line["id"]), {})[line.get("repeat", 0)] = known
    means = [np.mean(list(repeats.values()), axis=0) for repeats in found.values()]
    return np.array(means, float) if len(means) > 1 else None
