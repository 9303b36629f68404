"""What comes back: thinking apart from the answer, ends in all words, and replies that were made to do harm."""

import gzip
import json
from dataclasses import replace

import pytest
from endpoint_profiles import chat, sent
from stub_server import Reply, serve

from evalharness.clients import http
from evalharness.clients.pool import AttemptError, Retry
from evalharness.errors import UserError
from evalharness.models._contents import finish_of
from evalharness.models.anthropic import Anthropic
from evalharness.models.gemini import Gemini
from evalharness.models.openai import OpenAI
from evalharness.records import Message, Request, Response, Sample
from evalharness.runs.store import record_to_json
from evalharness.scoring.answers import binary_score, choice, score_response

pytestmark = pytest.mark.usefixtures("http_client")

KEY = "sk-test-0123456789abcdef"
ASKED = Request(messages=(Message("user", "Which?"),))
SAMPLE = Sample(question="Which?", choices=("a", "b", "c", "d"), gold_indices=(3,), answers=("",))


def one(reply, kind=OpenAI, request=ASKED, **options) -> Response:
    with serve(lambda body: reply) as stub:
        retry = Retry(attempts=2, first=0.0)
        model = kind(**{"model": "m", "base_url": stub.url, "key": KEY, "retry": retry, **options})
        ((_, found),) = model.answer([request])
    return found


@pytest.mark.parametrize(
    ("reply", "text", "thinking"),
    [
        (chat("D", reasoning_content="It is A"), "D", "It is A"),
        (chat("D", reasoning="It is A"), "D", "It is A"),
        (chat(None, reasoning_content="It is A"), "", "It is A"),
        (chat([{"type": "text", "text": "The answer"}, {"type": "text", "text": " is D"}]), "The answer is D", ""),
        (chat([{"type": "thinking", "thinking": "A?"}, {"type": "text", "text": "D"}]), "D", "A?"),
        (chat([{"type": "reasoning", "text": "A?"}, {"type": "output_text", "text": "D"}]), "D", "A?"),
        (chat([{"type": "reference", "reference_ids": [1]}, {"type": "text", "text": "D"}]), "D", ""),
        (chat("<think>It is A</think>\n\nD"), "D", "<think>It is A</think>\n\n"),
        (chat("It is A\n</think>\n\nD"), "D", "It is A\n</think>\n\n"),
        (chat("The tag `</think>` ends it: D"), "The tag `</think>` ends it: D", ""),
        (chat("<think>It is"), "", "<think>It is"),
        (chat("D"), "D", ""),
    ],
)
def test_thinking_is_kept_apart(reply, text, thinking):
    found = one(reply)
    assert (found.text, found.thinking, found.error) == (text, thinking, "")
    assert ("thinking" in record_to_json(found)) == bool(thinking)


def says_nothing(sample, request, response):
    return binary_score(response.text == "")


@pytest.mark.parametrize("scorer", [choice, says_nothing])
@pytest.mark.parametrize(
    "reply",
    [chat(None, "length", reasoning="The answer is D"), chat("<think>D", "length"), chat("<think>The answer is D")],
)
def test_thinking_that_was_cut_off_is_truncated_whatever_the_right_answer_is(reply, scorer):
    score = score_response(scorer, SAMPLE, ASKED, one(reply))
    assert (score.status, set(score.scores.values()) <= {0.0}) == ("truncated", True)


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("stop", "stop"), (None, ""), ("", ""), ("eos_token", "stop"), ("end_turn", "stop"), ("max_tokens", "length"),
        ("MAX_TOKENS", "length"), ("FinishReason.STOP", "stop"), ("model_length", "length"), ("SAFETY", "refused"),
        ("content_filter", "refused"), ("refusal", "refused"), ("content_filter: RECITATION", "refused"),
        ("IMAGE_PROHIBITED_CONTENT", "refused"),
    ],
)  # fmt: skip
def test_ends_are_understood_in_all_words(word, finish):
    assert finish_of(word) == finish


@pytest.mark.parametrize("message", [{"message": None}, {}, {"message": {"role": "assistant"}}])
@pytest.mark.parametrize("finish", ["content_filter", "PROHIBITED_CONTENT", "content_filter: PROHIBITED_CONTENT"])
def test_a_filtered_reply_without_a_message_is_a_refusal(message, finish):
    """As Gemini sends it under the OpenAI protocol."""
    found = one(sent(choices=[{"index": 0, "finish_reason": finish, **message}]))
    assert (found.finish, found.text, found.error) == ("refused", "", "")


