"""What a judge sees of an answer: the conversation, the reference, the other side of a pair; or why it sees nothing."""

from dataclasses import replace

import pytest
from run_folders import make_run

from evalharness.errors import UserError
from evalharness.judging.cases import (
    answer_of,
    case_of,
    nothing_to_judge,
    opponents,
    question_of,
    reference_of,
    turns_of,
)
from evalharness.judging.panel import JudgeOptions, open_panel
from evalharness.records import Message, Request, Response, Result, Sample
from evalharness.runs.store import Run

OPEN = Sample(id="q/1", question="Why?", answers=("because", "as", "because"))
CHOICES = Sample(id="q/2", question="Which?", choices=("red", "green", "blue"), gold_indices=(1,))


def result(sample=OPEN, text="so", messages=(), status="scored", **response):
    return Result(
        benchmark="b", sample=sample, request=Request(messages=messages), response=Response(text=text, **response),
        status=status,
    )  # fmt: skip


def jury(spec):
    return open_panel(f"{spec}=echo", "score", JudgeOptions())


def test_a_conversation_pairs_each_question_with_its_answer():
    messages = (
        Message("system", "Be brief."),
        Message("user", "One?"),
        Message("assistant", "1"),
        Message("user", "Two?"),
    )
    assert turns_of(result(messages=messages, text="2")) == (("One?", "1"), ("Two?", "2"))
    assert turns_of(result(messages=(Message("user", "examples, and Why?"),))) == (("Why?", "so"),)


def test_the_question_has_its_options_and_a_ranked_answer_is_named():
    assert question_of(result()) == "Why?"
    assert all(choice in question_of(result(CHOICES)) for choice in ("Which?", "red", "blue"))
    assert answer_of(result(CHOICES, text="", logprobs=(-3.0, -2.0, -1.0))) == "C. blue"
    assert answer_of(result(CHOICES, text="said", logprobs=(-3.0, -2.0, -1.0))) == "said"
    assert answer_of(result(replace(CHOICES, choices=()), text="", logprobs=(-1.0, -2.0))) == "A"
    many = replace(CHOICES, choices=tuple(map(str, range(30))))
    assert answer_of(result(many, text="", logprobs=(-5.0,) * 26 + (-1.0,) + (-5.0,) * 3)) == "26. 26"
    assert answer_of(result(text="<think>hm</think>so")) == "so"


def test_the_reference_is_every_answer_that_is_accepted_once():
    assert reference_of(result()) == "because\nas"
    assert reference_of(result(CHOICES)) == "B. green"
    assert reference_of(result(replace(CHOICES, gold_indices=(0, 2)))) == "A. red\nC. blue"
    assert reference_of(result(replace(OPEN, answers=()))) is None
    assert reference_of(result(replace(OPEN, answers=("", "")))) is None


def test_an_answer_is_held_against_the_reference_or_shown_it_and_never_both():
    graded = case_of(result(), jury("score"), "", None)
    assert (graded.reference, graded.against, graded.turns) == ("because\nas", None, (("Why?", "so"),))
    pair = case_of(result(), jury("pairwise"), "reference", None)
    assert (pair.reference, pair.against) == (None, (("Why?", "because"),))
    run = case_of(result(), jury("pairwise"), "other", {result().key: result(text="thus")})
    assert (run.reference, run.against) == ("because\nas", (("Why?", "thus"),))
    chosen = case_of(result(CHOICES, text="B"), jury("pairwise"), "reference", None)
    assert chosen.against[0][1] == "B. green"


def test_a_pair_of_several_turns_wants_a_reference_for_each():
    messages = (Message("user", "One?"), Message("assistant", "1"), Message("user", "Two?"))
    two = replace(OPEN, answers=(), extra={"references": ["eins", "zwei"]})
    found = case_of(result(two, messages=messages), jury("pairwise"), "reference", None)
    assert found.against == (("One?", "eins"), ("Two?", "zwei"))
    for references in (["eins"], ["eins", ""], []):
        short = replace(OPEN, extra={"references": references})
        assert case_of(result(short, messages=messages), jury("pairwise"), "reference", None) == "no reference"


def test_why_an_answer_is_not_judged():
    bare = replace(OPEN, answers=())
    assert case_of(result(status="error"), jury("score"), "", None) == "no answer"
    assert case_of(result(bare), jury("pairwise"), "reference", None) == "no reference"
    assert case_of(result(), jury("pairwise"), "other", {}) == "no answer in other"
    failed = {result().key: result(status="error")}
    assert case_of(result(), jury("pairwise"), "other", failed) == "no answer in other"
    assert not isinstance(case_of(result(bare), jury("score"), "", None), str)


def test_where_nothing_can_be_judged_that_is_said(tmp_path):
    run = Run(tmp_path / "r")
    said = str(nothing_to_judge(run, {"no reference": 2, "no answer": 1}, jury("pairwise")))
    assert "1 with no answer, 2 with no reference; give " in said and "against" in said
    assert "choose a judge that needs none" in str(nothing_to_judge(run, {"no answer": 1}, jury("score")))
    assert opponents(run, "") is opponents(run, "reference") is None


def test_references_beyond_the_turns_that_were_asked_are_left_out():
    more = replace(OPEN, extra={"references": ["eins", "zwei"]})
    assert case_of(result(more), jury("pairwise"), "reference", None).against == (("Why?", "eins"),)


def test_a_run_is_compared_with_another_that_has_answers(tmp_path):
    for name in ("mine", "theirs"):
        make_run(tmp_path / name, "10")
    mine = Run(tmp_path / "mine")
    assert len(opponents(mine, "theirs")) == 2
    with pytest.raises(UserError, match="this is the run itself; name another"):
        opponents(mine, "mine")
    (tmp_path / "theirs" / "results.jsonl").write_text("")
    with pytest.raises(UserError, match="that run has no answers"):
        opponents(mine, "theirs")
