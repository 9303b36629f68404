"""Draws with unequal chances: the chances, the draw, and whether the estimate is unbiased and its interval honest."""

import numpy as np
import pytest
from scipy.special import expit

from evalharness.stats.intervals import t_quantile
from evalharness.stats.item_regression import (
    ItemFeatures,
    expected_spread,
    filled_results,
    fit_logistic,
    item_features,
)
from evalharness.stats.unequal_draws import (
    FOLDS,
    LEAST_SPREAD,
    DrawnPopulation,
    inclusion_probabilities,
    mean_of_draw,
    systematic_draw,
)

N, MODELS = 3000, 6


def world(seed, models=MODELS + 1):
    """Results (N, models) of models of like ability on items of very different difficulty, and the items' groups."""
    random = np.random.default_rng(seed)
    ability, ease = random.normal(0, 0.4, models), random.normal(1.5, 2.5, N)
    return (random.random((N, models)) < expit(ability + ease[:, None])).astype(float), random.integers(0, 5, N)


def estimates(worth, earlier, groups, budget, draws):
    features = item_features(earlier, groups)
    chances = inclusion_probabilities(expected_spread(earlier, groups), budget)
    for seed in range(draws):
        random = np.random.default_rng(seed)
        drawn = systematic_draw(chances, random.permutation(N), random.random())
        folds = random.integers(0, FOLDS, N)
        yield mean_of_draw(DrawnPopulation(features=features, probabilities=chances, folds=folds), drawn, worth[drawn])


@pytest.mark.parametrize("budget", [1, 10, 60, 99])
def test_chances_add_up_to_the_budget_and_none_is_zero(budget):
    spread = np.concatenate([np.zeros(50), np.full(49, 0.5), [40.0]])
    chances = inclusion_probabilities(spread, budget)
    assert np.isclose(chances.sum(), budget)
    assert (chances > 0).all()
    assert (chances <= 1 + 1e-12).all()
    if budget == 10:
        assert chances[-1] == 1  # more than certain is not possible: the others share the rest
        assert np.isclose(chances[0], chances[60] * LEAST_SPREAD * spread.mean() / 0.5) or chances[0] == chances[60]


def test_every_item_is_drawn_as_often_as_its_chance_says():
    random = np.random.default_rng(1)
    chances = inclusion_probabilities(random.random(40), 12)
    count = np.zeros(40)
    for start in (np.arange(4000) + 0.5) / 4000:
        drawn = systematic_draw(chances, np.arange(40), start)
        assert len(drawn) == 12
        assert len(set(drawn.tolist())) == 12
        count[drawn] += 1
    assert np.allclose(count / 4000, chances, atol=1e-3)


@pytest.mark.parametrize("start", [0.0, 0.5, 1 - 1e-12])
def test_a_draw_has_as_many_items_as_were_asked_for_wherever_it_starts(start):
    chances = inclusion_probabilities(np.full(977, 0.1), 313)
    assert len(systematic_draw(chances, np.arange(977), start)) == 313


def test_the_regression_is_that_of_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    results, groups = world(3)
    features = item_features(results[:, 1:], groups)
    found = fit_logistic(features.values[:, 1:] / np.sqrt(features.penalty[1:]), results[:, 0], np.ones(10))
    theirs = LogisticRegression(C=1, fit_intercept=False, tol=1e-10, max_iter=1000).fit(
        features.values[:, 1:] / np.sqrt(features.penalty[1:]), results[:, 0]
    )
    assert np.allclose(found, theirs.coef_[0], rtol=1e-3, atol=1e-4)


def test_unbiased_with_an_honest_interval_and_fewer_items():
    results, groups = world(5)
    worth, earlier = results[:, 0], results[:, 1:]
    found = list(estimates(worth, earlier, groups, 500, 300))
    truth, values = worth.mean(), np.array([one.value for one in found])
    errors = np.array([one.stderr for one in found])
    assert abs(values.mean() - truth) < 4 * values.std() / np.sqrt(len(values))
    covered = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.91 <= covered <= 0.985
    plain = np.sqrt((1 - 500 / N) * worth.var(ddof=1) / 500)
    assert errors.mean() < 0.8 * plain
    assert 0.9 < errors.mean() / values.std() < 1.15


def test_unbiased_where_earlier_models_say_the_opposite():
    results, groups = world(6)
    worth, misleading = 1 - results[:, 0], results[:, 1:]
    found = list(estimates(worth, misleading, groups, 500, 200))
    values = np.array([one.value for one in found])
    assert abs(values.mean() - worth.mean()) < 4 * values.std() / np.sqrt(len(values))
    assert np.mean([one.low <= worth.mean() <= one.high for one in found]) > 0.9


