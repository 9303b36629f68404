"""The score test against its weights found by scipy, sum by sum."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq

from evalharness.stats import tilting


def by_hand(total, size, mean, ends, skew):
    """The statistic as the module's words have it."""
    points = [x - mean * s for x, s in zip(total, size, strict=True)] + [np.mean(size) * (end - mean) for end in ends]
    plain = [1.0] * len(total) + [tilting.END_WEIGHT] * 2
    off = lambda tilt: math.fsum(w * p / (1 + tilt * p) for w, p in zip(plain, points, strict=True))
    tilt = brentq(off, -1 / max(points) * (1 - 1e-13), -1 / min(points) * (1 - 1e-13), xtol=1e-15)
    weights = [w / (1 + tilt * p) for w, p in zip(plain, points, strict=True)]
    weights = [w / math.fsum(weights) for w in weights]
    n, second = len(total), math.fsum(w * p**2 for w, p in zip(weights, points, strict=True))
    found = math.fsum(points[:n]) / n / math.sqrt(second / ((n - 1) if skew else n))
    if not skew:
        return found
    bend = math.fsum(w * p**3 for w, p in zip(weights, points, strict=True)) / (6 * second**1.5 * math.sqrt(n))
    inside = 1 + 4 * bend * (found + bend)
    return math.copysign(math.inf, found) if inside < 0 else (math.sqrt(inside) - 1) / (2 * bend)


DRAW = np.random.default_rng(0)
SAMPLES = {
    "lopsided": (np.append(DRAW.normal(0, 0.05, 30), -0.6), np.ones(31)),
    "clusters": (DRAW.uniform(-1, 1, 12) * np.arange(1, 13), np.arange(1.0, 13.0)),
    "few": (np.array([0.5, -0.2, 0.1, 0.9]), np.ones(4)),
}


@pytest.mark.parametrize("skew", [False, True])
@pytest.mark.parametrize("name", SAMPLES)
def test_the_statistic_is_that_of_the_words(name, skew):
    total, size = SAMPLES[name]
    for mean in (-0.5, -0.1, 0.02, 0.3):
        wanted = by_hand(total, size, mean, (-1.0, 1.0), skew)
        assert float(tilting.score(total, size, mean, (-1.0, 1.0), skew=skew)) == pytest.approx(wanted, rel=1e-6), mean


def test_samples_on_leading_axes_are_scored_alone():
    total = DRAW.uniform(-1, 1, (3, 15)) * np.array([1.0, 0.5, 0.2])[:, None]
    sizes = np.array([np.ones(15), np.arange(1.0, 16.0), np.full(15, 3.0)])
    means = np.array([0.1, -0.02, 0.0])
    for skew in (False, True):
        together = tilting.score(total, sizes, means, (-1.0, 1.0), skew=skew)
        alone = [float(tilting.score(total[i], sizes[i], means[i], (-1.0, 1.0), skew=skew)) for i in range(3)]
        assert together.tolist() == pytest.approx(alone)
    assert tilting.student(total, sizes, means).tolist() == pytest.approx(
        [float(tilting.student(total[i], sizes[i], means[i])) for i in range(3)]
    )
    assert tilting.lopsided(total, sizes, 5, 0.5).tolist() == [
        bool(tilting.lopsided(total[i], sizes[i], 5, 0.5)) for i in range(3)
    ]


def test_lopsided_counts_the_makers_of_the_variance_and_the_skewness_of_the_mean():
    even = np.repeat([-0.5, 0.5], 12)  # 24 units of equal weight, no skewness
    assert not tilting.lopsided(even, np.ones(1), 24, 0.01) and tilting.lopsided(even, np.ones(1), 25, 0.01)
    skewed = np.repeat([0.0, 1.0], [90, 10])
    off = skewed - 0.1
    bent = abs(np.sum(off**3)) / np.sum(off**2) ** 1.5
    assert tilting.lopsided(skewed, np.ones(1), 2, bent * 0.999)
    assert not tilting.lopsided(skewed, np.ones(1), 2, bent * 1.001)
    assert tilting.lopsided(np.full(50, 0.3), np.ones(1), 0, 9.0), "equal values say nothing"


def test_a_symmetrical_sample_is_not_bent():
    d = np.repeat([-0.5, 0.5], 10)
    assert float(tilting.score(d, np.ones(1), 0.0, (-1.0, 1.0), skew=True)) == pytest.approx(0.0, abs=1e-9)
    for mean in (0.1, 0.2):
        up, down = (float(tilting.score(d, np.ones(1), m, (-1.0, 1.0), skew=True)) for m in (mean, -mean))
        assert up == pytest.approx(-down) and up < 0
