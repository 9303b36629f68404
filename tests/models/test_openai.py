"""The OpenAI-compatible model against a loopback server that behaves, and one that does not."""

import json
import math

import pytest
from stub_server import Reply, Stub, serve, text_of

from evalharness.clients.pool import Retry
from evalharness.errors import UserError
from evalharness.models._prices import Prices
from evalharness.models.openai import OpenAI, open_model
from evalharness.options import EndpointOptions
from evalharness.records import Message, Request

pytestmark = pytest.mark.usefixtures("http_client")

KEY = "sk-test-0123456789abcdef"
AT_ONCE = Retry(attempts=3, first=0.0)


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def model(stub: Stub, **options) -> OpenAI:
    return OpenAI(**{"model": "m", "base_url": stub.url, "key": KEY, "retry": AT_ONCE, **options})


def ask(text: str = "hello", **options) -> Request:
    return Request(messages=(Message("user", text),), **options)


def one(asked: OpenAI, request: Request):
    ((_, response),) = asked.answer([request])
    return response


def test_chat_sends_what_was_asked_and_nothing_else():
    with serve(lambda body: Reply(text="hi", tokens=(7, 2))) as stub:
        response = one(model(stub, priced=Prices((1.0, 10.0))), ask(max_tokens=9, stop=("\n",)))
    assert (response.text, response.finish, response.tokens_in, response.tokens_out) == ("hi", "stop", 7, 2)
    assert response.cost == pytest.approx((7 * 1 + 2 * 10) / 1e6)
    sent = {k: v for k, v in stub.seen[0].items() if k not in ("path", "authorization")}
    assert sent == {
        "model": "m", "temperature": 0.0, "max_tokens": 9, "stop": ["\n"],
        "messages": [{"role": "user", "content": "hello"}],
    }  # fmt: skip
    assert stub.seen[0]["authorization"] == f"Bearer {KEY}"


def test_every_index_comes_once():
    with serve(text_of) as stub:
        found = dict(model(stub, workers=7).answer([ask(str(i)) for i in range(60)]))
    assert {i: r.text for i, r in found.items()} == {i: str(i) for i in range(60)}


def test_no_answer_is_lost_or_doubled_whenever_the_last_one_comes():
    with serve(text_of) as stub:
        asked = model(stub, workers=3)
        for count in range(1, 40):
            assert sorted(i for i, _ in asked.answer([ask(str(n)) for n in range(count)])) == list(range(count))


def test_sampling_schema_and_logprobs_reach_the_endpoint():
    schema = {"type": "object", "properties": {"v": {"type": "integer"}}, "required": ["v"]}
    with serve(lambda body: Reply(text="m", top=[("m", -0.1), ("M", -2.5)])) as stub:
        response = one(model(stub), ask(temperature=1.0, seed=5, top_p=0.9, top_logprobs=5, schema=schema))
    assert response.top_logprobs == (("m", -0.1), ("M", -2.5))
    sent = stub.seen[0]
    assert (sent["seed"], sent["top_p"], sent["logprobs"], sent["top_logprobs"]) == (5, 0.9, True, 5)
    assert sent["response_format"]["json_schema"]["schema"] == schema


def test_a_base_model_is_asked_byte_for_byte():
    with serve(lambda body: Reply(text=" B", top=[(" B", -0.5)])) as stub:
        response = one(model(stub, chat=False), ask("a\nAnswer:", top_logprobs=3))
    assert stub.seen[0]["path"] == "/v1/completions"
    assert stub.seen[0]["prompt"] == "a\nAnswer:"
    assert response.text == " B"
    assert response.top_logprobs == ((" B", -0.5),)


def test_missing_logprobs_are_empty_and_null_content_is_no_text():
    with serve(lambda body: Reply(raw=b'{"choices":[{"message":{"content":null},"finish_reason":"stop"}]}')) as stub:
        response = one(model(stub), ask(top_logprobs=5))
    assert (response.text, response.top_logprobs, response.error, response.cost) == ("", (), "", None)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(finish="content_filter"),
        Reply(refusal="I can't help with that."),
        Reply(status=400, error={"message": "filtered", "code": "content_filter"}),
    ],
)
def test_a_refusal_is_a_refusal(reply):
    with serve(lambda body: reply) as stub:
        response = one(model(stub), ask())
    assert (response.finish, response.error) == ("refused", "")


def test_cut_off_says_length():
    with serve(lambda body: Reply(text="The answer", finish="length")) as stub:
        assert one(model(stub), ask()).finish == "length"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 529])
