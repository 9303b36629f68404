"""Which closed answer a solution ends with, and by which rule."""

import pytest

from evalharness.scoring.math_reading import read_closed

BOX, SAID, LAST, ALONE = "\\boxed{ANSWER}", "answer is ANSWER", "last formula", "nothing but an answer"


@pytest.mark.parametrize(
    ("text", "answer", "rule"),
    [
        (r"First \boxed{1}, and so it is \boxed{2}.", "2", BOX),
        (r"$\boxed{3}, \boxed{5}$ and \boxed{7}", "3, 5, 7", BOX),
        (r"\boxed{3} or $\boxed{5}$", "3, 5", BOX),
        (r"\boxed{3} but then \boxed{3}", "3", BOX),
        (r"The answer is $x+1$.", "x+1", SAID),
        ("The answer is:\n\n$x+1$", "x+1", SAID),
        ("**Answer**: 7. That is so.", "7", SAID),
        ("The answer is 3.5", "3.5", SAID),
        ("The answer to the first is 3. The answer is 4.", "4", SAID),
        ("The solution is clearly the value $12$ here", "12", SAID),
        ("The result is one two three four five six seven $12$", "one two three four five six seven $12", SAID),
        (r"We get $x = 1$ and \(y = 2\)", "y = 2", LAST),
        (r"We get \[z\] at last", "z", LAST),
        (r"It costs \$5 and $$w$$ more", "w", LAST),
        ("**12**", "12", ALONE),
        ("a b c d e", "a b c d e", ALONE),
    ],
)  # fmt: skip
def test_the_answer_and_its_rule(text, answer, rule):
    found = read_closed(text)
    assert (found.answer, found.rule) == (answer, rule)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (r"The answer is $5$, so \boxed{5", "the last box is not closed"),
        ("a b c d e f", "no answer is claimed"),
        ("one\ntwo", "no answer is claimed"),
        ("x" * 61, "no answer is claimed"),
        ("", "no answer is claimed"),
        (r"\boxed{}", "no answer is claimed"),
    ],
)
def test_a_text_without_a_closed_answer(text, rule):
    found = read_closed(text)
    assert (found.answer, found.rule) == (None, rule)


def test_the_end_of_a_very_long_text_is_read():
    assert read_closed("word " * 40_000 + r"\boxed{9}").answer == "9"
    assert read_closed("x" * 60).answer == "x" * 60
