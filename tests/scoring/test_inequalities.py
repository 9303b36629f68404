"""Inequalities and the intervals that they are, whichever side the name is on."""

import pytest

from evalharness.scoring.inequalities import solution_set


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("1<x\\le 2", "(1,2]"), ("2\\ge x>1", "(1,2]"), ("1\\le x<2", "[1,2)"), ("2>x\\ge 1", "[1,2)"),
        ("x\\ge 3", "[3,\\infty)"), ("3\\le x", "[3,\\infty)"), ("x>3", "(3,\\infty)"), ("3<x", "(3,\\infty)"),
        ("x\\le 3", "(-\\infty,3]"), ("3\\ge x", "(-\\infty,3]"), ("x<3", "(-\\infty,3)"), ("3>x", "(-\\infty,3)"),
        ("x<1;x>2", "(-\\infty,1)\\cup(2,\\infty)"), ("x<1,x>2", "(-\\infty,1)\\cup(2,\\infty)"),
    ],
)  # fmt: skip
def test_an_inequality_is_its_interval(text, interval):
    assert solution_set(text, ";") == ("x", interval)


@pytest.mark.parametrize(
    "text", ["1<x>2", "1>x\\le 2", "1\\le x\\ge 2", "x<1;y>2", "x<1;2", "x=3", "x", "1<2", "\\left(1,2\\right)"]
)
def test_what_names_no_interval_of_one_name_is_none(text):
    assert solution_set(text, ";") is None
