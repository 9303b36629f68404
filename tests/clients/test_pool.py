"""Many requests at once: who waits, who is asked again and how often."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from evalharness.clients import pool
from evalharness.clients.pacing import Pace, RateCaps
from evalharness.clients.pool import AttemptError, Retry, answers
from evalharness.model import Requests
from evalharness.records import Message, Request, Response


def test_a_crowd_of_many_halves_once_and_every_request_is_answered(monkeypatch):
    """Eight that were sent together are all told "too many": four go on, not one."""
    limits, turned = [], set()
    there = asyncio.Barrier(8)  # all eight are on their way before the first is turned away
    crowded = Pace.crowded

    def noted(self, sent, wait):
        crowded(self, sent, wait)
        limits.append(self.limit)

    monkeypatch.setattr(Pace, "crowded", noted)

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
    found = dict(answers(asked, connect, Pace(8, 8, RateCaps()), Retry(first=0.0)))
    assert {n: response.text for n, response in found.items()} == {n: str(n) for n in range(24)}
    assert limits == [4] * 8


def answered_by(send, count, retry, caps=None):
    @asynccontextmanager
    async def connect():
        yield send

    asked = Requests(Request(messages=(Message("user", str(n)),)) for n in range(count))
    return dict(answers(asked, connect, Pace(4, 4, caps or RateCaps()), retry))


@pytest.fixture
def waits(monkeypatch):
    """The pauses that were made, none of which takes any time."""
    found = []

    async def sleep(seconds):
        found.append(seconds)

    monkeypatch.setattr(pool.asyncio, "sleep", sleep)
    return found


def test_a_connection_that_was_closed_before_it_was_asked_is_tried_again_once_without_a_pause(waits):
    attempts = []

    async def send(request):
        attempts.append(request.text)
        raise AttemptError("it was closed", at_once=True)

    found = answered_by(send, 1, Retry(attempts=4, first=1.0))
    assert found[0].error == "it was closed (after 4 attempts)" and len(attempts) == 4
    assert len(waits) == 2 and 1.0 <= waits[0] <= 2.0 <= waits[1] <= 4.0, "the first of them alone is free"


def test_pauses_grow_to_a_longest_and_none_is_as_another(waits):
    async def send(request):
        raise AttemptError("500", wait=0.0)

    answered_by(send, 4, Retry(attempts=9, first=1.0, longest=8.0))
    assert len(waits) == 32 and len(set(waits)) == 32
    assert min(waits) >= 0.5 and max(waits) <= 8.0 and sum(wait > 4.0 for wait in waits) == 4 * 5


def test_a_pause_longer_than_the_patience_is_not_made(waits):
    async def send(request):
        raise AttemptError("429", wait=500.0, crowded=True)

    found = answered_by(send, 1, Retry(patience=120.0))
    assert found[0].error == "429 (after 1 attempt; it asks to wait 500 s)" and waits == []


def test_caps_hold_for_further_attempts_too(waits):
    async def send(request):
        raise AttemptError("500")

    answered_by(send, 1, Retry(attempts=3, first=0.0), RateCaps(rpm=60))
    turns = [wait for wait in waits if wait > 0]
    assert len(turns) == 2 and turns == pytest.approx([1.0, 2.0], rel=0.05), "the clock stood nearly still"
