"""The difference over all items from drawn ones: by hand where the draw is of everything, and for either direction."""

import math
from dataclasses import replace

import numpy as np
import pytest

from evalharness.comparison.align import Joined
from evalharness.comparison.decide import TaskComparison
from evalharness.comparison.draws import DrawnPair, with_draw
from evalharness.comparison.scores import STATUS_CODE, Scores
from evalharness.errors import Exit, UserError
from evalharness.runs.drawn import DrawnItems

N, DRAWN = 60, 30
RANDOM = np.random.default_rng(4)
WHOLE = (RANDOM.random(N) < 0.7).astype(float)
OTHER = np.where(RANDOM.random(N) < 0.2, 1 - WHOLE, WHOLE)
IDS = [f"i{n:02}" for n in range(N)]
PLACES = np.sort(RANDOM.permutation(N)[:DRAWN])
DRAW = DrawnItems(
    seed=0, ids=tuple(IDS), groups=("",) * N, earlier={"m": tuple(WHOLE.tolist())},
    probabilities=(DRAWN / N,) * N, places=tuple(PLACES.tolist()),
)  # fmt: skip


def scores(values):
    n = len(values)
    return Scores(
        metric="m", ids=IDS, values=np.asarray(values, float), answers=np.ones(n, np.int32),
        status=np.full(n, STATUS_CODE["scored"], np.uint8), groups=np.zeros(n, np.int32), group_names=[""],
        clusters=None, lengths=np.full(n, -1, np.int32), places=np.full(n, -1),
    )  # fmt: skip


def joined(base, new, **more):
    n = len(base)
    made = Joined(
        ids=[IDS[place] for place in PLACES[:n]], base=np.asarray(base, float), new=np.asarray(new, float),
        at_base=np.arange(n), at_new=np.arange(n), base_status=np.zeros(n, np.uint8),
        new_status=np.zeros(n, np.uint8), groups=[""] * n, clusters=None, binary=True,
    )  # fmt: skip
    return replace(made, **more)


TASK = TaskComparison(
    benchmark="b", metric="accuracy", margin=0.02, difference=0.0, base=0.5, new=0.5, n=DRAWN, total=DRAWN, p_worse=0.5
)
BASE, NEW, BOTH = (
    DrawnPair(draw=DRAW, base=base, new=new) for base, new in ((True, False), (False, True), (True, True))
)


def compared(pair, base, new, whole, task=TASK, **changed):
    return with_draw(task, joined(base[PLACES], new[PLACES], **changed), pair, scores(whole), 0.05)


def test_new_drawn_against_a_whole_base():
    found = compared(NEW, WHOLE, OTHER, WHOLE)
    assert found.base == pytest.approx(WHOLE.mean()), "what was asked whole is not estimated"
    assert found.new == pytest.approx(found.base + found.difference)
    assert abs(found.difference - (OTHER - WHOLE).mean()) < 0.15
    assert found.low < found.difference < found.high
    draw, sampling = ((part.source, part.stderr) for part in found.uncertainty)
    assert (draw[0], sampling[0]) == ("draw", "sampling")
    changes = (OTHER - WHOLE)[PLACES]
    assert sampling[1] == pytest.approx(changes.std() / math.sqrt(N)), "all items are a sample of their kind"


def test_the_sides_exchanged_turn_the_difference_round():
    one, other = compared(NEW, WHOLE, OTHER, WHOLE), compared(BASE, OTHER, WHOLE, WHOLE)
    assert other.difference == pytest.approx(-one.difference)
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low))
    assert other.new == pytest.approx(WHOLE.mean()) and other.base == pytest.approx(one.new)
    assert other.p_change == pytest.approx(one.p_change)


def test_a_metric_of_which_less_is_better_says_the_same_of_what_is_good():
    """Alignment turns such values round, so that more is better in what is joined; the whole side's are as they are."""
    plain = compared(NEW, WHOLE, OTHER, WHOLE)
    less = compared(NEW, WHOLE, OTHER, 1 - WHOLE, task=replace(TASK, lower_is_better=True))
    assert (less.difference, less.low, less.high) == (plain.difference, plain.low, plain.high)


def test_one_draw_on_both_sides():
    found = compared(BOTH, WHOLE, OTHER, [])
    assert abs(found.difference - (OTHER - WHOLE).mean()) < 0.15 and found.low < found.difference < found.high
    same = compared(BOTH, WHOLE, WHOLE, [])
    assert same.difference == pytest.approx(0.0, abs=1e-3) and same.low < 0 < same.high and same.p_change > 0.9


def test_items_without_a_value_are_worth_the_worst_and_the_best():
    full = compared(NEW, WHOLE, OTHER, WHOLE)
    missing = compared(NEW, WHOLE, OTHER, WHOLE, task=replace(TASK, missing=3))
    assert missing.low == pytest.approx(full.low - 0.1) and missing.high == pytest.approx(full.high + 0.1)
    assert missing.p_worse > full.p_worse and missing.difference == full.difference
    lost = compared(NEW, WHOLE, OTHER, WHOLE, task=replace(TASK, missing=DRAWN))
    assert (lost.low, lost.high) == (-1.0, 1.0)


def test_what_was_not_measured_stays_as_it_is():
    unmeasured = replace(TASK, difference=None)
    assert compared(NEW, WHOLE, OTHER, WHOLE, task=unmeasured) is unmeasured


@pytest.mark.parametrize(
    ("worth", "clusters", "reason"), [(1.0, np.zeros(DRAWN, int), "clusters"), (2.0, None, "not held to 0 … 1")]
)
def test_what_a_draw_says_nothing_of(worth, clusters, reason):
    found = compared(NEW, WHOLE, worth * OTHER, WHOLE, clusters=clusters)
    assert found.verdict == "not comparable" and reason in found.reason
    assert (found.base, found.new, found.difference, found.low, found.high, found.p_worse) == (None,) * 6


def test_one_item_is_too_few():
    one = joined(WHOLE[PLACES[:1]], OTHER[PLACES[:1]])
    with pytest.raises(UserError, match="fewer than two drawn items") as refused:
        with_draw(TASK, one, NEW, scores(WHOLE), 0.05)
    assert refused.value.exit_code == Exit.NOT_WHOLE
