"""What a text does with the letters that it names: offers several, corrects itself, marks, supposes, or claims one."""

import letter_texts_kinds as texts
import pytest
from letter_texts_turns import READ, UNREAD

from evalharness.scoring.final_answer import final_answer
from evalharness.scoring.letters import read_letter


def read(text, count=4):
    return read_letter(final_answer(text).text, count).answer


@pytest.mark.parametrize(
    ("kind", "wanted"), [("SEVERAL", None), ("SUPPOSED", None), ("CORRECTED", "C"), ("MARKED", "C"), ("CLAIMED", "C")]
)
def test_texts_are_read_by_what_they_do_with_letters(kind, wanted):
    texts_of_kind = getattr(texts, kind)
    assert len(texts_of_kind) > 30
    assert {text: found for text in texts_of_kind if (found := read(text)) != wanted} == {}


@pytest.mark.parametrize(("wanted", "said"), [*READ.items(), (None, UNREAD)])
def test_texts_are_read_by_how_they_turn(wanted, said):
    assert {text: found for text in said if (found := read(text)) != wanted} == {}


@pytest.mark.parametrize("supposed", texts.SUPPOSED)
def test_behind_a_supposition_a_claim_is_read(supposed):
    assert read(f"{supposed}\n\nThe answer is C.") == "C"


def test_a_claim_of_several_is_several_in_front_of_an_explanation():
    assert read("The answer is A or perhaps C.\n\nBoth describe the same river.") is None
    assert read("A, C\n\nBoth describe the same river.") is None


@pytest.mark.parametrize(
    ("text", "count", "wanted"),
    [
        ("I. C.", 10, None),
        ("I. e. D", 10, "D"),
        ("Suppose the answer is A. Contradiction. Hence C.", 4, "C"),
        ("The answer is D, A is wrong.", 4, "D"),
        ("The answer is D; A, B and C are rivers.", 4, "D"),
        ("(B) No", 4, "B"),
        ("B. False, False", 4, "B"),
        ("Consider an AR(2) process. This is a", 4, None),
        ("second order with respect to A", 4, None),
        ("If A then B.", 4, None),
        ("If we look at (A), it is neutral.\nIf we look at (B), it is too.\nSo the answer is (C).", 2, "C"),
        ("Option A or option B? The answer is E.", 4, "E"),
        ("The answer is Y. So (B).", 4, "B"),
        ("The answer is Y chromosome, so B", 4, "B"),
        ("Is the answer A? I don't think so. Is it B? Yes: the answer is B.", 4, "B"),
    ],
)
def test_neighbours_of_the_kinds(text, count, wanted):
    assert read(text, count) == wanted


def test_neighbours_in_every_form():
    assert len(texts.NEIGHBOURS) > 80
    assert {text: found for text, wanted in texts.NEIGHBOURS if (found := read(text)) != wanted} == {}


@pytest.mark.parametrize(("text", "count", "wanted"), texts.MISREAD)
def test_what_was_once_misread(text, count, wanted):
    assert read(text, count) == wanted
