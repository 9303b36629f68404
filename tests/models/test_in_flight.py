"""How an endpoint is asked: what may be in flight together is, no more than allowed, and nothing is left behind."""

import json
import threading

import pytest
from raw_server import framed, raw_server
from stub_server import Reply, Stub, serve, text_of

from evalharness.clients.pool import AHEAD, Retry
from evalharness.errors import UserError
from evalharness.model import Requests, answered
from evalharness.models._prices import Prices
from evalharness.models.openai import OpenAI
from evalharness.records import Message, Request

pytestmark = pytest.mark.usefixtures("http_client")


def model(stub: Stub, **options) -> OpenAI:
    return OpenAI(**{"model": "m", "base_url": stub.url, "retry": Retry(attempts=3, first=0.0), **options})


def ask(text: str = "hello", **options) -> Request:
    return Request(messages=(Message("user", text),), **options)


def network() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "evalh-network"]


def echo(body) -> Reply:
    """A completions server that echoes one token per character, worth its place in the alphabet."""
    tokens = list(body["prompt"] + "!")
    values = [None, *(-float(ord(c) - ord("a") + 1) for c in tokens[1:])]
    return Reply(echo={
        "tokens": tokens, "token_logprobs": values, "text_offset": list(range(len(tokens))),
        "top_logprobs": [None, *({c: v} for c, v in zip(tokens[1:], values[1:], strict=True))],
    })  # fmt: skip


@pytest.mark.parametrize("questions", [1, 2])
def test_choices_are_in_flight_together(questions):
    together = []

    def reply(body):
        together.append(stub.until(lambda: len(stub.seen) == 4 * questions))
        return echo(body)

    asked = [ask(f"{n}:", choices=("a", "bb", "c", "dd")) for n in range(questions)]
    with serve(reply) as stub:
        found = dict(model(stub, chat=False, workers=4 * questions, priced=Prices((1e6, 0.0))).answer(asked))
    assert together == [True] * 4 * questions
    assert sorted(found) == list(range(questions))
    for response in found.values():
        assert (response.logprobs, response.lengths) == ((-1.0, -4.0, -3.0, -8.0), (1, 2, 1, 2))
        assert (response.tokens_in, response.cost) == (40, 40.0)


def test_a_choice_that_fails_is_tried_again_alone_and_one_that_fails_for_good_spoils_its_question_only():
    fails = {"0:bb": Reply(status=500), "1:c": Reply(status=400, error="too long")}

    def reply(body):
        once = fails.pop(body["prompt"], None) if body["prompt"] == "0:bb" else fails.get(body["prompt"])
        return once or echo(body)

    with serve(reply) as stub:
        asked = [ask(f"{n}:", choices=("a", "bb", "c")) for n in range(2)]
        found = dict(model(stub, chat=False, workers=2).answer(asked))
    assert found[0].logprobs == (-1.0, -4.0, -3.0)
    assert (found[1].error, found[1].logprobs) == ("400: too long", ())
    assert len(stub.seen) == 7


def test_no_more_is_in_flight_than_allowed_and_what_is_added_is_asked_at_once():
    """Each reply waits until three are in flight; every answer but the last ones brings on another question."""

    def reply(body):
        assert stub.until(lambda: stub.busy == 3 or len(stub.seen) > 28)
        return text_of(body)

    with serve(reply) as stub:
        requests = Requests(ask(str(n)) for n in range(5))
        found = []
        for _, response in answered(model(stub, workers=3), requests):
            found.append(response.text)
            if len(requests) < 30:
                requests.add(ask(str(len(requests))))
    assert sorted(map(int, found)) == list(range(30))
    assert stub.busiest == 3


def test_a_reader_who_does_not_read_holds_the_network_up():
    most = 2 * 2 + AHEAD

    with serve(text_of) as stub:
        answers = answered(model(stub, workers=2), Requests(ask(str(n)) for n in range(2 * most)))
        next(answers)
        assert stub.until(lambda: len(stub.seen) >= most and not stub.busy)
        assert len(stub.seen) == most, "one answer was read, and no other was asked for it yet"
        assert sum(1 for _ in answers) == 2 * most - 1


@pytest.mark.parametrize("how", ["close", "throw"])
def test_stopping_early_sends_nothing_more_and_leaves_neither_thread_nor_connection(how):
    over = threading.Event()

    def reply(body):
        if len(stub.seen) > 1:
            over.wait(20)
        return "x"

    with serve(reply) as stub:
        answers = answered(model(stub, workers=4), Requests(ask(str(n)) for n in range(500)))
        next(answers)
        if how == "close":
            answers.close()
        else:
            with pytest.raises(UserError):
                answers.throw(UserError("the budget is used up"))
        assert network() == []
        over.set()
        assert stub.until(lambda: stub.connections == 0)
        assert len(stub.seen) <= 5, "the one that was answered and the four in flight"


def test_a_stop_from_another_thread_ends_the_wait():
    over = threading.Event()
    requests = Requests([ask("a"), ask("b")])

    def reply(body):
        requests.stop.say()
        over.wait(20)
        return "x"

    with serve(reply) as stub:
        assert list(answered(model(stub, workers=1), requests)) == []
        assert network() == []
        over.set()
        assert len(stub.seen) == 1


def test_an_error_that_ends_everything_ends_what_waits_too():
    over = threading.Event()

    def reply(body):
        if text_of(body) == "3":
            assert stub.until(lambda: len(stub.seen) == 4)
            return Reply(status=401, error="revoked")
        over.wait(20)
        return "x"

    with serve(reply) as stub:
        with pytest.raises(UserError, match="wants a key"):
            list(answered(model(stub, workers=4), Requests(ask(str(n)) for n in range(9))))
        assert network() == []
        over.set()
        assert stub.until(lambda: stub.connections == 0)
        assert len(stub.seen) == 4


def test_a_server_that_closes_every_connection_without_a_word_is_asked_all_the_same():
    """The reply says nothing of it: each connection that is used again is found closed, before it is asked or after."""
    body = json.dumps({"choices": [{"message": {"content": "D"}, "finish_reason": "stop"}]}).encode()
    with raw_server(lambda talk: talk.request() and talk.send(framed(body, b"Connection: keep-alive"))) as server:
        url = server.url.removesuffix("/chat/completions")
        asked = OpenAI(model="m", base_url=url, workers=8, retry=Retry(first=0.0))
        found = dict(asked.answer([ask(str(n)) for n in range(80)]))
    assert [found[n].text for n in range(80)] == ["D"] * 80
    assert len(set(server.connections)) == len(server.requests) == 80
