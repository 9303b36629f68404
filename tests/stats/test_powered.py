"""The difference of two models as people would say it, from a few labels and a judge's many values."""

import numpy as np
import pytest

from evalharness.stats.intervals import t_quantile
from evalharness.stats.powered import as_if_alike, powered_difference


def world(seed, n=1000, bias=0.05, copied=0.6):
    draw = np.random.default_rng(seed)
    human = np.clip(draw.normal(-0.02, 0.25, n), -0.9, 0.9)
    own = np.clip(draw.normal(-0.02, 0.25, n), -0.9, 0.9)
    return human, np.where(draw.random(n) < copied, human, own) + bias


def test_the_formula_of_the_estimate_and_its_error():
    human, judge = world(0)
    made = powered_difference(human[:100], judge[:100], judge[100:], 0.9)
    y, f, rest = human[:100], judge[:100], judge[100:]
    pooled = np.var(np.concatenate([f, rest]), ddof=1)
    lam = np.cov(y, f, ddof=0)[0, 1] / ((1 + 100 / 900) * pooled)
    assert 0 < lam < 1
    assert made.weight == pytest.approx(lam, rel=1e-9)
    assert made.value == pytest.approx(lam * rest.mean() + (y - lam * f).mean(), rel=1e-9)
    z = t_quantile(0.95, 98)
    part = lam * rest.std() / np.sqrt(900)
    left = np.sqrt(99 / 98) * t_quantile(0.95, 99) * np.std(y - lam * f, ddof=1) / 10
    assert made.high - made.value == pytest.approx(np.hypot(z * part, left), rel=1e-6)
    assert made.sampling == pytest.approx(part, rel=1e-9)


def test_it_covers_what_people_would_say_where_the_judge_alone_never_does():
    held, alone = 0, 0
    for seed in range(400):
        human, judge = world(seed)
        made = powered_difference(human[:100], judge[:100], judge[100:], 0.95)
        held += made.low <= -0.02 <= made.high
        half = 1.96 * judge.std() / np.sqrt(1000)
        alone += judge.mean() - half <= -0.02 <= judge.mean() + half
    # Four standard errors of a share of .95 over 400 draws; perf/gate_simulation.py has 2,000 and more worlds.
    assert 0.95 - 0.044 <= held / 400 <= 0.95 + 0.044
    assert alone == 0


def test_the_p_value_and_the_interval_agree():
    human, judge = world(1)
    made = powered_difference(human[:100], judge[:100], judge[100:], 0.9)
    assert made.p_worse(-made.high) == pytest.approx(0.05, rel=1e-6)
    assert made.p_worse(-made.high + 0.001) > 0.05 > made.p_worse(-made.high - 0.001)
    assert made.p_worse(-made.low) == pytest.approx(0.95, rel=1e-6)


def test_labels_that_leave_nothing_still_leave_a_width():
    same = np.zeros(100)
    made = powered_difference(same, same, np.zeros(900), 0.9)
    assert made.low < 0 < made.high
    twins = powered_difference(np.tile([0.0, 1.0], 50), np.tile([0.0, 1.0], 50), np.tile([0.0, 1.0], 300), 0.9)
    assert twins.low < 0.5 < twins.high
    everything = powered_difference(np.tile([0.0, 0.5], 50), np.tile([0.2, 0.9], 50), np.array([]), 0.9)
    assert (everything.weight, everything.sampling) == (0.0, 0.0)
    assert everything.value == pytest.approx(0.25, rel=1e-12)


def test_too_few_labels_are_refused():
    with pytest.raises(ValueError, match="20 are the least"):
        powered_difference(np.zeros(19), np.zeros(19), np.zeros(100), 0.9)


def test_the_weight_of_a_judge_is_between_none_and_all():
    human, judge = world(3)
    against = powered_difference(human[:100], -judge[:100], -judge[100:], 0.9)
    assert (against.weight, against.sampling) == (0.0, 0.0), "a judge that says the opposite is not heard"
    assert against.value == pytest.approx(human[:100].mean(), rel=1e-12)
    loud = powered_difference(human[:100], human[:100] / 4, human[100:] / 4, 0.9)
    assert loud.weight == 1.0, "one that says too little counts for no more than it says"
    mute = powered_difference(human[:100], np.zeros(100), np.zeros(900), 0.9)
    assert (mute.weight, mute.sampling) == (0.0, 0.0)


def test_the_judges_error_is_what_people_say_beyond_it():
    human, judge = world(0)
    y, f = human[:100], judge[:100]
    made = powered_difference(y, f, judge[100:], 0.9)
    spread = np.std(y - made.weight * f, ddof=1) / 10 * np.sqrt(99 / 98)
    assert made.judge == pytest.approx(spread * t_quantile(0.95, 99) / t_quantile(0.95, 98), rel=1e-6)
    assert made.value - made.low == pytest.approx(made.high - made.value, rel=1e-9)


def test_twenty_labels_are_enough_and_the_ends_stay_within_one():
    made = powered_difference(np.tile([1.0, 0.9], 10), np.tile([0.1, 0.2], 10), np.array([]), 0.9)
    assert made.value == pytest.approx(0.95) and made.high <= 1
    lost = powered_difference(np.tile([-1.0, 1.0, -1.0, -1.0], 5), np.zeros(20), np.array([]), 0.999)
    assert lost.low == -1.0


def test_labels_that_are_all_one_value_are_certain_of_the_sign_only_as_far_as_their_bound():
    made = powered_difference(np.full(40, -0.5), np.zeros(40), np.array([]), 0.9)
    assert made.low < -0.5 < made.high < 0
    assert made.p_worse(0.0) < 0.05 < made.p_worse(0.5) and made.p_worse(-made.high) == pytest.approx(0.05, rel=0.3)


def test_values_of_an_unequal_draw_as_if_drawn_alike():
    values, chances = np.array([1.0, 0.0, 0.5, 0.5]), np.array([0.1, 0.2, 0.4, 0.4])
    made = as_if_alike(values, chances)
    mean = np.sum(values / chances) / np.sum(1 / chances)
    assert made.mean() == pytest.approx(mean, rel=1e-12)
    assert made[0] - mean == pytest.approx((10 / 5) / (np.sum(1 / chances) / 4 / 5) * (1 - mean), rel=1e-12)
    assert as_if_alike(values, np.full(4, 0.3)) == pytest.approx(values, rel=1e-12)


def test_differences_a_third_as_large_have_an_interval_a_third_as_wide():
    human, judge = world(0)
    large = powered_difference(human[:100], judge[:100], judge[100:], 0.9)
    small = powered_difference(human[:100] / 3, judge[:100] / 3, judge[100:] / 3, 0.9)
    assert (3 * small.low, 3 * small.high) == pytest.approx((large.low, large.high), rel=1e-9)
