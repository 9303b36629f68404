"""The pace: what a crowded endpoint is asked at once, how fast it is asked more again, and what the caps allow."""

import pytest

from evalharness.clients import pacing
from evalharness.clients.pacing import Pace, RateCaps


@pytest.fixture
def clock(monkeypatch):
    """The pace's clock, which stands still until the test moves it."""
    now = [100.0]
    monkeypatch.setattr(pacing.time, "monotonic", lambda: now[0])
    return now


def pace(start, most=None, **caps):
    return Pace(start, most or start, RateCaps(**caps))


def test_requests_sent_before_the_last_halving_do_not_halve_again(clock):
    found = pace(16)
    found.flying = 16
    found.crowded(sent=99.0, wait=2.0)
    assert (found.limit, found.resume_at) == (8, 102.0)
    clock[0] = 101.0
    for sent in (98.0, 99.0, 99.9):  # they were on their way when the limit was halved
        found.flying = 16
        found.crowded(sent=sent, wait=3.0)
    assert (found.limit, found.resume_at) == (8, 104.0), "one crowd, one halving; the longest pause holds"
    found.flying = 8
    found.crowded(sent=100.0, wait=0.0)
    assert (found.limit, found.resume_at) == (4, 104.0)


def test_a_halving_starts_from_what_was_on_its_way(clock):
    found = pace(64)
    found.flying = 6
    found.crowded(sent=100.0, wait=0.0)
    assert found.limit == 3


def test_a_halving_never_stops_the_last_request(clock):
    found = pace(3)
    limits = []
    for _ in range(3):
        clock[0] += 1
        found.flying = 3
        found.crowded(sent=clock[0], wait=0.0)
        limits.append(found.limit)
    assert limits == [1, 1, 1]


def test_a_clean_window_allows_a_quarter_more_up_to_where_it_was(clock):
    found = pace(64)
    found.flying = 64
    found.crowded(sent=100.0, wait=0.0)
    limits = [found.limit]
    for _ in range(5):
        for _ in range(found.limit):
            found.answered()
        limits.append(found.limit)
    assert limits == [32, 40, 50, 62, 64, 64]


def windows(found, clock, rate_of, count):
    """The limits after so many windows in which the endpoint answers `rate_of(limit)` a second."""
    limits = []
    for _ in range(count):
        answers = 3 * found.limit if found.limit >= found.known else found.limit
        clock[0] += answers / rate_of(found.limit)
        for _ in range(answers):
            found.answered()
        limits.append(found.limit)
    return limits


def test_it_grows_as_long_as_the_endpoint_keeps_up(clock):
    assert windows(pace(16, 128), clock, lambda limit: 20.0 * limit, 7) == [25, 38, 58, 88, 128, 128, 128]


def test_it_grows_no_further_than_where_more_brings_nothing(clock):
    """An endpoint with 40 slots: with more in flight it answers no more a second."""
    found = pace(16, 128)
    limits = windows(found, clock, lambda limit: 20.0 * min(40, limit), 30)
    assert limits[:4] == [25, 38, 58, 58] or limits[:4] == [25, 38, 58, 38]
    assert sum(limit <= 58 for limit in limits) == 30 and limits[-1] in (38, 58)
    assert limits.count(58) <= 4, "what brought nothing is tried again, but seldom"


def test_an_endpoint_that_never_gains_stays_where_it_began(clock):
    limits = windows(pace(16, 128), clock, lambda limit: 100.0, 60)
    assert set(limits) == {16, 25} and limits.count(25) <= 4


def test_a_user_s_number_is_the_most(clock):
    assert set(windows(pace(4), clock, lambda limit: 20.0 * limit, 30)) == {4}


def test_after_a_storm_it_comes_back(clock):
    found = pace(64)
    for _ in range(10):
        clock[0] += 1
        found.flying = found.limit
        found.crowded(sent=clock[0], wait=0.5)
    assert found.limit == 1
    clock[0] += 1
    answers = 0
    while found.limit < 64 and answers < 100_000:
        clock[0] += 1 / (20.0 * found.limit)
        found.answered()
        answers += 1
    assert answers < 500


def test_failures_of_a_few_halve_nothing_and_those_of_most_do(clock):
    found = pace(16)
    for number in range(100):
        if number % 3 == 0:
            found.flying = 16
            found.fails(sent=clock[0])
        else:
            found.answered()
    assert found.limit == 16
    clock[0] += 1
    for number in range(60):
        if number % 3 == 0:
            found.answered()
        else:
            found.flying = 16
            found.fails(sent=100.5)
    assert found.limit == 8 and found.resume_at == 0.0, "once, and nobody is made to wait"


def test_requests_a_minute_are_spread_over_it(clock):
    found = pace(16, rpm=120)
    assert [max(0.0, found.take()) for _ in range(4)] == pytest.approx([0.0, 0.5, 1.0, 1.5], abs=1e-9)
    clock[0] += 60
    assert found.pause() <= 0 and found.take() <= 0
    assert found.take() == pytest.approx(0.5), "what was not used is not saved up"


def test_tokens_a_minute_are_counted_as_they_come(clock):
    found = pace(16, tpm=600)
    assert found.take() <= 0 and found.take() <= 0, "nothing is known of their tokens yet"
    found.answered(20)
    found.answered(20)
    assert found.pause() == pytest.approx(4.0), "40 tokens are 4 seconds' worth"
    clock[0] += 4
    assert found.take() <= 0
    assert found.pause() == pytest.approx(2.0), "another one like those is expected"
    found.answered(50, expected=20.0)
    assert found.pause() == pytest.approx(5.0)


def test_without_caps_nothing_is_waited_for(clock):
    found = pace(16)
    assert all(found.take() <= 0 for _ in range(1000))


def test_a_rest_holds_for_all(clock):
    found = pace(16)
    found.rest(3.0)
    found.rest(1.0)
    assert (found.pause(), found.take(), found.limit) == (3.0, 3.0, 16)
