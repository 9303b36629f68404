"""How long an endpoint asks to wait, in all the ways in which it may say so, and what is made of it."""

import time

import pytest
from stub_server import Reply, serve

from evalharness.clients.pool import Retry
from evalharness.clients.refusal import Refusal
from evalharness.models.openai import OpenAI
from evalharness.records import Message, Request

pytestmark = pytest.mark.usefixtures("http_client")

ASKED = Request(messages=(Message("user", "Which?"),))


@pytest.mark.parametrize(
    ("headers", "error", "seconds"),
    [
        ({"Retry-After": "7"}, {}, 7),
        ({"Retry-After": "0"}, {}, 0),
        ({"retry-after-ms": "250", "Retry-After": "1"}, {}, 0.25),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, {}, 0),
        ({"Retry-After": "soon"}, {}, None),
        ({"Retry-After": "9" * 400}, {}, None),
        ({"Retry-After": "-5"}, {}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m2.5s"}, {}, 62.5),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "150ms"}, {}, 0.15),
        ({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "150ms"}, {}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "12"}, {}, 12),
        ({"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "2020-01-01"}, {}, 0),
        ({}, {"details": [{"retryDelay": "17s"}]}, 17),
        ({}, {"details": [7, {"retryDelay": 5}]}, None),
        ({}, {}, None),
    ],
)  # fmt: skip
def test_how_long_an_endpoint_asks_to_wait(headers, error, seconds):
    assert Refusal(429, headers, {"error": error}).wait() == seconds


@pytest.mark.parametrize(
    ("headers", "rests"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m2s"}, 62),
        ({"X-RateLimit-Remaining-Tokens": "0", "X-RateLimit-Reset-Tokens": "30s"}, 30),
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "1m2s"}, 0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "24h"}, 0),  # longer than our patience
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "soon"}, 0),
        ({"Retry-After": "9"}, 0),  # of an answer that came it says nothing
    ],
)
def test_an_answer_that_says_that_a_quota_is_used_up_makes_the_next_ones_wait(headers, rests):
    with serve(lambda body: Reply(text="D", headers=headers)) as stub:
        model = OpenAI(model="m", base_url=stub.url)
        began = time.monotonic()
        ((_, found),) = model.answer([ASKED])
    assert found.text == "D"
    assert (model.pace.resume_at > began) == bool(rests)
    assert max(0.0, model.pace.resume_at - began) == pytest.approx(rests, abs=20)


def test_an_endpoint_that_says_0_does_not_use_up_the_attempts_at_once(monkeypatch):
    waited = []

    async def sleep(seconds):
        waited.append(seconds)

    from evalharness.clients import pool

    monkeypatch.setattr(pool.asyncio, "sleep", sleep)
    with serve(lambda body: Reply(status=500, headers={"Retry-After": "0"}, error="x")) as stub:
        ((_, found),) = OpenAI(model="m", base_url=stub.url, retry=Retry(attempts=4, first=1.0)).answer([ASKED])
    assert "after 4 attempts" in found.error
    assert [at <= wait <= 2 * at for at, wait in zip((0.5, 1.0, 2.0), waited, strict=True)] == [True] * 3
