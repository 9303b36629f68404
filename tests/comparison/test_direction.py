"""Metrics of which less is better: turned round to be compared, and back to be shown."""

import math

import numpy as np
import pytest

from evalharness.comparison.align import Joined
from evalharness.comparison.decide import TaskComparison
from evalharness.comparison.direction import as_measured, larger_is_better
from evalharness.comparison.flips import Slice

PART = Slice(field="topic", value="a", n=9, fixed=1, broke=3, difference=-0.25, p=0.5)
TASK = TaskComparison(
    benchmark="asr", metric="wer", margin=0.02, lower_is_better=True, difference=-0.25, low=-0.5, high=0.125,
    bootstrap=(-0.75, 0.0625), unread_bounds=(-1.5, 2.5), slices=(PART,),
)  # fmt: skip


def joined(base, new):
    n = len(base)
    return Joined(
        ids=[str(i) for i in range(n)], base=np.array(base, float), new=np.array(new, float), at_base=np.arange(n),
        at_new=np.arange(n), base_status=np.zeros(n, np.uint8), new_status=np.zeros(n, np.uint8), groups=[""] * n,
        clusters=None, binary=False,
    )  # fmt: skip


@pytest.mark.parametrize(("base", "turned"), [([0.25, 0.5], [0.75, 0.5]), ([25.0, 0.5], [-25.0, -0.5])])
def test_items_are_turned_within_their_range(base, turned):
    found = larger_is_better(joined(base, [0.0, 1.0]))
    assert found.base.tolist() == turned
    assert (found.new - found.base).tolist() == pytest.approx([base[0], base[1] - 1.0])


def test_everything_that_is_a_difference_is_given_back_as_new_minus_base():
    found = as_measured(TASK)
    assert (found.difference, found.low, found.high) == (0.25, -0.125, 0.5)
    assert (found.bootstrap, found.unread_bounds) == ((-0.0625, 0.75), (-2.5, 1.5))
    assert [one.difference for one in found.slices] == [0.25]


def test_no_difference_is_shown_without_a_sign():
    flat = TaskComparison(
        benchmark="asr", metric="wer", margin=0.02, lower_is_better=True, difference=0.0, low=0.0, high=0.0,
        bootstrap=(0.0, 0.0),
    )  # fmt: skip
    found = as_measured(flat)
    values = (found.difference, found.low, found.high, *found.bootstrap)
    assert [math.copysign(1.0, value) for value in values] == [1.0] * 5, "-0.0 would be written as -0"
    assert found.unread_bounds is None


def test_where_more_is_better_or_nothing_was_measured_a_task_stays():
    more = TaskComparison(benchmark="quiz", metric="accuracy", margin=0.02, difference=-0.25, low=-0.5, high=0.125)
    bare = TaskComparison(benchmark="asr", metric="wer", margin=0.02, lower_is_better=True)
    assert as_measured(more) is more and as_measured(bare) is bare
