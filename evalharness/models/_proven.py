"""An endpoint that is to rank, and is believed only once its log-probabilities of prompts were proved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evalharness.doctor.echo import FEWEST_ECHOES, prove_echo
from evalharness.errors import UserError
from evalharness.models._endpoint import Endpoint
from evalharness.records import Request, Response


@dataclass(kw_only=True)
class ProvenEndpoint(Endpoint):
    """An endpoint whose scored prompts are held to tokens that it generated before any of them is believed."""

    proven_to_rank: bool = False

    @property
    def wants_proof(self) -> bool:
        """Whether the way in which it ranks is one that a reply does not prove by itself."""
        return True

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        """As every endpoint. UserError where it is to rank and its scores are not those of its tokens."""
        if self.wants_proof and not self.proven_to_rank and any(request.choices for request in requests):
            self.proven_to_rank = True  # what proves it is asked of it too
            try:
                prove_echo(self, at_least=FEWEST_ECHOES)
            except UserError:
                self.proven_to_rank = False
                raise
        yield from super().answer(requests)
