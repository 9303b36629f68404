"""What a calculation is worth: its last equation, what it is said to equal, else what it comes to."""

from fractions import Fraction

import pytest

from evalharness.scoring.calculations import chain_value
from evalharness.scoring.numerals import NUMERAL


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9 * 2 = 18", 18), ("18 = 9 * 2", 18), ("9 * 2", 18), ("9 * 2 = 18 = 20 - 2", 18), ("9 * 2 = $18", 18),
        ("3 × 4.33, which equals 13", 13), ("7 / 3, that is 2", 2), ("7 / 3 or 2 each", 2), ("7 + 2 → 9", 9),
        ("7 / 2", Fraction(7, 2)), ("18", 18),
    ],
)  # fmt: skip
def test_the_value_of_a_calculation(text, value):
    assert chain_value(text, NUMERAL.search(text)) == value


def test_no_numeral_has_no_value():
    assert chain_value("none", None) is None
