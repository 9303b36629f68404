"""Means, macro means and their intervals, by hand."""

import math
from dataclasses import replace

import pytest

from evalharness.records import Message, Request, Response, Result, Sample
from evalharness.scoring.columns import columns_of
from evalharness.scoring.metrics import (
    average,
    by_group,
    counts,
    macro,
    mean,
    mean_where,
    pass_at,
    perplexity,
    ratio,
    standings,
    within,
)  # fmt: skip
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


def test_a_result_without_the_score_counts_as_0_and_for_mean_where_not_at_all():
    found = [result("a", "", 1.0), replace(result("b", "", 0.0), scores={"other": 0.5})]
    assert mean().of(found).value == 0.5 and mean().of(found).n == 2
    where = mean_where("accuracy", "named")
    assert (where.of(found).value, where.of(found).n, where.name, where.score) == (1.0, 1, "named", "accuracy")
    assert where.of(found[1:]) is None and mean_where("accuracy").name == "accuracy" and mean().of([]) is None


def test_the_chance_of_one_right_of_k():
    found = [result("p", "", float(k < 2), k) for k in range(5)] + [result("q", "", 0.0, k) for k in range(5)]
    assert pass_at(3).of(found).value == pytest.approx((1 - 1 / 10) / 2)
    assert pass_at(1).of(found).value == pytest.approx(0.2)
    assert pass_at(6).of(found) is None and pass_at(5).of(found).value == 0.5 and pass_at(1).of([]) is None
    missing = [replace(result("p", "", 1.0), scores={})]
    assert pass_at(1).of(missing).value == 0.0, "an answer without the score is not right"
    assert [(pass_at(k).name, pass_at(k).score) for k in (1, 2)] == [("pass@1", "accuracy"), ("pass@2", None)]
    assert (pass_at(1, "tests", "first").name, pass_at(1, "tests").score) == ("first", "tests")


def test_names_of_figures():
    assert (macro().name, macro("f1").name, macro("f1", "mine").name) == ("accuracy_macro", "f1_macro", "mine")
    assert (mean("f1").name, mean("f1", "mine").name, mean("f1").score) == ("f1", "mine", "f1")
    assert (within("f1", "of_a", frozenset()).name, ratio("a", "b", "r").name) == ("of_a", "r")
    assert within("accuracy", "of_a", frozenset({"a"})).of([result("x", "b", 1.0)]) is None
    assert list(by_group([result("x", "b", 1.0), result("y", "a", 1.0)])) == ["a", "b"]


def test_a_ratio_of_nothing_has_no_meaning():
    nothing = [replace(result(str(n), "", 0.0), scores={"part": 0.0, "whole": 0.0}) for n in range(3)]
    assert ratio("part", "whole", "r").of(nothing) is None
    some = [replace(one, scores={"part": 1.0, "whole": 2.0 + n}) for n, one in enumerate(nothing)]
    assert ratio("part", "whole", "r").of(some).value == pytest.approx(3 / 9)
    less = [replace(one, scores={"part": 0.0, "whole": 0.25}) for one in nothing]
    assert ratio("part", "whole", "r").of(less).value == 0.0


def test_perplexity_is_the_mean_turned_over():
    def lines(*values):
        return [replace(result(str(n), "", 0.0), scores={"logprob": v}) for n, v in enumerate(values)]

    found, known = (
        perplexity().of([*lines(-1.0, -2.0, -4.5), result("other", "", 1.0)]),
        mean_interval([-1.0, -2.0, -4.5]),
    )
    assert found.value == pytest.approx(math.exp(2.5)) and found.n == 3
    assert found.stderr == pytest.approx(math.exp(2.5) * known.stderr)
    assert (found.low, found.high) == pytest.approx((1.0, math.exp(-known.low))), "no model is surer than sure"
    close = perplexity().of(lines(-2.0, -2.1, -2.2))
    known = mean_interval([-2.0, -2.1, -2.2])
    assert (close.low, close.high) == pytest.approx((math.exp(-known.high), math.exp(-known.low)))
    assert not math.isfinite(perplexity().of(lines(-2.0)).low) and not math.isfinite(perplexity().of(lines(-2.0)).high)
    assert perplexity().of([result("other", "", 1.0)]) is None
    huge = perplexity().of(lines(-800.0, -900.0))
    assert huge.value == math.inf and perplexity().of(lines(-699.0, -699.0)).value == pytest.approx(math.exp(699.0))
    made = perplexity("nll", "ppl")
    assert (made.name, made.higher_is_better, made.score) == ("ppl", False, None)
    assert (perplexity().name, mean().higher_is_better) == ("perplexity", True)


def test_standings_count_programs_the_unscored_last():
    def stood(**detail):
        return replace(result("p", "", 1.0), detail=detail)

    assert standings(columns_of([stood(), result("a", "", 0.0)])) == {} and standings(columns_of([])) == {}
    programs = [stood(standing=said) for said in ("confirmed", "failed", "failed", "odd")]
    found = standings(columns_of(programs))
    assert found == {"confirmed": 1, "unconfirmable": 0, "suspect": 0, "failed": 2}
    some = standings(columns_of([stood(standing="confirmed", unscored="no sandbox"), stood(standing="suspect")]))
    assert list(some.items()) == [
        ("confirmed", 0),
        ("unconfirmable", 0),
        ("suspect", 1),
        ("failed", 0),
        ("unscored", 1),
    ]


def test_counts_name_every_status_in_order():
    found = counts(columns_of([result("a", "", 1.0), result("b", "", 1.0)]))
    statuses = ("correct", "wrong", "unparsed", "truncated", "refused", "error", "scored")
    assert list(found.items()) == [(status, 2 * (status == "scored")) for status in statuses]


def test_what_is_averaged_decides_its_interval():
    assert average([0.0, 1.0, 1.0]) == wilson(2, 3)
    assert average([0.0, 1.0, 0.5]) == bounded_mean([0.0, 1.0, 0.5])
    for values in ([0.0, 1.5, 0.5], [-0.1, 1.0, 0.5]):
        assert average(values) == mean_interval(values)
    assert average([]) is None
