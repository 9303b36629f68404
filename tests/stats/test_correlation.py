"""Correlations, their jackknife and what a few absurd answers may do, against the plain formulas."""

import math

import numpy as np
import pytest

from evalharness.stats.correlation import correlation_ends, correlation_of
from evalharness.stats.intervals import Z95, t_quantile


def numbers(seed=0, n=30, noise=0.5):
    draw = np.random.default_rng(seed)
    right = draw.normal(3, 2, n)
    return right + draw.normal(1, noise, n), right


def test_weights_count_as_repetitions():
    said, right = numbers(n=6)
    times = np.array([1, 3, 2, 1, 4, 2])
    repeated = np.corrcoef(np.repeat(said, times), np.repeat(right, times))[0, 1]
    assert correlation_of(said, right, times.astype(float)) == pytest.approx(repeated, rel=1e-12)
    assert correlation_of(np.full(6, 2.0), right, np.ones(1)) == 0.0


def test_the_error_is_the_jackknifes_on_fishers_scale():
    said, right = numbers()
    n, r = len(said), np.corrcoef(said, right)[0, 1]
    without = [np.arctanh(np.corrcoef(np.delete(said, i), np.delete(right, i))[0, 1]) for i in range(n)]
    stderr = math.sqrt((n - 1) / n * np.sum((without - np.mean(without)) ** 2))
    low, high, error = correlation_ends(said, right, np.random.default_rng(0))
    assert error == pytest.approx((1 - r * r) * stderr, rel=1e-9)
    assert high == pytest.approx(math.tanh(math.atanh(r) + t_quantile(0.975, n - 2) * stderr), rel=1e-9)
    assert low <= math.tanh(math.atanh(r) - t_quantile(0.975, n - 2) * stderr) + 1e-12
    turned = correlation_ends(-said, right, np.random.default_rng(0))
    assert turned[0] == pytest.approx(-high, rel=1e-9) and turned[1] == pytest.approx(-low, abs=0.02)


def test_several_columns_are_each_what_they_are_alone():
    first, second = numbers(1), numbers(2)
    said, right = np.stack([first[0], -second[0], np.ones(30)]), np.stack([first[1], second[1], first[1]])
    low, high, error = correlation_ends(said, right, np.random.default_rng(0))
    for place in range(3):
        alone = correlation_ends(said[place], right[place], np.random.default_rng(0))
        assert [low[place], high[place]] == pytest.approx(np.array(alone[:2]), rel=1e-9)
    assert (low[2], high[2]) == pytest.approx((-math.tanh(Z95 / math.sqrt(27)), math.tanh(Z95 / math.sqrt(27))))
    assert np.isfinite(error).all()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_three_numbers_say_nothing(n):
    low, high, error = correlation_ends(np.arange(n) * 1.0, np.arange(n) * 2.0, np.random.default_rng(0))
    assert (low, high) == (-1.0, 1.0) and math.isnan(error)


def test_where_all_answers_are_the_same_any_weak_correlation_is_possible():
    low, high, error = correlation_ends(np.full(28, 3.0), np.arange(28.0), np.random.default_rng(0))
    wide = math.tanh(Z95 / 5)
    assert (low, high, error) == pytest.approx((-wide, wide, wide / Z95), rel=1e-12)


def test_perfect_answers_of_four_and_of_many_have_ends_within_one():
    for n in (4, 200):
        low, high, error = correlation_ends(np.arange(n) * 1.0, np.arange(n) * 2.0, np.random.default_rng(0))
        assert -1 <= low < 1 - 1e-3 and low < high <= 1 and error == pytest.approx(0, abs=1e-6)


def test_answers_that_are_the_same_without_one_correlate_with_nothing_there():
    said, right = np.array([0.0, 0.0, 0.0, 0.0, 5.0]), np.array([1.0, 3.0, 2.0, 4.0, 9.0])
    r = np.corrcoef(said, right)[0, 1]
    without = [np.arctanh(np.corrcoef(np.delete(said, i), np.delete(right, i))[0, 1]) for i in range(4)] + [0.0]
    stderr = math.sqrt(4 / 5 * np.sum((without - np.mean(without)) ** 2))
    assert correlation_ends(said, right, np.random.default_rng(0))[2] == pytest.approx((1 - r * r) * stderr, rel=1e-9)


def test_a_perfect_negative_correlation_is_the_positive_one_turned_round():
    up = correlation_ends(np.arange(9.0), np.arange(9.0), np.random.default_rng(0))
    down = correlation_ends(-np.arange(9.0), np.arange(9.0), np.random.default_rng(0))
    assert (down[0], down[1]) == (pytest.approx(-float(up[1])), pytest.approx(-float(up[0]), abs=1e-3))
    assert np.isfinite([*up, *down]).all()
