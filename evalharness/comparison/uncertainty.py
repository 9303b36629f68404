"""Where a difference's uncertainty comes from: the items that were drawn, asking again, the wording, and what the judge
gets wrong.

Sampling is in every interval, and so is the noise of single answers, for each item is asked once (or a few times). A
judge's error is carried where both sides keep labels of people (`evalh judge calibrate`), a whole run's own shift
where several seeds or `evalh flaky` found one, and that of a wording where several wordings were asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from evalharness.comparison.align import Joined, has_range
from evalharness.comparison.decide import TaskComparison, UncertaintyPart
from evalharness.comparison.inputs import Side
from evalharness.comparison.scores import Scores, answer_factors
from evalharness.errors import UserError, known, option_name
from evalharness.runs.manifest import FlakyFacts
from evalharness.stats.intervals import normal_quantile
from evalharness.stats.power import detectable_by
from evalharness.stats.powered import LEAST_LABELS, as_if_alike, powered_difference
from evalharness.stats.reruns import PassNoise, crossed_noise, widened_half
from evalharness.text.visible import shell_word

UncertaintySource = Literal["sampling", "rerun", "wording", "judge"]
_SOURCES: tuple[UncertaintySource, ...] = get_args(UncertaintySource)


def uncertainty_sources(words: str | None) -> tuple[UncertaintySource, ...] | None:
    """What `--uncertainty` names; None where it was not given: then all that is known is carried. UserError for a
    source that there is not, or without `sampling`."""
    if words is None:
        return None
    named = [known("source of uncertainty", word.strip(), _SOURCES) for word in words.split(",")]
    if "sampling" not in named:
        raise UserError(f"{option_name('uncertainty')} {words!r}: sampling is part of every interval; name it too")
    return tuple(source for source in _SOURCES if source in named)


def with_uncertainty(
    task: TaskComparison, joined: Joined, sides: tuple[Side, Side], scores: tuple[Scores, Scores],
    wanted: tuple[UncertaintySource, ...] | None, alpha: float,
) -> TaskComparison:  # fmt: skip
    """A measured task with what else is uncertain in its interval, and the parts of that where there are several.

    UserError where a source was asked for by name and nothing tells of it.
    """
    if task.difference is None or task.low is None or task.high is None or math.isinf(task.low):
        return task
    z = normal_quantile(1 - alpha)
    parts = {"sampling": (task.high - task.low) / (2 * z)}
    found = task
    if wanted is None or "judge" in wanted:
        found = _with_judge(found, joined, sides, parts, alpha)
        if wanted is not None and "judge" not in parts:
            raise UserError(_no_labels(task, sides))
    if wanted is None or "rerun" in wanted:
        found = _with_rerun(found, (sides, (scores[0].noise, scores[1].noise)), parts, alpha)
        if wanted is not None and "rerun" not in parts:
            raise UserError(
                f"{option_name('uncertainty')} rerun: nothing tells how {task.benchmark} varies when it is asked "
                f"again; several seeds in a suite do, or `evalh flaky {shell_word(sides[0].path)}`"
            )
    if wanted is None or "wording" in wanted:
        found = _with_wording(found, joined, (sides, scores), parts, alpha)
        if wanted is not None and "wording" not in parts:
            raise UserError(
                f"{option_name('uncertainty')} wording: nothing tells how {task.benchmark} varies with its wording; "
                "runs that were asked in several do: `evalh run --wording FILE --wording FILE`"
            )
    shown = wanted is not None or parts.keys() & {"judge", "wording"}
    made = tuple(UncertaintyPart(source=source, stderr=stderr) for source, stderr in parts.items())
    return replace(found, uncertainty=made) if shown else found


def _no_labels(task: TaskComparison, sides: tuple[Side, Side]) -> str:
    labelled = " and ".join(f"{len(side.labels(task.metric))} labels of {side.name}" for side in sides)
    again = "; then set the baseline again" if any(side.journal is None for side in sides) else ""
    return (
        f"{option_name('uncertainty')} judge: {task.benchmark} wants {LEAST_LABELS} or more items that people labelled "
        f"in both runs, for the judging that is compared ({task.metric}); there are {labelled}: "
        f"`evalh judge calibrate RUN --labels FILE` keeps them{again}"
    )


def _with_judge(
    task: TaskComparison, joined: Joined, sides: tuple[Side, Side], parts: dict[str, float], alpha: float
) -> TaskComparison:
    """The difference as people would say it, where they labelled enough items of both runs."""
    before, after = (side.labels(task.metric) for side in sides)
    both = before.keys() & after.keys()
    labelled = np.fromiter((identity in both for identity in joined.ids), bool, len(joined.ids)) & joined.known
    if not has_range(joined) or task.lower_is_better:
        return task
    if int(labelled.sum()) < LEAST_LABELS:
        return replace(task, notes=(*task.notes, *_one_sided(len(before), len(after), sides)))
    if joined.clusters is not None:
        return replace(task, notes=(*task.notes, "people's labels are left aside: with clusters they cannot be used"))
    ids = [joined.ids[i] for i in np.flatnonzero(labelled)]
    human = np.array([after[i] - before[i] for i in ids])
    judged = joined.new - joined.base
    own, rest = judged[labelled], judged[joined.known & ~labelled]
    base_chance, new_chance = (side.label_chances(task.metric, len(joined.ids)) for side in sides)
    # Both runs are labelled by the same random numbers: an item is in both by the smaller of its two chances.
    chances = np.array([min(base_chance(item), new_chance(item)) for item in ids])
    if np.ptp(chances) > 0:
        human, own, rest = as_if_alike(human, chances), as_if_alike(own, chances), judged[joined.known]
    made = powered_difference(human, own, rest, 1 - 2 * alpha)
    lacking = task.missing / task.total  # those could be worth the worst and the best
    parts |= {"sampling": made.sampling, "judge": made.judge}
    said = (
        f"with {len(ids):,} items that people labelled (the judge's weight is {made.weight:.2f}); the judge alone says "
        f"{100 * (task.difference or 0):+.1f} points"
    )
    half = max(made.value - made.low, made.high - made.value)
    return replace(
        task, method="prediction-powered", difference=made.value, low=(1 - lacking) * made.low - lacking,
        high=(1 - lacking) * made.high + lacking, p_worse=made.p_worse(task.margin) if not lacking else 1.0,
        p_change=min(1.0, 2 * min(made.p_worse(0.0), 1 - made.p_worse(0.0))), detectable=detectable_by(half, alpha),
        underpowered=detectable_by(half, alpha) > 2 * task.margin, items_to_decide=None, bootstrap=None,
        notes=(*task.notes, said),
    )  # fmt: skip


def _one_sided(before: int, after: int, sides: tuple[Side, Side]) -> list[str]:
    """That labels of one side alone are no use: the judge may be off by another amount on the other."""
    (most, named), (_, other) = sorted(zip((before, after), (side.name for side in sides), strict=True), reverse=True)
    if most < LEAST_LABELS:
        return []
    return [
        f"people labelled {most:,} answers of {named} and too few of the same items of {other}: what the judge gets "
        "wrong is not in the interval"
    ]


def _with_rerun(
    task: TaskComparison, known_of: tuple[tuple[Side, Side], tuple[PassNoise | None, PassNoise | None]],
    parts: dict[str, float], alpha: float,
) -> TaskComparison:  # fmt: skip
    """The share of the noise of single answers named, and a whole run's own shift added where one is known: by several
    seeds, else by A/A (`evalh flaky`)."""
    sides, noises = known_of
    seeded = [n if n and side.seeded(task.benchmark) else None for side, n in zip(sides, noises, strict=True)]
    flaky = sides[0].flaky.get(task.benchmark) or sides[1].flaky.get(task.benchmark)
    if any(seeded):
        single, added = math.hypot(*(n.single for n in noises if n)), shift_variances(seeded)
        said = "the seeds' runs differ by more than their answers' noise: the interval allows for that"
    elif flaky is not None and None not in (flaky.low, flaky.high, flaky.difference):
        single, variance = noise_of_again(flaky, task.n)
        added = [(variance, math.inf)]
        points = 100 * (flaky.difference or 0)
        said = f"asked again the same model was {points:+.1f} points off: the interval allows for that"
    elif any(noises):
        single, added, said = math.hypot(*(n.single for n in noises if n)), [], ""
    else:
        return task
    single, shift = min(parts["sampling"], single), math.sqrt(sum(variance for variance, _ in added))
    parts |= {"sampling": math.sqrt(parts["sampling"] ** 2 - single**2), "rerun": math.hypot(single, shift)}
    return _widened(task, added, said, alpha) if shift else task


def _with_wording(
    task: TaskComparison, joined: Joined, known_of: tuple[tuple[Side, Side], tuple[Scores, Scores]],
    parts: dict[str, float], alpha: float,
) -> TaskComparison:  # fmt: skip
    """With what the difference varies by from wording to wording: of the same wordings on both sides, item by item, so
    that a wording which is hard for both counts for nothing; else of each side by itself."""
    (base, new), (was, now) = known_of
    wordings = base.facts[task.benchmark].wordings or ()
    answers = was.by_pass is not None and now.by_pass is not None  # a baseline keeps none
    if answers and wordings and wordings == new.facts[task.benchmark].wordings:
        crossed = base.seeded(task.benchmark) and new.seeded(task.benchmark)
        noise = _wording_noise(joined, (was, now), len(wordings), crossed=crossed)
        added = [] if noise is None else [(noise.shift**2 / noise.passes, noise.freedom)]
    else:
        noise = was.wording or now.wording
        added = shift_variances([was.wording, now.wording])
    if noise is None:
        return task
    shift = math.sqrt(sum(variance for variance, _ in added))
    parts["wording"] = shift
    said = "the wordings differ by more than their answers' noise: the interval allows for that"
    return _widened(task, added, said, alpha) if shift else task


def _wording_noise(joined: Joined, scores: tuple[Scores, Scores], wordings: int, *, crossed: bool) -> PassNoise | None:
    (was, now), both = scores, (joined.at_base >= 0) & (joined.at_new >= 0)
    assert was.by_pass is not None and now.by_pass is not None
    moved = now.by_pass[joined.at_new[both]] - was.by_pass[joined.at_base[both]]
    whole = ~np.isnan(moved).any(1)
    ids = [joined.ids[place] for place in np.flatnonzero(both)[whole]]
    return crossed_noise(moved[whole], answer_factors(ids, wordings, crossed=crossed)).get("wording")


def shift_variances(seeded: Sequence[PassNoise | None]) -> list[tuple[float, float]]:
    """The variance that whole runs' shifts bring to the difference, with its degrees of freedom: each side's own by its
    seeds; where one side has none, both are taken to shift alike, and that side is one run."""
    told = [noise for noise in seeded if noise is not None]
    if len(told) == len(seeded):
        return [(noise.shift**2 / noise.passes, noise.freedom) for noise in told]
    return [(noise.shift**2 * (1 + 1 / noise.passes), noise.freedom) for noise in told]


def noise_of_again(flaky: FlakyFacts, n: int) -> tuple[float, float]:
    """The standard error that single answers bring to a difference over n items, and the variance of the shift of two
    runs."""
    low, high, difference = flaky.low or 0.0, flaky.high or 0.0, flaky.difference or 0.0
    again = (high - low) / (2 * normal_quantile(0.975))  # its interval is at 95 %
    # Two runs of one model that differ by more than their answers' noise are each off by something of their own.
    shift = max(0.0, difference**2 - again**2) if low > 0 or high < 0 else 0.0
    return again * math.sqrt(flaky.n / max(1, n)), shift


def _widened(task: TaskComparison, added: Sequence[tuple[float, float]], said: str, alpha: float) -> TaskComparison:
    """The task with further variances in its interval."""
    low, high, value = task.low or 0.0, task.high or 0.0, task.difference or 0.0
    below, above = (widened_half(half, added, alpha) for half in (value - low, high - value))
    decides = above if value < -task.margin else below
    unchanged = (above if value < 0 else below).p_below(-abs(value))
    least = detectable_by(max(below.width, above.width), alpha)
    return replace(
        task, low=value - below.width, high=value + above.width, p_worse=decides.p_below(value + task.margin),
        p_change=max(task.p_change or 0.0, min(1.0, 2 * unchanged)), notes=(*task.notes, said), detectable=least,
        underpowered=least > 2 * task.margin, items_to_decide=None,
    )  # fmt: skip
