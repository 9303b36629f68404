"""Other scripts' digits and signs as ASCII and as LaTeX."""

import pytest

from evalharness.scoring.written_signs import ascii_signs, powers


@pytest.mark.parametrize(
    ("text", "ascii_text"),
    [
        ("plain x^2", "plain x^2"), ("½", "\\frac{1}{2}"), ("⅗ + ⅓", "\\frac{3}{5} + \\frac{1}{3}"), ("⅟", "1/"),
        ("90°", "90^\\circ "), ("٣", "3"), ("２５", "25"), ("5 m²", "5 m²"), ("é", "é"),
    ],
)  # fmt: skip
def test_signs_as_ascii(text, ascii_text):
    assert ascii_signs(text) == ascii_text


@pytest.mark.parametrize(
    ("text", "whole", "numbers"),
    [
        ("x²", "x^{2}", "x²"), ("10⁻³", "10^{-3}", "10^{-3}"), ("x₁₂", "x_{12}", "x₁₂"),
        ("a10²³", "a10^{23}", "a10^{23}"),
        ("x^2", "x^2", "x^2"),
    ],
)  # fmt: skip
def test_raised_and_lowered_digits(text, whole, numbers):
    assert (powers(text), powers(text, of_numbers_only=True)) == (whole, numbers)
