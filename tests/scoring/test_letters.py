"""Which letter a text answers with: right, or not read at all."""

import pytest

from evalharness.records import Message, Request, Response, Sample
from evalharness.scoring.answers import choice, letter, score_response, spoken

READ = [
    (" B", "B"), ("b", "B"), ("**B**", "B"), ("(A)", "A"), ("C)", "C"), ("B. Paris", "B"), ("B) Paris", "B"),
    ("B, Paris", "B"), ("A\n\nExplanation: B is wrong.", "A"), ("The answer is (C).", "C"), ("Answer: D", "D"),
    ("answer: d", "D"), ("**Answer: B**", "B"), ("The correct answer is **C**", "C"), ("The best answer is D. ", "D"),
    ("The answer is B because option A is wrong.", "B"), ("\\boxed{C}", "C"), ("$\\boxed{\\text{D}}$", "D"),
    ("Final answer: \\text{B}", "B"), ("Option B", "B"), ("The correct option is C", "C"), ("Correct choice: C", "C"),
    ("It is B.", "B"), ("I'd go with D", "D"), ("The answer is B, Paris", "B"), ("The answer is A's", None),
    ("Let me think.\nFirst, A is false.\nSo the answer is C", "C"), ("First (A).\nNo: (B)", "B"),
]  # fmt: skip
UNREAD = [
    "", "E", "AB", "42", "A good answer is hard to give", "I think A is right but B could be too", "Vitamin C helps.",
    "The answer is either A or B", "Answer: A or B", "Answer: A, B", "Answer: A/B", "The answer is (A) and (B)",
    "The answer isn't A, it's both", "(A) (B)", "I do not know", "The answer is Einstein",
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), READ)
def test_a_letter_is_read(text, wanted):
    assert letter(text, 4) == wanted


@pytest.mark.parametrize("text", UNREAD)
def test_what_names_no_one_letter_is_not_read(text):
    assert letter(text, 4) is None


def test_only_letters_that_were_offered_count():
    assert letter("Answer: D", 3) is None
    assert letter("Answer: J", 10) == "J"


def test_thinking_is_not_the_answer():
    assert spoken("<think>\nA? No.</think>\n\nB") == "B"
    assert spoken("A? No.</think>B") == "B"
    assert spoken("<think>A") == ""
    assert spoken("plain") == "plain"


def status(text, finish="stop"):
    sample = Sample(id="1", question="?", choices=("a", "b"), gold_indices=(1,))
    request = Request(messages=(Message("user", "?"),))
    return score_response(choice, sample, request, Response(text=text, finish=finish)).status


def test_every_kind_of_no_answer_has_its_status():
    assert status("B") == "correct"
    assert status("A") == "wrong"
    assert status("maybe") == "unparsed"
    assert status("maybe", "length") == "truncated"
    assert status("<think>The answer is B", "length") == "truncated"
    assert status("B", "refused") == "refused"
    assert status("I'm sorry, but I cannot answer that.") == "refused"
