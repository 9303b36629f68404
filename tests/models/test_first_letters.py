"""`--mode letters`: a multiple-choice question answered by the log-probabilities of an answer's first token."""

import json
import math
from pathlib import Path

import pytest
from engine_server import TINY, engine_reply
from stub_server import Reply, serve

from evalharness.records import Message, Request, Response, Sample
from evalharness.scoring.answers import choice, score_response

SAMPLE = Sample(question="Which?", choices=("a", "b", "c", "d"), gold_indices=(1,))
ASKED = Request(messages=(Message("user", "Which?"),), max_tokens=1, top_logprobs=20, by_first_token=True)


def scored(*told, **more):
    tops = tuple((token, math.log(likely)) for token, likely in told)
    text = told[0][0] if told else "x"
    return score_response(choice, SAMPLE, ASKED, Response(text=text, top_logprobs=tops, finish="length", **more))


def test_the_letter_with_most_of_the_probability_counts_whatever_stands_around_it():
    found = scored((" A", 0.3), ("B", 0.2), (" B", 0.15), ("The", 0.1), ("(C", 0.05), ("**D**", 0.01), ("AB", 0.01))
    assert (found.status, found.answer, found.scores) == ("correct", "B", {"accuracy": 1.0})
    assert found.detail["first_token"] == pytest.approx({"A": 0.3, "B": 0.35, "C": 0.05, "D": 0.01})
    assert found.detail["likelihood"] == pytest.approx(0.71) and found.detail["at_most"] == {}
    assert scored(("a", 0.9), ("E", 0.05), ("B", 0.01)).answer == "B", "neither a small letter nor a fifth"


def test_a_letter_that_was_not_told_is_bounded_and_never_picked():
    found = scored(("A", 0.5), ("The", 0.3), ("B", 0.1))
    assert found.answer == "A"
    assert found.detail["at_most"] == pytest.approx({"C": 0.1, "D": 0.1}), "by the least likely token that was told"
    tight = scored(("A", 0.6), ("The", 0.3), ("B", 0.095))
    assert tight.detail["at_most"] == pytest.approx({"C": 0.005, "D": 0.005}), "by what all of them leave"


def test_no_letter_is_unparsed_and_a_model_that_thinks_is_cut():
    none = scored(("The", 0.9), ("I", 0.05))
    assert (none.status, none.scores, none.answer) == ("unparsed", {"accuracy": 0.0}, None)
    assert none.detail["at_most"] == pytest.approx(dict.fromkeys("ABCD", 0.05))
    assert scored(("<think>", 0.99), ("A", 0.01)).status == "truncated"
    assert scored(("A", 0.9), thinking="hm").status in ("truncated", "wrong")
    assert scored().status == "error" and "no log-probabilities" in scored().detail["error"]


def words(url, *more):
    return ("run", "mmlu", "--data", "sample", "--model", "openai:m", "--base-url", url, "--mode", "letters", *more)


@pytest.mark.slow
def test_an_endpoint_that_tells_the_truth_has_the_figures_of_its_weights(evalh):
    """Against the local engine with the same template."""
    template = "chatml"
    local = evalh("run", "mmlu", "--data", "sample", "--mode", "letters", "--model", f"local:{TINY}",
                  "--dtype", "float32", "--template", template, "--json")  # fmt: skip
    with serve(engine_reply(template=template)) as stub:
        found = evalh(*words(stub.url, "--json"))
        body = stub.seen[-1]
    assert (body["max_tokens"], body["logprobs"], body["top_logprobs"]) == (1, True, 20) and "stop" not in body
    theirs, ours = (said.json["benchmarks"]["mmlu@sample"] for said in (found, local))
    assert theirs["mode"] == ours["mode"] == "letters"
    assert (theirs["counts"], theirs["metrics"]) == (ours["counts"], ours["metrics"])
    folder = found.json["run"]
    assert evalh("rescore", folder).code == 0
    assert json.loads(Path(folder, "run.json").read_text())["benchmarks"]["mmlu@sample"]["mode"] == "letters"


def test_another_mode_is_another_run_and_is_not_compared(evalh):
    told = [("B", -0.1), ("A", -2.5)]
    with serve(lambda body: Reply(text="B", top=told)) as stub:
        letters = evalh(*words(stub.url, "--json")).json["run"]
        written = evalh("run", "mmlu", "--data", "sample", "--model", "openai:m", "--base-url", stub.url, "--json")
    said = evalh("compare", letters, written.json["run"])
    assert said.code == 4 and "mode" in said.out + said.err


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(status=400, error="logprobs are not supported with this model"), "gives no log-probabilities of first"),
        (Reply(text="B"), "gives no log-probabilities of first tokens; say --mode write"),
    ],
)
def test_an_endpoint_without_log_probabilities_is_refused_at_once(evalh, reply, why):
    with serve(lambda body: reply) as stub:
        said = evalh(*words(stub.url, "--concurrency", 2))
    assert said.code == 2 and why in said.err and len(said.err.splitlines()) <= 2
    assert len(stub.seen) <= 2


def test_who_cannot_be_asked_for_letters_is_refused_before_anything_is_asked(evalh, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k" * 20)
    cases = [
        (("mmlu", "--model", "anthropic:m"), "does not tell log-probabilities of first tokens"),
        (("mmlu", "--model", "echo"), "does not tell log-probabilities of first tokens"),
        (("gsm8k", "--model", "tiny"), "gsm8k is not answered by a letter alone; there is write"),
        (("mmlu_pro", "--model", "tiny"), "mmlu_pro is not answered by a letter alone"),
        (("mmlu", "--model", "tiny", "--mode", "letter"), "--mode wants rank, write or letters"),
    ]
    for more, why in cases:
        mode = () if "--mode" in more else ("--mode", "letters")
        said = evalh("run", *more, "--data", "sample", *mode)
        assert said.code == 2 and why in said.err, said
