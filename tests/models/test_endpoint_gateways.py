"""Replies of gateways and of odd servers, as their users reported them: each is an answer, a refusal or an error."""

import gzip
from dataclasses import replace

import pytest
from endpoint_profiles import chat, sent
from stub_server import Reply, serve

from evalharness.clients.pool import Retry
from evalharness.errors import UserError
from evalharness.models.openai import OpenAI
from evalharness.records import Message, Request, Response

pytestmark = pytest.mark.usefixtures("http_client")
ASKED = Request(messages=(Message("user", "Which?"),))


def one(reply, request=ASKED, **options) -> Response:
    with serve(lambda body: reply) as stub:
        retry = Retry(attempts=2, first=0.0)
        ((_, found),) = OpenAI(model="m", base_url=stub.url, retry=retry, **options).answer([request])
    return found


def gateway(status, message="Provider returned error", **error):
    """An error of the provider behind a gateway, sent as a reply of status 200."""
    return sent(choices=None, usage=None, error={"message": message, "code": status, **error})


def test_an_error_in_a_reply_of_status_200_is_dealt_with_as_its_own_status_says():
    """As OpenRouter sends them (github.com/UKGovernmentBEIS/inspect_ai/issues/1534)."""
    with serve(lambda body: gateway(429, metadata={"raw": "Too Many Requests"})) as stub:
        model = OpenAI(model="m", base_url=stub.url, retry=Retry(attempts=2, first=0.0))
        before = model.pace.limit
        ((_, found),) = model.answer([ASKED])
    assert "429: Provider returned error: Too Many Requests (after 2 attempts)" in found.error
    assert model.pace.limit < before, "who is told that there are too many asks for less"
    for status, wanted in ((402, "no money left"), (401, "refuses access"), (404, "knows no model")):
        with pytest.raises(UserError, match=wanted):
            one(gateway(status, "no"))
    assert one(gateway("400", "bad"), proven=True).error == "400: bad"
    for odd in (gateway(None), gateway(True), gateway(["429"]), gateway("4290"), gateway(200), sent(error="busy")):
        assert "the reply holds no answer" in one(odd, proven=True).error


def test_a_parameter_that_is_refused_within_a_reply_of_status_200_is_left_out():
    said = "Unsupported value: 'temperature' does not support 0 with this model."
    with serve(lambda body: gateway(400, said) if "temperature" in body else "D") as stub:
        model = OpenAI(model="m", base_url=stub.url)
        ((_, found),) = model.answer([ASKED])
    assert (found.text, found.error, model.refused) == ("D", "", {"temperature": "left out"})


@pytest.mark.parametrize("finish", ["error", None, ""])
def test_a_gateway_that_lost_its_provider_on_the_way_gave_no_answer(finish):
    choice = {
        "message": {"content": "Hal"},
        "finish_reason": finish,
        "error": {"code": 502, "message": "Upstream idle"},
    }
    found = one(sent(choices=[choice]), proven=True)
    assert found.error == "the endpoint broke the answer off: Upstream idle (after 2 attempts)"
    assert one(sent(choices=[{**choice, "finish_reason": "stop"}]), proven=True).text == "Hal"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (
            400,
            {"message": "filtered", "code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}},
        ),
        (400, {"message": "litellm.ContentPolicyViolationError: AzureException - filtered", "code": "400"}),
        (400, {"message": "The prompt triggers Azure OpenAI's content management policy.", "code": None}),
        (400, {"message": "Your request was rejected as a result of our safety system.", "code": "x"}),
        (
            400,
            {"message": "Invalid prompt: flagged as potentially violating our usage policy.", "code": "invalid_prompt"},
        ),
        (400, {"message": "Input data may contain inappropriate content.", "type": "data_inspection_failed"}),
        (403, {"message": "Your chosen model requires moderation and your input was flagged", "code": 403}),
    ],
)
def test_a_prompt_that_a_filter_refused_is_a_refusal_in_all_words(status, error):
    """The first one asked too: it says nothing of the key."""
    found = one(Reply(status=status, error=error))
    assert (found.finish, found.error, found.text) == ("refused", "", "")


def test_an_answer_of_nothing_that_took_nothing_is_none():
    """As gateways pass a provider's failure on (github.com/BerriAI/litellm/issues/38199)."""
    nothing = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    assert "by its usage nothing was read or written (after 2 attempts)" in one(chat("", usage=nothing)).error
    for reply in (
        chat("D", usage=nothing),
        chat(""),
        chat("", "length", nothing),
        chat(None, usage={"total_tokens": 0}),
    ):
        assert one(reply).error == ""


def test_parts_without_a_type_and_reasons_in_a_list_are_read():
    assert one(chat([{"text": "D"}])).text == "D"
    assert one(Reply(status=400, raw=b'{"errors": [{"code": 7003, "message": "no route"}]}'), proven=True).error == (
        "400: no route"
    )
    assert one(Reply(raw=b""), proven=True).error == "the reply holds no answer: it is empty (after 2 attempts)"


@pytest.mark.parametrize("nothing", ["-Infinity", "null"])
def test_a_token_of_no_probability_costs_the_others_nothing(nothing):
    tops = b'[{"token": "D", "logprob": -0.1}, {"token": "x", "logprob": %b}]' % nothing.encode()
    told = b'{"content": [{"token": "D", "logprob": -0.1, "top_logprobs": %b}]}' % tops
    reply = Reply(raw=b'{"choices": [{"message": {"content": "D"}, "logprobs": %b}]}' % told)
    found = one(reply, request=replace(ASKED, top_logprobs=5))
    assert (found.top_logprobs, found.error) == ((("D", -0.1),), "")


def test_a_page_of_a_login_costs_its_item_and_an_error_may_be_packed():
    page = Reply(raw=b"<!DOCTYPE html><title>Sign in</title>", headers={"X-Frame-Options": "DENY"})
    assert "the reply holds no answer: <!DOCTYPE html>" in one(page, proven=True).error
    packed = gzip.compress(b'{"error": {"message": "too long"}}')
    found = one(Reply(status=400, raw=packed, headers={"Content-Encoding": "gzip"}), proven=True)
    assert found.error == "400: too long"
