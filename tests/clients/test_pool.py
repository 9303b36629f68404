"""The pool's pace: what a crowded endpoint is asked at once, and how fast it is asked more again."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from evalharness.clients import pool
from evalharness.clients.pool import AttemptError, Flight, Retry, answers
from evalharness.model import Requests
from evalharness.records import Message, Request, Response


@pytest.fixture
def clock(monkeypatch):
    """The pool's clock, which stands still until the test moves it."""
    now = [100.0]
    monkeypatch.setattr(pool.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def flight():
    """Makes a flight with so many requests on their way."""
    made = []

    def make(most):
        found = Flight(most, Retry(first=0.0))
        found.flying = set(range(most))
        made.append(found)
        return found

    yield make
    for found in made:
        found.loop.close()


def test_requests_sent_before_the_last_halving_do_not_halve_again(clock, flight):
    pace = flight(16)
    pace._crowded(sent=99.0, wait=2.0)
    assert (pace.limit, pace.resume_at) == (8, 102.0)
    clock[0] = 101.0
    for sent in (98.0, 99.0, 99.9):  # they were on their way when the limit was halved
        pace._crowded(sent=sent, wait=3.0)
    assert (pace.limit, pace.resume_at) == (8, 104.0), "one crowd, one halving; the longest pause holds"
    pace._crowded(sent=100.0, wait=0.0)
    assert (pace.limit, pace.resume_at) == (4, 104.0)


def test_a_halving_starts_from_what_was_on_its_way(clock, flight):
    pace = flight(64)
    pace.flying = set(range(6))
    pace._crowded(sent=100.0, wait=0.0)
    assert pace.limit == 3


def test_a_halving_never_stops_the_last_request(clock, flight):
    pace = flight(3)
    limits = []
    for _ in range(3):
        clock[0] += 1
        pace._crowded(sent=clock[0], wait=0.0)
        limits.append(pace.limit)
    assert limits == [1, 1, 1]


def test_a_clean_window_allows_one_more(clock, flight):
    pace = flight(4)
    pace._crowded(sent=100.0, wait=0.0)
    limits = []
    for times in (1, 1, 2, 1, 4, 9):
        for _ in range(times):
            pace._clean()
        limits.append(pace.limit)
    assert limits == [2, 3, 3, 4, 4, 4]
    pace._crowded(sent=100.0, wait=0.0)
    assert pace.limit == 2 and pace.fine == 0, "what was clean before the crowd does not count"


def test_a_crowd_of_many_halves_once_and_every_request_is_answered(monkeypatch):
    """Eight that were sent together are all told "too many": four go on, not one."""
    limits, turned = [], set()
    there = asyncio.Barrier(8)  # all eight are on their way before the first is turned away
    crowded = Flight._crowded

    def noted(self, sent, wait):
        crowded(self, sent, wait)
        limits.append(self.limit)

    monkeypatch.setattr(Flight, "_crowded", noted)

    @asynccontextmanager
    async def connect():
        async def send(request):
            if len(turned) < 8:
                turned.add(request.text)
                await there.wait()
                raise AttemptError("429", wait=0.0, crowded=True)
            return Response(text=request.text)

        yield send

    asked = Requests(Request(messages=(Message("user", str(n)),)) for n in range(24))
    found = dict(answers(asked, connect, 8, Retry(first=0.0)))
    assert {n: response.text for n, response in found.items()} == {n: str(n) for n in range(24)}
    assert limits == [4] * 8