def test_a_twin_is_known_closely_and_never_for_certain():
    results, groups = world(7)
    worth, earlier = results[:, 1], results[:, 1:]
    found = next(estimates(worth, earlier, groups, 500, 1))
    plain = np.sqrt((1 - 500 / N) * worth.var(ddof=1) / 500)
    assert 0 < found.stderr < plain / 4
    assert found.low < worth.mean() < found.high


def test_all_right_everywhere_is_no_certainty():
    results, groups = world(8)
    found = next(estimates(np.ones(N), results[:, 1:], groups, 300, 1))
    assert found.value > 0.99
    assert found.low < 1


def test_gaps_are_filled_from_the_item_then_from_all():
    gaps = np.array([[1.0, np.nan], [np.nan, np.nan], [0.0, 1.0]])
    assert np.allclose(filled_results(gaps), [[1, 1], [2 / 3, 2 / 3], [0, 1]])


def test_one_earlier_model_leaves_all_items_alike():
    results, groups = world(9)
    assert len(set(expected_spread(results[:, :1], groups).tolist())) == 1
    assert np.isfinite(next(estimates(results[:, 0], results[:, 1:2], groups, 300, 1)).stderr)


def test_a_draw_without_answers_is_refused():
    population = DrawnPopulation(
        features=item_features(np.zeros((4, 1)), np.zeros(4, int)), probabilities=np.full(4, 0.5), folds=np.arange(4)
    )
    with pytest.raises(ValueError, match="2 are the least"):
        mean_of_draw(population, np.array([1]), np.array([1.0]))


def test_the_mean_and_its_error_by_hand():
    """All items have the same features, so each fold is predicted by the mean of the others; the rest is Hájek's."""
    items, drawn = 50, np.arange(0, 50, 2)
    worth = (np.arange(25) % 5 < 3).astype(float)
    chances = np.where(np.arange(items) % 4 == 0, 0.6, 25 - 13 * 0.6) / np.where(np.arange(items) % 4 == 0, 1, 37)
    folds = np.arange(items) // 2 % FOLDS
    features = ItemFeatures(values=np.ones((items, 1)), penalty=np.array([1e-9]))
    found = mean_of_draw(DrawnPopulation(features=features, probabilities=chances, folds=folds), drawn, worth, 0.9)
    means = np.array([worth[folds[drawn] != fold].mean() for fold in range(FOLDS)])
    off, chance = worth - means[folds[drawn]], chances[drawn]
    value = (means[folds].sum() + (off / chance).sum()) / items
    rest = 1 - chance
    centre = (rest * off / chance).sum() / rest.sum()
    variance = 25 / 24 * (rest * (off / chance - centre) ** 2).sum() + (rest / chance**2).mean()
    assert found.value == pytest.approx(value, rel=1e-3)
    assert found.stderr == pytest.approx(np.sqrt(variance) / items, rel=1e-3)
    assert found.high - found.value == pytest.approx(t_quantile(0.95, 24) * found.stderr, rel=1e-9)
    assert found.value - found.low == pytest.approx(found.high - found.value, rel=1e-9) and found.n == 25


def test_answers_that_did_not_come_are_stood_for_by_the_others():
    results, groups = world(11)
    features, worth = item_features(results[:, 1:], groups), results[:, 0]
    chances = inclusion_probabilities(expected_spread(results[:, 1:], groups), 600)
    drawn = systematic_draw(chances, np.random.default_rng(0).permutation(N), 0.5)
    population = DrawnPopulation(features=features, probabilities=chances, folds=np.arange(N) % FOLDS)
    whole = mean_of_draw(population, drawn, worth[drawn])
    half = mean_of_draw(population, drawn[::2], worth[drawn[::2]])
    assert half.value == pytest.approx(whole.value, abs=4 * half.stderr)
    assert half.stderr == pytest.approx(whole.stderr * 2**0.5, rel=0.2) and half.n == 300


def test_every_item_drawn_leaves_no_error_of_the_draw():
    worth = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    population = DrawnPopulation(
        features=ItemFeatures(values=np.ones((6, 1)), penalty=np.array([1.0])), probabilities=np.ones(6),
        folds=np.arange(6) % FOLDS,
    )  # fmt: skip
    found = mean_of_draw(population, np.arange(6), worth)
    assert (found.value, found.stderr) == (pytest.approx(4 / 6), 0.0) and found.low == found.high == found.value
    pair = mean_of_draw(population, np.array([0, 1]), worth[:2])
    assert 0 <= pair.low <= pair.value <= pair.high <= 1


