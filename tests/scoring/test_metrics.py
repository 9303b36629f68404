"""Means, macro means and their intervals, by hand."""

import math

import pytest

from evalharness.records import Message, Request, Response, Result, Sample
from evalharness.scoring.metrics import macro, mean, within
from evalharness.stats.intervals import mean_interval, stratified, wilson


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
