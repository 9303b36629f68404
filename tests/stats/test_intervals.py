"""Intervals of means, recomputed by other means: each figure once more, by its formula."""

import math

import numpy as np
import pytest
from scipy.stats import norm, t, ttest_1samp

from evalharness.records import Estimate
from evalharness.stats import intervals as s


def test_variance_and_interval_of_few_values():
    assert s.sample_variance([]) == s.sample_variance([5.0]) == 0.0
    assert s.sample_variance([1.0, 4.0]) == 4.5
    two = s.mean_interval([1.0, 4.0])
    theirs = ttest_1samp([1.0, 4.0], 0).confidence_interval(0.95)
    assert (two.low, two.high) == pytest.approx((theirs.low, theirs.high))
    assert two.stderr == pytest.approx(1.5) and two.n == 2
    one = s.mean_interval([3.0])
    assert math.isnan(one.stderr) and (one.low, one.high) == (-math.inf, math.inf)
    assert s.mean_interval([3.0, 3.0]).stderr == 0.0


def test_skewed_values_take_halls_transformation():
    """Its statistic, written down once more, reaches Student's quantile at both ends; symmetric values take plain t."""
    values = list(np.random.default_rng(3).lognormal(0, 1, 40))
    found, x = s.skewed_mean(values), np.array(values)
    skewness = (1 + 8.5 / 40) * np.mean((x - x.mean()) ** 3) / np.std(x) ** 3

    def statistic(mean):
        u = (x.mean() - mean) / np.std(x, ddof=1)
        return math.sqrt(40) * (u + skewness * u**2 / 3 + skewness**2 * u**3 / 27 + skewness / (6 * 40))

    z = float(t.ppf(0.975, 39))
    assert (statistic(found.low), statistic(found.high)) == pytest.approx((z, -z))
    plain = s.mean_interval(values)
    assert found.low > plain.low and found.high > plain.high, "the long tail is to the right"
    even = [1.0, 2.0, 3.0, 4.0]
    assert s.skewed_mean(even).high == pytest.approx(s.mean_interval(even).high, rel=1e-6)
    assert s.skewed_mean([1.0, 9.0]).low == 0.0 and s.skewed_mean([1.0, 3.0], lowest=1.0).low == 1.0
    assert math.isinf(s.skewed_mean([2.0, 2.0]).high)


def test_quantiles_are_scipys():
    assert s.t_quantile(0.9, 7) == pytest.approx(t.ppf(0.9, 7)) and s.t_cdf(-1.2, 4) == pytest.approx(t.cdf(-1.2, 4))
    assert s.normal_quantile(0.9) == pytest.approx(norm.ppf(0.9)) and s.normal_cdf(-1.2) == pytest.approx(
        norm.cdf(-1.2)
    )


def test_many_even_values_take_a_t_interval():
    values = np.random.default_rng(0).uniform(0.2, 0.8, 200)
    found, theirs = s.bounded_mean(list(values)), ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-7)
    assert found.stderr == pytest.approx(float(np.std(values, ddof=1)) / math.sqrt(200))


def test_a_ratio_of_sums_takes_cr1_over_its_units():
    draw = np.random.default_rng(1)
    sizes = draw.integers(1, 6, 150).astype(float)
    parts = draw.uniform(0.2, 0.8, 150) * sizes
    mean = parts.sum() / sizes.sum()
    stderr = math.sqrt(np.sum((parts - mean * sizes) ** 2) * 150 / 149) / sizes.sum()
    found = s.bounded_mean(list(parts), list(sizes))
    assert (found.value, found.stderr) == pytest.approx((mean, stderr))
    assert found.high - found.value == pytest.approx(t.ppf(0.975, 149) * stderr, abs=1e-7)


def test_leading_axes_are_samples_of_their_own():
    """Three samples at once are each alone: one takes t, two the score, and sizes go with their sample."""
    draw = np.random.default_rng(2)
    total = np.array([draw.uniform(0.3, 0.7, 60), np.ones(60), np.repeat([1.0, 0.0], [57, 3])])
    sizes = np.array([np.ones(60), np.full(60, 2.0), np.ones(60)])
    for mean in (0.45, 0.9):
        for size in (sizes, np.ones(1)):
            alone = [float(s.mean_pivot(total[i], size if size is not sizes else sizes[i], mean)) for i in range(3)]
            assert s.mean_pivot(total, size, mean).tolist() == pytest.approx(alone)


