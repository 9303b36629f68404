"""Which number a text answers with, and by which rule."""

import json
import re
from fractions import Fraction

import pytest
from number_texts import NUMBERS
from number_texts_beside import BESIDE
from number_texts_unclear import CORRECTED, SAID_OF, UNCLEAR
from processor_time import processor_seconds

from evalharness.scoring.numbers import read_number
from evalharness.scoring.numerals import shown_number


@pytest.mark.parametrize(
    ("wanted", "texts"), [(value, texts) for group in (NUMBERS, BESIDE) for value, texts in group.items()]
)
def test_numbers_are_read(wanted, texts):
    found = {text: read_number(text).answer for text in texts}
    value = Fraction(wanted)
    assert {text: said for text, said in found.items() if said is None or Fraction(said) != value} == {}


@pytest.mark.parametrize(("wanted", "texts"), [*CORRECTED.items(), *SAID_OF.items()])
def test_numbers_are_read_past_corrections_and_past_what_is_said_of_them(wanted, texts):
    assert {text: read_number(text).answer for text in texts} == dict.fromkeys(texts, wanted)


def test_what_may_be_two_numbers_is_not_read():
    assert {text: read_number(text).answer for text in UNCLEAR} == dict.fromkeys(UNCLEAR)
    assert read_number("The answer is 5 or 7.").rule == "two different numbers are offered"


def test_the_first_hashes_count_unless_the_text_takes_them_back():
    assert read_number("#### 5\n\n#### 6").answer == "5"
    assert read_number("#### 5\nWait, I made a mistake.\n#### 6") == ("6", "number after ####, then a correction")
    assert read_number("#### 5\n\nQuestion: 3 + 3?\nActually, #### 6").answer == "5"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("#### -18", "18"), ("5 apples", "18"), ("it is 1,8", "18"), ("1e999999", "18"), ("The answer is 1/0.", "0")],
)
def test_other_numbers_are_not_the_one_wanted(text, wrong):
    assert read_number(text).answer != wrong


def test_the_rule_is_told():
    assert read_number("The answer is 9 * 2 = $18") == ("18", "answer is NUMBER")
    assert read_number("#### 18").rule == "number after ####"
    assert read_number("18 is the answer to question 3.").rule == "NUMBER is the answer"
    assert read_number("none") == (None, "there is no number")


def test_values_are_written_out():
    assert [shown_number(Fraction(x)) for x in ("18", "-2.50", "1/3", "1/8", "-1/20")] == [
        "18",
        "-2.5",
        "1/3",
        "0.125",
        "-0.05",
    ]


FLEXIBLE = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")


def flexible(text):
    """lm-evaluation-harness's flexible-extract: the last match without commas, dollar signs and the final full stop."""
    found = [a or b for a, b in FLEXIBLE.findall(text)]
    return re.sub(r"[,$]|\.$", "", found[-1]) if found else None


ENDINGS = [
    "\n#### {}", "\nThe answer is {}.", "\n**Answer: {}**", "\nSo the answer is ${}.", "\n\\\\boxed{{{}}}", "\nA: {}",
    "\nFinal answer: {}\n", "\nTherefore, {} is the answer.", "", "\nThe answer is {}. I hope it is correct.",
]  # fmt: skip
TRAPS = [
    "\nThe answer is {} [1].\n\n[1] As above.", "\n**Answer:** {}\n\n(Checked in 2 ways.)",
    "\nA: {}\n\nQ: 1 + 1?\nA: 2", "\nIt is {}, as said on page 3.\n\nConfidence: 95%", "\nSo it is {} at 9 pm.",
]  # fmt: skip


def solutions(shared, ending, count=400):
    """Some of GSM8K's own solutions with an ending, and their answers."""
    for line in (shared / "gsm8k" / "test.jsonl").read_text(encoding="utf-8").splitlines()[:count]:
        steps, _, gold = re.sub(r"<<[^>]*>>", "", json.loads(line)["answer"]).partition("\n#### ")
        yield steps + ending.format(gold), gold.replace(",", "")


