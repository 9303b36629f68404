"""A change in a series of runs is found where it is, and seldom where there is none."""

import numpy as np
import pytest

from evalharness.stats.change_points import change_points
from evalharness.stats.paired import mcnemar, p_no_change


def series(seed, runs=20, items=200, at=10, lost=0.0):
    draw = np.random.default_rng(seed)
    chance = draw.beta(0.4, 0.2, items)
    after = np.where(draw.random(items) < lost, 0.0, chance)
    level = np.where((np.arange(runs) < at)[:, None], chance, after)
    return (draw.random((runs, items)) < level).astype(float)


@pytest.mark.slow
def test_false_alarms_are_few_over_all_looks_together():
    alarms = sum(bool(change_points(series(seed))) for seed in range(150))
    # 5 % are promised: more than 14 of 150 would come in less than 1 of 100 tries.
    assert alarms <= 14


def test_a_change_is_found_where_it_is():
    found = [change_points(series(seed, lost=0.3)) for seed in range(20)]
    assert all(len(one) == 1 for one in found)
    assert sum(abs(one[0].at - 10) <= 1 for one in found) >= 18
    assert all(one[0].seen >= one[0].at and one[0].difference < -0.1 and one[0].p <= 0.05 for one in found)


def test_looks_elsewhere_and_a_stricter_level_mark_no_more():
    values = series(0, lost=0.12)
    usual = change_points(values)
    assert len(change_points(values, first_look=500)) <= len(usual)
    assert len(change_points(values, alpha=1e-6)) <= len(usual)


def test_series_without_a_change_to_find():
    assert change_points(np.ones((1, 50))) == []
    assert change_points(np.ones((30, 50))) == []
    assert change_points(np.zeros((0, 50))) == []
    assert [c.at for c in change_points(np.repeat([[1.0] * 99 + [0.0], [0.0] * 99 + [1.0]], 5, 0))] == [5]


def test_the_p_value_of_no_change():
    d = np.array([1.0] * 3 + [-1.0] * 12 + [0.0] * 85)
    assert p_no_change(d) == pytest.approx(mcnemar(3, 12), rel=1e-12)
    assert p_no_change(d) == pytest.approx(p_no_change(-d), rel=1e-12)
    graded = np.random.default_rng(0).normal(0.02, 0.1, 200)
    from scipy.stats import ttest_1samp

    assert p_no_change(graded, ranged=False) == pytest.approx(ttest_1samp(graded, 0).pvalue, rel=1e-9)
    assert p_no_change(np.zeros(10)) == p_no_change(np.array([])) == 1.0
    assert p_no_change(np.full(50, 7.0), ranged=False) == 1.0


def test_the_p_value_is_corrected_for_every_look_and_span():
    """Two runs: one span, look 1 of a level that is halved. Three runs: two spans, and look 2 of a sixth."""
    first, second = np.array([1.0] * 40 + [0.0] * 10), np.array([0.0] * 12 + [1.0] * 28 + [0.0] * 10)
    (found,) = change_points(np.array([first, second]))
    p = mcnemar(0, 12)
    assert (found.at, found.seen, found.difference) == (1, 1, pytest.approx(-0.24))
    assert found.p == pytest.approx(p * 1 * 2, rel=1e-12)
    (found,) = change_points(np.array([first, first, second]))
    assert (found.at, found.seen, found.difference) == (2, 2, pytest.approx(-0.24))
    assert found.p == pytest.approx(p * 2 * 2 * 3, rel=1e-12)
    (found,) = change_points(np.array([first, second]), first_look=3)
    assert found.p == pytest.approx(p * 3 * 4, rel=1e-12)
    assert change_points(np.array([first, second]), first_look=12) == []
    assert (
        change_points(np.array([first, second]), alpha=p * 2)
        != []
        == change_points(np.array([first, second]), alpha=p * 1.99)
    )


def test_a_run_is_held_against_all_before_it():
    before = np.array([[1.0] * 50, [1.0] * 44 + [0.0] * 6])
    (found,) = change_points(np.array([*before, [0.0] * 50]))
    assert (found.at, found.difference) == (2, pytest.approx(-before.mean()))


def test_after_a_change_only_the_runs_since_are_looked_at():
    """Down and up again: both are found, the second against the runs after the first alone."""
    high, low = np.ones(60), np.array([0.0] * 15 + [1.0] * 45)
    found = change_points(np.array([high, high, low, low, high, high]))
    assert [(one.at, one.seen, one.difference) for one in found] == [(2, 2, -0.25), (4, 4, 0.25)]


def test_grades_beyond_one_are_tested_by_their_spread():
    draw = np.random.default_rng(0)
    values = 50 + draw.normal(0, 5, (8, 40))
    values[4:] += 20
    (found,) = change_points(values, ranged=False)
    assert (found.at, found.seen) == (4, 4) and found.difference == pytest.approx(20, abs=4)
