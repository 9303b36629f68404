"""Charts of characters."""

import pytest

from evalharness.report.text_charts import text_bars, text_interval


@pytest.mark.parametrize(
    ("ends", "drawn"),
    [
        ((0.0, 0.5, 1.0), "├────●────┤"),
        ((0.2, 0.3, 0.4), "  ├●┤      "),
        ((-1.0, 0.5, 2.0), "├────●────┤"),
        ((0.5, 0.5, 0.5), "     ●     "),
        ((None, 0.5, 1.0), ""),
    ],
)
def test_an_interval_on_an_axis(ends, drawn):
    assert text_interval(ends, (0.0, 1.0), 11) == drawn


def test_an_axis_without_length_draws_nothing():
    assert text_interval((1.0, 1.0, 1.0), (1.0, 1.0)) == ""


def test_bars():
    assert text_bars([0, 1, 4, 8]) == "·▁▄█"
    assert text_bars([]) == ""
    assert text_bars([0, 0]) == "··"