def test_passing_trouble_is_tried_again(status):
    trouble = [Reply(status=status, headers={"Retry-After": "0"}), Reply(text="fine")]
    with serve(lambda body: trouble.pop(0)) as stub:
        asked = model(stub)
        assert one(asked, ask()).text == "fine"
    assert asked.retries == 1


def test_attempts_are_bounded_and_the_error_says_so():
    with serve(lambda body: Reply(status=500, error="broken")) as stub:
        response = one(model(stub), ask())
    assert response.error == "500: broken (after 3 attempts)"
    assert len(stub.seen) == 3


def test_a_pause_that_is_too_long_is_not_waited_for():
    with serve(lambda body: Reply(status=429, headers={"Retry-After": "86400"}, error="daily limit")) as stub:
        response = one(model(stub), ask())
    assert "asks to wait 86400 s" in response.error
    assert len(stub.seen) == 1


def test_garbage_with_status_200_is_tried_again():
    replies = [Reply(raw=b"<html>gateway</html>"), Reply(raw=b'{"choices": []}'), Reply(text="fine")]
    with serve(lambda body: replies.pop(0)) as stub:
        assert one(model(stub), ask()).text == "fine"


def test_one_impossible_request_fails_alone():
    def reply(body):
        too_long = Reply(status=400, error="this model's maximum context length is 8 tokens")
        return too_long if "long" in text_of(body) else "ok"

    with serve(reply) as stub:
        found = dict(model(stub, workers=1).answer([ask("a"), ask("long"), ask("b")]))
    assert [found[i].text for i in range(3)] == ["ok", "", "ok"]
    assert found[1].error.startswith("400: this model's maximum context")


def test_newer_models_know_the_limit_under_another_name():
    def reply(body):
        if "max_tokens" in body:
            return Reply(status=400, error="Unsupported parameter: use 'max_completion_tokens' instead.")
        return str(body["max_completion_tokens"])

    with serve(reply) as stub:
        asked = model(stub, workers=1)
        assert [r.text for _, r in asked.answer([ask(max_tokens=3), ask(max_tokens=4)])] == ["3", "4"]
    assert len(stub.seen) == 3


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply(status=401, error=f"Incorrect API key provided: {KEY}"), "not accepted"),
        (Reply(status=403, error="country"), "refuses access"),
        (Reply(status=404, error="The model `m` does not exist"), "knows no model 'm'"),
        (Reply(status=400, error="invalid model ID"), "knows no model 'm'"),
        (Reply(status=400, error={"message": "temperature", "code": "unsupported_value"}), "cannot be asked this way"),
        (Reply(status=429, error={"message": "pay", "code": "insufficient_quota"}), "no money left"),
    ],
)
def test_what_nobody_can_answer_is_one_line_without_the_key(reply, says):
    with serve(lambda body: reply) as stub, pytest.raises(UserError) as error:
        list(model(stub, workers=4).answer([ask(str(i)) for i in range(9)]))
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert KEY not in str(error.value)


def test_an_unreachable_endpoint_is_one_line():
    with serve(lambda body: "x") as stub:
        gone = stub.url
    with pytest.raises(UserError, match="cannot be reached"):
        list(model(Stub(gone)).answer([ask()]))


def test_the_key_is_in_no_error_repr_or_description():
    with serve(lambda body: Reply(status=400, error=f"bad header Bearer {KEY}")) as stub:
        asked = model(stub)
        response = one(asked, ask())
    everything = response.error + repr(asked) + json.dumps(asked.describe()) + asked.fingerprint
    assert KEY not in everything
    assert "[key]" in response.error


def test_stopping_early_leaves_nothing_behind():
    with serve(lambda body: "x") as stub:
        asked = model(stub, workers=2).answer([ask(str(i)) for i in range(500)])
        next(asked)
        asked.close()
        assert len(stub.seen) < 500


@pytest.mark.parametrize(
    ("argument", "options", "environment", "says"),
    [
        ("", {}, {}, "needs the name of a model"),
        ("m", {"base_url": "localhost:8000"}, {}, "wanted an address"),
        ("m", {"concurrency": 0}, {}, "wanted 1 or more"),
        ("m", {}, {"OPENAI_API_KEY": "sk-\nx"}, "characters that no key has"),
    ],
)
def test_a_model_that_cannot_be_opened(argument, options, environment, says, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=says):
        open_model(argument, EndpointOptions(**options))


