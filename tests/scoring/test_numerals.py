"""One numeral at a time: what it is worth, and how a value is shown."""

from fractions import Fraction

import pytest

from evalharness.scoring.numerals import NUMERAL, plain_numbers, shown_number, unspaced, value_of

F = Fraction


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18", F(18)), ("-2.5", F(-5, 2)), ("1,234.5", F(2469, 2)), ("3/4", F(3, 4)), ("-3/4", F(-3, 4)),
        ("1 1/2", F(3, 2)), ("-1 1/2", F(-3, 2)), ("3/0", F(3)), ("2^10", F(1024)), ("-2^2", F(-4)), ("2^-1", F(1, 2)),
        ("0^0", F(1)), ("0^-1", None), ("1e3", F(1000)), ("1.5 x 10^3", F(1500)), ("10^3", F(1000)),
        ("2 million", F(2_000_000)), ("5k", F(5000)), ("$3M", F(3_000_000)), ("3M", F(3)), ("$2B", F(2_000_000_000)),
        ("2 thousand", F(2000)), ("9^99999", None),
    ],
)  # fmt: skip
def test_the_value_of_a_numeral(text, value):
    found = NUMERAL.search(plain_numbers(text))
    assert found is not None and value_of(found) == value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (F(18), "18"), (F(-5, 2), "-2.5"), (F(1, 3), "1/3"), (F(-1, 8), "-0.125"), (F(1, 20), "0.05"), (F(0), "0"),
        (F(1, 6), "1/6"), (F(12345, 100), "123.45"), (F(1, 1000), "0.001"),
    ],
)  # fmt: skip
def test_a_value_is_shown_as_digits_where_they_end(value, shown):
    assert shown_number(value) == shown


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("5 and 1/2 cups", "5 1/2 cups"), ("five and a half", "five and a half"), ("5 and a half", "5 1/2"),
        ("3 and three quarters", "3 3/4"), ("2 and 5/3", "2 and 5/3"),
        ("€12,50", "€12.50"), ("12,50 €", "12.50 €"), ("12,50 apples", "12,50 apples"),
        ("|-3|", "3"), ("|2 - 5|", "3"), ("|x|", "|x|"), ("–5", "-5"), ("４２", "42"), ("½", "1/2"),
        ("~~12~~ 13", "13"),
    ],
)  # fmt: skip
def test_numbers_in_plain_digits(text, plain):
    assert plain_numbers(text).strip() == plain


@pytest.mark.parametrize(("text", "joined"), [("12 345", "12345"), ("12 345,50", "12345.50"), ("1 234 567", "1234567"), ("12 34", "12 34")])  # fmt: skip # noqa: E501
def test_a_number_in_groups_of_three_is_one(text, joined):
    assert unspaced(text) == joined
