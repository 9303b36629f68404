"""Scorers of one answer: ranked choices, first tokens, labels, short texts, and what is no answer at all."""

import math

import pytest

from evalharness.records import Request, Response, Sample
from evalharness.scoring.answers import (
    against,
    best,
    choice,
    choice_by_length,
    first_letter,
    graded_score,
    label,
    last_word,
    letter,
    letter_after,
    none_read,
    option,
    same_text,
    score_response,
    short_answer,
    softmax,
    token_f1,
    truth_mass,
    unscored,
)

WRITTEN = Request(messages=())


def sample(*choices, gold=(0,), answers=()):
    return Sample(id="s", question="?", choices=choices, gold_indices=gold, answers=answers)


def ranked(*logprobs, choices=("w", "x", "y"), **more):
    return Request(messages=(), choices=choices), Response(logprobs=logprobs, **more)


FOUR = sample("w", "x", "y", "z", gold=(1, 2))


def test_errors_and_refusals_by_the_provider_are_no_answers():
    right = Response(text="B", error="503")
    assert (found := score_response(choice, FOUR, WRITTEN, right)).status == "error" and found.detail == {
        "error": "503"
    }
    assert score_response(choice, FOUR, WRITTEN, Response(text="B", finish="refused")).status == "refused"


def test_how_an_answer_was_read_is_told():
    whole = score_response(choice, FOUR, WRITTEN, Response(text=" B\n"))
    assert (whole.status, whole.answer) == ("correct", "B") and whole.detail["rule"] != ""
    thought = score_response(choice, FOUR, WRITTEN, Response(text="<think>A or B?</think>\nThe answer is A."))
    assert (thought.status, thought.answer) == ("wrong", "A") and thought.detail["stripped"]
    short = score_response(short_answer(), sample(answers=("Rome",)), WRITTEN, Response(text="Rome"))
    assert short.detail == {"rule": "the whole text"}


@pytest.mark.parametrize(
    ("text", "more", "status"),
    [
        ("<think>never ended", {}, "truncated"),
        ("", {"thinking": "so far", "finish": "length"}, "truncated"),
        ("", {"thinking": "so far", "finish": "stop"}, "unparsed"),
        ("", {"thinking": "<think>so far", "finish": "stop"}, "truncated"),
        ("A", {"thinking": "so far", "finish": "length"}, "wrong"),
        ("Let me see", {"finish": "length"}, "truncated"),
        ("Let me see", {"finish": "stop"}, "unparsed"),
        ("A", {"finish": "length"}, "wrong"),
    ],
)
def test_what_was_cut_off_before_an_answer_is_truncated_and_worth_nothing(text, more, status):
    found = score_response(choice, FOUR, WRITTEN, Response(text=text, **more))
    assert (found.status, found.scores) == (status, {"accuracy": 0.0})
    assert found.answer == ("A" if text == "A" else None)


def test_an_empty_answer_that_would_be_right_is_not_where_nothing_was_said():
    empty = sample(answers=("",))
    assert score_response(short_answer(), empty, WRITTEN, Response(text="")).status == "correct"
    cut = score_response(short_answer(), empty, WRITTEN, Response(text="<think>hm"))
    assert cut.status == "truncated" and set(cut.scores.values()) == {0.0}


def test_the_choice_ranked_first_and_the_first_of_equals():
    request, response = ranked(-3.0, -1.0, -1.0)
    found = choice(sample("w", "x", "y", gold=(1,)), request, response)
    assert (found.status, found.answer, found.detail) == ("correct", "B", {"rule": "the choice ranked first"})
    assert choice(sample("w", "x", "y", gold=(2,)), request, response).status == "wrong"
    assert best((-2.0, -2.0)) == 0 and best((-math.inf, -5.0)) == 1


def test_choices_beyond_the_letters_are_known_by_their_place_and_their_text():
    many = sample(*(f"choice {n}" for n in range(30)), gold=(27,))
    request, response = ranked(*(-1.0 if n == 27 else -2.0 for n in range(30)), choices=many.choices)
    assert choice(many, request, response).answer == "27" and choice(many, request, response).status == "correct"
    for text in ("choice 27", "Choice 27.", " CHOICE 27 "):
        found = choice(many, WRITTEN, Response(text=text))
        assert (found.status, found.answer) == ("correct", "choice 27"), text
    assert choice(many, WRITTEN, Response(text="choice 3")).status == "wrong"
    assert choice(many, WRITTEN, Response(text="The answer is choice 27")).status == "correct"
    assert choice(many, WRITTEN, Response(text="none of them")).status == "unparsed"
    assert same_text("A.", ("b", "a")) == 1 and same_text("c", ("b", "a")) is None


