"""On how many items two models differ, and on how many they should."""

import numpy as np
import pytest
from scipy.stats import poisson

from evalharness.stats.disagreement import LIMIT_KNOWN, LIMIT_UNKNOWN, disagreement, plain_expectation


def test_by_accuracy_alone():
    """60 and 70 of 100 right: were they independent, they would differ on .6 * .3 + .4 * .7 = .46 of the items."""
    pair = np.column_stack([np.repeat([1.0, 0.0], [60, 40]), np.repeat([1.0, 0.0], [70, 30])])
    assert plain_expectation(pair) == pytest.approx(46, rel=1e-12)
    for others in (np.empty((100, 0)), np.column_stack([np.tile([1.0, 0.0], 50)])):
        made = disagreement(pair, others, np.zeros(100, int))
        assert (made.n, made.differ, made.expected, made.known) == (100, 10, pytest.approx(46), False)
        assert made.p == pytest.approx(poisson.cdf(10, LIMIT_UNKNOWN * 46), rel=1e-9)


def test_items_that_are_easy_for_all_count_for_little():
    draw = np.random.default_rng(0)
    easy = np.repeat([True, False], [800, 200])
    worth = np.where(easy[:, None], 1.0, (draw.random((1000, 6)) < 0.5).astype(float))
    made = disagreement(worth[:, :2], worth[:, 2:], np.zeros(1000, int))
    assert (made.others, made.known) == (4, True)
    assert made.expected == pytest.approx(100, rel=0.2), "half of the 200 that are not"
    assert plain_expectation(worth[:, :2]) > 150
    assert made.p == pytest.approx(poisson.cdf(made.differ, LIMIT_KNOWN * made.expected), rel=1e-9)


def test_where_no_difference_is_expected_none_says_nothing():
    assert disagreement(np.ones((50, 2)), np.empty((50, 0)), np.zeros(50, int)).p == 1.0
    few = np.ones((50, 2))
    few[0, 0] = 0
    assert disagreement(few, np.empty((50, 0)), np.zeros(50, int)).p == pytest.approx(poisson.cdf(1, 0.1), rel=1e-9)


def test_a_run_of_other_items_tells_no_difficulty():
    draw = np.random.default_rng(1)
    pair, others = (draw.random((200, 2)) < 0.5) * 1.0, (draw.random((200, 3)) < 0.5) * 1.0
    others[:, 0] = np.nan
    others[:, 1] = pair[:, 1]
    assert disagreement(pair, others, np.zeros(200, int)).others == 1


def test_models_of_unlike_strength_are_expected_to_differ_the_more():
    draw = np.random.default_rng(2)
    pair = np.column_stack([draw.random(800) < 0.9, draw.random(800) < 0.1]).astype(float)
    made = disagreement(pair, (draw.random((800, 3)) < 0.5) * 1.0, np.zeros(800, int))
    assert made.known and made.expected == pytest.approx(plain_expectation(pair), rel=0.05)
