"""What further variances do to half an interval, and what the noise of passes is known with."""

import math

import pytest
from scipy.stats import norm, t

from evalharness.stats.reruns import PassNoise, pass_noise, widened_half


def test_variances_add_up_and_their_degrees_of_freedom_are_satterthwaites():
    half = 0.02 * norm.ppf(0.95)
    found = widened_half(half, [(0.0003, 4), (0.0001, 9)], 0.05)
    whole = 0.02**2 + 0.0004
    freedom = whole**2 / (0.0003**2 / 4 + 0.0001**2 / 9)
    assert found.stderr == pytest.approx(math.sqrt(whole), rel=1e-9)
    assert found.freedom == pytest.approx(freedom, rel=1e-9)
    assert found.width == pytest.approx(t.ppf(0.95, freedom) * math.sqrt(whole), rel=1e-6)
    assert found.p_below(-found.width) == pytest.approx(0.05, rel=1e-6)
    assert found.p_below(0.01) == pytest.approx(t.cdf(0.01 / math.sqrt(whole), freedom), rel=1e-6)


def test_nothing_added_changes_nothing():
    for added in ((), [(0.0, 3)], [(0.0, math.inf)]):
        found = widened_half(0.03, added, 0.05)
        assert found.width == pytest.approx(0.03, rel=1e-9) and math.isinf(found.freedom)
        assert found.p_below(-0.03) == pytest.approx(0.05, rel=1e-6)


def test_without_width_a_value_is_on_one_side():
    found = widened_half(0.0, [], 0.05)
    assert (found.p_below(0.1), found.p_below(0.0), found.p_below(-0.1)) == (1.0, 0.0, 0.0)


def test_a_shift_without_noise_is_known_as_a_variance_of_passes():
    assert PassNoise(passes=5, single=0.0, shift=0.2).freedom == pytest.approx(4)
    assert math.isinf(PassNoise(passes=5, single=0.1, shift=0.0).freedom)
    # A fourth of the passes' variance is shift: 0.25 ** 2 of the degrees are left.
    assert PassNoise(passes=3, single=0.1, shift=0.1).freedom == pytest.approx(2 * 0.25**2, rel=1e-12)


@pytest.mark.parametrize(
    ("passes", "single", "shift"),
    [(1, 0, 0), (2, -0.1, 0), (2, 0, -0.1), (2, math.inf, 0), (2, 0, math.inf), (2, math.nan, 0)],
)
def test_noise_that_cannot_be_is_refused(passes, single, shift):
    with pytest.raises(ValueError, match="passes with the noise"):
        PassNoise(passes=passes, single=single, shift=shift)


def test_two_passes_of_two_items_are_the_least():
    import numpy as np

    assert PassNoise(passes=2, single=0, shift=0).freedom == math.inf
    found = pass_noise(np.array([[0.0, 1.0], [0.5, 0.7]]))
    # Passes differ by 1 and 0.2: a mean of 0.6, half the squared distances of 0.4 from it left over.
    assert found.single == pytest.approx(math.sqrt(0.16 / 2 / 2), rel=1e-9)
    assert found.shift == pytest.approx(math.sqrt(0.18 - 0.08), rel=1e-9)
    assert pass_noise(np.array([[0.0, 1.0]])) is None and pass_noise(np.array([[0.0], [1.0]])) is None
