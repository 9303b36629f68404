"""Sums, products and powers brought into one form, however they were written."""

from fractions import Fraction

import pytest

from evalharness.scoring.forms import added, applied, bounded, multiplied, raised, real, variable

F = Fraction
X, Y = variable("x"), variable("y")


def test_the_order_of_terms_and_factors_does_not_count():
    assert added(X, added(F(1), Y)) == added(added(Y, X), F(1)) != added(X, Y)
    assert multiplied(X, multiplied(F(2), Y)) == multiplied(multiplied(Y, F(2)), X) != multiplied(X, Y)


def test_numbers_are_taken_together_and_what_changes_nothing_is_left_out():
    assert added(F(1), F(2)) == F(3) and multiplied(F(2), F(3)) == F(6)
    assert added(X, F(0)) == X == multiplied(X, F(1))
    assert multiplied(X, F(0)) == 0
    assert added(added(X, F(2)), F(-2)) == X
    assert multiplied(multiplied(X, F(2)), F(1, 2)) == X


def test_a_minus_sign_alone_is_multiplied_into_a_sum():
    total = added(X, F(3))
    assert multiplied(F(-1), total) == added(multiplied(F(-1), X), F(-3))
    assert multiplied(F(-1), multiplied(F(-1), total)) == total
    assert multiplied(F(2), total) != added(multiplied(F(2), X), F(6))


def test_powers():
    assert raised(F(2), F(10)) == 1024 and raised(F(2), F(-1)) == F(1, 2) and raised(F(4), F(1, 2)) == pytest.approx(2)
    assert raised(X, F(1)) == X and raised(X, F(0)) == 1
    assert raised(raised(X, F(2)), F(3)) == raised(X, F(6))
    assert raised(raised(X, F(1, 2)), F(2)) == X and raised(raised(X, F(2)), F(1, 2)) != X
    assert raised(multiplied(X, Y), F(-1)) == multiplied(raised(X, F(-1)), raised(Y, F(-1)))
    assert raised(multiplied(F(2), X), F(-1)) == multiplied(F(1, 2), raised(X, F(-1)))
    assert raised(F(2), X) != raised(X, F(2)) and raised(F(2), X) == raised(F(2), X)


def test_what_is_too_large_or_not_real_is_refused():
    for too_large in (
        lambda: raised(F(10), F(10**6)),
        lambda: raised(F(1, 10), F(10**6)),
        lambda: bounded(F(10**20000)),
    ):
        with pytest.raises(ValueError, match="too large"):
            too_large()
    with pytest.raises(ValueError, match="not a real number"):
        raised(F(-2), F(1, 2))
    assert bounded(F(3)) == 3 and bounded(2.5) == 2.5 and real(0.5) == 0.5


def test_floats_that_differ_by_rounding_alone_are_one():
    assert multiplied(0.1 + 0.2, X) == multiplied(0.3, X) != multiplied(0.3001, X)


def test_a_function_is_of_its_arguments_in_their_order():
    assert applied("f", X, F(1)) == applied("f", X, F(1)) != applied("f", F(1), X)
    assert applied("f", 0.1 + 0.2) == applied("f", 0.3) and applied("f", X) != applied("g", X)
