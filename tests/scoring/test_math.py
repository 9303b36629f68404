import pytest
from processor_time import processor_seconds
from solution_texts import PAIRS, SOLUTIONS

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


def test_what_is_the_same_and_what_is_not():
    assert {(one, other): found for one, other, equal in PAIRS if (found := same(one, other)) is not equal} == {}


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
        ("#### 17\nno, 18", 1, 0),
        ("#### 17\n\n#### 18", 0, 0),
        ("it is 1.8", 0, 0),
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


ANSWERS = [
    ("\\boxed{42}", "42", "correct"),
    ("Thus the answer is \\[ \\boxed{42} \\]", "42", "correct"),
    ("**Answer:** 4.", "4", "correct"),
    ("\\boxed{[2,5)}", "[2,5)", "correct"),
    ("\\boxed{3}, \\boxed{5}, \\boxed{7}", "3,5,7", "correct"),
    ("\\boxed{5}, \\boxed{3}, \\boxed{7}", "3,5,7", "correct"),
    ("\\boxed{7,5,3}", "3,5,7", "correct"),
    ("\\boxed{1 + \\sqrt{19}, 1 - \\sqrt{19}}", "1 \\pm \\sqrt{19}", "correct"),
    ("\\boxed{\\text{East}}", "\\text{east}", "correct"),
    (
        "\\boxed{\\begin{pmatrix} -\\dfrac{1}{3} \\\\ \\dfrac{2}{3} \\\\ \\dfrac{5}{3} \\end{pmatrix}}",
        "\\begin{pmatrix} -1/3 \\\\ 2/3 \\\\ 5/3 \\end{pmatrix}",
        "correct",
    ),
    ("\\boxed{10080}", "10,\\!080", "correct"),
    ("\\boxed{C}", "\\text{(C)}", "correct"),
    ("\\boxed{(C)}", "\\text{(C)}", "correct"),
    ("\\boxed{864}", "864 \\mbox{ inches}^2", "correct"),
    ("\\boxed{5.4}", "5.4 \\text{ cents}", "correct"),
    ("\\boxed{\\dfrac{9a + 11}{20}}", "\\frac{11+9a}{20}", "correct"),
    ("\\boxed{58500}", "58,500", "correct"),
    ("\\boxed{12^{\\text{th}}}", "12", "correct"),
    ("\\boxed{[-2, 7]}", "x \\in [-2,7]", "correct"),
    ("\\boxed{x \\in [-2,7]}", "[-2,7]", "correct"),
    ("\\boxed{2516}", "2516_8", "correct"),
    ("\\boxed{2516_{8}}", "2516_8", "correct"),
    ("\\boxed{2516_8}", "2516_{8}", "correct"),
    ("\\boxed{\\frac{\\sqrt{3}}{3}}", "\\frac{1}{\\sqrt{3}}", "correct"),
    ("\\boxed{0.5}", "\\frac{1}{2}", "correct"),
    ("\\boxed{.5}", "\\frac12", "correct"),
    ("\\boxed{50\\%}", "50\\%", "correct"),
    ("\\boxed{50}", "50\\%", "correct"),
    ("\\boxed{x=5}", "5", "correct"),
    ("\\boxed{5}", "x=5", "correct"),
    ("\\boxed{f(x) = 2x+1}", "2x+1", "correct"),
    ("\\boxed{1+2x}", "2x+1", "correct"),
    ("\\boxed{2x + 1}", "2x+1", "correct"),
    ("\\boxed{2\\sqrt{2}}", "\\sqrt{8}", "correct"),
    ("\\boxed{\\sqrt{2}/2}", "\\frac{\\sqrt{2}}{2}", "correct"),
    ("\\boxed{\\frac{3\\pi}{2}}", "\\frac{3}{2}\\pi", "correct"),
    ("\\boxed{3\\pi/2}", "\\frac{3\\pi}{2}", "correct"),
    ("\\boxed{1\\frac{1}{2}}", "\\frac{3}{2}", "correct"),
    ("\\boxed{-\\frac{1}{2}}", "\\frac{-1}{2}", "correct"),
    ("\\boxed{\\frac{1}{-2}}", "-\\frac{1}{2}", "correct"),
    ("\\boxed{90^\\circ}", "90", "correct"),
    ("\\boxed{90 degrees}", "90", "correct"),
    ("\\boxed{$18.90}", "\\$18.90", "correct"),
    ("\\boxed{18.9}", "\\$18.90", "correct"),
    ("\\boxed{11.00}", "11", "correct"),
    ("\\boxed{(3, \\frac{\\pi}{2})}", "\\left( 3, \\frac{\\pi}{2} \\right)", "correct"),
    ("\\boxed{(-\\infty, -2] \\cup [3, \\infty)}", "(-\\infty,-2]\\cup[3,\\infty)", "correct"),
    ("\\boxed{\\{1,2\\}}", "\\{2,1\\}", "correct"),
    ("\\boxed{10^5}", "100000", "correct"),
    ("\\boxed{1e5}", "100000", "correct"),
    ("\\boxed{1.2 \\times 10^3}", "1200", "correct"),
    ("\\boxed{6 - 5i}", "6-5i", "correct"),
    ("\\boxed{-5i+6}", "6-5i", "correct"),
    ("\\boxed{\\text{Evelyn}}", "\\text{Evelyn}", "correct"),
    ("\\boxed{Evelyn}", "\\text{Evelyn}", "correct"),
    ("The final answer is: $\\boxed{42}$. I hope it is correct.", "42", "correct"),
    ("Final Answer: The final answer is $42$. I hope it is correct.", "42", "correct"),
    ("**Final answer:** $x = 42$", "42", "correct"),
    ("Answer: 42", "42", "correct"),
    ("So the result is 42.", "42", "correct"),
    ("The value is $6+36=42$.", "42", "correct"),
    ("Hence \\(42\\).", "42", "correct"),
    ("Step 1: compute.\\nThe answer is:\\n\\[42\\]", "42", "correct"),
    ("Step 1: compute.\nThe answer is:\n\\[\n42\n\\]", "42", "correct"),
    ("Step 1: compute.\nThe answer is\n$$42$$", "42", "correct"),
    ("I first tried $x=3$ which failed. The answer is 42 apples.", "42", "correct"),
    ("Mark your solution with \\boxed", "42", "unparsed"),
    ("\\boxed{42} Note: \\boxed{} marks the answer", "42", "correct"),
    ("\\boxed{42 \\, \\text{cm}^2}", "42", "correct"),
    ("\\boxed{42\\ \\mathrm{m/s}}", "42", "correct"),
    ("\\boxed{42 \\text{ cm}}", "42", "correct"),
    ("\\boxed{42\\,\\mathrm{cm}}", "42", "correct"),
    ("\\boxed{42 cm}", "42", "correct"),
    ("\\boxed{1,2}", "12", "wrong"),
    ("\\boxed{1,234}", "1,234", "correct"),
    ("\\boxed{2 3}", "23", "wrong"),
    ("\\boxed{y = 2x + 3}", "y=2x+3", "correct"),
    ("\\boxed{y = 2x + 4}", "y=2x+3", "wrong"),
    ("\\boxed{2x+3}", "y=2x+3", "correct"),
    ("\\boxed{3x - 1y + 13 = 0}", "3x+4y+14=0", "wrong"),
    ("\\boxed{\\frac{1}{2004!}}", "\\frac{1}{2006!}", "wrong"),
    ("\\boxed{\\frac{1}{2^{99}}}", "\\frac{1}{2^{98}}", "wrong"),
    ("\\boxed{n=1,2,3}", "n=2,3,4", "wrong"),
    ("\\boxed{x=1, x=2}", "1,2", "correct"),
    ("\\boxed{x = 1 \\text{ or } x = 2}", "1,2", "correct"),
    ("\\boxed{1 \\text{ and } 2}", "1,2", "correct"),
    ("\\boxed{12:00}", "1:00", "wrong"),
    ("\\boxed{\\text{13}}", "13", "correct"),
    ("\\boxed{\\pm 2021}", "2021", "wrong"),
    ("\\boxed{p - q}", "p-q", "correct"),
    ("\\boxed{−5}", "-5", "correct"),
    ("\\boxed{\\dfrac{14}{3}}", "\\frac{14}{3}", "correct"),
    ("\\boxed{14/3}", "\\frac{14}{3}", "correct"),
    ("\\boxed{ \\frac {1} {2} }", "\\frac{1}{2}", "correct"),
    ("\\boxed{\\frac{1}{2}\\text{ hour}}", "\\frac{1}{2}", "correct"),
    ("$\\boxed{\\text{Yes}}$", "Yes", "correct"),
    ("\\boxed{2^{10}}", "1024", "correct"),
    ("\\boxed{70 \\sqrt{2}}", "70\\sqrt{2}", "correct"),
    ("\\boxed{\\sqrt{51}}", "\\sqrt{51}", "correct"),
    ("\\boxed{6r^2-4r-24}", "6r^2-4r-24", "correct"),
    ("\\boxed{\\$ 32{,}348}", "32,\\!348", "correct"),
    ("\\boxed{\\$32,\\!348}", "\\$32,\\!348", "correct"),
    ("\\boxed{\\frac{43}{2}}", "21.5", "correct"),
    ("\\boxed{3/56}", "\\dfrac{3}{56}", "correct"),
    ("\\boxed{(6,31,-1)}", "(6,31,-1)", "correct"),
    ("\\boxed{\\left(\\frac{3}{2}, -13\\right)}", "(1.5,-13)", "correct"),
    ("The cube root is 4, the difference 4.\n\n**Answer:** 4.", "4", "correct"),
    ("\\boxed{\\frac{x+1}{2}}", "\\frac{1}{2}(x+1)", "correct"),
    ("\\boxed{1/\\sqrt{2}}", "\\frac{\\sqrt{2}}{2}", "correct"),
    ("\\boxed{2,3}", "{3,2}", "correct"),
    ("\\boxed{5\\%}", "5", "correct"),
    ("\\boxed{x=-2 \\text{ and } x=3}", "-2, 3", "correct"),
    ("\\boxed{(2,3]}", "(2,3)", "wrong"),
    ("\\boxed{(3,2)}", "(2,3)", "wrong"),
    ("\\boxed{123456789012345678}", "123456789012345679", "wrong"),
    ("\\boxed{0.333}", "\\frac13", "wrong"),
    ("\\boxed{y=5}", "x=5", "wrong"),
    ("\\boxed{\\text{even}}", "\\text{odd}", "wrong"),
    ("\\boxed{2516_7}", "2516_8", "wrong"),
    ("\\boxed{\\sqrt[3]{8}}", "2", "correct"),
    ("\\boxed{\\log 100}", "2", "correct"),
    ("\\boxed{|-3|}", "3", "correct"),
    ("\\boxed{\\text{Monday}}", "Monday", "correct"),
    ("\\boxed{\\left\\{1,2,3\\right\\}}", "\\{3,2,1\\}", "correct"),
    ("\\boxed{\\begin{bmatrix}1&2\\\\3&4\\end{bmatrix}}", "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "correct"),
    ("\\boxed{\\begin{pmatrix}1\\\\2\\end{pmatrix}}", "\\begin{pmatrix}2\\\\1\\end{pmatrix}", "wrong"),
    ("\\boxed{10^{10^{10^{10}}}}", "1", "wrong"),
    ("\\boxed{\\frac{3}{4}} or \\boxed{0.75}", "\\frac34", "correct"),
    ("Answer: $\\frac{3}{4}$", "0.75", "correct"),
    ("The final answer is \\(x=3\\).", "3", "correct"),
    ("The answer is: **7**", "7", "correct"),
    ("So the total is $7$.", "7", "correct"),
    ("No idea, sorry about that; it is hard to say anything", "7", "unparsed"),
    ("$\\boxed{7}$ dollars", "7", "correct"),
    ("\\fbox{7}", "7", "correct"),
    ("\\boxed 7", "7", "correct"),
    ("\\boxed{7\\text{ apples}}", "7", "correct"),
    ("\\boxed{7 apples}", "7", "correct"),
    ("\\boxed{\\$7.00}", "7", "correct"),
    ("\\boxed{7{,}000}", "7000", "correct"),
    ("\\boxed{7 \\times 10^3}", "7000", "correct"),
    ("\\boxed{x \\ge 3}", "x \\geq 3", "correct"),
    ("\\boxed{\\emptyset}", "\\varnothing", "correct"),
]


@pytest.mark.parametrize(("text", "gold", "status"), [*ANSWERS, *SOLUTIONS])
def test_closed_answers_are_read_and_compared(text, gold, status):
    assert boxed(Sample(question="", answers=(gold,)), ASKED, Response(text=text)).status == status


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("1, 120", "1120", False), ("1,120", "1120", True), ("5125", "5, 125", False), ("5,125", "5, 125", True),
        ("1 and 2", "1,2", True), ("1, 2, and 3", "1,2,3", True), ("1,234 and 5", "1234,5", True),
        ("1,000, 2,000", "1000,2000", True), ("12,345", "12, 345", True), ("12345", "12, 345", False),
        ("(1, 234)", "(1,234)", True), ("(1, 234)", "1234", False), ("x=1,234", "1234", True),
    ],
)  # fmt: skip
def test_a_list_is_no_number_with_a_thousands_comma(one, other, equal):
    assert same(one, other) is same(other, one) is equal


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("90°", "90", True), ("5°C", "5", True), ("x²", "x^2", True), ("x²", "x^3", False), ("2×3", "6", True),
        ("8÷4", "2", True), ("€5", "5", True), ("½", "\\frac{1}{2}", True), ("3½", "3.5", True), ("1⁄2", "0.5", True),
        ("3√2", "3\\sqrt{2}", True), ("x ≤ 5", "x \\le 5", True), ("２５", "25", True), ("x₁", "x_1", True),
        ("5 m", "5", True), ("5 m", "5m", True), ("5x", "5", False), ("2n", "2", False), ("3i", "3", False),
        ("`42`", "42", True), ("= 42", "42", True), ("−4", "-4", True),
    ],
)  # fmt: skip
def test_signs_of_unicode_and_units_of_one_letter_are_read(one, other, equal):
    assert same(one, other) is same(other, one) is equal


