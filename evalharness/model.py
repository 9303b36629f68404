"""What a model is: something with a name that answers requests. `models/` holds the kinds there are, one file each.

A plug-in module defines `open_model(argument, options) -> Model`; `local:PATH` opens plug-in `local` with argument
`PATH`. What it can be told stands in a frozen dataclass of its own, `Options`, and `options` is one of those; a module
without takes no options and gets None. An option that it does not take is refused before it is opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from evalharness.records import Request, Response


class Model(Protocol):
    """A model under evaluation or a judge.

    `name` is how the user named it. `fingerprint` decides whether two answers come from the same model (digest of the
    weights, or the endpoint and the name it serves); it is part of every cache key. `chat`: it has a chat template.
    `ranks`: it can score choices by log-probability.
    """

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def chat(self) -> bool: ...
    @property
    def ranks(self) -> bool: ...

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        """Yield (index into `requests`, response) in order of completion, each index once.

        A request that failed for good gets a Response with `error`; UserError is raised only where nothing can be
        answered at all (no key, no such model, not enough memory).
        """
        ...

    def describe(self) -> Mapping[str, Any]:
        """Facts for the run's manifest, JSON only: versions, dtype, device, template and its hash, BOS decision, ..."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """One prompt exactly as it will be sent: rendered text, and for local models its token ids and pieces."""

    text: str
    ids: tuple[int, ...] = ()
    pieces: tuple[str, ...] = ()
    bos: bool | None = None


@runtime_checkable
class Previews(Protocol):
    """A model that can show how it will read a request."""

    def preview(self, request: Request) -> Preview: ...


@runtime_checkable
class Prerecorded(Protocol):
    """A model whose answers were given before it was asked: it knows how many there are to each question."""

    def repeats(self, requests: Sequence[Request]) -> int:
        """The answers that are there to each of the questions. DataError where they are those of other questions."""
        ...


@runtime_checkable
class Priced(Protocol):
    """A model whose answers cost money; US dollars per million tokens, None where unknown."""

    @property
    def prices(self) -> tuple[float, float] | None: ...