def test_an_end_that_says_of_itself_that_it_is_none_is_another_attempt():
    with pytest.raises(AttemptError):
        finish_of("error")
    assert "finish_reason error) (after 2 attempts)" in one(chat("D", "error")).error


@pytest.mark.parametrize(
    "reply",
    [
        chat("D", ["stop"]),
        chat("D", {"a": 1}),
        chat("D", 7),
        chat("D", "because"),
        chat(5),
        chat([5]),
        chat([{"type": "text", "text": 5}]),
        chat("D", reasoning_content=["x"]),
        chat("D", refusal={"a": 1}),
        chat("D", usage={"prompt_tokens": "many"}),
        chat("D", usage={"prompt_tokens": -1}),
        chat("D", usage={"prompt_tokens": True}),
        chat("D", usage={"prompt_tokens": 1e300}),
        chat("D", usage={"completion_tokens": [1]}),
        chat("D", usage={"completion_tokens_details": "x"}),
        chat("D", usage={"completion_tokens_details": {"reasoning_tokens": "x"}}),
        chat("D", usage=["x"]),
        sent(choices=[{"message": None}]),
        sent(choices=[{"message": [1]}]),
        sent(choices=["D"]),
        sent(choices={"0": 1}),
        sent(choices=None),
        sent(choices=[]),
        sent(error={"message": "upstream overloaded"}),
        Reply(raw=b"[1, 2]"),
        Reply(raw=b'"D"'),
        Reply(raw=b"9" * 6000),
        Reply(raw=b"[" * 100_000),
        Reply(raw=b'{"a":' * 90 + b"1" + b"}" * 90),
        Reply(raw=b"<html>\x1b[2J"),
        Reply(raw=b"{", headers={"Content-Encoding": "gzip"}),
        Reply(status=302, headers={"Location": "http://example.org/"}, error="x"),
    ],
)
def test_a_broken_reply_costs_its_item_alone(reply):
    found = one(reply, proven=True)
    assert found.error and found.error.isprintable() and "\n" not in found.error
    assert not found.text


@pytest.mark.parametrize("packed", [False, True])
def test_a_reply_larger_than_any_answer_is_not_read(packed, monkeypatch):
    monkeypatch.setattr(http, "LARGEST_REPLY", 1 << 20)
    whole = json.dumps({"choices": [{"message": {"content": "a" * (3 << 20)}}]}).encode()
    headers = {"Content-Encoding": "gzip"} if packed else {}
    found = one(Reply(raw=gzip.compress(whole) if packed else whole, headers=headers), proven=True)
    assert "more than 1 MiB" in found.error


def test_a_redirect_is_named_and_not_followed():
    with serve(lambda body: "never") as other:
        reply = Reply(status=307, headers={"Location": f"{other.url}/chat/completions?key=abcdef"}, error="moved")
        with pytest.raises(UserError, match="no redirect is followed") as raised:
            one(reply)
        assert other.seen == [] and "abcdef" not in str(raised.value) and other.url in str(raised.value)


def test_what_an_endpoint_says_is_printable_and_without_the_key():
    found = one(Reply(status=400, error=f"\x1b]0;owned\x07 {KEY}\u202e {'x' * 290}{KEY}"), proven=True)
    assert found.error.isprintable() and KEY not in found.error and "\\x1b]0;owned\\x07" in found.error
    assert "sk-test" not in found.error


def test_after_a_truthful_echo_a_broken_one_costs_its_item():
    request = Request(messages=(Message("user", "Q:"),), choices=(" a",))
    reply = Reply(echo={"tokens": ["other", "!"], "token_logprobs": [None, -1.0]})
    found = one(reply, request=request, chat=False, echoes=True, proven=True)
    assert "truthfully" in found.error


def test_names_that_an_endpoint_makes_up_fill_no_manifest():
    count = iter(range(1000))
    with serve(lambda body: sent(model=f"\x1b{next(count)}", choices=[{"message": {"content": "D"}}])) as stub:
        model = OpenAI(model="m", base_url=stub.url)
        assert len(list(model.answer([ASKED] * 40))) == 40
    assert len(model.served) == 16 and all(name.isprintable() for name in model.served)


