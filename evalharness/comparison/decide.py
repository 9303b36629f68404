"""The verdict on one task and on all: worse, better, same, can't tell; and whether the gate lets it pass.

The interval is two-sided at 1 - 2 alpha, so that each of its ends is a one-sided test at alpha. With a margin of d:
worse = the whole interval lies below -d, and that survives Holm's correction over tasks; better = above +d; same =
inside. The gate passes a task when a loss of d is ruled out (low > -d: non-inferiority), which says nothing of gains.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evalharness.comparison.align import Joined, Mismatch, has_range
from evalharness.comparison.choice_shift import ChoiceShift
from evalharness.comparison.flips import FlippedItem, Slice
from evalharness.comparison.rules import MISSING_LIMIT, GateWord, Ruling, TaskTier
from evalharness.comparison.scores import STATUS_CODE
from evalharness.records import UNREAD
from evalharness.runs.manifest import WatchedFacts
from evalharness.stats.intervals import normal_quantile
from evalharness.stats.paired import (
    Paired,
    bootstrap_interval,
    holm,
    p_no_change,
    paired_binary,
    paired_clustered,
    paired_mean,
)
from evalharness.stats.power import detectable, detectable_by, items_to_pass, zero_flip_items

Word = Literal["worse", "better", "same", "can't tell", "not comparable", "incomplete"]
SYMBOLS: dict[Word, str] = {
    "worse": "✗",
    "better": "✓",
    "same": "=",
    "can't tell": "?",
    "not comparable": "!",
    "incomplete": "!",
}
WORST_FIRST: tuple[Word, ...] = ("worse", "not comparable", "incomplete", "can't tell", "better", "same")
SUSPECT_LIMIT = 0.02  # of the answers; honest ones leave none or a few
_SMALL = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What an A/A run leads one to expect: flips that mean nothing."""

    rate: float
    n: int
    expected: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UncertaintyPart:
    """One source of a difference's uncertainty (sampling, draw, rerun, wording or judge) and its standard error."""

    source: str
    stderr: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskComparison:
    """What is known of one benchmark. Values and differences are in the metric's own unit (0.02 = 2 points).

    `n` items have a value on both sides, `missing` of `total` lack one; `low` and `high` allow for the worst and the
    best that those could be, and are infinite where nothing bounds them (JSON: null). `unread_bounds` is the difference
    if every answer that could not be read were wrong in NEW and right in BASE, and the other way round. `programs`
    counts answers that are programs by their standing; `choices` is of ranked questions. `p_worse` is for "worse than
    the margin", `p_change` (exact McNemar; over grades and clusters the interval's own test) for "differs from 0".
    Where `lower_is_better` a rise is the loss: differences are turned round until the verdict is there (`as_measured`).
    """

    benchmark: str
    metric: str
    margin: float
    lower_is_better: bool = False
    tier: TaskTier = "important"
    verdict: Word = "can't tell"
    gate: GateWord = "inconclusive"
    reason: str = ""
    mode: str = ""
    method: str = ""
    n: int = 0
    total: int = 0
    missing: int = 0
    missing_base: int = 0
    missing_new: int = 0
    base: float | None = None
    new: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    bootstrap: tuple[float, float] | None = None
    p_worse: float | None = None
    p_worse_holm: float | None = None
    p_change: float | None = None
    p_change_holm: float | None = None
    detectable: float | None = None
    items_to_decide: int | None = None
    underpowered: bool = False
    fixed: int = 0
    broke: int = 0
    clusters: int | None = None
    mismatches: tuple[Mismatch, ...] = ()
    unread_bounds: tuple[float, float] | None = None
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    programs: dict[str, dict[str, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    flaky: Noise | None = None
    uncertainty: tuple[UncertaintyPart, ...] = ()
    sequential: WatchedFacts | None = None
    slices: tuple[Slice, ...] = ()
    samples: tuple[FlippedItem, ...] = ()
    choices: ChoiceShift | None = None

    @property
    def symbol(self) -> str:
        return SYMBOLS[self.verdict]


def paired(joined: Joined, differences: NDArray[np.float64], rows: NDArray[np.bool_], confidence: float) -> Paired:
    """The interval that fits: Tango for right-or-wrong, t otherwise, clustered where clusters are given."""
    fixed, broke = int(np.sum(differences > 0)), int(np.sum(differences < 0))
    if joined.clusters is None:
        if joined.binary:
            return paired_binary(fixed, broke, len(differences), confidence)
        return paired_mean(differences, confidence, ranged=has_range(joined))
    found = paired_clustered(differences, joined.clusters[rows], confidence, ranged=has_range(joined))
    if not joined.binary:
        return found
    # With few flips a t interval is too narrow whatever the clusters are: never narrower than Tango's.
    plain = paired_binary(fixed, broke, len(differences), confidence)
    return replace(
        found,
        low=min(found.low, plain.low),
        high=max(found.high, plain.high),
        # Of the two the less certain one, on either side.
        p_worse=lambda margin: sorted((found.p_worse(margin), 0.5, plain.p_worse(margin)))[1],
    )


def measured_task(joined: Joined, task: TaskComparison, alpha: float) -> TaskComparison:
    """The figures of one task; the verdict comes from `decide`, which knows the other tasks."""
    rows, confidence = joined.known, 1 - 2 * alpha
    base, new = joined.base[rows], joined.new[rows]
    n = int(rows.sum())
    counted = replace(
        task,
        n=n,
        total=len(rows),
        missing=len(rows) - n,
        missing_base=int(np.isnan(joined.base).sum()),
        missing_new=int(np.isnan(joined.new).sum()),
        clusters=None if joined.clusters is None else len(np.unique(joined.clusters[rows])),
    )
    if n == 0:
        return replace(counted, verdict="incomplete", reason="no item has a value on both sides")
    differences = new - base
    found = paired(joined, differences, rows, confidence)
    low, high, p_worse = _bounded(joined, found, task.margin, confidence)
    unbounded = math.isinf(low)  # then more items of the same kind would decide nothing
    before, after = base > 0.5, new > 0.5  # a flip changes the side of one half
    fixed, broke = int(np.sum(after & ~before)), int(np.sum(before & ~after))
    clustered = joined.clusters is not None
    mde = max(detectable(found.sd, n, alpha), _zero_flip_bound(n, alpha))
    if clustered:  # a score interval over few clusters is wider than their spread tells; power is what that one has
        mde = max(mde, detectable_by(max(found.value - found.low, found.high - found.value), alpha))
    if has_range(joined):
        mde = min(mde, 1.0)
    return replace(
        counted,
        method=found.method,
        base=float(np.mean(base)),
        new=float(np.mean(new)),
        # By counts where it can be: so the flips add up with the difference to the last digit.
        difference=found.value,
        low=low,
        high=high,
        bootstrap=bootstrap_interval(differences, confidence) if n < _SMALL else None,
        p_worse=p_worse,
        p_change=_p_change(found) if clustered else p_no_change(differences, ranged=has_range(joined)),
        detectable=None if unbounded else mde,
        underpowered=unbounded or mde > 2 * task.margin,
        fixed=fixed,
        broke=broke,
        items_to_decide=None if unbounded or clustered else _items(found, n, task.margin, alpha),
    )


def unread_bounds(joined: Joined) -> tuple[float, float] | None:
    """The differences if unread answers were worth the worst and the best for NEW.

    None where all could be read, and where the metric has no worst and best that are known.
    """
    rows = joined.known
    codes = [STATUS_CODE[status] for status in UNREAD]
    before, after = np.isin(joined.base_status[rows], codes), np.isin(joined.new_status[rows], codes)
    if not (before.any() or after.any()) or not has_range(joined):
        return None
    base, new = joined.base[rows], joined.new[rows]
    worst = np.where(after, 0.0, new) - np.where(before, 1.0, base)
    best = np.where(after, 1.0, new) - np.where(before, 0.0, base)
    return float(np.mean(worst)), float(np.mean(best))


def _bounded(joined: Joined, found: Paired, margin: float, confidence: float) -> tuple[float, float, float]:
    """Low, high and p value, allowing for the worst and best that the missing values could be: anything, for a metric
    without a known range."""
    everything = np.ones(len(joined.ids), bool)
    if joined.known.all():
        return found.low, found.high, found.p_worse(margin)
    if not has_range(joined):
        return -math.inf, math.inf, 1.0
    worst = np.where(np.isnan(joined.new), 0.0, joined.new) - np.where(np.isnan(joined.base), 1.0, joined.base)
    best = np.where(np.isnan(joined.new), 1.0, joined.new) - np.where(np.isnan(joined.base), 0.0, joined.base)
    below, above = (paired(joined, d, everything, confidence) for d in (worst, best))
    return min(below.low, found.low), max(above.high, found.high), max(above.p_worse(margin), found.p_worse(margin))


def _p_change(found: Paired) -> float:
    """Two-sided p value of "the difference is not 0", from the one-sided one; 1 where nothing tells the spread."""
    if math.isinf(found.low):
        return 1.0
    below = found.p_worse(0.0)
    return min(1.0, 2 * min(below, 1 - below))


def _zero_flip_bound(n: int, alpha: float) -> float:
    z2 = normal_quantile(1 - alpha) ** 2
    return z2 / (n + z2)


def _items(found: Paired, n: int, margin: float, alpha: float) -> int | None:
    """How many items would decide: those that pass with 80 % power if nothing changed.

    Where so many are there already, the difference lies near the margin: then those that would tell it from the margin
    if it stays as it is; None when no number would.
    """
    wanted = items_to_pass(found.sd, margin, alpha)
    if wanted > n:
        return wanted
    distance = abs(found.value + margin)
    if distance < 1e-4:
        return None
    return max(n + 1, items_to_pass(found.sd, min(distance, 0.5), alpha), zero_flip_items(margin, alpha))


def decide(tasks: Sequence[TaskComparison], alpha: float) -> list[TaskComparison]:
    """Verdict and gate of every task. A `worse` must survive Holm over the tasks; a pass needs no correction.

    Advisory tasks are corrected among themselves: what never blocks takes no power from what does.
    """
    found: dict[int, TaskComparison] = {}
    for advisory in (False, True):
        these = [task for task in tasks if (task.tier == "advisory") is advisory]
        found |= {id(task): made for task, made in zip(these, _family(these, alpha), strict=True)}
    return [found[id(task)] for task in tasks]


def _family(tasks: Sequence[TaskComparison], alpha: float) -> list[TaskComparison]:
    """Verdicts of tasks that are corrected together."""
    figured = [task for task in tasks if task.p_worse is not None and task.p_change is not None]
    worse = holm([task.p_worse for task in figured if task.p_worse is not None])
    change = holm([task.p_change for task in figured if task.p_change is not None])
    adjusted = {
        id(task): replace(task, p_worse_holm=w, p_change_holm=c)
        for task, w, c in zip(figured, worse, change, strict=True)
    }
    return [_guarded(_decided(adjusted[id(task)], alpha)) if id(task) in adjusted else task for task in tasks]


def _decided(task: TaskComparison, alpha: float) -> TaskComparison:
    low, high, adjusted = task.low, task.high, task.p_worse_holm
    if low is None or high is None or adjusted is None:
        return task
    if task.sequential is not None and task.sequential.decision is not None:
        return _stopped(task, low, high, adjusted <= alpha)
    return _of_interval(task, low, high, survives=adjusted <= alpha)


def decide_by_interval(task: TaskComparison) -> TaskComparison:
    """Verdict and gate of a task whose interval allows already for the other tasks, and for every look at it."""
    if task.low is None or task.high is None:
        return task
    return _guarded(_of_interval(task, task.low, task.high, survives=True))


def _of_interval(task: TaskComparison, low: float, high: float, *, survives: bool) -> TaskComparison:
    """`survives`: a `worse` does, the correction over the tasks."""
    margin = task.margin
    points = f"{100 * margin:.4g} points"
    if high < -margin and survives:
        reason = f"a loss of more than {points}"
        if task.unread_bounds is not None and task.unread_bounds[1] > -margin:
            reason += "; it rests on answers that could not be read, look at those first"
        return replace(task, verdict="worse", gate="fail", items_to_decide=None, reason=reason)
    if task.missing > MISSING_LIMIT * task.total:
        reason = f"{task.missing:,} of {task.total:,} items have no value on one side"
        return replace(task, verdict="incomplete", gate="inconclusive", items_to_decide=None, reason=reason)
    if low > -margin:
        word, reason = _not_worse(low, high, margin)
        return replace(task, verdict=word, gate="pass", items_to_decide=None, reason=reason)
    return replace(task, verdict="can't tell", gate="inconclusive", reason=_open(task, points))


def _guarded(task: TaskComparison) -> TaskComparison:
    """The gate fails where programs pass in a way that cannot be checked: more than a few suspects in NEW, or a rise of
    the unconfirmable share by more than the margin. Whoever wants a score without right answers will aim there."""
    new = task.programs.get("new", {})
    if not new:
        return task
    suspect, unconfirmable = _share(new, "suspect"), _share(new, "unconfirmable")
    rise = unconfirmable - _share(task.programs.get("base", {}), "unconfirmable")
    reasons = []
    if suspect > SUSPECT_LIMIT:
        reasons.append(f"{new['suspect']:,} of {sum(new.values()):,} programs are suspect (`evalh show` says why)")
    if rise > task.margin:
        reasons.append(f"unconfirmable passes rose by {100 * rise:.1f} points, more than the margin")
    if not reasons:
        return task
    if task.verdict in ("worse", "incomplete"):
        return replace(task, gate="fail", reason="; ".join([task.reason, *reasons]))
    return replace(task, verdict="can't tell", gate="fail", items_to_decide=None, reason="; ".join(reasons))


def ruled(task: TaskComparison, ruling: Ruling) -> TaskComparison:
    """The task with what its own rule says of NEW: a broken floor or limit fails the gate, an open one opens a pass."""
    if ruling.gate == "pass":
        return task
    gate: GateWord = "fail" if "fail" in (task.gate, ruling.gate) else "inconclusive"
    return replace(task, gate=gate, reason="; ".join([task.reason, *ruling.reasons] if task.reason else ruling.reasons))


def _share(found: Mapping[str, int], standing: str) -> float:
    return found.get(standing, 0) / max(1, sum(found.values()))


def _stopped(task: TaskComparison, low: float, high: float, survives: bool) -> TaskComparison:
    """The verdict of a run that was stopped early: the rule's own, for its interval is not corrected for stopping."""
    told = task.sequential
    if told is None:
        return task
    after = f"stopped early after {told.counted:,} of {told.planned:,} items"
    if told.decision == "fail" and survives:
        reason = f"a loss of more than {100 * task.margin:.4g} points, {after}"
        return replace(task, verdict="worse", gate="fail", items_to_decide=None, reason=reason)
    if told.decision == "pass":
        word, reason = _not_worse(max(low, -task.margin), high, task.margin)
        return replace(task, verdict=word, gate="pass", items_to_decide=None, reason=f"{reason}; {after}")
    return replace(task, reason=f"worse by itself, but not after Holm's correction over the tasks; {after}")


def _not_worse(low: float, high: float, margin: float) -> tuple[Word, str]:
    points = f"{100 * margin:.4g} points"
    if low > margin:
        return "better", f"a gain of more than {points}"
    if high < margin:
        surely = "surely a gain, yet" if low > 0 else "surely a drop, yet" if high < 0 else "any change is"
        return "same", f"{surely} smaller than {points}"
    if low > 0:
        return "can't tell", f"surely a gain, unsure whether of {points}; a loss is ruled out, the gate passes"
    return "can't tell", f"a loss of {points} is ruled out, the gate passes; whether there is a gain is open"


def _open(task: TaskComparison, points: str) -> str:
    low, high = task.low or 0.0, task.high or 0.0
    if math.isinf(low):
        why = "the items without a value could be worth anything" if task.missing else "nothing tells how far it varies"
        return f"cannot rule out a loss of {points}: the metric is not held to 0 … 1, and {why}"
    if high < -task.margin:
        return f"below the margin by itself, but not after Holm's correction over the tasks (p {task.p_worse_holm:.3f})"
    said = "surely a drop, unsure whether of more than" if high < 0 else "cannot rule out a loss of"
    start = f"{said} {points}"
    if task.missing and low <= -task.margin:
        start += f" ({task.missing:,} items without a value on one side are allowed for)"
    if task.clusters is not None:
        return f"{start}; more clusters would have to decide (there are {task.clusters:,})"
    if task.items_to_decide is None:
        return f"{start}; the difference lies at the margin, no number of items would decide"
    return f"{start}; about {task.items_to_decide:,} items would decide (there are {task.n:,})"


def overall(tasks: Sequence[TaskComparison]) -> tuple[Word, GateWord]:
    """The verdict and gate over all tasks: the worst verdict (better where no task is open), a pass only of all.

    Advisory tasks have no say, unless there are no others: then the verdict is theirs, and the gate passes.
    """
    counted = [task for task in tasks if task.tier != "advisory"]
    words = {task.verdict for task in counted or tasks}
    word = next(word for word in WORST_FIRST if word in words)
    gates = {task.gate for task in counted}
    gate: GateWord = "fail" if "fail" in gates else "pass" if gates <= {"pass"} else "inconclusive"
    return word, gate
