"""The verdict from figures that are given, each word at its border."""

import math
from dataclasses import replace

import numpy as np
import pytest

from evalharness.comparison.align import Joined
from evalharness.comparison.decide import TaskComparison, decide, measured_task, overall, paired, unread_bounds
from evalharness.comparison.scores import STATUS_CODE
from evalharness.runs.manifest import WatchedFacts
from evalharness.stats.intervals import normal_quantile
from evalharness.stats.paired import paired_binary, paired_clustered
from evalharness.stats.power import detectable, items_to_pass, zero_flip_items

CORRECT, UNPARSED = STATUS_CODE["correct"], STATUS_CODE["unparsed"]


def joined(base, new, clusters=None, binary=True, base_status=CORRECT, new_status=CORRECT):
    n = len(base)
    return Joined(
        ids=[str(i) for i in range(n)], base=np.array(base, float), new=np.array(new, float), at_base=np.arange(n),
        at_new=np.arange(n), base_status=np.full(n, base_status, np.uint8), new_status=np.full(n, new_status, np.uint8),
        groups=[""] * n, clusters=None if clusters is None else np.array(clusters), binary=binary,
    )  # fmt: skip


def task(low, high, p=0.5, **more):
    return TaskComparison(
        benchmark="b", metric="accuracy", margin=0.02, low=low, high=high, p_worse=p, p_change=0.5,
        **{"n": 100, "total": 100, **more},
    )  # fmt: skip


def said(low, high, p=0.5, **more):
    (found,) = decide([task(low, high, p, **more)], 0.05)
    return found.verdict, found.gate, found.reason


@pytest.mark.parametrize(
    ("low", "high", "p", "verdict", "gate", "reason"),
    [
        (-0.10, -0.03, 0.01, "worse", "fail", "a loss of more than 2 points"),
        (-0.10, -0.02, 0.01, "can't tell", "inconclusive", "surely a drop, unsure whether of more than 2 points"),
        (-0.10, -0.03, 0.06, "can't tell", "inconclusive", "not after Holm's correction over the tasks (p 0.060)"),
        (-0.10, 0.03, 0.50, "can't tell", "inconclusive", "cannot rule out a loss of 2 points"),
        (-0.10, 0.03, 0.01, "can't tell", "inconclusive", "cannot rule out a loss of 2 points"),
        (-0.01, 0.01, 0.90, "same", "pass", "any change is smaller than 2 points"),
        (0.00, 0.01, 0.90, "same", "pass", "any change is smaller than 2 points"),
        (0.001, 0.01, 0.90, "same", "pass", "surely a gain, yet smaller than 2 points"),
        (-0.015, -0.001, 0.90, "same", "pass", "surely a drop, yet smaller than 2 points"),
        (-0.01, 0.02, 0.90, "can't tell", "pass", "a loss of 2 points is ruled out"),
        (0.01, 0.05, 0.90, "can't tell", "pass", "surely a gain, unsure whether of 2 points"),
        (0.02, 0.05, 0.90, "can't tell", "pass", "surely a gain, unsure whether of 2 points"),
        (0.021, 0.05, 0.99, "better", "pass", "a gain of more than 2 points"),
    ],
)
def test_each_word_at_its_border(low, high, p, verdict, gate, reason):
    found = said(low, high, p)
    assert found[:2] == (verdict, gate) and reason in found[2]


def test_a_task_without_figures_stays_as_it_is():
    bare = replace(task(None, None), p_worse=None, p_change=None, verdict="incomplete")
    half = task(None, 0.1)
    assert decide([bare, half, task(-0.01, 0.01)], 0.05)[0] is bare
    assert decide([half], 0.05)[0].verdict == "can't tell"


def test_holm_counts_the_tasks_that_have_figures():
    bare = replace(task(None, None), p_worse=None, p_change=None)
    first, second, other = decide([task(-0.2, -0.1, 0.03), task(-0.2, -0.1, 0.04), bare], 0.05)
    assert (first.p_worse_holm, second.p_worse_holm, other.p_worse_holm) == (0.06, 0.06, None)
    assert first.p_change_holm == 1.0 and {first.verdict, second.verdict} == {"can't tell"}


