"""Length control: the weights of its rows, its two ways to fit, and what its figures are."""

import math

import numpy as np
import pytest

from evalharness.stats import length_control as s
from evalharness.stats.intervals import Z95


def pairs(n=60, seed=0):
    draw = np.random.default_rng(seed)
    gap, difficulty = draw.normal(0, 300, n), draw.normal(0, 1, n)
    eta = -1.2 * np.tanh(gap / gap.std(ddof=1)) + 0.6 * difficulty + 0.3 + draw.normal(0, 0.4, n)
    return s.Pairs(1 / (1 + np.exp(-eta)), gap, difficulty)


HELD = s.Regulariser(np.array([0.2, 0.9, 0.5]), np.array([-2.0, 1.5, 0.0]), np.array([1.0, -1.0, 0.5]))


def test_rows_of_the_regulariser_weigh_a_tenth_and_have_no_bias():
    own = pairs(5)
    own.preference[2] = np.nan
    x, y, w = s._design(own, own.length, HELD)
    assert w.tolist() == [1.0] * 4 + [0.1] * 3
    assert x[:4, 2].tolist() == [1.0] * 4 and x[4:, 2].tolist() == [0.0] * 3
    assert x[4:, 0].tolist() == pytest.approx(np.tanh(HELD.length).tolist())
    assert y[4:].tolist() == HELD.preference.tolist() and not np.isnan(y).any()


def test_the_fit_is_where_the_penalised_loss_is_least():
    own = pairs()
    x, y, w = s._design(own, own.length, HELD)
    best = np.array(s._fit(x, y, w))

    def loss(b):
        eta = x @ b
        return s.C * float(w @ (np.logaddexp(0, eta) - y * eta)) + float(np.abs(b).sum())

    for step in np.vstack((np.eye(3), -np.eye(3))) * 1e-3:
        assert loss(best) < loss(best + step)


def test_newtons_steps_end_where_the_fit_does_and_without_it(monkeypatch):
    own, drawn = pairs(), pairs(seed=1)
    start = np.array(s._fit(*s._design(own, own.length, HELD)))
    design = s._design(drawn, drawn.length, HELD)
    wanted = s._fit(*design)
    monkeypatch.setattr(s, "_fit", None)  # they converge by themselves
    assert s._refit(*design, start).tolist() == pytest.approx(wanted, abs=1e-5)


def test_where_a_sign_changes_it_is_fitted_from_anew():
    own = pairs()
    design = s._design(own, own.length, HELD)
    wanted = np.array(s._fit(*design))
    for other in (-wanted, wanted * [1, -1, 1], wanted * [-1, 1, 1]):
        assert s._refit(*design, other).tolist() == wanted.tolist()
    assert s._refit(np.zeros((4, 3)), np.full(4, 0.5), np.ones(4), np.zeros(3)).tolist() == pytest.approx(
        [0.0] * 3, abs=1e-6
    )


def test_error_and_interval_are_those_of_the_draws():
    found = s.length_controlled(pairs(), HELD, draws=2)
    assert found.stderr == pytest.approx((found.high - found.low) / 0.95 / math.sqrt(2)) and found.stderr > 0
    again, other = (s.length_controlled(pairs(), HELD, draws=2, seed=seed) for seed in (0, 1))
    assert again == found and other.low != found.low and other.value == found.value


def test_the_adjusted_rate_has_an_interval_on_the_scale_of_its_model():
    own = pairs()
    found = s.length_adjusted(own.preference, own.longer_baseline)
    logit = lambda p: math.log(p / (1 - p))
    error = found.stderr / (found.value * (1 - found.value))
    assert logit(found.value) - logit(found.low) == pytest.approx(Z95 * error)
    assert logit(found.high) - logit(found.value) == pytest.approx(Z95 * error)
    import statsmodels.api as sm

    x = np.column_stack((np.ones(60), np.tanh(own.longer_baseline / own.longer_baseline.std(ddof=1))))
    theirs = sm.GLM(own.preference, x, family=sm.families.Binomial()).fit(cov_type="HC1")
    assert (logit(found.value), error) == pytest.approx((float(theirs.params[0]), float(theirs.bse[0])))


def test_there_is_no_adjusted_rate_of_few_rows_one_end_or_one_length():
    gaps = list(range(-5, 5))
    mixed = [1.0, 0.0] * 5
    assert s.length_adjusted(mixed, gaps) is not None
    assert s.length_adjusted(mixed[:9], gaps[:9]) is None
    assert s.length_adjusted([0.0] * 10, gaps) is None and s.length_adjusted([1.0] * 10, gaps) is None
    assert s.length_adjusted(mixed, [3.0] * 10) is None


def test_equal_lengths_have_no_length_term():
    own = pairs(4)
    assert s.Pairs(own.preference, np.full(4, 7.0), own.difficulty).length.tolist() == [0.0] * 4
    spread = own.longer_baseline.std(ddof=1)
    assert own.length.tolist() == pytest.approx(np.tanh(own.longer_baseline / spread).tolist())


def test_one_model_against_another_is_the_gap_of_their_fits():
    difficulty = np.array([-1.0, 0.0, 2.0])
    found = s.between(s.Fit(9.0, 0.5, 0.7), s.Fit(-9.0, 0.2, 0.1), difficulty)
    assert found == pytest.approx(float(np.mean(1 / (1 + np.exp(-(0.6 + 0.3 * difficulty))))))
    assert s.between(s.Fit(0, 1, 2), s.Fit(0, 1, 2), difficulty) == 0.5


def test_cautions_name_lengths_that_do_not_overlap_and_a_large_move():
    gaps = lambda longer: [-1.0] * longer + [1.0] * (100 - longer)
    assert s.cautions(gaps(50), 0.5, None) == s.cautions([], 0.5, 0.6) == s.cautions(gaps(50), 0.5, 0.55) == ()
    assert s.cautions(gaps(10), 0.5, 0.5) == s.cautions(gaps(90), 0.5, 0.5) == ()
    for longer in (9, 91):
        (said,) = s.cautions(gaps(longer), 0.5, 0.5)
        assert f"{longer}.0 % of the items" in said
    (said,) = s.cautions(gaps(50), 0.5, 0.35)
    assert "-15.0 points" in said