@pytest.mark.parametrize(
    ("spec", "key"),
    [("openai:m", "OPENAI_API_KEY"), ("anthropic:m", "ANTHROPIC_API_KEY"), ("gemini:m", "GEMINI_API_KEY")],
)
def test_a_provider_wants_its_key_only_where_it_is_asked(evalh, monkeypatch, spec, key):
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    said = evalh("preview", "gsm8k", "--data", "sample", "--model", spec)
    assert said.code == 0 and "[user]" in said.out, said.err
    for words in (("run", "gsm8k", "--data", "sample", "--model", spec), ("chat", spec), ("doctor", spec)):
        refused = evalh(*words)
        assert refused.code == 2 and f"set {key}" in refused.err and "base" in refused.err, words
    assert evalh("run", "gsm8k", "--data", "sample", "--judge", f"score={spec}").code == 2


@pytest.mark.parametrize("status", [404, 405])
def test_an_address_without_a_version_is_told_where_it_usually_ends(evalh, status):
    with serve(lambda body: Reply(status=status, error="no such page")) as stub:
        root = stub.url.removesuffix("/v1")
        said = evalh("run", "gsm8k", "--data", "sample", "--model", "openai:m", "--base-url", root)
        assert said.code == 2 and f"--base-url {root}/v1" in said.err, said.err
        whole = evalh("run", "gsm8k", "--data", "sample", "--model", "openai:m", "--base-url", stub.url)
        assert "/v1/v1" not in whole.err


def test_a_page_for_people_is_no_endpoint(evalh):
    with serve(lambda body: Reply(raw=b"<!doctype html><title>Ollama</title>")) as stub:
        root = stub.url.removesuffix("/v1")
        said = evalh("run", "gsm8k", "--data", "sample", "--model", "openai:m", "--base-url", root)
        assert said.code == 2 and "page for people" in said.err and f"{root}/v1" in said.err


def test_the_address_may_stand_in_the_name_and_keeps_its_secrets():
    asked = open_model("org/m@http://user:secret@localhost:1/v1?token=t", EndpointOptions(base_url="http://other/v1"))
    assert asked.name == "openai:org/m@http://localhost:1/v1"
    assert asked.describe()["base_url"] == "http://localhost:1/v1"
    assert asked.fingerprint != open_model("org/m", EndpointOptions(base_url="http://other/v1")).fingerprint


def echo(values, shift=0):
    """A completions server that echoes one token per character with the values given by character."""

    def reply(body):
        text = body["prompt"] + "!"
        tokens = list(text) if not shift else list(text)[:-1]
        logprobs = [None] + [values.get(c, -9.0) for c in tokens[1:]]
        tops = [None] + [{c: v, "?": -1.5} for c, v in zip(tokens[1:], logprobs[1:], strict=True)]
        return Reply(text=text, echo={
            "tokens": tokens, "token_logprobs": logprobs, "top_logprobs": tops, "text_offset": list(range(len(tokens))),
        })  # fmt: skip

    return reply


def test_choices_are_ranked_by_echo():
    request = ask("Q:", choices=("ab", "c"), context_per_choice=("", "x"))
    with serve(echo({"a": -1.0, "b": -2.0, "c": -0.5})) as stub:
        response = one(model(stub, chat=False), request)
    assert sorted(body["prompt"] for body in stub.seen) == ["Q:ab", "Q:xc"]
    assert response.logprobs == (-3.0, -0.5)
    assert response.greedy == (False, True)
    assert response.lengths == (2, 1)
    assert not any(math.isnan(v) for v in response.logprobs)


@pytest.mark.parametrize("choice", ["a", "ab"])
def test_an_endpoint_that_hides_the_generated_token_is_refused(choice):
    """Of a choice of two tokens one would be left to sum; of one token nothing is."""
    with serve(echo({"a": -1.0, "b": -1.0}, shift=1)) as stub, pytest.raises(UserError, match="truthfully"):
        one(model(stub, chat=False), ask("Q:", choices=(choice,)))


def test_an_endpoint_that_does_not_echo_is_refused():
    with serve(lambda body: "ignored") as stub, pytest.raises(UserError, match="truthfully"):
        one(model(stub, chat=False), ask("Q:", choices=("a",)))


def test_a_chat_endpoint_says_that_it_cannot_rank():
    with serve(lambda body: "x") as stub, pytest.raises(UserError, match="cannot rank"):
        one(model(stub), ask(choices=("a", "b")))


def test_a_lone_surrogate_is_sent_as_an_escape():
    with serve(text_of) as stub:
        assert one(model(stub), ask("a\ud800b")).text == "a\ud800b"
