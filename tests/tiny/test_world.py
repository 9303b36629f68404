"""The facts: unique, well formed, and right where they can be computed or are beyond doubt."""

from collections import Counter

import pytest

from evalharness.tiny.world import NUMBERS, Fact, a, everyday_words, world_facts

FACTS = world_facts()
SAID = {(fact.kind, fact.key): fact.answer for fact in FACTS}


def test_a_question_has_one_answer():
    assert len(SAID) == len(FACTS) > 1100


def test_numbers_are_computed_rightly():
    signs = {"plus": int.__add__, "minus": int.__sub__, "times": int.__mul__}
    numbers = [fact for fact in FACTS if fact.kind in NUMBERS]
    assert len(numbers) == 392
    for fact in numbers:
        x, sign, y = fact.key.split()
        assert signs[sign](int(x), int(y)) == int(fact.answer)


@pytest.mark.parametrize(
    ("kind", "key", "answer"),
    [
        ("capital", "India", "New Delhi"), ("capital", "Australia", "Canberra"), ("country", "Ottawa", "Canada"),
        ("continent", "Peru", "South America"), ("continent", "Fiji", "Oceania"), ("opposite", "cold", "hot"),
        ("past", "teach", "taught"), ("plural", "ox", "oxen"), ("young", "swan", "cygnet"), ("symbol", "tungsten", "W"),
        ("kind", "oboe", "instrument"), ("kind", "termite", "insect"),
    ],
)  # fmt: skip
def test_facts_beyond_doubt(kind, key, answer):
    assert SAID[kind, key] == answer


def test_relations_that_go_both_ways_do():
    for fact in FACTS:
        if fact.kind == "capital":
            assert SAID["country", fact.answer] == fact.key
            assert fact.key.lower() not in fact.answer.lower(), "the capital gives the country away"
        if fact.kind == "opposite":
            assert SAID["opposite", fact.answer] == fact.key
    symbols = Counter(fact.answer for fact in FACTS if fact.kind == "symbol")
    assert max(symbols.values()) == 1 and all(len(s) <= 2 and s[0].isupper() for s in symbols)


def test_facts_that_give_one_another_away_are_twins():
    assert Fact("capital", "France", "Paris").twin == Fact("country", "Paris", "France").twin
    assert Fact("opposite", "hot", "cold").twin == Fact("opposite", "cold", "hot").twin
    assert Fact("sum", "3 plus 4", "7").twin == Fact("sum", "4 plus 3", "7").twin
    assert Fact("sum", "3 plus 4", "7").twin != Fact("product", "3 times 4", "12").twin


def test_articles():
    assert [a(w) for w in ("apple", "owl", "tool", "instrument", "bus")] == [
        "an apple", "an owl", "a tool", "an instrument", "a bus",
    ]  # fmt: skip


def test_words_are_plain():
    assert len(set(everyday_words())) == len(everyday_words()) > 300
    assert all(word.isalpha() and word.islower() for word in everyday_words())
