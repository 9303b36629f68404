"""SGLang's own `/generate`: ranking by the log-probabilities of the prompt, against a server that tells the truth."""

import json

import pytest
from engine_server import TINY, engine_reply
from stub_server import Reply, serve

from evalharness import plugins
from evalharness.errors import UserError
from evalharness.model import Requests, answered
from evalharness.records import Message, Request

NATIVE = {"template": "none", "rank_by": "generate"}
QUESTIONS = [
    Request(messages=(Message("user", text),), choices=choices)
    for text, choices in (
        ("The sky is", (" blue", " green and wide", " a")),
        ("Two plus two makes", (" four", " five", " a hundred")),
        ("Grüße aus", (" Köln", " Ägypten", " 日本")),
    )
]


def asked(model, requests=QUESTIONS):
    found = dict(answered(model, Requests(requests)))
    return [found[place] for place in range(len(requests))]


def test_a_truthful_server_ranks_as_its_weights_do():
    here = asked(plugins.load_model(f"local:{TINY}", {"template": "none", "dtype": "float32", "threads": 1}))
    with serve(engine_reply()) as stub:
        model = plugins.load_model("openai:m", {**NATIVE, "base_url": f"{stub.url}"})
        there = asked(model)
        paths, body = {seen["path"] for seen in stub.seen}, stub.seen[-1]
    assert paths == {"/generate"} and "model" not in body
    assert body["return_logprob"] is body["return_text_in_logprobs"] is True and body["logprob_start_len"] == 0
    for ours, theirs in zip(here, there, strict=True):
        assert theirs.logprobs == pytest.approx(ours.logprobs, abs=1e-4)
        assert (theirs.lengths, theirs.greedy) == (ours.lengths, ours.greedy)
        assert theirs.tokens_in > 0 and not theirs.error


def test_a_server_that_shifts_by_one_is_refused_before_any_of_it_is_believed():
    with serve(engine_reply(shift=1)) as stub, pytest.raises(UserError, match="not those of its tokens"):
        asked(plugins.load_model("openai:m", {**NATIVE, "base_url": stub.url}))


def test_what_is_written_and_its_first_tokens(evalh):
    request = Request(messages=(Message("user", "The sky is"),), max_tokens=5, top_logprobs=3, stop=("zzz",))
    with serve(engine_reply()) as stub:
        (found,) = asked(plugins.load_model("openai:m", {**NATIVE, "base_url": stub.url, "top_k": 7}), [request])
        assert stub.seen[-1]["sampling_params"] == {
            "max_new_tokens": 5, "temperature": 0.0, "top_p": 1.0, "top_k": 7, "stop": ["zzz"],
        }  # fmt: skip
    (ours,) = asked(plugins.load_model(f"local:{TINY}", {"template": "none", "dtype": "float32"}), [request])
    assert (found.text, found.tokens_out) == (ours.text, ours.tokens_out)
    assert [token for token, _ in found.top_logprobs] == [token for token, _ in ours.top_logprobs]


@pytest.mark.slow
def test_doctor_and_a_whole_run(evalh):
    with serve(engine_reply()) as stub:
        words = ("--template", "none", "--rank-by", "generate", "--base-url", stub.url, "--json")
        examined = evalh("doctor", "openai:m", *words)
        said = evalh(
            "run", "tiny_exam", "--data", "sample", "--limit", 10, "--mode", "rank", "--model", "openai:m", *words
        )
    here = evalh("run", "tiny_exam", "--data", "sample", "--limit", 10, "--mode", "rank", "--model", f"local:{TINY}",
                 "--template", "none", "--dtype", "float32", "--json")  # fmt: skip
    found = {one["check"]: one["verdict"] for one in examined.json["findings"]}
    assert found["log-probabilities"] == found["determinism"] == "ok"
    (theirs,), (ours,) = (list(one.json["benchmarks"].values()) for one in (said, here))
    assert theirs["metrics"] == ours["metrics"]


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(status=404, error="Not Found"), "so this is no SGLang"),
        (Reply(raw=b'{"text": "x"}'), "meta_info is no object"),
        (Reply(raw=b'{"text": "x", "meta_info": {"prompt_tokens": "many"}}'), "usage is odd"),
        (
            Reply(raw=json.dumps({"text": "x", "meta_info": {"input_token_logprobs": [[None, 1, "T"]]}}).encode()),
            "no input_token_logprobs|are wanted",
        ),
    ],
)
def test_a_server_that_is_none_or_gives_no_scores_is_refused(reply, why):
    with serve(lambda body: reply) as stub, pytest.raises(UserError, match=why):
        asked(plugins.load_model("openai:m", {**NATIVE, "base_url": stub.url}), QUESTIONS[:1])