def test_a_box_that_is_never_closed_hides_the_earlier_ones():
    found = boxed(
        Sample(question="", answers=("4",)), ASKED, Response(text="First \\boxed{4}, so in all \\boxed{4 + \\frac{1")
    )
    assert found.status == "unparsed"


def test_the_rule_is_told():
    found = boxed(Sample(question="", answers=("5",)), ASKED, Response(text="The answer is 5 apples."))
    assert (found.answer, found.detail["rule"]) == ("5 apples", "answer is ANSWER")


HOSTILE = [
    "$" * 1_000_000, "\\boxed{1}, " * 80_000, "\\boxed{" * 140_000, "\\(" * 500_000, "\\boxed{" + "1," * 400_000 + "}",
    "\\boxed{" + "(" * 150 + "1" + ")" * 150 + "}", "\\boxed{" + "{" * 400_000 + "}" * 400_001,
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_megabyte_of_anything_takes_no_time(number):
    def read():
        for gold in ("\\frac{1}{2}", "1,2,3"):
            boxed(Sample(question="", answers=(gold,)), ASKED, Response(text=HOSTILE[number]))

    assert processor_seconds(read) < 3  # under 1 s; quadratic time would be minutes


def test_adversarial_texts_take_no_time():
    boxed(Sample(question="", answers=("1",)), ASKED, Response(text="\\boxed{5\\text{" + "a " * 5000 + "}"))
    same("5\\text{" + "a " * 5000, "5")
    number_after_hashes(Sample(question="", answers=("1",)), ASKED, Response(text="answer " * 3000 + "1," * 3000))
