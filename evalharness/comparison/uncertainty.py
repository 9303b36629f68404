"""Where a difference's uncertainty comes from: the items that were drawn, asking again, and what the judge gets wrong.

Sampling is in every interval, and so is the noise of single answers, for each item is asked once (or a few times). A
judge's error is carried where both runs keep labels of people (`evalh judge calibrate`), and a whole run's own shift
where `evalh flaky` found one.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from evalharness.comparison.align import Joined, has_range
from evalharness.comparison.decide import TaskComparison, UncertaintyPart
from evalharness.comparison.inputs import Side
from evalharness.errors import UserError, known, option_name
from evalharness.runs.manifest import FlakyFacts
from evalharness.stats.intervals import normal_cdf, normal_quantile
from evalharness.stats.power import detectable_by
from evalharness.stats.powered import LEAST_LABELS, powered_difference
from evalharness.text.visible import shell_word

UncertaintySource = Literal["sampling", "rerun", "judge"]
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
    task: TaskComparison, joined: Joined, sides: tuple[Side, Side], wanted: tuple[UncertaintySource, ...] | None,
    alpha: float,
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
    flaky = sides[0].flaky.get(task.benchmark) or sides[1].flaky.get(task.benchmark)
    if wanted is not None and "rerun" in wanted and flaky is None:
        raise UserError(
            f"{option_name('uncertainty')} rerun: nothing tells how {task.benchmark} varies when it is asked again; "
            f"`evalh flaky {shell_word(sides[0].path)}` does"
        )
    if flaky is not None and (wanted is None or "rerun" in wanted):
        found = _with_rerun(found, flaky, parts, alpha)
    shown = wanted is not None or "judge" in parts
    made = tuple(UncertaintyPart(source=source, stderr=stderr) for source, stderr in parts.items())
    return replace(found, uncertainty=made) if shown else found


def _no_labels(task: TaskComparison, sides: tuple[Side, Side]) -> str:
    labelled = " and ".join(f"{len(side.labels(task.metric))} labels of {side.name}" for side in sides)
    return (
        f"{option_name('uncertainty')} judge: {task.benchmark} wants {LEAST_LABELS} or more items that people labelled "
        f"in both runs, for the judging that is compared ({task.metric}); there are {labelled}: "
        "`evalh judge calibrate RUN --labels FILE` keeps them"
    )


def _with_judge(
    task: TaskComparison, joined: Joined, sides: tuple[Side, Side], parts: dict[str, float], alpha: float
) -> TaskComparison:
    """The difference as people would say it, where they labelled enough items of both runs."""
    before, after = (side.labels(task.metric) for side in sides)
    both = before.keys() & after.keys()
    labelled = np.fromiter((identity in both for identity in joined.ids), bool, len(joined.ids)) & joined.known
    if int(labelled.sum()) < LEAST_LABELS or not has_range(joined) or task.lower_is_better:
        return task
    if joined.clusters is not None:
        return replace(task, notes=(*task.notes, "people's labels are left aside: with clusters they cannot be used"))
    ids = [joined.ids[i] for i in np.flatnonzero(labelled)]
    human = np.array([after[i] - before[i] for i in ids])
    judged = joined.new - joined.base
    made = powered_difference(human, judged[labelled], judged[joined.known & ~labelled], 1 - 2 * alpha)
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


def _with_rerun(task: TaskComparison, flaky: FlakyFacts, parts: dict[str, float], alpha: float) -> TaskComparison:
    """The share of the noise of single answers named, and a whole run's own shift added where there is one."""
    if flaky.low is None or flaky.high is None or flaky.difference is None:
        return task
    again = (flaky.high - flaky.low) / (2 * normal_quantile(0.975))  # its interval is at 95 %
    # Two runs of one model that differ by more than their answers' noise are each off by something of their own.
    shift = math.sqrt(max(0.0, flaky.difference**2 - again**2)) if flaky.low > 0 or flaky.high < 0 else 0.0
    single = min(parts["sampling"], again * math.sqrt(flaky.n / max(1, task.n)))
    parts |= {"sampling": math.sqrt(parts["sampling"] ** 2 - single**2), "rerun": math.hypot(single, shift)}
    if not shift or task.low is None or task.high is None or task.difference is None:
        return task
    z, value = normal_quantile(1 - alpha), task.difference
    low, high = value - math.hypot(value - task.low, z * shift), value + math.hypot(task.high - value, z * shift)
    half = high - value if value < -task.margin else value - low
    said = f"asked again the same model was {100 * flaky.difference:+.1f} points off: the interval allows for that"
    return replace(
        task, low=low, high=high, p_worse=normal_cdf((value + task.margin) * z / half) if half else task.p_worse,
        notes=(*task.notes, said), underpowered=detectable_by(max(value - low, high - value), alpha) > 2 * task.margin,
        detectable=detectable_by(max(value - low, high - value), alpha), items_to_decide=None,
    )  # fmt: skip