@pytest.mark.parametrize(("missing", "verdict"), [(2, "same"), (3, "incomplete")])
def test_more_than_two_of_a_hundred_missing_are_too_many(missing, verdict):
    assert said(-0.01, 0.01, missing=missing)[0] == verdict
    assert said(-0.2, -0.1, 0.01, missing=missing)[0] == "worse", "a proven loss stays one"


def test_a_loss_that_unread_answers_could_explain_says_so():
    assert "could not be read" in said(-0.2, -0.1, 0.01, unread_bounds=(-0.3, -0.01))[2]
    assert "could not be read" not in said(-0.2, -0.1, 0.01, unread_bounds=(-0.3, -0.02))[2]


@pytest.mark.parametrize(
    ("decision", "low", "high", "p", "found"),
    [
        (
            "fail",
            -0.2,
            -0.1,
            0.01,
            ("worse", "fail", "a loss of more than 2 points, stopped early after 60 of 100 items"),
        ),
        ("fail", -0.2, -0.1, 0.06, ("can't tell", "inconclusive", "not after Holm's correction")),
        (
            "pass",
            -0.05,
            0.01,
            0.9,
            ("same", "pass", "any change is smaller than 2 points; stopped early after 60 of 100"),
        ),
        ("pass", 0.03, 0.05, 0.01, ("better", "pass", "a gain of more than 2 points; stopped early")),
        (None, -0.2, 0.1, 0.5, ("can't tell", "inconclusive", "cannot rule out a loss")),
    ],
)
def test_a_run_that_was_stopped_has_the_verdict_of_its_rule(decision, low, high, p, found):
    watched = WatchedFacts(decision=decision, counted=60, planned=100, margin=0.02, e_pass=1.0, e_fail=1.0)
    verdict, gate, reason = said(low, high, p, sequential=watched)
    assert (verdict, gate) == found[:2] and found[2] in reason


def programs(base, new, low=-0.01, high=0.01, p=0.5):
    return said(low, high, p, programs={"base": base, "new": new})


def test_programs_that_cannot_be_checked_fail_the_gate():
    fine = {"confirmed": 80, "unconfirmable": 10, "suspect": 2, "failed": 8}
    assert programs(fine, fine)[:2] == ("same", "pass")
    assert programs({}, {}) == said(-0.01, 0.01)
    verdict, gate, reason = programs(fine, {**fine, "suspect": 3, "failed": 7})
    assert (verdict, gate) == ("can't tell", "fail") and reason.startswith("3 of 100 programs are suspect")
    assert programs(fine, {**fine, "unconfirmable": 12, "failed": 6})[:2] == ("same", "pass"), "the margin, no more"
    verdict, gate, reason = programs(fine, {**fine, "unconfirmable": 13, "failed": 5})
    assert (verdict, gate) == ("can't tell", "fail") and "rose by 3.0 points" in reason
    assert programs({}, {"unconfirmable": 3, "failed": 97})[:2] == ("can't tell", "fail"), (
        "nothing before counts as none"
    )
    verdict, gate, reason = programs(fine, {**fine, "suspect": 9, "failed": 1}, -0.2, -0.1, 0.01)
    assert (verdict, gate) == ("worse", "fail") and reason.startswith("a loss of more than 2 points; 9 of 100 programs")


def test_how_many_items_would_decide():
    base = [1.0] * 150 + [0.0] * 50
    for new in ([1.0] * 150 + [0.0] * 50, [1.0] * 140 + [0.0] * 60):
        found = measured_task(joined(base, new), task(None, None), 0.05)
        sd = paired_binary(0, round(sum(base) - sum(new)), 200, 0.90).sd
        wanted = items_to_pass(sd, 0.02, 0.05)
        distance = abs(found.difference + 0.02)
        more = max(201, items_to_pass(sd, min(distance, 0.5), 0.05), zero_flip_items(0.02, 0.05))
        assert found.items_to_decide == (wanted if wanted > 200 else more)
    z2 = normal_quantile(0.95) ** 2
    flat = measured_task(joined([1.0] * 1000, [1.0] * 1000), task(None, None), 0.05)
    assert flat.items_to_decide == 1001, "where enough are there already, more than there are"
    assert flat.detectable == pytest.approx(z2 / (1000 + z2)) and not flat.underpowered
    at_margin = measured_task(joined([1.0] * 5000, [1.0] * 4900 + [0.0] * 100), task(None, None), 0.05)
    assert at_margin.items_to_decide is None, "the difference lies at the margin"
    few = measured_task(joined(base, [0.0, *base[1:]]), task(None, None), 0.05)
    assert few.detectable == pytest.approx(max(detectable(math.sqrt(1 / 200 - 1 / 200**2), 200, 0.05), z2 / (200 + z2)))


