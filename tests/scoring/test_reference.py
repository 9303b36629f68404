"""Free answers beside their references, and the figures in words."""

import pytest

from evalharness.records import Request, Response, Sample
from evalharness.scoring.reference import beside_references, in_words


def score(text, *answers, **more):
    sample = Sample(id="1", question="?", answers=answers)
    return beside_references(sample, Request(messages=()), Response(text=text, **more))


def test_the_best_reference_counts():
    found = score(" the red fox ", "a blue whale", "the red fox ")
    assert (found.status, found.scores["exact_match"], found.scores["f1"]) == ("scored", 1.0, 1.0)
    near = score("the red dog", "a blue whale", "the red fox")
    assert near.scores["exact_match"] == 0.0 and 0 < near.scores["f1"] < 1


def test_rouge_and_chrf_are_shares_of_one():
    pytest.importorskip("rouge_score")
    pytest.importorskip("sacrebleu")
    same, near, far = (score(text, "one whale", "the red fox").scores for text in ("the red fox", "the red dog", "zzz"))
    assert (same["rouge_l"], same["chrf"]) == pytest.approx((1.0, 1.0))
    assert near["rouge_l"] == pytest.approx(2 / 3) and 0.3 < near["chrf"] < 0.9
    assert far["rouge_l"] == 0 and far["chrf"] < 0.1


def test_an_answer_without_reference_or_text_or_end():
    assert (score("x").status, score("x").scores) == ("scored", {})
    assert score(" ", "a").status == "unparsed" and score(" ", "a").scores["exact_match"] == 0.0
    assert score("a", "a", finish="length").status == "truncated"
    assert score("a", "a", finish="length").scores["exact_match"] == 1.0


def test_counts_and_figures_in_words():
    figures = {"f1": 0.5, "exact_match": 0.25, "other": 1.0}
    assert in_words({"scored": 3, "unparsed": 0, "truncated": 1}, figures) == (
        "3 scored, 1 truncated; exact match 0.250, word F1 0.500"
    )
    assert in_words({"scored": 3}, {}) == "3 scored"
