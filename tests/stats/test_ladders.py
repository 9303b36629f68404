"""The two-way analysis of variance of models by items, against worked examples."""

import math

import numpy as np
import pytest
from scipy.stats import f

from evalharness.stats.ladders import item_rest_correlations, ranking_power
from evalharness.stats.power import detectable

# Items by models: means of models 0.25, 0.5, 1; sums of squares of models 1.16667, of what is left 1.5 (6 degrees).
WORTH = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [0, 1, 1]], float)


def test_the_analysis_of_variance_of_a_table():
    models = 4 * np.sum((WORTH.mean(0) - WORTH.mean()) ** 2)
    items = 3 * np.sum((WORTH.mean(1) - WORTH.mean()) ** 2)
    left = np.sum((WORTH - WORTH.mean()) ** 2) - models - items
    ratio = (models / 2) / (left / 6)
    found = ranking_power(WORTH)
    assert found.signal_to_noise == pytest.approx(math.sqrt(ratio - 1), rel=1e-12)
    assert found.reliability == pytest.approx(1 - 1 / ratio, rel=1e-12)
    assert found.p == pytest.approx(f.sf(ratio, 2, 6), rel=1e-9)
    assert found.smallest_step == pytest.approx(detectable(math.sqrt(2 * left / 6), 4, 0.05), rel=1e-12)


def test_models_that_differ_less_than_chance_show_nothing():
    alike = np.array([[0, 1], [1, 0], [1, 0], [0, 1]], float)
    found = ranking_power(alike)
    assert (found.signal_to_noise, found.reliability, found.p) == (0.0, 0.0, 1.0)
    nearly = np.array([[0, 1], [1, 0], [1, 0], [0, 1], [0, 1]], float)
    found = ranking_power(nearly)
    assert (found.signal_to_noise, found.reliability) == (0.0, 0.0) and found.p > 0.5


@pytest.mark.parametrize("worth", [np.ones((5, 3)), np.zeros((1, 3)), np.zeros((3, 1))])
def test_nothing_tells_of_one_item_one_model_or_no_difference(worth):
    assert ranking_power(worth) is None


def test_two_items_and_two_models_are_enough():
    assert ranking_power(np.array([[0.0, 1.0], [0.0, 0.5]])) is not None


def test_an_item_is_held_against_the_other_items():
    draw = np.random.default_rng(0)
    worth = (draw.random((6, 5)) < np.linspace(0.2, 0.9, 5)).astype(float)
    worth[0] = [0, 0, 0, 1, 1]
    worth[1] = 1.0
    found = item_rest_correlations(worth)
    for item in (0, 2, 3):
        rest = np.delete(worth, item, 0).mean(0)
        assert found[item] == pytest.approx(np.corrcoef(worth[item], rest)[0, 1], rel=1e-9, nan_ok=True)
    assert math.isnan(found[1]), "all models were right"


def test_four_models_and_two_items_are_the_least_for_a_correlation():
    four = np.array([[0, 0, 1, 1], [0, 1, 1, 1]], float)
    assert item_rest_correlations(four) == pytest.approx([np.corrcoef(four)[0, 1]] * 2, rel=1e-12)
    assert np.isnan(item_rest_correlations(four[:, :3])).all() and np.isnan(item_rest_correlations(four[:1])).all()
