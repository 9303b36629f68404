"""What a model is asked while it answers: requests that are taken, added, read as a list, or wanted no more."""

import threading

import pytest

from evalharness.model import Requests, Stop, answered
from evalharness.records import Message, Request, Response


def ask(text: str) -> Request:
    return Request(messages=(Message("user", text),))


class Listing:
    """A plug-in that knows nothing of `Requests`."""

    name, fingerprint, chat, ranks = "listing", "l", True, False

    def __init__(self, silent=()):
        self.rounds, self.silent = [], silent

    def answer(self, requests):
        self.rounds.append([request.text for request in requests])
        for index in reversed(range(len(requests))):
            if requests[index].text not in self.silent:
                yield index, Response(text=requests[index].text.upper())

    def describe(self):
        return {}


class Taking(Listing):
    """A model that takes one at a time."""

    def answer(self, requests):
        given = Requests.of(requests)
        while taken := given.take(1):
            self.rounds.append([request.text for _, request in taken])
            yield from ((index, Response(text=request.text.upper())) for index, request in taken)


def test_take_gives_each_once_and_a_sequence_is_what_is_known():
    requests = Requests([ask("a"), ask("b"), ask("c")])
    seen = iter(requests)
    assert requests.take(2) == [(0, ask("a")), (1, ask("b"))]
    assert requests.add(ask("d")) == 3
    assert [r.text for r in seen] == ["a", "b", "c"], "iterating sees nothing that is added meanwhile"
    assert [i for i, _ in requests.take()] == [2, 3]
    assert requests.take() == [] and requests.take(-1) == []
    assert (len(requests), requests[3].text, [r.text for r in requests[1:3]]) == (4, "d", ["b", "c"])
    assert Requests.of(requests) is requests


@pytest.mark.parametrize("model", [Listing(), Taking()])
def test_what_was_added_is_forgotten_once_it_is_answered(model):
    """Of a thousand that are added one by one, two are in memory at a time; those given from the start stay."""
    requests, most = Requests([ask("first")]), 0
    for index, _ in answered(model, requests):
        if index < 1000:
            assert requests.add(ask(f"q{index}")) == index + 1
        most = max(most, len(requests._added))
    assert most == 2 and len(requests) == 1001 and requests[0].text == "first"
    with pytest.raises(KeyError):
        requests[500]


@pytest.mark.parametrize(
    ("model", "rounds"),
    [(Listing(), [["a", "b"], ["b2", "a2"], ["a3", "b3"]]), (Taking(), [["a"], ["b"], ["a2"], ["b2"], ["a3"], ["b3"]])],
)
def test_what_is_added_is_answered_by_any_model(model, rounds):
    requests = Requests([ask("a"), ask("b")])
    found = {}
    for index, response in answered(model, requests):
        found[index] = response.text
        asked = requests[index].text
        if not asked.endswith("3"):
            requests.add(ask(asked[0] + str(int(asked[1:] or 1) + 1)))
    assert model.rounds == rounds
    assert sorted(found.values()) == ["A", "A2", "A3", "B", "B2", "B3"]


def test_what_a_model_leaves_out_is_asked_once_more_and_then_an_error():
    model = Listing(silent=("b",))
    found = dict(answered(model, Requests([ask("a"), ask("b")])))
    assert model.rounds == [["a", "b"], ["b"]]
    assert (found[0].text, found[1].error) == ("A", "the model gave no answer to it")
    assert list(answered(Listing(), Requests())) == []


def test_after_a_stop_nothing_is_taken_and_the_one_who_waits_is_woken():
    stop, woken = Stop(), threading.Event()
    requests = Requests([ask("a"), ask("b")], stop)
    answers = answered(Taking(), requests)
    next(answers)
    with stop.waking(woken.set):
        threading.Thread(target=stop.say).start()
        assert woken.wait(20)
    assert list(answers) == [] and requests.take() == []
    again = threading.Event()
    with stop.waking(again.set):
        assert again.is_set(), "whoever comes too late is woken at once"