def is_read(text, gold):
    said = read_number(text).answer
    return said is not None and Fraction(said) == Fraction(gold)


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_solution_that_flexible_extract_reads_is_missed(shared, ending):
    found = [(text, is_read(text, gold), flexible(text) == gold) for text, gold in solutions(shared, ending)]
    assert [text[-80:] for text, ours, theirs in found if theirs and not ours] == []
    assert sum(theirs for _, _, theirs in found) > 300


@pytest.mark.parametrize("ending", TRAPS)
def test_every_solution_is_read_past_what_stands_behind_its_answer(shared, ending):
    assert [text[-80:] for text, gold in solutions(shared, ending, 100) if not is_read(text, gold)] == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The train leaves at 9 pm.", "9"), ("She was born in 2020.", "2020"), ("It is 12:30.", "30"),
        ("He buys 2 100 ml bottles, 3 in all.", "3"), ("2^9999", None), ("0^-1", None), ("-2^2", "-4"),
        ("12 eggs.\nCheck: 12 * 2 = 24.\nSo she makes 24 - 6 = 18 dollars.", "18"),
        ("It is 42.\nCheck: 42 / 6 = 7.", "42"), ("The answer is 20 - 25 days", None),
        ("The answer is 20 - 2", "18"), ("The answer is 2^3^2", "8"), ("x^2", "2"),
    ],
)  # fmt: skip
def test_what_stands_beside_answers_where_nothing_else_does(text, number):
    assert read_number(text).answer == number


HOSTILE = [
    "1 " * 500_000, "2^3 " * 250_000, "9 (" * 300_000, "3 (1 + " * 140_000, "= 4 for 3 " * 100_000, "[1] " * 250_000,
    "(2020" * 200_000, "step 3 " * 140_000, "9:30 pm May 5 " * 70_000, "rounded to " * 90_000, "(" * 1_000_000,
    "i.e. 1 + " * 110_000, "1.234" * 200_000, "2**" * 300_000, "^{1}" * 250_000, "if you " * 140_000,
    "1" * 1_000_000, "answer is 1 " * 80_000, "#### 1\n" * 140_000, "wait, it is 6 " * 80_000,
    "1,1," * 300_000, "5 or " * 200_000, "Answer 1: 5\n" * 90_000, "3 for " * 180_000, "|1|" * 300_000,
    "\n" * 1_000_000, "½" * 300_000,
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_megabyte_of_anything_takes_no_time(number):
    # Under 1 s; quadratic time would be minutes.
    assert processor_seconds(lambda: read_number(HOSTILE[number])) < 3


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("The answer is 10^6 x 10^3", "1000000000"), ("10^{6} \\times 10^{3}", "1000000000"),
        ("answer: 10⁶×10³", "1000000000"), ("10^6e3", "1000000000"), ("The answer is 10^6 * 10^12", str(10**18)),
        ("The answer is 20K", "20000"), ("The answer is $18 M", "18000000"), ("The answer is $5 bn", "5000000000"),
        ("It is 18 M", "18"), ("10^400 x 10^400", None),
    ],
)  # fmt: skip
def test_powers_of_powers_and_letters_of_scale(text, value):
    found = read_number(text).answer
    assert found == value or (value is None and (found is None or len(found) < 10))


@pytest.mark.parametrize(("text", "number"), [
    ("It costs 1.234.567 euros", "1234567"), ("Answer: 2.500.000", "2500000"), ("The answer is 1.234,56.", "1234.56"),
    ("It is 1.234", "1.234"),
])  # fmt: skip
def test_two_points_part_thousands(text, number):
    assert read_number(text).answer == number


@pytest.mark.parametrize(("offered", "one"), [
    ("50% or 0.5", True), ("0.5 or 50%", True), ("50% or 0.6", False), ("50% or 50", True), ("0.5 or 52%", False),
    ("1/2 or 0.505", True), ("1/2 or 0.51", False), ("1/3 or 0.33", True), ("1/3 or 1/4", False),
    ("0.33 or 0.34", False),
    ("5 hours or 300 minutes", True), ("5 hours or 6 hours", False), ("99/100 or 1/1", False),
])  # fmt: skip
def test_two_ways_to_write_a_number_are_one_number(offered, one):
    assert (read_number(f"The answer is {offered}.").answer is not None) is one


def test_of_two_ways_to_write_a_fraction_either_may_come_first():
    assert read_number("The answer is 0.505 or 1/2.").answer == "0.505"
