"""What an endpoint refuses is left out of each request on its own, said once, and known to the cache."""

import json
import threading
from collections import Counter
from pathlib import Path

import pytest
from endpoint_profiles import asked, chat, gpt5, letter, no
from stub_server import Reply, serve, text_of

from evalharness.clients.pool import Retry
from evalharness.clients.refusal import Refusal
from evalharness.errors import UserError
from evalharness.events import Warned, observed_by
from evalharness.models._refused import adapted, blamed
from evalharness.models.anthropic import Anthropic
from evalharness.models.openai import OpenAI
from evalharness.records import Message, Request
from evalharness.runs import cache

pytestmark = pytest.mark.usefixtures("http_client")


def model(stub, **options) -> OpenAI:
    return OpenAI(**{"model": "m", "base_url": stub.url, "retry": Retry(attempts=2, first=0.0), **options})


def ask(text="hello", **options) -> Request:
    return Request(messages=(Message("user", text),), **options)


def answers(asked_model, requests):
    heard = []
    with observed_by(heard.append):
        found = dict(asked_model.answer(requests))
    return [found[i] for i in range(len(requests))], [event.text for event in heard if isinstance(event, Warned)]


def test_requests_in_flight_are_each_asked_again_and_the_warning_comes_once():
    together = threading.Barrier(8, timeout=20)

    def reply(body):
        if "max_tokens" in body:
            together.wait()  # all are on their way with the old name before the first one is refused
        return gpt5(body)

    with serve(reply) as stub:
        endpoint = model(stub, workers=8)
        found, warnings = answers(endpoint, [ask(str(n), stop=("\n",)) for n in range(16)])
    assert [r.text for r in found] == [letter(str(n)) for n in range(16)]
    assert {r.left_out for r in found} == {("temperature",)}
    assert len(warnings) == 3 and all("the manifest says so" in text for text in warnings)
    assert endpoint.describe()["refused_parameters"] == {
        "max_tokens": "sent as max_completion_tokens", "stop": "left out", "temperature": "left out",
    }  # fmt: skip
    shapes = Counter(tuple(sorted({"max_tokens", "temperature", "stop"} & body.keys())) for body in stub.seen)
    assert shapes[()] == 16 and shapes[("max_tokens", "stop", "temperature")] == 8


def test_where_the_texts_to_stop_at_are_refused_the_answer_is_cut_here():
    def reply(body):
        if "stop" in body:
            return no(
                "Unsupported parameter: 'stop' is not supported with this model.", "unsupported_parameter", "stop"
            )
        return chat("one\nQ: two", finish="length")

    with serve(reply) as stub:
        (found,), _ = answers(model(stub), [ask(stop=("\nQ:", "\n\n"))])
    assert (found.text, found.finish, found.left_out) == ("one", "stop", ())


@pytest.mark.parametrize(
    "said",
    [
        "'stop' supports up to 4 sequences",
        "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length 5.",
    ],
)
def test_of_more_than_four_texts_to_stop_at_four_are_sent(said):
    stops = ("a", "b", "c", "d", "X")
    with serve(lambda body: no(said) if len(body["stop"]) > 4 else chat("longX!")) as stub:
        endpoint = model(stub)
        (found,), _ = answers(endpoint, [ask(stop=stops)])
    assert (found.text, stub.seen[-1]["stop"]) == ("long", ["a", "b", "c", "d"])
    assert endpoint.refused == {"stop": "at most 4"}


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        ({"error": {"message": "Unrecognized request argument supplied: seed"}}, "seed"),
        ({"detail": [{"loc": ["body", "top_p"], "msg": "Extra inputs are not permitted"}]}, "top_p"),
        ({"error": {"message": "`temperature` and `top_p` cannot both be specified for this model."}}, "top_p"),
        ({"error": {"message": "temperature may only be set to 1 when thinking is enabled"}}, "temperature"),
        ({"error": {"message": "response_format is not supported"}}, "response_format"),
        ({"error": {"message": "logprobs are not supported with this model, logprobs"}}, "logprobs"),
        ({"error": {"message": "top_logprobs must be <= 5"}}, "top_logprobs"),
        ([{"error": {"message": "x", "param": "seed", "code": "unknown_parameter"}}], "seed"),
        ({"error": {"message": "max_tokens is too large: 9000, at most 4096 are supported"}}, ""),
        ({"error": {"message": "'max_tokens' or 'max_completion_tokens' is too large: 9000"}}, ""),
        ({"error": {"message": "temperature 7 is not within the range 0 to 2"}}, ""),
        ({"error": {"message": "this model's maximum context length is 8 tokens"}}, ""),
        ({"error": {"message": "the temperature of the seed is unknown", "param": 7, "code": ["x"]}}, "temperature"),
        ("no JSON object", ""),
    ],
)
def test_who_is_to_blame(error, wanted):
    settings = dict.fromkeys(("max_tokens", "temperature", "top_p", "seed", "response_format", "logprobs"), 1)
    assert blamed(Refusal(400, {}, error), {**settings, "top_logprobs": 20, "stop": ["a"]}) == wanted
    assert blamed(Refusal(500, {}, error), settings) == ""


