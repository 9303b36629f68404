"""Both sides of a benchmark as their answers come: what counts, the bounds at every look, the words for them."""

import numpy as np
import pytest

from evalharness.comparison.forgetting import watched_verdict
from evalharness.comparison.paired_watch import BASE, TUNED, PairedWatch
from evalharness.records import Request, Response, Result, Sample


def test_a_sure_drop_is_lost_though_it_may_be_smaller_than_the_margin_and_a_gain_must_be_larger():
    def said(broke, fixed):
        order = [str(number) for number in range(400)]
        watch = PairedWatch(name="quiz", order=order, repeats=(1, 1), scores=["accuracy"], margin=0.02, alpha=0.05)
        for number, identity in enumerate(order):
            watch.add(BASE, result(identity, float(number < broke)))
            watch.add(TUNED, result(identity, float(broke <= number < broke + fixed)))
        watch.count()
        task, about = watched_verdict(watch)
        return about.finding, task.verdict, task.high < 0 or task.low > 0

    assert said(16, 3) == ("lost", "can't tell", True)
    assert said(3, 16) == ("can't tell", "can't tell", True)
    assert said(60, 0)[:2] == ("lost", "worse") and said(0, 60)[:2] == ("gained", "better")


def result(identity, value, status="correct", repeat=0):
    return Result(
        benchmark="quiz", sample=Sample(id=identity, question=""), request=Request(messages=()), response=Response(),
        status=status, scores={} if value is None else {"accuracy": value}, repeat=repeat,
    )  # fmt: skip


def watched(**more):
    order = [str(number) for number in range(100)]
    chosen = {"order": order, "repeats": (1, 1), "scores": ["accuracy"], "margin": 0.02, "alpha": 0.05, **more}
    return PairedWatch(name="quiz", **chosen)


def test_an_item_counts_in_its_place_of_the_order_when_both_sides_have_all_its_answers():
    watch = watched(repeats=(2, 1))
    for identity in ("1", "2", "0"):
        watch.add(TUNED, result(identity, 1.0))
    watch.add(BASE, result("1", 1.0))
    watch.add(BASE, result("1", 0.0, repeat=1))
    watch.count()
    assert watch.counted == 0
    watch.add(BASE, result("0", 1.0))
    watch.add(BASE, result("0", 1.0, repeat=1))
    watch.count()
    assert watch.counted == 2 and watch.joined(2).base.tolist() == [1.0, 0.5]
    assert not watch.joined(2).binary and watched().joined(0).binary


def test_an_answer_that_failed_widens_the_interval_to_either_side():
    whole, failed = watched(), watched()
    for number in range(100):
        for watch in (whole, failed):
            watch.add(BASE, result(str(number), 1.0))
        whole.add(TUNED, result(str(number), 1.0))
        lost = number % 25 == 0
        failed.add(TUNED, result(str(number), None if lost else 1.0, "error" if lost else "correct"))
    for watch in (whole, failed):
        watch.count()
    (task, _), (open_, about) = watched_verdict(whole), watched_verdict(failed)
    assert (task.missing, open_.missing) == (0, 4) and open_.low < task.low and open_.verdict == "incomplete"
    assert about.finding == "can't tell" and open_.counts["new"] == {"correct": 96, "error": 4}


def test_values_beyond_one_have_no_bounds_at_the_looks_and_a_t_interval_at_the_end():
    watch = watched()
    draw = np.random.default_rng(0)
    for number, change in enumerate(draw.normal(0, 0.3, 100).tolist()):
        watch.add(BASE, result(str(number), 5.0))
        watch.add(TUNED, result(str(number), 5.0 + change))
    watch.count()
    assert not watch.ranged and watch.bounds(()) == (-np.inf, np.inf)
    task, _ = watched_verdict(watch)
    assert task.method.startswith("paired t") and -0.2 < task.low < 0.2


def test_looks_that_exclude_each_other_leave_it_open():
    watch = watched()
    for number in range(100):
        watch.add(BASE, result(str(number), float(number < 50)))
        watch.add(TUNED, result(str(number), float(number >= 50)))
    watch.count()
    low, high = watch.bounds(())
    assert watch.sequence.high < -0.1 < low <= high or low <= watch.sequence.low <= high
    assert low <= high and (watch.sequence.low, watch.sequence.high) in ((low, high), (high, low))


def test_each_start_that_ends_without_a_verdict_spends_a_part_of_the_error_rate():
    def drop(number):
        return 0.0 if number % 20 == 0 else 1.0

    watch = watched(tested=(40,))
    for number in range(80):
        watch.add(BASE, result(str(number), 1.0))
        watch.add(TUNED, result(str(number), drop(number)))
    watch.count()
    _, about = watched_verdict(watch)
    assert about.tested == (40, 80)
    first, second = watch.measured(40, 0.05 * 0.4), watch.measured(80, 0.05 * 0.2)
    low, high = watch.bounds(about.tested)
    assert (low, high) == pytest.approx((max(first.low, second.low), min(first.high, second.high)))
    assert watch.bounds((40,)) == pytest.approx((first.low, first.high))


def answered(count, *, there=100):
    """A watch of which some items are answered, right on both sides."""
    watch = watched(order=[str(number) for number in range(there)])
    for number in range(count):
        for side in (BASE, TUNED):
            watch.add(side, result(str(number), 1.0))
    watch.count()
    return watch


def test_nothing_that_was_asked_of_both_has_no_figures_and_a_reason():
    task, about = watched_verdict(answered(0))
    assert (task.benchmark, task.metric, task.margin, task.difference) == ("quiz", "accuracy", 0.02, None)
    assert task.reason == "the time was used up before an item was asked of both"
    assert (about.asked, about.there, about.ended, about.tested, about.seconds) == (0, 100, "budget", (), 0.0)


def test_one_item_is_a_look_too():
    _, about = watched_verdict(answered(1))
    assert (about.asked, about.tested) == (1, (1,))


@pytest.mark.parametrize(("count", "there", "notes"), [
    (29, 100, ["the budget ended after 29 of 100 items, a seeded random part", "only 29 items: a small sample"]),
    (30, 100, ["the budget ended after 30 of 100 items, a seeded random part"]),
    (30, 30, []),
])  # fmt: skip
def test_how_far_it_was_asked_is_said(count, there, notes):
    assert list(watched_verdict(answered(count, there=there))[0].notes) == notes