def test_exactly_as_many_choices_as_letters_are_answered_by_letter():
    alphabet = sample(*(f"choice {n}" for n in range(26)), gold=(25,))
    assert choice(alphabet, WRITTEN, Response(text="Z")).status == "correct"


def test_an_option_written_out_is_that_option_and_else_its_letter():
    letters = sample("B", "A", gold=(0,))
    assert option(letters, WRITTEN, Response(text=" B ")).status == "correct", "the option B, not the second one"
    assert option(FOUR, WRITTEN, Response(text="B")).status == "correct"
    request, response = ranked(-1.0, -2.0, choices=("B", "A"), text="A")
    assert option(letters, request, response).status == "correct", "what is ranked is not what is written"


def test_a_letter_is_one_of_the_choices():
    assert letter("The answer is C.", 4) == "C" and letter("The answer is C.", 2) is None and letter("?", 4) is None


def first(*told, gold=(1,)):
    top = tuple((token, math.log(p)) for token, p in told)
    return first_letter(sample("w", "x", "y", gold=gold), Response(top_logprobs=top))


def test_the_tokens_of_one_letter_count_together():
    found = first(("A", 0.3), (" B", 0.2), ("(B", 0.15), ("\u2581C:", 0.05), ("The", 0.1))
    assert (found.status, found.answer) == ("correct", "B")
    assert found.detail["first_token"] == pytest.approx({"A": 0.3, "B": 0.35, "C": 0.05})
    assert found.detail["likelihood"] == pytest.approx(0.7) and found.detail["at_most"] == {}


def test_a_letter_that_was_not_told_is_at_most_as_likely_as_the_last_that_was_and_as_what_is_left():
    assert first(("A", 0.5), ("The", 0.2)).detail["at_most"] == pytest.approx({"B": 0.2, "C": 0.2})
    assert first(("A", 0.7), ("The", 0.2)).detail["at_most"] == pytest.approx({"B": 0.1, "C": 0.1})
    assert first(("A", 0.9), ("B", 0.2)).detail["at_most"] == {"C": 0.0}, "rounded probabilities may exceed one"


def test_of_equal_letters_the_first_is_picked_and_none_is_unparsed():
    tie = first(("B", 0.4), ("A", 0.4))
    assert (tie.status, tie.answer) == ("wrong", "A")
    none = first(("The", 0.6), ("D", 0.2), ("AB", 0.1))
    assert (none.status, none.answer, none.scores) == ("unparsed", None, {"accuracy": 0.0})
    assert none.detail["rule"] == "no letter is among the likeliest first tokens"
    assert none.detail["likelihood"] == 0.0 and len(none.detail["at_most"]) == 3
    missing = first_letter(FOUR, Response())
    assert missing.status == "error" and "no log-probabilities" in missing.detail["error"]


def test_a_first_token_is_never_cut_off():
    request = Request(messages=(), choices=("A", "B"), by_first_token=True)
    told = Response(top_logprobs=(("The", -0.1),), finish="length", text="The")
    assert score_response(choice, FOUR, request, told).status == "unparsed"
    assert option(FOUR, request, told).status == "unparsed"


def test_the_likeliest_by_character_is_another_figure():
    two = sample("no", "yes it is", gold=(1,))
    request, response = ranked(-2.0, -4.5, choices=two.choices)
    found = choice_by_length(two, request, response)
    assert found.scores == {"accuracy": 0.0, "accuracy_norm": 1.0} and found.status == "wrong"
    assert choice_by_length(two, WRITTEN, Response(text="B")).scores == {"accuracy": 1.0}
    blank = sample("", "yy", gold=(0,))
    request, response = ranked(-2.0, -5.0, choices=blank.choices)
    assert choice_by_length(blank, request, response).scores["accuracy_norm"] == 1.0, "-2 against -2.5"


