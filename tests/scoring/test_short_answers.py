"""Short answers are scored as the official scripts score them, on any text; labels are read, or left unread."""

import re
import string
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness import plugins
from evalharness.records import Request, Response, Sample
from evalharness.scoring.answers import score_response, softmax, which_label

# --- the official formulas, written down once more from their definitions, step by step


def squad_normal(text):
    text = text.lower()
    text = "".join(c for c in text if c not in string.punctuation)
    text = re.sub(r"\b(a|an|the)\b", " ", text)
    return " ".join(text.split())


def trivia_normal(text):
    text = text.replace("_", " ").lower()
    text = "".join(" " if c in string.punctuation + "‘’´`" else c for c in text)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def f1_of(said, right):
    said, right = said.split(), right.split()
    same = sum((Counter(said) & Counter(right)).values())
    if same == 0:
        return 0
    precision, recall = same / len(said), same / len(right)
    return 2 * precision * recall / (precision + recall)


def squad1(said, answers):
    exact = max(squad_normal(said) == squad_normal(a) for a in answers)
    return float(exact), max(f1_of(squad_normal(said), squad_normal(a)) for a in answers)


def squad2(said, answers):
    answers = [a for a in answers if squad_normal(a)] or [""]
    exact = max(squad_normal(said) == squad_normal(a) for a in answers)
    empty = [float(squad_normal(said) == squad_normal(a)) for a in answers if not squad_normal(a + said)]
    one_empty = [0.0 for a in answers if bool(squad_normal(a)) != bool(squad_normal(said))]
    words = [f1_of(squad_normal(said), squad_normal(a)) for a in answers]
    return float(exact), max([*empty, *one_empty, *words])


def triviaqa(said, answers):
    exact = max(trivia_normal(said) == trivia_normal(a) for a in answers)
    return float(exact), max(f1_of(trivia_normal(said), trivia_normal(a)) for a in answers)


NASTY = [
    "the", "The", "a", "an", "A.", "", " ", "\t\n", "“quoted”", "it's", "U.S.", "U. S.", "İstanbul", "ß", "ﬁ", "café",
    "cafe\u0301", "١٢", "—", "the-end", "theend", "_", "rock_n_roll", "‘x’", "´", "`", "0", "3.14", "$5", "-", "\u00a0",
    "the the", "a an the", "THE CAT", "cat the", "\u200b", "\ud83d\ude00", "!",
]  # fmt: skip
pieces = st.one_of(st.sampled_from(NASTY), st.text(max_size=4))
texts = st.lists(pieces, max_size=5).map(" ".join) | st.text(max_size=12)
NO_ANSWERS = ["unanswerable", "Unanswerable.", "No answer", "The question is unanswerable.", "", " \n"]


def scored(name, said, answers):
    sample = Sample(id="q", question="?", answers=tuple(answers))
    return score_response(
        plugins.load_benchmark(name).score, sample, Request(messages=()), Response(text=said, finish="stop")
    )


@pytest.mark.parametrize(("name", "official"), [("squad", squad1), ("triviaqa", triviaqa)])
@settings(max_examples=300, deadline=None)
@given(said=texts, answers=st.lists(texts, min_size=1, max_size=4))
def test_scores_equal_the_official_ones(name, official, said, answers):
    score = scored(name, said, answers)
    assert (score.scores["exact_match"], score.scores["f1"]) == pytest.approx(official(said, answers))
    assert (score.status == "correct") == (score.scores["exact_match"] == 1)


@settings(max_examples=300, deadline=None)
@given(said=texts, answers=st.lists(texts, max_size=4))
def test_squad2_equals_the_official_one(said, answers):
    score = scored("squad2", said, answers)
    assert (score.scores["exact_match"], score.scores["f1"]) == pytest.approx(squad2(said, answers))


@pytest.mark.parametrize(
    "said", ["unanswerable", "Unanswerable.", "No answer", "The question is unanswerable.", "", " \n"]
)
def test_no_answer_is_recognised(said):
    assert scored("squad2", said, ()).status == "correct"
    assert scored("squad2", said, ("Paris",)).status == "wrong"


def test_an_answer_that_reads_like_none_is_still_an_answer():
    assert scored("squad2", "no answer", ("no answer",)).status == "correct"
    assert scored("squad2", "no answer was given", ()).status == "wrong"


@pytest.mark.parametrize(
    ("said", "status"),
    [("", "unparsed"), ("Paris", "correct"), ("the PARIS!", "correct"), ("Rome", "wrong"),
     ("I'm sorry, but I can't help with that.", "refused")],
)  # fmt: skip
def test_what_an_answer_is(said, status):
    assert scored("squad", said, ("Paris", "City of Paris")).status == status


def test_nq_open_folds_composed_characters():
    assert scored("nq_open", "Beyonce\u0301", ("Beyoncé",)).status == "correct"


@pytest.mark.parametrize(
    ("said", "label"),
    [
        (" yes", "yes"), ("No.", "no"), ("**Yes**, since nobody came", "yes"), ("The answer is no.", "no"),
        ("Answer: yes", "yes"), ("I would say yes", "yes"), ("yes or no?", "yes"), ("both yes and no", None),
        ("", None), ("yesterday", None), ("nobody", None), ("no-one", None), ("The answer is yes, not no", "yes"),
    ],
)  # fmt: skip
def test_labels_are_read_from_texts(said, label):
    assert which_label(said, ("no", "yes")) == label


def test_longer_labels_win():
    assert which_label("not_entailment", ("entailment", "not_entailment")) == "not_entailment"


def test_probabilities_of_choices():
    assert softmax((0.0, 0.0)) == (0.5, 0.5)
    assert softmax((-1e9, -1e9 - 700)) == pytest.approx((1.0, 0.0))
    assert softmax((float("-inf"), 0.0)) == pytest.approx((0.0, 1.0), abs=1e-9)
