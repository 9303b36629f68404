"""Models heard while they write: the OpenAI protocol on loopback, and the engine of this machine."""

import json

import pytest
from stub_server import Reply, serve

from evalharness import tiny
from evalharness.clients.pool import Retry
from evalharness.model import Streams, heard
from evalharness.models import tiny as tiny_plugin
from evalharness.models.openai import OpenAI
from evalharness.options import LocalOptions
from evalharness.records import Message, Request

ASKED = Request(messages=(Message("user", "hello"),), max_tokens=20)


def chunks(*deltas, finish="stop", key="delta"):
    """A streamed reply's body."""
    found = [{"choices": [{"index": 0, key: one, "finish_reason": None}]} for one in deltas]
    if finish:
        found.append({"choices": [{"index": 0, key: {} if key == "delta" else "", "finish_reason": finish}]})
    return Reply(raw=b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in found) + b"data: [DONE]\n\n")


def listen(reply, request=ASKED, **options):
    """What was told, the answer, and the bodies that the endpoint was sent."""
    pieces = []
    with serve(reply) as stub:
        model = OpenAI(model="m", base_url=stub.url, key="sk-0123456789", retry=Retry(attempts=2, first=0.0), **options)
        assert isinstance(model, Streams)
        response = heard(model, request, pieces.append)
    return pieces, response, stub.seen


def test_a_chat_is_told_piece_by_piece():
    pieces, response, seen = listen(lambda body: chunks({"role": "assistant"}, {"content": "Hel"}, {"content": "lo"}))
    assert pieces == ["Hel", "lo"] and (response.text, response.finish) == ("Hello", "stop")
    assert len(seen) == 1 and seen[0]["stream"] is True and seen[0]["max_tokens"] == 20
    assert seen[0]["authorization"] == "Bearer sk-0123456789"


def test_thinking_is_set_apart_and_a_stop_is_cut():
    request = Request(messages=ASKED.messages, stop=("!",))
    said = ({"reasoning_content": "Hm."}, {"content": "Yes"}, {"content": "! No"})
    pieces, response, _ = listen(lambda body: chunks(*said), request)
    assert pieces == ["Yes", "! No"] and (response.text, response.thinking) == ("Yes", "Hm.")


def test_a_base_model_is_told_too():
    made = chunks()
    made = Reply(raw=made.raw.replace(b'"delta": {}', b'"text": "once"'))
    pieces, response, seen = listen(lambda body: made, chat=False)
    assert pieces == ["once"] and response.text == "once" and seen[0]["path"] == "/v1/completions"


def test_what_is_refused_is_learned_and_the_answer_comes_whole():
    no = {"message": "Unsupported parameter: 'max_tokens'; use 'max_completion_tokens' instead.",
          "code": "unsupported_parameter", "param": "max_tokens"}  # fmt: skip
    pieces, response, seen = listen(lambda body: Reply(status=400, error=no) if "max_tokens" in body else "fine")
    assert pieces == [] and response.text == "fine" and "max_completion_tokens" in seen[-1]


def test_an_endpoint_that_does_not_stream_answers_whole():
    pieces, response, seen = listen(lambda body: "whole")
    assert pieces == [] and response.text == "whole" and len(seen) == 2 and "stream" not in seen[1]


@pytest.mark.parametrize("end", [b"", b'data: {"error": {"message": "sk-0123456789 is over"}}\n\n'])
def test_an_answer_that_breaks_off_is_an_error(end):
    made = chunks({"content": "Hel"}, finish=None)
    broken = Reply(raw=made.raw.replace(b"data: [DONE]\n\n", end))
    pieces, response, _ = listen(lambda body: broken)
    assert pieces == ["Hel"] and response.error and response.text == "" and "sk-0123" not in response.error


def test_a_model_of_this_machine_is_told_as_it_answers():
    model = tiny_plugin.open_model("", LocalOptions())
    pieces = []
    request = Request(messages=(Message("user", "What colour is the sky?"),), max_tokens=24)
    response = heard(model, request, pieces.append)
    ((_, same),) = model.answer([request])
    assert response.text == same.text and response.tokens_out == same.tokens_out
    assert "".join(pieces).startswith(same.text) and len([piece for piece in pieces if piece]) > 3
    assert tiny.MODEL_FOLDER.is_dir()


def test_a_model_that_cannot_be_heard_answers_whole():
    class Whole:
        def answer(self, requests):
            for index, _ in enumerate(requests):
                yield index, "said"

    assert heard(Whole(), ASKED, pytest.fail) == "said"