def test_the_mass_of_the_right_choices():
    request, response = ranked(math.log(0.2), math.log(0.1), math.log(0.1), math.log(0.4), choices=FOUR.choices)
    found = truth_mass(FOUR, request, response)
    assert found.status == "scored" and found.scores["accuracy"] == pytest.approx(0.25)
    assert truth_mass(FOUR, *ranked(*(-2000.0 for _ in range(4)))).scores["accuracy"] == pytest.approx(0.5)


def test_probabilities_among_choices():
    assert softmax((math.log(3), 0.0)) == pytest.approx((0.75, 0.25))
    assert softmax((-5000.0, -5000.0)) == (0.5, 0.5) and softmax((-math.inf, -math.inf)) == (0.5, 0.5)
    assert softmax((-math.inf, -1.0)) == (0.0, 1.0)


@pytest.mark.parametrize(("greedy", "status"), [((True,), "correct"), ((False,), "wrong"), ((), "error")])
def test_a_last_word_is_right_where_greedy_decoding_writes_it(greedy, status):
    found = last_word(sample("end"), *ranked(-0.5, choices=("end",), greedy=greedy))
    assert found.status == status and found.scores.get("logprob") == (-0.5 if greedy else None)


def test_the_authors_pattern_first_then_the_usual_reading():
    scorer = letter_after(r"So it is \(?([A-Z])\)?")
    assert (found := scorer(FOUR, WRITTEN, Response(text="So it is (B). The answer is A."))).answer == "B"
    assert found.status == "correct" and found.detail["rule"].startswith("first match of So it is")
    assert scorer(FOUR, WRITTEN, Response(text="So it is A")).status == "wrong"
    assert scorer(FOUR, WRITTEN, Response(text="The answer is C.")).answer == "C"
    assert scorer(FOUR, WRITTEN, Response(text="So it is X. The answer is C.")).answer == "C"


def test_a_label_is_ranked_or_written():
    labels = sample("yes", "no", gold=(1,))
    ranking = label(labels, *ranked(-3.0, -1.0, choices=labels.choices))
    assert (ranking.status, ranking.answer, ranking.detail) == ("correct", "no", {"rule": "the choice ranked first"})
    written = label(labels, WRITTEN, Response(text="No, it is not."))
    assert (written.status, written.answer, written.detail) == ("correct", "no", {"rule": "label in the text"})
    assert label(labels, WRITTEN, Response(text="yes and no")).status == "wrong"
    assert label(labels, WRITTEN, Response(text="hm")).status == "unparsed"
    assert label(labels, WRITTEN, Response(text="I cannot answer this.")).status == "refused"


def test_a_text_without_an_answer_is_a_refusal_or_unparsed():
    refused, other = none_read("I'm sorry, but I can't help.", "em"), none_read("Well.", "em")
    assert (refused.status, refused.scores) == ("refused", {"em": 0.0})
    assert (other.status, other.scores) == ("unparsed", {"em": 0.0})


def test_words_shared_by_hand():
    assert token_f1(["a", "b", "b", "c"], ["b", "b", "d"]) == pytest.approx(2 * (2 / 4) * (2 / 3) / (2 / 4 + 2 / 3))
    assert token_f1([], []) == 1.0 and token_f1([], [], 0.0) == 0.0
    assert token_f1(["a"], []) == 0.0 == token_f1(["a"], ["b"])


def test_the_best_reference_counts():
    assert against("The old bridge", ("a bridge", "old bridge!")) == {"exact_match": 1.0, "f1": 1.0}
    assert against("bridge", ("old bridge", "x")) == {"exact_match": 0.0, "f1": pytest.approx(2 / 3)}
    assert against("bridge", ()) == {"exact_match": 0.0, "f1": 0.0}


@pytest.mark.parametrize(
    ("text", "status", "answer"),
    [
        (" the Bridge. ", "correct", "the Bridge."),
        ("  ", "unparsed", None),
        ("I'm sorry, I cannot say that.", "refused", "I'm sorry, I cannot say that."),
        ("tower", "wrong", "tower"),
    ],
)
def test_a_short_answer_is_right_unread_refused_or_wrong(text, status, answer):
    found = short_answer()(sample(answers=("bridge",)), WRITTEN, Response(text=text))
    assert (found.status, found.answer) == (status, answer)


def test_free_and_graded_answers_are_scored():
    assert unscored(FOUR, WRITTEN, Response(text="x")).status == "scored"
    assert graded_score("x", f1=0.5).scores == {"f1": 0.5} and graded_score("x", f1=0.5).answer == "x"
