"""Models asked within a time: what has no answer by its end is said, not waited for."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from evalharness.errors import UserError
from evalharness.model import Model, Requests, Stop, answered, stopped_by
from evalharness.records import Request, Response


class TimeIsUpError(UserError):
    """Not all answers came before the asking was stopped."""


@contextmanager
def given_up_after(seconds: float) -> Iterator[None]:
    """Within, whatever a model is asked is given up after so many seconds. An engine of this machine ends with the
    batch that it is at."""
    stop = Stop()
    timer = threading.Timer(max(0.0, seconds), stop.say)
    timer.daemon = True
    timer.start()
    try:
        with stopped_by(stop):
            yield
    finally:
        timer.cancel()


def all_answers(model: Model, requests: Sequence[Request]) -> list[Response]:
    """The answers in the order of the requests. TimeIsUpError where a stop came before all of them, UserError where
    nothing can be answered at all."""
    asked = Requests(requests)
    found = dict(answered(model, asked))
    if len(found) < len(requests):
        raise TimeIsUpError(f"{model.name}: {len(found)} of {len(requests)} answers came in time")
    return [found[place] for place in range(len(requests))]
