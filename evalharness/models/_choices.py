"""A question whose choices are to be ranked, asked of an endpoint choice by choice: all of them may be in flight."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from evalharness.model import Requests
from evalharness.records import Request, Response, summed

Answers = Generator[tuple[int, Response], None, None]


def by_choice(requests: Requests, ask: Callable[[Requests], Answers]) -> Iterator[tuple[int, Response]]:
    """The answers of `ask`, which is asked for one choice at a time, put together again question by question."""
    parts = Requests(stop=requests.stop)
    places: list[tuple[int, int]] = []  # of each part: the question's index, the choice's place
    scored: dict[int, list[Response | None]] = {}

    def take() -> None:
        for index, request in requests.take():
            singles = _singles(request)
            scored[index] = [None] * len(singles)
            for place, single in enumerate(singles):
                parts.add(single)
                places.append((index, place))

    take()
    with closing(ask(parts)) as answers:
        for number, response in answers:
            index, place = places[number]
            held = scored[index]
            held[place] = response
            found = [one for one in held if one is not None] if len(held) > 1 else [response]
            if len(found) == len(held):
                del scored[index]
                yield index, _together(found)
                take()


def _singles(request: Request) -> list[Request]:
    if len(request.choices) < 2:
        return [request]
    given = request.context_per_choice or ("",) * len(request.choices)
    pairs = zip(request.choices, given, strict=True)
    return [replace(request, choices=(choice,), context_per_choice=(before,)) for choice, before in pairs]


def _together(found: Sequence[Response]) -> Response:
    """One response of those to the choices; where one of them has no log-probability, the question has none."""
    if len(found) == 1:
        return found[0]
    odd = next((one for one in found if one.error), None) or next((one for one in found if not one.logprobs), None)
    return Response(
        logprobs=() if odd else tuple(value for one in found for value in one.logprobs),
        greedy=() if odd else tuple(value for one in found for value in one.greedy),
        lengths=() if odd else tuple(value for one in found for value in one.lengths),
        finish=odd.finish if odd else "",
        seconds=max(one.seconds for one in found),
        error=odd.error if odd else "",
        left_out=tuple(sorted({name for one in found for name in one.left_out})),
        **summed(found),
    )
