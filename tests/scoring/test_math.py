import pytest

from evalharness.records import Message, Request, Response, Sample
from evalharness.scoring.math import answer_in, boxed, last_box, number_after_hashes, same

ASKED = Request(messages=(Message("user", ""),))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\\frac{1}{2}", "\\dfrac12"),
        ("1/2", "\\frac{1}{2}"),
        ("0.5", "\\frac12"),
        (".5", "0.50"),
        ("-\\frac{2}{3}", "-2/3"),
        ("\\left( 2, \\frac{\\pi}{2} \\right)", "(2,\\frac\\pi2)".replace("\\frac\\pi2", "\\frac{\\pi}{2}")),
        ("10,080", "10080"),
        ("10{,}080", "10080"),
        ("90^\\circ", "90"),
        ("\\$12", "12"),
        ("25\\%", "25"),
        ("5\\text{ cm}", "5"),
        ("5\\text{ cm}^2", "5"),
        ("\\text{Evelyn}", "Evelyn"),
        ("x = 7", "7"),
        ("\\sqrt2", "\\sqrt{2}"),
        ("(1, 0.5)", "(1,\\frac{1}{2})"),
        ("1,2", "1, 2"),
        ("\\mathbf{3}", "3"),
        ("7.", "7"),
    ],
)
def test_answers_that_are_the_same(one, other):
    assert same(one, other) and same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "2"),
        ("(1,2)", "[1,2]"),
        ("(1,2)", "(2,1)"),
        ("\\frac12", "\\frac13"),
        ("1,2", "12"),
        ("x", "y"),
        ("", "1"),
        ("\\text{even}", ""),
        ("(1,2)", "1,2"),
        ("\\frac{1}{0}", "1"),
    ],
)
def test_answers_that_differ(one, other):
    assert not same(one, other)


def test_the_last_box_counts_with_balanced_braces():
    assert last_box("first \\boxed{1}, then $\\boxed{\\frac{a}{b}}$.") == "\\frac{a}{b}"
    assert last_box("\\boxed 7$ and no more") == "7"
    assert last_box("\\boxed{never closed") is None
    assert last_box("no box") is None


def test_answers_are_read_from_the_surest_sign():
    assert answer_in("The answer is $5$. I hope it is correct.") == "5"
    assert answer_in("So the answer is 12. Done.") == "12"
    assert answer_in("we get $x=3$ and then $y=4$\nfin") == "y=4"
    assert answer_in("42") == "42"
    assert answer_in("A long text\nwithout any sign of what the answer might be") is None
    assert answer_in("") is None


def test_an_unreadable_solution_is_unparsed_and_not_wrong():
    asked = Sample(question="", answers=("5",))
    assert boxed(asked, ASKED, Response(text="I tried\nand tried")).status == "unparsed"
    assert boxed(asked, ASKED, Response(text="I'm sorry, I cannot do that\nat all")).status == "refused"
    assert boxed(asked, ASKED, Response(text="\\boxed{6}")).status == "wrong"


@pytest.mark.parametrize(
    ("text", "right", "strict"),
    [
        ("so 9*2=18\n#### 18", 1, 1),
        ("#### 18.", 1, 0),
        ("#### $18", 1, 0),
        ("#### 18.0", 1, 0),
        ("The answer is 18.", 1, 0),
        ("The answer is \\boxed{18}.", 1, 0),
        ("18 dollars", 1, 0),
        ("#### 17\nno, 18", 0, 0),
        ("it is 1,8", 0, 0),
        ("answer: 18, not 20", 1, 0),
        ("#### 1,8", 1, 1),
    ],
)
def test_gsm8k_reads_the_number_and_keeps_the_authors_score(text, right, strict):
    score = number_after_hashes(Sample(question="", answers=("9*2=<<9*2=18>>18\n#### 18",)), ASKED, Response(text=text))
    assert score.scores == {"accuracy": right, "accuracy_strict": strict}
    assert score.status == ("correct" if right else "wrong")


def test_no_number_is_unparsed():
    score = number_after_hashes(Sample(question="", answers=("#### 1",)), ASKED, Response(text="no idea"))
    assert score.status == "unparsed"


def test_adversarial_texts_take_no_time():
    boxed(Sample(question="", answers=("1",)), ASKED, Response(text="\\boxed{5\\text{" + "a " * 5000 + "}"))
    same("5\\text{" + "a " * 5000, "5")
    number_after_hashes(Sample(question="", answers=("1",)), ASKED, Response(text="answer " * 3000 + "1," * 3000))
