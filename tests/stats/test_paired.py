"""Intervals and tests of paired differences, against published values and other implementations."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from evalharness.stats import intervals as s


def test_tango_gives_the_published_interval():
    low, high = s.tango(1, 7, 21)
    assert (round(low, 4), round(high, 4)) == (-0.5172, -0.0260)


@pytest.mark.parametrize(("n", "passes"), [(132, False), (133, True)])
def test_without_flips_two_points_are_ruled_out_from_133_items(n, passes):
    low, high = s.tango(0, 0, n, 0.90)
    z2 = s.normal_quantile(0.95) ** 2
    assert low == pytest.approx(-z2 / (n + z2), abs=1e-9)
    assert high == pytest.approx(-low, abs=1e-9)
    assert (low > -0.02) is passes


def test_how_many_items_without_flips_each_margin_needs():
    assert [s.zero_flip_items(margin, 0.05) for margin in (0.01, 0.02, 0.05)] == [268, 133, 52]


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 200))
@settings(deadline=None, max_examples=60)
def test_tango_holds_the_estimate_mirrors_and_stays_within_one(fixed, broke, rest):
    n = fixed + broke + rest
    if n == 0:
        return
    low, high = s.tango(fixed, broke, n, 0.90)
    assert -1 <= low <= (fixed - broke) / n <= high <= 1
    mirrored = s.tango(broke, fixed, n, 0.90)
    assert mirrored == pytest.approx((-high, -low), abs=1e-8)
    if fixed + broke:
        assert s.tango_statistic(fixed, broke, n, 0.0) == pytest.approx((fixed - broke) / math.sqrt(fixed + broke))


def test_the_ends_of_the_interval_are_where_the_p_value_is_alpha():
    found = s.paired_binary(12, 40, 400, 0.90)
    assert found.p_worse(-found.high) == pytest.approx(0.05, abs=1e-6)
    assert found.p_worse(-found.low) == pytest.approx(0.95, abs=1e-6)


def test_mcnemar_and_wilson_give_the_published_values():
    assert s.mcnemar(5, 15) == pytest.approx(0.0413895, abs=5e-8)
    assert s.mcnemar(0, 0) == 1
    eight = s.wilson(8, 10)
    assert (round(eight.low, 6), round(eight.high, 6)) == (0.490162, 0.943318)


def test_the_paired_t_is_scipys():
    draw = np.random.default_rng(0)
    base, new = draw.random(200), draw.random(200)
    found = s.paired_mean(new - base, 0.90)
    theirs = ttest_rel(new, base).confidence_interval(0.90)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    assert found.p_worse(0.0) == pytest.approx(ttest_rel(new, base, alternative="less").pvalue)


def test_equal_differences_have_an_interval_with_width():
    found = s.paired_mean(np.full(132, 0.0), 0.90)
    assert found.low < -0.02
    assert s.paired_mean(np.full(133, 0.0), 0.90).low > -0.02
    assert found.p_worse(0.02) > 0.5
    assert found.p_worse(0.0) == pytest.approx(0.5)
    assert found.p_worse(-found.high) == pytest.approx(0.05)
    assert s.paired_mean(np.full(50, -0.5), 0.90).p_worse(0.0) < 1e-6
    assert s.paired_mean(np.array([0.3]), 0.90).low < -0.4


def test_few_changes_do_not_make_a_narrow_interval():
    differences = np.zeros(100)
    differences[0] = 0.25
    naive = float(np.std(differences, ddof=1)) / 10
    found = s.paired_mean(differences, 0.90)
    assert found.high - found.low > 4 * naive


def test_clusters_are_statsmodels_cr1_by_hand():
    draw = np.random.default_rng(1)
    clusters = np.repeat(np.arange(40), 5)
    d = draw.normal(size=200) + np.repeat(draw.normal(size=40), 5)
    sums = np.bincount(clusters, weights=d - d.mean())
    stderr = math.sqrt(np.sum(sums**2) * 40 / 39) / 200
    found = s.paired_clustered(d, clusters, 0.95)
    from scipy.stats import t

    assert found.high - found.value == pytest.approx(t.ppf(0.975, 39) * stderr)
    assert found.high - found.low > 1.5 * (s.paired_mean(d, 0.95).high - s.paired_mean(d, 0.95).low)


def test_one_cluster_says_next_to_nothing():
    found = s.paired_clustered(np.random.default_rng(2).normal(size=50), np.zeros(50, int), 0.90)
    assert found.high - found.low > 1


def test_holm_by_hand():
    assert s.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert s.holm([0.2]) == [0.2]
    assert s.holm([]) == []


def test_power_by_hand():
    assert s.detectable(0.3, 900, 0.05) == pytest.approx(2.486 * 0.01, abs=1e-4)
    assert s.items_to_pass(0.3, 0.02, 0.05) == math.ceil((2.4864749 * 15) ** 2)
    assert s.items_to_pass(0.0, 0.02, 0.05) == 133


def test_bootstrap_interval_is_none_without_spread():
    assert s.bootstrap_interval(np.zeros(10), 0.9) is None
    low, high = s.bootstrap_interval(np.array([0.0, 0.1, -0.2, 0.4, 0.0, 0.1]), 0.9)
    assert low < 1 / 15 < high
