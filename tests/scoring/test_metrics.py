"""Means, macro means and their intervals, by hand."""

import math
from dataclasses import replace

import pytest

from evalharness.records import Message, Request, Response, Result, Sample
from evalharness.scoring.metrics import average, macro, mean, pass_at, ratio, within
from evalharness.stats.intervals import bounded_mean, mean_interval, stratified, wilson


def result(identity, group, value, repeat=0):
    return Result(
        benchmark="b", sample=Sample(id=identity, question="?", group=group), repeat=repeat,
        request=Request(messages=(Message("user", "?"),)), response=Response(), status="scored",
        scores={"accuracy": value},
    )  # fmt: skip


def test_wilson_as_published():
    e = wilson(8, 10)
    assert (round(e.low, 6), round(e.high, 6)) == (0.490162, 0.943318)
    assert wilson(0, 5).low == 0 and wilson(5, 5).high == 1


def test_a_mean_of_one_value_has_no_interval():
    assert mean_interval([0.3]).low == -math.inf


def test_macro_weighs_groups_alike_and_micro_items():
    results = [result("a/0", "a", 1.0), result("a/1", "a", 1.0), result("a/2", "a", 0.0), result("b/0", "b", 0.0)]
    assert mean().of(results).value == pytest.approx(0.5)
    assert macro().of(results).value == pytest.approx((2 / 3 + 0) / 2)
    assert within("accuracy", "of_a", frozenset({"a"})).of(results).n == 3


def test_repeats_of_a_sample_are_averaged_before_anything_else():
    results = [result("a/0", "a", v, i) for i, v in enumerate((1.0, 0.0))] + [result("a/1", "a", 1.0)]
    figure = mean().of(results)
    assert figure.n == 2 and figure.value == 0.75


def test_groups_of_one_do_not_shrink_the_interval_of_the_macro_mean():
    ones = stratified([[0.0], [1.0], [1.0], [0.0]])
    assert ones.stderr == pytest.approx(math.sqrt(1 / 3 / 4))
    assert stratified([[0.0, 1.0], [0.0, 1.0]]).stderr == pytest.approx(math.sqrt(2 * 0.5 / 2) / 2)
    assert stratified([]) is None


@pytest.mark.parametrize("right", [0, 1, 3, 8, 10])
def test_the_score_interval_of_right_or_wrong_values_is_wilsons(right):
    """The general function, which `average` does not call for such values."""
    made, known = bounded_mean([1.0] * right + [0.0] * (10 - right)), wilson(right, 10)
    assert (made.low, made.high) == pytest.approx((known.low, known.high), abs=1e-6)


@pytest.mark.parametrize(
    "values",
    [
        [0.5] * 40,
        [0.7],
        [0.0, 0.5],
        [1.0] * 5 + [0.99],
        [0.9] * 6,
        [1.0] * 200 + [0.3],
        [0.001] * 3,
        [0.0] * 5 + [1e-9],
    ],
)
def test_means_in_the_unit_range_stay_there_and_have_width(values):
    e = average(values)
    assert 0 <= e.low < e.value <= e.high <= 1 and e.high - e.low > 0.001
    turned = average([1 - v for v in values])
    assert (turned.low, turned.high) == pytest.approx((1 - e.high, 1 - e.low), abs=1e-6)


def test_forty_ties_leave_open_what_forty_right_answers_leave_open():
    ties, right = average([0.5] * 40), wilson(40, 40)
    assert ties.high == pytest.approx(0.5 + 0.5 * (1 - right.low), abs=1e-3)


def test_many_alike_values_have_students_interval():
    values = [0.6 + 0.01 * (i % 7) for i in range(70)]
    made, known = bounded_mean(values), mean_interval(values)
    assert (made.low, made.high, made.stderr) == pytest.approx((known.low, known.high, known.stderr))


@pytest.mark.parametrize("groups", [[[1.0] * 5] * 4, [[1.0] * 6, [1.0]], [[0.0, 0.0], [0.0]], [[1.0, 0.5]] * 3])
def test_macro_means_stay_in_range_and_have_width(groups):
    e = stratified(groups)
    assert 0 <= e.low <= e.value <= e.high <= 1 and e.high - e.low > 0.05


def test_four_groups_of_five_that_are_all_right_say_what_twenty_right_answers_say():
    e, known = stratified([[1.0] * 5] * 4), wilson(20, 20)
    assert known.low - 0.05 < e.low < known.low and e.high == 1.0


def test_values_beyond_the_unit_range_keep_their_own_interval():
    e = stratified([[5.0, 7.0, 6.0], [2.0, 3.0]])
    assert e.low < e.value < e.high and e.value == pytest.approx(4.25)
    same = mean_interval([3.0, 3.0, 3.0])
    assert same.low == -math.inf and same.high == math.inf, "nothing tells the spread"


def test_ratios_and_pass_at_100_near_1():
    def scored(identity, followed, given):
        one = result(identity, "", 0.0)
        return replace(one, scores={"followed": followed, "given": given})

    found = [scored(str(i), 2.0, 2.0) for i in range(9)] + [scored("9", 1.0, 2.0)]
    e = ratio("followed", "given", "instruction").of(found)
    assert e.value == pytest.approx(0.95) and 0 < e.low < 0.9 and 0.95 < e.high < 1
    solved = [result(f"p{p}", "", float(k < 20 - p), k) for p in range(3) for k in range(20)]
    near = pass_at(10).of(solved)
    assert near.value > 0.99 and near.low < 0.7 and near.high <= 1
