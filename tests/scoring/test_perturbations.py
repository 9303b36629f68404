"""What each change to a question does to its words, and what it leaves alone."""

import random

import pytest

from evalharness.records import Sample
from evalharness.scoring.perturbations import ALL, apply, own_spans, row_texts, spaces, typos

BY_NAME = {p.name: p for p in ALL}
WORDS = ("international", "understanding", "patience", "harbour", "four", "bridge")


def changed(name, text, **rest):
    found = apply(BY_NAME[name], Sample(id="s", question=text, **rest))
    return text if found is None else found.question


def slips(word, n=3000):
    rng = random.Random(7)
    return [typos(word, rng) for _ in range(n)]


def test_a_space_becomes_one_two_or_three():
    text = "one two  three\nfour"
    seen = {spaces(text, random.Random(seed)) for seed in range(200)}
    assert {made.split(" ")[0] for made in seen} == {"one"} and len(seen) == 9
    assert all(made.endswith("\nfour") for made in seen)


@pytest.mark.parametrize("word", WORDS)
def test_a_typo_is_a_swap_a_loss_or_a_doubling_inside_the_word_and_rare(word):
    made = slips(word)
    wrong = [each for each in made if each != word]
    assert 0.07 < len(wrong) / len(made) < 0.13 or word in ("four",), "a swap of equal letters shows nothing"
    assert all(each[0] == word[0] and each[-1] == word[-1] for each in wrong)
    assert {len(each) - len(word) for each in wrong} == {-1, 0, 1}
    swapped = {each for each in wrong if len(each) == len(word)}
    assert all(sorted(each) == sorted(word) for each in swapped)
    doubled = {each for each in wrong if len(each) > len(word)}
    assert all(any(each == word[:i] + word[i - 1] + word[i:] for i in range(1, len(word))) for each in doubled)
    lost = {each for each in wrong if len(each) < len(word)}
    assert all(any(each == word[:i] + word[i + 1 :] for i in range(1, len(word) - 1)) for each in lost)


@pytest.mark.parametrize("word", ["the", "a1b2c3", "12345", "x_yz_w"])
def test_short_words_and_what_is_no_word_have_no_typos(word):
    assert set(slips(word)) == {word}


def test_every_inner_place_of_a_word_can_slip():
    lost = {each for each in slips("abcdefg", 6000) if len(each) == 6}
    assert lost == {"acdefg"[:1] + "abcdefg"[1:i] + "abcdefg"[i + 1 :] for i in range(1, 5)}


def test_the_case_of_a_word_is_kept():
    assert changed("dialect", "The THE the I. With Brother") == "Da DA da I. Wit Brotha"
    assert changed("contractions", "IS NOT it? Is not it?") == "ISN'T it? Isn't it?"


def test_the_longest_phrase_wins():
    assert changed("dialect", "going to go") == "finna go" and changed("dialect", "going home") == "goin home"


def test_a_person_never_gets_a_name_that_the_text_has_already():
    text = "Emily met Aisha, Ebony, Keisha, Kenya, Lakisha, Latonya and Latoya."
    assert changed("names", text).split()[0] in ("Tamika", "Tanisha")
    full = f"Emily met Tamika and Tanisha and {text[10:]}"
    assert changed("names", full) == full, "no name is left"


def test_a_seed_draws_other_changes_and_the_same_seed_the_same():
    sample = Sample(id="s", question=" ".join(WORDS * 20))
    made = [apply(BY_NAME["typos"], sample, seed) for seed in (0, 0, 1)]
    assert made[0] == made[1] and made[0] != made[2]
    assert apply(BY_NAME["typos"], Sample(id="t", question=sample.question)).question != made[0].question


def test_texts_that_the_prompt_shows_change_and_others_stay():
    extra = {"context": "SEEN", "passage": "Seen", "note": "KEPT", "answer": "A", "story": 3}
    found = apply(BY_NAME["lower_case"], Sample(id="s", question="Who?", extra=extra))
    assert found.id == "s~lower_case"
    assert found.extra == {
        "context": "seen", "passage": "seen", "note": "KEPT", "answer": "a", "story": 3,
        "perturbation": "lower_case", "original": "s",
    }  # fmt: skip
    assert apply(BY_NAME["lower_case"], Sample(id="s", question="who?", extra={"note": "KEPT"})) is None
    only = apply(BY_NAME["lower_case"], Sample(id="s", question="who?", extra={"query": "KEPT"}))
    assert only is not None and only.question == "who?"


def test_a_copied_answer_is_accepted_in_both_forms_and_choices_are_not_touched():
    sample = Sample(id="s", question="Anna Smith lives in BERN and a. Where?", answers=("BERN", "a", "Rome"))
    assert apply(BY_NAME["lower_case"], sample).answers == ("BERN", "a", "Rome", "bern")
    several = Sample(id="s", question="IS IT Bern?", choices=("Bern", "Rome"), gold_indices=(0,))
    assert apply(BY_NAME["lower_case"], several).choices == ("Bern", "Rome")
    apart = Sample(id="s", question="BERNINA is a pass. Where?", answers=("BERN",))
    assert apply(BY_NAME["lower_case"], apart).answers == ("BERN",), "part of a word is no copy"


def test_an_answer_that_changes_with_the_question_does_so_once():
    sample = Sample(id="s", question="He met her. Who met her?", answers=("He", "him"))
    assert apply(BY_NAME["gender"], sample).answers == ("She", "her")


def test_every_text_of_a_row_the_longest_first():
    row = {"a": "bb", "b": ["ccc", {"d": "aa", "e": 3}], "f": " ", "g": "bb", "h": ("dddd", None)}
    assert row_texts(row) == ("dddd", "ccc", "aa", "bb")


@pytest.mark.parametrize(
    ("text", "own", "kept"),
    [
        ("we say: one two three, as they do", ("zero one two three, four",), ["one two three,"]),
        ("we say: one two only", ("zero one two three",), []),
        ("a b c d | a b c d", ("a b c d",), ["a b c d", "a b c d"]),
        ("as of the day of the ship", ("the day of the ship and the day",), ["the day of the ship"]),
        ("we say one two three four", ("say one or: one two three four",), ["one two three four"]),
        ("'x' and x", ("x", "y z"), []),
        ("\"xy\" and xy", ("xy",), ["xy"]),
        ("xa long one. xx", ("a long one.",), []),
        ("It is (so it seems) fine", ("(so it seems)",), ["(so it seems)"]),
    ],
)  # fmt: skip
def test_runs_of_three_words_and_whole_texts_are_the_datas(text, own, kept):
    assert [text[a:b] for a, b in own_spans(text, own)] == kept
