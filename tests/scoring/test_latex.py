"""What the boxes of a text hold, and texts that were cut inside of one."""

import pytest

from evalharness.scoring.latex import boxes, ends_in_box


@pytest.mark.parametrize(
    ("text", "held"),
    [
        (r"\boxed{3}", ["3"]),
        (r"\boxed {3} and \fbox{4}", ["3", "4"]),
        (r"\boxed{\frac{1}{2}}", [r"\frac{1}{2}"]),
        (r"\boxed{\}3}", [r"\}3"]),
        (r"\boxed{\boxed{3}}", ["3"]),
        (r"\boxed{ \boxed{3} }", ["3"]),
        (r"\boxed{\boxed{3}x}", [r"\boxed{3}x"]),
        (r"\boxed{2\boxed{3}}", [r"2\boxed{3}"]),
        (r"\boxed{} \boxed{ } \boxed{3", []),
        (r"\boxed{3 \boxed{4}", ["4"]),
        (r"\boxed 7.", ["7."]),
        (r"\boxed7", []),
        (r"\boxed $7$", []),
        ("none", []),
    ],
)
def test_what_boxes_hold(text, held):
    assert boxes(text) == held


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        (r"\boxed{3", True),
        (r"so \boxed{\frac{1}{2}", True),
        (r"\boxed{3}", False),
        (r"\boxed{", False),
        (r"\boxed{{ ", False),
        (r"\boxed{3} and \boxed{4", True),
        (r"\boxed{3 and \boxed{4}", False),
        ("boxed{3", False),
    ],
)
def test_a_text_that_ends_in_its_box(text, cut):
    assert ends_in_box(text) is cut
