"""Rows by the names of their fields, and the layouts that plug-ins share."""

import pytest

from evalharness.building_blocks.multiple_choice import cloze, from_fields, gap_filled, lettered, written_out
from evalharness.records import Sample

ROW = {"n": 7, "q": "Which?", "options": ["a", "b"], "one": "a", "two": "b", "right": "2", "topic": "x"}


def test_fields_by_name_counted_from_one_or_zero():
    made = from_fields("q", ("one", "two"), "right", first=1, key="n", group="topic")(ROW)
    assert made == Sample(id="7", question="Which?", choices=("a", "b"), gold_indices=(1,), group="x")
    assert from_fields("q", "options", "n")({**ROW, "n": 0}).gold_indices == (0,)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"right": ""}, "its right is '', wanted one of 1, 2"),
        ({"right": 3}, "its right is 3, wanted one of 1, 2"),
        ({"options": "ab"}, "its options is .ab., wanted a list"),
    ],
)
def test_a_row_that_says_no_choice_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        from_fields("q", "options", "right", first=1)({**ROW, **change})


def test_the_last_word_is_the_choice():
    assert cloze("text")({"text": "to be or"}) == Sample(
        question="to be", choices=("or",), answers=("or",), gold_indices=(0,)
    )


def test_letters_are_answered_as_they_are_marked():
    asked = Sample(question="Which?", choices=("a", "b"), gold_indices=(1,))
    prompt = lettered(mark="({})")
    assert (prompt.choices(asked), prompt.answer(asked)) == ((" (A)", " (B)"), " (B)")


def test_options_that_the_question_does_not_tell_are_shown_to_a_model_that_writes():
    asked = Sample(question="It is _ here.", choices=("warm", "cold"), gold_indices=(0,))
    for prompt in (written_out(), gap_filled()):
        assert prompt.written.text(asked, [asked]).endswith("A. warm\nB. cold\nAnswer:")
    assert (
        gap_filled().context_per_choice(asked) == ("It is warm", "It is cold")
        and gap_filled().choices(asked) == (" here.",) * 2
    )