@pytest.mark.parametrize(
    ("kind", "content", "wanted"),
    [
        (Anthropic, {"content": [], "stop_reason": "refusal"}, ("", "refused", "")),
        (Anthropic, {"content": [{"type": "text", "text": "D"}], "stop_reason": "max_tokens"}, ("D", "length", "")),
        (Anthropic, {"content": "D"}, ("", "", "no list")),
        (Anthropic, {"content": [], "usage": {"input_tokens": "x"}}, ("", "", "usage is odd")),
        (Anthropic, {"type": "error", "error": {"message": "busy"}}, ("", "", "holds no answer")),
        (Gemini, {"promptFeedback": {"blockReason": "SAFETY"}}, ("", "refused", "")),
        (Gemini, {"candidates": [{"finishReason": "SAFETY"}]}, ("", "refused", "")),
        (Gemini, {"candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}]}, ("", "length", "")),
        (Gemini, {"candidates": [{"content": {"parts": ["D"]}}]}, ("", "", "content is odd")),
        (Gemini, {"candidates": ["D"]}, ("", "", "candidates are odd")),
        (Gemini, {}, ("", "", "holds no answer")),
    ],
)  # fmt: skip
def test_replies_of_the_others(kind, content, wanted):
    found = one(sent(**content), kind=kind, proven=True)
    assert (
        (found.text, found.finish) == wanted[:2] and wanted[2] in found.error and bool(found.error) == bool(wanted[2])
    )


def test_secrets_of_extra_fields_and_halves_of_keys_are_in_no_message():
    from evalharness.models.openai import OpenAI

    model = OpenAI(model="m", base_url="https://h.example/v1", key="ZZTOPSECRET-KEY-OF-MINE")
    model = replace(model, chosen=replace(model.chosen, extra={"auth": {"api_key": "hunter2secret"}}))
    said = model.clean('bad {"api_key": "hunter2secret"} ' + "x" * 160 + " key ZZTOPSECRET-KEY-OF-MINE")
    assert "hunter2" not in said and "ZZTOP" not in said


def test_an_at_sign_in_a_path_is_no_user_name():
    from evalharness.models._addresses import public

    assert public("https://h.example/v1/@cf/x") == "https://h.example/v1/@cf/x"
    assert public("https://u:p@h.example/v1?key=1") == "https://h.example/v1"


def test_choices_keep_what_was_left_out_and_counted():
    from evalharness.models._choices import _together

    one = Response(logprobs=(-1.0,), greedy=(True,), lengths=(1,), cached_tokens=2, left_out=("temperature",), cost=0.5)
    both = _together([one, one])
    assert (both.left_out, both.cached_tokens, both.cost) == (("temperature",), 4, 1.0)


_BUSY = {"message": "Provider returned error", "code": 429, "metadata": {"raw": "Too Many Requests"}}
_COUNTED = {"prompt_tokens": 9, "completion_tokens": 99, "prompt_tokens_details": None}


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        # https://github.com/EleutherAI/lm-evaluation-harness/issues/3244
        (
            {"choices": [{"finish_reason": "length", "message": {"content": None, "tool_calls": None, "audio": None,
             "reasoning_content": "Lots of words"}}], "usage": _COUNTED},
            Response(finish="length", thinking="Lots of words", tokens_in=9, tokens_out=99),
        ),
        # https://github.com/UKGovernmentBEIS/inspect_ai/issues/1534
        (
            {"id": None, "choices": None, "created": None, "model": None, "usage": None, "error": _BUSY},
            Response(error="429: Provider returned error: Too Many Requests (after 2 attempts)"),
        ),
        # https://github.com/BerriAI/litellm/issues/41849
        (
            {"choices": [{"finish_reason": "stop", "message": {"content": "D", "reasoning_content": "So D.",
             "thinking_blocks": [{"type": "thinking", "thinking": "So D."}]}}],
             "usage": {**_COUNTED, "completion_tokens_details": None}},
            Response(text="D", finish="stop", thinking="So D.", tokens_in=9, tokens_out=99),
        ),
        # https://github.com/UKGovernmentBEIS/inspect_ai/pull/3983
        (
            {"choices": [{"finish_reason": "stop", "message": {"content": "D", "reasoning": "",
             "reasoning_content": ""}}],
             "usage": {**_COUNTED, "completion_tokens_details": {"reasoning_tokens": None}}},
            Response(text="D", finish="stop", tokens_in=9, tokens_out=99),
        ),
    ],
)  # fmt: skip
def test_replies_that_ended_the_runs_of_others(content, wanted):
    assert replace(one(sent(**content)), seconds=wanted.seconds, cost=wanted.cost) == wanted
