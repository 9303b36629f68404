"""The exact chance of flips against a plain enumeration of all outcomes."""

import math

import numpy as np
import pytest

from evalharness.stats import exact_flips, paired

OUTSIDE = 0.001


def enumerated(fixed, broke, n, difference, side):
    """The largest chance over the shares that flip both ways, outcome by outcome."""
    from scipy.special import betaincinv

    flips = fixed + broke
    most = 1.0 if flips >= n else float(betaincinv(flips + 1, n - flips, 1 - OUTSIDE))
    seen = paired.tango_statistic(fixed, broke, n, difference)
    chances = []
    for both in (np.linspace(0.0, math.sqrt(most - abs(difference)), 30) ** 2) / 2:
        up, down = both + max(difference, 0.0), both + max(-difference, 0.0)
        chances.append(sum(
            math.comb(n, f) * math.comb(n - f, b) * up**f * down**b * max(1 - up - down, 0.0) ** (n - f - b)
            for f in range(n + 1) for b in range(n - f + 1)
            if (paired.tango_statistic(f, b, n, difference) - seen) * side >= -1e-9
        ))  # fmt: skip
    return min(1.0, max(chances) + OUTSIDE)


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize(
    ("fixed", "broke", "n", "difference"),
    [
        (0, 3, 14, -0.05),
        (2, 1, 12, 0.0),
        (1, 4, 15, -0.2),
        (5, 0, 13, 0.1),
        (3, 3, 11, 0.03),
        (0, 0, 9, -0.1),
        (6, 7, 13, 0.0),
    ],
)
def test_the_tail_is_that_of_all_outcomes(fixed, broke, n, difference, side):
    wanted = enumerated(fixed, broke, n, difference, side)
    assert exact_flips.tail(fixed, broke, n, difference, side) == pytest.approx(wanted, abs=1e-9)
    assert exact_flips.tail(broke, fixed, n, -difference, -side) == pytest.approx(wanted, abs=1e-9), "mirrored"


def test_what_cannot_be_has_no_chance():
    for side in (-1, 1):
        assert exact_flips.tail(2, 3, 20, float(side), -side) == 0.0
        assert exact_flips.tail(2, 3, 20, float(side), side) == 1.0
    # One flip of four hundred: a difference of a tenth would have shown more of them.
    assert exact_flips.tail(0, 1, 400, 0.1, -1) == exact_flips.tail(1, 0, 400, -0.1, 1) == 0.0
    assert exact_flips.tail(0, 1, 400, 0.1, 1) == exact_flips.tail(1, 0, 400, -0.1, -1) == 1.0
    assert exact_flips.tail(0, 5, 20, -0.76, 1) == 0.0, "half the range below what was seen"


def test_the_statistic_of_arrays_is_that_of_numbers():
    n = 17
    pairs = [(f, b) for f in range(6) for b in range(6)]
    fixed, broke = (np.array(each, float) for each in zip(*pairs, strict=True))
    for difference in (-0.3, -0.02, 0.0, 0.02, 0.4):
        wanted = [paired.tango_statistic(f, b, n, difference) for f, b in pairs]
        assert exact_flips._statistic(fixed, broke, n, difference).tolist() == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(("fixed", "broke", "n"), [(0, 6, 100), (1, 7, 150), (3, 0, 40), (4, 5, 60), (0, 1, 300)])
def test_an_end_lies_where_the_chance_is_half_of_what_is_left(fixed, broke, n):
    plain = paired.tango(fixed, broke, n, 0.90)
    low, high = exact_flips.widened(fixed, broke, n, 0.90, plain)
    assert low <= plain[0] and high >= plain[1]
    for end, was, side in ((low, plain[0], -1), (high, plain[1], 1)):
        assert exact_flips.tail(fixed, broke, n, end, -side) <= 0.05
        if end != was:
            assert exact_flips.tail(fixed, broke, n, end - side * 2e-5, -side) > 0.05, "no wider than need be"
    mirrored = exact_flips.widened(broke, fixed, n, 0.90, (-plain[1], -plain[0]))
    assert mirrored == pytest.approx((-high, -low), abs=3e-5)


def test_what_is_not_ruled_out_anywhere_ends_with_the_range():
    assert exact_flips.widened(1, 1, 2, 0.99, (-0.2, 0.2)) == (-1.0, 1.0)
    low, high = exact_flips.widened(0, 3, 4, 0.90, (-0.9, -0.1))
    assert low == -1.0 and 0.0 < high < 0.2


@pytest.mark.parametrize(("fixed", "broke", "n"), [(1, 7, 150), (3, 0, 40)])
def test_an_end_that_is_far_off_is_found_in_growing_steps(fixed, broke, n):
    value = (fixed - broke) / n
    near, far = (exact_flips.widened(fixed, broke, n, 0.90, ends) for ends in (
        paired.tango(fixed, broke, n, 0.90), (value - 1e-6, value + 1e-6)))  # fmt: skip
    assert far == pytest.approx(near, abs=3e-5)
