"""How many items show what: by the quantiles of the normal distribution and by the binomial."""

import math

import pytest
from scipy.stats import binom, norm

from evalharness.stats.power import detectable, detectable_by, items_to_pass, zero_flip_caution, zero_flip_items


def test_a_drop_that_is_found_four_times_in_five():
    found = detectable(0.4, 500, 0.05)
    error = 0.4 / math.sqrt(500)
    assert norm.sf(norm.ppf(0.95), loc=found / error) == pytest.approx(0.8)
    assert detectable_by(norm.ppf(0.95) * error, 0.05) == pytest.approx(found)


@pytest.mark.parametrize(("margin", "alpha", "items"), [(0.02, 0.05, 133), (0.01, 0.05, 268), (0.02, 0.01, 266)])
def test_so_many_items_without_a_flip_rule_out_a_loss(margin, alpha, items):
    assert zero_flip_items(margin, alpha) == items


def test_never_fewer_items_pass_than_without_any_flip():
    assert items_to_pass(0.01, 0.02, 0.05) == zero_flip_items(0.02, 0.05)
    assert items_to_pass(0.5, 0.02, 0.05) == math.ceil(((norm.ppf(0.95) + norm.ppf(0.8)) * 0.5 / 0.02) ** 2)


@pytest.mark.parametrize(("n", "said"), [(132, False), (133, True), (148, True), (149, False)])
def test_the_chance_that_no_item_flips_after_a_loss_is_told_where_that_passes_and_is_no_rarity(n, said):
    chance = binom.pmf(0, n, 0.02)
    caution = zero_flip_caution(n, 0.02, 0.05)
    assert (caution != "") is said and (not said or chance > 0.05)
    if said:
        assert caution == f"no item flipped; after a loss of 2 points that happens in {100 * chance:.1f} % of runs"