def test_what_is_known_of_items_is_one_column_each():
    earlier, groups = np.array([[1.0, 1.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.array([0, 0, 2, 2])
    found = item_features(earlier, groups)
    constant, mean, failed, right, group, *models = found.values.T
    assert constant.tolist() == [1, 1, 1, 1]
    assert mean.tolist() == [2, -2, 0, 0]
    assert (failed.tolist(), right.tolist()) == ([0, 1, 0, 0], [1, 0, 0, 0])
    assert group.tolist() == [0, 0, 0, 0]
    assert np.array(models).T.tolist() == (earlier - 0.5).tolist()
    hard = item_features(np.array([[1.0], [1.0], [0.0], [0.0]]), np.array([0, 0, 1, 1])).values
    assert hard[:, 4].tolist() == [1, 1, -1, -1]
    nothing = item_features(np.zeros((4, 0)), groups)
    assert nothing.values.shape == (4, 5) and not nothing.values[:, 1:].any()
    assert len(nothing.penalty) == 5 and len(found.penalty) == 7


def test_items_that_nobody_has_are_worth_what_nothing_is_known_of():
    assert filled_results(np.full((2, 2), np.nan)).tolist() == [[0.5, 0.5]] * 2


def test_a_regression_goes_on_from_where_it_started_and_leaves_that_alone():
    results, groups = world(3)
    features = item_features(results[:, 1:], groups)
    found = fit_logistic(features.values, results[:, 0], features.penalty)
    start = found.copy()
    again = fit_logistic(features.values, results[:, 0], features.penalty, start)
    assert np.allclose(again, found, atol=1e-4) and (start == found).all()
    expected = expit(features.values @ found)
    assert expected.mean() == pytest.approx(results[:, 0].mean(), abs=1e-4), "the intercept is all but free"


def test_the_spread_is_that_of_a_result_as_the_other_models_say():
    easy = np.tile([[1.0, 1.0, 1.0]], (50, 1))
    mixed = np.tile([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]], (25, 1))
    found = expected_spread(np.concatenate([easy, mixed]), np.repeat([0, 1], 50))
    assert found[:50].max() < 0.1 and found[50:].min() > 1.5 * found[:50].max() and found.max() <= 0.5
    assert expected_spread(np.zeros((3, 0)), np.zeros(3, int)).tolist() == [0.5] * 3


def test_chances_where_all_are_certain_or_alike():
    assert inclusion_probabilities(np.array([1.0, 2.0, 3.0]), 3).tolist() == [1, 1, 1]
    assert inclusion_probabilities(np.array([1.0, 1.0, 1.0, 1.0]), 1).tolist() == [0.25] * 4
    # The mean is 2.2: no item counts for less than 0.4 of it.
    assert inclusion_probabilities(np.array([0.2, 4.2]), 1) == pytest.approx([0.88 / 5.08, 4.2 / 5.08])


def test_the_spread_is_the_mean_over_models_that_are_each_predicted_by_the_others():
    results, groups = world(4)
    earlier, parts = results[:400, :3], groups[:400]
    spreads = []
    for place in range(3):
        others = item_features(np.delete(earlier, place, 1), parts)
        fitted = expit(others.values @ fit_logistic(others.values, earlier[:, place], others.penalty))
        spreads.append(np.sqrt(fitted * (1 - fitted)))
    assert np.allclose(expected_spread(earlier, parts), np.mean(spreads, axis=0), rtol=1e-9)


def test_of_very_many_items_some_tell_of_all():
    draw = np.random.default_rng(0)
    hard = np.arange(24_000) % 3 == 0
    earlier = (draw.random((24_000, 2)) < np.where(hard, 0.5, 0.98)[:, None]).astype(float)
    found = expected_spread(earlier, hard.astype(int))
    assert found.shape == (24_000,)
    assert found[hard].mean() == pytest.approx(0.5, abs=0.05) and found[~hard].mean() < 0.25


def test_a_gap_is_the_mean_of_those_who_have_the_item_and_a_group_may_be_one_item():
    assert filled_results(np.array([[1.0, 0.0, np.nan]])).tolist() == [[1.0, 0.0, 0.5]]
    alone = item_features(np.array([[1.0], [0.0]]), np.array([0, 1])).values
    assert alone[:, 4].tolist() == [1, -1]


@pytest.mark.parametrize("worth", [0.0, 1.0])
def test_a_mean_of_results_from_0_to_1_is_never_beyond_them(worth):
    """Five of six drawn items had a chance of a tenth: weighed up they are more than all items."""
    chances = np.array([0.1] * 30 + [0.3] * 10)
    population = DrawnPopulation(
        features=ItemFeatures(values=np.ones((40, 1)), penalty=np.ones(1)), probabilities=chances,
        folds=np.arange(40) % FOLDS,
    )  # fmt: skip
    found = mean_of_draw(population, np.array([0, 1, 2, 3, 4, 30]), np.full(6, worth))
    assert 0.0 <= found.low <= found.value <= found.high <= 1.0
    assert found.value == worth
