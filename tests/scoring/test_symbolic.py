"""Equality by computer algebra: a second figure, in a process that is killed when its time is over."""

import importlib.util

import pytest

from evalharness import plugins
from evalharness.options import RunOptions
from evalharness.records import Message, Request, Response, Sample
from evalharness.scoring.symbolic import Checker, SymbolicScorer

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("math_verify") is None, reason="the extra math is not installed"
)
ASKED = Request(messages=(Message("user", "?"),))


@pytest.fixture(scope="module")
def checker():
    opened = Checker(seconds=20.0)
    yield opened
    opened.close()


def test_algebra_says_what_is_equal(checker):
    assert checker.equal("\\{1,2\\} \\cup \\{3\\}", "\\{1,2,3\\}") is True
    assert checker.equal("2", "3") is False
    assert checker.equal("\\text{no}", "\\frac{") is False
    assert checker.equal("1" * 5000, "1") is None


def test_a_question_without_end_is_killed_and_the_next_one_is_answered(checker):
    hurried = Checker(seconds=0.5)
    try:
        assert hurried.equal("1", "1") is True
        assert hurried.equal("9^{9^{9^{9}}}", "2") is None
        assert hurried.equal("\\frac12", "0.5") is True
        assert hurried.record["killed"] == 1
    finally:
        hurried.close()


class Counting:
    def __init__(self):
        self.asked = []

    def equal(self, answer, reference):
        self.asked.append((answer, reference))
        return {"a": True, "b": False}.get(answer)


@pytest.mark.parametrize(
    ("text", "figure", "asked"),
    [
        ("\\boxed{5}", 1.0, 0),
        ("\\boxed{a}", 1.0, 1),
        ("\\boxed{b}", 0.0, 1),
        ("\\boxed{c}", 0.0, 1),
        ("no\nidea", 0.0, 0),
    ],
)
def test_equal_texts_are_not_asked_about_and_accuracy_stays_as_it_is(text, figure, asked):
    counting = Counting()
    score = SymbolicScorer(counting)(Sample(question="", answers=("5",)), ASKED, Response(text=text))
    assert score.scores["accuracy_symbolic"] == figure and len(counting.asked) == asked
    assert score.scores["accuracy"] == float(text == "\\boxed{5}")
    assert ("symbolic" in score.detail) == (text == "\\boxed{c}")


def test_what_is_equal_only_when_multiplied_out_counts_in_the_second_figure_alone(checker):
    sample = Sample(question="Factor it.", answers=("(x+1)(x-1)",))
    score = SymbolicScorer(checker)(sample, ASKED, Response(text="\\boxed{x^2-1}"))
    assert score.scores == {"accuracy": 0.0, "accuracy_symbolic": 1.0} and score.status == "wrong"


def test_math500_reports_both_figures():
    benchmark = plugins.load_benchmark("math500")
    assert "accuracy_symbolic" in [metric.name for metric in benchmark.metrics]
    with benchmark.open_scorer(RunOptions()) as scorer:
        found = scorer(Sample(question="", answers=("5",)), ASKED, Response(text="\\boxed{5}"))
    assert found.scores == {"accuracy": 1.0, "accuracy_symbolic": 1.0}
