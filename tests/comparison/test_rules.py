"""What a benchmark must keep: floors by the interval, limits by the count, advisory tasks without a say."""

import pytest

from evalharness.comparison.decide import TaskComparison, decide, overall
from evalharness.comparison.rules import TaskRule, hold_to_rule, missing_share
from evalharness.errors import UserError
from evalharness.runs.figures import Judgment, KeptEstimate, TaskSummary
from evalharness.runs.manifest import UsageFacts


def figures(value=0.8, low=0.75, high=0.85, n=200, missing=0, headline="accuracy", **more):
    figure = KeptEstimate(value=value, low=low, high=high, n=n)
    return TaskSummary(n=n, headline=headline, metrics={headline: figure}, missing=missing,
                       **{"counts": {"correct": n}, **more})  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "gate"),
    [
        ({}, "pass"),
        ({"at_least": 0.75}, "pass"),
        ({"at_least": 0.751}, "inconclusive"),
        ({"at_least": 0.8}, "inconclusive"),
        ({"at_least": 0.85}, "inconclusive"),
        ({"at_least": 0.851}, "fail"),
        ({"at_most": 0.85}, "pass"),
        ({"at_most": 0.8}, "inconclusive"),
        ({"at_most": 0.74}, "fail"),
        ({"at_least": 0.7, "at_most": 0.74}, "fail"),
    ],
)
def test_a_floor_is_decided_by_the_interval(rule, gate):
    found = hold_to_rule("quiz", TaskRule(**rule), figures())
    assert (found.gate, bool(found.reasons)) == (gate, gate != "pass")


def test_items_without_a_value_widen_the_interval():
    holes = figures(missing=50)
    assert missing_share(holes) == pytest.approx(0.2, rel=1e-12)
    # 0.75 * 0.8 = 0.60 and 0.85 * 0.8 + 0.2 = 0.88: what is missing could be worth nothing, or all.
    for floor, gate in ((0.59, "pass"), (0.61, "inconclusive"), (0.87, "inconclusive"), (0.89, "fail")):
        assert hold_to_rule("quiz", TaskRule(at_least=floor), holes).gate == gate
    grades = figures(value=7.0, low=6.5, high=7.5, missing=50)
    assert hold_to_rule("quiz", TaskRule(at_least=9.0), grades).gate == "inconclusive"


def test_grades_beyond_one_are_held_to_their_floor_where_nothing_is_missing():
    grades = figures(value=7.0, low=6.5, high=7.5)
    for floor, gate in ((6.0, "pass"), (7.0, "inconclusive"), (8.0, "fail")):
        assert hold_to_rule("chat", TaskRule(at_least=floor), grades).gate == gate


def test_a_benchmark_without_an_item_is_wholly_missing():
    assert missing_share(figures(n=0)) == 1.0


def test_no_interval_and_no_figures_keep_nothing():
    for found in (figures(low=None, high=None), figures(value=None, low=None, high=None), None):
        assert hold_to_rule("quiz", TaskRule(at_least=0.1), found).gate == "inconclusive"
    assert hold_to_rule("quiz", TaskRule(), None).gate == "pass"


def test_limits_are_counted():
    counted = figures(counts={"correct": 90, "unparsed": 6, "truncated": 4}, programs={"confirmed": 9, "suspect": 1},
                      judged={"j": Judgment(metrics={}, answers=100, without_verdict=3, verdicts={})})  # fmt: skip
    for name, share in (("unparsed", 0.06), ("truncated", 0.04), ("null", 0.03), ("suspect", 0.1), ("error", 0.0)):
        assert hold_to_rule("quiz", TaskRule(limits={name: share}), counted).gate == "pass"
    for name, share in (("unparsed", 0.059), ("truncated", 0.0), ("null", 0.02), ("suspect", 0.09)):
        found = hold_to_rule("quiz", TaskRule(limits={name: share}), counted)
        assert (found.gate, f"are {name}" in found.reasons[0]) == ("fail", True)


def test_a_floor_of_what_should_be_small_is_refused():
    with pytest.raises(UserError, match="less perplexity is better"):
        hold_to_rule("lambada", TaskRule(at_least=1.0), figures(headline="perplexity"))


def test_advisory_tasks_take_no_power_and_have_no_say():
    def task(name, p, tier="important"):
        return TaskComparison(benchmark=name, metric="m", margin=0.02, tier=tier, n=100, total=100, low=-0.3,
                              high=-0.05, difference=-0.1, p_worse=p, p_change=p)  # fmt: skip

    alone = decide([task("a", 0.04)], 0.05)
    beside = decide([task("a", 0.04), *(task(f"b{i}", 0.9, "advisory") for i in range(5))], 0.05)
    assert alone[0].gate == beside[0].gate == "fail"
    assert decide([task("a", 0.04), task("b", 0.9)], 0.05)[0].gate == "inconclusive"
    only = decide([task("a", 0.001, "advisory")], 0.05)
    assert overall(only) == ("worse", "pass")


def test_ceilings_of_cost_are_counted_and_those_of_seconds_decided_by_the_interval():
    used = UsageFacts(cost=1.5, seconds_each=KeptEstimate(value=2.0, low=1.8, high=2.3, n=200))
    for rule, gate in (
        ({"max_cost": 1.5}, "pass"), ({"max_cost": 1.49}, "fail"), ({"max_seconds": 2.3}, "pass"),
        ({"max_seconds": 2.1}, "inconclusive"), ({"max_seconds": 1.7}, "fail"),
    ):  # fmt: skip
        assert hold_to_rule("quiz", TaskRule(**rule), figures(), used).gate == gate
    for rule in ({"max_cost": 1.0}, {"max_seconds": 1.0}):
        found = hold_to_rule("quiz", TaskRule(**rule), figures(), None)
        assert (found.gate, "is open" in found.reasons[0]) == ("inconclusive", True)
        assert hold_to_rule("quiz", TaskRule(**rule), None).gate == "inconclusive"


@pytest.mark.parametrize(
    ("rule", "base", "margin", "said"),
    [
        ({}, 0.5, 0.02, ""),
        ({"relative_margin": 0.1}, 0.5, 0.05, "10 % of BASE: 5.00 points"),
        ({"relative_guard": 0.1}, 0.5, 0.02, ""),
        ({"relative_guard": 0.1}, 0.05, 0.005, "held to 10 % of BASE: 0.50 points"),
        ({"relative_margin": 0.5, "relative_guard": 0.1}, 0.5, 0.05, "held to 10 % of BASE"),
        ({"relative_margin": 0.1}, 0.0, 0.02, "no share of it is a margin"),
        ({"relative_guard": 0.1}, -3.0, 0.02, "no share of it is a margin"),
    ],
)
def test_a_margin_may_be_a_share_of_the_baseline(rule, base, margin, said):
    found, told = TaskRule(**rule).margin_at(base, 0.02)
    assert found == pytest.approx(margin, rel=1e-12)
    assert said in told
    assert bool(told) == bool(said)