@pytest.mark.parametrize(("n", "underpowered"), [(64, True), (65, False)])
def test_underpowered_is_what_cannot_find_a_loss_of_twice_the_margin(n, underpowered):
    assert measured_task(joined([1.0] * n, [1.0] * n), task(None, None), 0.05).underpowered is underpowered


def test_the_p_value_of_a_change_is_two_sided():
    draw = np.random.default_rng(0)
    base = draw.random(80)
    new = np.clip(base + draw.normal(0.01, 0.05, 80), 0, 1)
    pair = joined(base, new, binary=False)
    found = paired(pair, new - base, pair.known, 0.90)
    for one in (
        measured_task(pair, task(None, None), 0.05),
        measured_task(joined(new, base, binary=False), task(None, None), 0.05),
    ):
        below = found.p_worse(0.0)
        assert one.p_change == pytest.approx(2 * min(below, 1 - below)) and one.p_change < 1
    from scipy.stats import binomtest

    right = measured_task(joined([1.0] * 50 + [0.0] * 50, [1.0] * 40 + [0.0] * 58 + [1.0] * 2), task(None, None), 0.05)
    assert right.p_change == pytest.approx(binomtest(10, 12).pvalue) and (right.fixed, right.broke) == (2, 10)


def test_clusters_of_right_and_wrong_never_have_less_than_tangos_width():
    draw = np.random.default_rng(1)
    base = np.ones(100)
    new = np.where(draw.random(100) < 0.03, 0.0, 1.0)
    pair = joined(base, new, clusters=np.arange(100) // 2)
    found, alone = paired(pair, new - base, pair.known, 0.90), paired_clustered(new - base, pair.clusters, 0.90)
    plain = paired_binary(0, int((1 - new).sum()), 100, 0.90)
    assert (found.low, found.high) == (min(alone.low, plain.low), max(alone.high, plain.high))
    assert found.p_worse(0.02) == max(alone.p_worse(0.02), plain.p_worse(0.02))
    graded = joined(base, new * 0.9, clusters=pair.clusters, binary=False)
    only = paired_clustered(new * 0.9 - base, pair.clusters, 0.90)
    assert paired(graded, new * 0.9 - base, graded.known, 0.90).low == only.low, "graded ones have no flips to count"


def test_unread_answers_are_worth_the_worst_and_the_best():
    read = joined([1.0, 0.0], [1.0, 0.0])
    assert unread_bounds(read) is None
    after = joined([1.0, 0.0, 1.0, 0.5], [0.0] * 4, new_status=UNPARSED)
    assert unread_bounds(after) == (-2.5 / 4, 1.5 / 4)
    before = joined([0.0] * 4, [1.0, 0.0, 1.0, 0.5], base_status=UNPARSED)
    assert unread_bounds(before) == (-1.5 / 4, 2.5 / 4)
    assert unread_bounds(joined([0.0, 2.0], [0.0, 1.0], new_status=UNPARSED)) is None
    assert unread_bounds(joined([0.0, -0.1], [0.0, 1.0], base_status=UNPARSED)) is None


def test_without_a_common_value_nothing_is_said():
    found = measured_task(joined([1.0, math.nan], [math.nan, 1.0]), task(None, None), 0.05)
    assert (found.verdict, found.n, found.missing, found.missing_base, found.missing_new) == ("incomplete", 0, 2, 1, 1)


def test_the_verdict_over_all_tasks_is_the_gravest():
    words = ("worse", "not comparable", "incomplete", "can't tell", "better", "same")
    for place, word in enumerate(words):
        tasks = [replace(task(0, 0), verdict=each, gate="pass") for each in reversed(words[place:])]
        assert overall(tasks) == (word, "pass")
    gates = lambda *each: overall([replace(task(0, 0), verdict="same", gate=gate) for gate in each])[1]
    assert gates("pass", "inconclusive", "fail") == "fail" and gates("pass", "inconclusive") == "inconclusive"
    assert gates("pass", "pass") == "pass"