def test_what_was_learned_changes_only_what_a_request_has():
    known = {"max_tokens": "sent as max_completion_tokens", "logprobs": "left out", "stop": "at most 4"}
    assert adapted({"max_tokens": 3}, known) == {"max_completion_tokens": 3}
    assert adapted({"max_completion_tokens": 3, "stop": ["a"]}, known) == {"max_completion_tokens": 3, "stop": ["a"]}
    assert adapted({"logprobs": True, "top_logprobs": 2}, known) == {}
    ranking = {"echo": True, "logprobs": 1}
    assert adapted(ranking, known) == ranking


def test_an_endpoint_that_refuses_whatever_it_is_told_is_one_line():
    with serve(
        lambda body: no("temperature, top_p, seed, stop, max_tokens are not supported", "unsupported_value")
    ) as stub:
        with pytest.raises(UserError, match="cannot be asked this way"):
            answers(model(stub), [ask(temperature=1.0, top_p=0.5, stop=("a",))])
        assert len(stub.seen) < 12


def test_an_answer_had_without_a_parameter_is_not_given_once_the_endpoint_takes_it(tmp_path):
    takes = []

    def reply(body):
        if "temperature" in body and not takes:
            return no("Unsupported parameter: 'temperature'", "unsupported_parameter", "temperature")
        return chat(("warm " if "temperature" in body else "cold ") + asked(body))

    requests = [ask(str(n)) for n in range(6)]
    with serve(reply) as stub:

        def texts():
            before = len(stub.seen)
            found, _ = answers(cache.with_cache(model(stub), tmp_path / "c.sqlite"), requests)
            return [r.text for r in found], len(stub.seen) - before

        cold = [f"cold {n}" for n in range(6)]
        assert texts()[0] == cold
        again, sent = texts()
        assert again == cold and sent <= 2, "one question finds out that it is still refused"
        takes.append(True)
        assert texts()[0] == [f"warm {n}" for n in range(6)]
        assert texts() == ([f"warm {n}" for n in range(6)], 0)


def test_while_nothing_can_be_found_out_no_such_answer_is_given(tmp_path):
    def reply(body):
        if "temperature" in body:
            return no("Unsupported parameter: 'temperature'", "unsupported_parameter", "temperature")
        return chat("x") if good else Reply(status=400, error="odd")

    good = [True]
    requests = [ask(str(n)) for n in range(3)]
    with serve(reply) as stub:
        answers(cache.with_cache(model(stub), tmp_path / "c.sqlite"), requests)
        good.clear()
        found, _ = answers(cache.with_cache(model(stub), tmp_path / "c.sqlite"), requests)
    assert all(r.error for r in found)


def test_a_run_keeps_what_was_refused_when_another_start_of_it_meets_it(evalh, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    fails = []

    def reply(body):
        if not fails and "temperature" in body:
            return no("Unsupported parameter: 'temperature'", "unsupported_parameter", "temperature")
        if "temperature" not in body and len(stub.seen) > 8:
            return Reply(status=400, error="odd")
        return chat("A")

    with serve(reply) as stub:
        words = ("run", "mmlu", "--data", "sample", "--limit", 10, "--model", "openai:m", "--base-url", stub.url)
        first = evalh(*words, "--json", "--concurrency", 1)
        assert first.code == 3
        fails.append(True)
        second = evalh(*words, "--json")
        assert second.code == 0, second.err
    said = json.loads(Path(second.json["run"], "run.json").read_text())["model"]
    assert said["refused_parameters"] == {"temperature": "left out"} and said["served"] == ["m"]


def test_claude_is_not_told_white_space_to_stop_at_and_is_cut_there():
    def reply(body):
        assert body["stop_sequences"] == ["Q:"]
        return Reply(
            raw=json.dumps({"content": [{"type": "text", "text": "one\ntwo"}], "stop_reason": "end_turn"}).encode()
        )

    with serve(reply) as stub:
        claude = Anthropic(model="m", base_url=stub.url, retry=Retry(attempts=1))
        (found,), _ = answers(claude, [ask(stop=("\n", "Q:"))])
    assert (found.text, found.finish) == ("one", "stop")


def test_text_of_a_body_is_as_sent():
    with serve(text_of) as stub:
        (found,), warnings = answers(model(stub), [ask("as it is")])
    assert (found.text, warnings) == ("as it is", [])
