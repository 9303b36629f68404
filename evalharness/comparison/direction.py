"""Metrics of which less is better: turned round while they are compared, given back as they are."""

from __future__ import annotations

from dataclasses import replace

from evalharness.comparison.align import Joined, has_range
from evalharness.comparison.decide import TaskComparison


def larger_is_better(joined: Joined) -> Joined:
    """Items of which less is better as ones of which more is: 1 minus the value within [0, 1], else its negative."""
    top = 1.0 if has_range(joined) else 0.0
    return replace(joined, base=top - joined.base, new=top - joined.new)


def as_measured(task: TaskComparison) -> TaskComparison:
    """A task that is decided, with its differences as they are: new minus base, where less is better too."""
    if not task.lower_is_better or task.difference is None or task.low is None or task.high is None:
        return task

    def turned(ends: tuple[float, float] | None) -> tuple[float, float] | None:
        return None if ends is None else (0.0 - ends[1], 0.0 - ends[0])

    return replace(
        task, difference=0.0 - task.difference, low=0.0 - task.high, high=0.0 - task.low,
        bootstrap=turned(task.bootstrap), unread_bounds=turned(task.unread_bounds),
        slices=tuple(replace(one, difference=0.0 - one.difference) for one in task.slices),
    )  # fmt: skip
