"""The model that knows nothing: it writes back the last line it was asked and ranks choices in the order given.

For trying out a benchmark, a pipeline or an installation without weights, network or cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalharness.errors import UserError, option_name
from evalharness.model import Preview
from evalharness.records import Request, Response


class Echo:
    name = "echo"
    fingerprint = "echo-1"
    chat = False
    ranks = True

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        for index, request in enumerate(requests):
            yield index, _ranked(request) if request.choices else _written(request)

    def preview(self, request: Request) -> Preview:
        return Preview(text=request.text)

    def describe(self) -> Mapping[str, Any]:
        return {"template": "none"}


def _ranked(request: Request) -> Response:
    n = len(request.choices)
    return Response(logprobs=tuple(-float(i) for i in range(1, n + 1)), greedy=(False,) * n, lengths=(1,) * n)


def _written(request: Request) -> Response:
    lines = request.messages[-1].content.strip().splitlines()
    return Response(text=lines[-1] if lines else "", finish="stop")


def open_model(argument: str, options: None) -> Echo:
    """The echo model; it takes no argument and no options."""
    if argument:
        raise UserError(f"echo takes no argument, there is {argument!r}; say {option_name('model', 'echo')}")
    return Echo()
