"""Questions that are asked while a training goes on, shared out over its processes: each answers a part of them.

The first process asks, scores and writes as ever; the others answer what it passes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from evalharness.model import Model, WrappedModel
from evalharness.records import Request, Response
from evalharness.training.world import TrainingWorld


@dataclass(frozen=True, kw_only=True)
class SharedOut(WrappedModel):
    """A model of which every process of `world` has a copy. Used by the first one, within `shared_out`."""

    world: TrainingWorld

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        """All answers once they are all there."""
        asked = self.world.of_first(list(requests))
        yield from _answered_together(self.model, self.world, asked)


@contextmanager
def shared_out(model: Model, world: TrainingWorld) -> Iterator[Model]:
    """The model as all processes answer for it together; the others say `answer_with` meanwhile."""
    if world.size < 2:
        yield model
        return
    try:
        yield SharedOut(model=model, world=world)
    finally:
        world.of_first(None)


def answer_with(model: Model, world: TrainingWorld) -> None:
    """Answer this process's share of whatever the first one is asked, until that is through."""
    asked: list[Request] | None
    while (asked := world.of_first(None)) is not None:
        _answered_together(model, world, asked)


def _answered_together(model: Model, world: TrainingWorld, asked: Sequence[Request]) -> list[tuple[int, Response]]:
    # Neighbours begin alike, so a share is a piece of the whole.
    begin, end = (len(asked) * rank // world.size for rank in (world.rank, world.rank + 1))
    mine = [(begin + index, response) for index, response in model.answer(asked[begin:end])] if end > begin else []
    return [each for part in world.of_all(mine) for each in part]
