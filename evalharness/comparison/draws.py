"""Comparing a run that asked drawn items only (`--budget-items`) with a whole run, or with another of the same draw."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evalharness.comparison.align import Joined, Mismatch, has_range
from evalharness.comparison.by_content import asked_item
from evalharness.comparison.decide import TaskComparison, UncertaintyPart
from evalharness.comparison.inputs import Side
from evalharness.comparison.scores import Scores, numbered_lines
from evalharness.errors import Exit, UserError, option_name
from evalharness.records import Estimate
from evalharness.runs.drawn import DrawnItems, estimated_mean
from evalharness.runs.imported import is_imported
from evalharness.runs.plan import Task
from evalharness.runs.store import record_to_json
from evalharness.stats.intervals import t_cdf, t_quantile
from evalharness.stats.power import detectable_by

_ONLY_BY_DRAW = frozenset({"data", "items", "prompt"})  # what differs because the other side asked more items


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnPair:
    """The draw of one benchmark, and which sides asked it alone."""

    draw: DrawnItems
    base: bool
    new: bool


def drawn_pair(base: Side, new: Side, benchmark: str) -> DrawnPair | None:
    """What was drawn of a benchmark; None where both sides asked all. UserError (exit 4) for two different draws."""
    was, now = base.drawn.get(benchmark), new.drawn.get(benchmark)
    if was is not None and now is not None and base.facts[benchmark].drawn != new.facts[benchmark].drawn:
        raise UserError(
            f"{base.name} and {new.name} asked two different draws of {benchmark}; draw both with the same "
            "--budget-items, --using and --seed, or compare with a whole run",
            Exit.NOT_COMPARABLE,
        )
    draw = was or now
    return None if draw is None else DrawnPair(draw=draw, base=was is not None, new=now is not None)


def beside_the_draw(found: Sequence[Mismatch], base: Side, new: Side, benchmark: str) -> list[Mismatch]:
    """The mismatches that are not of the draw: where each drawn item was asked in the very same words on both sides, it
    is none that one side was asked more. UserError (exit 4) where a side lacks what the draw is of."""
    pair = drawn_pair(base, new, benchmark)
    if pair is None or pair.base == pair.new:
        return list(found)
    drawn, whole = (base, new) if pair.base else (new, base)
    return _but_for_draw(found, (drawn.name, pair.draw, _prompts(drawn, benchmark)), whole, benchmark)


def beside_a_draw(found: Sequence[Mismatch], base: Side, task: Task) -> list[Mismatch]:
    """The same of a benchmark that is about to be asked. UserError (exit 4) as well where one side is drawn in a way
    that the other is not."""
    drawn = base.facts[task.name].drawn
    if task.drawn is not None and is_imported(base.facts[task.name]):
        raise UserError(
            f"{base.name} was imported, and drawn items cannot be paired with its; compare with a run of evalh",
            Exit.NOT_COMPARABLE,
        )
    if drawn is not None and drawn != task.facts.drawn:
        raise UserError(
            f"{base.name} asked a draw of {task.name}, and this run asks other items; draw it with the same "
            f"{option_name('budget_items')}, {option_name('using')} and {option_name('seed')}",
            Exit.NOT_COMPARABLE,
        )
    if task.drawn is None or drawn is not None:
        return list(found)
    ours = {q.sample.id: asked_item({"request": record_to_json(q.request)}).prompt for q in task.questions}
    return _but_for_draw(found, ("this run", task.drawn, ours), base, task.name)


def _but_for_draw(
    found: Sequence[Mismatch], asked: tuple[str, DrawnItems, Mapping[str, bytes]], whole: Side, benchmark: str
) -> list[Mismatch]:
    name, draw, ours = asked
    if whole.journal is None:
        raise UserError(
            f"{whole.name} is a baseline, which keeps no questions; compare {name} with the run itself",
            Exit.NOT_COMPARABLE,
        )
    theirs = _prompts(whole, benchmark)
    if lacking := [identity for identity in draw.ids if identity not in theirs]:
        raise UserError(
            f"{whole.name} lacks {len(lacking):,} of the {len(draw.ids):,} items that {name} was drawn of "
            f"({lacking[0]}, ...)",
            Exit.NOT_COMPARABLE,
        )
    same = all(theirs[identity] == prompt for identity, prompt in ours.items())
    return [mismatch for mismatch in found if not (same and mismatch.field in _ONLY_BY_DRAW)]


def _prompts(side: Side, benchmark: str) -> dict[str, bytes]:
    assert side.journal is not None
    return {
        str(line["id"]): asked_item(line).prompt
        for _, _, line in numbered_lines(side.journal)
        if line["benchmark"] == benchmark
    }


def with_draw(task: TaskComparison, joined: Joined, pair: DrawnPair, whole: Scores, alpha: float) -> TaskComparison:
    """A measured task with the difference over all items of the draw's benchmark, instead of over the drawn ones.

    `whole` are the scores of a side that asked all. The interval holds the draw and, as that of every comparison, the
    items themselves as a sample of their kind: the variance of the draw's estimate plus that of an item's difference
    over the number of items.
    """
    if task.difference is None:
        return task
    if joined.clusters is not None:
        return _not_comparable(task, "items that were drawn cannot be taken in clusters")
    if not has_range(joined):
        return _not_comparable(task, f"{task.metric} is not held to 0 … 1, and a draw says the mean of such alone")
    known = joined.known
    ids = [joined.ids[place] for place in np.flatnonzero(known)]
    was, now = joined.base[known], joined.new[known]
    if pair.base and pair.new:
        middle = _mean(pair.draw, ids, (now - was + 1) / 2)
        first = _mean(pair.draw, ids, was).value
        value, stderr = 2 * middle.value - 1, 2 * middle.stderr
    else:
        everything = _of_all(pair.draw, whole, task.lower_is_better)
        beside = {**pair.draw.earlier, "\0whole": tuple(None if math.isnan(v) else v for v in everything.tolist())}
        found = _mean(replace(pair.draw, earlier=beside), ids, was if pair.base else now)
        rest = float(np.nanmean(everything))
        first = found.value if pair.base else rest
        value, stderr = (rest - found.value if pair.base else found.value - rest), found.stderr
    return _measured(task, (first, value), (stderr, _sampling(pair.draw, ids, now - was)), len(ids), alpha)


def _not_comparable(task: TaskComparison, reason: str) -> TaskComparison:
    return replace(
        task, verdict="not comparable", reason=reason, base=None, new=None, difference=None, low=None, high=None,
        p_worse=None, p_change=None,
    )  # fmt: skip


def _measured(
    task: TaskComparison, figures: tuple[float, float], errors: tuple[float, float], n: int, alpha: float
) -> TaskComparison:
    """The task with BASE's figure and the difference, from the errors of the draw and of the items as a sample."""
    (first, value), stderr = figures, math.hypot(*errors)
    parts = zip(("draw", "sampling"), errors, strict=True)
    half = t_quantile(1 - alpha, n - 1) * stderr
    least = detectable_by(half, alpha)
    lacking = task.missing / task.total  # drawn items without a value could be worth the worst and the best
    return replace(
        task, method="drawn items, regression", difference=value, low=max(-1.0, value - half - lacking),
        high=min(1.0, value + half + lacking), p_worse=t_cdf((value + task.margin + lacking) / stderr, n - 1),
        p_change=2 * t_cdf(-abs(value) / stderr, n - 1), detectable=least, underpowered=least > 2 * task.margin,
        items_to_decide=None, bootstrap=None, base=first, new=first + value,
        uncertainty=tuple(UncertaintyPart(source=source, stderr=error) for source, error in parts),
        notes=(*task.notes, f"estimated for all items from {n:,} drawn ones; flips and counts are of those alone"),
    )  # fmt: skip


def _mean(draw: DrawnItems, ids: Sequence[str], worth: NDArray[np.float64]) -> Estimate:
    found = estimated_mean(draw, dict(zip(ids, worth.tolist(), strict=True)))
    if found is None:
        raise UserError("fewer than two drawn items have a value on both sides", Exit.NOT_WHOLE)
    return found


def _of_all(draw: DrawnItems, whole: Scores, lower_is_better: bool) -> NDArray[np.float64]:
    """What the whole side got on every item of the draw, larger being better."""
    by_id: Mapping[str, float] = dict(zip(whole.ids, whole.values.tolist(), strict=True))
    found = np.array([by_id[identity] for identity in draw.ids])
    return 1 - found if lower_is_better else found


def _sampling(draw: DrawnItems, ids: Sequence[str], differences: NDArray[np.float64]) -> float:
    """The standard error of the mean difference over all items, were those a plain sample of their kind."""
    chances = dict(zip(draw.ids, draw.probabilities, strict=True))
    weight = np.array([1 / chances[identity] for identity in ids])
    centre = float(np.average(differences, weights=weight))
    return math.sqrt(float(np.average((differences - centre) ** 2, weights=weight)) / len(draw.ids))
