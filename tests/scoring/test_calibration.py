"""Calibration figures: bins, intervals and weights against what can be worked out by hand."""

import math

import numpy as np
import pytest

from evalharness.scoring.calibration import (
    binned_gaps,
    calibration,
    coverage_shares,
    error_ends,
    has_calibration,
    mean_calibration_error,
    reliability,
    top_shares,
)
from evalharness.stats.intervals import Z95, bounded_mean


def test_bins_of_equal_mass_by_hand():
    confidence, worth = np.array([0.9, 0.2, 0.4, 0.6]), np.array([1.0, 1.0, 0.0, 0.0])
    shares, gaps, errors = binned_gaps(confidence, worth, 2)
    assert shares.tolist() == [0.5, 0.5]
    assert gaps == pytest.approx([(-0.8 + 0.4) / 2, (0.6 - 0.1) / 2])
    # Of each bin: the sum of squares about its mean and .25 for one answer more, over n, over n again.
    spreads = [0.6**2 * 2, 0.35**2 * 2]
    assert errors == pytest.approx([math.sqrt((s + 0.25) / 2 / 2) for s in spreads])


def test_answers_of_equal_confidence_share_a_bin_and_leave_others_empty():
    shares, gaps, _ = binned_gaps(np.array([0.5, 0.5, 0.5, 0.8]), np.array([1.0, 0.0, 0.0, 1.0]), 4)
    assert shares.tolist() == [0.75, 0.0, 0.0, 0.25] and gaps == pytest.approx([0.5 - 1 / 3, 0, 0, -0.2])


def test_fewer_answers_than_bins_are_a_bin_each():
    shares, gaps, _ = binned_gaps(np.array([0.3, 0.7]), np.array([0.0, 1.0]), 10)
    assert shares.sum() == 1.0 and sorted(shares)[-2:] == [0.5, 0.5]
    assert np.sum(shares * np.abs(gaps)) == pytest.approx(0.3)


def test_many_tables_at_once_are_what_each_is_alone():
    rng = np.random.default_rng(3)
    confidence, worth = rng.random((2, 3, 37)).round(1), (rng.random((2, 3, 37)) < 0.6).astype(float)
    together = binned_gaps(confidence, worth, 10)
    for i in range(2):
        for j in range(3):
            alone = binned_gaps(confidence[i, j], worth[i, j], 10)
            assert all(np.allclose(a[i, j], b) for a, b in zip(together, alone, strict=True))


def test_the_ends_of_one_bin_by_hand():
    one = np.array([1.0])
    value, stderr, low, high = error_ends(one, np.array([0.0]), np.array([0.1]))
    assert (value, stderr, low) == (0.0, pytest.approx(0.1), 0.0)
    assert high == pytest.approx(0.1 * (Z95 - 1 / math.sqrt(2 * math.pi))), "half of what chance alone would show"
    value, _, low, high = error_ends(one, np.array([-0.5]), np.array([0.05]))
    assert (value, low, high) == (0.5, pytest.approx(0.5 - Z95 * 0.05), pytest.approx(0.5 + Z95 * 0.05)), "a sure gap"
    value, _, low, _ = error_ends(one, np.array([0.19]), np.array([0.1]))
    assert low == 0.0, "below two errors all of it may be chance"
    _, _, low, high = error_ends(one, np.array([0.98]), np.array([0.05]))
    assert high == 1.0


def test_the_interval_holds_the_true_error_of_calibrated_and_of_overconfident_models():
    rng = np.random.default_rng(5)
    confidence = rng.uniform(0.3, 1.0, (400, 200))
    for too_sure in (0.0, 0.15, 0.3):
        worth = (rng.random((400, 200)) < confidence - too_sure).astype(float)
        _, _, low, high = error_ends(*binned_gaps(confidence, worth, 10))
        held = np.mean((low <= too_sure) & (too_sure <= high))
        assert held > 0.93, (too_sure, held)


def test_the_mean_over_groups_weighs_them_alike():
    sure, unsure = [(0.9, 0.0)] * 30, [(0.5, 1.0), (0.5, 0.0)] * 50
    found = mean_calibration_error([sure, unsure])
    assert (found.value, found.n) == (pytest.approx(0.45), 130)
    assert found.low <= 0.45 <= found.high


def test_the_error_with_one_bin_is_a_distance_and_has_the_interval_of_one():
    sure = [(0.9, float(n % 2)) for n in range(40)]
    shy = [(0.1, float(n % 2)) for n in range(40)]
    found, mirrored = calibration(sure)["ece_1_bin"], calibration(shy)["ece_1_bin"]
    assert found.value == pytest.approx(0.4) and 0 < found.low < 0.4 < found.high
    assert [mirrored.value, mirrored.low, mirrored.high] == pytest.approx([found.value, found.low, found.high])
    even = calibration([(0.52, float(n % 2)) for n in range(40)])["ece_1_bin"]
    assert even.value == pytest.approx(0.02) and even.low == 0.0 and even.high > 0.1


def test_accuracy_on_the_most_confident_tenth():
    pairs = [(0.5 + n / 100, float(n >= 18)) for n in range(20)]
    found = calibration(pairs)
    assert found["selective_accuracy_10"] == bounded_mean([1.0, 1.0], [1.0, 1.0])
    assert calibration(pairs[:9])["selective_accuracy_10"].n == 1, "of fewer than ten it is the most confident one"


def test_shares_of_ties_by_hand():
    confidence = np.array([0.5, 0.9, 0.5, 0.2])
    assert top_shares(confidence, 2).tolist() == [0.5, 1.0, 0.5, 0.0]
    assert top_shares(confidence, 4).tolist() == [1.0] * 4
    # The accuracies of the 1 … 4 most confident, each over its number; those that tie share.
    ranks = [(1 + 1 / 2 + 1 / 3 + 1 / 4) / 4, (1 / 2 + 1 / 3 + 1 / 4) / 4, (1 / 3 + 1 / 4) / 4, 1 / 16]
    tied = (ranks[1] + ranks[2]) / 2
    assert coverage_shares(confidence).tolist() == pytest.approx([tied, ranks[0], tied, ranks[3]])


@pytest.mark.parametrize(("pairs", "wanted"), [([(0.5, 1.0)], False), ([(0.5, 1.0), (0.5, 0.0)], True),
                                               ([(0.5, 1.0), (0.5, 1.5)], False), ([(0.5, -0.5), (0.5, 0.0)], False),
                                               ([], False)])  # fmt: skip
def test_calibration_wants_two_answers_worth_0_to_1(pairs, wanted):
    assert has_calibration(pairs) is wanted and bool(calibration(pairs)) is wanted


@pytest.mark.parametrize(("n", "bins"), [(3, 1), (25, 2), (99, 9), (100, 10), (1000, 10)])
def test_a_reliability_diagram_has_ten_bins_or_as_many_as_hold_ten_answers(n, bins):
    pairs = [((n - i) / n, float(i % 3 == 0)) for i in range(n)]
    found = reliability(pairs)
    assert (
        len(found) == bins and sum(b.n for b in found) == n and max(b.n for b in found) - min(b.n for b in found) <= 1
    )
    assert [b.confidence for b in found] == sorted(b.confidence for b in found)
    lowest = sorted(pairs)[: found[0].n]
    own = bounded_mean([worth for _, worth in lowest])
    assert found[0].confidence == pytest.approx(sum(c for c, _ in lowest) / len(lowest))
    assert (found[0].accuracy, found[0].low, found[0].high) == (own.value, own.low, own.high)
