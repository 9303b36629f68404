"""Figures over several answers to each question."""

import json
from itertools import combinations
from statistics import fmean

import pytest

from evalharness import plugins
from evalharness.records import Message, Request, Response, Result, Sample
from evalharness.scoring.columns import STANDINGS, columns_of
from evalharness.scoring.math import same
from evalharness.scoring.metrics import mean, pass_at
from evalharness.scoring.several import all_right_at, majority_worth, same_words, several_answer_metrics


def results(*questions, standing=None):
    """A question is a list of (answer, whether it is right)."""
    return [
        Result(
            benchmark="b", sample=Sample(id=f"q{i}", question="q"), request=Request(messages=(Message("user", "q"),)),
            response=Response(text=""), status="correct" if right else "wrong" if answer else "unparsed",
            scores={"accuracy": float(right)}, answer=answer, repeat=k,
            detail={"standing": standing} if standing else {},
        )
        for i, answers in enumerate(questions) for k, (answer, right) in enumerate(answers)
    ]  # fmt: skip


def figures(found, same=same_words):
    columns = columns_of(found)
    metrics = several_answer_metrics(columns, mean(), same)
    return {m.name: made.value for m in metrics if (made := m.of(found)) is not None}


@pytest.mark.parametrize(
    ("answers", "worth"),
    [
        ([("5", 1), ("5", 1), ("6", 0)], 1.0),
        ([("5", 1), ("6", 0), ("6", 0)], 0.0),
        ([("5", 1), ("6", 0)], 0.5),  # as frequent: a draw between them is right half of the time
        ([("5", 1), ("6", 0), ("7", 0)], 1 / 3),
        ([("5", 1), ("five", 1), ("6", 0)], 1.0),  # the scorer says that both are right: they are one answer
        ([("Six ", 0), (" six", 0), ("5", 1)], 0.0),
        ([(None, 0), (None, 0), ("5", 1)], 1.0),  # what could not be read has no vote
        ([(None, 0), (None, 0)], 0.0),
    ],
)
def test_the_most_frequent_answer_decides(answers, worth):
    assert majority_worth(results(answers), "accuracy", same_words) == pytest.approx(worth)
    assert majority_worth(results(answers[::-1]), "accuracy", same_words) == pytest.approx(worth)


def test_wrong_answers_are_one_by_the_benchmarks_own_equality():
    answers = [(r"\frac{1}{2}", 0), ("0.5", 0), ("3", 1)]
    assert majority_worth(results(answers), "accuracy", same) == 0.0
    assert majority_worth(results(answers), "accuracy", same_words) == pytest.approx(1 / 3)
    assert plugins.load_benchmark("math500").same_answer("0.5", r"\frac{1}{2}")


def test_figures_of_four_answers():
    found = results([("5", 1), ("5", 1), ("5", 1), ("5", 1)], [("5", 1), ("5", 1), ("6", 0), (None, 0)], [("6", 0)] * 4)
    assert figures(found) == pytest.approx({"avg@4": 0.5, "maj@4": 2 / 3, "pass@4": 2 / 3, "pass^4": 1 / 3})


@pytest.mark.parametrize("k", [1, 2, 3])
def test_all_of_k_and_one_of_k_are_means_over_all_draws_of_k_answers(k):
    rights = [[1, 1, 0, 1, 0], [0, 0, 1, 0, 0]]
    columns = columns_of(results(*[[("x", right) for right in of] for of in rights]))
    draws = [list(combinations(of, k)) for of in rights]
    every = fmean(fmean(float(all(draw)) for draw in of) for of in draws)
    some = fmean(fmean(float(any(draw)) for draw in of) for of in draws)
    assert all_right_at(k, "accuracy").of_columns(columns).value == pytest.approx(every)
    assert pass_at(k).of_columns(columns).value == pytest.approx(some)


def test_intervals_are_over_questions():
    found = results(*[[("5", 1)] * 8 if i % 2 else [("6", 0)] * 8 for i in range(20)])
    made = several_answer_metrics(columns_of(found), mean(), same_words)
    for metric in made:
        assert metric.of(found).n == 20
        assert metric.of(found).high - metric.of(found).low > 0.3


def test_what_has_no_such_figures():
    assert figures(results([("5", 1)], [("6", 0)])) == {}
    graded = [[("5", 0.5), ("5", 1)]]
    assert set(figures(results(*graded))) == {"avg@2"}
    assert "maj@2" not in figures(results([("def f(): ...", 1), ("x", 0)], standing=STANDINGS[0]))
    one_lost = results([("5", 1), ("5", 1)], [("6", 0)])  # one answer failed
    assert set(figures(one_lost)) == {"avg@2", "maj@2"}


def test_a_run_with_several_answers_has_them_and_one_with_one_has_not(evalh, tmp_path):
    rows = [{"question": f"{i}+1?", "answer": f"#### {i + 1}"} for i in range(2)]
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    asked = ("run", "gsm8k", "--data", tmp_path / "test.jsonl", "--shots", "0", "--model", "echo", "--json")
    one = evalh(*asked, "--name", "one")
    several = evalh(*asked, "--name", "several", "--samples", "3", "--temperature", ".5")
    assert one.code == several.code == 0, several.err
    figures = several.json["benchmarks"]["gsm8k"]["metrics"]
    assert set(figures) - set(one.json["benchmarks"]["gsm8k"]["metrics"]) == {
        "avg@3",
        "pass@3",
        "pass^3",
    }  # nothing can be read
    assert figures["avg@3"]["value"] == figures["accuracy"]["value"]