def test_groups_beyond_the_range_take_t_with_satterthwaites_freedom():
    groups = [[5.0, 7.0, 6.0], [2.0, 3.0], [4.0]]
    together = float(np.var([v for g in groups for v in g], ddof=1))
    variances, sizes = np.array([1.0, 0.5, together]), np.array([3, 2, 1])
    stderr = math.sqrt(float(np.sum(variances / sizes))) / 3
    parts = (1 / 3) ** 2 / 2 + (1 / 2) ** 2 / 1 + 1.0**2 / 5
    freedom = (1 / 3 + 1 / 2 + 1) ** 2 / parts
    found = s.stratified(groups)
    assert (found.value, found.stderr, found.n) == pytest.approx((12.5 / 3, stderr, 6))
    assert found.high - found.value == found.value - found.low == pytest.approx(t.ppf(0.975, freedom) * stderr)


def test_one_group_is_a_plain_mean():
    assert s.stratified([[0.0, 1.0, 0.5], []]) == s.bounded_mean([0.0, 1.0, 0.5])
    assert s.stratified([[5.0, 7.0, 9.0]]) == s.mean_interval([5.0, 7.0, 9.0])


def test_the_interval_of_groups_within_the_range_is_wilsons_at_the_effective_number():
    groups = [[1.0] * 8 + [0.0] * 2, [1.0] * 3 + [0.0] * 3, [1.0, 0.0, 1.0]]
    sizes = np.array([10, 6, 3])
    means = np.array([0.8, 0.5, 2 / 3])
    variances = means * (1 - means) * sizes / (sizes - 1)
    value, variance = means.mean(), float(np.sum(variances / sizes)) / 9
    even = 9 / float(np.sum(1 / sizes))
    ratio, events = even * variance / (value * (1 - value)), even * min(value, 1 - value)
    n = even * (events + 1) / (events * ratio + 1)
    freedom = float(np.sum(1 / sizes)) ** 2 / float(np.sum(1 / sizes**2 / (sizes - 1)))
    z = t.ppf(0.975, freedom)
    centre, half = value + z * z / (2 * n), z * math.sqrt(value * (1 - value) / n + (z / (2 * n)) ** 2)
    found = s.stratified(groups)
    assert found.stderr == pytest.approx(math.sqrt(variance))
    assert (found.low, found.high) == pytest.approx(
        ((centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n))
    )


def test_groups_without_a_failure_have_the_interval_of_as_many_even_values():
    found = s.stratified([[1.0] * 10, [1.0] * 10])
    assert found.high == 1.0 and 0.7 < found.low < 0.9 and found.stderr == 0.0


def test_the_mean_of_figures_adds_distances_by_squares():
    parts = [
        Estimate(value=0.5, stderr=0.1, low=0.2, high=0.9, n=10),
        Estimate(value=0.9, stderr=0.2, low=0.5, high=1.0, n=5),
    ]
    found = s.mean_of_estimates(parts)
    assert (found.value, found.n) == (pytest.approx(0.7), 15)
    assert found.stderr == pytest.approx(math.sqrt(0.01 + 0.04) / 2)
    assert (found.value - found.low, found.high - found.value) == pytest.approx(
        (math.sqrt(0.3**2 + 0.4**2) / 2, math.sqrt(0.4**2 + 0.1**2) / 2)
    )


def test_an_interval_without_width_is_unbounded_on_both_sides():
    one = Estimate(value=0.4, stderr=0.0, low=0.4, high=0.4, n=3)
    assert (s.in_range(one, 0.0, 1.0).low, s.in_range(one, 0.0, 1.0).high) == (-math.inf, math.inf)
    wide = Estimate(value=0.4, stderr=0.3, low=-0.2, high=1.2, n=3)
    assert (s.in_range(wide, 0.0, 1.0).low, s.in_range(wide, 0.0, 1.0).high) == (0.0, 1.0)


def test_no_group_has_a_value():
    assert s.stratified([]) is None and s.stratified([[], []]) is None


def test_few_right_and_few_wrong_are_mirror_images():
    groups = [[1.0] + [0.0] * 9, [1.0] * 2 + [0.0] * 6, [0.0] * 4 + [1.0]]
    found, mirrored = s.stratified(groups), s.stratified([[1 - v for v in g] for g in groups])
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - found.high, 1 - found.low))


def test_the_mean_and_the_difference_of_figures_mirror_too():
    low = [
        Estimate(value=0.1, stderr=0.1, low=0.05, high=0.9, n=10),
        Estimate(value=0.2, stderr=0.2, low=0.0, high=0.7, n=5),
    ]
    high = [Estimate(value=1 - p.value, stderr=p.stderr, low=1 - p.high, high=1 - p.low, n=p.n) for p in low]
    found, mirrored = s.mean_of_estimates(low), s.mean_of_estimates(high)
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - found.high, 1 - found.low))
    one, other = s.difference_of_estimates(*low), s.difference_of_estimates(*high)
    assert (other.value, other.low, other.high) == pytest.approx((-one.value, -one.high, -one.low))
    assert one.high - one.value == pytest.approx(min(math.hypot(0.8, 0.2), 0.9 + 0.1)) and one.n == 15
